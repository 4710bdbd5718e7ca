"""File, environment and flags, and which of them goes first."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import ENVIRONMENT, Config, ConfigError, TestSelector, load, settings

TOKEN = {"K6_CLOUD_TOKEN": "secret"}

SECRETS = Path(__file__).with_name("secrets")

# Three good values of each setting, each unlike the next, the first not the default: for the file, the
# environment, a flag.
VALUES: dict[str, tuple[str, str, str]] = {
    "api.version": ("legacy", "auto", "legacy"),
    "api.stack": ("1", "2", "3"),
    "api.url": ("https://file.test", "https://environment.test", "https://flag.test"),
    "api.token_file": ("/file", "/environment", "/flag"),
    "api.timeout": ("1s", "2s", "3s"),
    "api.concurrency": ("1", "2", "3"),
    "api.requests_per_minute": ("1", "2", "3"),
    "tests": ("[{id: 1}]", "[{id: 2}]", "[{id: 3}]"),
    "poll.interval": ("1s", "2s", "3s"),
    "poll.idle_interval": ("1s", "2s", "3s"),
    "poll.discovery_interval": ("1s", "2s", "3s"),
    "poll.stale_after": ("1h", "2h", "3h"),
    "runs.keep": ("1", "2", "4"),
    "runs.max_age": ("1h", "2h", "3h"),
    "sharding.shard": ("1", "2", "3"),
    "sharding.total": ("2", "3", "4"),
    "web.listen_address": (":1", ":2", ":3"),
    "web.telemetry_path": ("/file", "/environment", "/flag"),
    "web.config_file": ("/file", "/environment", "/flag"),
    "web.webhook_secret_file": (f"{SECRETS}/first", f"{SECRETS}/second", f"{SECRETS}/third"),
    "web.enable_reload": ("false", "true", "false"),
    "log.level": ("debug", "warning", "error"),
    "log.format": ("json", "logfmt", "json"),
    "app_url": ("https://file.test", "https://environment.test", "https://flag.test"),
}
NAMES = [setting.name for setting in settings()]
# What a setting needs beside it to be good.
BESIDE: dict[str, dict[str, Any]] = {"sharding.shard": {"total": 4}}


def tree(name: str, value: Any) -> dict[str, Any]:
    *sections, key = name.split(".")
    return {sections[0]: BESIDE.get(name, {}) | {key: value}} if sections else {key: value}


def value(config: Config, name: str) -> Any:
    found: Any = config
    for key in name.split("."):
        found = getattr(found, key)
    return found


def alone(name: str, written: str) -> Any:
    """What a setting becomes when this is all that is written."""
    return value(Config.model_validate(tree(name, yaml.safe_load(written))), name)


def given(file: Path, name: str, *, environment: str | None = None, flag: str | None = None) -> Any:
    variable = ENVIRONMENT + name.upper().replace(".", "__")
    environ = TOKEN | ({variable: environment} if environment else {})
    config, _ = load(file, environ, tree(name, yaml.safe_load(flag)) if flag else {})
    return value(config, name)


@pytest.mark.parametrize("name", NAMES)
def test_a_flag_goes_before_the_environment_before_the_file_before_the_default(
    name: str, tmp_path: Path
) -> None:
    in_file, in_environment, in_flag = VALUES[name]
    file, empty = tmp_path / "config.yaml", tmp_path / "empty.yaml"
    file.write_text(yaml.safe_dump(tree(name, yaml.safe_load(in_file))))
    empty.write_text("")

    assert given(empty, name) == value(Config(), name)
    assert given(file, name) == alone(name, in_file) != value(Config(), name)
    assert (
        given(file, name, environment=in_environment) == alone(name, in_environment) != alone(name, in_file)
    )
    assert given(file, name, environment=in_environment, flag=in_flag) == alone(name, in_flag)
    assert alone(name, in_flag) != alone(name, in_environment)


def test_a_section_may_come_from_all_three_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("poll: {interval: 1s, idle_interval: 2s, stale_after: 10m}")

    config, _ = load(
        file, TOKEN | {"K6_CLOUD_EXPORTER_POLL__IDLE_INTERVAL": "3s"}, {"poll": {"stale_after": "20m"}}
    )

    assert config.poll.interval == 1
    assert config.poll.idle_interval == 3
    assert config.poll.discovery_interval == 300
    assert config.poll.stale_after == 1200


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# nothing\n",
        b"---\n",
        b"{}",
        b"\xef\xbb\xbf",
        b"api:\n  # url: https://api.k6.io\npoll:\nruns:\nweb:\nlog:\ntests:\n  # - id: 1\napp_url:\n",
        b"api:\n  url:\n  token_file:\n  timeout:\npoll:\n  interval:\nruns: {keep: }\n",
    ],
)
def test_what_is_empty_or_commented_out_is_the_default(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)

    assert load(file, TOKEN, {})[0] == Config()


def test_without_a_file_the_defaults_are_in_force() -> None:
    assert load(None, TOKEN, {})[0] == Config()


def test_a_good_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        """
        api: {url: https://k6.test/, timeout: 1m30s, requests_per_minute: 60}
        tests:
          - {id: 1234, name: checkout-söak}
          - {project: 567, include: ^nightly, exclude: draft}
          - include: smoke
        poll: {interval: 500ms}
        runs: {keep: 0, max_age: 1w}
        web: {listen_address: "[::1]:9000", telemetry_path: /k6/metrics}
        app_url: https://mystack.grafana.net/a/k6-app/
        """,
        encoding="utf-8",
    )

    config, _ = load(file, TOKEN, {})

    assert config.api.url == "https://k6.test"
    assert config.api.timeout == 90
    assert config.api.requests_per_minute == 60
    assert config.tests == (
        TestSelector(id=1234, name="checkout-söak"),
        TestSelector(project=567, include="^nightly", exclude="draft"),
        TestSelector(include="smoke"),
    )
    assert config.poll.interval == 0.5
    assert (config.runs.keep, config.runs.max_age) == (0, 604800)
    assert (config.web.listen_address, config.web.telemetry_path) == ("[::1]:9000", "/k6/metrics")
    assert config.app_url == "https://mystack.grafana.net/a/k6-app"


def test_yaml_anchors_and_merges_work(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("poll: {interval: &often 5s, idle_interval: *often}\nruns: {keep: 1, <<: {keep: 2}}")

    config, _ = load(file, TOKEN, {})

    assert (config.poll.interval, config.poll.idle_interval, config.runs.keep) == (5, 5, 1)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("POLL__INTERVALL", "there is no such setting; did you mean K6_CLOUD_EXPORTER_POLL__INTERVAL?"),
        ("POLL_INTERVAL", "there is no such setting; did you mean K6_CLOUD_EXPORTER_POLL__INTERVAL?"),
        ("POLL__STALE__AFTER", "there is no such setting; did you mean K6_CLOUD_EXPORTER_POLL__STALE_AFTER?"),
        (
            "WEB_LISTEN_ADDRESS",
            "there is no such setting; did you mean K6_CLOUD_EXPORTER_WEB__LISTEN_ADDRESS?",
        ),
        ("API__STACK_ID", "there is no such setting; did you mean K6_CLOUD_EXPORTER_API__STACK?"),
        ("APP__URL", "there is no such setting; did you mean K6_CLOUD_EXPORTER_APP_URL?"),
        ("API__TOKEN", "there is no such setting; the token is given as K6_CLOUD_TOKEN"),
        ("API_TOKEN", "there is no such setting; the token is given as K6_CLOUD_TOKEN"),
        ("ZEBRA__STRIPES", "there is no such setting"),
    ],
)
def test_a_variable_of_ours_that_is_no_setting_is_a_mistake(name: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, TOKEN | {ENVIRONMENT + name: "canary"}, {})

    assert caught.value.messages == (f"{ENVIRONMENT}{name}: {sentence}",)


@pytest.mark.parametrize(
    ("written", "shard"),
    [("2", 2), ("k6-cloud-exporter-2", 2), ("a.b-10-3", 3), ("0", 0), ("x-007", 7)],
)
def test_a_shard_is_a_number_or_the_name_of_a_pod_that_ends_in_one(written: str, shard: int) -> None:
    environ = {"K6_CLOUD_EXPORTER_SHARDING__SHARD": written, "K6_CLOUD_EXPORTER_SHARDING__TOTAL": "8"}

    assert load(None, TOKEN | environ, {})[0].sharding.shard == shard


def test_what_kubernetes_and_the_image_put_into_the_environment_is_no_mistake() -> None:
    environ = TOKEN | {
        "K6_CLOUD_EXPORTER_SERVICE_HOST": "10.0.0.7",
        "K6_CLOUD_EXPORTER_SERVICE_PORT": "10565",
        "K6_CLOUD_EXPORTER_SERVICE_PORT_HTTP": "10565",
        "K6_CLOUD_EXPORTER_PORT": "tcp://10.0.0.7:10565",
        "K6_CLOUD_EXPORTER_PORT_10565_TCP": "tcp://10.0.0.7:10565",
        "K6_CLOUD_EXPORTER_PORT_10565_TCP_PROTO": "tcp",
        "K6_CLOUD_EXPORTER_PORT_10565_TCP_PORT": "10565",
        "K6_CLOUD_EXPORTER_PORT_10565_TCP_ADDR": "10.0.0.7",
        "K6_CLOUD_EXPORTER_REVISION": "abc",
        "PATH": "/bin",
    }

    assert load(None, environ, {})[0] == Config()


def test_stack_can_be_set_with_k6s_own_variable() -> None:
    assert load(None, TOKEN | {"K6_CLOUD_STACK_ID": "12"}, {})[0].api.stack == 12
    assert load(None, TOKEN | {"K6_CLOUD_STACK_ID": ""}, {})[0].api.stack is None
    both = {"K6_CLOUD_STACK_ID": "12", "K6_CLOUD_EXPORTER_API__STACK": "13"}
    assert load(None, TOKEN | both, {})[0].api.stack == 13


@pytest.mark.parametrize(
    ("version", "stack", "api_version"),
    [("auto", None, "legacy"), ("auto", 1, "v6"), ("legacy", 1, "legacy"), ("v6", 1, "v6")],
)
def test_auto_version_is_v6_if_a_stack_is_set(version: str, stack: int | None, api_version: str) -> None:
    config = Config.model_validate({"api": {"version": version, "stack": stack}})

    assert config.api.effective_version == api_version


@pytest.mark.parametrize(
    ("written", "tests"),
    [
        ("[{id: 1, name: soak}]", (TestSelector(id=1, name="soak"),)),
        ("- id: 1\n- project: 2\n  include: ^a", (TestSelector(id=1), TestSelector(project=2, include="^a"))),
        ('[{"id": 1}]', (TestSelector(id=1),)),
        ("", ()),
    ],
)
def test_tests_in_the_environment_are_yaml(written: str, tests: tuple[TestSelector, ...]) -> None:
    assert load(None, TOKEN | {"K6_CLOUD_EXPORTER_TESTS": written}, {})[0].tests == tests


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (
            "[{id: 1}",
            "K6_CLOUD_EXPORTER_TESTS: this cannot be read as YAML: "
            "expected ',' or ']', but got '<stream end>' (line 1, column 9)",
        ),
        (
            "[" * 3000,
            "K6_CLOUD_EXPORTER_TESTS: this cannot be read as YAML: "
            "it is nested more than 20 deep (line 1, column 21)",
        ),
        ("1234", 'tests: 1234 stands where a list is expected, such as "[{id: 1234}]"'),
        ("[{id: x}]", 'tests[0].id: "x" is not a whole number; write one like 10'),
        (
            "[{id: 1, id: 2}]",
            "K6_CLOUD_EXPORTER_TESTS: this cannot be read as YAML: id is given twice (line 1, column 10)",
        ),
    ],
)
def test_tests_in_the_environment_that_are_no_list_of_tests_are_told(written: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, TOKEN | {"K6_CLOUD_EXPORTER_TESTS": written}, {})

    assert caught.value.messages == (sentence,)


def test_an_empty_variable_is_a_mistake_and_not_the_default() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, TOKEN | {"K6_CLOUD_EXPORTER_RUNS__KEEP": ""}, {})

    assert caught.value.messages == ('runs.keep: "" is not a whole number; write one like 10',)


@pytest.mark.parametrize("name", NAMES)
def test_each_setting_is_listed_with_help_and_with_a_default_that_can_be_written(name: str) -> None:
    (listed,) = (setting for setting in settings() if setting.name == name)

    assert len(listed.help) > 10
    if listed.default:
        assert alone(name, listed.default) == value(Config(), name)
