"""Everything that goes wrong in the campaign."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from itertools import count, cycle
from typing import Any

import httpx

from exporter.simulator import Fault, NextLink, Options, faults, shapes
from exporter.simulator.http import Request, Response
from exporter.simulator.options import V6Options
from tests.faults.stage import Stage, Trouble
from tests.faults.truth import ACTIVE, FINISHED, LAST, STATUS
from tests.support.lab import START

MIB = 2**20
DAY = 86400.0
SECOND_PAGE = ("*page=2&*", "*$skip=*", "*$skiptoken=*")
REFUSALS = (
    400,
    401,
    402,
    403,
    404,
    405,
    406,
    408,
    409,
    410,
    413,
    414,
    415,
    418,
    421,
    422,
    425,
    428,
    431,
    451,
)
TROUBLES = (500, 501, 502, 503, 504, 505, 507, 508, 511, 520, 599)
ODD = (204, 206, 300, 304)


def struck(name: str, *fault: Fault, **said: object) -> Trouble:
    """A fault of the simulator."""
    return Trouble(name, lambda stage: stage.simulator.faults.add(*fault), **said)  # type: ignore[arg-type]


def body(change: Callable[[bytes], bytes], *, encoding: str = "", only_good: bool = True) -> Fault:
    """What becomes of the bytes of an answer, and how they are said to be encoded."""
    headers = (("content-encoding", encoding),) if encoding else ()

    def spoil(_: Request, answer: Response) -> Response:
        if only_good and answer.status >= 400:
            return answer
        return replace(answer, raw=change(answer.payload), headers=(*answer.headers, *headers))

    return Fault(spoil)


def header(name: str, value: str) -> Fault:
    return Fault(lambda _, answer: replace(answer, headers=(*answer.headers, (name, value))))


def statuses() -> Iterator[Trouble]:
    for status in (*ODD, *REFUSALS, *TROUBLES):
        yield struck(f"HTTP {status}", faults.error(status))
    yield struck("HTTP 404 in HTML", faults.error(404, html=True))
    yield struck("HTTP 302 to another host", faults.redirect("https://evil.test/cloud/v6/test_runs"))
    yield struck("HTTP 308 to itself", faults.redirect("/", status=308))
    yield struck("HTTP 429", faults.error(429))
    yield struck("HTTP 429, Retry-After 7 s", faults.error(429, retry_after=7), silence=7)
    yield struck(
        "HTTP 429, Retry-After a date", faults.error(429, retry_after=7, retry_after_as_date=True), silence=8
    )
    yield struck("HTTP 429, Retry-After an hour", faults.error(429, retry_after=3600), silence=3600)
    yield struck("HTTP 503, Retry-After 40 s", faults.error(503, retry_after=40), silence=40)
    told = replace(faults.error(503, retry_after=0), instead=True)
    yield struck("HTTP 503, Retry-After nonsense", told, header("retry-after", "Mon, 99 Foo 0000 GMT"))


def connections() -> Iterator[Trouble]:
    yield struck("no answer at all", faults.hang())
    yield struck("headers after 8 s", faults.slow(before=8))
    yield struck("headers after 15 s", faults.slow(before=15))
    yield struck("body after 8 s", faults.slow(between=8))
    yield struck("body after 15 s", faults.slow(between=15))
    yield struck("reset", faults.reset())
    yield struck("truncated", faults.truncated())
    yield struck("DNS fails", unresolvable())
    yield struck("down for 10 minutes: 503", faults.error(503), lasts=600)
    yield struck("down for 10 minutes: no answer", faults.hang(), lasts=600)
    yield struck("down for 10 minutes: reset", faults.reset(), lasts=600)


def unresolvable() -> Fault:
    def fail(_: Request, __: Response) -> Response:
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    return Fault(fail, instead=True)


def bodies() -> Iterator[Trouble]:
    yield struck("a web page with 200", faults.not_json())
    yield struck("no body", faults.empty_body())
    yield struck("half of the JSON", faults.cut_json())
    yield struck("content type text/html", faults.content_type())
    for name, told in {
        "null": b"null",
        "a list": b"[]",
        "a number": b"7",
        "an empty object": b"{}",
        "a word": b'"ok"',
    }.items():
        yield struck(f"JSON, but {name}", body(lambda _, told=told: told))  # type: ignore[misc]
    yield struck("UTF-16", body(lambda told: told.decode().encode("utf-16")))
    yield struck("bytes that are not UTF-8", body(lambda told: told[:1] + b"\xff" + told[1:]))
    yield struck("zeros", body(lambda told: bytes(len(told))))
    yield struck("the body twice", body(lambda told: told + told))
    yield struck("gzip, properly", body(gzip.compress, encoding="gzip"))
    yield struck("says gzip and is not", body(lambda told: told, encoding="gzip"))
    yield struck("half of a gzip", body(lambda told: gzip.compress(told)[:-20], encoding="gzip"))
    yield struck("an unknown encoding", body(lambda told: told, encoding="br"))
    yield struck("40 MiB", body(lambda told: told + b" " * (40 * MIB)))
    yield struck("a gzip bomb of 256 MiB", body(lambda _: bomb(), encoding="gzip"))
    yield struck("a gzip bomb in a gzip bomb", body(lambda _: gzip.compress(bomb()), encoding="gzip, gzip"))
    yield struck("nested 100,000 deep", body(lambda _: b"[" * 100_000))
    items = b"1," * 1_500_000
    yield struck("3,000,000 items", body(lambda _: b'{"value":[%b1],"k6-runs":[%b1]}' % (items, items)))
    yield struck("an error page of 1 MiB", faults.error(500), body(lambda _: b" " * MIB, only_good=False))


RUNS = ("/loadtests/v2/runs*", "/cloud/v6/*test_runs*")
TESTS = ("/loadtests/v2/tests*", "/cloud/v6/*load_tests*")
EVERY_FACT = frozenset({STATUS, ACTIVE, LAST, FINISHED})
AT_DISCOVERY = 3  # polls until the next look at everything that could not be understood


def on(paths: Iterable[str], *those: Fault) -> list[Fault]:
    return [fault.on(path) for path in paths for fault in those]


def parts() -> Iterator[Trouble]:
    """Only some of the questions go wrong."""
    outage = (("503", faults.error(503)), ("404", faults.error(404)), ("no answer", faults.hang()))
    for how, fault in outage:
        yield struck(f"{how} for lists of runs", *on(RUNS, fault))
        yield struck(f"{how} for lists of tests", *on(TESTS, fault))
        yield struck(f"{how} for one test", *on(("*400002*",), fault))
    yield struck("503 for projects", *on(("/v3/*", "*/projects/*", "*/schedules*"), faults.error(503)))
    yield struck("403 for projects", *on(("/v3/*", "*/projects/*", "*/schedules*"), faults.error(403)))
    for how, fault in (("503", faults.error(503)), ("half of the JSON", faults.cut_json())):
        yield struck(f"{how} once in each poll", once_in(4, fault))
    yield paged("503 from the second page on", faults.error(503))
    yield paged("half of the JSON from the second page on", faults.cut_json())
    yield paged("no answer from the second page on", faults.hang())
    yield paged("404 from the second page on", faults.error(404), generations=("v6",))
    # A list that is shorter than it should be, and does not say so, is believed.
    said = {"spoils": EVERY_FACT, "within": AT_DISCOVERY}
    yield paged("empty from the second page on", faults.empty_page(), generations=("v6",), **said)


def once_in(times: int, fault: Fault) -> Fault:
    """The same fault, but only for one of so many answers."""
    asked = count(1)

    def spoil(question: Request, answer: Response) -> Response:
        return fault.change(question, answer) if next(asked) % times == 0 else answer

    return Fault(spoil)


def paged(name: str, fault: Fault, **said: Any) -> Trouble:
    """Lists come three to a page, and the pages after the first go wrong."""

    def strike(stage: Stage) -> None:
        stage.simulator.options = SHORT
        stage.simulator.faults.add(*on(SECOND_PAGE, fault))

    return Trouble(name, strike, **said)


SHORT = Options(max_page_size=3, v6=V6Options(max_top=3, clamp_top=True))


def words() -> Iterator[Trouble]:
    """Answers that are well-formed, and not what the documents promise."""
    said = {"spoils": EVERY_FACT, "within": AT_DISCOVERY}
    yield struck("numbers as strings", faults.numbers_as_strings())
    yield struck(
        "keys that nobody knows",
        Fault(lambda _, told: replace(told, body=shapes.add_unknown_keys(told.body))),
    )
    ended = said | {"for_good": frozenset({FINISHED})}
    yield struck("an unknown status code", faults.field("run_status", 42), generations=("legacy",), **ended)
    yield struck(
        "a word for a status code", faults.field("run_status", "RUN"), generations=("legacy",), **ended
    )
    yield struck(
        "an unknown status word", faults.replaced_word("running", "paused"), generations=("v6",), **said
    )
    yield struck("a number for a status word", faults.field("status", 2), generations=("v6",), **ended)
    yield struck(
        "an unknown result", faults.replaced_word("passed", "splendid"), generations=("v6",), **ended
    )
    yield struck(
        "an unknown processing status", faults.field("processing_status", 42), generations=("legacy",), **said
    )
    yield struck(
        "a duration in words",
        faults.field("duration", "long"),
        faults.field("estimated_duration", "long"),
        within=AT_DISCOVERY,
    )
    for name in ("created", "started", "ended"):
        yield struck(f"{name}: not a time", faults.field(name, "yesterday"), **said)
        yield struck(f"{name}: the year 9999", faults.field(name, "9999-12-31T23:59:59Z"), **said)
    yield struck("nested 900 deep in a run", faults.field("created", nested(900)), **said)
    yield struck("ids that are no numbers", faults.field("id", "seven"))
    yield struck("ids of null", faults.field("id", None))
    yield struck("no ids", faults.missing_field("id"))
    yield struck("runs of no test", faults.field("test_id", None))
    yield struck("lists that are null", *(faults.field(name, None) for name in LISTS))
    yield struck("lists that are objects", *(faults.field(name, {"0": {}}) for name in LISTS))
    yield struck("empty lists of runs", *on(RUNS, faults.empty_page()), spoils=EVERY_FACT)
    yield struck("empty lists of tests", *on(TESTS, faults.empty_page()))
    yield struck("empty lists", faults.empty_page(), spoils=EVERY_FACT)
    yield struck("an item that is none", *on(RUNS, faults.invalid_item()), spoils=EVERY_FACT)
    yield struck("each run twice", faults.duplicate())
    yield struck("runs of another test", *on(RUNS, faults.unexpected_run()))
    yield struck("the first page again and again", faults.repeated_page())
    yield linked("a link to another host", NextLink.FOREIGN)
    yield linked("a link in a circle", NextLink.LOOP)
    yield struck("a link that leads nowhere", faults.field("@nextLink", "http://["), generations=("v6",))
    yield struck("a link of a million characters", link("https://k6.test/?$skip=" + "9" * MIB))
    yield struck("a link that is an object", link({"href": 1}))


LISTS = ("k6-runs", "k6-tests", "value", "organizations", "projects")


def link(told: object) -> Fault:
    def spoil(_: Request, answer: Response) -> Response:
        is_list = isinstance(answer.body, dict) and "value" in answer.body
        return replace(answer, body={**answer.body, "@nextLink": told}) if is_list else answer  # type: ignore[dict-item]

    return Fault(spoil)


def linked(name: str, kind: NextLink) -> Trouble:
    def strike(stage: Stage) -> None:
        stage.simulator.options = Options(v6=V6Options(max_top=3, clamp_top=True, next_link=kind))

    return Trouble(name, strike, generations=("v6",))


def headers() -> Iterator[Trouble]:
    for name, value in (
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("date", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("date", "noon"),
        ("set-cookie", "a=\xe9"),
        ("location", "http://["),
        ("retry-after", "99999999999999999999"),
    ):
        yield struck(f"header {name}: {value!a}", header(name, value))


def clocks() -> Iterator[Trouble]:
    """The exporter's clock jumps, that of the cloud does not; and a process that sleeps meanwhile."""
    for name, seconds in (("an hour ahead", 3600.0), ("an hour back", -3600.0)):
        yield Trouble(f"the clock jumps {name}", skewed(seconds))
    # By more than a day, dates are left out, or runs for their age.
    for name, seconds in (("30 days ahead", 30 * DAY), ("30 days back", -30 * DAY), ("to 1970", DAY - START)):
        yield Trouble(f"the clock jumps {name}", skewed(seconds), spoils=EVERY_FACT, within=AT_DISCOVERY)
    yield Trouble("the clock jumps to and fro", jumping)
    yield struck("k6 Cloud's clock is a day ahead", dated(DAY))
    yield struck("k6 Cloud's clock is a day behind", dated(-DAY))


def skewed(seconds: float) -> Callable[[Stage], None]:
    def strike(stage: Stage) -> None:
        stage.skew = seconds

    return strike


def jumping(stage: Stage) -> None:
    jumps = cycle((3600.0, -3600.0, 1.0, -DAY))

    def spoil(_: Request, answer: Response) -> Response:
        stage.skew = next(jumps)
        return answer

    stage.simulator.faults.add(Fault(spoil))


def dated(ahead: float) -> Fault:
    def spoil(asked: Request, answer: Response) -> Response:
        return replace(answer, headers=(*answer.headers, ("date", formatdate(asked.at + ahead, usegmt=True))))

    return Fault(spoil)


def tokens() -> Iterator[Trouble]:
    yield Trouble("the token is revoked", lambda stage: stage.simulator.tokens.clear())
    yield Trouble("the token file is empty", lambda stage: stage.write_token(""))
    yield Trouble("the token file is gone", lambda stage: stage.token_file.unlink())
    yield Trouble("the token file holds a page", lambda stage: stage.write_token("<html>\n" * 9))
    yield Trouble("the token is rotated in between", rotate)


def rotate(stage: Stage) -> None:
    stage.simulator.tokens = {"another"}
    stage.write_token("another")


def everything() -> list[Trouble]:
    """The whole campaign but for the network itself."""
    kinds = (statuses, connections, bodies, parts, words, headers, clocks, tokens)
    return [trouble for kind in kinds for trouble in kind()]


@cache
def bomb() -> bytes:
    return gzip.compress(b" " * (256 * MIB), 1)


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value
