"""The API token: read where it lives, re-read when it changes there, and never shown."""

from pathlib import Path


class TokenError(Exception):
    """There is no usable token; the message says where one was looked for, never what was found."""


class Token:
    """A token given as it is, or the file that holds it. It has no printable form."""

    def __init__(self, value: str | None = None, *, path: Path | None = None) -> None:
        self._value = value
        self._path = path
        self._version: tuple[int, int, int] | None = None

    def read(self) -> str:
        """The token as it is now; the file is read again only if it has changed. Raises TokenError."""
        if self._path is not None:
            self._reread(self._path)
        token = (self._value or "").strip()
        if not token:
            raise TokenError(f"{self._where()} is empty; put an API token of Grafana Cloud k6 there")
        if not (token.isascii() and token.isprintable() and " " not in token):
            raise TokenError(f"{self._where()} holds more than a token; it must be one line without spaces")
        return token

    def _reread(self, path: Path) -> None:
        try:
            found = path.stat()
            version = (found.st_mtime_ns, found.st_ino, found.st_size)
            if version != self._version:
                self._value = path.read_text(encoding="utf-8", errors="replace")
                self._version = version
        except OSError as error:
            raise TokenError(f"api.token_file: cannot read {path}: {error.strerror}") from error

    def _where(self) -> str:
        return "K6_CLOUD_TOKEN" if self._path is None else f"api.token_file: {self._path}"
