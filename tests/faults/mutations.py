"""Random corruption of the simulator's responses, and a lab whose exporter receives them."""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from random import Random
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import EndStatus, Phases, Simulator, World
from tests.support.lab import START, TOKEN, Lab

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

HOUR = 3600.0
APIS = {
    "legacy": {"url": "http://k6.test", "requests_per_minute": 6000},
    "v6": {"url": "http://k6.test", "requests_per_minute": 6000, "stack": 1},
}
ENDLESS = Phases(running=10_000_000)


def nested(depth: int) -> object:
    value: object = 1
    for n in range(depth):
        value = [value] if n % 2 else {"a": value}
    return value


EXTREME_VALUES: tuple[object, ...] = (
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
# fmt: off
STATUSES = (
    200, 201, 204, 206, 299, 300, 301, 302, 304, 307, 400, 401, 403, 404, 410, 418, 429, 500, 503, 599,
)
# fmt: on


def corrupt(
    rng: Random, status: int, headers: list[Any], body: bytes, *, can_falsify: bool
) -> tuple[int, list[Any], bytes]:
    """A response with one to three changes: to garbage, or also to valid but false values (`can_falsify`)."""
    ways = ("bytes", "json", "json", "json", "json", "status", "headers")
    for _ in range(rng.randint(1, 3)):
        match rng.choice(ways if can_falsify else ("garbage", "garbage", "status", "headers")):
            case "bytes":
                body = corrupt_bytes(rng, body)
            case "garbage":
                body = make_garbage(rng, body)
            case "json":
                body = corrupt_json(rng, body)
            case "status":
                status = rng.choice([code for code in STATUSES if can_falsify or code != 404])
            case "headers":
                headers = [*headers, rng.choice(HEADERS)]
    return status, headers, body


def corrupt_bytes(rng: Random, body: bytes) -> bytes:
    at, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in body[at : at + 3])
    return rng.choice(
        (
            body[:at] + body[end:],
            body[:at] + flipped + body[at + 3 :],
            body[:at] + rng.randbytes(rng.randint(1, 8)) + body[at:],
            make_garbage(rng, body),
        )
    )


def make_garbage(rng: Random, body: bytes) -> bytes:
    """A body that cannot be parsed, or only as the original."""
    return rng.choice(
        (
            body[: rng.randrange(len(body) + 1)],
            body + body,
            b"",
            b"\xef\xbb\xbf" + body,
            b"<html><body>It works!</body></html>",
            body.decode(errors="replace").encode("utf-16"),
        )
    )


def corrupt_json(rng: Random, body: bytes) -> bytes:
    try:
        value = json.loads(body)
        return json.dumps(corrupt_value(rng, value)).encode()
    except (ValueError, RecursionError):
        return body


def corrupt_value(rng: Random, value: Any) -> object:
    """Another value somewhere inside."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        return corrupt_object(rng, value)
    if isinstance(value, list) and value and rng.random() < 0.9:
        return corrupt_list(rng, value)
    if type(value) is int and rng.random() < 0.3:
        return rng.choice((-value, value + 1, float(value), str(value), value * 10**20, [value]))
    return rng.choice(EXTREME_VALUES)


def corrupt_object(rng: Random, value: dict[str, Any]) -> object:
    key = rng.choice(list(value))
    match rng.choice(("inside", "inside", "inside", "drop", "add", "rename")):
        case "inside":
            return {**value, key: corrupt_value(rng, value[key])}
        case "drop":
            return {name: value[name] for name in value if name != key}
        case "rename":
            return {(f"{name}s" if name == key else name): value[name] for name in value}
    return {**value, rng.choice(("", "id", "x", "\ud800")): rng.choice(EXTREME_VALUES)}


def corrupt_list(rng: Random, value: list[Any]) -> object:
    at = rng.randrange(len(value))
    match rng.choice(("inside", "inside", "inside", "drop", "repeat", "shuffle", "unwrap", "object")):
        case "inside":
            return [*value[:at], corrupt_value(rng, value[at]), *value[at + 1 :]]
        case "drop":
            return value[:at] + value[at + 1 :]
        case "repeat":
            return [*value, value[at]]
        case "shuffle":
            return rng.sample(value, len(value))
        case "unwrap":
            return value[at]
    return dict(enumerate(value))


class CorruptingSimulator(Simulator):
    """The simulator, with most of its responses corrupted while `rng` is set."""

    rng: Random | None = None
    can_falsify = False
    corrupted = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await super().__call__(scope, receive, keep)
        start, body = sent[0], b"".join(message.get("body", b"") for message in sent)
        status, headers = start["status"], [it for it in start["headers"] if it[0] != b"content-length"]
        # Without organizations the exporter requests nothing else, so these responses change less often.
        share = 0.2 if scope["path"].startswith("/v3/") else 0.9
        if self.rng is not None and self.rng.random() < share:
            status, headers, body = corrupt(self.rng, status, headers, body, can_falsify=self.can_falsify)
            self.corrupted += 1
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class CorruptingLab(Lab):
    """A lab whose exporter receives corrupted responses."""

    def __init__(self, world: World, **settings: Any) -> None:
        super().__init__(world, **settings)
        self.simulator = self.corruption = CorruptingSimulator(
            world, tokens=[TOKEN], clock=self.now.read, sleep=self.now.sleep, connection_error=httpx.ReadError
        )


def make_world() -> World:
    world = World()
    shop = world.add_project("shop")
    for n, project in enumerate([world.default_project_id, shop, shop]):
        test = world.add_test(f"test {n}", project_id=project)
        for age, ending in enumerate(
            [EndStatus.FINISHED, EndStatus.ABORTED_BY_THRESHOLD, EndStatus.ABORTED_BY_USER]
        ):
            world.add_run(test, created=START - HOUR * (age + 2), ending=ending)
        world.add_run(test, created=START - 600, phases=ENDLESS)
    return world


def list_series(lab: Lab, *, with_counters: bool) -> str:
    """The series of tests and runs; without counters, which never lose a false value."""
    lines = lab.page().split("\n")
    return "\n".join(
        line for line in lines if with_counters or not re.search("_runs_finished_|_last_passed_", line)
    )


def assert_scrape_is_valid(lab: Lab) -> None:
    """A scrape succeeds and has no duplicate series."""
    response = lab.get()
    assert response.status_code == 200
    samples = [
        sample for family in text_string_to_metric_families(response.text) for sample in family.samples
    ]
    series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples]
    assert len(series) == len(set(series))
    assert lab.get("/").status_code == 200


def add_new_runs(world: World) -> World:
    """An endless run, and one that finishes."""
    test = next(iter(world.tests))
    world.add_run(test, created=START + 1, phases=ENDLESS)
    world.add_run(test, created=START + 2)
    return world


def expected_page(api_version: str, *, new_runs: bool, with_counters: bool) -> str:
    """The series of an exporter that receives no corrupted response."""
    world = make_world()
    with Lab(world, api=APIS[api_version]) as lab:
        if new_runs:
            lab.poll()
            add_new_runs(world)
        lab.at(2 * HOUR).poll()
        return list_series(lab, with_counters=with_counters)


def poll_corrupted(lab: CorruptingLab, seed: int, *, can_falsify: bool) -> None:
    lab.corruption.rng, lab.corruption.can_falsify = Random(seed), can_falsify
    for pause in (15, 4000, 15):
        lab.now.value += pause
        lab.poll()
        assert_scrape_is_valid(lab)
    lab.corruption.rng = None
    lab.now.value += HOUR + 1  # the longest wait that a corrupted Retry-After can demand


def assert_healthy(lab: Lab) -> None:
    assert lab.value("k6_cloud_up") == 1
    assert lab.get("/-/ready").status_code == 200
    assert lab.value('k6_cloud_exporter_poll_failures_total{reason="internal"}') == 0


def assert_converges(lab: Lab, expected: str, *, with_counters: bool) -> None:
    # A finished run is fetched again when it is its test's turn: within twelve discoveries.
    for _ in range(13):
        lab.poll()
        if list_series(lab, with_counters=with_counters) == expected:
            break
        lab.now.value += 301
    assert list_series(lab, with_counters=with_counters) == expected
    assert_healthy(lab)
