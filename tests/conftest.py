"""How the tests are shared among processes: a file goes to one, and so do files that share what is dear."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Folders and files whose tests have one thing made for all of them.
TOGETHER = {
    "alerts": "alerts",  # promtool's verdicts on stories, which both rules files have
    "helm/test_alerts.py": "alerts",
    "dashboards": "dashboards",  # a Prometheus that has scraped for a while
    "image": "image",  # the image
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(HERE)
        group = TOGETHER.get(str(place)) or TOGETHER.get(place.parts[0]) or str(place)
        item.add_marker(pytest.mark.xdist_group(group))
