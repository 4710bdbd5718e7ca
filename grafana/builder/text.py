"""What the codes mean, in words and colours: the one place where a dashboard learns it.

A code that is not here shows as its number, which is what a code unknown to us deserves. Colour is never
alone: the word is always there.
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

DASH = "–"  # noqa: RUF001 (no value; a hyphen is too short to be seen)
GREY = "#8e8e8e"
LIGHT_GREY = "#b8b8b8"

Words = Mapping[int | str, tuple[str, str]]

STATUS: Words = {
    -2: ("created", LIGHT_GREY),
    -1: ("validated", LIGHT_GREY),
    0: ("queued", "super-light-blue"),
    1: ("initializing", "light-blue"),
    2: ("running", "blue"),
    3: ("finished", "green"),
    4: ("timed out", "orange"),
    5: ("aborted by user", "purple"),  # somebody's choice, not a fault
    6: ("aborted by system", "dark-red"),
    7: ("aborted by script error", "red"),
    8: ("aborted by threshold", "semi-dark-red"),
    9: ("aborted by limit", "dark-orange"),
    10: ("archived", GREY),
}

PROCESSING: Words = {
    0: ("not started", GREY),
    1: ("processing", "blue"),
    2: ("finished", "green"),
    3: ("error", "red"),
}

RESULT: Words = {
    0: ("passed", "green"),
    1: ("failed", "red"),
    2: ("error", "dark-red"),
}

OUTCOME: Words = {
    "passed": ("passed", "green"),
    "failed": ("failed", "red"),
    "aborted": ("aborted", "purple"),
    "timed_out": ("timed out", "orange"),
    "error": ("error", "dark-red"),
    "none": ("no result", GREY),
}

PHASE: Mapping[str, str] = {
    "queued": "super-light-blue",
    "initializing": "light-blue",
    "running": "blue",
    "processing": "purple",
}

POLL: Words = {0: ("failed", "red"), 1: ("succeeded", "green")}
TARGET: Words = {0: ("down", "red"), 1: ("up", "green")}
RELOAD: Words = {0: ("refused", "red"), 1: ("good", "green")}


def mappings(words: Words, *, absent: str = DASH, colour: str = "transparent") -> list[ValueMapping]:
    """The words as Grafana's value mappings, with what to say where there is no value."""
    known = {
        str(code): ValueMappingResult(text=text, color=shade, index=index)
        for index, (code, (text, shade)) in enumerate(words.items())
    }
    return [ValueMap(known), nothing(absent, colour, index=len(known))]


def nothing(text: str, colour: str, *, index: int = 0) -> SpecialValueMap:
    """What to say of null and NaN."""
    return SpecialValueMap(
        DashboardSpecialValueMapOptions(
            SpecialValueMatch.NULL_AND_NAN, ValueMappingResult(text=text, color=colour, index=index)
        )
    )


def beyond(least: float, text: str, colour: str, *, index: int = 1) -> RangeMap:
    """What to say of everything from `least` on."""
    said = ValueMappingResult(text=text, color=colour, index=index)
    return RangeMap(DashboardRangeMapOptions(from_val=least, result=said))
