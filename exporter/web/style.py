"""How the landing page looks: one colour and one sign for each state, in light and in dark.

A state is never told by its colour alone. Colours of text keep a contrast of 4.5:1 to what is behind them.
"""

from collections.abc import Mapping

# Of each state: its sign; no emoji, so that every system draws it as a letter.
SIGNS = {
    "passed": "\u2713",
    "failed": "\u2717",
    "error": "!",
    "timed_out": "T",
    "aborted": "\u25a0",
    "none": "?",
    "moving": "\u25b8",
}

# `page` is behind everything, `text`, `dim` and `link` are on it; `line` only divides. `on` is a sign on the
# colour of its state. A pass is on `calm`, so that what needs somebody stands out.
LIGHT = {
    "page": "#ffffff",
    "text": "#1f2328",
    "dim": "#59636e",
    "link": "#0b57b0",
    "line": "#d9dee3",
    "panel": "#f5f7f9",
    "on": "#ffffff",
    "calm": "#d5f0dc",
    "passed": "#146c2e",
    "failed": "#c4232b",
    "error": "#9b1d7a",
    "timed_out": "#8f5300",
    "aborted": "#6b45b5",
    "none": "#5d6670",
    "moving": "#1a5fc0",
}
DARK = {
    "page": "#0f1419",
    "text": "#e3e8ed",
    "dim": "#98a3ae",
    "link": "#7db7ff",
    "line": "#2c343c",
    "panel": "#181e25",
    "on": "#0f1419",
    "calm": "#163a22",
    "passed": "#62d084",
    "failed": "#ff7d76",
    "error": "#f48fd0",
    "timed_out": "#e8ad45",
    "aborted": "#bb9df5",
    "none": "#a0aab4",
    "moving": "#74b3ff",
}


def css_variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def state_rules() -> str:
    """The rules of each state: the colour of its word, and its mark in a strip."""
    rules = []
    for state, sign in SIGNS.items():
        rules.append(f"b.{state} {{ color: var(--{state}); }}")
        rules.append(f".mark.{state} {{ background: var(--{state}); }}")
        # Twice: a browser that does not know of words for a picture drops the second, and reads the sign out.
        rules.append(f'.mark.{state}::before {{ content: "{sign}"; content: "{sign}" / ""; }}')
    return "\n".join(rules)


STYLE = f"""
:root {{ color-scheme: light dark; {css_variables(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {css_variables(DARK)} }} }}
* {{ box-sizing: border-box; }}
body {{ font: 15px/1.45 system-ui, sans-serif; background: var(--page); color: var(--text);
  margin: 1.6rem auto; max-width: 66rem; padding: 0 1rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.3rem; margin: 0; }} h2 {{ font-size: 1rem; margin: 1.8rem 0 .5rem; }}
p, ul, ol, dl, dd {{ margin: 0; padding: 0; }} ul, ol {{ list-style: none; }}
a {{ color: var(--link); text-decoration: none; }} a:hover {{ text-decoration: underline; }}
.dim, small, footer, time {{ color: var(--dim); }}
header {{ display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline;
  gap: .2rem 1.2rem; margin-bottom: 1rem; }}
nav a + a {{ margin-left: 1.1rem; }}
.poll {{ background: var(--panel); border-left: .25rem solid var(--none); border-radius: .25rem;
  padding: .6rem .9rem; }}
.poll p + p, .poll ul {{ margin-top: .3rem; }} .poll li {{ margin-left: 1.1rem; list-style: disc; }}
.poll.success {{ border-color: var(--passed); }} .poll.partial {{ border-color: var(--timed_out); }}
.poll.failure {{ border-color: var(--failed); }}
.sums {{ display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin: 1.2rem 0 .7rem; }}
.sums b {{ font-size: 1.25rem; margin-right: .15rem; }}
.test {{ display: grid; grid-template-columns: minmax(0, 1fr) 18.6rem minmax(0, 1.15fr); gap: .2rem 1.4rem;
  align-items: start; border-top: 1px solid var(--line); padding: .6rem 0; }}
.test:last-child {{ border-bottom: 1px solid var(--line); }}
.test small {{ display: block; font-size: .82rem; }}
.name {{ font-weight: 600; }}
.strip {{ display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 3px; padding-top: .1rem; }}
.strip:not(:has(.moving)) {{ padding-right: 25px; }}
.mark {{ position: relative; flex: none; width: 22px; height: 22px; border-radius: 4px; color: var(--on);
  font: 700 13px/22px system-ui, sans-serif; text-align: center; overflow: hidden; }}
.mark:hover {{ text-decoration: none; outline: 2px solid var(--text); }}
.mark i {{ position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }}
{state_rules()}
.mark.passed {{ background: var(--calm); color: var(--passed); }}
progress {{ display: block; appearance: none; width: 100%; height: 6px; margin: .35rem 0 .2rem; border: 0;
  border-radius: 3px; background: var(--line); overflow: hidden; }}
progress::-webkit-progress-bar {{ background: var(--line); }}
progress::-webkit-progress-value {{ background: var(--moving); }}
progress::-moz-progress-bar {{ background: var(--moving); }}
progress.late::-webkit-progress-value {{ background: var(--timed_out); }}
progress.late::-moz-progress-bar {{ background: var(--timed_out); }}
footer {{ margin-top: 1.8rem; font-size: .85rem; }}
.legend {{ display: flex; flex-wrap: wrap; align-items: center; gap: .3rem 1.1rem; margin-bottom: .6rem; }}
.legend li {{ display: flex; align-items: center; gap: .4rem; }}
@media (max-width: 52rem) {{
  .test {{ grid-template-columns: minmax(0, 1fr); gap: .35rem; padding: .8rem 0; }}
  .strip, .strip:not(:has(.moving)) {{ justify-content: flex-start; padding-right: 0; }}
}}
"""
