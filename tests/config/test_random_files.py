"""Random input results in a configuration or in a ConfigError, never in another exception."""

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
realistic = st.dictionaries(
    st.sampled_from(KEYS), sections | st.lists(sections, max_size=3) | scalars, min_size=1, max_size=4
)
many_examples = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def load_or_messages(file: Path | None, environ: dict[str, str]) -> Config | tuple[str, ...]:
    try:
        return load(file, environ, {})[0]
    except ConfigError as error:
        return error.messages


def assert_loads_or_fails(file: Path | None, **environ: str) -> None:
    result = load_or_messages(file, TOKEN | environ)
    assert result
    if not isinstance(result, Config):
        assert all(message.isprintable() and len(message) < 500 for message in result)


@many_examples
@given(tree=trees | realistic)
def test_any_tree_loads_or_fails(tree: Any, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree, allow_unicode=False), encoding="utf-8")

    assert_loads_or_fails(file)


@many_examples
@given(text=st.text(max_size=80) | st.text("{}[]:,-&*!|>'\"%@`#<>?= \n\t0159._zeT~", max_size=60))
def test_any_text_loads_or_fails(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")

    assert_loads_or_fails(file)


@many_examples
@given(content=st.binary(max_size=60))
def test_any_bytes_load_or_fail(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)

    assert_loads_or_fails(file)


@many_examples
@given(name=st.sampled_from([one.name for one in all_settings()]), text=st.text(max_size=40))
def test_any_variable_loads_or_fails(name: str, text: str) -> None:
    assert_loads_or_fails(None, **{"K6_CLOUD_EXPORTER_" + name.upper().replace(".", "__"): text})


@pytest.mark.parametrize(
    "tag", ["timestamp", "int", "float", "bool", "binary", "null", "set", "omap", "pairs", "map", "seq"]
)
@pytest.mark.parametrize("content", ["x", "''", "[x]", "{x: y}", "[[x]]", "[{x: y}]"])
def test_any_yaml_tag_on_any_value_fails(tag: str, content: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"api: {{url: !!{tag} {content}}}\nrunz: !!{tag} {content}")

    with pytest.raises(ConfigError):
        load(file, TOKEN, {})
