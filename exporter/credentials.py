"""Secrets: read from files, read again when the files change, and never printed."""

import re
from collections.abc import Callable
from pathlib import Path

from exporter.files import READ_TIMEOUT, read_file

# Seconds that a read may take once a secret is known. This blocks the event loop, but only once: until the
# file can be read again, the known secret is used without waiting.
REREAD_TIMEOUT = 0.1

# What is written around a secret by mistake, and what to do about it. Tried in this order.
MISTAKES = (
    # A shell removes quotation marks; `docker run --env-file` and a file keep them.
    (r"""["'`\u2018-\u201f].*|.*["'`\u2018-\u201f]""", "has quotation marks around it; remove them"),
    (r"(export\s+)?[\w-]*(TOKEN|SECRET)\w*\s*[=:].*", "starts with a name; write only the value after it"),
    (
        r"(authorization:\s*)?(bearer|token|basic)\s.*",
        "starts with the name of an HTTP scheme; write only the token",
    ),
    (r"\$.*|%\w+%|\{\{.*", "is a placeholder that was not replaced by its value"),
    (r"<.*>|\.{3}|…", "is the placeholder of an example; write your own value"),
)


class SecretError(Exception):
    """A secret is missing or invalid. The message names its source and never contains its value."""


class Secret:
    """A token, given directly or by the path of the file that contains it.

    `setting` is the setting that names the file, and `description` is what the file must contain; both are
    for error messages. No __repr__ can print the token, and there is no __dict__ in which vars() finds it.
    """

    __slots__ = ("_is_hanging", "_path", "_read_file", "_value")
    setting = "api.token_file"
    description = "an API token of Grafana Cloud k6"

    def __init__(
        self,
        value: str | None = None,
        *,
        path: Path | None = None,
        read_file: Callable[..., bytes] = read_file,
    ) -> None:
        self._value = value or ""
        self._path = path
        self._read_file = read_file
        self._is_hanging = False

    def read(self) -> str:
        """The current token, or the last known one if its file does not respond. Raises SecretError."""
        if self._path is not None:
            self._reread(self._path)
        token = self._value.strip()
        if not token:
            raise SecretError(f"{self._source()} is empty; it must contain {self.description}")
        if mistake := find_mistake(token):
            raise SecretError(f"{self._source()} {mistake}")
        # The token is sent in an HTTP header, where other characters are not reliable.
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise SecretError(f"{self._source()} must contain one line of ASCII without spaces")
        return token

    def redact(self, text: str) -> str:
        """The text with the token replaced by ***: a server may repeat what it was sent in a response."""
        token = self._value.strip()
        return text.replace(token, "***") if token else text

    def _reread(self, path: Path) -> None:
        timeout = READ_TIMEOUT if not self._value else 0 if self._is_hanging else REREAD_TIMEOUT
        self._is_hanging = False
        try:
            content = self._read_file(path, timeout=timeout)
        except OSError as error:
            self._is_hanging = isinstance(error, TimeoutError)
            if self._is_hanging and self._value:
                return
            raise SecretError(f"{self._source()} cannot be read: {error.strerror}") from error
        # Editors on Windows put a byte order mark before the text.
        # Invalid bytes become characters that `read` rejects, with an error that does not show them.
        self._value = content.decode("utf-8-sig", errors="replace")

    def _source(self) -> str:
        if self._path is None:
            return "K6_CLOUD_TOKEN"
        # The setting may contain the token itself by mistake, which must not appear in the log.
        is_path = len(str(self._path)) < 32 or self._path.name != str(self._path)
        return f"{self.setting}: {self._path if is_path else 'the file named there'}"


def find_mistake(secret: str) -> str | None:
    """The probable mistake in a secret that cannot be right, without the secret; None if it can be."""
    flags = re.IGNORECASE | re.DOTALL
    return next((what for pattern, what in MISTAKES if re.fullmatch(pattern, secret, flags)), None)


class WebhookSecret(Secret):
    """The secret part of the webhook's path: URL-safe characters, and enough of them to prevent guessing."""

    __slots__ = ()
    setting = "web.webhook_secret_file"
    description = "20 to 200 random letters and digits, such as from `openssl rand -hex 20`"

    def read(self) -> str:
        secret = super().read()
        # k6 Cloud does not sign webhooks, so nothing else protects the endpoint:
        # https://grafana.com/docs/grafana-cloud/testing/k6/author-run/send-notifications/
        if not re.fullmatch(r"[A-Za-z0-9_-]{20,200}", secret):
            raise SecretError(f"{self._source()} must contain {self.description}")
        return secret
