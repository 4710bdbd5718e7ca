"""Requests of httpx, sent by a transport of httpx without its client.

`httpx.AsyncClient` also handles cookies, redirects and authentication, which no request here needs, and
proxies, which connection.py handles. It parses each URL three times: a fifth of the CPU that a request costs.
"""

from collections.abc import Mapping, Sequence
from typing import Self
from urllib.parse import urlencode

import httpx

from exporter import __version__
from exporter.k6.decoding import ACCEPTED

Params = Sequence[tuple[str, str | int]]

HEADERS = {
    "User-Agent": f"k6-cloud-exporter/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": ACCEPTED,
    "Connection": "keep-alive",
}
CONNECTION = "exporter.connection"  # the extension of a request that has the number of its connection


class HttpClient:
    """Builds requests to `base_url`, which `transport` sends. It raises the errors of httpx.

    `timeout` is in seconds, and limits each read and write, but not a whole request.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, *, base_url: str = "", timeout: float = 5.0
    ) -> None:
        self.transport = transport
        self.configure(base_url, timeout)

    def configure(self, base_url: str, timeout: float) -> None:
        """Sets what is in the configuration."""
        self.base_url = base_url.rstrip("/")
        self._timeout = httpx.Timeout(timeout).as_dict()

    def build_request(
        self, method: str, path: str, params: Params, headers: Mapping[str, str], connection: int
    ) -> httpx.Request:
        """A request for a path of the API. No two requests in flight may have the same connection."""
        query = f"?{urlencode(params)}" if params else ""
        return httpx.Request(
            method,
            f"{self.base_url}{path}{query}",
            headers={**HEADERS, **headers},
            extensions={"timeout": self._timeout, CONNECTION: connection},
        )

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.transport.aclose()
