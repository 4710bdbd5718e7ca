"""The whole exposition of a scripted world, polled three times, held against a file for each API, literally.

`make golden` writes the file anew; read the difference before you commit it.
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
def test_the_whole_exposition_is_as_written(api_version: str, stack: dict[str, int]) -> None:
    golden = FOLDER / f"{api_version}.prom"
    with Lab(build_scripted_world(), api={"url": "http://k6.test"} | stack) as lab:
        lab.poll()
        lab.at(15).poll()
        lab.at(30).poll()
        page = without_the_process(lab.get().text)

    assert_golden(golden, page)


def without_the_process(page: str) -> str:
    """The page without what differs from machine to machine."""
    return (
        "".join(line for line in page.splitlines(keepends=True) if is_ours(line))
        .replace(f'version="{__version__}"', 'version="VERSION"')
        .replace(f'python_version="{platform.python_version()}"', 'python_version="PYTHON"')
    )


def is_ours(line: str) -> bool:
    name = line.split(" ")[2] if line.startswith("#") else line
    return name.startswith("k6_cloud_")
