"""Snapshots → OpenMetrics with timestamps, ordered as the format requires: by family, series and time.

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

Series = dict[bytes, list[bytes]]  # samples, each as value and timestamp, by series


def render_samples(snapshots: Iterable[Snapshot], families: Sequence[Family], labels: Labels) -> Chunks:
    """The sample lines of a test, a chunk for each family; `labels` are added to every sample."""
    series_by_family: list[Series] = [{} for _ in families]
    previous: tuple[TestState | None, Chunks] = (None, tuple(b"" for _ in families))
    values: list[dict[bytes, bytes]] = [{} for _ in families]  # the previous chunks, parsed
    for snapshot in snapshots:
        # Most snapshots equal the one before, and most families do not change: both are parsed only once.
        previous_state, previous_chunks = previous
        is_same = snapshot.test_state == previous_state
        chunks = previous_chunks if is_same else render_test(snapshot.test_state, families)
        timestamp = f" {snapshot.at:.0f}\n".encode()
        for i, chunk in enumerate(chunks):
            current = values[i] if chunk == previous_chunks[i] else parse_samples(chunk)
            append_changed(series_by_family[i], {} if snapshot.is_full else values[i], current, timestamp)
            values[i] = current
        previous = (snapshot.test_state, chunks)
    suffix = "".join(f",{format_label(name, value)}" for name, value in labels).encode() + b"} "
    return tuple(
        b"".join(name[:-1] + suffix + sample for name, samples in series.items() for sample in samples)
        for series in series_by_family
    )


def append_changed(
    series: Series, before: dict[bytes, bytes], current: dict[bytes, bytes], timestamp: bytes
) -> None:
    """Add a sample to each series whose value has changed."""
    if current is before:
        return
    for name, value in current.items():
        if before.get(name) != value:
            series.setdefault(name, []).append(value + timestamp)


def parse_samples(chunk: bytes) -> dict[bytes, bytes]:
    """The values in sample lines, by series."""
    # Labels contain no newlines, and values no spaces.
    lines = (line.rpartition(b" ") for line in chunk.split(b"\n") if line)
    return {name: value for name, _, value in lines}


class OpenMetricsWriter:
    """Collects the samples of one test after the other, and writes them by family.

    A family must not be interrupted by another, so each has a temporary file in `temp_dir` until the end.
    """

    def __init__(self, families: Sequence[Family], temp_dir: Path | None) -> None:
        self.samples = 0
        self._families = families
        self._stack = ExitStack()
        self._files: list[IO[bytes]] = [
            self._stack.enter_context(TemporaryFile(dir=temp_dir))  # noqa: SIM115 (closed by __exit__)
            for _ in families
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, chunks: Chunks) -> None:
        """Add the sample lines of a test, a chunk for each family. Raises OSError."""
        for file, chunk in zip(self._files, chunks, strict=True):
            file.write(chunk)
            self.samples += chunk.count(b"\n")

    def write(self, out: IO[bytes]) -> None:
        """Write all families that have samples, and the end marker. Raises OSError."""
        for family, file in zip(self._families, self._files, strict=True):
            if file.tell():
                out.write(format_openmetrics_metadata(family))
                file.seek(0)
                shutil.copyfileobj(file, out, 1 << 20)
        out.write(b"# EOF\n")
