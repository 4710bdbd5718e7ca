"""How file, environment and flags make one Config: flag > environment > file > default.

Mistakes are found all at once, each told in one sentence that names the setting, the value and the way out.
"""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any

import yaml
from pydantic import ValidationError

from exporter.config.errors import ConfigError, closest_setting, drop_nulls, format_error
from exporter.config.schema import Config, settings
from exporter.config.types import file_path
from exporter.credentials import Secret, SecretError, WebhookSecret
from exporter.formatting import escape_unprintable, quote_value

ENVIRONMENT = "K6_CLOUD_EXPORTER_"
TOKEN_VARIABLE = "K6_CLOUD_TOKEN"  # noqa: S105 (the name of a variable)
STACK_VARIABLE = "K6_CLOUD_STACK_ID"  # k6's own name for it
NOT_GIVEN = (
    "no API token: set K6_CLOUD_TOKEN, or api.token_file to a file that holds one; "
    "the k6 app in Grafana Cloud makes them under Settings, API tokens"
)

MAX_PROBLEM_LENGTH = 200  # characters of what is wrong with a file
# PyYAML is recursive. Without a bound of our own, which files can be read would be up to the interpreter.
MOST_NESTING = 20  # values inside each other; no setting needs more than five

MERGE, TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"

SENTENCES = {"tuple_type": '{shown} stands where a list is expected, such as "[{{id: 1234}}]"'}
EXAMPLES = {
    "api": "timeout: 10s",
    "poll": "interval: 15s",
    "runs": "keep: 3",
    "sharding": "total: 4",
    "web": "telemetry_path: /metrics",
    "log": "level: info",
    "tests": "id: 1234",
}
HINTS = {"token": "a token does not belong here; set K6_CLOUD_TOKEN, or api.token_file"}

Tree = dict[str, Any]


def load(file: Path | None, environ: Mapping[str, str], flags: Tree) -> tuple[Config, Secret]:
    """The configuration in force and the token; `flags` is a tree like the file's. Raises ConfigError."""
    environment, mistakes = from_environment(environ)
    try:
        written = read_file(file) if file else {}
    except ConfigError as error:
        raise ConfigError([*error.messages, *mistakes]) from error
    tree = deep_merge(deep_merge(written, environment), flags)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        config = None
        mistakes += [
            format_error(details, Config, sentences=SENTENCES, examples=EXAMPLES, hints=HINTS)
            for details in error.errors()
        ]
    token, trouble = find_token(tree, environ)
    mistakes += [trouble] if trouble else []
    if config and config.web.webhook_secret_file:
        mistakes += secret_problems(WebhookSecret(config.web.webhook_secret_file))
    if mistakes or config is None:
        raise ConfigError(mistakes)
    return config, token


def read_file(file: Path) -> Tree:
    """The file's settings. Raises ConfigError."""
    tree = load_yaml(file, named_by="--config.file", example="poll: {interval: 15s}")
    return drop_nulls(tree, Config)


def load_yaml(file: Path, *, named_by: str, example: str) -> Tree:
    """What a file of settings says, whatever they are; an empty one says nothing. Raises ConfigError."""
    try:
        tree = yaml.load(file.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise ConfigError([f"{named_by}: cannot read {file}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: this is not text in UTF-8"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{file}: this cannot be read as YAML: {describe_yaml_error(error)}"]) from error
    if not isinstance(tree, dict | NoneType):
        raise ConfigError([f'{file}: settings are expected, such as "{example}"'])
    return tree or {}


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that is given twice is a mistake, not a riddle, and a key is always a name."""

    nesting = 0  # of what is being read

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        with self._nested(self.peek_event().start_mark):  # type: ignore[no-untyped-call]
            return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what `<<` names, which may merge something else in turn."""
        with self._nested(node.start_mark):
            super().flatten_mapping(node)

    @contextmanager
    def _nested(self, mark: yaml.Mark) -> Iterator[None]:
        if self.nesting >= MOST_NESTING:
            raise yaml.composer.ComposerError(None, None, f"it is nested more than {MOST_NESTING} deep", mark)
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
            key.tag = TEXT  # YAML would make other things of on, 1 and 2026-01-01
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # PyYAML takes 2026-13-45 for a date and stumbles.
            wrong = (
                f"{quote_value(node.value)} looks like a number or a date and is none; "
                "put it into quotation marks"
            )
            raise yaml.constructor.ConstructorError(None, None, wrong, node.start_mark) from error


def describe_yaml_error(error: yaml.YAMLError) -> str:
    """What is wrong and where; never the line itself, which may hold a secret."""
    match error:
        case yaml.reader.ReaderError():
            return f"it holds the character U+{error.character:04X}"
        case yaml.MarkedYAMLError(problem=str(said), problem_mark=yaml.Mark(line=line, column=column)):
            if said.startswith("but ") and error.context:
                said = f"{error.context} {said}"
            said = " ".join(said.split())  # which may repeat what was written
            said = said if len(said) <= MAX_PROBLEM_LENGTH else said[:MAX_PROBLEM_LENGTH] + "…"
            return f"{said} (line {line + 1}, column {column + 1})"
    return "it is broken"


def from_environment(environ: Mapping[str, str]) -> tuple[Tree, list[str]]:
    """Settings out of variables such as K6_CLOUD_EXPORTER_POLL__INTERVAL, and what is wrong with them.

    Kubernetes puts variables of the same beginning into every pod beside a service of our name, so one that
    has no double underscore and is no setting, nor one that lacks only that, is not ours.
    """
    known = {variable(setting.name): setting.name for setting in settings()}
    misspelt = {name.replace("__", "_") for name in known} | {f"{ENVIRONMENT}API_TOKEN"}
    # An empty variable is how many tools write one that is not set.
    tree: Tree = {"api": {"stack": environ[STACK_VARIABLE]}} if environ.get(STACK_VARIABLE) else {}
    mistakes = []
    for name in sorted(name for name in environ if name.startswith(ENVIRONMENT)):
        if name in known:
            *sections, key = known[name].split(".")
            try:
                value = parse_tests_variable(environ[name]) if key == "tests" else environ[name]
            except yaml.YAMLError as error:
                mistakes.append(f"{name}: this cannot be read as YAML: {describe_yaml_error(error)}")
            else:
                tree = deep_merge(tree, {sections[0]: {key: value}} if sections else {key: value})
        elif "__" in name or name in misspelt:
            mistakes.append(unknown_variable(name))
    return tree, mistakes


def parse_tests_variable(text: str) -> Any:
    """The entries of `tests` in a variable; none if it is empty."""
    tests = yaml.load(text, Loader=StrictLoader)  # noqa: S506 (a SafeLoader)
    return () if tests is None else tests


def unknown_variable(name: str) -> str:
    words = name.removeprefix(ENVIRONMENT).lower()
    if words.replace("__", "_") in ("token", "api_token"):
        return f"{name}: there is no such setting; the token is given as {TOKEN_VARIABLE}"
    meant = [s.name for s in settings() if s.name.replace(".", "_") == words.replace("__", "_")]
    alike = meant[0] if meant else closest_setting(words.rpartition("__")[2], Config)
    return f"{name}: there is no such setting" + (f"; did you mean {variable(alike)}?" if alike else "")


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT + setting.replace(".", "__").upper()


def deep_merge(below: Tree, above: Tree) -> Tree:
    """Both trees; where they differ, the one above."""
    tree = dict(below)
    for key, value in above.items():
        under = tree.get(key)
        tree[key] = deep_merge(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return tree


def find_token(tree: Tree, environ: Mapping[str, str]) -> tuple[Secret, str | None]:
    """The token, and what is wrong with it that nobody else tells."""
    api = tree.get("api")
    path = api.get("token_file") if isinstance(api, dict) else None
    if environ.get(TOKEN_VARIABLE):
        token = Secret(environ[TOKEN_VARIABLE])
    elif path is None:
        return Secret(), NOT_GIVEN
    else:
        try:
            token = Secret(path=Path(file_path(path)))
        except ValueError:
            return Secret(), None
    return token, next(iter(secret_problems(token)), None)


def secret_problems(secret: Secret) -> list[str]:
    try:
        secret.read()
    except SecretError as error:
        return [str(error)]
    return []
