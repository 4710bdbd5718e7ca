"""Golden files: expected output as literal text, one file for each area, rewritten by `make golden`.

Only these files contain the exact sentences for users, so that rewording one changes one file. Read the diff
before you commit it.
"""

import os
import re
from pathlib import Path

UPDATE = "UPDATE_GOLDEN"


def is_updating() -> bool:
    """Whether golden files are to be rewritten."""
    return bool(os.environ.get(UPDATE))


def assert_golden(file: Path, text: str) -> None:
    """Asserts that the file has this text; with UPDATE_GOLDEN=1 the text is written into it first."""
    if is_updating():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def assert_section(document: Path, name: str, text: str) -> None:
    """Asserts that a document has this text between <!-- name --> and <!-- /name -->; see assert_golden."""
    section = f"<!-- {name} -->\n{text}\n<!-- /{name} -->"
    pattern = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    old = document.read_text(encoding="utf-8")
    assert pattern.search(old), f"{document} has no section {name}"
    if is_updating():
        document.write_text(pattern.sub(lambda _: section, old), encoding="utf-8")
    found = pattern.search(document.read_text(encoding="utf-8"))
    assert found
    assert found[0] == section
