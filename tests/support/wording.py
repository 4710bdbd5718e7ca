"""Finds words that this project no longer uses, so that it keeps to the field's terms. Run by `make lint`.

The table has the right column of the glossary in CONTRIBUTING.md, without words that are also plain English
(old, look, say, mean, takes, mark, half, cost, life and others).
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A pattern of whole words, and what to write instead. Identifiers are split into their words first.
INSTEAD = {
    r"asks?|asked|asking|inquir(?:y|ies|es?|ing)": "request, query, fetch; prompt (of a person)",
    r"tells?|told|telling": "report, expose, log, print",
    r"learns?|learnt|learned|learning|hears?|heard": "receive, fetch, know",
    r"moving runs?|runs? that moves?|test that moves": "active run",
    r"what became": "outcome",
    r"verdicts?": "result",
    r"withheld|withhold|withdrawn?|withdraws?": "mark stale, drop series",
    r"findings|sightings?": "poll result, update",
    r"witness(?:es)?": "observer",
    r"conceal(?:s|ed|ing)?": "redact",
    r"ailments?|unreadiness": "liveness, readiness",
    r"landing page": "status page",
    r"troubles?|troubled": "error, failure",
    r"doorman|doors?": "access policy",
    r"spoil(?:s|t|ed|ing)?": "corrupt",
    r"heed(?:s|ed|ing)?": "follow, apply, accept",
    r"puzzl(?:e|es|ed|ing)": "unparsed",
    r"lest|amid|whoever|whence|hence|thereby|thus": "plain words",
    r"somebody|nobody": "name the reader: an operator, a client, no one",
    r"generations? of the API|API generations?|both generations|each generation": "API version",
    r"so long as|for so long": "a duration",
    r"word by word|word for word": "verbatim",
    r"19 of 20|99 of 100": "p95, p99",
    r"said|meant": "a noun; matched, selected",
    r"questions?": "request, query",
    r"for ever|of late": "forever, recent",
    # A pod disruption budget is Kubernetes' term.
    r"(?<!disruption )budgets?|prices?": "rate limit; estimate",
    r"guards?": "middleware, access policy",
    r"what went wrong": "error, failure",
    r"speak(?:s|ing)? of|look at which|so long": "report, expose; discovery; a duration",
    r"runs? that (?:is|are) over": "finished run",
    r"guides?|inquiries": "source",
}
PATTERN = re.compile(
    "|".join(rf"(?P<w{n}>\b(?:{words})\b)" for n, words in enumerate(INSTEAD)), re.IGNORECASE
)

SUFFIXES = {
    ".py",
    ".md",
    ".yaml",
    ".yml",
    ".tpl",
    ".txt",
    ".html",
    ".css",
    ".toml",
    ".js",
    ".mjs",
    ".service",
    ".go",
    "",
}
# File patterns that are not searched, each with its reason.
NOT_SEARCHED = {
    "requirements*.txt": "generated from pyproject.toml",
    "LICENSE": "not our text",
    "*/go.mod": "names of modules",
    "*/go.sum": "names of modules",
    "*/package-lock.json": "names of packages",
    "tests/support/wording.py": "the list itself",
    "CONTRIBUTING.md": "the glossary itself",
}
# Words that are right where they stand: a file pattern, the text around the word, and the reason.
EXCEPTIONS: tuple[tuple[str, str, str], ...] = (
    (".github/ISSUE_TEMPLATE/feature_request.yml", "question it answers", "a question of a person"),
    ("tests/docs/test_public_names.py", "told_timestamp_seconds", "the replaced name itself"),
    ("tests/docs/test_public_names.py", "generations", "the replaced name itself"),
    ("docs/dashboards-and-alerts.md", "| dashboard | question |", "a question of a person"),
    ("exporter/commands/backfill/openmetrics.py", "file.tell()", "Python's own name"),
)


def files() -> Iterator[Path]:
    """The project's own text files, as git tracks them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        path = ROOT / name
        if path.is_file() and path.suffix in SUFFIXES and not any(Path(name).match(p) for p in NOT_SEARCHED):
            yield path


def split_identifiers(line: str) -> str:
    """The line with identifiers split into words: `ApiWitness.asked_of` becomes `Api Witness.asked of`."""
    line = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", line)
    return line.replace("_", " ")


def search(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, word, and what to write instead, for each word that should not be there."""
    name = str(path.relative_to(ROOT))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for found in PATTERN.finditer(split_identifiers(line)):
            if any(Path(name).match(file) and text in line for file, text, _ in EXCEPTIONS):
                continue
            group = next(key for key, value in found.groupdict().items() if value)
            yield number, found[0], list(INSTEAD.values())[int(group[1:])]


def main(names: list[str]) -> None:
    """Prints each word with its place; exits with 1 if there is any. With names, only below these paths."""
    paths = [path for path in files() if not names or any(path.is_relative_to(ROOT / name) for name in names)]
    hits = [(path, *hit) for path in paths for hit in search(path)]
    for path, number, word, instead in hits:
        print(f"{path.relative_to(ROOT)}:{number}: {word!r}; write: {instead}")
    if hits:
        sys.exit(f"{len(hits)} replaced words; see the glossary in CONTRIBUTING.md")


if __name__ == "__main__":
    main(sys.argv[1:])
