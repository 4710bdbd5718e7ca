"""Loads the configuration. Precedence: flags, then environment variables, then the file, then defaults.

All errors are reported at once. Each names what to change: the flag, the variable, or file and setting.
"""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.config.errors import ConfigError, Loc, closest_setting, drop_nulls, format_error, format_loc
from exporter.config.schema import Config, settings
from exporter.config.types import parse_file_path
from exporter.credentials import Secret, SecretError, WebhookSecret
from exporter.formatting import escape_unprintable, quote_value

ENVIRONMENT = "K6_CLOUD_EXPORTER_"
TOKEN_VARIABLE = "K6_CLOUD_TOKEN"  # noqa: S105 (the name of a variable)
STACK_VARIABLE = "K6_CLOUD_STACK_ID"  # as k6 spells it
MISSING_CREDENTIALS = (
    "no API token: set K6_CLOUD_TOKEN, or set api.token_file to a file that contains the token; "
    "create one in Grafana Cloud under Testing & synthetics, Performance, Settings, Access"
)

MAX_PROBLEM_LENGTH = 200  # characters of a YAML parser's message
# PyYAML is recursive. Without a bound of our own, the interpreter would decide which files can be read.
MAX_NESTING = 20  # levels; no setting needs more than five

MERGE, TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"

SENTENCES = {"tuple_type": '{shown} is not a list; write one like "[{{id: 1234}}]"'}
EXAMPLES = {
    "api": "timeout: 10s",
    "poll": "interval: 15s",
    "runs": "keep: 3",
    "sharding": "total: 4",
    "web": "telemetry_path: /metrics",
    "log": "level: info",
    "tests": "id: 1234",
}
HINTS = {"token": "the token cannot be set here; set K6_CLOUD_TOKEN or api.token_file"}
# Flags that are not spelled like their settings.
FLAGS = {
    "sharding.shard": "--shard",
    "sharding.total": "--total-shards",
    "web.config_file": "--web.config.file",
}

Tree = dict[str, Any]


def load(file: Path | None, environ: Mapping[str, str], flags: Tree) -> tuple[Config, Secret]:
    """The configuration and the token; `flags` is a tree like the file's. Raises ConfigError."""
    environment, messages = read_environment(environ)
    try:
        tree = read_file(file) if file else {}
    except ConfigError as error:
        raise ConfigError([*error.messages, *messages]) from error
    sources = Sources(flags, environment, tree, file, is_k6_stack=variable("api.stack") not in environ)
    merged = deep_merge(deep_merge(tree, environment), flags)
    try:
        config = Config.model_validate(merged)
    except ValidationError as error:
        config = None
        messages += [sources.format_error(details) for details in error.errors()]
    token, problem = find_token(merged, environ)
    messages += [problem] if problem else []
    if config and config.web.webhook_secret_file:
        messages += secret_problems(WebhookSecret(config.web.webhook_secret_file))
    if messages or config is None:
        raise ConfigError(messages)
    return config, token


@dataclass(frozen=True, slots=True)
class Sources:
    """Where settings come from, to name in an error what the user has to change."""

    flags: Tree
    environment: Tree
    tree: Tree
    file: Path | None
    is_k6_stack: bool  # whether the stack comes from K6_CLOUD_STACK_ID, not from the exporter's own variable

    def format_error(self, error: ErrorDetails) -> str:
        message = format_error(error, Config, sentences=SENTENCES, examples=EXAMPLES, hints=HINTS)
        loc = error["loc"]
        place = format_loc(loc)
        setting = "tests" if loc[:1] == ("tests",) else place
        is_section = setting in EXAMPLES and setting != "tests"
        found = [tree for tree in (self.flags, self.environment, self.tree) if has_setting(tree, loc)]
        if not found or (is_section and found != [self.tree]):
            return message  # settings of several sources contradict each other; the message names them
        if found[0] is self.tree:
            return f"{self.file}: {message}"
        if found[0] is self.environment:
            is_k6_stack = setting == "api.stack" and self.is_k6_stack
            name = STACK_VARIABLE if is_k6_stack else variable(setting)
            return f"{name}: {message.removeprefix(f'{setting}: ')}"
        if setting == "tests":
            setting = "project" if loc[-1] == "project" else "test"
        return flag(setting) + message.removeprefix(place)


def has_setting(tree: Tree, loc: Loc) -> bool:
    """Whether a tree contains the setting at this place; `tests` comes from one source as a whole."""
    if loc[:1] == ("tests",):
        return "tests" in tree
    value: Any = tree
    for key in loc:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def flag(setting: str) -> str:
    """The command-line flag of a setting."""
    return FLAGS.get(setting, "--" + setting.replace("_", "-"))


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT + setting.replace(".", "__").upper()


def read_file(file: Path) -> Tree:
    """The settings in a file. Raises ConfigError."""
    return drop_nulls(load_yaml(file, named_by="--config.file", example="poll: {interval: 15s}"), Config)


def load_yaml(file: Path, *, named_by: str, example: str) -> Tree:
    """The mapping in a YAML file; empty for an empty file. Raises ConfigError."""
    try:
        tree = yaml.load(file.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise ConfigError([f"{named_by}: cannot read {file}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: not UTF-8 text"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}: invalid YAML: {describe_yaml_error(error)}"]) from error
    if not isinstance(tree, dict | NoneType):
        raise ConfigError([f'{file}: no settings; write some like "{example}"'])
    return tree or {}


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
            raise yaml.composer.ComposerError(None, None, f"nested more than {MAX_NESTING} levels deep", mark)
        self.nesting += 1
        try:
            yield
        finally:
            self.nesting -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected a mapping", node.start_mark)
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.tag != MERGE]
        names: set[str] = set()
        for key in keys:
            if key.value in names:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{escape_unprintable(key.value)} is given twice", key.start_mark
                )
            names.add(key.value)
            key.tag = TEXT  # otherwise `on` would be a boolean, and 2026-01-01 a date
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # PyYAML takes 2026-13-45 for a date and fails to convert it.
            problem = f"{quote_value(node.value)} is ambiguous YAML; put it in quotation marks"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def describe_yaml_error(error: yaml.YAMLError) -> str:
    """The problem and its position, but not the line itself, which may contain a secret."""
    match error:
        case yaml.reader.ReaderError():
            return f"contains the character U+{error.character:04X}"
        case yaml.MarkedYAMLError(problem=str(problem), problem_mark=yaml.Mark(line=line, column=column)):
            if problem.startswith("but ") and error.context:
                problem = f"{error.context} {problem}"
            problem = " ".join(problem.split())  # one line, though a tag or an anchor in it may not be
            problem = problem if len(problem) <= MAX_PROBLEM_LENGTH else problem[:MAX_PROBLEM_LENGTH] + "…"
            return f"{problem} (line {line + 1}, column {column + 1})"
    return "syntax error"


def read_environment(environ: Mapping[str, str]) -> tuple[Tree, list[str]]:
    """Settings from variables such as K6_CLOUD_EXPORTER_POLL__INTERVAL, and errors in their names.

    Kubernetes adds variables with the same prefix to every pod if a service has our name, such as
    K6_CLOUD_EXPORTER_PORT. So an unknown variable is an error only if it has a double underscore, or would be
    a setting with one.
    """
    known = {variable(setting.name): setting.name for setting in settings()}
    misspelled = {name.replace("__", "_") for name in known} | {f"{ENVIRONMENT}API_TOKEN"}
    # Many tools write an unset variable as an empty one.
    tree: Tree = {"api": {"stack": environ[STACK_VARIABLE]}} if environ.get(STACK_VARIABLE) else {}
    messages = []
    for name in sorted(name for name in environ if name.startswith(ENVIRONMENT)):
        if name in known:
            *sections, key = known[name].split(".")
            try:
                value = parse_tests_variable(environ[name]) if key == "tests" else environ[name]
            except yaml.YAMLError as error:
                messages.append(f"{name}: invalid YAML: {describe_yaml_error(error)}")
            else:
                tree = deep_merge(tree, {sections[0]: {key: value}} if sections else {key: value})
        elif "__" in name or name in misspelled:
            messages.append(describe_unknown_variable(name))
    return tree, messages


def parse_tests_variable(text: str) -> Any:
    """The YAML list in the variable for `tests`; an empty variable is an empty list."""
    tests = yaml.load(text, Loader=StrictLoader)  # noqa: S506 (a SafeLoader)
    return () if tests is None else tests


def describe_unknown_variable(name: str) -> str:
    words = name.removeprefix(ENVIRONMENT).lower()
    if words.replace("__", "_") in ("token", "api_token"):
        return f"{name}: there is no such setting; set the token in {TOKEN_VARIABLE}"
    # The right words with the wrong number of underscores, or else a similar setting.
    same = [s.name for s in settings() if s.name.replace(".", "_") == words.replace("__", "_")]
    similar = same[0] if same else closest_setting(words.rpartition("__")[2], Config)
    hint = f"; did you mean {variable(similar)}?" if similar else ""
    return f"{name}: there is no such setting{hint}"


def deep_merge(base: Tree, override: Tree) -> Tree:
    """Both trees; where both have a value, the one of `override`. Lists are not merged."""
    tree = dict(base)
    for key, value in override.items():
        old = tree.get(key)
        tree[key] = deep_merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return tree


def find_token(tree: Tree, environ: Mapping[str, str]) -> tuple[Secret, str | None]:
    """The token, and a problem with it, unless the validation of settings reports the problem already."""
    api = tree.get("api")
    path = api.get("token_file") if isinstance(api, dict) else None
    if environ.get(TOKEN_VARIABLE):
        token = Secret(environ[TOKEN_VARIABLE])
    elif path is None:
        return Secret(), MISSING_CREDENTIALS
    else:
        try:
            token = Secret(path=Path(parse_file_path(path)))
        except ValueError:
            return Secret(), None
    return token, next(iter(secret_problems(token)), None)


def secret_problems(secret: Secret) -> list[str]:
    try:
        secret.read()
    except SecretError as error:
        return [str(error)]
    return []
