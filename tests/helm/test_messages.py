"""The exact sentences of the chart: errors and notes. `make golden` rewrites messages.txt."""

from collections.abc import Iterator
from pathlib import Path

from tests.helm.test_notes import CASES, notes
from tests.helm.test_validation import INVALID, validation_errors
from tests.support.chart import with_secret
from tests.support.golden import assert_golden


def messages() -> Iterator[str]:
    yield f"# error: no values\n{validation_errors({})[0]}\n"
    for name, (values, _) in INVALID.items():
        yield f"# error: {name}\n" + "\n".join(validation_errors(with_secret(**values))) + "\n"
    for name, values in CASES.items():
        yield f"# notes: {name}\n{notes(values)}"


def test_golden_messages_of_the_chart() -> None:
    assert_golden(Path(__file__).parent / "messages.txt", "\n".join(messages()))
