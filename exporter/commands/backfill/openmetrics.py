"""Snapshots → OpenMetrics with timestamps, ordered as the format requires: by family, series and time.

https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from exporter.commands.backfill.replay import HistorySnapshot
from exporter.exposition.families import Family, Labels
from exporter.exposition.render import Chunks, format_label, format_openmetrics_metadata, render_test
from exporter.store import TestState

Series = dict[bytes, list[bytes]]  # samples, each as value and timestamp, by series
Values = dict[bytes, bytes]  # values by series


def render_samples(
    snapshots: Iterable[HistorySnapshot], families: Sequence[Family], labels: Labels
) -> Chunks:
    """The sample lines of a test, a chunk for each family; `labels` are added to every sample."""
    series_by_family: list[Series] = [{} for _ in families]
    values: list[Values] = [{} for _ in families]
    test_state: TestState | None = None
    chunks: Chunks = ()
    for snapshot in snapshots:
        # Most snapshots equal the one before, and most families do not change: both are made only once.
        if snapshot.test_state != test_state:
            test_state = snapshot.test_state
            chunks = render_test(test_state, families)
        timestamp = f" {snapshot.at:.0f}\n".encode()
        for i, chunk in enumerate(chunks):
            before, values[i] = values[i], parse_samples(chunk)
            append_changed(series_by_family[i], {} if snapshot.is_full else before, values[i], timestamp)
    suffix = "".join(f",{format_label(name, value)}" for name, value in labels).encode() + b"} "
    return tuple(
        b"".join(name[:-1] + suffix + sample for name, samples in series.items() for sample in samples)
        for series in series_by_family
    )


def append_changed(series: Series, before: Values, current: Values, timestamp: bytes) -> None:
    """Add a sample to each series whose value has changed."""
    for name, value in current.items():
        if before.get(name) != value:
            series.setdefault(name, []).append(value + timestamp)


@lru_cache(maxsize=256)
def parse_samples(chunk: bytes) -> Values:
    """The values in sample lines, by series."""
    # Labels contain no newlines, and values no spaces.
    lines = (line.rpartition(b" ") for line in chunk.split(b"\n") if line)
    return {name: value for name, _, value in lines}


class OpenMetricsWriter(ExitStack):
    """Collects the samples of one test after the other, and writes them by family.

    A family must not be interrupted by another, so each has a temporary file in `temp_dir` until the end.
    """

    def __init__(self, families: Sequence[Family], temp_dir: Path | None) -> None:
        super().__init__()
        self.samples = 0
        self._families = families
        self._files = [self.enter_context(TemporaryFile(dir=temp_dir)) for _ in families]  # noqa: SIM115

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
