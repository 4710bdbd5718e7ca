"""Where the token comes from, and what is said when it does not."""

import os
from pathlib import Path

import pytest

from exporter.config import ConfigError, load
from exporter.credentials import Secret, SecretError


def refusal(environ: dict[str, str], **api: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(None, environ, {"api": api})
    return caught.value.messages


def test_without_a_token_it_is_told_where_to_put_one_and_where_to_get_one() -> None:
    assert refusal({}) == (
        "no API token: set K6_CLOUD_TOKEN, or api.token_file to a file that holds one; "
        "the k6 app in Grafana Cloud makes them under Settings, API tokens",
    )


def test_an_empty_variable_is_one_that_is_not_set(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary")

    _, token = load(None, {"K6_CLOUD_TOKEN": ""}, {"api": {"token_file": str(file)}})
    assert token.read() == "canary"
    assert refusal({"K6_CLOUD_TOKEN": ""}) == refusal({})


@pytest.mark.parametrize("empty", [" ", "\n", "\t\n "])
def test_an_empty_token_is_told(empty: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(empty)

    assert refusal({"K6_CLOUD_TOKEN": empty}) == (
        "K6_CLOUD_TOKEN is empty; put an API token of Grafana Cloud k6 there",
    )
    assert refusal({}, token_file=str(file)) == (
        f"api.token_file: {file} is empty; put an API token of Grafana Cloud k6 there",
    )


@pytest.mark.parametrize(
    "token", ["canary b", "canary\nb", "canary\tb", "canarý", "canary\x00", "canary\x7f", "„canary“"]
)
def test_what_is_more_than_a_token_is_told_and_not_shown(token: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")

    assert refusal({"K6_CLOUD_TOKEN": token}) == (
        "K6_CLOUD_TOKEN holds more than a token; it must be one line of ASCII without spaces",
    )
    assert refusal({}, token_file=str(file)) == (
        f"api.token_file: {file} holds more than a token; it must be one line of ASCII without spaces",
    )


def test_a_token_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"\xff\xfe\x00canary")

    assert refusal({}, token_file=str(file)) == (
        f"api.token_file: {file} holds more than a token; it must be one line of ASCII without spaces",
    )


def test_a_missing_token_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "token"

    assert refusal({}, token_file=str(file)) == (
        f"api.token_file: {file} cannot be read: No such file or directory",
    )


def test_a_directory_in_place_of_a_token_file_is_told(tmp_path: Path) -> None:
    assert refusal({}, token_file=str(tmp_path)) == (
        f"api.token_file: {tmp_path} cannot be read: Is a directory",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_token_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary")
    file.chmod(0)

    assert refusal({}, token_file=str(file)) == (f"api.token_file: {file} cannot be read: Permission denied",)


def test_a_token_that_stands_where_its_file_should_be_named_is_not_shown() -> None:
    token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

    assert refusal({}, token_file=token) == (
        "api.token_file: what is named there cannot be read: No such file or directory",
    )


def test_a_wrong_path_is_told_once() -> None:
    assert refusal({}, token_file="a\0b") == (
        r'api.token_file: "a\x00b" is not the path of a file; write one like "/etc/k6/token"',
    )
    assert refusal({}, token_file="x" * 300) == (
        "api.token_file: what is named there cannot be read: File name too long",
    )


@pytest.mark.parametrize(
    "content", [b"secret\n", b"secret\r\n", b"  secret  \n\n", b"\xef\xbb\xbfsecret\n", b"secret"]
)
def test_what_editors_leave_around_a_token_is_stripped(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    _, token = load(None, {}, {"api": {"token_file": str(file)}})

    assert token.read() == "secret"


def test_the_variable_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file")

    _, token = load(None, {"K6_CLOUD_TOKEN": "from-environment\n"}, {"api": {"token_file": str(file)}})

    assert token.read() == "from-environment"


def test_a_file_that_nobody_needs_may_be_missing(tmp_path: Path) -> None:
    _, token = load(None, {"K6_CLOUD_TOKEN": "secret"}, {"api": {"token_file": str(tmp_path / "none")}})

    assert token.read() == "secret"


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret")

    _, token = load(None, {"K6_CLOUD_EXPORTER_API__TOKEN_FILE": str(file)}, {})

    assert token.read() == "secret"


def test_a_changed_file_gives_the_new_token_however_it_changed(tmp_path: Path) -> None:
    file, link, other = tmp_path / "token", tmp_path / "link", tmp_path / "other"
    file.write_text("first")
    link.symlink_to(file)
    token = Secret(path=link)
    assert token.read() == "first"

    file.write_text("second")
    assert token.read() == "second"

    other.write_text("third!")  # as long as the second, and as old
    times = file.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)
    assert token.read() == "third!"

    other.write_text("fourth")  # Kubernetes swaps a symlink
    (tmp_path / "new").symlink_to(other)
    (tmp_path / "new").replace(link)
    assert token.read() == "fourth"


def test_a_file_that_goes_away_is_an_error_until_it_returns(tmp_path: Path) -> None:
    file, away = tmp_path / "token", tmp_path / "away"
    file.write_text("secret")
    token = Secret(path=file)
    assert token.read() == "secret"

    file.rename(away)
    with pytest.raises(SecretError, match="cannot be read: No such file or directory"):
        token.read()

    away.rename(file)
    assert token.read() == "secret"
