"""A client with as little overhead as possible: it reads whole responses and keeps no byte of them."""

import asyncio
import gzip
import time
from collections.abc import Sequence
from typing import cast
from urllib.parse import urlsplit

import httptools
import httpx

PATH = "/metrics"


class Connection(asyncio.Protocol):
    """A connection with one request at a time."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    async def send(self, request: bytes) -> int:
        """Send the request and read the whole response. Returns the size of the body in bytes."""
        self._parser = httptools.HttpResponseParser(self)
        self._size = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        await self._done
        if self._parser.get_status_code() != 200:
            raise RuntimeError(f"the server returned {self._parser.get_status_code()}")
        return self._size

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._size += len(part)

    def on_message_complete(self) -> None:
        # Checked here: the parser forgets the headers once a response is complete.
        if not self._parser.should_keep_alive():
            self.transport.close()
        self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(
                error or ConnectionResetError("the connection closed in the middle of a response")
            )


class Scraper:
    """Scrapes again and again over one connection; it opens another if the server closes it.

    `size` is the number of bytes of the last page.
    """

    size = 0

    def __init__(self, url: str, encoding: str) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._request = (
            f"GET {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept: text/plain;version=0.0.4\r\n"
            f"Accept-Encoding: {encoding}\r\n\r\n"
        ).encode()
        self.connection: Connection | None = None

    async def scrape(self) -> None:
        """Read a whole page."""
        if self.connection is None or self.connection.transport.is_closing():
            loop = asyncio.get_running_loop()
            _, self.connection = await loop.create_connection(Connection, self._host, self._port)
        self.size = await self.connection.send(self._request)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.transport.close()


async def scrape_for(scraper: Scraper, *, seconds: float) -> list[float]:
    """Seconds of each scrape, one after the other for `seconds`, at least one."""
    took: list[float] = []
    while sum(took) < seconds:
        began = time.perf_counter()
        await scraper.scrape()
        took.append(time.perf_counter() - began)
    return took


async def throughput(url: str, encoding: str, *, connections: int, seconds: float) -> float:
    """Scrapes per second over these connections, each with at least one scrape."""

    async def work() -> int:
        scraper, count = Scraper(url, encoding), 0
        while count == 0 or time.perf_counter() < end:
            await scraper.scrape()
            count += 1
        scraper.close()
        return count

    began = time.perf_counter()
    end = began + seconds
    counts: Sequence[int] = await asyncio.gather(*(work() for _ in range(connections)))
    return sum(counts) / (time.perf_counter() - began)


def fetch_samples(url: str, encoding: str) -> list[bytes]:
    """The sample lines about tests and runs of a server, sorted; 600.0 in the form of Go, 600."""
    with httpx.stream(
        "GET", url + PATH, headers={"Accept-Encoding": encoding}, timeout=600, trust_env=False
    ) as response:
        body = b"".join(response.iter_raw())
    page = gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body
    return sorted(
        line.removesuffix(b".0")
        for line in page.split(b"\n")
        if line.startswith((b"k6_cloud_run_", b"k6_cloud_test_"))
    )
