"""The exporter as a process under test, and a simulated k6 Cloud in another process."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.processes import eventually

TOKEN = "demo"
COMMAND_TIMEOUT = 60  # seconds; generous, since the machine may be loaded
# Seconds in which a process ends after a signal. Below every timeout for which it would otherwise wait: a
# request to k6 Cloud or from a client (10 s each), an idle connection (75 s).
STOP_TIMEOUT = 9


def environment(**given: str) -> dict[str, str]:
    """The environment of the exporter: the present one without its settings, and those given."""
    present = {name: value for name, value in os.environ.items() if not name.startswith("K6_")}
    return present | given


def run_exporter(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """The result of a command that ends by itself."""
    command = [sys.executable, "-m", "exporter", *arguments]
    return subprocess.run(
        command,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT,
        check=False,
    )


@dataclass(frozen=True)
class Cloud:
    """A simulated k6 Cloud in another process, controlled by its admin API."""

    url: str
    client: httpx.Client

    def heal(self) -> None:
        self.client.delete("/simulator/faults").raise_for_status()
        self.admit(TOKEN)

    def admit(self, *tokens: str) -> None:
        self.client.post("/simulator/token", json={"tokens": tokens}).raise_for_status()

    def fail(self, **fault: Any) -> None:
        self.client.put("/simulator/faults", json=[fault]).raise_for_status()

    def environment(self, **given: str) -> dict[str, str]:
        return {"K6_CLOUD_TOKEN": TOKEN, "K6_CLOUD_EXPORTER_API__URL": self.url} | given

    def test_ids(self) -> list[int]:
        return [test["id"] for test in self.client.get("/simulator/state").json()["tests"]]


class Process:
    """`python -m exporter ...` while the block lasts. Its output goes to files, since pipes may fill up."""

    def __init__(self, *arguments: str, **given: str) -> None:
        self._command = [sys.executable, "-m", "exporter", *arguments]
        self._environment = environment(**given)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._out, self._err = Path(self._folder.name, "out"), Path(self._folder.name, "err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=out, stderr=err)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    @property
    def output(self) -> str:
        return self._out.read_text(encoding="utf-8")

    @property
    def log(self) -> str:
        return self._err.read_text(encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def url_in_output(self) -> str | None:
        """The URL that the process has printed or logged as url=...; None before."""
        found = re.search(r"http://[^\s;,\"]+:\d+(?=[\s;,])", self.output) or re.search(
            r"(?<=url=)\S+(?=\s)|(?<=\"url\": \")[^\"]+", self.log
        )
        return found[0] if found else None

    def url(self) -> str:
        return eventually(self.url_in_output)

    def get(self, path: str = "/metrics") -> str:
        answer = httpx.get(self.url() + path, trust_env=False)
        answer.raise_for_status()
        return answer.text

    def ready(self) -> str:
        """The URL, once a poll has succeeded."""
        url = self.url()
        eventually(lambda: httpx.get(url + "/-/ready", trust_env=False).is_success)
        return url

    def value(self, series: str) -> float | None:
        """The present value of a series; None if it does not exist."""
        found = re.search(rf"^{re.escape(series)} (.*)$", self.get(), re.MULTILINE)
        return float(found[1]) if found else None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code. Fails if the process goes on as if it had received none."""
        self._process.send_signal(number)
        return self._process.wait(STOP_TIMEOUT)
