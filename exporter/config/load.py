"""Loads the configuration. Precedence: flags, then environment variables, then the file, then defaults.

All errors are reported at once. Each names what to change: the flag, the variable, or file and setting.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.config.errors import ConfigError, Loc, drop_nulls, find_similar, format_error, format_loc
from exporter.config.schema import Config, settings
from exporter.config.types import parse_file_path
from exporter.credentials import Secret, SecretError, WebhookSecret
from exporter.files import read_file
from exporter.formatting import escape_unprintable, quote_value

ENVIRONMENT = "K6_CLOUD_EXPORTER_"
TOKEN_VARIABLE = "K6_CLOUD_TOKEN"  # noqa: S105 (the name of a variable)
STACK_VARIABLE = "K6_CLOUD_STACK_ID"  # as k6 spells it
# Variables that many would expect, and those to set instead. Not every name: Kubernetes adds others.
EXPECTED_VARIABLES = {
    "TOKEN": TOKEN_VARIABLE,
    "API_TOKEN": TOKEN_VARIABLE,
    "TOKEN_FILE": "K6_CLOUD_EXPORTER_API__TOKEN_FILE",
    "STACK": STACK_VARIABLE,
    "STACK_ID": STACK_VARIABLE,
    "STACK_URL": STACK_VARIABLE,
    "API_STACK_ID": STACK_VARIABLE,
    "URL": "K6_CLOUD_EXPORTER_API__URL",
    "TEST": "K6_CLOUD_EXPORTER_TESTS",
    "TEST_ID": "K6_CLOUD_EXPORTER_TESTS",
    "TEST_IDS": "K6_CLOUD_EXPORTER_TESTS",
    "PROJECT": "K6_CLOUD_EXPORTER_TESTS",
    "PROJECT_ID": "K6_CLOUD_EXPORTER_TESTS",
    "INTERVAL": "K6_CLOUD_EXPORTER_POLL__INTERVAL",
    "LISTEN_ADDRESS": "K6_CLOUD_EXPORTER_WEB__LISTEN_ADDRESS",
}
MISSING_CREDENTIALS = (
    "no API token: set K6_CLOUD_TOKEN, or set api.token_file to a file that contains the token; "
    "create one in Grafana Cloud under Testing & synthetics, Performance, Settings, Access"
)

# PyYAML is recursive. Without a bound of our own, the interpreter would decide which files can be read.
MAX_NESTING = 20  # levels; no setting needs more than five

MERGE, TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"

SENTENCES = {"tuple_type": '{shown} is not a list; write one like "[{example}]"'}
FILE_EXAMPLE = "poll: {interval: 15s}"
EXAMPLES = {
    "api": "timeout: 10s",
    "poll": "interval: 15s",
    "runs": "keep: 3",
    "metrics": "project_labels: [team]",
    "exclude": "k6_cloud_run_.*",
    "project_labels": "team",
    "sharding": "total: 4",
    "web": "telemetry_path: /metrics",
    "log": "level: info",
    "tests": "{id: 1234}",
}
HINTS = {"token": "the token cannot be set here; set K6_CLOUD_TOKEN or api.token_file"}
# Settings that are lists. Their variables have the same YAML as the file.
YAML_SETTINGS = ("tests", "metrics.exclude", "metrics.project_labels")
# Flags that are not spelled like their settings.
FLAGS = {
    "sharding.shard": "--shard",
    "sharding.total": "--total-shards",
    "web.config_file": "--web.config.file",
}

Tree = dict[str, Any]


class ConfigLoader:
    """Loads the configuration at each call: at the start, and again for each reload.

    A file without settings is accepted only until it has had some. Later it is more often an editor or a
    disk that has failed, and would select all tests of the token.
    """

    def __init__(self, file: Path | None, environ: Mapping[str, str], flags: Tree) -> None:
        self._file = file
        self._environ = environ
        self._flags = flags
        self._had_settings = False

    def __call__(self) -> tuple[Config, Secret]:
        """The configuration and the token. Raises ConfigError."""
        # Many tools write an unset variable as an empty one.
        environ = {name: value for name, value in self._environ.items() if value}
        environment, messages = read_environment(environ)
        try:
            tree = self._load_file(self._file) if self._file else {}
        except ConfigError as error:
            raise ConfigError([*error.messages, *messages]) from error
        loaded = validate(self._file, environ, (self._flags, environment, tree), messages)
        self._had_settings = bool(tree)
        return loaded

    def _load_file(self, file: Path) -> Tree:
        tree = load_yaml(file, Config, named_by="--config.file", example=FILE_EXAMPLE)
        if self._had_settings and not tree:
            raise ConfigError([f"{file}: the file no longer contains any settings; restart to apply that"])
        return tree


def load(file: Path | None, environ: Mapping[str, str], flags: Tree) -> tuple[Config, Secret]:
    """The configuration and the token; `flags` is a tree like the file's. Raises ConfigError."""
    return ConfigLoader(file, environ, flags)()


def validate(
    file: Path | None, environ: Mapping[str, str], trees: Sequence[Tree], messages: list[str]
) -> tuple[Config, Secret]:
    """The configuration and the token from the trees of flags, environment and file.

    Raises ConfigError with `messages` and all errors in the trees.
    """
    flags, environment, tree = trees
    stack_variable = STACK_VARIABLE if variable("api.stack") not in environ else variable("api.stack")
    if "tests" in flags:
        configured = (tree | environment).get("tests")
        flags = flags | {"tests": resolve_aliases(flags["tests"], configured, messages)}
        trees = (flags, environment, tree)
    merged = deep_merge(deep_merge(tree, environment), flags)
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        config = None
        messages += [describe_error(details, file, trees, stack_variable) for details in error.errors()]
    token, problems = find_token(merged, environ)
    messages += problems
    if config and config.web.webhook_secret_file:
        messages += secret_problems(WebhookSecret(path=config.web.webhook_secret_file))
    if messages or config is None:
        raise ConfigError(messages)
    return config, token


def resolve_aliases(entries: Sequence[Tree], configured: object, messages: list[str]) -> list[Tree]:
    """The tests of flags; in place of an alias the test that is configured under it."""
    # What is configured is not validated: flags replace it.
    listed = (
        [entry for entry in configured if isinstance(entry, dict)] if isinstance(configured, list) else []
    )
    resolved = []
    for entry in entries:
        name = entry.get("name")
        aliases = [
            other for other in listed if name is not None and "id" in other and other.get("name") == name
        ]
        if len(aliases) > 1:
            ids = ", ".join(str(other["id"]) for other in aliases)
            messages.append(
                f"--test: {quote_value(name)} is an alias of several tests: {ids}; write the ID of one"
            )
        resolved.append(aliases[0] if aliases else entry)
    return resolved


def describe_error(error: ErrorDetails, file: Path | None, trees: Sequence[Tree], stack_variable: str) -> str:
    """An error that names what the user has to change; `trees` are those of flags, environment and file."""
    message = format_error(error, Config, sentences=SENTENCES, examples=EXAMPLES, hints=HINTS)
    _, environment, tree = trees
    loc = error["loc"]
    place = format_loc(loc)
    setting = "tests" if loc[0] == "tests" else place
    is_section = setting in EXAMPLES and setting != "tests"
    if is_section and error["type"] == "model_type":
        return f"{file}: {message}"  # variables and flags cannot have anything but settings in a section
    found = [source for source in trees if has_setting(source, loc)]
    if not found or (is_section and found != [tree]):
        return message  # settings of several sources contradict each other; the message names them
    if found[0] is tree:
        return f"{file}: {message}"
    if found[0] is environment:
        name = stack_variable if setting == "api.stack" else variable(setting)
        return f"{name}: {message.removeprefix(f'{setting}: ')}"
    if setting == "tests":
        setting = "project" if loc[-1] == "project" else "test"
    return flag(setting) + message.removeprefix(place)


def has_setting(tree: Tree, loc: Loc) -> bool:
    """Whether a tree contains the setting at this place; `tests` comes from one source as a whole."""
    section = tree.get(str(loc[0]))
    return loc[1] in section if len(loc) > 1 and isinstance(section, dict) else loc[0] in tree


def flag(setting: str) -> str:
    """The command-line flag of a setting."""
    return FLAGS.get(setting, "--" + setting.replace("_", "-"))


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT + setting.replace(".", "__").upper()


def load_yaml(file: Path, model: type[BaseModel], *, named_by: str, example: str) -> Tree:
    """The settings in a YAML file, without those that are null; none if it is empty. Raises ConfigError."""
    try:
        tree = parse_yaml(read_file(file, accepts_pipe=True).decode("utf-8"), str(file))
    except OSError as error:
        raise ConfigError([f"{named_by}: cannot read {file}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not UTF-8 text"]) from error
    if not isinstance(tree, dict | NoneType):
        raise ConfigError([f'{file}: the file contains no settings; write for example "{example}"'])
    return drop_nulls(tree or {}, model)


def parse_yaml(text: str, source: str) -> Any:
    """The value in a YAML text. Raises ConfigError, which names the source of the text."""
    try:
        return yaml.load(text, Loader=StrictLoader)  # noqa: S506 (a SafeLoader)
    except yaml.reader.ReaderError as error:
        problem = f"contains the character U+{error.character:04X}"
    except yaml.MarkedYAMLError as error:
        problem, mark = str(error.problem), error.problem_mark
        if problem.startswith("but "):
            problem = f"{error.context} {problem}"
        # The position, but not the line itself, which may contain a secret.
        position = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        problem = escape_unprintable(problem) + position
    raise ConfigError([f"{source}: invalid YAML: {problem}"])


class StrictLoader(yaml.SafeLoader):
    """YAML that rejects duplicate keys and reads every key as text."""

    nesting = 0  # of the value that is being read

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        with self._nested(self.peek_event().start_mark):  # type: ignore[no-untyped-call]
            return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve `<<`, whose value may contain another `<<`."""
        with self._nested(node.start_mark):
            super().flatten_mapping(node)

    @contextmanager
    def _nested(self, mark: yaml.Mark) -> Iterator[None]:
        if self.nesting >= MAX_NESTING:
            problem = f"nested more than {MAX_NESTING} levels deep"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        self.nesting += 1
        yield
        self.nesting -= 1  # not after an error, which ends the loading

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        # PyYAML rejects other nodes, such as `!!map text`.
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        names: set[str] = set()
        for key in [key for key, _ in pairs if isinstance(key, yaml.ScalarNode) and key.tag != MERGE]:
            if key.value in names:
                problem = f"{escape_unprintable(key.value)} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            names.add(key.value)
            key.tag = TEXT  # otherwise `on` would be a boolean, and 2026-01-01 a date
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # PyYAML takes 2026-13-45 for a date and fails to convert it.
            problem = f"{quote_value(node.value)} is ambiguous YAML; put it in quotation marks"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error


def read_environment(environ: Mapping[str, str]) -> tuple[Tree, list[str]]:
    """Settings from variables such as K6_CLOUD_EXPORTER_POLL__INTERVAL, and errors in their names.

    Kubernetes adds variables with the same prefix to every pod if a service has our name, such as
    K6_CLOUD_EXPORTER_PORT. So an unknown variable is an error only if it has a double underscore, or would be
    a setting with one.
    """
    known = {variable(setting.name): setting.name for setting in settings()}
    misspelled = {name.replace("__", "_") for name in known} | {ENVIRONMENT + it for it in EXPECTED_VARIABLES}
    tree: Tree = {"api": {"stack": environ[STACK_VARIABLE]}} if STACK_VARIABLE in environ else {}
    messages: list[str] = []
    for name in sorted(name for name in environ if name.startswith(ENVIRONMENT)):
        if name in known:
            *sections, key = known[name].split(".")
            try:
                value = parse_yaml(environ[name], name) if known[name] in YAML_SETTINGS else environ[name]
            except ConfigError as error:
                messages += error.messages
            else:
                tree = deep_merge(tree, {sections[0]: {key: value}} if sections else {key: value})
        elif "__" in name or name in misspelled:
            messages.append(describe_unknown_variable(name))
    return tree, messages


def describe_unknown_variable(name: str) -> str:
    words = name.removeprefix(ENVIRONMENT).upper()
    if expected := EXPECTED_VARIABLES.get(words.replace("__", "_")):
        return f"{name}: there is no such setting; set {expected}"
    known = [variable(setting.name).removeprefix(ENVIRONMENT) for setting in settings()]
    similar = find_similar(words, known)
    hint = f"; did you mean {ENVIRONMENT}{similar}?" if similar else ""
    return f"{name}: there is no such setting{hint}"


def deep_merge(base: Tree, override: Tree) -> Tree:
    """Both trees; where both have a value, the one of `override`. Lists are not merged.

    What should be a section in `base` but is not stays, so that it is rejected.
    """
    tree = dict(base)
    for key, value in override.items():
        if not isinstance(value, dict) or key not in tree:
            tree[key] = value
        elif isinstance(tree[key], dict):
            tree[key] = deep_merge(tree[key], value)
    return tree


def find_token(tree: Tree, environ: Mapping[str, str]) -> tuple[Secret, list[str]]:
    """The token, and problems with it, unless the validation of settings reports them already."""
    api = tree.get("api")
    path = api.get("token_file") if isinstance(api, dict) else None
    token = Secret(environ.get(TOKEN_VARIABLE))
    if not environ.get(TOKEN_VARIABLE):
        if path is None:
            return token, [MISSING_CREDENTIALS]
        try:
            token = Secret(path=Path(parse_file_path(path)))
        except ValueError:
            return token, []
    return token, secret_problems(token)


def secret_problems(secret: Secret) -> list[str]:
    try:
        secret.read()
    except SecretError as error:
        return [str(error)]
    return []
