"""Distribution of the tests among processes, and their isolation from the shell that starts them.

With pytest-xdist, all tests of a file run in one process, and so do files that share an expensive fixture.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.isolation import clear_environment, default_signals_for_children

TESTS = Path(__file__).parent

# Folders and files that share a fixture, each with the name of its group.
GROUPS = {
    "alerts": "alerts",  # promtool's results for test cases of both rules files
    "helm/test_alerts.py": "alerts",
    "cluster": "cluster",  # a Kubernetes control plane
    "grafana": "grafana",  # a Prometheus with some data
    "image": "image",  # the built image
}


def pytest_configure(config: pytest.Config) -> None:
    clear_environment()
    # pytest-xdist registers its marker itself; without it, --strict-markers would reject ours.
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): tests that share a process of pytest-xdist")


@pytest.fixture(scope="session", autouse=True)
def _signals() -> Iterator[None]:
    # Not in pytest_configure: the workers of pytest-xdist are children too, and have to survive the signals.
    with default_signals_for_children():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(TESTS)
        group = GROUPS.get(str(path)) or GROUPS.get(path.parts[0]) or str(path)
        item.add_marker(pytest.mark.xdist_group(group))
