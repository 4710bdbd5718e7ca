"""Every setting, defined once: its name, type, bounds, default and help."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from exporter.config import types
from exporter.config.errors import format_loc, walk_settings
from exporter.formatting import format_setting_duration

Seconds = Annotated[float, BeforeValidator(types.parse_duration)]
Integer = Annotated[int, BeforeValidator(types.reject_non_integer)]
FilePath = Annotated[Path, BeforeValidator(types.parse_file_path)]
Url = Annotated[str, BeforeValidator(types.parse_url)]
Regex = Annotated[str, AfterValidator(types.parse_regex)]
ApiUrl = Annotated[str, BeforeValidator(types.parse_api_url)]
Stack = Annotated[int | str, BeforeValidator(types.parse_stack)]
Id = Annotated[int, BeforeValidator(types.parse_id)]
ProjectId = Annotated[int | str, BeforeValidator(types.parse_project)]
Shard = Annotated[int, BeforeValidator(types.parse_shard)]
Addresses = Annotated[tuple[str, ...], BeforeValidator(types.parse_addresses)]
LabelName = Annotated[str, AfterValidator(types.parse_label_name)]
UrlPath = Annotated[str, BeforeValidator(types.parse_path)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(types.parse_log_level)]


APP_PATH = "/a/k6-app"  # of the k6 app in the Grafana of a stack


class Section(BaseModel, extra="forbid", frozen=True):
    """A group of settings. It is immutable, so that a reload can compare and replace it."""


class Api(Section):
    """The k6 Cloud API and the limits on requests to it."""

    version: Literal["auto", "legacy", "v6"] = Field(
        "auto", description="API version; auto selects v6 if api.stack is set, otherwise legacy"
    )
    stack: Stack | None = Field(
        None,
        description="ID, name or URL of the Grafana Cloud stack, for v6; also read from K6_CLOUD_STACK_ID",
    )
    url: ApiUrl = Field("https://api.k6.io", description="base URL of the k6 Cloud REST API")
    token_file: FilePath | None = Field(
        None,
        description="file with the API token, reread when it changes; K6_CLOUD_TOKEN takes precedence",
    )
    ca_file: FilePath | None = Field(
        None, description="PEM file with CA certificates to trust in addition to those of the system"
    )
    timeout: Seconds = Field(10.0, description="timeout of a request")
    concurrency: Integer = Field(10, ge=1, le=100, description="maximum number of concurrent requests")
    requests_per_minute: Integer = Field(
        300, ge=1, le=100_000, description="maximum number of requests in any 60 seconds"
    )

    @model_validator(mode="after")
    def validate_stack(self) -> "Api":
        if self.version == "v6" and self.stack is None:
            raise ValueError(
                "version v6 needs your stack; set K6_CLOUD_STACK_ID or api.stack to "
                f"{types.STACK_EXAMPLES}; {types.WHERE_IS_THE_STACK_ID}"
            )
        return self

    @property
    def effective_version(self) -> Literal["legacy", "v6"]:
        """The API version that requests use."""
        return "v6" if self.version == "v6" or (self.version == "auto" and self.stack) else "legacy"


class TestSelector(Section):
    """One entry of `tests`: a test by its id or name, or tests by project and pattern."""

    id: Id | None = Field(None, ge=1, description="test ID")
    name: str | None = Field(
        None,
        min_length=1,
        description="exact name of a test; with id: an alias of the test, exposed as `test_name`",
    )
    project: ProjectId | None = Field(
        None, description="ID or exact name of a project; selects all its tests"
    )
    include: Regex | None = Field(
        None, description="regular expression (RE2); selects only tests whose name matches"
    )
    exclude: Regex | None = Field(
        None, description="regular expression (RE2); excludes tests whose name matches"
    )

    @model_validator(mode="after")
    def validate_selector(self) -> "TestSelector":
        rules = [key for key in ("project", "include", "exclude") if getattr(self, key) is not None]
        if self.id is not None and rules:
            raise ValueError(f"an ID already selects one test; remove {' and '.join(rules)}, or remove id")
        patterns = [key for key in rules if key != "project"]
        if self.name is not None and patterns:
            raise ValueError(
                f"a name already selects one test; remove {' and '.join(patterns)}, or remove name"
            )
        if self.id is None and self.name is None and not rules:
            raise ValueError("this entry selects no test; add id, name, project, include or exclude")
        return self


class Polling(Section):
    """When requests are sent to k6 Cloud."""

    interval: Seconds = Field(15.0, description="poll interval while a run is active")
    idle_interval: Seconds = Field(60.0, description="poll interval while no run is active")
    discovery_interval: Seconds = Field(300.0, description="test discovery interval")
    stale_after: Seconds = Field(300.0, description="drop series after this long without a successful poll")

    @model_validator(mode="after")
    def validate_stale_after(self) -> "Polling":
        for name, interval in (("interval", self.interval), ("idle_interval", self.idle_interval)):
            if self.stale_after <= interval:
                raise ValueError(
                    f"stale_after ({format_setting_duration(self.stale_after)}) must be longer than "
                    f"{name} ({format_setting_duration(interval)}); otherwise series vanish between polls"
                )
        return self


class Runs(Section):
    """Which finished runs have series. Active runs always have."""

    keep: Integer = Field(3, ge=0, le=1000, description="maximum number of finished runs per test")
    max_age: Seconds = Field(604800.0, description="maximum age of finished runs")


class Metrics(Section):
    """Which metrics are exposed."""

    exclude: tuple[Regex, ...] = Field(
        (),
        max_length=100,
        description="regular expressions; metrics with a matching name are not exposed",
    )
    project_labels: tuple[LabelName, ...] = Field(
        (),
        max_length=10,
        description="labels of projects that become labels of `k6_cloud_project_info` (v6)",
    )

    @field_validator("project_labels")
    @classmethod
    def validate_unique_labels(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise ValueError(f"{', '.join(repeated)} is listed more than once; list each label once")
        return names


class Sharding(Section):
    """The distribution of tests over several processes."""

    shard: Shard = Field(
        0, ge=0, description="shard index, from 0; or a name that ends with it, such as exporter-0"
    )
    total: Integer = Field(1, ge=1, le=1000, description="number of shards")

    @model_validator(mode="after")
    def validate_shard(self) -> "Sharding":
        if self.shard >= self.total:
            raise ValueError(
                f"shard {self.shard} is too large for a total of {self.total}, since shards are numbered "
                "from 0; lower shard, or raise total"
            )
        return self


class Web(Section):
    """The exporter's own web server. Changes require a restart."""

    listen_address: Addresses = Field((":10565",), description="address to listen on; repeatable")
    telemetry_path: UrlPath = Field("/metrics", description="path of the metrics")
    config_file: FilePath | None = Field(
        None,
        description="exporter-toolkit web config file; TLS and basic auth, reread when it changes",
    )
    enable_reload: bool = Field(
        default=True, description="whether POST /-/reload reloads the configuration, as SIGHUP does"
    )
    webhook_secret_file: FilePath | None = Field(
        None, description="file with a secret; POST /webhook/<secret> triggers a poll"
    )


class Log(Section):
    """Log lines on standard error."""

    level: LogLevel = Field("info", description="minimum log level; warn is the same as warning")
    format: Literal["logfmt", "json"] = Field("logfmt", description="log format")


class Config(Section):
    """The whole configuration."""

    api: Api = Api()
    tests: tuple[TestSelector, ...] = Field(
        (), description="tests to watch; if empty, all tests that the token can access"
    )
    poll: Polling = Polling()
    runs: Runs = Runs()
    metrics: Metrics = Metrics()
    sharding: Sharding = Sharding()
    web: Web = Web()
    log: Log = Log()
    app_url: Url = Field(
        "https://app.k6.io",
        description="base URL of links to tests and runs; if api.stack is a name or URL, the k6 app of it",
    )

    @model_validator(mode="after")
    def derive_app_url(self) -> "Config":
        # A stack that is given by its ID has no known URL.
        if "app_url" not in self.model_fields_set and isinstance(self.api.stack, str):
            # The setting is immutable only once it is validated.
            object.__setattr__(self, "app_url", f"{self.api.stack}{APP_PATH}")
        return self

    @field_validator("tests")
    @classmethod
    def validate_unique_ids(cls, tests: tuple[TestSelector, ...]) -> tuple[TestSelector, ...]:
        counts = Counter(entry.id for entry in tests if entry.id is not None)
        repeated = [f"id {id_} is listed {count} times" for id_, count in counts.items() if count > 1]
        if repeated:
            raise ValueError(f"{', '.join(repeated)}; list each ID once")
        return tests


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as `--help` and the documentation show it."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The part of the help that fits beside a flag on a terminal of 80 columns."""
        return self.help.partition(";")[0]


def settings() -> Iterator[Setting]:
    """Every setting, in the order of the file."""
    for loc, field in walk_settings(Config):
        if not isinstance(field.default, Section):
            yield describe_setting(format_loc(loc), field)


def describe_setting(name: str, field: FieldInfo) -> Setting:
    default = "" if field.default in (None, ()) else str(field.default)
    if isinstance(field.default, float):
        default = format_setting_duration(field.default)
    elif isinstance(field.default, tuple):
        default = ",".join(field.default)
    elif isinstance(field.default, bool):
        default = default.lower()
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return Setting(name, default, field.description or "", choices)
