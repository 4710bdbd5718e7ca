"""Connections to k6 Cloud: directly or through a proxy, with the CAs that are trusted."""

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

import httpx

from exporter import threads
from exporter.config.schema import Api
from exporter.k6.http import CONNECTION
from exporter.k6.proxies import Proxy, ProxyError, find_proxy, ignored_entries
from exporter.k6.tls import CaError, create_ssl_context, load_certificates

log = logging.getLogger(__name__)


def find_connection_problems(api: Api, environ: Mapping[str, str]) -> list[str]:
    """What prevents any connection; each sentence names a setting or a variable."""
    problems = []
    try:
        find_proxy(api.url, environ)
    except ProxyError as error:
        problems.append(str(error))
    try:
        # Into a context without the CAs of the system, which would take long to parse.
        load_certificates(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), api.ca_file, environ)
    except CaError as error:
        problems.append(str(error))
    return problems


def find_usable_proxy(api: Api, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that requests go through; None without one, and for one that cannot be used."""
    try:
        return find_proxy(api.url, environ)
    except ProxyError:
        return None


class Connections(httpx.AsyncBaseTransport):
    """Sends requests over the network. The environment is read here; httpx reads nothing of it.

    `configure` may be called again, while no request is in flight. Open connections are then closed if the
    proxy has changed, and if api.ca_file is set, since its content may have.

    Each connection has a pool of its own: a pool of httpx looks at all of its connections for each request,
    and with more than 20 it also opens a new one for each.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self._pending: Api | None = Api()  # settings that are applied before the next request
        self._key: object = None  # what the present connections were made for
        self._pools: dict[object, httpx.AsyncHTTPTransport] = {}  # by number
        self._create_pool: Callable[[], httpx.AsyncHTTPTransport]  # set by _apply
        self._lock = asyncio.Lock()

    def configure(self, api: Api) -> None:
        self._pending = api

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # Several requests begin at the same time, and the first one applies the settings for all.
        async with self._lock:
            if self._pending:
                await self._apply(self._pending)
                self._pending = None
        number = request.extensions.get(CONNECTION)
        if number not in self._pools:
            self._pools[number] = self._create_pool()
        return await self._pools[number].handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        self._pools.clear()

    async def _apply(self, api: Api) -> None:
        """Makes pools for these settings, unless the present ones are. Raises httpx.ConnectError."""
        try:
            proxy = find_proxy(api.url, self.environ)
            key = (proxy, api.ca_file, urlsplit(api.url).scheme)
            if key == self._key and api.ca_file is None:
                return
            # In a thread, since it parses the CAs of the system, and scrapes must not wait.
            create_pool = await threads.run(lambda: pool_factory(api, proxy, self.environ))
        except (ProxyError, CaError) as error:
            # Checked when the configuration was read, so the file has changed since then.
            raise httpx.ConnectError(str(error)) from error
        await self.aclose()
        self._create_pool, self._key = create_pool, key
        if proxy and (ignored := ignored_entries(self.environ)):
            log.warning("NO_PROXY contains entries that match nothing", extra={"entries": ", ".join(ignored)})


def pool_factory(
    api: Api, proxy: Proxy | None, environ: Mapping[str, str]
) -> Callable[[], httpx.AsyncHTTPTransport]:
    """A function that makes pools of connections through this proxy. Raises CaError."""
    is_tls_proxy = proxy is not None and proxy.url.startswith("https:")
    if is_tls_proxy or api.url.startswith("https:"):
        context = create_ssl_context(api.ca_file, environ)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only a proxy with https may have a context of its own.
    proxy_context = context if is_tls_proxy else None
    through = httpx.Proxy(proxy.url, auth=proxy.auth, ssl_context=proxy_context) if proxy else None
    return partial(httpx.AsyncHTTPTransport, verify=context, trust_env=False, proxy=through)
