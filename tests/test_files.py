"""Files of users that are no ordinary files, or whose disk does not respond, as a pipe without a writer."""

import asyncio
import os
import threading
from pathlib import Path

import pytest

from exporter import threads
from exporter.config import ConfigError, load
from exporter.credentials import REREAD_TIMEOUT, Secret, SecretError
from exporter.files import MAX_SIZE, read_file

TOKEN = {"K6_CLOUD_TOKEN": "secret"}


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def end(pipe: Path) -> None:
    """Let all reads of a pipe end."""
    pipe.write_bytes(b"")


@pytest.mark.parametrize("kind", ["pipe", "device", "directory"])
def test_secret_must_be_a_regular_file(kind: str, pipe: Path, tmp_path: Path) -> None:
    path = {"pipe": pipe, "device": Path("/dev/zero"), "directory": tmp_path}[kind]

    with pytest.raises(SecretError, match="directory" if kind == "directory" else "not a regular file"):
        Secret(path=path).read()


def test_configuration_can_come_from_a_pipe(pipe: Path) -> None:
    writing = threads.start(lambda: pipe.write_text("runs: {keep: 7}"))

    assert load(pipe, TOKEN, {})[0].runs.keep == 7
    writing.result()


def test_configuration_from_an_unused_pipe_is_an_error(pipe: Path) -> None:
    with pytest.raises(TimeoutError):
        read_file(pipe, timeout=0.05, accepts_pipe=True)
    number = threading.active_count()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            read_file(pipe, timeout=0.05, accepts_pipe=True)

    assert threading.active_count() == number
    end(pipe)


def test_large_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"#" * MAX_SIZE)
    assert load(file, TOKEN, {})

    file.write_bytes(b"#" * (MAX_SIZE + 1))
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        load(file, TOKEN, {})


def test_known_secret_is_used_while_its_file_hangs(tmp_path: Path) -> None:
    file, waits = tmp_path / "token", list[float]()
    is_hanging = False

    def read(path: Path, timeout: float) -> bytes:
        waits.append(timeout)
        if is_hanging:
            raise TimeoutError
        return read_file(path)

    file.write_text("first")
    token = Secret(path=file, read_file=read)
    assert token.read() == "first"
    file.write_text("second")
    is_hanging = True
    waits.clear()

    assert [token.read() for _ in range(100)] == ["first"] * 100
    # A read blocks the event loop, so only the first may wait.
    assert waits == [REREAD_TIMEOUT] + [0] * 99
    is_hanging = False
    assert token.read() == "second"


def test_result_and_error_of_a_thread_arrive() -> None:
    assert asyncio.run(threads.run(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(threads.run(lambda: 1 / 0))
