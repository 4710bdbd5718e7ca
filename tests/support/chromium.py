"""A real Chromium, controlled through its DevTools protocol, that can load our pages and nothing else.

Commands go through a pipe, so that no port is open. Its requests are answered in this process and recorded:
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
# From a path with its query to a status, headers and a body.
Site = Callable[[str], tuple[int, Mapping[str, str], bytes]]

ORIGIN = "http://exporter.test"
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe", "--lang=en-GB", "about:blank"),
)
TIMEOUT = 30.0  # seconds, for each command or event


class Chromium:
    """One tab of a browser, closed at the end of the `with` block.

    `requested` are the URLs that the current page has requested, `console_messages` its errors and logs,
    `loads` the number of times that it was loaded.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self._site: Site = lambda _: (404, {}, b"")
        self.requested: list[str] = []
        self.console_messages: list[str] = []
        self.loads = 0
        self._buffer = b""
        self._number = 0
        self._session = ""

    def __enter__(self) -> Self:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        with Path(os.devnull).open("r+b") as null:
            streams = [(0, null.fileno()), (1, null.fileno()), (2, null.fileno())]
            # Chromium reads commands from descriptor 3 and writes to 4.
            wanted = [*streams, (3, _duplicate_high(to_read)), (4, _duplicate_high(to_write))]
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
        target = self.call("Target.createTarget", url="about:blank")
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Fetch.enable", patterns=[{"urlPattern": "*"}])

    def __exit__(self, *_: object) -> None:
        os.close(self._write)  # Chromium ends when this pipe is closed
        os.close(self._read)
        deadline = time.monotonic() + 5
        while not os.waitpid(self._pid, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.02)
        self._profile.cleanup()

    def set_screen(self, *, width: int, height: int = 900, scheme: str = "light") -> None:
        """Emulate a screen of this size (in CSS pixels) with a preferred colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", media="screen", features=[feature])

    def open(self, site: Site, path: str = "/") -> None:
        """Load a page; the records of the one before are cleared."""
        self._site = site
        self.requested.clear()
        self.console_messages.clear()
        self.loads = 0
        self.call("Page.navigate", url=ORIGIN + path)
        self.wait(lambda: self.loads > 0)

    def wait(self, condition: Callable[[], bool]) -> None:
        """Process events until the condition holds."""
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            self._receive(deadline)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def take_screenshot(self, *, is_whole: bool = True) -> bytes:
        """The whole page as PNG, or the part that fits on the screen."""
        result = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=is_whole)
        return base64.b64decode(result["data"])

    def call(self, method: str, **params: Any) -> Json:
        """Send a command of the protocol and return its result."""
        number = self._send(method, params)
        deadline = time.monotonic() + TIMEOUT
        while True:
            message = self._receive(deadline)
            if message.get("id") == number:
                assert "error" not in message, (method, message)
                result: Json = message["result"]
                return result

    def _send(self, method: str, params: Json) -> int:
        self._number += 1
        message: Json = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        left = memoryview(json.dumps(message).encode() + b"\0")
        while left:
            left = left[os.write(self._write, left) :]
        return self._number

    def _receive(self, deadline: float) -> Json:
        """The next message of the browser; events are handled."""
        while b"\0" not in self._buffer:
            remaining = deadline - time.monotonic()
            assert remaining > 0, "no message from Chromium"
            if select.select([self._read], [], [], remaining)[0]:
                more = os.read(self._read, 1 << 20)
                assert more, "Chromium has exited"
                self._buffer += more
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: Json = json.loads(text)
        self._handle_event(message.get("method"), message.get("params", {}))
        return message

    def _handle_event(self, event: str | None, params: Json) -> None:
        if event == "Fetch.requestPaused":
            self._respond(params["requestId"], params["request"]["url"])
        elif event == "Page.loadEventFired":
            self.loads += 1
        elif event == "Log.entryAdded":
            self.console_messages.append(params["entry"]["text"])
        elif event == "Runtime.consoleAPICalled":
            self.console_messages.append(str(params["args"]))

    def _respond(self, request: str, url: str) -> None:
        self.requested.append(url)
        status, headers, body = (
            self._site(url.removeprefix(ORIGIN)) if url.startswith(ORIGIN) else (404, {}, b"")
        )
        fields = [{"name": name, "value": value} for name, value in headers.items()]
        response = {"requestId": request, "responseCode": status, "responseHeaders": fields}
        self._send("Fetch.fulfillRequest", response | {"body": base64.b64encode(body).decode()})


def _duplicate_high(descriptor: int) -> int:
    """A duplicate whose number does not collide with those of the child, 0 to 4."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100)
