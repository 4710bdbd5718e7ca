"""`once` with tests that are selected by name."""

import os
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from exporter.cli import main
from exporter.simulator import Simulator
from tests.commands.runs.worlds import same_names
from tests.support.simulator_server import serve_simulator


@pytest.fixture
def url() -> Iterator[str]:
    """Two tests named login, and one named soak."""
    world = same_names()
    world.add_test("soak")
    with serve_simulator(Simulator(world, tokens=["demo"])) as url:
        yield url


def once(url: str, *arguments: str) -> Result:
    own: dict[str, str | None] = {name: None for name in os.environ if name.startswith("K6_CLOUD_")}
    given = {"K6_CLOUD_TOKEN": "demo", "K6_CLOUD_EXPORTER_API__URL": url}
    return CliRunner().invoke(main, ["once", *arguments], env=own | given)


def test_once_takes_a_name(url: str) -> None:
    result = once(url, "--test=soak")

    assert (result.exit_code, result.stderr) == (0, "")
    assert 'test_name="soak"' in result.stdout
    assert 'test_name="login"' not in result.stdout


def test_once_with_an_ambiguous_name_exits_with_2(url: str) -> None:
    result = once(url, "--test=login", "--test=soak")

    assert result.exit_code == 2
    assert "error: name 'login': 2 tests " in result.stderr
    # The metrics of the other tests are complete.
    assert 'test_name="soak"' in result.stdout
    assert 'test_name="login"' not in result.stdout


def test_once_with_an_unknown_name_suggests_another(url: str) -> None:
    result = once(url, "--test=Soak")

    assert result.exit_code == 0
    assert "similar names: 400003 soak" in result.stderr
