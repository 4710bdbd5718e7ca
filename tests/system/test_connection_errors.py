"""A failed connection is reported with the same sentence wherever a user sees it."""

import re

import pytest

from tests.support.exporter_process import Process, run_exporter
from tests.support.processes import eventually, free_port

COMMANDS = {
    "check": ("check",),
    "once": ("once",),
    "runs": ("runs", "list"),
    "backfill": ("backfill", "--since", "1d", "-o", "-"),
}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """A proxy where nothing listens."""
    return {"K6_CLOUD_TOKEN": "canary-token", "HTTPS_PROXY": f"http://svc:canary@127.0.0.1:{free_port()}"}


@pytest.fixture(scope="module")
def sentence(environment: dict[str, str]) -> str:
    proxy = environment["HTTPS_PROXY"].replace("svc:canary@", "")
    return (
        f"cannot reach https://api.k6.io:443 via proxy {proxy}: the proxy refused the connection; "
        "check HTTPS_PROXY and NO_PROXY"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_command_prints_the_sentence_once(command: str, environment: dict[str, str], sentence: str) -> None:
    result = run_exporter(*COMMANDS[command], **environment)
    output = result.stdout + result.stderr

    assert result.returncode != 0
    assert output.count(sentence) == 1
    assert "canary" not in output


def test_log_and_status_page_have_the_sentence(environment: dict[str, str], sentence: str) -> None:
    with Process(
        "serve", "--web.listen-address", "127.0.0.1:0", "--log.level=debug", **environment
    ) as process:
        page = eventually(lambda: re.search(f".*{re.escape(sentence)}.*", process.get("/")))

        assert page
        assert f'error="{sentence}"' in process.log
        assert " method=GET path=/v3/organizations status=network " in process.log
        assert "canary" not in process.log + process.get("/")
