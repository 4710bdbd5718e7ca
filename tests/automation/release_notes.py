"""Prints the notes of a release, which are its section of CHANGELOG.md; run by the workflow of releases.

    python -m tests.automation.release_notes v0.1.0

Exits with 1 and the reason if the tag is not the version of the package, or if the section is missing, empty
or marked as unreleased.
"""

import re
import sys
from pathlib import Path

from exporter import PROJECT_URL, __version__

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def extract_notes(changelog: str, tag: str, version: str) -> str:
    """The section of a version in Markdown, with links that work anywhere. Raises ValueError."""
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, but the version of the package is {version}")
    section = rf"^## {re.escape(version)} \(([^)\n]*)\)\n(.*?)(?=^## |\Z)"
    found = re.search(section, changelog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"CHANGELOG.md has no section '## {version} (date)'")
    date, notes = found[1], found[2].strip()
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise ValueError(f"CHANGELOG.md says '{date}' for {version}; write the date as 2026-01-31")
    if not notes:
        raise ValueError(f"the section of {version} in CHANGELOG.md is empty")
    return re.sub(r"\]\((?!https?://)", f"]({PROJECT_URL}/blob/{tag}/", notes)


if __name__ == "__main__":
    try:
        print(extract_notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1], __version__))
    except ValueError as error:
        sys.exit(f"This cannot be released: {error}.")
