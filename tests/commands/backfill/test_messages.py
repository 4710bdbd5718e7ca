"""The exact messages of `backfill`, in the golden file messages.txt."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config import ConfigError
from exporter.simulator import NextLink, Options, Phases, V6Options, World, faults
from tests.commands.backfill.harness import build_world, parse_flags, run_command
from tests.commands.backfill.test_options import INVALID
from tests.commands.runs.worlds import same_names
from tests.support.golden import assert_golden
from tests.support.lab import START

MESSAGES = Path(__file__).parent / "messages.txt"


def one_run(age: float) -> World:
    world = World()
    world.add_run(world.add_test("soak"), created=START - age, phases=Phases())
    return world


SCENARIOS: dict[str, Callable[[Path], object]] = {
    "success": lambda output: run_command(build_world(), output),
    "success with --label job": lambda output: run_command(build_world(), output, label=["job=k6"]),
    "success with both labels": lambda output: run_command(
        build_world(), output, label=["job=k6", "instance=a:1"]
    ),
    "no matching test": lambda output: run_command(World(), output),
    "no runs": lambda output: run_command(one_run(3600), output),
    "an entry that matches no test": lambda output: run_command(
        build_world(), output, settings={"tests": [{"id": 400001}, {"id": 99}, {"include": "zebra"}]}
    ),
    "an unknown name": lambda output: run_command(
        build_world(), output, settings={"tests": [{"id": 400001}, {"name": "sock 1"}]}
    ),
    "an ambiguous name": lambda output: run_command(
        same_names(), output, settings={"tests": [{"name": "login"}]}
    ),
    "a run without an end": lambda output: run_command(
        one_run(5 * 3600), output, faults=(faults.field("ended", None),)
    ),
    "a malformed run": lambda output: run_command(
        one_run(5 * 3600), output, faults=(faults.invalid_item().on("*runs?*"),)
    ),
    "an error of k6 Cloud": lambda output: run_command(
        one_run(5 * 3600), output, faults=(faults.error(500).on("*runs*"),)
    ),
    "an incomplete list, legacy": lambda output: run_command(
        build_world(tests=1, days=9, every=900), output, faults=(faults.empty_page().on("*page=2*"),)
    ),
    "an incomplete list, v6": lambda output: run_command(
        build_world(), output, "v6", options=Options(v6=V6Options(next_link=NextLink.LOOP))
    ),
    "an output that cannot be written": lambda _: run_command(build_world(), Path("/dev/full")),
}


def test_messages_match_the_golden_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    transcript = ""
    for title, run_scenario in SCENARIOS.items():
        run_scenario(tmp_path / "past.om")
        transcript += f"== {title}\n{capsys.readouterr().err}"
    transcript += "== invalid flags\n"
    for flags, _ in INVALID:
        with pytest.raises(ConfigError) as error:
            parse_flags(**flags)
        transcript += "".join(f"{message}\n" for message in error.value.messages)
    assert_golden(MESSAGES, transcript)
