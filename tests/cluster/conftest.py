"""The control plane, once for all tests, and the table of results.

Only with TEST_CLUSTER=1 in the environment, which `make test-cluster` sets: the build takes ten minutes.
"""

import os
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.cluster.cluster import Cluster, Release
from tests.cluster.control_plane import PROGRAMS, start_control_plane
from tests.support.chart import HELMS, Tree

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
# The namespaces that values files name.
NAMED = ("load", "monitoring")
NODES = 3

_numbers = count(1)


def build_node(number: int) -> Tree:
    """A node that kwok pretends to run."""
    name = f"node-{number}"
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": f"zone-{number}",
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def build_namespace(name: str) -> Tree:
    """A namespace that admits only pods of Pod Security "restricted"."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if os.environ.get("TEST_CLUSTER") != "1":
        pytest.skip("make test-cluster runs this; it builds Kubernetes for ten minutes")
    assert (PROGRAMS / "kube-apiserver").exists(), "make test-cluster builds it"
    with start_control_plane(tmp_path_factory.mktemp("control-plane")) as kubeconfig:
        made = Cluster(kubeconfig)
        made.kubectl("apply", "--server-side", "--filename", str(PROGRAMS / "crds"))
        made.apply(*map(build_node, range(NODES)), *map(build_namespace, NAMED))
        made.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
        made.kubectl("wait", "--for=condition=Established", "crds", "--all", "--timeout=60s")
        yield made


@pytest.fixture(params=HELMS)
def release(
    cluster: Cluster, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Release:
    """A release that is not installed yet, in a namespace of the same name."""
    made = Release(cluster, f"test-{next(_numbers)}", request.param)
    cluster.apply(build_namespace(made.name))
    record_property("helm", made.version())
    record_property("steps", made.steps)
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints a table of the tests that used the control plane, with a line for all values of a test."""
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            properties: dict[str, Any] = dict(report.user_properties)
            if report.when == "call" and "steps" in properties:
                # Such as test_ci_values[helm-3-full], or without values test_shards[helm-3].
                name, _, parameters = report.nodeid.rpartition("::test_")[2].rstrip("]").partition("[")
                steps = ", ".join(properties["steps"])
                row = (name.replace("_", " "), properties["helm"], steps, outcome)
                rows.setdefault(row, []).append("-".join(parameters.split("-")[2:]))
    if rows:
        terminalreporter.section("Results")
        terminalreporter.write_line("| test | values | Helm | steps | result |\n|---|---|---|---|---|")
        for (name, version, steps, outcome), values in sorted(rows.items()):
            terminalreporter.write_line(f"| {name} | {', '.join(values)} | {version} | {steps} | {outcome} |")
