"""The token goes to k6 Cloud and nowhere else: whatever is printed, logged, served or raised lacks it."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from exporter import logs as log
from exporter.app import create_exporter
from exporter.cli import main
from exporter.config import Config, ConfigError, load
from exporter.credentials import Secret, SecretError
from exporter.simulator import Fault, Simulator, World, faults
from tests.support.exporter_process import finished
from tests.support.lab import START, TOKEN, Lab, ManualClock

CANARY = "canary"  # the beginning of TOKEN, so that a part of it is found as well

ECHOES = {
    "as_it_is": faults.error(401, message=f"Token {TOKEN} is not known"),
    "many_times": faults.error(400, message=f"{TOKEN} " * 40),
    "across_the_cut": faults.error(500, message="x" * 195 + TOKEN),
    "in_a_header": faults.redirect(f"https://elsewhere.test/?token={TOKEN}"),
    "in_a_status": faults.field("run_status", TOKEN).on("/loadtests/*"),
    "in_a_moment": faults.field("created", TOKEN).on("/loadtests/*"),
    "in_a_project": faults.field("project_id", TOKEN).on("/loadtests/*"),
}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Every line that anybody would write after `--log.level debug`."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(log.LogfmtFormatter().format(record) + log.JsonFormatter().format(record))

    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in log.NOISY_LOGGERS)]
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    root.handlers.clear()
    log.configure("debug", "logfmt")
    root.handlers[:] = [Lines()]
    yield lines
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def world() -> World:
    made = World()
    test = made.add_test("checkout")
    made.add_run(test, created=START - 600)
    return made


def pages(lab: Lab) -> str:
    openmetrics = lab.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")
    others = [lab.get(path) for path in ("/metrics", "/", "/-/ready", "/-/healthy", "/nowhere")]
    return "\n".join(f"{answer.headers}\n{answer.text}" for answer in (openmetrics, *others))


def dump(thing: object, seen: set[int] | None = None) -> str:
    """What repr, str and vars tell of a thing and of all that hangs on it."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type | str | bytes | int | float | None):
        return repr(thing)
    seen.add(id(thing))
    inner: list[Any] = list(getattr(thing, "__dict__", {}).items())
    if isinstance(thing, dict):
        inner += [*thing.keys(), *thing.values()]
    elif isinstance(thing, list | tuple | set | frozenset):
        inner += list(thing)
    return " ".join([repr(thing), str(thing), *(dump(one, seen) for one in inner)])


def test_the_token_reaches_k6_cloud() -> None:
    with Lab(world()) as lab:
        assert lab.poll().outcome == "success"

        sent = {header for asked in lab.simulator.requests for header in asked.headers.items()}
        assert ("authorization", f"Token {TOKEN}") in sent


def test_a_good_poll_shows_the_token_nowhere(logged: list[str]) -> None:
    with Lab(world()) as lab:
        lab.poll()

        assert "checkout" in pages(lab)
        assert CANARY not in pages(lab)
        assert CANARY not in "\n".join(logged)


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_server_that_echoes_the_token_does_not_make_us_repeat_it(echo: Fault, logged: list[str]) -> None:
    with Lab(world()) as lab:
        lab.simulator.faults.add(echo)
        poll_result = lab.poll()

        assert poll_result.failures or poll_result.skipped or poll_result.updates
        assert CANARY not in pages(lab)
        assert CANARY not in repr(poll_result.failures)
        assert CANARY not in "\n".join(logged)


def test_a_refused_token_is_not_shown(logged: list[str]) -> None:
    with Lab(world()) as lab:
        lab.simulator.tokens = {"another"}
        poll_result = lab.poll()

        assert poll_result.outcome == "failure"
        assert "put a valid one into K6_CLOUD_TOKEN" in pages(lab)
        assert CANARY not in pages(lab)
        assert "unauthorized" in "\n".join(logged)
        assert CANARY not in "\n".join(logged)


def test_a_server_that_echoes_the_token_in_place_of_http_does_not_make_us_repeat_it(
    logged: list[str],
) -> None:
    async def parrot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        assert TOKEN.encode() in asked
        writer.write(b"HTTP/1.1 " + TOKEN.encode() + b" what?\r\n\r\n")
        writer.close()

    async def poll() -> str:
        server = await asyncio.start_server(parrot, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = Config.model_validate({"api": {"url": f"http://127.0.0.1:{port}"}})
        async with server, create_exporter(config, Secret(TOKEN), clock=ManualClock().clock) as polled:
            return repr(await polled.poller.poll())

    told = asyncio.run(poll())

    assert "network" in told
    assert CANARY not in told
    assert CANARY not in "\n".join(logged)


def test_no_dump_of_a_token_shows_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    from_file = Secret(path=file)
    assert from_file.read() == TOKEN

    for token in (Secret(TOKEN), from_file):
        assert CANARY not in dump(token)
        assert CANARY not in f"{token} {token!r} {[token]} {dump({'token': token})}"
        with pytest.raises(TypeError):
            vars(token)


def test_no_dump_of_a_configuration_or_an_exporter_shows_it() -> None:
    config, token = load(None, {"K6_CLOUD_TOKEN": TOKEN}, {})
    assert CANARY not in dump((config, token)) + config.model_dump_json()

    with Lab(world()) as lab:
        lab.poll()
        told = dump(lab.exporter)

    assert "checkout" in told  # the dump does reach what the exporter knows
    assert CANARY not in told


@pytest.mark.parametrize("malformed", [f"{TOKEN} b", f"{TOKEN}\n{TOKEN}", f"{TOKEN}é", f"{TOKEN}\0"])
def test_a_malformed_token_is_not_shown(malformed: str, tmp_path: Path, logged: list[str]) -> None:
    file = tmp_path / "token"
    file.write_text(malformed)

    with pytest.raises(ConfigError) as caught:
        load(None, {"K6_CLOUD_TOKEN": malformed}, {})
    assert CANARY not in dump(caught.value.args) + dump(caught.value.__cause__)

    with pytest.raises(SecretError) as refused:
        Secret(path=file).read()
    assert CANARY not in str(refused.value)

    with Lab(world()) as lab:
        lab.run(polled_with(Secret(malformed)))
    assert CANARY not in "\n".join(logged)


async def polled_with(token: Secret) -> None:
    simulator = Simulator(world(), tokens=[TOKEN], clock=ManualClock().read)
    config = Config.model_validate({"api": {"url": "http://k6.test"}})
    transport = httpx.ASGITransport(simulator)
    async with create_exporter(config, token, clock=ManualClock().clock, transport=transport) as polled:
        poll_result = await polled.poller.poll()
    assert [failure.reason for failure in poll_result.failures] == ["unauthorized"]
    assert CANARY not in repr(poll_result.failures)
    assert simulator.requests == []


def test_a_token_file_that_goes_away_or_bad_shows_nothing(tmp_path: Path, logged: list[str]) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    token = Secret(path=file)
    assert token.read() == TOKEN

    file.write_text(f"{TOKEN} and more")
    asyncio.run(polled_with(token))
    file.unlink()
    asyncio.run(polled_with(token))

    assert "cannot be read: No such file or directory" in "\n".join(logged)
    assert CANARY not in "\n".join(logged) + dump(token)


def test_a_rotated_token_is_in_the_very_next_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")

    async def polls() -> AsyncIterator[list[str | None]]:
        simulator = Simulator(world(), tokens=["first", "second"], clock=ManualClock().read)
        config = Config.model_validate({"api": {"url": "http://k6.test"}})
        transport = httpx.ASGITransport(simulator)
        async with create_exporter(
            config, Secret(path=file), clock=ManualClock().clock, transport=transport
        ) as polled:
            for _ in range(2):
                simulator.requests.clear()
                await polled.poller.poll()
                yield [asked.headers.get("authorization") for asked in simulator.requests]

    async def rotated() -> None:
        told = polls()
        assert set(await anext(told)) == {"Token first"}
        file.write_text("second")
        assert set(await anext(told)) == {"Token second"}
        await told.aclose()  # type: ignore[attr-defined]

    asyncio.run(rotated())


@pytest.mark.parametrize("command", ["check", "once"])
def test_no_command_prints_it_at_level_debug(command: str) -> None:
    nowhere = {"K6_CLOUD_TOKEN": TOKEN, "K6_CLOUD_EXPORTER_API__URL": "http://127.0.0.1:9"}

    answer = finished(command, "--log.level", "debug", **nowhere)

    assert answer.returncode == 1
    assert CANARY not in answer.stdout + answer.stderr


def test_a_token_in_the_wrong_variable_or_setting_is_not_shown() -> None:
    for environ in (
        {"K6_CLOUD_EXPORTER_API__TOKEN": TOKEN},
        {"K6_CLOUD_EXPORTER_API_TOKEN": TOKEN},
        {"K6_CLOUD_EXPORTER_API__TOKEN_FILE": TOKEN * 3},
    ):
        unset: dict[str, str | None] = {name: None for name in os.environ if name.startswith("K6_")}
        answer = CliRunner(env=unset | environ).invoke(main)

        assert answer.exit_code == 2
        assert "error: " in answer.output
        assert CANARY not in answer.output
