"""Processes of ours under test, and the simulated k6 Cloud that they ask."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from tests.support.processes import eventually

TOKEN = "demo"


def environment(**given: str) -> dict[str, str]:
    """What a process of ours gets: nothing of the present environment that is about us."""
    present = {name: value for name, value in os.environ.items() if not name.startswith("K6_")}
    return present | given


def finished(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    command = [sys.executable, "-m", "exporter", *arguments]
    return subprocess.run(
        command, env=environment(**given), capture_output=True, text=True, timeout=20, check=False
    )


@dataclass(frozen=True)
class Cloud:
    """A simulated k6 Cloud in another process, with its back door."""

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
    """`python -m exporter ...` while the block lasts; both streams go to files, so that none fills up."""

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

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def url_in_output(self) -> str | None:
        """Where the process says that it can be reached; a log line says url=..."""
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
        """The address, once a poll has succeeded."""
        url = self.url()
        eventually(lambda: httpx.get(url + "/-/ready", trust_env=False).is_success)
        return url

    def value(self, series: str) -> float | None:
        """The value of one series now; None if it is not there."""
        found = re.search(rf"^{re.escape(series)} (.*)$", self.get(), re.MULTILINE)
        return float(found[1]) if found else None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """The exit code and the seconds that it took to end."""
        began = time.monotonic()
        self._process.send_signal(number)
        code = self._process.wait(10)
        return code, time.monotonic() - began
