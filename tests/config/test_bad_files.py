"""Every way to get a configuration file wrong, and the sentences that each earns.

The files in bad/ begin with them as comments; FILE stands for the path of the file.
"""

from itertools import takewhile
from pathlib import Path

import pytest

from exporter.config import ConfigError, load, settings

BAD = sorted(Path(__file__).with_name("bad").glob("*.yaml"))
TOKEN = {"K6_CLOUD_TOKEN": "canary"}


def earned(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(file, TOKEN, {})
    assert str(caught.value) == "\n".join(caught.value.messages)
    return list(caught.value.messages)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_each_mistake_earns_its_sentence(file: Path) -> None:
    lines = takewhile(lambda line: line.startswith("# "), file.read_text(encoding="utf-8").splitlines())

    assert earned(file) == [line.removeprefix("# ").replace("FILE", str(file)) for line in lines]


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_a_sentence_is_one_printable_line_without_secrets_or_the_words_of_a_library(file: Path) -> None:
    for sentence in earned(file):
        assert sentence.isprintable()
        assert "canary" not in sentence
        for word in ("pydantic", "Input should", "valid ", "validation", "dict", "None", "True", "False"):
            assert word not in sentence
        assert not any(
            word in sentence for word in ("unicode string", "Errno", "tuple", "string_type", "str(")
        )


def test_every_setting_is_got_wrong_in_some_file() -> None:
    sentences = "\n".join(sentence for file in BAD for sentence in earned(file))

    assert [setting.name for setting in settings() if f"{setting.name}: " not in sentences] == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"api: {url: '\xff'}", "FILE: this is not text in UTF-8"),
        ("api:\n".encode("utf-16"), "FILE: this is not text in UTF-8"),
        (
            b"[" * 3000,
            "FILE: this cannot be read as YAML: it is nested more than 20 deep (line 1, column 21)",
        ),
        (
            b"api: {concurrency: 0x" + b"f" * 5000 + b"}",
            "api.concurrency: a number of more than 300 digits is too large; the most is 100",
        ),
        (
            b"tests: [{include: '" + b"(" * 3000 + b")" * 3000 + b"'}]",
            f'tests[0].include: "{"(" * 100}…" is too much for a regular expression; make it simpler',
        ),
        (
            b"tests: [{include: '" + b"(" * 101 + b")" * 101 + b"'}]",
            f'tests[0].include: "{"(" * 100}…" is too much for a regular expression; make it simpler',
        ),
        (
            b"tests: " + b"[" * 20 + b"]" * 20,
            "FILE: this cannot be read as YAML: it is nested more than 20 deep (line 1, column 27)",
        ),
        (
            # Each merges the one before it; the last is constructed first, since it is less deep.
            b"a:\n  a0: &a0 {}\n"
            + b"".join(b"  a%d: &a%d {<<: *a%d}\n" % (n, n, n - 1) for n in range(1, 3000))
            + b"<<: *a2999",
            "FILE: this cannot be read as YAML: it is nested more than 20 deep (line 2982, column 10)",
        ),
        (
            rb'web: {telemetry_path: "/\ud800"}',
            r'web.telemetry_path: "/\ud800" cannot be the path of the metrics; write one like "/metrics"',
        ),
        (
            b"api: !" + b"z" * 500 + b" x",
            "FILE: this cannot be read as YAML: could not determine a constructor for the tag '!"
            f"{'z' * 152}… (line 1, column 6)",
        ),
        (b"z" * 500 + b": 1", f"{'z' * 100}…: there is no such setting"),
    ],
)
def test_what_no_file_in_a_repository_should_hold(content: bytes, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)

    assert earned(file) == [sentence.replace("FILE", str(file))]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"

    assert earned(file) == [f"--config.file: cannot read {file}: No such file or directory"]


def test_a_directory_is_told(tmp_path: Path) -> None:
    assert earned(tmp_path) == [f"--config.file: cannot read {tmp_path}: Is a directory"]


def test_mistakes_in_file_environment_flags_and_token_are_told_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("api: {timeout: 10}")
    environ = {
        "K6_CLOUD_TOKEN": "two words",
        "K6_CLOUD_EXPORTER_RUNS__KEEP": "many",
        "K6_CLOUD_EXPORTER_POLL__INTERVALL": "15s",
    }

    with pytest.raises(ConfigError) as caught:
        load(file, environ, {"log": {"level": "loud"}})

    assert caught.value.messages == (
        "K6_CLOUD_EXPORTER_POLL__INTERVALL: there is no such setting; "
        "did you mean K6_CLOUD_EXPORTER_POLL__INTERVAL?",
        'api.timeout: 10 has no unit; write "10s"',
        'runs.keep: "many" is not a whole number; write one like 10',
        "log.level: \"loud\" is not one of 'debug', 'info', 'warning' or 'error'",
        "K6_CLOUD_TOKEN must contain one line of ASCII without spaces",
    )


def test_a_file_that_cannot_be_read_hides_no_mistake_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"

    with pytest.raises(ConfigError) as caught:
        load(file, TOKEN | {"K6_CLOUD_EXPORTER_ZEBRA__STRIPES": "1"}, {})

    assert caught.value.messages == (
        f"--config.file: cannot read {file}: No such file or directory",
        "K6_CLOUD_EXPORTER_ZEBRA__STRIPES: there is no such setting",
    )
