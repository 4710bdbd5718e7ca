"""Passwords: what they cost, whom they let in, and what is kept of them."""

import asyncio
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import bcrypt
import pytest

from exporter.web.security.basic_auth import MAX_CHECKS, BasicAuthVerifier, Busy, parse_authorization
from tests.support.certificates import CHEAP

DEAR = bcrypt.hashpw(b"right", bcrypt.gensalt(9)).decode()  # some 30 ms


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes with which bcrypt is asked to compare, which is what costs."""
    hashes: list[bytes] = []
    compare = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        hashes.append(hashed)
        return compare(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return hashes


@pytest.mark.parametrize(
    ("user", "password", "is_right"),
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
def test_only_a_known_user_with_the_right_password_is_admitted(
    user: str, password: bytes, is_right: bool, executor: ThreadPoolExecutor
) -> None:
    passwords = BasicAuthVerifier({"alice": CHEAP}, executor)

    assert asyncio.run(passwords.verify(user, password)) is is_right
    assert asyncio.run(passwords.verify(user, password)) is is_right


@pytest.mark.parametrize("letter", ["a", "b", "y"])
def test_hashes_of_each_tool_are_understood(letter: str, executor: ThreadPoolExecutor) -> None:
    passwords = BasicAuthVerifier({"alice": f"$2{letter}{CHEAP[3:]}"}, executor)

    assert asyncio.run(passwords.verify("alice", b"right"))


def test_of_a_long_password_the_first_72_bytes_count_as_everywhere_with_bcrypt(
    executor: ThreadPoolExecutor,
) -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    passwords = BasicAuthVerifier({"alice": hashed}, executor)

    assert asyncio.run(passwords.verify("alice", b"x" * 100))
    assert not asyncio.run(passwords.verify("alice", b"x" * 71))


def test_for_an_unknown_user_a_hash_of_the_same_cost_is_checked(
    executor: ThreadPoolExecutor, checked: list[bytes]
) -> None:
    passwords = BasicAuthVerifier({"alice": DEAR}, executor)

    for user in ("alice", "nobody", "nobody"):
        assert not asyncio.run(passwords.verify(user, b"wrong"))

    assert len(checked) == 3
    assert {hashed[:7] for hashed in checked} == {DEAR[:7].encode()}


def test_a_right_password_is_checked_once_and_a_wrong_one_each_time(
    executor: ThreadPoolExecutor, checked: list[bytes]
) -> None:
    passwords = BasicAuthVerifier({"alice": CHEAP}, executor)

    for _ in range(3):
        assert asyncio.run(passwords.verify("alice", b"right"))
    assert len(checked) == 1
    for _ in range(3):
        assert not asyncio.run(passwords.verify("alice", b"wrong"))
    assert len(checked) == 4


def test_what_is_remembered_of_a_password_is_no_password(executor: ThreadPoolExecutor) -> None:
    passwords = BasicAuthVerifier({"alice": CHEAP}, executor)
    assert asyncio.run(passwords.verify("alice", b"right"))

    (remembered,) = passwords._right.values()
    assert len(remembered) == 32
    assert "right" not in repr(passwords)


def test_the_event_loop_turns_while_a_password_is_checked(executor: ThreadPoolExecutor) -> None:
    passwords = BasicAuthVerifier({"alice": bcrypt.hashpw(b"right", bcrypt.gensalt(11)).decode()}, executor)

    async def longest_stall() -> tuple[float, float]:
        checking = asyncio.create_task(passwords.verify("alice", b"wrong"))
        began = last = time.perf_counter()
        worst = 0.0
        while not checking.done():
            await asyncio.sleep(0.001)
            worst, last = max(worst, time.perf_counter() - last), time.perf_counter()
        return worst, last - began

    worst, whole = asyncio.run(longest_stall())
    assert worst < whole / 2


def test_a_flood_of_wrong_passwords_is_sent_away_but_for_a_few_and_stops_nobody_who_is_known(
    executor: ThreadPoolExecutor,
) -> None:
    passwords = BasicAuthVerifier({"alice": CHEAP}, executor)
    free = threading.Event()

    async def flood() -> None:
        assert await passwords.verify("alice", b"right")
        executor.submit(free.wait)  # the one thread is taken
        guesses = [asyncio.create_task(passwords.verify("alice", b"%d" % i)) for i in range(MAX_CHECKS + 5)]
        await asyncio.sleep(0.01)
        assert await passwords.verify("alice", b"right")
        with pytest.raises(Busy):
            await passwords.verify("alice", b"another")
        free.set()
        outcomes = await asyncio.gather(*guesses, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [bool] * MAX_CHECKS + [Busy] * 5
        assert not await passwords.verify("alice", b"another")

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
def test_credentials_are_read_from_a_header(header: bytes, found: tuple[str, bytes] | None) -> None:
    assert parse_authorization(header) == found
