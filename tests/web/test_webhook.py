"""A call of the webhook is a hint to poll, and nothing else."""

import json
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from exporter.config import ConfigError, load
from exporter.simulator import World
from tests.support.lab import START, Lab

SECRET = "k3ZbYw8fQ1xV7nR2tLpM"
PATH = f"/webhook/{SECRET}"


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


class Hinted(Lab):
    """A lab that notes when it is woken."""

    def __init__(self, world: World, secret_file: Path | None, **settings: Any) -> None:
        web = {"webhook_secret_file": str(secret_file)} if secret_file else {}
        super().__init__(world, web=web, **settings)
        self.woken: list[float] = []

    def __enter__(self) -> Self:
        super().__enter__()
        self.exporter.wake = self.woken.append
        return self

    def call(self, path: str = PATH, body: bytes = b"", method: str = "POST") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.exporter.web)
            async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
                return await client.request(method, path, content=body)

        return self.run(ask())

    def counted(self) -> dict[str, float]:
        self.at(self.now.value - START + 2)  # what the exporter says of itself may be a second old
        series = self.series("k6_cloud_exporter_webhook_requests_total")
        return {name.split('"')[1]: value for name, value in series.items() if value}


def world() -> World:
    made = World()
    made.add_run(made.add_test("checkout"), created=START - 60)
    return made


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"event": "test.notification_channel"}',
        b'{"load_test_id": ID}',
        b'{"load_test_id": "ID", "status": 3}',
        b'{"test": {"load_test_id": ID}}',
        b'{"test_id": ID}',
        b"whatever a user writes into a template",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"load_test_id": ID, "more": ' + b"[" * 99 + b"]" * 99 + b"}",
        b'{"load_test_id": 1, "more": ' + b"[" * 100 + b"]" * 100 + b"}",  # is not read
        b'{"load_test_id": true, "test": []}',
        b'{"load_test_id": 1e999}',
        b'{"load_test_id": "' + b"9" * 60_000 + b'"}',
    ],
)
def test_a_call_of_the_secret_path_wakes_the_poller(body: bytes, secret_file: Path) -> None:
    made = world()
    with Hinted(made, secret_file) as lab:
        lab.poll()
        lab.take_requests()
        answer = lab.call(body=body.replace(b"ID", str(next(iter(made.tests))).encode()))

        assert answer.status_code == 202
        assert lab.woken == [5]
        assert lab.take_requests() == []
        assert lab.counted() == {"accepted": 1}


def test_a_call_about_a_test_that_is_not_watched_wakes_nobody(secret_file: Path) -> None:
    with Hinted(world(), secret_file) as lab:
        lab.poll()

        assert lab.call(body=b'{"load_test_id": 99999}').status_code == 202
        assert lab.woken == []
        assert lab.counted() == {"ignored": 1}


@pytest.mark.parametrize(
    "path", ["/webhook/", "/webhook/x", PATH[:-1], PATH + "x", PATH.lower(), "/webhook/%C3%A9"]
)
def test_another_path_is_not_found_and_wakes_nobody(path: str, secret_file: Path) -> None:
    with Hinted(world(), secret_file) as lab:
        assert lab.call(path).status_code == 404
        assert lab.woken == []


def test_only_a_post_is_a_call(secret_file: Path) -> None:
    with Hinted(world(), secret_file) as lab:
        assert lab.call(method="GET").status_code == 405
        assert lab.woken == []


def test_a_body_that_is_too_long_is_refused_before_it_is_read(secret_file: Path) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 10_000
            yield b" " * 10_000

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(lab.exporter.web), base_url="http://exporter.test"
        ) as client:
            return await client.post(PATH, content=endless())

    with Hinted(world(), secret_file) as lab:
        answer = lab.run(ask())

        assert answer.status_code == 413
        assert read < 100_000
        assert lab.woken == []


def test_without_a_secret_there_is_no_webhook() -> None:
    with Hinted(world(), None) as lab:
        assert lab.call().status_code == 404


def test_the_secret_is_read_again_when_it_changes(secret_file: Path) -> None:
    with Hinted(world(), secret_file) as lab:
        new = "another-secret-which-is-as-long"
        secret_file.write_text(new)

        assert lab.call().status_code == 404
        assert lab.call(f"/webhook/{new}").status_code == 202

        secret_file.write_text("short")
        assert lab.call("/webhook/short").status_code == 404
        secret_file.unlink()
        assert lab.call(f"/webhook/{new}").status_code == 404


def test_after_a_hint_polls_are_frequent_for_two_minutes(secret_file: Path) -> None:
    with Hinted(world(), secret_file) as lab:
        lab.at(3600).poll()
        assert lab.exporter.poller.interval == 60

        lab.call()
        assert lab.exporter.poller.interval == 15
        lab.at(3600 + 121)
        assert lab.exporter.poller.interval == 60


@pytest.mark.parametrize(
    "secret", ["", "short", "two words that are long enough", "x" * 19, "slash/in/it" * 3]
)
def test_a_secret_that_can_be_guessed_or_is_no_path_is_refused_at_the_start(
    secret: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(secret)

    with pytest.raises(ConfigError) as caught:
        load(None, {"K6_CLOUD_TOKEN": "t"}, {"web": {"webhook_secret_file": str(file)}})

    (sentence,) = caught.value.messages
    assert sentence.startswith(f"web.webhook_secret_file: {file} ")
    assert not secret or secret not in sentence


def test_nothing_of_a_body_is_logged_or_shown(secret_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Hinted(world(), secret_file) as lab:
        lab.poll()
        lab.call(body=json.dumps({"load_test_id": 1, "name": "canary-body"}).encode())

        assert caplog.text == ""
        assert "canary-body" not in lab.get("/").text + lab.get().text
        assert SECRET not in lab.get("/").text + lab.get().text
