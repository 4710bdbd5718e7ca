"""Shell completion for bash, zsh and fish: click's own, which also completes the value in --option=value."""

from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)


class ValueAfterEqualsSign(ShellComplete):
    """Completes values after an equals sign; click completes only those after a space in all shells."""

    # The type is quoted since the class was no generic one before click 8.2.
    def get_completions(self, args: list[str], incomplete: str) -> "list[CompletionItem[Any]]":
        # bash splits --log.level=de into three words; zsh and fish replace all of it.
        args = [arg for arg in args if arg != "="]
        option, equals, value = incomplete.partition("=")
        if not (equals and option.startswith("--")):
            return super().get_completions(args, incomplete.removeprefix("="))
        items = super().get_completions([*args, option], value)
        for item in items:
            item.value = f"{option}={item.value}"
        return items


class Bash(ValueAfterEqualsSign, BashComplete):
    """See ValueAfterEqualsSign."""


class Zsh(ValueAfterEqualsSign, ZshComplete):
    """See ValueAfterEqualsSign."""


class Fish(ValueAfterEqualsSign, FishComplete):
    """See ValueAfterEqualsSign."""


def enable_completion() -> None:
    """Let click use these classes."""
    for shell in (Bash, Zsh, Fish):
        add_completion_class(shell)
