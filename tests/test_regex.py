"""Regular expressions of users."""

import subprocess
import sys

import pytest

from exporter.config import Config
from exporter.model import LoadTest
from exporter.polling.factory import build_selector
from exporter.regex import Regex

LONG_NAME = "checkout of the shop by the team of a colleague!"


def test_nested_repetition_needs_linear_time() -> None:
    # Python's `re` would need longer than the age of the universe for this name.
    selector = build_selector(Config.model_validate({"tests": [{"include": r"^(\w+\s?)*$"}]}))

    assert not selector.matches(LoadTest(1, LONG_NAME * 100, 2))
    assert selector.matches(LoadTest(1, "checkout of the shop", 2))


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("^nightly", "nightly-checkout", True),
        ("^nightly", "checkout-nightly", False),
        ("GRÖẞE", "größe", False),
        ("(?i)GRÖSSE", "grösse", True),
        (r"^\w+$", "größe", False),
        (r"^\pL+$", "größe", True),
        ("^caf.$", "café", True),
        ("^a.+b$", "a\ud800b", True),
        ("", "", True),
    ],
)
def test_expression_matches_anywhere_in_a_name(pattern: str, name: str, matches: bool) -> None:
    assert Regex(pattern).matches(name) == matches


@pytest.mark.parametrize("pattern", ["(?=a)", "x{0,1000}" * 100, "(" * 500_000 + ")" * 500_000])
def test_invalid_expression_writes_nothing_to_stderr(pattern: str) -> None:
    program = "import sys; from exporter.regex import Regex; Regex(sys.stdin.read())"

    result = subprocess.run(
        [sys.executable, "-c", program],
        input=pattern,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    lines = result.stderr.splitlines()
    assert lines[0].startswith("Traceback")
    assert "ValueError: " in lines[-1]
    assert all(
        line.startswith((" ", "Traceback", "The above", "re2.", "_re2", "Value")) for line in lines if line
    )
