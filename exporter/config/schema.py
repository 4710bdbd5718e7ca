"""Every setting, defined once: its name, type, bounds, default and help."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import model_validator as checked
from pydantic.fields import FieldInfo

from exporter.config.types import (
    WHERE_IS_THE_STACK_ID,
    file_path,
    parse_duration,
    parse_path,
    parse_shard,
    parse_stack,
    regex,
    reject_non_integer,
    socket_address,
    web_address,
)
from exporter.formatting import format_setting_duration, quote_value

Seconds = Annotated[float, BeforeValidator(parse_duration)]
Whole = Annotated[int, BeforeValidator(reject_non_integer)]
FilePath = Annotated[Path, BeforeValidator(file_path)]
WebAddress = Annotated[str, BeforeValidator(web_address)]
Regex = Annotated[str, AfterValidator(regex)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Api(Section):
    """k6 Cloud, and how it is asked."""

    version: Literal["auto", "legacy", "v6"] = Field(
        "auto", description="generation of the API; auto is v6 if there is a stack id, else legacy"
    )
    stack: Annotated[int, BeforeValidator(parse_stack)] | None = Field(
        None, ge=1, description="id of the Grafana Cloud stack, for v6; also taken from K6_CLOUD_STACK_ID"
    )
    url: WebAddress = Field("https://api.k6.io", description="where the k6 Cloud REST API answers")
    token_file: FilePath | None = Field(
        None,
        description="file that holds the API token, read again when it changes; K6_CLOUD_TOKEN goes first",
    )
    timeout: Seconds = Field(10.0, description="longest wait for one answer")
    concurrency: Whole = Field(10, ge=1, le=100, description="most requests under way at once")
    requests_per_minute: Whole = Field(300, ge=1, le=100_000, description="most requests in any 60 seconds")

    @checked(mode="after")
    def validate_stack(self) -> "Api":
        if self.version == "v6" and self.stack is None:
            raise ValueError(
                "api.version v6 needs the id of your stack: set K6_CLOUD_STACK_ID or api.stack; "
                f"{WHERE_IS_THE_STACK_ID}"
            )
        return self

    @property
    def effective_version(self) -> Literal["legacy", "v6"]:
        """The generation that is asked."""
        return "v6" if self.version == "v6" or (self.version == "auto" and self.stack) else "legacy"


class TestSelector(Section):
    """One entry of `tests`: a test by its id, or tests by project and name."""

    id: Whole | None = Field(None, ge=1, description="a test by its id")
    name: str | None = Field(None, min_length=1, description="alias of this test, used for `test_name`")
    project: Whole | None = Field(None, ge=1, description="all tests of a project")
    include: Regex | None = Field(None, description="regular expression: only tests whose name matches")
    exclude: Regex | None = Field(None, description="regular expression: no tests whose name matches")

    @checked(mode="after")
    def validate_selector(self) -> "TestSelector":
        by_rule = [key for key in ("project", "include", "exclude") if getattr(self, key) is not None]
        if self.id is not None and by_rule:
            raise ValueError(f"an id says which test is meant; remove {' and '.join(by_rule)}, or the id")
        if self.id is None and self.name is not None:
            raise ValueError(
                f"an alias is for one test; add the id of {quote_value(self.name)}, or remove the name"
            )
        if self.id is None and not by_rule:
            raise ValueError("this names no test; give it an id, a project, include or exclude")
        return self


class Polling(Section):
    """When k6 Cloud is asked."""

    interval: Seconds = Field(15.0, description="time between polls while a watched run moves")
    idle_interval: Seconds = Field(60.0, description="time between polls while none moves")
    discovery_interval: Seconds = Field(300.0, description="time between looks at which tests there are")
    stale_after: Seconds = Field(
        300.0, description="series are withdrawn when nothing was learnt for so long"
    )

    @checked(mode="after")
    def validate_stale_after(self) -> "Polling":
        longest = max(self.interval, self.idle_interval)
        if self.stale_after <= longest:
            raise ValueError(
                f"stale_after ({format_setting_duration(self.stale_after)}) must be longer than "
                "interval and idle_interval "
                f"({format_setting_duration(longest)}), or series vanish between polls"
            )
        return self


class Runs(Section):
    """Which runs are told one by one, besides all that move."""

    keep: Whole = Field(3, ge=0, le=1000, description="most finished runs of each test")
    max_age: Seconds = Field(604800.0, description="age beyond which a finished run is left out")


class Sharding(Section):
    """Several processes that share the tests among them."""

    shard: Annotated[int, BeforeValidator(parse_shard)] = Field(
        0, ge=0, description="which of the processes this is, from 0; or a name that ends so, like a pod's"
    )
    total: Whole = Field(1, ge=1, le=1000, description="processes among which the tests are shared")

    @checked(mode="after")
    def validate_shard(self) -> "Sharding":
        if self.shard >= self.total:
            raise ValueError(
                f"of {self.total} shards the last is {self.total - 1}, and this is {self.shard}; "
                "set shard lower, or total higher"
            )
        return self


class Web(Section):
    """What the exporter serves."""

    listen_address: Annotated[str, BeforeValidator(socket_address)] = Field(
        ":10565", description="address to listen on"
    )
    telemetry_path: Annotated[str, BeforeValidator(parse_path)] = Field(
        "/metrics", description="path of the metrics"
    )
    config_file: FilePath | None = Field(
        None,
        description="file with TLS, users and headers, as of exporter-toolkit; read again when it changes",
    )
    enable_reload: bool = Field(
        default=True,
        description="whether POST /-/reload reads the configuration again, as SIGHUP does",
    )
    webhook_secret_file: FilePath | None = Field(
        None,
        description="file that holds a secret; POST /webhook/<secret> is a hint to poll at once",
    )


class Log(Section):
    """What the exporter logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least level that is logged"
    )
    format: Literal["logfmt", "json"] = Field("logfmt", description="form of a line")


class Config(Section):
    api: Api = Api()
    tests: tuple[TestSelector, ...] = Field(
        (), description="tests to watch; none: all that the token can see"
    )
    poll: Polling = Polling()
    runs: Runs = Runs()
    sharding: Sharding = Sharding()
    web: Web = Web()
    log: Log = Log()
    app_url: WebAddress = Field(
        "https://app.k6.io", description="where links to tests and runs lead: the k6 app of your stack"
    )

    @checked(mode="after")
    def validate_unique_ids(self) -> "Config":
        times = Counter(entry.id for entry in self.tests if entry.id is not None)
        often = [f"id {id_} is listed {count} times" for id_, count in times.items() if count > 1]
        if often:
            raise ValueError(f"tests: {', '.join(often)}; once is enough")
        return self


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as the documents list it."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...] = ()


def settings() -> Iterator[Setting]:
    """Every setting there is, in the order of the file."""
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            yield from (setting(f"{name}.{key}", inner) for key, inner in section.model_fields.items())
        else:
            yield setting(name, field)


def setting(name: str, field: FieldInfo) -> Setting:
    default = field.default
    if default in (None, ()):
        default = ""
    elif isinstance(default, float):
        default = format_setting_duration(default)
    elif isinstance(default, bool):
        default = str(default).lower()
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return Setting(name, str(default), field.description or "", choices)
