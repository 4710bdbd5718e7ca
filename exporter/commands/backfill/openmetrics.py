"""Pictures → OpenMetrics with timestamps, in the order that the format asks for: family, series, time.

https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Self

from exporter.commands.backfill.replay import Snapshot
from exporter.exposition.families import Family, Labels
from exporter.exposition.render import Chunks, format_label, format_openmetrics_metadata, render_test
from exporter.store import TestState

Series = dict[bytes, list[bytes]]  # each with its values and moments


def render_samples(pictures: Iterable[Snapshot], families: Sequence[Family], labels: Labels) -> Chunks:
    """The sample lines of a test, a chunk for each family; `labels` go to every sample."""
    told: list[Series] = [{} for _ in families]
    before: tuple[TestState | None, Chunks] = (None, tuple(b"" for _ in families))
    values: list[dict[bytes, bytes]] = [{} for _ in families]  # what the chunks of before say
    for picture in pictures:
        test_state, was = before
        chunks = was if picture.test_state == test_state else render_test(picture.test_state, families)
        stamp = f" {picture.at:.0f}\n".encode()
        for i, chunk in enumerate(chunks):
            now = values[i] if chunk == was[i] else parse_samples(chunk)
            append_changed(told[i], {} if picture.is_whole else values[i], now, stamp)
            values[i] = now
        before = (picture.test_state, chunks)
    more = "".join(f",{format_label(name, value)}" for name, value in labels).encode() + b"} "
    return tuple(
        b"".join(name[:-1] + more + sample for name, said in series.items() for sample in said)
        for series in told
    )


def append_changed(series: Series, before: dict[bytes, bytes], now: dict[bytes, bytes], stamp: bytes) -> None:
    """Add a sample to each series that says something else than before."""
    if now is before:
        return
    for name, value in now.items():
        if before.get(name) != value:
            series.setdefault(name, []).append(value + stamp)


def parse_samples(chunk: bytes) -> dict[bytes, bytes]:
    """The values in sample lines, by series; there is no newline in a label, nor a space in a value."""
    lines = (line.rpartition(b" ") for line in chunk.split(b"\n") if line)
    return {name: value for name, _, value in lines}


class OpenMetricsWriter:
    """A file in the making. Tests come one by one and families must be whole, so each family has a file of
    its own, in `folder`, until all is told."""

    def __init__(self, families: Sequence[Family], folder: Path | None) -> None:
        self.samples = 0
        self._families = families
        self._stack = ExitStack()
        self._files: list[IO[bytes]] = [
            self._stack.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115 (closed with the scroll)
            for _ in families
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, chunks: Chunks) -> None:
        """What is to be told of one more test."""
        for file, chunk in zip(self._files, chunks, strict=True):
            file.write(chunk)
            self.samples += chunk.count(b"\n")

    def write(self, out: IO[bytes]) -> None:
        """All that was told, to its end."""
        for family, file in zip(self._families, self._files, strict=True):
            if file.tell():
                out.write(format_openmetrics_metadata(family))
                file.seek(0)
                shutil.copyfileobj(file, out, 1 << 20)
        out.write(b"# EOF\n")
