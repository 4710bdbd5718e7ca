"""Which modules may import which, and which may use the clock, the environment and the network.

Data flows one way: k6 → model → store → exposition → web. A module that is not in the table fails.
"""

import ast
import graphlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import exporter
from exporter.cli import COMMANDS
from exporter.k6.legacy.client import LegacyClient
from exporter.k6.transport import Transport
from exporter.k6.v6.client import V6Client

PACKAGE = Path(exporter.__file__).parent

# Parts, each a module or a package, and the parts that it may import from. A module belongs to the part with
# the longest matching name. Modules of one part may import each other, but not in a cycle.
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "model": set(),
    "clock": set(),
    "logs": set(),
    "threads": set(),
    "files": {"threads"},
    "credentials": {"files"},
    "self_metrics": set(),
    "nesting": set(),
    "regex": set(),
    "shared_call": set(),
    "formatting": {"model"},
    "store": {"model"},
    "config": {"credentials", "files", "formatting", "regex"},
    "config.reload": {"clock", "config", "credentials", "self_metrics", "shared_call", "threads"},
    "k6": {"__init__", "clock", "k6.proxies", "k6.tls", "model", "nesting"},
    "k6.connection": {"config", "k6", "k6.proxies", "k6.tls", "threads"},
    "k6.factory": {"clock", "config", "credentials", "k6", "k6.connection"},
    "k6.proxies": {"config"},
    "k6.tls": {"files"},
    "exposition": {"model", "store"},
    "exposition.body": {"exposition.compression"},
    "exposition.compression": set(),
    "polling": {"clock", "formatting", "k6", "model", "regex", "self_metrics", "store"},
    "polling.factory": {"clock", "config", "credentials", "k6", "k6.factory", "polling", "regex"},
    "web": {
        *("credentials", "exposition.body", "formatting", "model", "nesting", "self_metrics", "shared_call"),
        "store",
    },
    "web.security": {"clock", "config", "files", "formatting", "threads"},
    "app": {
        *("__init__", "clock", "config", "config.reload", "credentials", "exposition", "exposition.body"),
        *("k6", "k6.factory", "polling", "polling.factory", "regex", "self_metrics"),
        *("store", "web"),
    },
    "commands": {
        *("clock", "commands.configuration", "commands.names", "commands.options", "commands.process"),
        *("commands.progress", "config", "credentials", "exposition", "formatting", "k6", "k6.factory"),
        *("model", "polling", "polling.factory", "store"),
    },
    "commands.completion": set(),
    "commands.configuration": {"config", "config.reload", "credentials", "k6.connection", "logs"},
    "commands.options": {"config", "formatting"},
    "commands.process": {"clock", "commands.configuration", "config", "web", "web.security"},
    "commands.check": {
        *("app", "clock", "commands.configuration", "commands.names", "commands.options", "commands.poll"),
        *("commands.process", "config", "credentials", "formatting", "k6", "model", "polling"),
        *("polling.factory", "regex", "store"),
    },
    "commands.names": {"config", "formatting", "k6", "model"},
    "commands.once": {
        *("app", "clock", "commands.configuration", "commands.names", "commands.options", "commands.poll"),
        *("commands.process", "config", "credentials", "model", "polling.factory"),
    },
    "commands.poll": {"app", "clock", "commands.progress", "polling"},
    "commands.progress": {"clock"},
    "commands.serve": {
        *("__init__", "app", "clock", "commands.configuration", "commands.options", "commands.process"),
        *("config", "config.reload", "credentials", "logs", "web", "web.security"),
    },
    "commands.demo": {
        "__init__",
        *("clock", "commands.options", "commands.process", "commands.serve", "config"),
        *("credentials", "logs", "simulator", "web"),
    },
    "commands.simulator": {
        *("clock", "commands.options", "commands.process", "logs", "simulator", "web"),
    },
    "simulator": set(),
    "cli": {
        *("__init__", "commands", "commands.check", "commands.completion", "commands.demo"),
        *("commands.once", "commands.serve", "commands.simulator"),
    },
    "__main__": {"cli"},
}

# A scrape reads what was fetched before. It can never cause a request to k6 Cloud.
SCRAPED = ("exposition", "web")
NETWORK_MODULES = {"httpx", "httpcore", "requests", "urllib.request", "http.client", "socket"}

# Where the standard library's ways to read the time or to wait may be used, and why.
TIME = {
    "clock": {"time", "asyncio.sleep"},  # the one module for it
    "simulator.app": {"time", "asyncio.sleep"},  # k6 Cloud has a clock of its own
    "web.server": {"asyncio.get_running_loop().call_later"},  # how long a process takes to end
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def module_of(file: Path) -> str:
    """The dotted name of a file relative to the package, such as k6.legacy.client."""
    name = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def part_of(module: str) -> str:
    """The part with the longest name that contains a module, or the module itself if none does."""
    matching = [part for part in MAY_IMPORT if module == part or module.startswith(f"{part}.")]
    return max(matching, key=len, default=module)


def imports(file: Path) -> set[str]:
    """Full names of everything that a file imports, also inside functions."""
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
    """The modules of this package that a file imports, also inside functions."""
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
# Imported by name when they run.
GRAPH["cli"] |= {f"commands.{command.name}.command" for command in COMMANDS}


def transitive_imports(*start: str) -> set[str]:
    """The modules of these parts and all that they import, directly or indirectly."""
    pending = {module for module in GRAPH if any(f"{module}.".startswith(f"{part}.") for part in start)}
    found: set[str] = set()
    while pending:
        found |= pending
        pending = set().union(*(GRAPH[module] for module in pending)) - found
    return found


def dotted_names(node: ast.AST) -> Iterator[str]:
    """Each name and attribute access in a tree, as written, such as os.environ."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Attribute | ast.Name):
            yield ast.unparse(inner)


def strings(file: Path) -> set[str]:
    """Every string in a file."""
    constants = (node.value for node in ast.walk(tree(file)) if isinstance(node, ast.Constant))
    return {value for value in constants if isinstance(value, str)}


def relative_name(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


@pytest.mark.parametrize("module", GRAPH)
def test_module_imports_only_allowed_parts(module: str) -> None:
    part = part_of(module)
    assert part in MAY_IMPORT, "a module that is missing in the table"

    assert {part_of(other) for other in GRAPH[module]} <= MAY_IMPORT[part] | {part}


def test_table_lists_only_used_imports() -> None:
    used: dict[str, set[str]] = {part_of(module): set() for module in GRAPH}
    for module, others in GRAPH.items():
        used[part_of(module)] |= {part_of(other) for other in others} - {part_of(module)}

    assert used == {part: others - {part} for part, others in MAY_IMPORT.items()}


def test_no_circular_imports() -> None:
    # Imports inside functions count: they hide a cycle from Python, not from a reader.
    graphlib.TopologicalSorter(GRAPH).prepare()


def test_model_imports_only_structs_and_the_standard_library() -> None:
    outside = {name.split(".")[0] for name in imports(PACKAGE / "model.py")} - sys.stdlib_module_names

    assert outside == {"msgspec"}


@pytest.mark.parametrize("start", SCRAPED)
def test_scrape_cannot_cause_a_request(start: str) -> None:
    imported = transitive_imports(start)

    assert not {part_of(module).split(".")[0] for module in imported} & {
        *("k6", "polling", "app", "simulator", "cli", "commands")
    }
    serving = [f for f in MODULES if module_of(f) in imported and module_of(f) != "web.server"]
    assert not {name for f in serving for name in imports(f)} & NETWORK_MODULES


def test_only_transport_and_factories_import_httpx() -> None:
    assert {module_of(file) for file in MODULES if "httpx" in imports(file)} == {
        *("k6.connection", "k6.http", "k6.transport", "k6.factory", "app", "polling.factory")
    }


def test_serving_cannot_start_or_stop_a_run() -> None:
    write_module = PACKAGE / "k6" / "write.py"
    imported = transitive_imports("app")
    serving = [file for file in MODULES if module_of(file) in imported and file != write_module]

    assert "POST" in strings(write_module)
    assert not [relative_name(file) for file in serving if "exporter.k6.write" in imports(file)]
    assert {module_of(f) for f in MODULES if "exporter.k6.write" in imports(f)} == {
        *("commands.runs.actions", "commands.runs.client")
    }
    # The only other POST requests are those that clients may send to the exporter.
    for file in serving:
        if "POST" in strings(file):
            assert part_of(module_of(file)) == "web", relative_name(file)
    for client in (Transport, LegacyClient, V6Client):
        calls = {name for name in dir(client) if not name.startswith("_")}
        assert not {name for name in calls if re.match("post|put|patch|delete|start|stop|abort", name)}


def test_only_two_commands_import_the_simulator() -> None:
    outside = {
        module for module, others in GRAPH.items() if {"simulator"} & {o.split(".")[0] for o in others}
    }

    assert {module for module in outside if not module.startswith("simulator")} == {
        *("commands.demo.run", "commands.simulator.run")
    }


def test_only_the_clock_reads_the_time() -> None:
    found: dict[str, set[str]] = {}
    for file in MODULES:
        uses = imports(file) & {"time", "sched"}
        waits = ("asyncio.sleep", "call_later", "call_at")
        now = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today")
        uses |= {name for name in dotted_names(tree(file)) if name.endswith((*waits, *now))}
        if uses:
            found.setdefault(module_of(file), set()).update(uses)

    assert found == TIME


def test_only_two_modules_read_the_environment() -> None:
    names = {"os.environ", "os.environb", "os.getenv"}
    readers = {relative_name(file) for file in MODULES if names & {*dotted_names(tree(file)), *imports(file)}}

    # The factory: variables for proxies and CA certificates, which are no settings of ours.
    # The entry point only removes variables, before libraries read them.
    assert readers == {"__main__.py", "commands/configuration.py", "k6/factory.py"}


def test_global_prometheus_registry_is_unused() -> None:
    for file in MODULES:
        assert not {
            name for name in imports(file) if name.startswith("prometheus_client") and "REGISTRY" in name
        }
        assert not {name for name in dotted_names(tree(file)) if name.rpartition(".")[2] == "REGISTRY"}


def test_self_metrics_name_their_registry() -> None:
    kinds = {"Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"}
    kinds |= {"ProcessCollector", "PlatformCollector", "GCCollector"}
    calls = [
        node
        for file in MODULES
        if any(name.startswith("prometheus_client") for name in imports(file))
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds
    ]

    assert calls
    assert all("registry" in {keyword.arg for keyword in call.keywords} for call in calls)


def test_no_module_calls_print() -> None:
    for file in MODULES:
        assert "print" not in set(dotted_names(tree(file))), relative_name(file)
