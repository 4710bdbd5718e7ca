"""Basic auth: verified passwords, the cost of checks, and what is kept of a password."""

import asyncio
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest

from exporter.web.security.basic_auth import MAX_CHECKS, BasicAuthVerifier, TooManyChecks, parse_authorization
from tests.support.certificates import CHEAP_HASH

EXPENSIVE_HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(9)).decode()  # some 30 ms


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def compared_hashes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that bcrypt compares a password with, which is the expensive part."""
    hashes: list[bytes] = []
    compare = bcrypt.checkpw

    def compare_and_record(password: bytes, hashed: bytes) -> bool:
        hashes.append(hashed)
        return compare(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", compare_and_record)
    return hashes


@pytest.mark.parametrize(
    ("user", "password", "is_correct"),
    [
        ("alice", b"right", True),
        ("alice", b"wrong", False),
        ("alice", b"", False),
        ("alice", b"right\0", False),
        ("bob", b"right", False),
        ("", b"right", False),
        ("älice", b"right", False),
    ],
)
def test_known_user_with_correct_password_is_verified(
    user: str, password: bytes, is_correct: bool, executor: ThreadPoolExecutor
) -> None:
    verifier = BasicAuthVerifier({"alice": CHEAP_HASH}, executor)

    assert asyncio.run(verifier.verify(user, password)) is is_correct
    assert asyncio.run(verifier.verify(user, password)) is is_correct


@pytest.mark.parametrize("letter", ["a", "b", "y"])
def test_each_prefix_of_bcrypt_hashes_is_supported(letter: str, executor: ThreadPoolExecutor) -> None:
    verifier = BasicAuthVerifier({"alice": f"$2{letter}{CHEAP_HASH[3:]}"}, executor)

    assert asyncio.run(verifier.verify("alice", b"right"))


def test_only_the_first_72_bytes_of_a_password_count(
    executor: ThreadPoolExecutor,
) -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    verifier = BasicAuthVerifier({"alice": hashed}, executor)

    assert asyncio.run(verifier.verify("alice", b"x" * 100))
    assert not asyncio.run(verifier.verify("alice", b"x" * 71))


def test_unknown_user_costs_as_much_as_a_known_one(
    executor: ThreadPoolExecutor, compared_hashes: list[bytes]
) -> None:
    verifier = BasicAuthVerifier({"alice": EXPENSIVE_HASH}, executor)

    for user in ("alice", "mallory", "mallory"):
        assert not asyncio.run(verifier.verify(user, b"wrong"))

    assert len(compared_hashes) == 3
    assert {hashed[:7] for hashed in compared_hashes} == {EXPENSIVE_HASH[:7].encode()}


def test_correct_password_is_checked_only_once(
    executor: ThreadPoolExecutor, compared_hashes: list[bytes]
) -> None:
    verifier = BasicAuthVerifier({"alice": CHEAP_HASH}, executor)

    for _ in range(3):
        assert asyncio.run(verifier.verify("alice", b"right"))
    assert len(compared_hashes) == 1
    for _ in range(3):
        assert not asyncio.run(verifier.verify("alice", b"wrong"))
    assert len(compared_hashes) == 4


def test_remembered_digest_does_not_contain_the_password(executor: ThreadPoolExecutor) -> None:
    verifier = BasicAuthVerifier({"alice": CHEAP_HASH}, executor)
    assert asyncio.run(verifier.verify("alice", b"right"))

    (remembered,) = verifier._verified.values()
    assert len(remembered) == 32
    assert "right" not in repr(verifier)


def test_password_check_does_not_block_the_event_loop(executor: ThreadPoolExecutor) -> None:
    verifier = BasicAuthVerifier({"alice": bcrypt.hashpw(b"right", bcrypt.gensalt(11)).decode()}, executor)

    async def longest_stall() -> tuple[float, float]:
        checking = asyncio.create_task(verifier.verify("alice", b"wrong"))
        began = last = time.perf_counter()
        worst = 0.0
        while not checking.done():
            await asyncio.sleep(0.001)
            worst, last = max(worst, time.perf_counter() - last), time.perf_counter()
        return worst, last - began

    worst, whole = asyncio.run(longest_stall())
    assert worst < whole / 2


def test_guesses_are_limited_and_known_users_unaffected(
    executor: ThreadPoolExecutor,
) -> None:
    verifier = BasicAuthVerifier({"alice": CHEAP_HASH}, executor)
    free = threading.Event()

    async def flood() -> None:
        assert await verifier.verify("alice", b"right")
        executor.submit(free.wait)  # occupies the only thread
        guesses = [asyncio.create_task(verifier.verify("alice", b"%d" % i)) for i in range(MAX_CHECKS + 5)]
        await asyncio.sleep(0.01)
        assert await verifier.verify("alice", b"right")
        with pytest.raises(TooManyChecks):
            await verifier.verify("alice", b"another")
        free.set()
        outcomes = await asyncio.gather(*guesses, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [bool] * MAX_CHECKS + [TooManyChecks] * 5
        assert not await verifier.verify("alice", b"another")

    asyncio.run(flood())


def basic(text: bytes) -> bytes:
    return b"Basic " + b64encode(text)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (basic(b"alice:right"), ("alice", b"right")),
        (b"bAsIc   " + b64encode(b"alice:right") + b" ", ("alice", b"right")),
        (basic(b"alice:a:b"), ("alice", b"a:b")),
        (basic("älice:ö".encode()), ("älice", "ö".encode())),
        (basic(b":"), ("", b"")),
        (basic(b"alice"), None),
        (basic(b"\xff:x"), None),
        (b"Basic !!!", None),
        (b"Basic", None),
        (b"Bearer " + b64encode(b"alice:right"), None),
        (b"", None),
    ],
)
def test_authorization_header_is_parsed(header: bytes, found: tuple[str, bytes] | None) -> None:
    assert parse_authorization(header) == found
