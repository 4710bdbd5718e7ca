"""How the tests are shared among processes, and what they do not inherit from the shell that starts them.

With pytest-xdist a file goes to one process, and so do files that share something expensive.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.isolation import clear_environment, default_signals_for_children

HERE = Path(__file__).parent

# Folders and files whose tests have one thing made for all of them.
TOGETHER = {
    "alerts": "alerts",  # promtool's verdicts on stories, which both rules files have
    "helm/test_alerts.py": "alerts",
    "grafana": "grafana",  # a Prometheus that has scraped for a while
    "image": "image",  # the image
}


def pytest_configure(config: pytest.Config) -> None:
    clear_environment()
    # pytest-xdist registers its marker itself; without it, --strict-markers would refuse ours.
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): which tests share a process of pytest-xdist")


@pytest.fixture(scope="session", autouse=True)
def _signals() -> Iterator[None]:
    # Not in pytest_configure: the workers of pytest-xdist are children too, and must go on ignoring.
    with default_signals_for_children():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(HERE)
        group = TOGETHER.get(str(place)) or TOGETHER.get(place.parts[0]) or str(place)
        item.add_marker(pytest.mark.xdist_group(group))
