"""Random corruption of responses: nothing breaks, and the exporter converges to the correct series."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.mutations import (
    APIS,
    ENDLESS,
    CorruptingLab,
    add_new_runs,
    assert_converges,
    assert_healthy,
    assert_scrape_is_valid,
    expected_page,
    make_world,
    poll_corrupted,
)
from tests.support.lab import Lab

EXAMPLES = 60  # of each kind and API version
MIN_CORRUPTED = 250  # responses of each, together a thousand


@pytest.mark.parametrize(("api_version", "can_falsify"), [("legacy", False), ("legacy", True), ("v6", False)])
def test_corrupted_responses_break_nothing_and_are_forgotten(api_version: str, *, can_falsify: bool) -> None:
    expected = {
        new_runs: expected_page(api_version, new_runs=new_runs, with_counters=not can_falsify)
        for new_runs in (True, False)
    }
    corrupted = 0

    @settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
    @given(seed=st.integers(0, 2**64), from_the_start=st.booleans())
    def check(seed: int, *, from_the_start: bool) -> None:
        nonlocal corrupted
        world = make_world()
        with CorruptingLab(world, api=APIS[api_version]) as lab:
            if not from_the_start:
                lab.poll()
                add_new_runs(world)
            poll_corrupted(lab, seed, can_falsify=can_falsify)
            assert_converges(lab, expected[not from_the_start], with_counters=not can_falsify)
            corrupted += lab.corruption.corrupted

    check()
    assert corrupted >= MIN_CORRUPTED


def test_new_runs_are_correct_after_false_v6_responses() -> None:
    # The exporter does not fetch old v6 runs again, so a false value of a finished run stays.
    corrupted = 0

    @settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
    @given(seed=st.integers(0, 2**64))
    def check(seed: int) -> None:
        nonlocal corrupted
        world = make_world()
        with CorruptingLab(world, api=APIS["v6"]) as lab:
            lab.poll()
            add_new_runs(world)
            poll_corrupted(lab, seed, can_falsify=True)
            corrupted += lab.corruption.corrupted

            lab.poll()
            new = world.add_run(next(iter(world.tests)), created=lab.now.value + 1, phases=ENDLESS)
            lab.now.value += 301
            lab.poll()
            assert_scrape_is_valid(lab)
            assert_healthy(lab)
            assert lines_of_run(lab, new) == expected_lines(lab, new)

    check()
    assert corrupted >= MIN_CORRUPTED


def lines_of_run(lab: Lab, run: int) -> list[str]:
    return [line for line in lab.page().split("\n") if f'run_id="{run}"' in line]


def expected_lines(lab: Lab, run: int) -> list[str]:
    """The lines of the run from a new exporter."""
    with Lab(lab.simulator.world, api=APIS["v6"]) as other:
        other.now.value = lab.now.value
        other.poll()
        return lines_of_run(other, run)
