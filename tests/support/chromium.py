"""A real Chromium, driven over its DevTools protocol, that sees a page of ours and nothing else.

It is told over a pipe, so that no port is open. What it requests is answered in process and written down:
https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

Json = dict[str, Any]
# Of a path with its query: the status, the headers and the body.
Site = Callable[[str], tuple[int, Mapping[str, str], bytes]]

ORIGIN = "http://exporter.test"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe", "--lang=en-GB", "about:blank"),
)
PATIENCE = 30.0  # seconds for any one thing


class Chromium:
    """One tab of a browser while the block lasts; what it `requested`, `complaints` and how
    often it was loaded are of the page in it.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._site: Site = lambda _: (404, {}, b"")
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.loads = 0
        self._buffer = b""
        self._number = 0
        self._session = ""

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        with Path(os.devnull).open("r+b") as nothing:
            streams = [(0, nothing.fileno()), (1, nothing.fileno()), (2, nothing.fileno())]
            # Chromium reads what it is told from 3 and answers to 4.
            wanted = [*streams, (3, _high(to_read)), (4, _high(to_write))]
            self._pid = os.posix_spawn(
                self._program,
                [self._program, *FLAGS, f"--user-data-dir={self._profile.name}"],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, ours, theirs) for theirs, ours in wanted],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # as subprocess does; Python ignores both
            )
        for ours in (to_read, to_write, *(ours for _, ours in wanted[3:])):
            os.close(ours)
        try:
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _attach(self) -> None:
        target = self.tell("Target.createTarget", url="about:blank")
        attached = self.tell("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.tell(f"{domain}.enable")
        self.tell("Fetch.enable", patterns=[{"urlPattern": "*"}])

    def __exit__(self, *_: object) -> None:
        os.close(self._write)  # it ends when nobody can tell it anything any more
        os.close(self._read)
        end = time.monotonic() + 5
        while not os.waitpid(self._pid, os.WNOHANG)[0]:
            if time.monotonic() > end:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.02)
        self._profile.cleanup()

    def look(self, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Be a screen so large (in CSS pixels) whose owner prefers this colour scheme."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.tell("Emulation.setEmulatedMedia", media="screen", features=[feature])

    def open(self, site: Site, path: str = "/") -> None:
        """Load a page; what was noted of the one before is forgotten."""
        self._site = site
        self.requested.clear()
        self.complaints.clear()
        self.loads = 0
        self.tell("Page.navigate", url=ORIGIN + path)
        self.wait(lambda: self.loads > 0)

    def wait(self, is_so: Callable[[], bool], *, seconds: float = PATIENCE) -> None:
        """Let things happen until something is so."""
        end = time.monotonic() + seconds
        while not is_so():
            self._hear(end)

    def ask(self, expression: str) -> Any:
        """What an expression of JavaScript yields in the page."""
        answer = self.tell("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, *, whole: bool = True) -> bytes:
        """The whole page as PNG, or what fits on the screen."""
        answer = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def tell(self, method: str, **params: Any) -> Json:
        """What a command of the protocol yields."""
        number = self._send(method, params)
        end = time.monotonic() + PATIENCE
        while True:
            heard = self._hear(end)
            if heard.get("id") == number:
                assert "error" not in heard, (method, heard)
                result: Json = heard["result"]
                return result

    def _send(self, method: str, params: Json) -> int:
        self._number += 1
        said: Json = {"id": self._number, "method": method, "params": params}
        if self._session:
            said["sessionId"] = self._session
        left = memoryview(json.dumps(said).encode() + b"\0")
        while left:
            left = left[os.write(self._write, left) :]
        return self._number

    def _hear(self, end: float) -> Json:
        """The next thing that the browser says, heeded if it is an event."""
        while b"\0" not in self._buffer:
            patience = end - time.monotonic()
            assert patience > 0, "Chromium says nothing"
            if select.select([self._read], [], [], patience)[0]:
                more = os.read(self._read, 1 << 20)
                assert more, "Chromium has ended"
                self._buffer += more
        said, _, self._buffer = self._buffer.partition(b"\0")
        heard: Json = json.loads(said)
        self._heed(heard.get("method"), heard.get("params", {}))
        return heard

    def _heed(self, event: str | None, params: Json) -> None:
        if event == "Fetch.requestPaused":
            self._answer(params["requestId"], params["request"]["url"])
        elif event == "Page.loadEventFired":
            self.loads += 1
        elif event == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif event == "Runtime.consoleAPICalled":
            self.complaints.append(str(params["args"]))

    def _answer(self, request: str, url: str) -> None:
        self.requested.append(url)
        status, headers, body = (
            self._site(url.removeprefix(ORIGIN)) if url.startswith(ORIGIN) else (404, {}, b"")
        )
        told = [{"name": name, "value": value} for name, value in headers.items()]
        answer = {"requestId": request, "responseCode": status, "responseHeaders": told}
        self._send("Fetch.fulfillRequest", answer | {"body": base64.b64encode(body).decode()})


def _high(descriptor: int) -> int:
    """The same file under a number that no other takes in the child."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100)
