"""Variables for proxies and CAs, with each command as a process."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest
import trustme

from exporter.simulator import Simulator, World
from tests.support.exporter_process import Cloud, Process, run_exporter
from tests.support.processes import eventually
from tests.support.proxy_server import run_app, run_proxy, server_context

COMMANDS: dict[str, tuple[str, ...]] = {
    "serve": ("--web.listen-address", "127.0.0.1:0"),
    "once": (),
    "check": (),
    "backfill": ("--since", "1d", "-o", "-"),
    "runs": ("list",),
}
# Nothing listens there. Loopback must not be proxied, so nothing should.
PROXIES = dict.fromkeys(
    ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://svc:canary@127.0.0.1:9"
)


@pytest.mark.parametrize("command", COMMANDS)
def test_unusable_proxy_and_ca_exit_with_2(command: str, tmp_path: Path) -> None:
    result = run_exporter(
        *(command, *COMMANDS[command]),
        K6_CLOUD_TOKEN="demo",
        HTTPS_PROXY="http://svc:can/ary@proxy:3128",
        SSL_CERT_FILE=str(tmp_path / "missing.pem"),
    )

    assert (result.returncode, result.stdout) == (2, "")
    proxy, file = result.stderr.splitlines()
    assert proxy.startswith("error: HTTPS_PROXY: ")
    assert "svc" not in proxy
    assert "ary" not in proxy
    assert file.startswith(f"error: SSL_CERT_FILE: cannot read {tmp_path}/missing.pem: ")


@pytest.mark.parametrize("no_proxy", ["fd00::/8", "fe80::/10", "::1/128", "10.0.0.0/33"])
@pytest.mark.parametrize("proxies", [{}, PROXIES], ids=["without proxy", "with proxy"])
def test_any_no_proxy_is_accepted(cloud: Cloud, no_proxy: str, proxies: dict[str, str]) -> None:
    result = run_exporter("once", **cloud.environment(NO_PROXY=no_proxy, **proxies))

    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("unusable", [{}, {"SSL_CERT_FILE": "/missing", "http_proxy": "socks5://x"}])
def test_demo_ignores_proxies(unusable: dict[str, str]) -> None:
    with Process("demo", "--web.listen-address", "127.0.0.1:0", **PROXIES | unusable) as demo:
        metrics = eventually(lambda: re.search(r"http://\S+/metrics", demo.output))[0]

        eventually(lambda: "k6_cloud_up 1.0" in httpx.get(metrics, trust_env=False).text)


def test_command_reaches_k6_cloud_through_a_proxy(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    settings = {
        "K6_CLOUD_TOKEN": "demo",
        "K6_CLOUD_EXPORTER_API__URL": "https://k6.test",
        "K6_CLOUD_EXPORTER_API__CA_FILE": str(tmp_path / "ca.pem"),
        "NO_PROXY": "fd00::/8,10.0.0.0/33",
    }

    async def scene() -> None:
        cloud = Simulator(World(), tokens={"demo"})
        context = server_context(authority, "k6.test")
        async with run_app(cloud, context) as port, run_proxy(port) as proxy:
            settings["HTTPS_PROXY"] = f"http://svc:canary@127.0.0.1:{proxy.port}"
            result = await asyncio.to_thread(run_exporter, "once", **settings)

        assert "\nk6_cloud_up 1.0\n" in result.stdout
        assert proxy.heads[0].startswith("CONNECT k6.test:443 ")
        # One warning, about the entry that is not valid.
        assert len(result.stderr.splitlines()) == 1
        assert "10.0.0.0/33" in result.stderr
        assert "canary" not in result.stdout + result.stderr

    asyncio.run(scene())


def test_ca_file_of_the_configuration_is_checked(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    result = run_exporter("once", K6_CLOUD_TOKEN="demo", K6_CLOUD_EXPORTER_API__CA_FILE=missing)

    assert result.returncode == 2
    assert result.stderr.startswith(f"error: api.ca_file: cannot read {missing}: ")
