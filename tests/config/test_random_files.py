"""Whatever a file holds, it makes a configuration or a ConfigError."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import Config, ConfigError, TestSelector, load
from exporter.config import settings as all_settings

TOKEN = {"K6_CLOUD_TOKEN": "secret"}
KEYS = sorted(
    {part for one in all_settings() for part in one.name.split(".")} | set(TestSelector.model_fields)
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.binary(max_size=9)
    | st.dates()
    | st.datetimes()
    | st.from_regex(r"-?[0-9]{1,12}(ms|s|m|h|d|w|)", fullmatch=True)
    | st.from_regex(r"https?://[a-z0-9.\[\]:@-]{0,20}(/[a-z]*)?", fullmatch=True)
    | st.from_regex(r"[a-z.\[\]:]{0,9}:[0-9]{1,6}", fullmatch=True)
    | st.from_regex(r"/[a-z{}:-]{0,9}", fullmatch=True)
    | st.from_regex(r"[()\[\]*+?|^$.{},:\\a-z0-9-]{0,12}", fullmatch=True)
    | st.sampled_from(["15s", "debug", "json", "/metrics", ":10565", "https://api.k6.io", "/dev/null"])
)
keys = st.sampled_from(KEYS) | st.text(max_size=8) | st.integers() | st.booleans()
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
sections = st.dictionaries(st.sampled_from(KEYS), scalars | trees, max_size=4)
lifelike = st.dictionaries(
    st.sampled_from(KEYS), sections | st.lists(sections, max_size=3) | scalars, min_size=1, max_size=4
)
often = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(file: Path | None, environ: dict[str, str]) -> Config | tuple[str, ...]:
    try:
        return load(file, environ, {})[0]
    except ConfigError as error:
        return error.messages


def judged(file: Path | None, **environ: str) -> None:
    told = outcome(file, TOKEN | environ)
    assert told
    if not isinstance(told, Config):
        assert all(sentence.isprintable() and len(sentence) < 500 for sentence in told)


@often
@given(tree=trees | lifelike)
def test_any_tree_gives_a_configuration_or_sentences(tree: Any, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=False), encoding="utf-8")

    judged(file)


@often
@given(text=st.text(max_size=80) | st.text("{}[]:,-&*!|>'\"%@`#<>?= \n\t0159._zeT~", max_size=60))
def test_any_text_gives_a_configuration_or_sentences(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")

    judged(file)


@often
@given(content=st.binary(max_size=60))
def test_any_bytes_give_a_configuration_or_sentences(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)

    judged(file)


@often
@given(name=st.sampled_from([one.name for one in all_settings()]), text=st.text(max_size=40))
def test_any_variable_gives_a_configuration_or_sentences(name: str, text: str) -> None:
    judged(None, **{"K6_CLOUD_EXPORTER_" + name.upper().replace(".", "__"): text})


@pytest.mark.parametrize(
    "tag", ["timestamp", "int", "float", "bool", "binary", "null", "set", "omap", "pairs", "map", "seq"]
)
@pytest.mark.parametrize("content", ["x", "''", "[x]", "{x: y}", "[[x]]", "[{x: y}]"])
def test_any_yaml_tag_on_anything_gives_sentences(tag: str, content: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"api: {{url: !!{tag} {content}}}\nrunz: !!{tag} {content}")

    with pytest.raises(ConfigError):
        load(file, TOKEN, {})
