"""Passwords against bcrypt hashes: slow for whoever guesses, free for whoever was right before."""

import asyncio
import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping
from concurrent.futures import Executor
from hashlib import sha256

import bcrypt

MAX_CHECKS = 8  # at once; the rest is told to come back, or guesses would pile up
MAX_LENGTH = 72  # bytes; bcrypt heeds no more of a password


class Busy(Exception):
    """So many passwords are being checked that this one has to wait."""


class BasicAuthVerifier:
    """Users and their bcrypt hashes.

    An unknown user takes as long as a known one. A right password is remembered as a keyed digest, so that a
    scrape costs no bcrypt; wrong ones are not remembered. One check at a time runs in the executor.
    """

    __slots__ = ("_checks", "_decoys", "_executor", "_hashes", "_key", "_right")

    def __init__(self, hashes: Mapping[str, str], executor: Executor) -> None:
        self._hashes = {user: text.encode() for user, text in hashes.items()}
        self._executor = executor
        self._key = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._checks = 0
        # A salt of the same cost, and a sum that is nobody's.
        self._decoys = [bcrypt.gensalt(int(text[4:6])) + b"." * 31 for text in self._hashes.values()]

    async def verify(self, user: str, password: bytes) -> bool:
        """Whether this is the user's password. Raises Busy."""
        digest = self._digest(user.encode() + b"\0" + password)
        if hmac.compare_digest(self._right.get(user, b""), digest):
            return True
        if self._checks >= MAX_CHECKS:
            raise Busy
        self._checks += 1
        try:
            is_right = await asyncio.get_running_loop().run_in_executor(
                self._executor, check_password, password, self._hashes.get(user) or self._dummy_hash(user)
            )
        finally:
            self._checks -= 1
        if is_right and user in self._hashes:
            self._right[user] = digest
            return True
        return False

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, sha256)

    def _dummy_hash(self, user: str) -> bytes:
        """A hash for somebody unknown, the same each time: the costs of known ones may differ."""
        return self._decoys[int.from_bytes(self._digest(user.encode())) % len(self._decoys)]


def check_password(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:MAX_LENGTH], hashed)
    except ValueError:  # older versions of bcrypt refuse a NUL
        return False


def parse_authorization(header: bytes) -> tuple[str, bytes] | None:
    """User and password of an Authorization header; None if it holds none."""
    scheme, _, encoded = header.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except ValueError:
        return None
