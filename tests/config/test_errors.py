"""Errors in the configuration. errors.txt has the messages for every file in bad/ and for the cases below.

`make golden` rewrites errors.txt; FILE stands for the path of the file.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.config import ENVIRONMENT, ConfigError, ConfigLoader, load, settings
from tests.support.golden import assert_golden

BAD = sorted(Path(__file__).with_name("bad").glob("*.yaml"))
TOKEN = {"K6_CLOUD_TOKEN": "canary"}

# Files that are too large or too strange for a repository.
GENERATED: dict[str, bytes] = {
    "latin-1": b"api: {url: '\xff'}",
    "utf-16": "api:\n".encode("utf-16"),
    "nested 3000 levels deep": b"[" * 3000,
    "nested one level too deep": b"tests: " + b"[" * 20 + b"]" * 20,
    "a number of 6000 digits": b"api: {concurrency: 0x" + b"f" * 5000 + b"}",
    "a large regex": b"tests: [{include: 'x{0,1000}" + b"x{0,1000}" * 99 + b"'}]",
    # Each merges the one before it; the last is constructed first, since it is less deep.
    "merges nested 3000 levels deep": b"a:\n  a0: &a0 {}\n"
    + b"".join(b"  a%d: &a%d {<<: *a%d}\n" % (n, n, n - 1) for n in range(1, 3000))
    + b"<<: *a2999",
    "half a surrogate pair": rb'web: {telemetry_path: "/\ud800"}',
    "a long tag": b"api: !" + b"z" * 500 + b" x",
    "a long key": b"z" * 500 + b": 1",
}

# Variables beside the token, and flags as a tree.
VARIABLES_AND_FLAGS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "variable with a wrong value": ({"RUNS__KEEP": "many"}, {}),
    "blank variable for a number": ({"RUNS__KEEP": " "}, {}),
    "blank variable for tests": ({"TESTS": " "}, {}),
    "tests variable with a wrong id": ({"TESTS": "[{id: 1}, {id: x}]"}, {}),
    "tests variable with a number": ({"TESTS": "1234"}, {}),
    "tests variable with invalid YAML": ({"TESTS": "[{id: 1}"}, {}),
    "tests variable with a duplicate key": ({"TESTS": "[{id: 1, id: 2}]"}, {}),
    "tests variable nested 3000 levels deep": ({"TESTS": "[" * 3000}, {}),
    "metrics variable with a wrong regex": ({"METRICS__EXCLUDE": "[a, '(']"}, {}),
    "metrics variable with text": ({"METRICS__PROJECT_LABELS": "team"}, {}),
    "variable with a misspelled name": ({"POLL__INTERVALL": "15s"}, {}),
    "variable with a single underscore": ({"POLL_INTERVAL": "15s"}, {}),
    "variable with too many underscores": ({"POLL__STALE__AFTER": "15s"}, {}),
    "variable with one underscore of two": ({"WEB_LISTEN_ADDRESS": ":1"}, {}),
    "variable with two underscores of one": ({"APP__URL": "https://k6.test"}, {}),
    "variable for a setting that was renamed": ({"API__STACK_ID": "1"}, {}),
    "variable for the token": ({"API__TOKEN": "canary"}, {}),
    "variable for the token, single underscore": ({"API_TOKEN": "canary"}, {}),
    "variables that one would expect": (
        dict.fromkeys(("STACK_ID", "TOKEN", "TOKEN_FILE", "TEST", "PROJECT", "URL", "INTERVAL"), "canary"),
        {},
    ),
    "variable like no setting": ({"ZEBRA__STRIPES": "1"}, {}),
    "flag with a wrong value": ({}, {"log": {"level": "loud"}}),
    "flag of its own name": ({}, {"sharding": {"shard": "-1"}}),
    "flags for tests": ({}, {"tests": [{"id": 0}, {"project": -1}]}),
    "flag twice": ({}, {"tests": [{"id": 1}, {"id": 1}]}),
    "flag and variable contradict each other": ({"SHARDING__TOTAL": "2"}, {"sharding": {"shard": "2"}}),
}


def errors(file: Path | None = None, environ: Mapping[str, str] = TOKEN, **flags: Any) -> list[str]:
    """The messages, with FILE for the path of the file."""
    with pytest.raises(ConfigError) as caught:
        load(file, environ, flags)
    assert str(caught.value) == "\n".join(caught.value.messages)
    return [message.replace(str(file), "FILE") for message in caught.value.messages]


def variables(**given: str) -> dict[str, str]:
    return TOKEN | {ENVIRONMENT + name: value for name, value in given.items()}


def cases(folder: Path) -> dict[str, list[str]]:
    """The messages of every case, by its name."""
    found = {file.name: errors(file) for file in BAD}
    for name, content in GENERATED.items():
        file = folder / "generated.yaml"
        file.write_bytes(content)
        found[name] = errors(file)
    found["missing file"] = errors(folder / "missing.yaml")
    found["directory"] = errors(folder)
    for name, (environ, flags) in VARIABLES_AND_FLAGS.items():
        found[name] = errors(None, variables(**environ), **flags)
    found["K6_CLOUD_STACK_ID with two words"] = errors(None, TOKEN | {"K6_CLOUD_STACK_ID": "my stack"})
    found["no token"] = errors(None, {})
    found["two words as a token"] = errors(None, {"K6_CLOUD_TOKEN": "two words"})
    return found


def test_golden_errors(tmp_path: Path) -> None:
    sections = [f"[{name}]\n" + "\n".join(messages) for name, messages in cases(tmp_path).items()]

    assert_golden(Path(__file__).with_name("errors.txt"), "\n\n".join(sections) + "\n")


def test_each_error_is_one_line_without_secrets(tmp_path: Path) -> None:
    library = ("pydantic", "Input should", "a valid ", "validation", "dict", "None", "True", "False")
    python = ("unicode string", "Errno", "tuple", "string_type", "str(")
    for messages in cases(tmp_path).values():
        for message in messages:
            assert message.isprintable()
            assert "canary" not in message
            assert not [text for text in (*library, *python) if text in message]


@pytest.mark.parametrize("content", ["hello", "[{timeout: 1s}]", "1"])
@pytest.mark.parametrize("source", ["variable", "flag", "K6_CLOUD_STACK_ID"])
def test_section_that_is_none_is_rejected(content: str, source: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"api: {content}")
    environ = {"variable": variables(API__URL="https://k6.test"), "K6_CLOUD_STACK_ID": TOKEN | {source: "1"}}
    flags = {"api": {"url": "https://k6.test"}} if source == "flag" else {}

    assert errors(file, environ.get(source, TOKEN), **flags) == errors(file)


@pytest.mark.parametrize("content", ["", "# nothing", "api:", "api:\n  url:\n"])
def test_file_that_loses_its_settings_is_rejected(content: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    reload = ConfigLoader(file, TOKEN, {})
    file.write_text(content)
    reload()
    reload()  # it was empty at the start
    file.write_text("tests: [{id: 1}]")
    reload()

    file.write_text(content)
    with pytest.raises(ConfigError, match="no longer contains"):
        reload()
    with pytest.raises(ConfigError):
        reload()
    file.write_text("tests: [{id: 2}]")
    assert reload()[0].tests[0].id == 2


def test_every_setting_is_wrong_in_some_file() -> None:
    messages = "\n".join(message for file in BAD for message in errors(file))

    assert [setting.name for setting in settings() if f"{setting.name}: " not in messages] == []


def test_errors_of_all_sources_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("api: {timeout: 10}")
    environ = variables(RUNS__KEEP="many", POLL__INTERVALL="15s") | {"K6_CLOUD_TOKEN": "two words"}

    messages = errors(file, environ, log={"level": "loud"})

    assert [message.split(": ")[0].split(" ")[0] for message in messages] == [
        "K6_CLOUD_EXPORTER_POLL__INTERVALL",
        "FILE",
        "K6_CLOUD_EXPORTER_RUNS__KEEP",
        "--log.level",
        "K6_CLOUD_TOKEN",
    ]


def test_missing_file_hides_no_error_in_a_variable(tmp_path: Path) -> None:
    messages = errors(tmp_path / "missing.yaml", variables(ZEBRA__STRIPES="1"))

    assert [message.split(": ")[0] for message in messages] == [
        "--config.file",
        "K6_CLOUD_EXPORTER_ZEBRA__STRIPES",
    ]


@pytest.mark.parametrize(
    ("environ", "flags", "source"),
    [
        ({}, {}, "FILE: runs.keep"),
        ({"RUNS__KEEP": "b"}, {}, "K6_CLOUD_EXPORTER_RUNS__KEEP"),
        ({"RUNS__KEEP": "b"}, {"runs": {"keep": "c"}}, "--runs.keep"),
    ],
)
def test_error_names_the_source_of_the_value(
    environ: dict[str, str], flags: dict[str, Any], source: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("runs: {keep: a}")

    (message,) = errors(file, variables(**environ), **flags)

    assert message.startswith(f"{source}: ")
