"""A part of the corrupted responses and files of `make faults`, and every failure that it found."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.simulator import Fault
from exporter.simulator.http import Response
from tests.faults import fuzz
from tests.faults.campaign import run_scenario
from tests.faults.catalogue import make

FOUND = sorted(path for path in fuzz.CORPUS.glob("*.json") if path != fuzz.SEEDS)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.stem)
def test_found_failure_does_not_return(file: Path) -> None:
    found = json.loads(file.read_text(encoding="utf-8"))
    response = Response(found["status"], body=found["body"])
    fault = Fault(lambda _, __: response, instead=True).on(found["path"])
    scenario = make(file.stem, fault, false_metrics=frozenset(found["false_metrics"]))

    for api_version in found["api_versions"]:
        assert run_scenario(scenario, api_version).violations == [], found["why"]


@pytest.mark.parametrize("api_version", ["legacy", "v6"])
def test_found_seed_does_not_fail_again(api_version: str) -> None:
    for seed in fuzz.read_seeds(api_version):
        fuzz.run_seed(seed, api_version)


def test_corrupted_responses_cause_no_failure_and_no_leak() -> None:
    tally = fuzz.corrupt_responses(2000, first_seed=1_000_000)

    assert tally.failures == []
    assert tally.corrupted >= 2000
    assert tally.grown < 100 * 2**20


@pytest.mark.parametrize("corrupt", [fuzz.corrupt_files, fuzz.corrupt_web_files], ids=["exporter", "web"])
def test_corrupted_config_file_causes_no_failure(corrupt: Callable[[int, int], fuzz.Tally]) -> None:
    tally = corrupt(1000, 1_000_000)

    assert tally.failures == []
    assert tally.slowest < fuzz.MAX_SECONDS


def test_seed_is_reproducible() -> None:
    assert fuzz.run_seed(7, "v6")[0] == fuzz.run_seed(7, "v6")[0] > 0
