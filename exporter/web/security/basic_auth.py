"""Basic auth with bcrypt hashes: slow to guess, yet fast for a password that was verified before."""

import asyncio
import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping
from concurrent.futures import Executor
from hashlib import sha256

import bcrypt

CHECKSUM_LENGTH = 31  # characters at the end of a bcrypt hash
MAX_CHECKS = 8  # at once; without a limit, guesses would queue up in front of real users
MAX_LENGTH = 72  # bytes; bcrypt ignores the rest of a password


class TooManyChecks(Exception):
    """Too many passwords are being checked to start another check."""


class BasicAuthVerifier:
    """Verifies passwords of users against their bcrypt hashes.

    An unknown user takes as long as a known one, so that response times do not reveal user names. A correct
    password is remembered as a keyed digest, so that a scrape costs no bcrypt. Wrong ones are not remembered.
    """

    __slots__ = ("_checks", "_dummy_hashes", "_executor", "_hashes", "_key", "_verified")

    def __init__(self, hashes: Mapping[str, str], executor: Executor) -> None:
        self._hashes = {user: text.encode() for user, text in hashes.items()}
        self._executor = executor  # has one thread, so that one check runs at a time
        # Random, so that a digest from a memory dump cannot be looked up in a prepared table.
        self._key = secrets.token_bytes(32)
        self._verified: dict[str, bytes] = {}
        self._checks = 0
        self._dummy_hashes = [make_dummy_hash(text) for text in self._hashes.values()]

    async def verify(self, user: str, password: bytes) -> bool:
        """Whether this is the user's password. Raises TooManyChecks."""
        digest = self._digest(user.encode() + b"\0" + password)
        # Before the limit, so that scrapes succeed even during an attack with guessed passwords.
        if hmac.compare_digest(self._verified.get(user, b""), digest):
            return True
        if self._checks >= MAX_CHECKS:
            raise TooManyChecks
        self._checks += 1
        try:
            is_correct = await asyncio.get_running_loop().run_in_executor(
                self._executor, check_password, password, self._hashes.get(user) or self._dummy_hash(user)
            )
        finally:
            self._checks -= 1
        if is_correct and user in self._hashes:
            self._verified[user] = digest
            return True
        return False

    def _digest(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, sha256)

    def _dummy_hash(self, user: str) -> bytes:
        """A hash for an unknown user, the same each time, since the costs of known ones may differ."""
        return self._dummy_hashes[int.from_bytes(self._digest(user.encode())) % len(self._dummy_hashes)]


def check_password(password: bytes, hashed: bytes) -> bool:
    try:
        # Since version 5, bcrypt rejects longer passwords; older versions ignore the rest.
        return bcrypt.checkpw(password[:MAX_LENGTH], hashed)
    except ValueError:  # older versions of bcrypt reject a NUL byte
        return False


def parse_authorization(header: bytes) -> tuple[str, bytes] | None:
    """User and password of an Authorization header; None if it has none or is malformed."""
    scheme, _, encoded = header.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        # Without validate, characters outside the alphabet are skipped.
        user, colon, password = b64decode(encoded.strip(), validate=True).partition(b":")
        return (user.decode(), password) if colon else None
    except ValueError:
        return None


def make_dummy_hash(hashed: bytes) -> bytes:
    """A bcrypt hash of the same cost that matches no password."""
    cost = int(hashed[4:6])  # in "$2b$12$", 12 is the cost
    return bcrypt.gensalt(cost) + b"." * CHECKSUM_LENGTH
