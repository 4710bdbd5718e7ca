"""A webhook request triggers a poll, and nothing else."""

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


class WebhookLab(Lab):
    """A lab that records how often a poll is triggered."""

    def __init__(self, world: World, secret_file: Path | None, **settings: Any) -> None:
        web = {"webhook_secret_file": str(secret_file)} if secret_file else {}
        super().__init__(world, web=web, **settings)
        self.triggered: list[float] = []

    def __enter__(self) -> Self:
        super().__enter__()
        self.exporter.wake = self.triggered.append
        return self

    def send(self, path: str = PATH, body: bytes = b"", method: str = "POST") -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.exporter.web)
            async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
                return await client.request(method, path, content=body)

        return self.run(send())

    def count_outcomes(self) -> dict[str, float]:
        self.at(self.now.value - START + 2)  # self metrics may be a second old
        series = self.series("k6_cloud_exporter_webhook_requests_total")
        return {name.split('"')[1]: value for name, value in series.items() if value}


def create_world() -> World:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 60)
    return world


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
        b'{"load_test_id": 1, "more": ' + b"[" * 100 + b"]" * 100 + b"}",  # nested too deep to be parsed
        b'{"load_test_id": true, "test": []}',
        b'{"load_test_id": 1e999}',
        b'{"load_test_id": "' + b"9" * 60_000 + b'"}',
    ],
)
def test_request_with_the_secret_triggers_a_poll(body: bytes, secret_file: Path) -> None:
    world = create_world()
    with WebhookLab(world, secret_file) as lab:
        lab.poll()
        lab.take_requests()
        response = lab.send(body=body.replace(b"ID", str(next(iter(world.tests))).encode()))

        assert response.status_code == 202
        assert lab.triggered == [5]
        assert lab.take_requests() == []
        assert lab.count_outcomes() == {"accepted": 1}


def test_request_for_an_unwatched_test_is_ignored(secret_file: Path) -> None:
    with WebhookLab(create_world(), secret_file) as lab:
        lab.poll()

        assert lab.send(body=b'{"load_test_id": 99999}').status_code == 202
        assert lab.triggered == []
        assert lab.count_outcomes() == {"ignored": 1}


@pytest.mark.parametrize(
    "path", ["/webhook/", "/webhook/x", PATH[:-1], PATH + "x", PATH.lower(), "/webhook/%C3%A9"]
)
def test_wrong_secret_is_not_found(path: str, secret_file: Path) -> None:
    with WebhookLab(create_world(), secret_file) as lab:
        assert lab.send(path).status_code == 404
        assert lab.triggered == []


def test_only_post_is_allowed(secret_file: Path) -> None:
    with WebhookLab(create_world(), secret_file) as lab:
        assert lab.send(method="GET").status_code == 405
        assert lab.triggered == []


def test_long_body_is_rejected_before_it_is_read(secret_file: Path) -> None:
    read = 0

    async def endless() -> Any:
        nonlocal read
        while True:
            read += 10_000
            yield b" " * 10_000

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(lab.exporter.web), base_url="http://exporter.test"
        ) as client:
            return await client.post(PATH, content=endless())

    with WebhookLab(create_world(), secret_file) as lab:
        response = lab.run(send())

        assert response.status_code == 413
        assert read < 100_000
        assert lab.triggered == []


def test_no_secret_means_no_webhook() -> None:
    with WebhookLab(create_world(), None) as lab:
        assert lab.send().status_code == 404


def test_changed_secret_is_used(secret_file: Path) -> None:
    with WebhookLab(create_world(), secret_file) as lab:
        new = "another-secret-which-is-as-long"
        secret_file.write_text(new)

        assert lab.send().status_code == 404
        assert lab.send(f"/webhook/{new}").status_code == 202

        secret_file.write_text("short")
        assert lab.send("/webhook/short").status_code == 404
        secret_file.unlink()
        assert lab.send(f"/webhook/{new}").status_code == 404


def test_polls_are_frequent_for_two_minutes_after_it(secret_file: Path) -> None:
    with WebhookLab(create_world(), secret_file) as lab:
        lab.at(3600).poll()
        assert lab.exporter.poller.interval == 60

        lab.send()
        assert lab.exporter.poller.interval == 15
        lab.at(3600 + 121)
        assert lab.exporter.poller.interval == 60


@pytest.mark.parametrize(
    "secret", ["", "short", "two words that are long enough", "x" * 19, "slash/in/it" * 3]
)
def test_weak_or_malformed_secret_is_an_error(secret: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(secret)

    with pytest.raises(ConfigError) as caught:
        load(None, {"K6_CLOUD_TOKEN": "t"}, {"web": {"webhook_secret_file": str(file)}})

    (sentence,) = caught.value.messages
    assert sentence.startswith(f"web.webhook_secret_file: {file} ")
    assert not secret or secret not in sentence


def test_body_is_neither_logged_nor_shown(secret_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with WebhookLab(create_world(), secret_file) as lab:
        lab.poll()
        lab.send(body=json.dumps({"load_test_id": 1, "name": "canary-body"}).encode())

        shown = caplog.text + lab.get("/").text + lab.get().text
        assert "canary-body" not in shown
        assert SECRET not in shown
