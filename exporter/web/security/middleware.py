"""ASGI middleware that applies the web configuration to each request and reloads the file when it changes."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter import threads
from exporter.clock import Clock
from exporter.config import ConfigError
from exporter.web.security.basic_auth import BasicAuthVerifier, TooManyChecks, parse_authorization
from exporter.web.security.rate_limit import RateLimit
from exporter.web.security.tls import create_ssl_context
from exporter.web.security.web_config import WebConfig, read_web_config

log = logging.getLogger(__name__)

# exporter-toolkit reads the file on each request. Once a second is nearly as fresh and costs less.
# https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
CHECK_INTERVAL = 1.0  # seconds between checks of the files
CHALLENGE = {"WWW-Authenticate": 'Basic realm="k6-cloud-exporter", charset="UTF-8"'}
RETRY_LATER = {"Retry-After": "1"}

Fingerprint = tuple[int, int, int, int]
Fingerprints = Mapping[Path, Fingerprint | None]


def is_health_check(method: str, path: str) -> bool:
    """Whether this request comes from a probe, which has neither password nor certificate."""
    return method in ("GET", "HEAD") and path in ("/-/healthy", "/-/ready")


def is_public_path(method: str, path: str) -> bool:
    """Whether this is a probe's request or a webhook's, whose secret is part of the path."""
    return is_health_check(method, path) or (method == "POST" and path.startswith("/webhook/"))


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """One version of the web configuration, ready to apply."""

    config: WebConfig
    tls: ssl.SSLContext | None
    basic_auth: BasicAuthVerifier | None
    rate_limit: RateLimit | None
    headers: dict[str, str]

    @property
    def allowed_sans(self) -> tuple[str, ...] | None:
        """The names of which a client's certificate must have one; None if any name is allowed."""
        tls = self.config.tls_server_config
        return tls.client_allowed_sans if tls else None

    @property
    def requires_certificate(self) -> bool:
        tls = self.config.tls_server_config
        return tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"


class WebConfigMiddleware:
    """Applies the policy in force. A changed file replaces it; an invalid one is logged once and ignored.

    The constructor raises ConfigError if the file is invalid.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.is_good = True  # whether the files were valid when last read
        self._path = path
        self._clock = clock
        # One thread: password guesses can use one core at most, and bcrypt would block the event loop.
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")
        self._loaded: Fingerprints = {}
        self._last_seen: Fingerprints = {}
        self.policy = self._load_policy(None)

    def tls(self) -> ssl.SSLContext | None:
        """The context for a new connection; None for plain HTTP."""
        return self.policy.tls

    @asynccontextmanager
    async def watch(self, report: Callable[[bool], None]) -> AsyncIterator[None]:
        """Checks the files during the `with` block and reports each time whether they are valid."""
        watching = asyncio.create_task(self._watch(report))
        try:
            yield
        finally:
            watching.cancel()
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _watch(self, report: Callable[[bool], None]) -> None:
        while True:
            await self._clock.sleep(CHECK_INTERVAL)
            try:
                await threads.run(self.reload_if_changed)
            except Exception:
                # Reloading must go on, whatever happens once.
                log.exception("failed to check the web configuration for changes")
            report(self.is_good)

    def reload_if_changed(self) -> None:
        """Reload files that have changed, but were the same in two checks: one may be half written."""
        before, self._last_seen = self._last_seen, take_fingerprints([self._path, *self._loaded])
        if self._last_seen == self._loaded or self._last_seen != before:
            return
        try:
            policy = self._load_policy(self.policy)
            reject_weaker_policy(self.policy, policy)
        except ConfigError as error:
            self.is_good = False
            log.warning(
                "web configuration is invalid; the previous one stays in force",
                extra={"reason": "; ".join(error.messages)},
            )
        else:
            self.policy, self.is_good = policy, True
            log.info("web configuration reloaded")

    def _load_policy(self, old: AccessPolicy | None) -> AccessPolicy:
        # Fingerprints are taken before reading, so that a change in between is noticed by the next check.
        self._loaded = take_fingerprints([self._path, *self._loaded])
        config = read_web_config(self._path)
        certificates = config.tls_server_config.files() if config.tls_server_config else ()
        self._loaded = {self._path: self._loaded[self._path], **take_fingerprints(certificates)}
        try:
            return create_policy(config, self._executor, self._clock, old)
        except ConfigError as error:
            raise ConfigError([f"{self._path}: {message}" for message in error.messages]) from error

    def wrap(self, app: ASGIApp, is_open: Callable[[str, str], bool] = is_health_check) -> ASGIApp:
        """The app behind the policy; `is_open` exempts requests from it, by method and path."""

        async def protected_app(scope: Scope, receive: Receive, send: Send) -> None:
            # One policy for the whole request, even if a reload replaces it meanwhile.
            policy = self.policy
            # Health checks are free of the rate limit too. Otherwise a flood of requests would make
            # Kubernetes restart the container.
            rejection = None if is_open(scope["method"], scope["path"]) else await check_access(policy, scope)
            await (rejection or app)(scope, receive, with_headers(send, policy.headers))

        return protected_app


def create_policy(
    config: WebConfig, executor: Executor, clock: Clock, old: AccessPolicy | None
) -> AccessPolicy:
    """Raises ConfigError."""
    # Verified passwords are forgotten only if users change. Otherwise each new certificate would make real
    # users wait for a check behind password guesses.
    basic_auth = old.basic_auth if old and old.config.basic_auth_users == config.basic_auth_users else None
    if basic_auth is None and config.basic_auth_users:
        basic_auth = BasicAuthVerifier(config.basic_auth_users, executor)
    limit = config.rate_limit
    return AccessPolicy(
        config=config,
        tls=create_ssl_context(config.tls_server_config) if config.tls_server_config else None,
        basic_auth=basic_auth,
        rate_limit=RateLimit(limit.interval, limit.burst, clock) if limit.interval else None,
        headers=config.http_server_config.headers.non_empty(),
    )


def reject_weaker_policy(old: AccessPolicy, new: AccessPolicy) -> None:
    """Raises ConfigError if a reload would remove protection: an empty file is more often a mistake."""
    removed = [
        setting
        for setting, before, after in (
            ("tls_server_config", old.tls, new.tls),
            ("basic_auth_users", old.basic_auth, new.basic_auth),
            ("client_auth_type", old.requires_certificate, new.requires_certificate),
            ("client_allowed_sans", old.allowed_sans, new.allowed_sans),
        )
        if before and not after
    ]
    if removed:
        raise ConfigError(
            [f"removing {' and '.join(removed)} would disable protection; restart the exporter to apply it"]
        )


async def check_access(policy: AccessPolicy, scope: Scope) -> Response | None:
    """The response that rejects a request; None if the request is allowed."""
    # First, so that requests above the limit cost no bcrypt.
    if policy.rate_limit and not policy.rate_limit.allow():
        return PlainTextResponse("Too many requests.\n", 429, RETRY_LATER)
    certificate = scope.get("state", {}).get("client_certificate")
    if policy.requires_certificate and not is_certificate_allowed(policy, certificate):
        # exporter-toolkit ends the TLS handshake instead, which would reject probes as well.
        return PlainTextResponse("An allowed client certificate is required.\n", 403)
    if policy.basic_auth is None:
        return None
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    credentials = parse_authorization(header)
    try:
        if credentials and await policy.basic_auth.verify(*credentials):
            return None
    except TooManyChecks:
        return PlainTextResponse("Too many passwords are being checked.\n", 429, RETRY_LATER)
    return PlainTextResponse("A user name and a password are required.\n", 401, CHALLENGE)


def is_certificate_allowed(policy: AccessPolicy, certificate: Mapping[str, Any] | None) -> bool:
    """Whether a client has a certificate, which TLS has verified, with an allowed name."""
    if not certificate:
        return False
    names = {normalize_san(kind, name) for kind, name in certificate.get("subjectAltName", ())}
    return policy.allowed_sans is None or not names.isdisjoint(policy.allowed_sans)


def normalize_san(kind: str, name: str) -> str:
    """A subject alternative name as operators write it: Python's ssl writes ::1 as 0:0:0:0:0:0:0:1."""
    try:
        return str(ip_address(name.strip())) if kind == "IP Address" else name
    except ValueError:
        return name


def with_headers(send: Send, headers: dict[str, str]) -> Send:
    """A `send` that adds these headers to the response; they replace those of the app."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return send_with_headers


def take_fingerprints(files: Iterable[Path]) -> Fingerprints:
    """A fingerprint of each file, which changes with the file; None for a file that is not accessible."""
    return {file: take_fingerprint(file) for file in files}


def take_fingerprint(file: Path) -> Fingerprint | None:
    try:
        found = file.stat()
    except OSError:
        return None
    # The ctime also changes with permissions, and when a tool restores the mtime, as `cp -p` does.
    return found.st_ctime_ns, found.st_mtime_ns, found.st_ino, found.st_size
