"""Secrets: read where they live, re-read when they change there, and never shown."""

import re
from pathlib import Path


class SecretError(Exception):
    """There is no usable token; the message says where one was looked for, never what was found."""


class Secret:
    """A token given as it is, or the file that holds it. It has no printable form, and vars() finds none.

    `setting` is the one that names the file, and `what` what belongs into it.
    """

    __slots__ = ("_path", "_setting", "_value", "_version", "_what")

    def __init__(
        self,
        value: str | None = None,
        *,
        path: Path | None = None,
        setting: str = "api.token_file",
        what: str = "an API token of Grafana Cloud k6",
    ) -> None:
        self._value = value
        self._path = path
        self._setting = setting
        self._what = what
        self._version: tuple[int, int, int] | None = None

    def read(self) -> str:
        """The token as it is now; the file is read again only if it has changed. Raises TokenError."""
        if self._path is not None:
            self._reread(self._path)
        token = (self._value or "").strip()
        if not token:
            raise SecretError(f"{self._source()} is empty; put {self._what} there")
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise SecretError(
                f"{self._source()} holds more than a token; it must be one line of ASCII without spaces"
            )
        return token

    def redact(self, text: str) -> str:
        """The text without the token, however it got in: a server may echo what it was sent."""
        token = (self._value or "").strip()
        return text.replace(token, "***") if token else text

    def _reread(self, path: Path) -> None:
        try:
            found = path.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if version != self._version:
                self._value = path.read_text(encoding="utf-8-sig", errors="replace")
                self._version = version
        except OSError as error:
            raise SecretError(f"{self._source()} cannot be read: {error.strerror}") from error

    def _source(self) -> str:
        if self._path is None:
            return "K6_CLOUD_TOKEN"
        # Who puts the token itself where its file should be named must not read it in the log.
        is_path = len(str(self._path)) < 32 or self._path.name != str(self._path)
        return f"{self._setting}: {self._path if is_path else 'what is named there'}"


class WebhookSecret(Secret):
    """A secret that is a part of a path, and long enough that nobody guesses it."""

    __slots__ = ()

    def __init__(self, path: Path) -> None:
        super().__init__(
            path=path,
            setting="web.webhook_secret_file",
            what="20 or more random letters and digits, such as `openssl rand -hex 20` prints,",
        )

    def read(self) -> str:
        secret = super().read()
        if not re.fullmatch(r"[A-Za-z0-9_-]{20,200}", secret):
            raise SecretError(f"{self._source()} holds no good secret; put {self._what} there")
        return secret
