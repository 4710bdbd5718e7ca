"""A real Prometheus scrapes over mutual TLS with a password, while certificates rotate."""

import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import httpx
import pytest
import trustme

from tests.support.certificates import issue_certificate
from tests.support.exporter_process import TOKEN, environment
from tests.support.processes import eventually, exporter_command, free_port, run_process

SLOW_HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()  # some 60 ms
WEB = f"""
tls_server_config:
  cert_file: tls.crt
  key_file: tls.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
  client_allowed_sans: [prometheus.test]
basic_auth_users:
  prometheus: {SLOW_HASH}
"""
SCRAPES = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: allowed
    scheme: https
    tls_config: {{ca_file: ca.pem, cert_file: client.crt, key_file: client.key}}
    basic_auth: {{username: prometheus, password: right}}
    static_configs: [{{targets: ["{target}"]}}]
  - job_name: without-certificate
    scheme: https
    tls_config: {{ca_file: ca.pem}}
    basic_auth: {{username: prometheus, password: right}}
    static_configs: [{{targets: ["{target}"]}}]
  - job_name: with-wrong-password
    scheme: https
    tls_config: {{ca_file: ca.pem, cert_file: client.crt, key_file: client.key}}
    basic_auth: {{username: prometheus, password: wrong}}
    static_configs: [{{targets: ["{target}"]}}]
"""


class Scene:
    """The URLs of the exporter and of Prometheus, and the folder with the certificates."""

    def __init__(self, folder: Path, authority: trustme.CA, exporter: str, prometheus: str) -> None:
        self.folder = folder
        self.authority = authority
        self.exporter = exporter
        self.prometheus = prometheus

    def query(self, expression: str) -> list[float]:
        """The values that Prometheus returns; empty while it is not ready."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": expression}, trust_env=False)
        found = answer.json()["data"]["result"] if answer.is_success else []
        return [float(sample["value"][1]) for sample in found]

    def scrape_results(self) -> dict[str, tuple[str, str]]:
        """The health and last error of each scrape job."""
        answer = httpx.get(f"{self.prometheus}/api/v1/targets", trust_env=False)
        found = answer.json()["data"] if answer.is_success else {"activeTargets": []}
        return {
            target["labels"]["job"]: (target["health"], target["lastError"])
            for target in found["activeTargets"]
        }

    def certificate(self) -> str:
        """The certificate that the exporter presents now."""
        url = httpx.URL(self.exporter)
        return ssl.get_server_certificate((url.host, url.port or 443))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, prometheus_program: str) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("mutual")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issue_certificate(folder, authority)
    client = authority.issue_cert("prometheus.test")
    client.cert_chain_pems[0].write_to_path(str(folder / "client.crt"))
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    (folder / "web.yml").write_text(WEB)
    with run_process(
        *exporter_command("simulator", "--web.listen-address", "127.0.0.1:0"),
        log=folder / "cloud.log",
        **environment(),
    ):
        cloud = find_in_log(folder / "cloud.log", r"k6 Cloud: (http://\S+)\n")
        settings = environment(K6_CLOUD_TOKEN=TOKEN, K6_CLOUD_EXPORTER_API__URL=cloud)
        serve = exporter_command(
            "--web.listen-address", "127.0.0.1:0", "--web.config.file", str(folder / "web.yml")
        )
        with run_process(*serve, log=folder / "exporter.logs", **settings):
            exporter = find_in_log(folder / "exporter.logs", r"url=(https://\S+)")
            port = free_port()
            (folder / "prometheus.yml").write_text(SCRAPES.format(target=exporter.removeprefix("https://")))
            prometheus = (
                prometheus_program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            )
            with run_process(*prometheus, log=folder / "prometheus.log"):
                yield Scene(folder, authority, exporter, f"http://127.0.0.1:{port}")


def find_in_log(log: Path, pattern: str) -> str:
    return eventually(lambda: re.search(pattern, log.read_text()))[1]


def test_scrape_needs_certificate_and_password(scene: Scene) -> None:
    eventually(lambda: scene.query('k6_cloud_test_info{job="allowed"}'), seconds=40)
    expected = {
        "allowed": ("up", ""),
        "without-certificate": ("down", "server returned HTTP status 403 Forbidden"),
        "with-wrong-password": ("down", "server returned HTTP status 401 Unauthorized"),
    }
    eventually(lambda: scene.scrape_results() == expected)
    assert scene.query('{job=~"with.+", __name__=~"k6_.*"}') == []


def test_certificate_rotation_fails_no_scrape(scene: Scene) -> None:
    eventually(lambda: scene.query('up{job="allowed"} == 1'), seconds=40)
    began, before = time.time(), scene.certificate()
    issue_certificate(scene.folder, scene.authority)
    eventually(lambda: scene.certificate() != before)
    scraped = scene.query('timestamp(up{job="allowed"})')[0]
    eventually(lambda: scene.query('timestamp(up{job="allowed"})')[0] > scraped + 2)

    since = f"[{time.time() - began:.0f}s]"
    assert scene.query(f'min_over_time(up{{job="allowed"}}{since})') == [1]
    assert scene.query(f"min_over_time(k6_cloud_exporter_web_config_last_reload_successful{since})") == [1]
