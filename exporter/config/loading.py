"""How file, environment and flags make one Config: flag > environment > file > default.

Mistakes are found all at once, each told in one sentence that names the setting, the value and the way out.
"""

import difflib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.config.settings import Config, Entry, settings
from exporter.token import Token, TokenError

ENVIRONMENT = "K6_CLOUD_EXPORTER_"
TOKEN_VARIABLE = "K6_CLOUD_TOKEN"  # noqa: S105 (the name of a variable)
NOT_GIVEN = (
    "no API token: set K6_CLOUD_TOKEN, or api.token_file to a file that holds one; "
    "the k6 app in Grafana Cloud makes them under Settings, API tokens"
)

Tree = dict[str, Any]


class ConfigError(Exception):
    """A configuration that cannot be used; `sentences` are all the reasons."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = tuple(sentences)


def load(file: Path | None, environ: Mapping[str, str], flags: Tree) -> tuple[Config, Token]:
    """The configuration in force and the token; `flags` is a tree like the file's. Raises ConfigError."""
    tree = merged(merged(read(file) if file else {}, from_environment(environ)), flags)
    mistakes: list[str] = []
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        config = None
        mistakes += [sentence(details) for details in error.errors()]
    token, trouble = find_token(tree, environ)
    mistakes += [trouble] if trouble else []
    if mistakes or config is None:
        raise ConfigError(mistakes)
    return config, token


def read(file: Path) -> Tree:
    """The file's settings. Raises ConfigError."""
    try:
        tree = yaml.load(file.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise ConfigError([f"--config.file: cannot read {file}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}: this is not text in UTF-8"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{file}: this is not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(tree, dict | NoneType):
        raise ConfigError([f'{file}: settings are expected, such as "poll: {{interval: 15s}}"'])
    # A section whose every line is commented out reads as null.
    return {key: value for key, value in (tree or {}).items() if value is not None}


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that is given twice is a mistake, not a riddle."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def from_environment(environ: Mapping[str, str]) -> Tree:
    """Settings out of variables such as K6_CLOUD_EXPORTER_POLL__INTERVAL. Raises ConfigError.

    Kubernetes puts variables of the same beginning into every pod beside a service of our name, so one that
    has no double underscore and is no setting is not ours.
    """
    known = {variable(setting.name): setting.name for setting in settings()}
    ours = {name for name in environ if name in known or (name.startswith(ENVIRONMENT) and "__" in name)}
    unknown = sorted(ours - known.keys())
    if unknown:
        raise ConfigError([f"{name}: there is no such setting{suggestion(name, known)}" for name in unknown])
    tree: Tree = {}
    for name in sorted(ours):
        *sections, key = known[name].split(".")
        value = yaml.safe_load(environ[name]) if key == "tests" else environ[name]
        tree = merged(tree, {sections[0]: {key: value}} if sections else {key: value})
    return tree


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return ENVIRONMENT + setting.replace(".", "__").upper()


def merged(below: Tree, above: Tree) -> Tree:
    """Both trees; where they differ, the one above."""
    tree = dict(below)
    for key, value in above.items():
        under = tree.get(key)
        tree[key] = merged(under, value) if isinstance(under, dict) and isinstance(value, dict) else value
    return tree


def find_token(tree: Tree, environ: Mapping[str, str]) -> tuple[Token, str | None]:
    """The token, and what is wrong with it."""
    api = tree.get("api")
    path = api.get("token_file") if isinstance(api, dict) else None
    if TOKEN_VARIABLE in environ:
        token = Token(environ[TOKEN_VARIABLE])
    elif isinstance(path, str | Path):
        token = Token(path=Path(path))
    else:
        return Token(), NOT_GIVEN
    try:
        token.read()
    except TokenError as error:
        return token, str(error)
    return token, None


SENTENCES = {
    "int_type": "{shown} is not a whole number",
    "int_parsing": "{shown} is not a whole number",
    "int_from_float": "{shown} is not a whole number",
    "int_parsing_size": "{shown} is too large",
    "greater_than_equal": "{shown} is too small; the least is {ge}",
    "less_than_equal": "{shown} is too large; the most is {le}",
    "literal_error": "{shown} is not one of {expected}",
    "string_type": "{shown} is not text; put it into quotation marks",
    "string_too_short": "this is empty; write something, or leave it out",
    "path_type": "{shown} is not the path of a file",
    "model_type": "{shown} stands where settings are expected",
    "tuple_type": "{shown} stands where a list is expected",
}


def sentence(error: ErrorDetails) -> str:
    """A validation error as a person would say it."""
    where = dotted(error["loc"])
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return f"{where}: {context['error']}" if where else str(context["error"])
    if error["type"] == "extra_forbidden":
        if error["loc"][-1] == "token":
            return f"{where}: a token does not belong here; set K6_CLOUD_TOKEN, or api.token_file"
        return f"{where}: there is no such setting{suggestion(where, names_beside(error['loc']))}"
    value = error["input"]
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    template = SENTENCES.get(error["type"], "{shown} cannot be used here")
    return f"{where}: {template.format(shown=shown, **context)}"


def dotted(where: tuple[int | str, ...]) -> str:
    """A place in the tree as one would write it: tests[0].id."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in where).lstrip(".")


def names_beside(where: tuple[int | str, ...]) -> list[str]:
    """The settings there are in the place where one was looked for."""
    if where[0] == "tests":
        return [dotted((*where[:-1], name)) for name in Entry.model_fields]
    return [setting.name for setting in settings()] + list(Config.model_fields)


def suggestion(name: str, known: Iterable[str]) -> str:
    alike = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {alike[0]}?" if alike else ""
