"""A few seconds of what `make soak` does for ten minutes."""

import pytest

from tests.faults.soak import soak


@pytest.mark.parametrize("api_version", ["legacy", "v6"])
def test_scrapes_are_complete_during_faults_and_reloads(api_version: str) -> None:
    summary = soak(api_version, seconds=4, scrapers=20, pause=0.2, reload=True).summarize()

    assert summary["failures"] == []
    assert summary["scrapes"] > 100
    assert summary["faults"] > 0
    assert summary["reloads"] > 0
    assert summary["files"][1] <= summary["files"][0] + 12  # connections to k6 Cloud come and go
