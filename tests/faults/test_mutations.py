"""Answers of the simulator, spoilt by chance on their way: nothing breaks, and the truth comes back."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import EndStatus, Phases, Simulator, World
from tests.support.lab import START, TOKEN, Lab

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HOUR = 3600.0
EXAMPLES = 60  # of each kind and generation
FEWEST = 250  # spoilt answers of each, together a thousand
APIS = {
    "legacy": {"url": "http://k6.test", "requests_per_minute": 6000},
    "v6": {"url": "http://k6.test", "requests_per_minute": 6000, "stack_id": 1},
}
FOREVER = Phases(running=10_000_000)


def nested(depth: int) -> object:
    value: object = 1
    for n in range(depth):
        value = [value] if n % 2 else {"a": value}
    return value


NASTY: tuple[object, ...] = (
    *(None, True, False, 0, -1, 3, 42, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(10**30)),
    *(0.5, 1e308, -1e308, 5e-324, float("nan"), float("inf")),
    *(
        "",
        " ",
        "0",
        "3",
        "3.0",
        "RUNNING",
        "NaN",
        "1e999",
        "9" * 5000,
        "x" * 100_000,
        "\ud800",
        "\udfff\ud800",
    ),
    *("\0", '"', "\\", "\n", "\r\n", "\u2028\x85", 'a"} 1\nk6_cloud_up 7\n', "{}", "größe 😀", "../../etc"),
    *("2026-09-21T14:00:00", "9999-12-31T23:59:59", "0001-01-01T00:00:00Z", "2026-09-21", "12:00", "-1-1-1"),
    *([], {}, [[]], {"id": 1}, [None], ["x"] * 300, {"": {}}, nested(40), nested(900)),
)
HEADERS = (
    *(
        (b"retry-after", value)
        for value in (b"0", b"7", b"90", b"-1", b"1e9", b"soon", b"Mon, 99 Foo 0000 GMT")
    ),
    *((b"content-encoding", value) for value in (b"gzip", b"deflate", b"br", b"identity", b"nonsense, gzip")),
    *(
        (b"content-type", value)
        for value in (b"text/html", b"", b"application/json; charset=utf-16", b"\xff")
    ),
    *((b"location", value) for value in (b"https://evil.test/", b"", b"http://[", b"\xff")),
    *((b"set-cookie", value) for value in (b"a=b", b"a=\xe9", b"\xff" * 20)),
)
STATUSES = (
    200,
    201,
    204,
    206,
    299,
    300,
    301,
    302,
    304,
    307,
    400,
    401,
    403,
    404,
    410,
    418,
    429,
    500,
    503,
    599,
)


def spoilt(
    chance: Random, status: int, headers: list[Any], body: bytes, *, lies: bool
) -> tuple[int, list[Any], bytes]:
    """An answer, changed in one to three ways: into nonsense, or also into something that is not true."""
    ways = ("bytes", "json", "json", "json", "json", "status", "headers")
    for _ in range(chance.randint(1, 3)):
        match chance.choice(ways if lies else ("nonsense", "nonsense", "status", "headers")):
            case "bytes":
                body = spoilt_bytes(chance, body)
            case "nonsense":
                body = nonsense(chance, body)
            case "json":
                body = spoilt_json(chance, body)
            case "status":
                status = chance.choice([code for code in STATUSES if lies or code != 404])
            case "headers":
                headers = [*headers, chance.choice(HEADERS)]
    return status, headers, body


def spoilt_bytes(chance: Random, body: bytes) -> bytes:
    at, upto = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    flipped = bytes(byte ^ (1 << chance.randrange(8)) for byte in body[at : at + 3])
    return chance.choice(
        (
            body[:at] + body[upto:],
            body[:at] + flipped + body[at + 3 :],
            body[:at] + chance.randbytes(chance.randint(1, 8)) + body[at:],
            nonsense(chance, body),
        )
    )


def nonsense(chance: Random, body: bytes) -> bytes:
    """What cannot be read, or only as what it was."""
    return chance.choice(
        (
            body[: chance.randrange(len(body) + 1)],
            body + body,
            b"",
            b"\xef\xbb\xbf" + body,
            b"<html><body>It works!</body></html>",
            body.decode(errors="replace").encode("utf-16"),
        )
    )


def spoilt_json(chance: Random, body: bytes) -> bytes:
    try:
        value = json.loads(body)
        return json.dumps(spoilt_value(chance, value)).encode()
    except (ValueError, RecursionError):
        return body


def spoilt_value(chance: Random, value: Any) -> object:
    """Somewhere inside, something else than there was."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        return spoilt_object(chance, value)
    if isinstance(value, list) and value and chance.random() < 0.9:
        return spoilt_list(chance, value)
    if type(value) is int and chance.random() < 0.3:
        return chance.choice((-value, value + 1, float(value), str(value), value * 10**20, [value]))
    return chance.choice(NASTY)


def spoilt_object(chance: Random, value: dict[str, Any]) -> object:
    key = chance.choice(list(value))
    match chance.choice(("inside", "inside", "inside", "drop", "add", "rename")):
        case "inside":
            return {**value, key: spoilt_value(chance, value[key])}
        case "drop":
            return {name: value[name] for name in value if name != key}
        case "rename":
            return {(f"{name}s" if name == key else name): value[name] for name in value}
    return {**value, chance.choice(("", "id", "x", "\ud800")): chance.choice(NASTY)}


def spoilt_list(chance: Random, value: list[Any]) -> object:
    at = chance.randrange(len(value))
    match chance.choice(("inside", "inside", "inside", "drop", "twice", "shuffle", "lone", "object")):
        case "inside":
            return [*value[:at], spoilt_value(chance, value[at]), *value[at + 1 :]]
        case "drop":
            return value[:at] + value[at + 1 :]
        case "twice":
            return [*value, value[at]]
        case "shuffle":
            return chance.sample(value, len(value))
        case "lone":
            return value[at]
    return dict(enumerate(value))


class Spoilt(Simulator):
    """The simulator behind something that spoils most of its answers while there is a `chance`."""

    chance: Random | None = None
    lies = False
    spoilt = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await super().__call__(scope, receive, keep)
        start, body = sent[0], b"".join(message.get("body", b"") for message in sent)
        status, headers = start["status"], [it for it in start["headers"] if it[0] != b"content-length"]
        # Where no organization is found nothing else is asked, so those are spared more often.
        often = 0.2 if scope["path"].startswith("/v3/") else 0.9
        if self.chance is not None and self.chance.random() < often:
            status, headers, body = spoilt(self.chance, status, headers, body, lies=self.lies)
            self.spoilt += 1
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class SpoiltLab(Lab):
    """A lab whose exporter hears of the world through `spoilt`."""

    def __init__(self, world: World, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.simulator = self.spoilt = Spoilt(
            world, tokens=[TOKEN], clock=self.now.read, sleep=self.now.sleep, connection_error=httpx.ReadError
        )


def a_world() -> World:
    world = World()
    shop = world.add_project("shop")
    for n, project in enumerate([world.default_project_id, shop, shop]):
        test = world.add_test(f"test {n}", project_id=project)
        for age, ending in enumerate(
            [EndStatus.FINISHED, EndStatus.ABORTED_BY_THRESHOLD, EndStatus.ABORTED_BY_USER]
        ):
            world.add_run(test, created=START - HOUR * (age + 2), ending=ending)
        world.add_run(test, created=START - 600, phases=FOREVER)
    return world


def facts(lab: Lab, *, with_sums: bool) -> str:
    """What is told of tests and runs now, and with the sums also what a lie adds to for ever."""
    lines = lab.page().split("\n")
    return "\n".join(
        line for line in lines if with_sums or not re.search("_runs_finished_|_last_passed_", line)
    )


def assert_sound(lab: Lab) -> None:
    """A scrape is well, and tells no series twice."""
    answer = lab.get()
    assert answer.status_code == 200
    samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples]
    assert len(series) == len(set(series))
    assert lab.get("/").status_code == 200


def with_news(world: World) -> World:
    """A run that goes on for ever, and one that finishes."""
    test = next(iter(world.tests))
    world.add_run(test, created=START + 1, phases=FOREVER)
    world.add_run(test, created=START + 2)
    return world


def truth(api_version: str, *, news: bool, with_sums: bool) -> str:
    """What an exporter tells that has never heard a spoilt answer."""
    world = a_world()
    with Lab(world, api=APIS[api_version]) as lab:
        if news:
            lab.poll()
            with_news(world)
        lab.at(2 * HOUR).poll()
        return facts(lab, with_sums=with_sums)


def listen_to_nonsense(lab: SpoiltLab, seed: int, *, lies: bool) -> None:
    lab.spoilt.chance, lab.spoilt.lies = Random(seed), lies
    for pause in (15, 4000, 15):
        lab.now.value += pause
        lab.poll()
        assert_sound(lab)
    lab.spoilt.chance = None
    lab.now.value += HOUR + 1  # the longest that a spoilt Retry-After can demand


def assert_well(lab: Lab) -> None:
    assert lab.value("k6_cloud_up") == 1
    assert lab.get("/-/ready").status_code == 200
    assert lab.value('k6_cloud_exporter_poll_failures_total{reason="internal"}') == 0


def assert_comes_back(lab: Lab, expected: str, *, with_sums: bool) -> None:
    # A run that is over is looked at again when it is its test's turn: within twelve discoveries.
    for _ in range(13):
        lab.poll()
        if facts(lab, with_sums=with_sums) == expected:
            break
        lab.now.value += 301
    assert facts(lab, with_sums=with_sums) == expected
    assert_well(lab)


@pytest.mark.parametrize(("api_version", "lies"), [("legacy", False), ("legacy", True), ("v6", False)])
def test_no_spoilt_answer_breaks_the_exporter_or_outlives_the_next_looks(
    api_version: str, *, lies: bool
) -> None:
    truths = {news: truth(api_version, news=news, with_sums=not lies) for news in (True, False)}
    spoilt_in_all = 0

    @settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
    @given(seed=st.integers(0, 2**64), at_first=st.booleans())
    def look(seed: int, *, at_first: bool) -> None:
        nonlocal spoilt_in_all
        world = a_world()
        with SpoiltLab(world, api=APIS[api_version]) as lab:
            if not at_first:
                lab.poll()
                with_news(world)
            listen_to_nonsense(lab, seed, lies=lies)
            assert_comes_back(lab, truths[not at_first], with_sums=not lies)
            spoilt_in_all += lab.spoilt.spoilt

    look()
    assert spoilt_in_all >= FEWEST


def test_after_the_lies_of_v6_each_new_run_is_told_truly() -> None:
    # v6 is not asked for old runs again, so what it said last of one that is over stays.
    spoilt_in_all = 0

    @settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
    @given(seed=st.integers(0, 2**64))
    def look(seed: int) -> None:
        nonlocal spoilt_in_all
        world = a_world()
        with SpoiltLab(world, api=APIS["v6"]) as lab:
            lab.poll()
            with_news(world)
            listen_to_nonsense(lab, seed, lies=True)
            spoilt_in_all += lab.spoilt.spoilt

            lab.poll()
            new = world.add_run(next(iter(world.tests)), created=lab.now.value + 1, phases=FOREVER)
            lab.now.value += 301
            lab.poll()
            assert_sound(lab)
            assert_well(lab)
            assert [line for line in lab.page().split("\n") if f'run_id="{new}"' in line] == told_truly(
                lab, new
            )

    look()
    assert spoilt_in_all >= FEWEST


def told_truly(lab: Lab, run: int) -> list[str]:
    """What an exporter tells of a run that hears of this world for the first time."""
    with Lab(lab.simulator.world, api=APIS["v6"]) as other:
        other.now.value = lab.now.value
        other.poll()
        return [line for line in other.page().split("\n") if f'run_id="{run}"' in line]
