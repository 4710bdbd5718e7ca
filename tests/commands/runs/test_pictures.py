"""The README's pictures of a terminal show what the commands print."""

from collections.abc import Callable

import pytest

from tests.commands.runs.pictures import DOCS, PICTURES


@pytest.mark.parametrize(("name", "draw"), PICTURES.items(), ids=PICTURES)
def test_a_committed_picture_is_what_make_pictures_draws(name: str, draw: Callable[[], str]) -> None:
    drawn = draw()

    assert "<svg" in drawn
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "").replace("https://app.k6.io", "")
    assert (DOCS / name).read_text(encoding="utf-8") == drawn
