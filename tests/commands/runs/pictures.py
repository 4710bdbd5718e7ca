"""The terminal pictures in docs/: `python -m tests.commands.runs.pictures` draws them again.

The commands run on the demo's world with a number as the clock, so the pictures never change by themselves.
"""

import io
from pathlib import Path

from rich.console import Console
from rich.text import Text

from exporter.commands.runs.actions import create_console, get_run
from exporter.commands.runs.watch import ProgressView
from exporter.simulator import demo_world
from tests.support.lab import START
from tests.support.runs_shell import Shell

DOCS = Path(__file__).parents[3] / "docs"
WIDTH = 94
LIST_WIDTH = 120
SOAK = 400_001  # the demo's test with long runs
# rich's own frame without its font, which a browser would fetch from another host.
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


def create_recorder(width: int = WIDTH) -> Console:
    """A console that only records its output."""
    return create_console(
        io.StringIO(), width, record=True, force_terminal=True, color_system="truecolor", _environ={}
    )


def print_prompt(console: Console, command: str) -> None:
    console.print(Text.assemble(("$ ", "bright_black"), command))


def draw_list() -> str:
    """`runs list` on the tests of the demo."""
    console = create_recorder(LIST_WIDTH)
    print_prompt(console, "k6-cloud-exporter runs list --limit 12")
    shell = Shell(demo_world(START), "v6")
    shell.now.value += 16
    shell.command(console=console).list(limit=12, active=False)
    return export_svg(console, "runs-list")


def draw_watch() -> str:
    """`runs show --watch`: the bar while the run is active, and the lines after its end."""
    console = create_recorder()
    shell = Shell(demo_world(START), "v6")
    shell.world.advance(START)
    run_id = shell.world.run_ids(SOAK, START)[-1]
    print_prompt(console, f"k6-cloud-exporter runs show {run_id} --watch")
    row, now = shell.command(console=console).call(lambda cloud: get_run(cloud, run_id))
    bar = ProgressView(row.test, shell.config, console, shell.now.clock, str)
    bar.update(row.run, now - 170)
    console.print(bar.progress)
    console.print(Text("a few minutes later:", style="bright_black"))
    shell.now.value += 300
    row, now = shell.command(console=console).call(lambda cloud: get_run(cloud, run_id))
    bar.update(row.run, now)
    bar.__exit__()
    return export_svg(console, "runs-watch")


def export_svg(console: Console, name: str) -> str:
    return console.export_svg(title="", code_format=FRAME, unique_id=name)


PICTURES = {"runs-list.svg": draw_list, "runs-watch.svg": draw_watch}

if __name__ == "__main__":
    for name, draw in PICTURES.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")
