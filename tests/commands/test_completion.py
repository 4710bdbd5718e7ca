"""Shell completion: what each shell is given, and real shells on a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path
from select import select

import pytest
from click.shell_completion import get_completion_class

from exporter.cli import main
from tests.support.exporter_process import COMMAND_TIMEOUT, environment
from tests.support.programs import require_program
from tests.support.public_names import commands, flags

PROGRAM = "k6-cloud-exporter"
PROMPT = "READY>"
# How each shell starts without files of the user, and with this prompt.
START = {
    "bash": ("--norc", "--noprofile"),
    "zsh": ("--no-rcs",),
    "fish": ("--init-command", f"function fish_prompt; echo '{PROMPT}'; end"),
}
# The file is not read, and neither is a token: there is none.
WITH_FILE = ("check", "--config.file", "/missing.yaml")


def complete(*words: str, shell: str = "bash") -> list[str]:
    """The values that complete the last word; <file> if the shell is to complete a file."""
    class_ = get_completion_class(shell)
    assert class_
    completion = class_(main, {}, PROGRAM, "_K6_CLOUD_EXPORTER_COMPLETE")
    items = completion.get_completions([*words[:-1]], words[-1])
    return [f"<{item.type}>" if item.type != "plain" else item.value for item in items]


def test_commands_are_completed() -> None:
    assert complete("ch") == ["check"]
    assert set(complete("")) == {name.split()[0] for name, _ in commands()}
    assert complete("runs", "st") == ["start", "stop"]


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_flag_is_completed(name: str) -> None:
    expected = {flag for flag in flags(dict(commands())[name]) if flag.startswith("--")}

    assert set(complete(*name.split(), "--")) == expected | {"--help"}


def test_flags_of_the_default_command_are_completed() -> None:
    assert complete("--log.f") == ["--log.format"]
    assert complete("--log.level", "debug", "--log.f") == ["--log.format"]
    assert complete("--he") == ["--help"]
    assert complete("--vers") == ["--version"]


def test_choices_are_completed() -> None:
    assert complete(*WITH_FILE, "--log.level", "w") == ["warning"]
    assert complete("runs", "show", "5000001", "--api.version", "") == ["auto", "legacy", "v6"]
    assert complete("demo", "--api.version", "v") == ["v6"]


@pytest.mark.parametrize(
    "words", [("check", "--config.file"), ("serve", "--web.config.file"), ("backfill", "-o")]
)
def test_files_are_completed(words: tuple[str, ...]) -> None:
    assert complete(*words, "exp") == ["<file>"]


@pytest.mark.parametrize("command", [(), ("check",)], ids=["no command", "check"])
def test_value_after_an_equals_sign_is_completed(command: tuple[str, ...]) -> None:
    for shell in ("zsh", "fish"):
        assert complete(*command, "--log.level=w", shell=shell) == ["--log.level=warning"]
    # bash splits the word, and replaces only the part after the equals sign.
    assert complete(*command, "--log.level", "=", "w") == ["warning"]
    assert "warning" in complete(*command, "--log.level", "=")


def run_interactively(shell: str, script: str, dialogue: dict[str, str], folder: Path) -> None:
    """Types lines, with tabs, into an interactive shell that has read a script; waits for what each shows."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = environment(HOME=str(folder), PATH=path, TERM="dumb", PS1=PROMPT)
    environ |= {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    (folder / "script").write_text(script)
    controller, terminal = pty.openpty()
    # A process without a terminal that opens one is controlled by it, as shells expect.
    start = ["sh", "-c", f'exec "$@" <>{os.ttyname(terminal)} >&0 2>&0', "sh"]
    process = subprocess.Popen(
        [*start, require_program(shell, shell), *START[shell], "-i"],
        env=environ, cwd=folder, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        read_until(controller, PROMPT)
        # The quotation marks distinguish the output from the line as it is typed.
        for line, expected in {"source ./script; echo lo''aded": "loaded", **dialogue}.items():
            os.write(controller, f"{line}\n".encode())
            read_until(controller, expected)
    finally:
        process.kill()
        process.wait()
        os.close(controller)
        os.close(terminal)


def read_until(terminal: int, expected: str) -> None:
    """Reads until a text is shown."""
    shown = ""
    while expected not in shown:
        assert select([terminal], [], [], COMMAND_TIMEOUT)[0], shown
        shown += os.read(terminal, 4096).decode(errors="replace")


@pytest.mark.parametrize("shell", START)
def test_real_shell_completes(shell: str, tmp_path: Path) -> None:
    require_program(shell, shell)
    script = subprocess.run(
        [Path(sys.executable).with_name(PROGRAM)],
        env=environment(_K6_CLOUD_EXPORTER_COMPLETE=f"{shell}_source"),
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if shell == "zsh":
        script = f"autoload -Uz compinit; compinit -u\n{script}"
    (tmp_path / "exporter.yaml").write_text("zebra: 1")

    dialogue = {
        # The completed commands run: one lacks its argument, the other reads the file.
        f"{PROGRAM} runs sto\t": f"Usage: {PROGRAM} runs stop",
        f"{PROGRAM} check --config.file exp\t": "error: exporter.yaml: zebra: ",
    }
    run_interactively(shell, script, dialogue, tmp_path)
