"""Some of the answers and files that `make faults` spoils by the hundred thousand, and what it found."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator import Fault
from exporter.simulator.http import Response
from tests.faults import fuzz
from tests.faults.campaign import performed
from tests.faults.catalogue import struck

FOUND = sorted(path for path in fuzz.CORPUS.glob("*.json") if path != fuzz.SEEDS)


def found(file: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return told


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.stem)
def test_what_once_broke_a_promise_breaks_it_no_more(file: Path) -> None:
    told = found(file)
    answer = Response(told["status"], body=told["body"])
    fault = Fault(lambda _, __: answer, instead=True).on(told["path"])
    trouble = struck(file.stem, fault, spoils=frozenset(told["spoils"]))

    for api_version in told["generations"]:
        assert performed(trouble, api_version).broken == [], told["why"]


@pytest.mark.parametrize("api_version", ["legacy", "v6"])
def test_no_seed_that_once_broke_something_does_so_again(api_version: str) -> None:
    for seed in fuzz.seeds(api_version):
        fuzz.play(seed, api_version)


def test_no_spoilt_answer_breaks_or_stops_or_fills_the_exporter() -> None:
    tally = fuzz.answers(2000, first_seed=1_000_000)

    assert tally.broken == []
    assert tally.spoilt >= 2000
    assert tally.grown < 100 * 2**20


@pytest.mark.parametrize("spoil", [fuzz.files, fuzz.web_files], ids=["its own", "web"])
def test_no_spoilt_configuration_file_breaks_or_stops_or_fills_the_exporter(
    spoil: Callable[[int, int], fuzz.Tally],
) -> None:
    tally = spoil(1000, 1_000_000)

    assert tally.broken == []
    assert tally.slowest < fuzz.A_HANG


def test_a_seed_is_the_same_at_each_time() -> None:
    assert fuzz.play(7, "v6")[0] == fuzz.play(7, "v6")[0] > 0
