"""The token is sent to k6 Cloud only: it is never printed, logged, served or part of an exception."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from exporter import logs
from exporter.app import create_exporter
from exporter.cli import main
from exporter.config import Config, ConfigError, load
from exporter.credentials import Secret, SecretError
from exporter.simulator import Fault, Simulator, World, faults
from tests.support.exporter_process import run_exporter
from tests.support.lab import START, TOKEN, Lab, ManualClock

CANARY = "canary"  # the beginning of TOKEN, so that a part of it is found too

ECHOES = {
    "as_it_is": faults.error(401, message=f"Token {TOKEN} is not known"),
    "many_times": faults.error(400, message=f"{TOKEN} " * 40),
    "across_the_cut": faults.error(500, message="x" * 195 + TOKEN),
    "in_a_header": faults.redirect(f"https://elsewhere.test/?token={TOKEN}"),
    "in_a_status": faults.field("run_status", TOKEN).on("/loadtests/*"),
    "in_a_timestamp": faults.field("created", TOKEN).on("/loadtests/*"),
    "in_a_project": faults.field("project_id", TOKEN).on("/loadtests/*"),
}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The log lines of all loggers at the level debug."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(logs.LogfmtFormatter().format(record) + logs.JsonFormatter().format(record))

    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in logs.NOISY_LOGGERS)]
    handlers, levels = root.handlers[:], [logger.level for logger in loggers]
    root.handlers.clear()
    logs.configure("debug", "logfmt")
    root.handlers[:] = [Lines()]
    yield lines
    root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def build_world() -> World:
    world = World()
    test = world.add_test("checkout")
    world.add_run(test, created=START - 600)
    return world


def pages(lab: Lab) -> str:
    openmetrics = lab.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.text.endswith("# EOF\n")
    others = [lab.get(path) for path in ("/metrics", "/", "/-/ready", "/-/healthy", "/nowhere")]
    return "\n".join(f"{response.headers}\n{response.text}" for response in (openmetrics, *others))


def dump(thing: object, seen: set[int] | None = None) -> str:
    """What repr, str and vars show of an object and of all objects that it refers to."""
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


def test_token_is_sent_to_k6_cloud() -> None:
    with Lab(build_world()) as lab:
        assert lab.poll().outcome == "success"

        sent = {header for request in lab.simulator.requests for header in request.headers.items()}
        assert ("authorization", f"Token {TOKEN}") in sent


def test_successful_poll_does_not_show_the_token(logged: list[str]) -> None:
    with Lab(build_world()) as lab:
        lab.poll()

        assert "checkout" in pages(lab)
        assert CANARY not in pages(lab)
        assert CANARY not in "\n".join(logged)


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_token_in_a_response_is_redacted(echo: Fault, logged: list[str]) -> None:
    with Lab(build_world()) as lab:
        lab.simulator.faults.add(echo)
        poll_result = lab.poll()

        assert poll_result.failures or poll_result.skipped or poll_result.updates
        assert CANARY not in pages(lab)
        assert CANARY not in repr(poll_result.failures)
        assert CANARY not in "\n".join(logged)


def test_rejected_token_is_not_shown(logged: list[str]) -> None:
    with Lab(build_world()) as lab:
        lab.simulator.tokens = {"another"}
        poll_result = lab.poll()

        assert poll_result.outcome == "failure"
        assert "set it in K6_CLOUD_TOKEN" in pages(lab)
        assert CANARY not in pages(lab)
        assert "unauthorized" in "\n".join(logged)
        assert CANARY not in "\n".join(logged)


def test_token_in_an_invalid_response_is_redacted(logged: list[str]) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert TOKEN.encode() in request
        writer.write(b"HTTP/1.1 " + TOKEN.encode() + b" x\r\n\r\n")
        writer.close()

    async def poll() -> str:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = Config.model_validate({"api": {"url": f"http://127.0.0.1:{port}"}})
        async with server, create_exporter(config, Secret(TOKEN), clock=ManualClock().clock) as exporter:
            return repr(await exporter.poller.poll())

    poll_result = asyncio.run(poll())

    assert "network" in poll_result
    assert CANARY not in poll_result
    assert CANARY not in "\n".join(logged)


def test_dump_of_a_secret_hides_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    from_file = Secret(path=file)
    assert from_file.read() == TOKEN

    for token in (Secret(TOKEN), from_file):
        assert CANARY not in dump(token)
        assert CANARY not in f"{token} {token!r} {[token]} {dump({'token': token})}"
        with pytest.raises(TypeError):
            vars(token)


def test_dump_of_an_exporter_hides_the_token() -> None:
    config, token = load(None, {"K6_CLOUD_TOKEN": TOKEN}, {})
    assert CANARY not in dump((config, token)) + config.model_dump_json()

    with Lab(build_world()) as lab:
        lab.poll()
        dumped = dump(lab.exporter)

    assert "checkout" in dumped  # so the dump does reach the state
    assert CANARY not in dumped


@pytest.mark.parametrize("malformed", [f"{TOKEN} b", f"{TOKEN}\n{TOKEN}", f"{TOKEN}é", f"{TOKEN}\0"])
def test_malformed_token_is_not_shown(malformed: str, tmp_path: Path, logged: list[str]) -> None:
    file = tmp_path / "token"
    file.write_text(malformed)

    with pytest.raises(ConfigError) as caught:
        load(None, {"K6_CLOUD_TOKEN": malformed}, {})
    assert CANARY not in dump(caught.value.args) + dump(caught.value.__cause__)

    with pytest.raises(SecretError) as invalid:
        Secret(path=file).read()
    assert CANARY not in str(invalid.value)

    with Lab(build_world()) as lab:
        lab.run(poll_with(Secret(malformed)))
    assert CANARY not in "\n".join(logged)


async def poll_with(token: Secret) -> None:
    simulator = Simulator(build_world(), tokens=[TOKEN], clock=ManualClock().read)
    config = Config.model_validate({"api": {"url": "http://k6.test"}})
    transport = httpx.ASGITransport(simulator)
    async with create_exporter(config, token, clock=ManualClock().clock, transport=transport) as exporter:
        poll_result = await exporter.poller.poll()
    assert [failure.reason for failure in poll_result.failures] == ["unauthorized"]
    assert CANARY not in repr(poll_result.failures)
    assert simulator.requests == []


def test_deleted_or_malformed_file_hides_the_token(tmp_path: Path, logged: list[str]) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    token = Secret(path=file)
    assert token.read() == TOKEN

    file.write_text(f"{TOKEN} and more")
    asyncio.run(poll_with(token))
    file.unlink()
    asyncio.run(poll_with(token))

    assert "cannot be read: No such file or directory" in "\n".join(logged)
    assert CANARY not in "\n".join(logged) + dump(token)


def test_rotated_token_is_used_by_the_next_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")

    async def polls() -> AsyncIterator[list[str | None]]:
        simulator = Simulator(build_world(), tokens=["first", "second"], clock=ManualClock().read)
        config = Config.model_validate({"api": {"url": "http://k6.test"}})
        transport = httpx.ASGITransport(simulator)
        async with create_exporter(
            config, Secret(path=file), clock=ManualClock().clock, transport=transport
        ) as exporter:
            for _ in range(2):
                simulator.requests.clear()
                await exporter.poller.poll()
                yield [request.headers.get("authorization") for request in simulator.requests]

    async def rotate() -> None:
        tokens = polls()
        assert set(await anext(tokens)) == {"Token first"}
        file.write_text("second")
        assert set(await anext(tokens)) == {"Token second"}
        await tokens.aclose()  # type: ignore[attr-defined]

    asyncio.run(rotate())


@pytest.mark.parametrize("command", ["check", "once"])
def test_command_does_not_print_the_token(command: str) -> None:
    environ = {"K6_CLOUD_TOKEN": TOKEN, "K6_CLOUD_EXPORTER_API__URL": "http://127.0.0.1:9"}

    process = run_exporter(command, "--log.level", "debug", **environ)

    assert process.returncode == 1
    assert CANARY not in process.stdout + process.stderr


def test_token_in_a_wrong_variable_is_not_shown() -> None:
    for environ in (
        {"K6_CLOUD_EXPORTER_API__TOKEN": TOKEN},
        {"K6_CLOUD_EXPORTER_API_TOKEN": TOKEN},
        {"K6_CLOUD_EXPORTER_API__TOKEN_FILE": TOKEN * 3},
    ):
        unset: dict[str, str | None] = {name: None for name in os.environ if name.startswith("K6_")}
        result = CliRunner(env=unset | environ).invoke(main)

        assert result.exit_code == 2
        assert "error: " in result.output
        assert CANARY not in result.output
