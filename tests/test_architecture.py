"""Who may import whom, and who may touch the clock, the environment and the network.

The road is one-way: k6 → model → store → exposition → web. A module that is not in the table fails.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import exporter
from exporter.k6.legacy import LegacyClient
from exporter.k6.transport import Transport
from exporter.k6.v6 import V6Client

PACKAGE = Path(exporter.__file__).parent

# Modules, and packages whose modules may also import each other; what each may import of ours.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "model": set(),
    "clock": set(),
    "log": set(),
    "nesting": set(),
    "page": set(),
    "telemetry": set(),
    "token": set(),
    "bounds": set(),
    "serving": {"bounds"},
    "simulator": set(),
    "config": {"token"},
    "guard": {"clock", "config"},
    "k6": {"model", "clock", "nesting"},
    "store": {"model"},
    "families": {"model", "store"},
    "exposition": {"model", "store", "families"},
    "style": set(),
    "wording": {"model"},
    "landing": {"model", "store", "style", "wording"},
    "web": {"landing", "page"},
    "webhook": {"nesting", "telemetry", "token"},
    "reloading": {"clock", "config", "telemetry", "token"},
    "polling": {"model", "clock", "k6", "store", "telemetry"},
    "asking": {"__init__", "clock", "config", "k6", "polling", "telemetry", "token"},
    "app": {
        *("__init__", "clock", "token", "config", "k6", "store", "families", "exposition"),
        *("asking", "page", "landing", "web", "webhook", "polling", "reloading", "telemetry"),
    },
    "schedule": {"app"},
    "backfill": {"asking", "config", "exposition", "families", "k6", "model", "polling", "store", "token"},
    "costs": {"k6"},
    "suggestions": {"config", "k6", "model", "polling"},
    "reports": {
        *("app", "asking", "clock", "config", "costs", "k6", "model", "store", "suggestions", "token"),
    },
    "runs": {"asking", "model", "clock", "config", "k6", "polling", "store", "token", "wording"},
    "cli": {
        "__init__",
        "app",
        "asking",
        "backfill",
        "clock",
        "config",
        "guard",
        "log",
        "reloading",
        "reports",
        "runs",
        "schedule",
        "serving",
        "simulator",
        "token",
    },
    "__main__": {"cli"},
}

# A scrape reads what is there; it can never cause a request.
SCRAPED = ("exposition", "families", "store", "page", "style", "wording", "landing", "web")
TO_THE_NETWORK = {"httpx", "httpcore", "requests", "urllib.request", "http.client", "socket"}

# The standard library's ways to read the time or wait for it to pass, each with where it is justified.
TIME = {
    "clock": {"time", "asyncio.sleep"},  # whose job it is
    "simulator": {"time", "asyncio.sleep"},  # k6 Cloud has a clock of its own
    "cli": {"time"},  # the moment at which a simulated world begins
    "serving": {"asyncio.get_running_loop().call_later"},  # how long a process takes to end
    "schedule": {"datetime.now"},  # APScheduler is told a date; Clock has no dates
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def part(file: Path) -> str:
    """Where a file stands in the table: its package, or its own name."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path) -> set[str]:
    """Every module that a file imports, wherever in the file, in full."""
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def of_ours(file: Path) -> set[str]:
    """The parts of ours that a file imports, but its own."""
    ours = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and node.module == "exporter":
            parts = {part(module) for module in MODULES}
            ours |= {alias.name if alias.name in parts else "__init__" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("exporter."):
            ours.add(str(node.module).split(".")[1])
        elif isinstance(node, ast.Import):
            ours |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("exporter.")}
    return ours - {part(file)}


def reached(start: str) -> set[str]:
    """The parts that come with one, at whatever remove."""
    seen: set[str] = set()
    ahead = {start}
    while ahead:
        seen |= ahead
        files = [file for file in MODULES if part(file) in ahead]
        ahead = set().union(*(of_ours(file) for file in files)) - seen
    return seen


def dotted(node: ast.AST) -> Iterator[str]:
    """Each name and attribute access in a tree, as it is written: os.environ."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute | ast.Name):
            yield ast.unparse(inner)


def words(file: Path) -> set[str]:
    """Every string in a file."""
    constants = (node.value for node in ast.walk(tree(file)) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def named(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


@pytest.mark.parametrize("file", MODULES, ids=named)
def test_each_module_imports_only_what_the_table_allows(file: Path) -> None:
    assert part(file) in MAY_IMPORT, "a module that is not in the table"
    assert of_ours(file) <= MAY_IMPORT[part(file)]


def test_the_table_names_only_what_there_is() -> None:
    assert {part(file) for file in MODULES} == set(MAY_IMPORT)
    assert set().union(*MAY_IMPORT.values()) <= set(MAY_IMPORT)


def test_the_road_is_one_way() -> None:
    for name, below in MAY_IMPORT.items():
        for other in below:
            assert name not in reached(other), f"{name} and {other} need each other"


def test_the_model_knows_only_the_standard_library() -> None:
    outside = {name.split(".")[0] for name in imports(PACKAGE / "model.py")}

    assert outside <= sys.stdlib_module_names


@pytest.mark.parametrize("start", SCRAPED)
def test_a_scrape_can_never_cause_a_request(start: str) -> None:
    along = reached(start)

    assert not along & {"k6", "polling", "app", "simulator", "cli"}
    assert not {name for f in MODULES if part(f) in along for name in imports(f)} & TO_THE_NETWORK


def test_only_the_border_and_the_composition_know_httpx() -> None:
    assert {part(file) for file in MODULES if "httpx" in imports(file)} == {"k6", "app", "asking"}
    assert [named(file) for file in MODULES if part(file) == "k6" and "httpx" in imports(file)] == [
        "k6/transport.py"
    ]


def test_whoever_polls_has_no_way_to_start_or_stop_anything() -> None:
    acting = PACKAGE / "k6" / "acts.py"
    along = reached("app")
    serving = [file for file in MODULES if part(file) in along and file != acting]

    assert "POST" in words(acting)
    assert not [named(file) for file in serving if "exporter.k6.acts" in imports(file)]
    assert {part(file) for file in MODULES if "exporter.k6.acts" in imports(file)} == {"runs"}
    # The only other POSTs are what a browser or Prometheus may ask of us.
    for file in serving:
        if "POST" in words(file):
            assert part(file) == "web", named(file)
    for client in (Transport, LegacyClient, V6Client):
        calls = {name for name in dir(client) if not name.startswith("_")}
        assert not {name for name in calls if re.match("post|put|patch|delete|start|stop|abort", name)}


def test_only_the_command_line_imports_the_simulator() -> None:
    assert {part(file) for file in MODULES if "simulator" in of_ours(file)} == {"cli"}


def test_nothing_but_the_clock_reads_the_time() -> None:
    found: dict[str, set[str]] = {}
    for file in MODULES:
        ways = imports(file) & {"time", "sched"}
        waits = ("asyncio.sleep", "call_later", "call_at")
        now = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
        ways |= {name for name in dotted(tree(file)) if name.endswith((*waits, *now))}
        if ways:
            found.setdefault(part(file), set()).update(ways)

    assert found == TIME


def test_nothing_but_the_command_line_reads_the_environment() -> None:
    ways = {"os.environ", "os.environb", "os.getenv"}
    readers = {named(file) for file in MODULES if ways & {*dotted(tree(file)), *imports(file)}}

    assert readers == {"cli.py"}


def test_nothing_uses_the_global_registry_of_prometheus_client() -> None:
    for file in MODULES:
        assert not {
            name for name in imports(file) if name.startswith("prometheus_client") and "REGISTRY" in name
        }
        assert not {name for name in dotted(tree(file)) if name.rpartition(".")[2] == "REGISTRY"}


def test_every_metric_of_prometheus_client_names_its_registry() -> None:
    kinds = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    kinds |= {"ProcessCollector", "PlatformCollector", "GCCollector"}
    made = [
        node
        for file in MODULES
        if any(name.startswith("prometheus_client") for name in imports(file))
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds
    ]

    assert made
    assert all("registry" in {keyword.arg for keyword in call.keywords} for call in made)


def test_no_module_prints() -> None:
    for file in MODULES:
        assert "print" not in set(dotted(tree(file))), named(file)
