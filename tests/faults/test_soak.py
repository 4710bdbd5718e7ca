"""A few seconds of what `make soak` does for ten minutes."""

import pytest

from tests.faults.soak import soak


@pytest.mark.parametrize("api_version", ["legacy", "v6"])
def test_every_scrape_is_answered_whole_while_everything_else_goes_wrong(api_version: str) -> None:
    told = soak(api_version, seconds=4, scrapers=20, pause=0.2, reload=True).told()

    assert told["wrong"] == []
    assert told["scrapes"] > 100
    assert told["faults"] > 0
    assert told["reloads"] > 0
    assert told["files"][1] <= told["files"][0] + 12  # connections to k6 Cloud come and go
