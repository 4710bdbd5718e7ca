"""Answers of k6 Cloud and configuration files, changed by chance as often as one likes.

Each seed makes a world, a good poll, and then many polls of which most answers are spoilt. A seed under which
something broke is kept in corpus/seeds.json and played again by the tests.
"""

import json
import logging
import random
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from exporter.config import ConfigError, load
from exporter.web.security.web_config import read_web_config
from tests.faults.test_mutations import APIS, HOUR, SpoiltLab, a_world, assert_sound, assert_well, with_news

CORPUS = Path(__file__).with_name("corpus")
SEEDS = CORPUS / "seeds.json"
DOCS = Path(__file__).parents[2] / "docs"
BAD_FILES = Path(__file__).parents[1] / "config" / "bad"
POLLS = 30  # of each seed
A_HANG = 20.0  # seconds of real time; a poll or a file of nonsense takes milliseconds, or a second


@dataclass
class Tally:
    """How many answers or files were spoilt, and what broke, by its seed."""

    spoilt: int
    broken: list[str]
    slowest: float
    grown: int  # bytes by which the process grew after the first tenth

    def told(self) -> dict[str, Any]:
        return vars(self)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def seeds(kind: str) -> list[int]:
    """The seeds under which something once broke."""
    return [int(seed) for seed in json.loads(SEEDS.read_text(encoding="utf-8")).get(kind, [])]


def play(seed: int, api_version: str) -> tuple[int, float]:
    """How many answers of this seed were spoilt, and how long the slowest poll took; AssertionError."""
    chance = Random(seed)
    random.seed(seed)  # for the jitter of retries
    world, slowest = a_world(), 0.0
    with SpoiltLab(world, api=APIS[api_version]) as lab:
        if chance.random() < 0.8:
            lab.poll()
            with_news(world)
        lab.spoilt.chance, lab.spoilt.lies = chance, chance.random() < 0.7
        for number in range(POLLS):
            lab.now.value += chance.choice((15, 15, 61, 301, HOUR + 1))
            began = time.perf_counter()
            lab.poll()
            slowest = max(slowest, time.perf_counter() - began)
            if number % 10 == 0:
                assert_sound(lab)
        assert slowest < A_HANG, f"a poll of {slowest:.0f}s"
        assert_sound(lab)
        lab.spoilt.chance = None
        lab.now.value += HOUR + 1  # the longest that a spoilt Retry-After can demand
        lab.poll()
        assert_sound(lab)
        assert_well(lab)
        return lab.spoilt.spoilt, slowest


def answers(most: int, first_seed: int = 0) -> Tally:
    """Spoil so many answers, of each generation in turn."""
    logging.disable(logging.CRITICAL)  # what each of them is blamed for fills megabytes
    tally, warm = Tally(0, [], 0.0, 0), 0
    try:
        for seed in range(first_seed, first_seed + most):
            if tally.spoilt >= most:
                break
            api_version = ("legacy", "v6")[seed % 2]
            try:
                spoilt, slowest = play(seed, api_version)
                tally.spoilt += spoilt
                tally.slowest = max(tally.slowest, slowest)
            except Exception as error:  # noqa: BLE001 (what breaks is what is looked for)
                tally.broken.append(f"{api_version} {seed}: {error!r:.300}")
            warm = resident() if tally.spoilt < most / 10 else warm or resident()
    finally:
        logging.disable(logging.NOTSET)
    tally.grown = resident() - warm
    return tally


def examples() -> list[bytes]:
    """Configuration files to begin with: the example of the documentation, and every bad one."""
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    example = text.split("<!-- example -->\n```yaml\n", 1)[1].split("```", 1)[0]
    return [example.encode(), *(file.read_bytes() for file in sorted(BAD_FILES.glob("*.yaml")))]


def web_examples() -> list[bytes]:
    """The documented web configuration, and parts of it."""
    example = (
        (DOCS / "web-security.md")
        .read_text(encoding="utf-8")
        .split("<!-- web-config -->\n```yaml\n", 1)[1]
        .split("```", 1)[0]
    )
    return [example.encode(), *(b"%b\n" % line for line in example.encode().split(b"\n") if line)]


PIECES = (
    *(b"&a [*a, *a]", b"<<: *a", b"!!python/object:os.system x", b"? [x]\n: y", b"!!binary /w==", b"- - - -"),
    *(
        b"{" * 500,
        b"[" * 3000,
        b"\xff",
        b"\0",
        b"\xef\xbb\xbf",
        b"\r",
        b"\t",
        b"---\n",
        b"...\n",
        b"%YAML 9.9\n",
    ),
    *(
        b"1e999",
        b"-1",
        b"0x" + b"f" * 400,
        b"9" * 5000,
        b".nan",
        b"1:99:99",
        b"2026-13-45",
        b"~",
        b"''",
        b'"\\ud800"',
    ),
    *(
        b"(a+)+$",
        b"((((",
        b"[z-a]",
        b"\\",
        b"https://[",
        b"http://user:pw@x",
        b"99999999999d",
        b"0.0000001ms",
    ),
)


def spoilt_file(chance: Random, content: bytes, others: Sequence[bytes]) -> bytes:
    """A file with one to five changes: lost, doubled, moved or foreign pieces."""
    for _ in range(chance.randint(1, 5)):
        at, upto = sorted(chance.randrange(len(content) + 1) for _ in range(2))
        lines = content.split(b"\n")
        line = chance.randrange(len(lines))
        other = chance.choice(chance.choice(others).split(b"\n"))
        content = chance.choice(
            (
                content[:at] + content[min(upto, at + 20) :],
                content[:at] + chance.choice(PIECES) + content[at:],
                content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :],
                b"\n".join((*lines[:line], other, *lines[line:])),
                b"\n".join((*lines[:line], *lines[line + 1 :])),
                b"\n".join((*lines[:line], b"  " + lines[line], *lines[line + 1 :])),
                b"\n".join(chance.sample(lines, len(lines))),
            )
        )
    return content


def load_exporter(file: Path) -> None:
    """The exporter's own file. AssertionError if it is neither a configuration nor sentences."""
    told_or_read(lambda: load(file, {"K6_CLOUD_TOKEN": "x"}, {}))


def told_or_read(read: Callable[[], object]) -> None:
    try:
        read()
    except ConfigError as error:
        sentences = error.messages
    else:
        return
    assert sentences
    assert all(one.isprintable() and len(one) < 1000 for one in sentences), sentences


def load_web_file(file: Path) -> None:
    """The file of --web.config.file. AssertionError if it is neither a configuration nor sentences."""
    told_or_read(lambda: read_web_config(file))


def files(
    most: int,
    first_seed: int = 0,
    *,
    originals: Sequence[bytes] = (),
    read: Callable[[Path], None] = load_exporter,
) -> Tally:
    """Spoil so many files of a kind and read each."""
    originals = originals or examples()
    tally, warm = Tally(0, [], 0.0, 0), 0
    with TemporaryDirectory() as folder:
        file = Path(folder, "exporter.yaml")
        for seed, chance in seeded(first_seed, most):
            file.write_bytes(spoilt_file(chance, chance.choice(originals), originals))
            began = time.perf_counter()
            try:
                read(file)
            except Exception as error:  # noqa: BLE001 (what breaks is what is looked for)
                tally.broken.append(f"file {seed}: {error!r:.300}")
            tally.slowest = max(tally.slowest, time.perf_counter() - began)
            tally.spoilt += 1
            warm = resident() if tally.spoilt < most / 10 else warm or resident()
    tally.grown = resident() - warm
    return tally


def seeded(first: int, most: int) -> Iterator[tuple[int, Random]]:
    return ((seed, Random(seed)) for seed in range(first, first + most))


def web_files(most: int, first_seed: int = 0) -> Tally:
    """Spoil so many web configuration files."""
    return files(most, first_seed, originals=web_examples(), read=load_web_file)
