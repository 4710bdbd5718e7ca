"""Parts of documents that are made of the code: between <!-- name --> and <!-- /name -->."""

import os
import re
from pathlib import Path


def says(document: Path, name: str, made: str) -> bool:
    """Whether the document says what was made; with UPDATE_README=1 it is written into it first."""
    part = f"<!-- {name} -->\n{made}\n<!-- /{name} -->"
    pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    text = document.read_text(encoding="utf-8")
    assert pattern.search(text), f"{document} has no place for {name}"
    if os.environ.get("UPDATE_README"):
        document.write_text(pattern.sub(lambda _: part, text), encoding="utf-8")
    found = pattern.search(document.read_text(encoding="utf-8"))
    assert found
    assert found[0] == part
    return True
