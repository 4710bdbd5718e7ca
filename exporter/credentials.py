"""Secrets: read from files, read again when the files change, and never printed."""

import re
from pathlib import Path

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

    __slots__ = ("_path", "_value", "_version")
    setting = "api.token_file"
    description = "an API token of Grafana Cloud k6"

    def __init__(self, value: str | None = None, *, path: Path | None = None) -> None:
        self._value = value or ""
        self._path = path
        self._version: tuple[int, int, int] | None = None

    def read(self) -> str:
        """The current token; its file is read again only if it has changed. Raises SecretError."""
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
        try:
            stat = path.stat()
            # The inode too: a file that replaces another one can have the same time and size.
            version = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if version != self._version:
                # Editors on Windows put a byte order mark before the text.
                # Invalid bytes become characters that `read` rejects, with an error that does not show them.
                self._value = path.read_text(encoding="utf-8-sig", errors="replace")
                # Last, so that a file that could not be read is tried again.
                self._version = version
        except OSError as error:
            raise SecretError(f"{self._source()} cannot be read: {error.strerror}") from error

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
