"""kubectl and Helm as an administrator of the control plane."""

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.control_plane import PROGRAMS
from tests.support.chart import CHART, Loader, Tree, helm
from tests.support.processes import eventually

# What a kubelet would report of a pod whose container has ended with 0.
SUCCEEDED = json.dumps({"status": {"phase": "Succeeded"}})
WAIT = ("--wait", "--timeout=60s")

Result = subprocess.CompletedProcess[str]


def as_list(found: Iterable[Tree]) -> Tree:
    return {"apiVersion": "v1", "kind": "List", "items": list(found)}


def parse(text: str) -> list[Tree]:
    return [found for found in yaml.load_all(text, Loader=Loader) if found]


@dataclass(frozen=True)
class Cluster:
    kubeconfig: Path

    @property
    def environment(self) -> dict[str, str]:
        home, kubeconfig = str(self.kubeconfig.parent), str(self.kubeconfig)
        return {"HOME": home, "KUBECONFIG": kubeconfig, "PATH": os.environ["PATH"]}

    def run(self, program: Path, *arguments: str | Path, stdin: object = None) -> Result:
        """Runs a program. Its standard input is the object as JSON, which is also YAML."""
        return subprocess.run(
            [program, *arguments],
            input=json.dumps(stdin),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def kubectl(self, *arguments: str, stdin: object = None) -> str:
        """The output of kubectl, which must succeed without a warning."""
        result = self.run(PROGRAMS / "kubectl", *arguments, stdin=stdin)
        assert (result.returncode, result.stderr) == (0, ""), f"{arguments}: {result.stdout}{result.stderr}"
        return result.stdout

    def apply(self, *found: Tree) -> None:
        self.kubectl("apply", "--filename=-", stdin=as_list(found))

    def read(self, *arguments: str, stdin: object = None) -> list[Tree]:
        """The objects that kubectl gets."""
        output = self.kubectl("get", "--output=json", "--ignore-not-found", *arguments, stdin=stdin)
        tree: Tree = json.loads(output or '{"items": []}')
        found: list[Tree] = tree.get("items", [tree])
        return found


@dataclass
class Release:
    """A release of the chart, in a namespace of the same name.

    Its steps are for the table of results.
    """

    cluster: Cluster
    name: str
    program: str
    steps: list[str] = field(default_factory=list)

    def version(self) -> str:
        """The version of Helm, such as v4.3.0."""
        return self.cluster.run(helm(self.program), "version", "--template={{.Version}}").stdout

    def helm(self, command: str, *arguments: str | Path, stdin: object = None) -> str:
        """The output of Helm, which must succeed without a warning of the API server."""
        result = self.cluster.run(
            helm(self.program),
            *command.split(),
            self.name,
            *arguments,
            f"--namespace={self.name}",
            stdin=stdin,
        )
        assert result.returncode == 0, f"{command}: {result.stderr}"
        assert "warning" not in result.stderr.lower(), f"{command}: {result.stderr}"
        return result.stdout

    def kubectl(self, command: str, *options: str, found: Iterable[Tree]) -> str:
        """The output of a command of kubectl for these objects."""
        step = " ".join((command, *options))
        if self.steps[-1:] != [step]:
            self.steps.append(step)
        return self.cluster.kubectl(command, *options, "--filename=-", stdin=self.build_list(found))

    def build_list(self, found: Iterable[Tree]) -> Tree:
        """The objects for kubectl. Its option --namespace refuses those that name another namespace."""
        return as_list(one | {"metadata": {"namespace": self.name} | one["metadata"]} for one in found)

    def render(self, values: Mapping[str, Any]) -> list[Tree]:
        """The objects of the chart without hooks, such as the test."""
        found = parse(self.helm("template", CHART, "--values=-", stdin=values))
        return [one for one in found if "helm.sh/hook" not in one["metadata"].get("annotations", {})]

    def install(self, values: Mapping[str, Any], *, options: Iterable[str] = WAIT) -> None:
        self.steps.append("install")
        self.helm("install", CHART, *options, "--values=-", stdin=values)

    def upgrade(self, values: Mapping[str, Any], step: str = "upgrade") -> None:
        self.steps.append(step)
        self.helm("upgrade", CHART, *WAIT, "--values=-", stdin=values)

    def roll_back(self, revision: int) -> None:
        self.steps.append(f"rollback to revision {revision}")
        self.helm("rollback", str(revision), *WAIT)

    def uninstall(self) -> None:
        """Uninstalls the release; none of its objects is left."""
        self.steps.append("uninstall")
        manifest = self.manifest()
        self.helm("uninstall", *WAIT)
        assert self.live(manifest) == []

    def test(self) -> None:
        """Runs `helm test`. Its pod is admitted and scheduled; its success is reported for the kubelet."""
        self.steps.append("test")
        command = [str(helm(self.program)), "test", self.name, f"--namespace={self.name}", "--timeout=60s"]
        with subprocess.Popen(
            command,
            env=self.cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            eventually(lambda: process.poll() is not None or self.end_test_pod(), seconds=60)
            output, _ = process.communicate(timeout=90)
        assert process.returncode == 0, output
        assert "Succeeded" in output

    def end_test_pod(self) -> bool:
        """Whether the pod was running; then its success has been reported."""
        running = [pod for pod in self.read_pods("test") if pod["status"]["phase"] == "Running"]
        for pod in running:
            where = ("--namespace", pod["metadata"]["namespace"])
            options = ("--subresource=status", "--type=merge", "--patch", SUCCEEDED)
            self.cluster.kubectl("patch", "pod", pod["metadata"]["name"], *where, *options)
        return bool(running)

    def manifest(self) -> list[Tree]:
        """The objects of the release as Helm has stored them."""
        return parse(self.helm("get manifest"))

    def live(self, found: Iterable[Tree]) -> list[Tree]:
        """Those of the objects that exist, as the API server returns them."""
        return self.cluster.read("--filename=-", stdin=self.build_list(found))

    def pods(self, total: int) -> list[Tree]:
        """The exporter's pods, once there are exactly so many and all are ready.

        After Helm has returned, controllers still delete the pods of a workload that was replaced.
        """

        def find() -> list[Tree] | None:
            pods = self.read_pods("exporter")
            return pods if len(pods) == total and all(map(is_ready, pods)) else None

        return eventually(find)

    def read_pods(self, component: str) -> list[Tree]:
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        return self.cluster.read("pods", "--all-namespaces", "--selector", selector)

    def workload(self) -> Tree:
        """The only Deployment or StatefulSet."""
        (found,) = self.cluster.read(
            "deployments.apps,statefulsets.apps",
            "--all-namespaces",
            f"--selector=app.kubernetes.io/instance={self.name}",
        )
        return found


def is_ready(pod: Tree) -> bool:
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", [])
    )
