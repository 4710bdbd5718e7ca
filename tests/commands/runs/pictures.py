"""The terminal pictures in docs/: `python -m tests.commands.runs.pictures` writes them again, always the same.

The commands are carried out on the demo's world, with a number for a clock.
"""

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

from exporter.commands.runs.actions import get_run
from exporter.commands.runs.opening import console
from exporter.commands.runs.watch import ProgressView
from exporter.simulator import demo_world
from tests.support.lab import START
from tests.support.runs_shell import Shell

DOCS = Path(__file__).parents[3] / "docs"
WIDTH = 94
SOAK = 400_001  # the test of the demo whose runs are long
# rich's own frame, without the font that it would fetch from elsewhere.
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def terminal() -> Console:
    """A terminal that remembers what it shows and shows it to nobody."""
    return console(
        io.StringIO(), WIDTH, record=True, force_terminal=True, color_system="truecolor", _environ={}
    )


def typed(shown: Console, command: str) -> None:
    shown.print(Text.assemble(("$ ", "bright_black"), command))


def listing() -> str:
    """`runs list` on the demo's lively tests."""
    shown = terminal()
    typed(shown, "k6-cloud-exporter runs list --limit 12")
    shell = Shell(demo_world(START), "v6")
    shell.now.value += 16
    shell.command(console=shown).list(most=12, active=False)
    return drawn(shown, "runs-list")


def watching() -> str:
    """`runs show --watch`: the bar on the way, and what stays when the run is over."""
    shown = terminal()
    shell = Shell(demo_world(START), "v6")
    shell.world.advance(START)
    run_id = shell.world.run_ids(SOAK, START)[-1]
    typed(shown, f"k6-cloud-exporter runs show {run_id} --watch")
    row, now = shell.command(console=shown)._call(lambda cloud: get_run(cloud, run_id))
    bar = ProgressView(row.test, shell.config, shown, shell.now.clock, str)
    bar.update(row.run, now - 170)
    shown.print(bar.progress)
    shown.print(Text("some minutes later:", style="bright_black"))
    shell.now.value += 300
    row, now = shell.command(console=shown)._call(lambda cloud: get_run(cloud, run_id))
    bar.update(row.run, now)
    bar.__exit__()
    return drawn(shown, "runs-watch")


def drawn(shown: Console, name: str) -> str:
    return shown.export_svg(title="", code_format=FRAME, unique_id=name)


PICTURES = {"runs-list.svg": listing, "runs-watch.svg": watching}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")
