"""What the simulator reads from an uploaded script: its options, and how its runs end. It never executes one.

Two forms are known: the archive that k6 uploads (a tar file with the options as JSON), and a JavaScript file,
whose `options` are read if they are literals. The understood options are vus, duration, stages and scenarios.
A comment sets the outcomes of the runs in their order; after the last one they repeat:

    // simulate: passed, failed, aborted_by_threshold
"""

import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from io import BytesIO

from exporter.simulator.runs import REJECTED, EndStatus, Phases, RunScript, ScriptFile

_MAX_VUS = 1_000_000
_MAX_SECONDS = 30 * 86_400.0
_MAX_ITERATIONS_SECONDS = 600.0  # "maxDuration" of the executors that count iterations, by default

# Short enough to wait for at a terminal.
_PLAN = RunScript(
    phases=Phases(created=0.5, validated=0.5, queued=1, initializing=1, running=4, processing=1.5), vus=1
)
_ABORTED_AFTER = 0.5  # of the planned duration


@dataclass(frozen=True, slots=True)
class Script:
    """A script as it was uploaded. Without options its runs have one VU and run for four seconds.

    outcomes: what the comment names, in this order.
    """

    file: ScriptFile | None = None
    vus: int = 1
    seconds: float = 4.0
    outcomes: tuple[str, ...] = ("passed",)

    def plans(self, speed: float) -> tuple[RunScript, ...]:
        """The runs of the script, in turn, in a world that is this many times as fast."""
        plan = replace(_PLAN, vus=self.vus, phases=replace(_PLAN.phases, running=self.seconds))
        return tuple(speed_up(_OUTCOMES[outcome](plan), speed) for outcome in self.outcomes)


def speed_up(plan: RunScript, speed: float) -> RunScript:
    """The same run in a shorter time: 20 times as short at a speed of 20."""
    # At least a second, since k6 Cloud knows no shorter planned duration.
    duration = None if plan.duration is None else max(1, round(plan.duration / speed))
    return replace(plan, phases=plan.phases.scaled(1 / speed), duration=duration)


def parse_script(content: bytes) -> Script:
    """A script and what is understood of it. ValueError if its comment names an unknown outcome."""
    archive = _read_archive(content)
    options, source = archive or ({}, content.decode(errors="replace"))
    if archive is None:
        options = _parse_source_options(source)
    outcomes = tuple(_parse_outcomes(source)) or ("passed",)
    vus, seconds = parse_options(options)
    return Script(ScriptFile(content, archive is not None), vus, seconds, outcomes)


def parse_options(options: Mapping[str, object]) -> tuple[int, float]:
    """VUs and seconds that k6's options plan; what they leave open is that of a script without options."""
    scenarios = options.get("scenarios")
    loads = (
        [it for it in scenarios.values() if isinstance(it, Mapping)] if isinstance(scenarios, Mapping) else []
    )
    planned = [_parse_load(load) for load in loads or [options]]
    default = Script()
    vus = sum(number for number, _ in planned) or default.vus
    seconds = max(length for _, length in planned) or default.seconds
    return min(vus, _MAX_VUS), min(seconds, _MAX_SECONDS)


def _parse_load(load: Mapping[str, object]) -> tuple[int, float]:
    """VUs and seconds, from its start delay to its end; 0 without options."""
    stages = [it for it in _as_list(load.get("stages")) if isinstance(it, Mapping)]
    # Stages of an executor with an arrival rate have iterations as targets, not VUs.
    by_rate = str(load.get("executor", "")).endswith("arrival-rate")
    targets = [] if by_rate else [_parse_number(stage.get("target")) for stage in stages]
    numbers = [_parse_number(load.get(name)) for name in ("vus", "startVUs", "preAllocatedVUs", "maxVUs")]
    seconds = sum(_parse_seconds(stage.get("duration")) for stage in stages) or _parse_seconds(
        load.get("duration")
    )
    if not seconds and str(load.get("executor", "")).endswith("iterations"):
        seconds = _parse_seconds(load.get("maxDuration")) or _MAX_ITERATIONS_SECONDS
    return max([*targets, *numbers]), seconds and _parse_seconds(load.get("startTime")) + seconds


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _parse_number(value: object) -> int:
    return max(0, int(value)) if isinstance(value, int | float) and abs(value) < _MAX_VUS else 0


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _parse_seconds(value: object) -> float:
    """A duration as k6 writes it: "1m30s", or a number of milliseconds."""
    if isinstance(value, int | float):
        return max(0.0, value / 1000)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", str(value))
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _read_archive(content: bytes) -> tuple[Mapping[str, object], str] | None:
    """Options and source of an archive that k6 made; None for anything else."""
    try:
        with tarfile.open(fileobj=BytesIO(content), mode="r:") as archive:
            metadata, source = (_read_member(archive, name) for name in ("metadata.json", "data"))
        options = json.loads(metadata).get("options")
    except (tarfile.TarError, KeyError, ValueError, AttributeError):
        return None
    return options if isinstance(options, Mapping) else {}, source.decode(errors="replace")


def _read_member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    return b"" if file is None else file.read()


_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)"""
    r"""|(?P<key>[A-Za-z_$][\w$]*(?=\s*:))|(?P<space>\s+)|(?P<other>[\w$.+-]+|.)""",
    re.DOTALL,
)


def _parse_source_options(source: str) -> Mapping[str, object]:
    """The object that a JavaScript file assigns to `options`; empty unless it consists of literals."""
    found = re.search(r"\boptions\s*(?::\s*\w+\s*)?=\s*(?=\{)", source)
    try:
        options = json.loads("".join(_translate_object(source, found.end()))) if found else {}
    except ValueError:
        return {}
    return options if isinstance(options, dict) else {}


def _translate_object(source: str, start: int) -> Iterable[str]:
    """The JavaScript object that begins there, as the parts of a JSON text."""
    depth, comma = 0, ""
    for token in _TOKEN.finditer(source, start):
        kind, text = token.lastgroup, token.group()
        if kind in ("comment", "space"):
            continue
        if text == ",":
            comma = text  # held back: JSON has none before a closing bracket
            continue
        yield "" if text in ("}", "]") else comma
        comma = ""
        yield json.dumps(text[1:-1]) if kind == "string" else f'"{text}"' if kind == "key" else text
        depth += (text == "{") - (text == "}")
        if depth == 0:
            return


def _parse_outcomes(source: str) -> Iterable[str]:
    for line in re.findall(r"//\s*simulate:([^\n]*)", source):
        for word in line.split(","):
            if word.strip() not in _OUTCOMES:
                raise ValueError(f"simulate: {word.strip()!r} is not one of {', '.join(_OUTCOMES)}")
            yield word.strip()


def _abort(ending: EndStatus, plan: RunScript) -> RunScript:
    running = (plan.phases.running or 0) * _ABORTED_AFTER
    phases = replace(plan.phases, running=running, processing=None)
    return replace(plan, ending=ending, phases=phases, duration=plan.planned_seconds)


def _reject(plan: RunScript) -> RunScript:
    return replace(
        plan, ending=EndStatus.ABORTED_BY_SYSTEM, phases=replace(REJECTED, created=plan.phases.created)
    )


_OUTCOMES = {
    "passed": lambda plan: plan,
    "failed": lambda plan: replace(plan, failed=True),
    "error": lambda plan: replace(plan, processing_fails=True),
    "timed_out": lambda plan: _abort(EndStatus.TIMED_OUT, plan),
    "aborted_by_user": lambda plan: _abort(EndStatus.ABORTED_BY_USER, plan),
    "aborted_by_system": lambda plan: _abort(EndStatus.ABORTED_BY_SYSTEM, plan),
    "aborted_by_script_error": lambda plan: _abort(EndStatus.ABORTED_BY_SCRIPT_ERROR, plan),
    "aborted_by_threshold": lambda plan: _abort(EndStatus.ABORTED_BY_THRESHOLD, plan),
    "aborted_by_limit": lambda plan: _abort(EndStatus.ABORTED_BY_LIMIT, plan),
    "rejected": _reject,
}
