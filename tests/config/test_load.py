"""Loading the configuration from a file, environment variables and flags, and their precedence."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import ENVIRONMENT, Config, ConfigError, TestSelector, load, settings

TOKEN = {"K6_CLOUD_TOKEN": "secret"}

SECRETS = Path(__file__).with_name("secrets")

# Three valid values of each setting: for the file, the environment and a flag. Each differs from the next,
# and the first from the default.
VALUES: dict[str, tuple[str, str, str]] = {
    "api.version": ("legacy", "auto", "legacy"),
    "api.stack": ("1", "2", "3"),
    "api.url": ("https://file.test", "https://environment.test", "https://flag.test"),
    "api.token_file": ("/file", "/environment", "/flag"),
    "api.ca_file": ("/file", "/environment", "/flag"),
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
    "metrics.exclude": ("[file.*]", "[environment.*]", "[flag.*]"),
    "metrics.project_labels": ("[file]", "[environment]", "[flag]"),
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
# Other settings of the section without which the value is not valid.
NEEDED: dict[str, dict[str, Any]] = {"sharding.shard": {"total": 4}}


def tree(name: str, value: Any) -> dict[str, Any]:
    *sections, key = name.split(".")
    return {sections[0]: NEEDED.get(name, {}) | {key: value}} if sections else {key: value}


def value(config: Config, name: str) -> Any:
    found: Any = config
    for key in name.split("."):
        found = getattr(found, key)
    return found


def parse_alone(name: str, text: str) -> Any:
    """The value of a setting if it is the only one that is set."""
    return value(Config.model_validate(tree(name, yaml.safe_load(text))), name)


def load_value(file: Path, name: str, *, environment: str | None = None, flag: str | None = None) -> Any:
    variable = ENVIRONMENT + name.upper().replace(".", "__")
    environ = TOKEN | ({variable: environment} if environment else {})
    config, _ = load(file, environ, tree(name, yaml.safe_load(flag)) if flag else {})
    return value(config, name)


@pytest.mark.parametrize("name", NAMES)
def test_flag_overrides_variable_overrides_file(name: str, tmp_path: Path) -> None:
    in_file, in_environment, in_flag = VALUES[name]
    file, empty = tmp_path / "config.yaml", tmp_path / "empty.yaml"
    file.write_text(yaml.safe_dump(tree(name, yaml.safe_load(in_file))))
    empty.write_text("")

    assert load_value(empty, name) == value(Config(), name)
    assert load_value(file, name) == parse_alone(name, in_file) != value(Config(), name)
    assert (
        load_value(file, name, environment=in_environment)
        == parse_alone(name, in_environment)
        != parse_alone(name, in_file)
    )
    assert load_value(file, name, environment=in_environment, flag=in_flag) == parse_alone(name, in_flag)
    assert parse_alone(name, in_flag) != parse_alone(name, in_environment)


@pytest.mark.parametrize("value", [[":1", "[::1]:2"], (":1", "[::1]:2"), ":1,[::1]:2"])
def test_listen_addresses_are_a_list_or_one_text(value: object) -> None:
    config = Config.model_validate({"web": {"listen_address": value}})

    assert config.web.listen_address == (":1", "[::1]:2")


def test_section_can_come_from_all_sources(tmp_path: Path) -> None:
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
def test_empty_or_commented_setting_is_the_default(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)

    assert load(file, TOKEN, {})[0] == Config()


def test_defaults_apply_without_a_file() -> None:
    assert load(None, TOKEN, {})[0] == Config()


def test_valid_file_is_loaded(tmp_path: Path) -> None:
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
    assert (config.web.listen_address, config.web.telemetry_path) == (("[::1]:9000",), "/k6/metrics")
    assert config.app_url == "https://mystack.grafana.net/a/k6-app"


def test_yaml_anchors_and_merges_work(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("poll: {interval: &often 5s, idle_interval: *often}\nruns: {keep: 1, <<: {keep: 2}}")

    config, _ = load(file, TOKEN, {})

    assert (config.poll.interval, config.poll.idle_interval, config.runs.keep) == (5, 5, 1)


@pytest.mark.parametrize("name", NAMES)
def test_empty_variable_is_as_not_set(name: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(tree(name, yaml.safe_load(VALUES[name][0]))))
    environ = TOKEN | {ENVIRONMENT + name.upper().replace(".", "__"): ""}

    assert load(file, environ, {})[0] == load(file, TOKEN, {})[0] != Config()


def test_empty_variable_of_no_setting_is_ignored() -> None:
    assert load(None, TOKEN | {"K6_CLOUD_EXPORTER_POLL__INTERVALL": ""}, {})[0] == Config()


@pytest.mark.parametrize(
    ("text", "shard"),
    [("2", 2), ("k6-cloud-exporter-2", 2), ("a.b-10-3", 3), ("0", 0), ("x-007", 7)],
)
def test_shard_is_a_number_or_a_pod_name(text: str, shard: int) -> None:
    environ = {"K6_CLOUD_EXPORTER_SHARDING__SHARD": text, "K6_CLOUD_EXPORTER_SHARDING__TOTAL": "8"}

    assert load(None, TOKEN | environ, {})[0].sharding.shard == shard


def test_variables_of_kubernetes_and_image_are_ignored() -> None:
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
    ("text", "tests"),
    [
        ("[{id: 1, name: soak}]", (TestSelector(id=1, name="soak"),)),
        ("- id: 1\n- project: 2\n  include: ^a", (TestSelector(id=1), TestSelector(project=2, include="^a"))),
        ('[{"id": 1}]', (TestSelector(id=1),)),
        ("[]", ()),
    ],
)
def test_variable_for_tests_is_yaml(text: str, tests: tuple[TestSelector, ...]) -> None:
    assert load(None, TOKEN | {"K6_CLOUD_EXPORTER_TESTS": text}, {})[0].tests == tests


@pytest.mark.parametrize("name", NAMES)
def test_each_setting_has_help_and_a_valid_default(name: str) -> None:
    (setting,) = (one for one in settings() if one.name == name)

    assert len(setting.help) >= 7
    if setting.default:
        assert parse_alone(name, setting.default) == value(Config(), name)


@pytest.mark.parametrize(
    ("value", "stack"),
    [
        (12, 12),
        ("12", 12),
        (" 12 ", 12),
        (12.0, 12),
        (2**31 - 1, 2**31 - 1),
        ("mystack", "https://mystack.grafana.net"),
        ("MyStack", "https://mystack.grafana.net"),
        ("my-stack-2", "https://my-stack-2.grafana.net"),
        ("2nd", "https://2nd.grafana.net"),
        ("mystack.grafana.net", "https://mystack.grafana.net"),
        ("https://mystack.grafana.net/", "https://mystack.grafana.net"),
        ("https://mystack.grafana.net/a/k6-app/runs/1", "https://mystack.grafana.net"),
        ("http://mystack.grafana.net", "https://mystack.grafana.net"),
        ("https://k6.example.com", "https://k6.example.com"),
    ],
)
def test_stack_is_an_id_a_name_or_a_url(value: object, stack: int | str) -> None:
    config = Config.model_validate({"api": {"stack": value}})

    assert config.api.stack == stack
    assert config.api.effective_version == "v6"


def test_variable_for_the_stack_takes_a_url() -> None:
    config, _ = load(None, TOKEN | {"K6_CLOUD_STACK_ID": "https://mystack.grafana.net"}, {})

    assert config.api.stack == "https://mystack.grafana.net"


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://api.k6.io/cloud/v6", "https://api.k6.io"),
        ("https://api.k6.io/cloud/v6/", "https://api.k6.io"),
        ("https://api.k6.io/cloud/v5", "https://api.k6.io"),
        ("https://api.k6.io/loadtests/v2", "https://api.k6.io"),
        ("https://api.k6.io/v3/", "https://api.k6.io"),
        ("https://proxy.test/k6/cloud/v6", "https://proxy.test/k6"),
        ("https://proxy.test/k6", "https://proxy.test/k6"),
        ("https://proxy.test/cloud", "https://proxy.test/cloud"),
        ("https://proxy.test/v3/k6", "https://proxy.test/v3/k6"),
        ("https://cloud.test", "https://cloud.test"),
    ],
)
def test_path_of_an_api_is_removed_from_its_url(value: str, url: str) -> None:
    assert Config.model_validate({"api": {"url": value}}).api.url == url


def test_log_level_warn_is_warning() -> None:
    assert parse_alone("log.level", "warn") == "warning"


def test_flag_takes_an_alias_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("tests: [{id: 1, name: soak}, {id: 2, name: twice}, {id: 3, name: twice}, {name: login}]")

    config, _ = load(file, TOKEN, {"tests": [{"name": "soak"}, {"name": "login"}, {"id": "4"}]})

    assert [(entry.id, entry.name) for entry in config.tests] == [(1, "soak"), (None, "login"), (4, None)]
    with pytest.raises(ConfigError, match="2, 3"):
        load(file, TOKEN, {"tests": [{"name": "twice"}]})


@pytest.mark.parametrize("stack", ["mystack", "https://mystack.grafana.net/", "mystack.grafana.net"])
def test_app_url_is_that_of_a_named_stack(stack: str) -> None:
    config = Config.model_validate({"api": {"stack": stack}})

    assert config.app_url == "https://mystack.grafana.net/a/k6-app"
    # A reload compares configurations.
    assert config == Config.model_validate({"api": {"stack": stack}})
    assert config != Config.model_validate({"api": {"stack": stack}, "app_url": "https://app.k6.io"})


@pytest.mark.parametrize("api", [{}, {"stack": 12345}])
def test_app_url_has_a_default_without_a_named_stack(api: dict[str, int]) -> None:
    assert Config.model_validate({"api": api}).app_url == "https://app.k6.io"


def test_configured_app_url_replaces_that_of_the_stack() -> None:
    tree = {"api": {"stack": "mystack"}, "app_url": "https://app.k6.io"}

    assert Config.model_validate(tree).app_url == "https://app.k6.io"
