"""The pictures in docs/ show what the commands print."""

from collections.abc import Callable

import pytest

from tests.commands.runs.pictures import DOCS, PICTURES
from tests.support.golden import assert_golden


@pytest.mark.parametrize(("name", "draw"), PICTURES.items(), ids=PICTURES)
def test_document_picture_is_up_to_date(name: str, draw: Callable[[], str]) -> None:
    picture = draw()

    assert "<svg" in picture
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "").replace("https://app.k6.io", "")
    assert_golden(DOCS / name, picture)
