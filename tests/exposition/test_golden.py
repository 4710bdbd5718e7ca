"""The complete exposition of a scripted world after three polls, with a golden file for each API version.

`make golden` rewrites the files; read the diff before you commit it.
"""

import platform
from pathlib import Path

import pytest

from exporter import __version__
from tests.support.golden import assert_golden
from tests.support.lab import Lab
from tests.support.scripted_world import build_scripted_world

FOLDER = Path(__file__).parent


@pytest.mark.parametrize(("api_version", "stack"), [("legacy", {}), ("v6", {"stack": 1})])
def test_golden_exposition(api_version: str, stack: dict[str, int]) -> None:
    golden = FOLDER / f"{api_version}.prom"
    with Lab(build_scripted_world(), api={"url": "http://k6.test"} | stack) as lab:
        lab.poll()
        lab.at(15).poll()
        lab.at(30).poll()
        exposition = select_stable_lines(lab.get().text)

    assert_golden(golden, exposition)


def select_stable_lines(exposition: str) -> str:
    """The exposition without what differs between machines."""
    return (
        "".join(line for line in exposition.splitlines(keepends=True) if is_ours(line))
        .replace(f'version="{__version__}"', 'version="VERSION"')
        .replace(f'python_version="{platform.python_version()}"', 'python_version="PYTHON"')
    )


def is_ours(line: str) -> bool:
    name = line.split(" ")[2] if line.startswith("#") else line
    return name.startswith("k6_cloud_")
