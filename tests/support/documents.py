"""Documents as tests read them: tables, marked sections, examples, links and anchors."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from exporter import PROJECT_URL

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
LINK = re.compile(r"\]\(([^)\s]+)\)|<(https?://[^>]+)>|(?:src|srcset|href)=\"([^\"]+)\"")


def read_document(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def format_row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def format_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join([format_row(*head), "|" + "---|" * len(head), *(format_row(*cells) for cells in rows)])


def format_names(names: Iterable[str]) -> str:
    """The names as inline code, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


def read_section(document: Path, name: str) -> str:
    """The text between <!-- name --> and <!-- /name -->."""
    found = re.search(f"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", read_document(document), re.DOTALL)
    assert found, f"{document} has no section {name}"
    return found[1]


def read_example(document: Path, name: str) -> str:
    """The code block that follows <!-- name -->."""
    found = re.search(f"<!-- {name} -->\n```\\w+\n(.*?)```", read_document(document), re.DOTALL)
    assert found, f"{document} has no example {name}"
    return found[1]


def without_code(text: str) -> str:
    """Markdown without code blocks and inline code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^( *)```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE))


def links(document: Path) -> list[str]:
    """The targets of links and pictures, in their order."""
    found = LINK.finditer(without_code(read_document(document)))
    return [next(filter(None, link.groups())) for link in found]


def anchors(document: Path) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    found: list[str] = []
    text = re.sub(r"^```.*?^```$", "", read_document(document), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def broken_links(document: Path) -> Iterator[str]:
    """Links to files or headings that do not exist. Links to the project's own URL are followed locally."""
    for link in links(document):
        target, _, anchor = link.partition("#")
        if target == PROJECT_URL:
            path = README
        elif target.startswith(f"{PROJECT_URL}/blob/main/"):
            path = ROOT / target.removeprefix(f"{PROJECT_URL}/blob/main/")
        elif target.startswith(("https://", "http://")):
            continue
        else:
            path = document.parent / target if target else document
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            yield link
