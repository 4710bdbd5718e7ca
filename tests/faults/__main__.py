"""python -m tests.faults campaign|fuzz|soak ...: run the long versions and write RESULTS.md."""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.faults import campaign, fuzz, report
from tests.faults.soak import soak

API_VERSIONS = ("v6", "legacy")


def run_campaign(_: argparse.Namespace) -> Any:
    return campaign.run()


def run_fuzz(arguments: argparse.Namespace) -> Any:
    return {
        "responses": measure(fuzz.corrupt_responses, arguments.responses, arguments.seed),
        "files": measure(fuzz.corrupt_files, arguments.files, arguments.seed),
        "web files": measure(fuzz.corrupt_web_files, arguments.files, arguments.seed),
    }


def run_soak(arguments: argparse.Namespace) -> Any:
    results = report.read().get("soak", {})
    seconds, scrapers = arguments.seconds, arguments.scrapers
    for api_version in arguments.api or API_VERSIONS:
        print(f"  {scrapers} scrapers, {seconds:g} s, {api_version}", flush=True)
        result = soak(api_version, seconds=seconds, scrapers=scrapers, reload=arguments.reload)
        results[api_version] = {"seconds": seconds, "scrapers": scrapers, **result.summarize()}
    return results


def measure(corrupt: Callable[[int, int], fuzz.Tally], most: int, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    tally = vars(corrupt(most, seed))
    return {**tally, "seconds": time.monotonic() - began}


PARTS = {"campaign": run_campaign, "fuzz": run_fuzz, "soak": run_soak}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--responses", type=int, default=100_000, help="corrupted responses of k6 Cloud")
    parser.add_argument("--files", type=int, default=50_000, help="corrupted configuration files")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=600.0, help="duration of the soak per API version")
    parser.add_argument(
        "--api", action="append", choices=API_VERSIONS, help="only this API version; repeatable"
    )
    parser.add_argument("--scrapers", type=int, default=200)
    parser.add_argument("--reload", action="store_true", help="also reload with SIGHUP")
    arguments = parser.parse_args()
    for part in arguments.parts:
        print(part, flush=True)
        report.write(part, PARTS[part](arguments), python=platform.python_version())
    return 1 if report.find_violations(report.read()) else 0


if __name__ == "__main__":
    sys.exit(main())
