"""The text of responses: health, readiness, reload, webhook, and rejected requests (responses.txt)."""

import asyncio
from pathlib import Path

import httpx
import trustme

from exporter.config import Config, ConfigError
from exporter.credentials import Secret
from exporter.simulator import World
from exporter.web.security import WebConfigMiddleware
from exporter.web.security.basic_auth import MAX_CHECKS
from tests.support.certificates import CHEAP_HASH, issue_certificate
from tests.support.golden import assert_golden
from tests.support.lab import Lab, ManualClock
from tests.support.tcp_client import echo_path

SECRET = "k3ZbYw8fQ1xV7nR2tLpM"
USERS = f"basic_auth_users: {{alice: {CHEAP_HASH}}}"


def collect_responses(secret_file: Path) -> dict[str, httpx.Response]:
    """The exporter's own responses, each with a name of its situation."""
    world = World()
    world.add_test("checkout")

    def fail() -> tuple[Config, Secret]:
        raise ConfigError(["poll.interval: (error)"])

    with Lab(world, web={"webhook_secret_file": str(secret_file)}) as lab:
        responses = {"ready, no poll yet": lab.get("/-/ready")}
        lab.poll()
        responses["healthy"] = lab.get("/-/healthy")
        responses["ready"] = lab.get("/-/ready")
        responses["ready, stale"] = lab.at(301).get("/-/ready")
        responses["healthy, polling stopped"] = lab.at(661).get("/-/healthy")
        responses["reload"] = lab.get("/-/reload", "POST")
        lab.read = fail
        responses["reload, invalid configuration"] = lab.get("/-/reload", "POST")

        async def post(path: str, body: bytes) -> httpx.Response:
            transport = httpx.ASGITransport(lab.exporter.web)
            async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
                return await client.post(path, content=body)

        for name, path, body in (
            ("webhook", SECRET, b""),
            ("webhook, unwatched test", SECRET, b'{"test_id": 99}'),
            ("webhook, wrong secret", "wrong", b""),
            ("webhook, long body", SECRET, b" " * 70_000),
        ):
            responses[name] = lab.run(post(f"/webhook/{path}", body))
    return responses


async def get_rejections(web_config: Path, requests: int) -> list[httpx.Response]:
    """The rejected ones among simultaneous requests with a wrong password and without a certificate."""
    transport = httpx.ASGITransport(WebConfigMiddleware(web_config, ManualClock().clock).wrap(echo_path))
    async with httpx.AsyncClient(transport=transport, base_url="http://exporter.test") as client:
        auth = ("alice", "wrong")
        responses = await asyncio.gather(*(client.get("/metrics", auth=auth) for _ in range(requests)))
    return [response for response in responses if not response.is_success]


def test_golden_responses(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    responses = collect_responses(tmp_path / "secret")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issue_certificate(tmp_path, authority)
    mutual_tls = (
        "tls_server_config: {cert_file: tls.crt, key_file: tls.key, client_ca_file: ca.pem, "
        "client_auth_type: RequireAndVerifyClientCert}"
    )
    for name, content, requests in (
        ("wrong password", USERS, 1),
        ("too many password checks", USERS, MAX_CHECKS + 1),
        ("rate limit", "rate_limit: {interval: 1h, burst: 1}", 2),
        ("no client certificate", mutual_tls, 1),
    ):
        (tmp_path / "web.yml").write_text(content)
        rejections = asyncio.run(get_rejections(tmp_path / "web.yml", requests))
        responses[name] = max(rejections, key=lambda response: response.status_code)

    texts = [f"# {name}\n{response.status_code} {response.text}" for name, response in responses.items()]
    assert_golden(Path(__file__).parent / "responses.txt", "\n".join(texts))
