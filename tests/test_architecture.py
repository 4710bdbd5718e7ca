"""Who may import whom, and who may touch the clock, the environment and the network.

The road is one-way: k6 → model → store → exposition → web. A module that is not in the table fails.
"""

import ast
import graphlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import exporter
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.transport import Transport
from exporter.k6.v6.client import V6Client

PACKAGE = Path(exporter.__file__).parent

# Rooms, each a module or a package, and the rooms that its modules may import from. A module belongs to the
# room with the longest name that fits. Modules of a room may import each other, but not in a circle.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "model": set(),
    "clock": set(),
    "logs": set(),
    "credentials": set(),
    "self_metrics": set(),
    "nesting": set(),
    "formatting": {"model"},
    "store": {"model"},
    "config": {"credentials", "formatting"},
    "config.reload": {"clock", "config", "credentials", "self_metrics"},
    "k6": {"clock", "model", "nesting"},
    "k6.factory": {"__init__", "clock", "config", "credentials", "k6"},
    "exposition": {"model", "store"},
    "exposition.body": set(),
    "polling": {"clock", "k6", "model", "self_metrics", "store"},
    "polling.factory": {"clock", "config", "credentials", "k6", "k6.factory", "polling"},
    "web": {"credentials", "exposition.body", "formatting", "model", "nesting", "self_metrics", "store"},
    "web.security": {"clock", "config", "formatting"},
    "app": {
        *("__init__", "clock", "config", "config.reload", "credentials", "exposition", "exposition.body"),
        *("k6", "k6.factory", "polling", "polling.factory", "self_metrics", "store", "web"),
    },
    "commands": {
        *("clock", "commands.options", "commands.process", "config", "credentials", "exposition"),
        *("formatting", "k6", "k6.factory", "model", "polling", "polling.factory", "store"),
    },
    "commands.options": {"config", "config.reload", "credentials", "logs"},
    "commands.process": {"clock", "commands.options", "config", "web", "web.security"},
    "commands.check": {
        *("app", "clock", "commands.options", "commands.process", "config", "credentials", "formatting"),
        *("k6", "k6.factory", "model", "polling", "polling.factory", "store"),
    },
    "commands.once": {"app", "commands.options", "commands.process", "config", "credentials"},
    "commands.serve": {
        *("__init__", "app", "commands.options", "commands.process", "config", "config.reload"),
        *("credentials", "web", "web.security"),
    },
    "commands.demo": {
        *("clock", "commands.options", "commands.process", "commands.serve", "config"),
        *("credentials", "logs", "simulator", "web"),
    },
    "commands.simulator": {
        *("clock", "commands.options", "commands.process", "logs", "simulator", "web"),
    },
    "simulator": set(),
    "cli": {
        *("__init__", "commands", "commands.check", "commands.demo", "commands.once", "commands.options"),
        *("commands.process", "commands.serve", "commands.simulator"),
    },
    "__main__": {"cli"},
}

# A scrape reads what is there; it can never cause a request.
SCRAPED = ("exposition", "web")
TO_THE_NETWORK = {"httpx", "httpcore", "requests", "urllib.request", "http.client", "socket"}

# The standard library's ways to read the time or wait for it to pass, each with where it is justified.
TIME = {
    "clock": {"time", "asyncio.sleep"},  # whose job it is
    "simulator.app": {"time", "asyncio.sleep"},  # k6 Cloud has a clock of its own
    "web.server": {"asyncio.get_running_loop().call_later"},  # how long a process takes to end
    "polling.scheduler": {"datetime.now"},  # APScheduler is told a date; Clock has no dates
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def module_of(file: Path) -> str:
    """The dotted name of a file below the package: k6.legacy.client."""
    name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def room_of(module: str) -> str:
    """The room with the longest name that contains a module, or the module itself if none does."""
    fitting = [room for room in MAY_IMPORT if module == room or module.startswith(f"{room}.")]
    return max(fitting, key=len, default=module)


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


def our_imports(file: Path) -> set[str]:
    """The modules of ours that a file imports, wherever in the file."""
    names = {module_of(module): f"exporter.{module_of(module)}" for module in MODULES}
    names["__init__"] = "exporter"
    found = set()
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from exporter.k6 import write` imports a module, `from exporter.k6.write import X` a class.
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in names.values() else str(node.module) for name in inner}
    return {module for module, name in names.items() if name in found} - {module_of(file)}


GRAPH = {module_of(file): our_imports(file) for file in MODULES}


def reached(*start: str) -> set[str]:
    """The modules that come with these rooms, at whatever remove."""
    ahead = {module for module in GRAPH if any(f"{module}.".startswith(f"{room}.") for room in start)}
    seen: set[str] = set()
    while ahead:
        seen |= ahead
        ahead = set().union(*(GRAPH[module] for module in ahead)) - seen
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


@pytest.mark.parametrize("module", GRAPH)
def test_each_module_imports_only_what_the_table_allows(module: str) -> None:
    room = room_of(module)
    assert room in MAY_IMPORT, "a module that is in no room of the table"

    assert {room_of(other) for other in GRAPH[module]} <= MAY_IMPORT[room] | {room}


def test_the_table_names_only_what_exists_and_is_used() -> None:
    used: dict[str, set[str]] = {room_of(module): set() for module in GRAPH}
    for module, others in GRAPH.items():
        used[room_of(module)] |= {room_of(other) for other in others} - {room_of(module)}

    assert used == {room: others - {room} for room, others in MAY_IMPORT.items()}


def test_no_files_import_each_other_in_a_circle() -> None:
    # Imports inside functions count: they hide a circle from Python, not from a reader.
    graphlib.TopologicalSorter(GRAPH).prepare()


def test_the_model_knows_only_the_standard_library() -> None:
    outside = {name.split(".")[0] for name in imports(PACKAGE / "model.py")}

    assert outside <= sys.stdlib_module_names


@pytest.mark.parametrize("start", SCRAPED)
def test_a_scrape_can_never_cause_a_request(start: str) -> None:
    along = reached(start)

    assert not {room_of(module).split(".")[0] for module in along} & {
        *("k6", "polling", "app", "simulator", "cli", "commands")
    }
    serving = [f for f in MODULES if module_of(f) in along and module_of(f) != "web.server"]
    assert not {name for f in serving for name in imports(f)} & TO_THE_NETWORK


def test_only_the_border_and_the_composition_know_httpx() -> None:
    assert {module_of(file) for file in MODULES if "httpx" in imports(file)} == {
        *("k6.transport", "k6.factory", "app", "polling.factory")
    }


def test_serving_has_no_way_to_start_or_stop_a_run() -> None:
    writing = PACKAGE / "k6" / "write.py"
    serving = [file for file in MODULES if module_of(file) in reached("app") and file != writing]

    assert "POST" in words(writing)
    assert not [named(file) for file in serving if "exporter.k6.write" in imports(file)]
    assert {module_of(f) for f in MODULES if "exporter.k6.write" in imports(f)} == {
        *("commands.runs.actions", "commands.runs.client", "commands.runs.opening")
    }
    # The only other POSTs are what a browser or Prometheus may send to us.
    for file in serving:
        if "POST" in words(file):
            assert room_of(module_of(file)) == "web", named(file)
    for client in (Transport, LegacyClient, V6Client):
        calls = {name for name in dir(client) if not name.startswith("_")}
        assert not {name for name in calls if re.match("post|put|patch|delete|start|stop|abort", name)}


def test_only_two_commands_import_the_simulator() -> None:
    outside = {
        module for module, others in GRAPH.items() if {"simulator"} & {o.split(".")[0] for o in others}
    }

    assert {module for module in outside if not module.startswith("simulator")} == {
        *("commands.demo", "commands.simulator")
    }


def test_nothing_but_the_clock_reads_the_time() -> None:
    found: dict[str, set[str]] = {}
    for file in MODULES:
        ways = imports(file) & {"time", "sched"}
        waits = ("asyncio.sleep", "call_later", "call_at")
        now = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
        ways |= {name for name in dotted(tree(file)) if name.endswith((*waits, *now))}
        if ways:
            found.setdefault(module_of(file), set()).update(ways)

    assert found == TIME


def test_nothing_but_the_command_line_reads_the_environment() -> None:
    ways = {"os.environ", "os.environb", "os.getenv"}
    readers = {named(file) for file in MODULES if ways & {*dotted(tree(file)), *imports(file)}}

    assert readers == {"commands/options.py"}


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
