"""python -m tests.faults campaign|fuzz|soak ...: run at length, and write RESULTS.md of what was found."""

import argparse
import platform
import sys
import time
from typing import Any

from tests.faults import campaign, fuzz, report
from tests.faults.soak import soak

GENERATIONS = ("v6", "legacy")


def campaigned(_: argparse.Namespace) -> Any:
    return campaign.run()


def fuzzed(given: argparse.Namespace) -> Any:
    return {
        "answers": timed(fuzz.answers, given.answers, given.seed),
        "files": timed(fuzz.files, given.files, given.seed),
        "web files": timed(fuzz.web_files, given.files, given.seed),
    }


def soaked(given: argparse.Namespace) -> Any:
    told = report.read().get("soak", {})
    for api_version in given.api or GENERATIONS:
        print(f"  {given.scrapers} scrapers, {given.seconds:g} s, {api_version}", flush=True)
        seen = soak(api_version, seconds=given.seconds, scrapers=given.scrapers, reload=given.reload)
        told[api_version] = {"seconds": given.seconds, "scrapers": given.scrapers, **seen.told()}
    return told


def timed(spoil: Any, most: int, seed: int) -> dict[str, Any]:
    began = time.monotonic()
    told = spoil(most, seed).told()
    return {**told, "seconds": time.monotonic() - began}


PARTS = {"campaign": campaigned, "fuzz": fuzzed, "soak": soaked}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--answers", type=int, default=100_000, help="spoilt answers of k6 Cloud")
    parser.add_argument("--files", type=int, default=50_000, help="spoilt configuration files")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the soak, of each generation")
    parser.add_argument(
        "--api", action="append", choices=GENERATIONS, help="only this generation; repeatable"
    )
    parser.add_argument("--scrapers", type=int, default=200)
    parser.add_argument("--reload", action="store_true", help="reload meanwhile, by SIGHUP")
    given = parser.parse_args()
    for part in given.parts:
        print(part, flush=True)
        report.write(part, PARTS[part](given), python=platform.python_version())
    return 1 if report.broken(report.read()) else 0


if __name__ == "__main__":
    sys.exit(main())
