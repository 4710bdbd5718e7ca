"""Chromium with the built page, and a Prometheus for each scene.

Only with TEST_PREVIEW=1 in the environment, which `make test-preview` sets: the packages take 480 MB of disk.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.grafana.preview.page import BUILT, Preview
from tests.grafana.preview.recording import Scene, serve_recording
from tests.support.chromium import Chromium
from tests.support.programs import require_program

Draw = Callable[[Callable[[], Scene]], Preview]


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    if os.environ.get("TEST_PREVIEW") != "1":
        pytest.skip("make test-preview runs this; it installs packages of 480 MB")
    assert (BUILT / "app.js").exists(), "make test-preview builds it"
    with Chromium(require_program("chromium", "chromium")) as chromium:
        yield chromium


@pytest.fixture(scope="session")
def preview_of(browser: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Draw]:
    """From a scene to a preview of its data; each scene is recorded once."""
    prometheus, promtool = (require_program(name, "prometheus") for name in ("prometheus", "promtool"))
    served: dict[str, Preview] = {}
    with ExitStack() as stack:

        def serve(scene: Callable[[], Scene]) -> Preview:
            name = scene.__name__
            if name not in served:
                folder: Path = tmp_path_factory.mktemp(name)
                url = stack.enter_context(
                    serve_recording(scene(), folder, prometheus=prometheus, promtool=promtool)
                )
                served[name] = Preview(browser, url)
            return served[name]

        yield serve
