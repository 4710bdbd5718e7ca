"""Where the token comes from, and the errors if it is missing or invalid."""

import os
from pathlib import Path

import pytest

from exporter.config import ConfigError, load
from exporter.credentials import Secret, SecretError
from tests.support.golden import assert_golden

GOLDEN = Path(__file__).parent / "credentials.golden.txt"
TOO_LONG = "0123456789abcdef" * 4  # a token in place of a path
INVALID_TOKENS = ["canary b", "canary\nb", "canary\tb", "canarý", "canary\x00", "canary\x7f"]
# Each with the words that name the mistake.
MISTAKEN_TOKENS = {
    '"canary"': "quotation marks",
    "'canary'": "quotation marks",
    "„canary“": "quotation marks",
    '"canary': "quotation marks",
    "K6_CLOUD_TOKEN=canary": "starts with a name",
    "export K6_CLOUD_TOKEN=canary": "starts with a name",
    "api-token: canary": "starts with a name",
    'K6_CLOUD_TOKEN="canary"': "quotation marks",
    "Bearer canary": "HTTP scheme",
    "token canary": "HTTP scheme",
    "Authorization: Token canary": "HTTP scheme",
    "$CANARY_K6": "placeholder",
    "${CANARY_K6}": "placeholder",
    "%CANARY_K6%": "placeholder",
    "{{ canary }}": "placeholder",
    "<canary>": "example",
    "...": "example",
}


def errors_of(environ: dict[str, str], **api: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(None, environ, {"api": api})
    return caught.value.messages


def test_golden_errors(tmp_path: Path) -> None:
    def token_file(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return str(tmp_path / name)

    cases = {
        "no token": errors_of({}),
        "empty variable": errors_of({"K6_CLOUD_TOKEN": " "}),
        "empty file": errors_of({}, token_file=token_file("empty", b"\n")),
        "invalid variable": errors_of({"K6_CLOUD_TOKEN": "canary b"}),
        "invalid file": errors_of({}, token_file=token_file("invalid", b"canary\nb")),
        "quotation marks": errors_of({"K6_CLOUD_TOKEN": '"canary"'}),
        "name in a file": errors_of({}, token_file=token_file("named", b"K6_CLOUD_TOKEN=canary\n")),
        "scheme": errors_of({"K6_CLOUD_TOKEN": "Bearer canary"}),
        "variable in a variable": errors_of({"K6_CLOUD_TOKEN": "${CANARY}"}),
        "placeholder": errors_of({"K6_CLOUD_TOKEN": "<token>"}),
        "binary file": errors_of({}, token_file=token_file("binary", b"\xff\xfe\x00canary")),
        "missing file": errors_of({}, token_file=str(tmp_path / "missing")),
        "directory": errors_of({}, token_file=str(tmp_path)),
        "token as path": errors_of({}, token_file=TOO_LONG),
        "unprintable path": errors_of({}, token_file="a\0b"),
        "long path": errors_of({}, token_file="x" * 300),
    }

    lines = [f"{case}: {error}" for case, errors in cases.items() for error in errors]
    assert_golden(GOLDEN, "\n".join(lines).replace(str(tmp_path), "/FOLDER") + "\n")


def test_empty_variable_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary")

    _, token = load(None, {"K6_CLOUD_TOKEN": ""}, {"api": {"token_file": str(file)}})
    assert token.read() == "canary"
    assert errors_of({"K6_CLOUD_TOKEN": ""}) == errors_of({})


@pytest.mark.parametrize("empty", [" ", "\n", "\t\n "])
def test_blank_token_is_an_error(empty: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(empty)

    for errors, source in (
        (errors_of({"K6_CLOUD_TOKEN": empty}), "K6_CLOUD_TOKEN"),
        (errors_of({}, token_file=str(file)), f"api.token_file: {file}"),
    ):
        assert len(errors) == 1
        assert errors[0].startswith(f"{source} is empty")


@pytest.mark.parametrize("token", INVALID_TOKENS)
def test_invalid_token_is_an_error_that_hides_it(token: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")

    for errors, source in (
        (errors_of({"K6_CLOUD_TOKEN": token}), "K6_CLOUD_TOKEN"),
        (errors_of({}, token_file=str(file)), f"api.token_file: {file}"),
    ):
        assert len(errors) == 1
        assert errors[0].startswith(f"{source} must contain")
        assert "canar" not in errors[0]


@pytest.mark.parametrize(("token", "mistake"), MISTAKEN_TOKENS.items())
def test_probable_mistake_in_a_token_is_named(token: str, mistake: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{token}\n", encoding="utf-8")

    for errors, source in (
        (errors_of({"K6_CLOUD_TOKEN": token}), "K6_CLOUD_TOKEN"),
        (errors_of({}, token_file=str(file)), f"api.token_file: {file}"),
    ):
        assert len(errors) == 1
        assert errors[0].startswith(source)
        assert mistake in errors[0]
        assert "canar" not in errors[0].lower()


@pytest.mark.parametrize(
    "token", ["glsa_aB3_9f==", "eyJhbGciOiJI.eyJzdWIi.x-y_z", "0123abcd", "token-1", "bearer", "a=b", "A$b"]
)
def test_unusual_token_is_accepted(token: str) -> None:
    assert Secret(token).read() == token


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_unreadable_token_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("canary")
    file.chmod(0)

    assert errors_of({}, token_file=str(file)) == (
        f"api.token_file: {file} cannot be read: Permission denied",
    )


def test_token_in_place_of_a_path_is_hidden() -> None:
    (error,) = errors_of({}, token_file=TOO_LONG)

    assert TOO_LONG[:8] not in error


@pytest.mark.parametrize(
    "content", [b"secret\n", b"secret\r\n", b"  secret  \n\n", b"\xef\xbb\xbfsecret\n", b"secret"]
)
def test_whitespace_and_byte_order_mark_are_stripped(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    _, token = load(None, {}, {"api": {"token_file": str(file)}})

    assert token.read() == "secret"


def test_variable_precedes_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file")

    _, token = load(None, {"K6_CLOUD_TOKEN": "from-environment\n"}, {"api": {"token_file": str(file)}})

    assert token.read() == "from-environment"


def test_missing_file_is_ignored_with_a_variable(tmp_path: Path) -> None:
    _, token = load(None, {"K6_CLOUD_TOKEN": "secret"}, {"api": {"token_file": str(tmp_path / "none")}})

    assert token.read() == "secret"


def test_environment_can_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret")

    _, token = load(None, {"K6_CLOUD_EXPORTER_API__TOKEN_FILE": str(file)}, {})

    assert token.read() == "secret"


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    file, link, other = tmp_path / "token", tmp_path / "link", tmp_path / "other"
    file.write_text("first")
    link.symlink_to(file)
    token = Secret(path=link)
    assert token.read() == "first"

    file.write_text("second")
    assert token.read() == "second"

    other.write_text("third!")  # same size and time as the second
    times = file.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)
    assert token.read() == "third!"

    other.write_text("fourth")  # as Kubernetes updates a mounted secret
    (tmp_path / "new").symlink_to(other)
    (tmp_path / "new").replace(link)
    assert token.read() == "fourth"


def test_deleted_file_is_an_error_until_restored(tmp_path: Path) -> None:
    file, away = tmp_path / "token", tmp_path / "away"
    file.write_text("secret")
    token = Secret(path=file)
    assert token.read() == "secret"

    file.rename(away)
    with pytest.raises(SecretError, match="cannot be read: No such file or directory"):
        token.read()

    away.rename(file)
    assert token.read() == "secret"
