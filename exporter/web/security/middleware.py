"""What stands before the web app: who may ask what, as the web configuration file has it at present."""

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

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.clock import Clock
from exporter.config import ConfigError
from exporter.web.security.basic_auth import BasicAuthVerifier, Busy, parse_authorization
from exporter.web.security.rate_limit import RateLimit
from exporter.web.security.tls import create_ssl_context
from exporter.web.security.web_config import WebConfig, read_web_file

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between looks at the files; a change counts when two looks have found the same
CHALLENGE = {"WWW-Authenticate": 'Basic realm="k6-cloud-exporter", charset="UTF-8"'}
LATER = {"Retry-After": "1"}

Version = tuple[int, int, int, int]
Versions = Mapping[Path, Version | None]


def is_health_check(method: str, path: str) -> bool:
    """Whether this is asked by a probe, which has neither password nor certificate."""
    return method in ("GET", "HEAD") and path in ("/-/healthy", "/-/ready")


def is_public_path(method: str, path: str) -> bool:
    """Whether this is asked by a probe, or by k6 Cloud's webhook, whose password is a part of the path."""
    return is_health_check(method, path) or (method == "POST" and path.startswith("/webhook/"))


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """What one version of the file says, ready for use."""

    file: WebConfig
    tls: ssl.SSLContext | None
    basic_auth: BasicAuthVerifier | None
    rate_limit: RateLimit | None
    headers: tuple[tuple[bytes, bytes], ...]


class WebConfigMiddleware:
    """The rules in force; a changed file replaces them, a broken one leaves them and is logged once.

    Raises ConfigError when it is made of a broken file.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self.is_good = True
        self._path = path
        self._clock = clock
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")
        self._read: Versions = {}
        self._seen: Versions = {}
        self.rules = self._rules(None)

    def tls(self) -> ssl.SSLContext | None:
        """The context for a connection that begins now; None for plain HTTP."""
        return self.rules.tls

    @asynccontextmanager
    async def watch(self, tell: Callable[[bool], None]) -> AsyncIterator[None]:
        """Looks after changes meanwhile; `tell` hears whether the files were good when last read."""
        watching = asyncio.create_task(self._watch(tell))
        try:
            yield
        finally:
            watching.cancel()
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def _watch(self, tell: Callable[[bool], None]) -> None:
        while True:
            await self._clock.sleep(LOOK)
            try:
                await asyncio.to_thread(self.reload_if_changed)
            except Exception:
                log.exception("the web configuration could not be looked at")
            tell(self.is_good)

    def reload_if_changed(self) -> None:
        """Read the files again if they have changed and have come to rest: one may be half written."""
        before, self._seen = self._seen, fingerprints([self._path, *self._read])
        if self._seen == self._read or self._seen != before:
            return
        try:
            rules = self._rules(self.rules)
            reject_weaker_policy(self.rules, rules)
        except ConfigError as error:
            self.is_good = False
            told = {"reason": "; ".join(error.messages)}
            log.warning("the web configuration is broken; the old one stays in force", extra=told)
        else:
            self.rules, self.is_good = rules, True
            log.info("the web configuration was read again")

    def _rules(self, old: AccessPolicy | None) -> AccessPolicy:
        # Looked at before they are read: what changes meanwhile is found changed.
        self._read = fingerprints([self._path, *self._read])
        file = read_web_file(self._path)
        certificates = file.tls_server_config.files() if file.tls_server_config else ()
        self._read = {self._path: self._read[self._path], **fingerprints(certificates)}
        try:
            return rules(file, self._executor, self._clock, old)
        except ConfigError as error:
            raise ConfigError([f"{self._path}: {sentence}" for sentence in error.messages]) from error

    def wrap(self, app: ASGIApp, is_open: Callable[[str, str], bool] = is_health_check) -> ASGIApp:
        """The app behind the rules; what is open, by method and path, needs no password or certificate."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            rules = self.rules
            refusal = None if is_open(scope["method"], scope["path"]) else await check_access(rules, scope)
            await (refusal or app)(scope, receive, with_headers(send, rules.headers))

        return guarded


def rules(file: WebConfig, executor: Executor, clock: Clock, old: AccessPolicy | None) -> AccessPolicy:
    """Raises ConfigError."""
    # Right passwords are forgotten only if users change: with each new certificate those who are known
    # would have to stand in line with those who guess.
    passwords = old.basic_auth if old and old.file.basic_auth_users == file.basic_auth_users else None
    return AccessPolicy(
        file,
        create_ssl_context(file.tls_server_config) if file.tls_server_config else None,
        passwords or (BasicAuthVerifier(file.basic_auth_users, executor) if file.basic_auth_users else None),
        RateLimit(file.rate_limit.interval, file.rate_limit.burst, clock)
        if file.rate_limit.interval
        else None,
        tuple(
            (name.lower().encode(), value.encode())
            for name, value in file.http_server_config.headers.non_empty().items()
        ),
    )


def reject_weaker_policy(old: AccessPolicy, new: AccessPolicy) -> None:
    """Raises ConfigError if a door would open by itself: an empty file is more often a slip than a wish."""
    lost = [
        name
        for name, was, is_ in (
            ("tls_server_config", old.tls, new.tls),
            ("basic_auth_users", old.basic_auth, new.basic_auth),
            ("client_auth_type", needs_certificate(old), needs_certificate(new)),
            ("client_allowed_sans", allowed_names(old), allowed_names(new)),
        )
        if was and not is_
    ]
    if lost:
        raise ConfigError([f"without {' and '.join(lost)} the door would be open; restart if you mean it"])


def needs_certificate(rules: AccessPolicy) -> bool:
    tls = rules.file.tls_server_config
    return tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"


def allowed_names(rules: AccessPolicy) -> tuple[str, ...] | None:
    tls = rules.file.tls_server_config
    return tls.client_allowed_sans if tls else None


async def check_access(rules: AccessPolicy, scope: Scope) -> Response | None:
    """The answer to whom is not let in; None to whom is."""
    if rules.rate_limit and not rules.rate_limit.allow():
        return PlainTextResponse("Too many requests.\n", 429, LATER)
    if needs_certificate(rules) and not is_allowed(rules, scope.get("state", {}).get("client_certificate")):
        return PlainTextResponse("A client certificate that is allowed here is needed.\n", 403)
    if rules.basic_auth is None:
        return None
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    given = parse_authorization(header)
    try:
        if given and await rules.basic_auth.verify(*given):
            return None
    except Busy:
        return PlainTextResponse("Too many passwords are being checked.\n", 429, LATER)
    return PlainTextResponse("A user name and a password are needed.\n", 401, CHALLENGE)


def is_allowed(rules: AccessPolicy, certificate: Mapping[str, Any] | None) -> bool:
    """Whether a client's certificate, verified by TLS, is one of those that are wanted."""
    if not certificate:
        return False
    allowed = allowed_names(rules)
    names = {normalize_san(kind, name) for kind, name in certificate.get("subjectAltName", ())}
    return allowed is None or not names.isdisjoint(allowed)


def normalize_san(kind: str, name: str) -> str:
    """A name as it is written in the file: Python's ssl tells ::1 as 0:0:0:0:0:0:0:1."""
    try:
        return str(ip_address(name.strip())) if kind == "IP Address" else name
    except ValueError:
        return name


def with_headers(send: Send, headers: tuple[tuple[bytes, bytes], ...]) -> Send:
    """What sends an answer with these headers; they go before those of the app."""
    if not headers:
        return send
    names = {name for name, _ in headers}

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in names]
            message = {**message, "headers": [*kept, *headers]}
        await send(message)

    return send_with


def fingerprints(files: Iterable[Path]) -> Versions:
    """What tells one version of each file from another; None for one that cannot be looked at."""
    return {file: fingerprint(file) for file in files}


def fingerprint(file: Path) -> Version | None:
    try:
        found = file.stat()
    except OSError:
        return None
    # When it was changed in any way, for that may be who can read it, or a time of writing that was put back.
    return found.st_ctime_ns, found.st_mtime_ns, found.st_ino, found.st_size
