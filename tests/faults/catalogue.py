"""The fault scenarios of the campaign, except those that need a real network."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from itertools import count, cycle
from typing import Any

import httpx

from exporter.simulator import Fault, NextLink, Options, faults
from exporter.simulator.http import Request, Response
from exporter.simulator.options import V6Options
from exporter.simulator.shapes import map_page
from tests.faults.expected import ACTIVE, FINISHED, LAST, STATUS
from tests.faults.mutations import nested
from tests.faults.scenario import NO_METRICS, FaultLab, Scenario
from tests.support.lab import START
from tests.support.scheduled_polls import SkippingClock

MIB = 2**20
DAY = 86400.0
SECOND_PAGE = ("*page=2&*", "*$skip=*", "*$skiptoken=*")
# fmt: off
CLIENT_ERRORS = (
    400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 413, 414, 415, 418, 421, 422, 425, 428, 431, 451,
)
# fmt: on
SERVER_ERRORS = (500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 599)
UNEXPECTED_STATUSES = (204, 206, 300, 304)
ALL_STATUSES = (*UNEXPECTED_STATUSES, *CLIENT_ERRORS, *SERVER_ERRORS)


def make(name: str, *fault: Fault, **options: object) -> Scenario:
    """A scenario that adds these faults to the simulator."""
    return Scenario(name, lambda lab: lab.simulator.faults.add(*fault), **options)  # type: ignore[arg-type]


def body(make: Callable[[bytes], bytes], *, encoding: str = "", also_errors: bool = False) -> Fault:
    """Another body, made from the original one, with this Content-Encoding."""
    headers = (("content-encoding", encoding),) if encoding else ()

    def change(_: Request, response: Response) -> Response:
        if response.status >= 400 and not also_errors:
            return response
        return replace(response, raw=make(response.payload), headers=(*response.headers, *headers))

    return Fault(change)


def header(name: str, value: str) -> Fault:
    return Fault(lambda _, response: replace(response, headers=(*response.headers, (name, value))))


def statuses() -> Iterator[Scenario]:
    for status in ALL_STATUSES:
        yield make(f"HTTP {status}", faults.error(status))
    yield make("HTTP 404 in HTML", faults.error(404, html=True))
    yield make("HTTP 302 to another host", faults.redirect("https://evil.test/cloud/v6/test_runs"))
    yield make("HTTP 308 to itself", faults.redirect("/", status=308))
    yield make("HTTP 429", faults.error(429))
    yield make("HTTP 429, Retry-After 7 s", faults.error(429, retry_after=7), extra_wait=7)
    yield make(
        "HTTP 429, Retry-After a date",
        faults.error(429, retry_after=7, retry_after_as_date=True),
        extra_wait=8,
    )
    yield make("HTTP 429, Retry-After an hour", faults.error(429, retry_after=3600), extra_wait=3600)
    yield make("HTTP 503, Retry-After 40 s", faults.error(503, retry_after=40), extra_wait=40)
    unavailable = faults.error(503, retry_after=0)
    yield make("HTTP 503, invalid Retry-After", unavailable, header("retry-after", "Mon, 99 Foo 0000 GMT"))


def connections() -> Iterator[Scenario]:
    yield make("no response", faults.hang())
    yield make("headers after 8 s", faults.slow(before=8))
    yield make("headers after 15 s", faults.slow(before=15))
    yield make("body after 8 s", faults.slow(between=8))
    yield make("body after 15 s", faults.slow(between=15))
    yield make("connection reset", faults.reset())
    yield make("connection closed in the body", faults.truncated())
    yield make("DNS fails", unresolvable())
    yield make("down for 10 minutes: 503", faults.error(503), duration=600)
    yield make("down for 10 minutes: no response", faults.hang(), duration=600)
    yield make("down for 10 minutes: reset", faults.reset(), duration=600)


def unresolvable() -> Fault:
    def fail(_: Request, __: Response) -> Response:
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    return Fault(fail, instead=True)


def bodies() -> Iterator[Scenario]:
    yield make("HTML with status 200", faults.not_json())
    yield make("empty body", faults.empty_body())
    yield make("truncated JSON", faults.cut_json())
    yield make("content type text/html", faults.content_type())
    for name, content in {
        "null": b"null",
        "list": b"[]",
        "number": b"7",
        "empty object": b"{}",
        "string": b'"ok"',
    }.items():
        yield make(f"JSON {name}", body(lambda _, content=content: content))  # type: ignore[misc]
    yield make("UTF-16", body(lambda content: content.decode().encode("utf-16")))
    yield make("bytes that are not UTF-8", body(lambda content: content[:1] + b"\xff" + content[1:]))
    yield make("zero bytes", body(lambda content: bytes(len(content))))
    yield make("the body twice", body(lambda content: content + content))
    yield make("valid gzip", body(gzip.compress, encoding="gzip"))
    yield make("Content-Encoding gzip, but not gzip", body(lambda content: content, encoding="gzip"))
    yield make("truncated gzip", body(lambda content: gzip.compress(content)[:-20], encoding="gzip"))
    yield make("unknown Content-Encoding", body(lambda content: content, encoding="br"))
    yield make("40 MiB", body(lambda content: content + b" " * (40 * MIB)))
    yield make("a gzip bomb of 256 MiB", body(lambda _: bomb(), encoding="gzip"))
    yield make("a gzip bomb in a gzip bomb", body(lambda _: gzip.compress(bomb()), encoding="gzip, gzip"))
    yield make("nested 100,000 deep", body(lambda _: b"[" * 100_000))
    items = b"1," * 1_500_000
    yield make("3,000,000 items", body(lambda _: b'{"value":[%b1],"k6-runs":[%b1]}' % (items, items)))
    yield make("an error page of 1 MiB", faults.error(500), body(lambda _: b" " * MIB, also_errors=True))


RUNS = ("/loadtests/v2/runs*", "/cloud/v6/*test_runs*")
TESTS = ("/loadtests/v2/tests*", "/cloud/v6/*load_tests*")
EVERY_METRIC = frozenset({STATUS, ACTIVE, LAST, FINISHED})

AT_DISCOVERY = 3  # polls until the next discovery, which fetches again everything that was not understood
# A list that is too short without saying so cannot always be recognized.
WRONG_LISTS: dict[str, Any] = {"false_metrics": EVERY_METRIC, "recovery_polls": AT_DISCOVERY}


def on(paths: Iterable[str], *those: Fault) -> list[Fault]:
    return [fault.on(path) for path in paths for fault in those]


def partial_outages() -> Iterator[Scenario]:
    """Only some of the requests fail."""
    outage = (("503", faults.error(503)), ("404", faults.error(404)), ("no response", faults.hang()))
    for failure, fault in outage:
        yield make(f"{failure} for lists of runs", *on(RUNS, fault))
        yield make(f"{failure} for lists of tests", *on(TESTS, fault))
        yield make(f"{failure} for one test", *on(("*400002*",), fault))
    yield make("503 for projects", *on(("/v3/*", "*/projects/*", "*/schedules*"), faults.error(503)))
    yield make("403 for projects", *on(("/v3/*", "*/projects/*", "*/schedules*"), faults.error(403)))
    for failure, fault in (("503", faults.error(503)), ("truncated JSON", faults.cut_json())):
        yield make(f"{failure} once in each poll", every_nth(4, fault))
    yield make_paged("503 from the second page on", faults.error(503))
    yield make_paged("truncated JSON from the second page on", faults.cut_json())
    yield make_paged("no response from the second page on", faults.hang())
    yield make_paged("404 from the second page on", faults.error(404), api_versions=("v6",))
    # A list that is too short without saying so cannot be recognized.
    options = {"false_metrics": EVERY_METRIC, "recovery_polls": AT_DISCOVERY}
    yield make_paged("empty from the second page on", faults.empty_page(), api_versions=("v6",), **options)


def every_nth(number: int, fault: Fault) -> Fault:
    """The same fault, but only for every nth response."""
    numbers = count(1)

    def change(request: Request, response: Response) -> Response:
        return fault.change(request, response) if next(numbers) % number == 0 else response

    return Fault(change)


def make_paged(name: str, fault: Fault, **options: Any) -> Scenario:
    """Lists have three items on a page, and the pages after the first fail."""

    def inject(lab: FaultLab) -> None:
        lab.simulator.options = SHORT
        lab.simulator.faults.add(*on(SECOND_PAGE, fault))

    return Scenario(name, inject, **options)


SHORT = Options(max_page_size=3, v6=V6Options(max_top=3, clamp_top=True))


def values() -> Iterator[Scenario]:
    """Responses that are valid JSON, but not what the documents define."""
    options = {"false_metrics": EVERY_METRIC, "recovery_polls": AT_DISCOVERY}
    yield make("numbers as strings", faults.numbers_as_strings())
    yield make("unknown keys", faults.unknown_keys())
    lasting = options | {"permanent_metrics": frozenset({FINISHED})}
    yield make("an unknown status code", faults.field("run_status", 42), api_versions=("legacy",), **lasting)
    yield make(
        "a word for a status code",
        faults.field("run_status", "RUN"),
        api_versions=("legacy",),
        **lasting,
    )
    yield make(
        "an unknown status word", faults.replaced_word("running", "paused"), api_versions=("v6",), **options
    )
    yield make("a number for a status word", faults.field("status", 2), api_versions=("v6",), **lasting)
    yield make(
        "an unknown result",
        faults.replaced_word("passed", "splendid"),
        api_versions=("v6",),
        **lasting,
    )
    yield make(
        "an unknown processing status",
        faults.field("processing_status", 42),
        api_versions=("legacy",),
        **options,
    )
    yield make(
        "a duration that is not a number",
        faults.field("duration", "long"),
        faults.field("estimated_duration", "long"),
        recovery_polls=AT_DISCOVERY,
    )
    for name in ("created", "started", "ended"):
        yield make(f"{name}: not a time", faults.field(name, "yesterday"), **options)
        yield make(f"{name}: the year 9999", faults.field(name, "9999-12-31T23:59:59Z"), **options)
    yield make("nested 900 deep in a run", faults.field("created", nested(900)), **options)
    yield make("ids that are not numbers", faults.field("id", "seven"))
    yield make("ids of null", faults.field("id", None))
    yield make("no ids", faults.missing_field("id"))
    yield make("runs without a test", faults.field("test_id", None))
    yield make("lists that are null", *(faults.field(name, None) for name in LISTS))
    yield make("lists that are objects", *(faults.field(name, {"0": {}}) for name in LISTS))
    yield make("empty lists of runs", *on(RUNS, faults.empty_page()), false_metrics=EVERY_METRIC)
    yield make("empty lists of tests", *on(TESTS, faults.empty_page()))
    yield make("empty lists", faults.empty_page(), false_metrics=EVERY_METRIC)
    yield make("an item that is not an object", *on(RUNS, faults.invalid_item()), false_metrics=EVERY_METRIC)
    yield make("duplicate runs", faults.duplicate())
    yield make("a run of another test", *on(RUNS, faults.unexpected_run()))
    yield make("the first page for every page", faults.repeated_page())
    yield make_linked("a link to another host", NextLink.OTHER_HOST)
    yield make_linked("a link to the same page", NextLink.LOOP)
    yield make("an invalid link", faults.field("@nextLink", "http://["), api_versions=("v6",))
    yield make("a link of a million characters", link("https://k6.test/?$skip=" + "9" * MIB))
    yield make("a link that is an object", link({"href": 1}))


def odd_answers() -> Iterator[Scenario]:
    """Single answers that are wrong although nothing in them is malformed."""
    yield make("404 once in each poll", every_nth(5, faults.error(404)))
    for status in (404, 410):
        yield make(f"{status} for one test, once", faults.error(status).on("*400002*", times=1))
    for name, kinds in (("runs", RUNS), ("tests", TESTS)):
        yield make(f"lists of {name} without their first item", *on(kinds, without_items(0)), **WRONG_LISTS)
        yield make(f"lists of {name} without their last item", *on(kinds, without_items(-1)), **WRONG_LISTS)
    yield make_paged("an item vanishes between two pages", without_items(0), **WRONG_LISTS)
    yield make("lists shorter than their count", faults.field("count", 100), api_versions=("legacy",))
    for value in (-1, -1e9, 1e300):
        yield make(
            f"a duration of {value:g}",
            faults.field("duration", value),
            faults.field("estimated_duration", value),
            recovery_polls=AT_DISCOVERY,
            # -1 is a valid answer: the run has no defined length. A finished run is not fetched again.
            permanent_metrics=DURATIONS if value == -1 else NO_METRICS,
        )
    for name, text in (("U+2028", "a\u2028b"), ("NEL", "a\x85b"), ("a line break", "a\nb"), ("NUL", "a\0b")):
        yield make(f"names with {name}", faults.field("name", text), recovery_polls=AT_DISCOVERY)
    yield make(
        "an active run with the id 2^59",
        *on(RUNS, run_with_id(2**59)),
        false_metrics=EVERY_METRIC,
        recovery_polls=AT_DISCOVERY,
    )
    for name, garbage in (("zero bytes", bytes(MIB)), ("bytes that are not gzip", b"\xff" * MIB)):
        yield make(
            f"gzip with 1 MiB of {name} after it",
            body(lambda content, end=garbage: gzip.compress(content) + end, encoding="gzip"),  # type: ignore[misc]
        )
    yield make("gzip in two members", body(in_two_members, encoding="gzip"))


def in_two_members(content: bytes) -> bytes:
    """A valid form of gzip."""
    return gzip.compress(content[:50]) + gzip.compress(content[50:])


def without_items(index: int) -> Fault:
    """A page without the item at this index."""

    def change(_: Request, response: Response) -> Response:
        return replace(
            response, body=map_page(response.body, lambda page: [it for it in page if it != page[index]])
        )

    return Fault(change)


def run_with_id(run_id: int) -> Fault:
    """A copy of the first active run of the page, with another id."""

    def copy(page: list[object]) -> list[object]:
        active = [it for it in page if isinstance(it, dict) and not it.get("ended")]
        return [*({**it, "id": run_id} for it in active[:1]), *page]

    return Fault(lambda _, response: replace(response, body=map_page(response.body, copy)))


DURATIONS = frozenset({"k6_cloud_run_duration_seconds", "k6_cloud_test_last_run_duration_seconds"})
LISTS = ("k6-runs", "k6-tests", "value", "organizations", "projects")


def link(value: object) -> Fault:
    def change(_: Request, response: Response) -> Response:
        is_list = isinstance(response.body, dict) and "value" in response.body
        return replace(response, body={**response.body, "@nextLink": value}) if is_list else response  # type: ignore[dict-item]

    return Fault(change)


def make_linked(name: str, kind: NextLink) -> Scenario:
    def inject(lab: FaultLab) -> None:
        lab.simulator.options = Options(v6=V6Options(max_top=3, clamp_top=True, next_link=kind))

    return Scenario(name, inject, api_versions=("v6",))


def headers() -> Iterator[Scenario]:
    for name, value in (
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("date", "noon"),
        ("set-cookie", "a=\xe9"),
        ("location", "http://["),
        ("retry-after", "99999999999999999999"),
    ):
        yield make(f"header {name}: {value!a}", header(name, value))


def clocks() -> Iterator[Scenario]:
    """The clock of the exporter jumps, or that of k6 Cloud is wrong."""
    for name, seconds in (
        ("an hour ahead", 3600.0),
        ("an hour back", -3600.0),
        ("23 hours ahead", DAY - 3600),
        ("23 hours back", 3600 - DAY),
        ("3 days ahead", 3 * DAY),
        ("3 days back", -3 * DAY),
        ("30 days ahead", 30 * DAY),
        ("30 days back", -30 * DAY),
        ("to 1970", DAY - START),
        ("to 2099", 73 * 365 * DAY),
    ):
        yield Scenario(f"the clock jumps {name}", jump_clock(seconds))
    yield Scenario("the clock jumps back and forth", jump_clock_repeatedly)
    yield Scenario("the process is stopped for 10 minutes", stop_process(600))
    for name, seconds in (("a day", DAY), ("3 days", 3 * DAY), ("10 years", 3650 * DAY)):
        yield make(f"k6 Cloud's clock is {name} ahead", set_date_header(seconds))
        yield make(f"k6 Cloud's clock is {name} behind", set_date_header(-seconds))
    yield make("one response is dated 3 days ahead", every_nth(7, set_date_header(3 * DAY)))


def first_polls() -> Iterator[Scenario]:
    """Faults that the exporter meets when it starts."""
    options: Any = {"from_start": True, "false_metrics": EVERY_METRIC, "recovery_polls": AT_DISCOVERY}
    for name, seconds in (
        ("3 days ahead", 3 * DAY),
        ("3 days behind", -3 * DAY),
        ("in 2099", 73 * 365 * DAY),
    ):
        yield make(f"at the start k6 Cloud's clock is {name}", set_date_header(seconds), **options)
        yield Scenario(f"at the start our clock is {name}", jump_clock(seconds), from_start=True)
        yield Scenario(f"at the start our clock is {name}, no Date", without_date(seconds), **options)
    yield make("at the start a run has the id 2^59", *on(RUNS, run_with_id(2**59)), **options)


def without_date(seconds: float) -> Callable[[FaultLab], None]:
    def inject(lab: FaultLab) -> None:
        lab.now.wall_error = seconds
        lab.simulator.faults.add(header("date", ""))

    return inject


def jump_clock(seconds: float) -> Callable[[FaultLab], None]:
    def inject(lab: FaultLab) -> None:
        lab.now.wall_error = seconds

    return inject


def jump_clock_repeatedly(lab: FaultLab) -> None:
    jumps = cycle((3600.0, -3600.0, 1.0, -DAY))

    def change(_: Request, response: Response) -> Response:
        lab.now.wall_error = next(jumps)
        return response

    lab.simulator.faults.add(Fault(change))


def stop_process(seconds: float) -> Callable[[FaultLab], None]:
    def inject(lab: FaultLab) -> None:
        assert isinstance(lab.now, SkippingClock)
        lab.now.stop_process(seconds)

    return inject


def set_date_header(ahead: float) -> Fault:
    def change(request: Request, response: Response) -> Response:
        return replace(
            response, headers=(*response.headers, ("date", formatdate(request.at + ahead, usegmt=True)))
        )

    return Fault(change)


def tokens() -> Iterator[Scenario]:
    yield Scenario("the token is revoked", lambda lab: lab.simulator.tokens.clear())
    yield Scenario("the token file is empty", lambda lab: lab.write_token(""))
    yield Scenario("the token file is missing", lambda lab: lab.token_file.unlink())
    yield Scenario("the token file contains HTML", lambda lab: lab.write_token("<html>\n" * 9))
    yield Scenario("the token is rotated", rotate)


def rotate(lab: FaultLab) -> None:
    lab.simulator.tokens = {"another"}
    lab.write_token("another")


def list_scenarios() -> list[Scenario]:
    """All scenarios except those that need a real network."""
    kinds = (
        *(statuses, connections, bodies, partial_outages, values, odd_answers, headers),
        *(clocks, first_polls, tokens),
    )
    return [scenario for kind in kinds for scenario in kind()]


@cache
def bomb() -> bytes:
    return gzip.compress(b" " * (256 * MIB), 1)
