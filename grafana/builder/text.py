"""Text and colour of every code, as value mappings of Grafana.

A code that is missing here is shown as its number. Colours always come with a text, for readers who cannot
distinguish them.
"""

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    DashboardSpecialValueMapOptions,
    RangeMap,
    SpecialValueMap,
    SpecialValueMatch,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

DASH = "–"  # noqa: RUF001 (shown for no value; a hyphen is hard to see)
NO_DATA = "no data"
NOT_KNOWN = "not known"
NONE_RECORDED = "none recorded"  # of series that are left out while they are 0, so also if there is no data

GREY = "#8e8e8e"
LIGHT_GREY = "#b8b8b8"

ValueTexts = Mapping[int | str, tuple[str, str]]

OUTCOME: ValueTexts = {
    "passed": ("passed", "green"),
    "failed": ("failed", "red"),
    "aborted": ("aborted", "purple"),  # a decision, not an error
    "timed_out": ("timed out", "orange"),
    "error": ("error", "dark-red"),
    "none": ("no result", GREY),
}

# The state of a run: what it does while it is active, then its outcome, in the same words and colours. The
# codes are those of `queries.build_state`: the status, or for status 3 (finished) with a result
# 13 + 10 * result, plus 20 if processing failed. -3 is a test without runs.
STATE: ValueTexts = {
    -3: ("never run", GREY),
    -2: ("created", LIGHT_GREY),
    -1: ("validated", LIGHT_GREY),
    0: ("queued", "super-light-blue"),
    1: ("initializing", "light-blue"),
    2: ("running", "blue"),
    3: OUTCOME["none"],
    4: OUTCOME["timed_out"],
    5: OUTCOME["aborted"],
    6: OUTCOME["error"],
    7: OUTCOME["error"],
    8: OUTCOME["failed"],
    9: OUTCOME["error"],
    10: OUTCOME["none"],
    13: OUTCOME["passed"],
    23: OUTCOME["failed"],
    33: OUTCOME["error"],
    43: OUTCOME["failed"],
    53: OUTCOME["error"],
}

POLL: ValueTexts = {0: ("failed", "red"), 1: ("succeeded", "green")}
TARGET: ValueTexts = {0: ("down", "red"), 1: ("up", "green")}
RELOAD: ValueTexts = {0: ("reload failed", "red"), 1: ("valid", "green")}


def build_mappings(
    texts: ValueTexts, *, no_value: str = DASH, colour: str = "transparent"
) -> list[ValueMapping]:
    """The texts as value mappings of Grafana, and a text for no value."""
    null = map_null(no_value, colour, index=len(texts))
    known = {
        str(code): ValueMappingResult(text=text, color=shade, index=index)
        for index, (code, (text, shade)) in enumerate(texts.items())
    }
    return [ValueMap(known), null] if known else [null]


def map_null(text: str, colour: str, *, index: int = 0) -> SpecialValueMap:
    """Maps null and NaN to a text."""
    return SpecialValueMap(
        DashboardSpecialValueMapOptions(
            SpecialValueMatch.NULL_AND_NAN, ValueMappingResult(text=text, color=colour, index=index)
        )
    )


def map_from(minimum: float, text: str, colour: str, *, index: int = 1) -> RangeMap:
    """Maps every value from `minimum` on to a text."""
    result = ValueMappingResult(text=text, color=colour, index=index)
    return RangeMap(DashboardRangeMapOptions(from_val=minimum, result=result))
