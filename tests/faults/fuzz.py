"""Corrupted responses of k6 Cloud and corrupted configuration files, in any number.

Each seed has its own world, a poll without corruption, and then many polls with mostly corrupted responses. A
seed that found a failure is kept in corpus/seeds.json, and the tests run it again.
"""

import json
import logging
import random
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from exporter.config import ConfigError, load
from exporter.web.security.web_config import read_web_config
from tests.faults.mutations import (
    APIS,
    HOUR,
    CorruptingLab,
    add_new_runs,
    assert_healthy,
    assert_scrape_is_valid,
    make_world,
)

CORPUS = Path(__file__).with_name("corpus")
SEEDS = CORPUS / "seeds.json"
DOCS = Path(__file__).parents[2] / "docs"
BAD_FILES = Path(__file__).parents[1] / "config" / "bad"
POLLS = 30  # of each seed
MAX_SECONDS = 20.0  # of real time; a corrupted poll or file usually takes milliseconds, at most a second


@dataclass
class Tally:
    """The number of corrupted responses or files, the failures with their seeds, and the cost."""

    corrupted: int
    failures: list[str]
    slowest: float  # seconds of the slowest poll or file
    grown: int  # bytes by which the process grew after the first tenth


def resident() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def read_seeds(api_version: str) -> list[int]:
    """The seeds that once found a failure."""
    return [int(seed) for seed in json.loads(SEEDS.read_text(encoding="utf-8")).get(api_version, [])]


def run_seed(seed: int, api_version: str) -> tuple[int, float]:
    """The number of corrupted responses of this seed and the seconds of the slowest poll; AssertionError."""
    rng = Random(seed)
    random.seed(seed)  # for the jitter of retries
    world, slowest = make_world(), 0.0
    with CorruptingLab(world, api=APIS[api_version]) as lab:
        if rng.random() < 0.8:
            lab.poll()
            add_new_runs(world)
        lab.corruption.rng, lab.corruption.can_falsify = rng, rng.random() < 0.7
        for number in range(POLLS):
            lab.now.value += rng.choice((15, 15, 61, 301, HOUR + 1))
            began = time.perf_counter()
            lab.poll()
            slowest = max(slowest, time.perf_counter() - began)
            if number % 10 == 0:
                assert_scrape_is_valid(lab)
        assert slowest < MAX_SECONDS, f"a poll of {slowest:.0f}s"
        assert_scrape_is_valid(lab)
        lab.corruption.rng = None
        lab.now.value += HOUR + 1  # the longest wait that a corrupted Retry-After can demand
        lab.poll()
        assert_scrape_is_valid(lab)
        assert_healthy(lab)
        return lab.corruption.corrupted, slowest


def corrupt_responses(most: int, first_seed: int = 0) -> Tally:
    """Corrupt this many responses, of the API versions in turn."""
    logging.disable(logging.CRITICAL)  # the log would be megabytes
    tally, warm = Tally(0, [], 0.0, 0), 0
    try:
        for seed in range(first_seed, first_seed + most):
            if tally.corrupted >= most:
                break
            api_version = ("legacy", "v6")[seed % 2]
            try:
                corrupted, slowest = run_seed(seed, api_version)
                tally.corrupted += corrupted
                tally.slowest = max(tally.slowest, slowest)
            except Exception as error:  # noqa: BLE001 (any exception is a finding)
                tally.failures.append(f"{api_version} {seed}: {error!r:.300}")
            warm = resident() if tally.corrupted < most / 10 else warm or resident()
    finally:
        logging.disable(logging.NOTSET)
    tally.grown = resident() - warm
    return tally


def read_examples() -> list[bytes]:
    """Configuration files to begin with: the example of the documentation, and every bad one."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    example = text.split("<!-- example -->\n```yaml\n", 1)[1].split("```", 1)[0]
    return [example.encode(), *(file.read_bytes() for file in sorted(BAD_FILES.glob("*.yaml")))]


def read_web_examples() -> list[bytes]:
    """The documented web configuration, and parts of it."""
    example = (
        (DOCS / "web-security.md")
        .read_text(encoding="utf-8")
        .split("<!-- web-config -->\n```yaml\n", 1)[1]
        .split("```", 1)[0]
    )
    return [example.encode(), *(b"%b\n" % line for line in example.encode().split(b"\n") if line)]


# fmt: off
PIECES = (
    b"&a [*a, *a]", b"<<: *a", b"!!python/object:os.system x", b"? [x]\n: y", b"!!binary /w==", b"- - - -",
    b"{" * 500, b"[" * 3000, b"\xff", b"\0", b"\xef\xbb\xbf", b"\r", b"\t", b"---\n", b"...\n",
    b"%YAML 9.9\n", b"1e999", b"-1", b"0x" + b"f" * 400, b"9" * 5000, b".nan", b"1:99:99", b"2026-13-45",
    b"~", b"''", b'"\\ud800"', b"(a+)+$", b"((((", b"[z-a]", b"\\", b"https://[", b"http://user:pw@x",
    b"99999999999d", b"0.0000001ms",
)
# fmt: on


def corrupt_file(rng: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A file with one to five changes: lost, repeated, moved or inserted parts."""
    for _ in range(rng.randint(1, 5)):
        at, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
        lines = content.split(b"\n")
        line = rng.randrange(len(lines))
        other = rng.choice(rng.choice(others).split(b"\n"))
        content = rng.choice(
            (
                content[:at] + content[min(end, at + 20) :],
                content[:at] + rng.choice(PIECES) + content[at:],
                content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :],
                b"\n".join((*lines[:line], other, *lines[line:])),
                b"\n".join((*lines[:line], *lines[line + 1 :])),
                b"\n".join((*lines[:line], b"  " + lines[line], *lines[line + 1 :])),
                b"\n".join(rng.sample(lines, len(lines))),
            )
        )
    return content


def load_exporter(file: Path) -> None:
    """Load the exporter's own file. AssertionError if the errors are not sentences."""
    assert_loads_or_reports(lambda: load(file, {"K6_CLOUD_TOKEN": "x"}, {}))


def load_web_file(file: Path) -> None:
    """Load the file of --web.config.file. AssertionError if the errors are not sentences."""
    assert_loads_or_reports(lambda: read_web_config(file))


def assert_loads_or_reports(read: Callable[[], object]) -> None:
    try:
        read()
    except ConfigError as error:
        messages = error.messages
    else:
        return
    assert messages
    assert all(message.isprintable() and len(message) < 1000 for message in messages), messages


def corrupt_files(
    most: int,
    first_seed: int = 0,
    *,
    originals: Sequence[bytes] = (),
    read: Callable[[Path], None] = load_exporter,
) -> Tally:
    """Corrupt this many files of a kind and read each."""
    originals = originals or read_examples()
    tally, warm = Tally(0, [], 0.0, 0), 0
    with TemporaryDirectory() as folder:
        file = Path(folder, "exporter.yaml")
        for seed in range(first_seed, first_seed + most):
            rng = Random(seed)
            file.write_bytes(corrupt_file(rng, rng.choice(originals), originals))
            began = time.perf_counter()
            try:
                read(file)
            except Exception as error:  # noqa: BLE001 (any exception is a finding)
                tally.failures.append(f"file {seed}: {error!r:.300}")
            tally.slowest = max(tally.slowest, time.perf_counter() - began)
            tally.corrupted += 1
            warm = resident() if tally.corrupted < most / 10 else warm or resident()
    tally.grown = resident() - warm
    return tally


def corrupt_web_files(most: int, first_seed: int = 0) -> Tally:
    """Corrupt this many web configuration files."""
    return corrupt_files(most, first_seed, originals=read_web_examples(), read=load_web_file)
