"""buildah and podman from Debian, configured to need neither systemd nor a network."""

import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The default limits of the engine can be higher than this process may set.
SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "none"
lock_type = "file"
tmp_dir = "{folder}/tmp"
"""
HARDENED = ("--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL", "--security-opt=no-new-privileges")


class Engine:
    """A container engine with all its files in one folder."""

    BASE = "docker.io/library/python:3.13-slim"
    NAME = "localhost/k6-cloud-exporter:latest"

    def __init__(self, folder: Path, driver: str) -> None:
        settings = folder / "containers.conf"
        settings.write_text(SETTINGS.format(folder=folder))
        self._folder = folder
        self._environment = {**os.environ, "CONTAINERS_CONF": str(settings), "BUILDAH_ISOLATION": "chroot"}
        self._store: tuple[str | Path, ...] = (
            *("--root", folder / "root"),
            *("--runroot", folder / "run"),
            *("--storage-driver", driver),
        )

    def podman(self, *arguments: str | Path) -> str:
        """Stdout of podman. Raises CalledProcessError if it fails."""
        return self._run("podman", *self._store, *arguments).stdout

    def podman_output(self, *arguments: str) -> str:
        """Stdout and stderr of podman."""
        done = self._run("podman", *self._store, *arguments)
        return done.stdout + done.stderr

    def import_base(self, archive: Path) -> None:
        changes = [
            "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
        ]
        self.podman("import", "--quiet", *(f"--change={change}" for change in changes), archive, self.BASE)

    def build(self, checkout: Path) -> "Image":
        """Runs `make image`."""
        buildah = " ".join(map(str, ["buildah", *self._store]))
        self._run("make", "--directory", checkout, "image", f"CONTAINER={buildah}")
        return Image(self, self.NAME)

    def clear(self) -> None:
        """Stops all containers and deletes the store."""
        for kind in ("pod", "container"):
            self.podman(kind, "rm", "--all", "--force", "--time=0")
        shutil.rmtree(self._folder)

    def _run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout, done.stderr)  # pytest shows it with the failure
        done.check_returncode()
        return done


@dataclass(frozen=True)
class Image:
    """An image in the store of an engine."""

    engine: Engine
    name: str

    def inspect(self) -> dict[str, Any]:
        """The metadata of the image. `Size` is in bytes, uncompressed, including the base image."""
        [metadata] = json.loads(self.engine.podman("image", "inspect", self.name))
        return dict(metadata)

    @contextmanager
    def files(self) -> Iterator[Path]:
        """The mounted root of the image."""
        try:
            yield Path(self.engine.podman("image", "mount", self.name).strip())
        finally:
            self.engine.podman("image", "unmount", self.name)

    @contextmanager
    def running(self, *arguments: str, network: str = "none", **environment: str) -> Iterator["Container"]:
        """A hardened container, without a network unless one is given."""
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        flags = ("--detach", "--pull=never", f"--network={network}", *HARDENED, *variables)
        name = self.engine.podman("run", *flags, self.name, *arguments).strip()
        try:
            yield Container(self.engine, name)
        finally:
            self.engine.podman("rm", "--force", name)


@dataclass(frozen=True)
class Container:
    """A started container."""

    engine: Engine
    name: str

    def log(self) -> str:
        return self.engine.podman_output("logs", self.name)

    def state(self) -> dict[str, Any]:
        [metadata] = json.loads(self.engine.podman("inspect", self.name))
        return dict(metadata["State"])

    def process(self) -> dict[str, str]:
        """/proc/PID/status of the first process: users, capabilities and so on."""
        lines = Path("/proc", str(self.state()["Pid"]), "status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def execute(self, *command: str) -> str:
        return self.engine.podman_output("exec", self.name, *command)

    def is_healthy(self) -> bool:
        """Whether one run of the image's health check succeeds."""
        try:
            self.engine.podman("healthcheck", "run", self.name)
        except subprocess.CalledProcessError:
            return False
        return True

    def stop(self) -> tuple[int, float]:
        """Sends SIGTERM. Returns the exit code and the seconds until the end, without podman's own time."""
        process = os.pidfd_open(self.state()["Pid"])
        began = time.monotonic()
        signal.pidfd_send_signal(process, signal.SIGTERM)
        ended, _, _ = select.select([process], [], [], 10)
        took = time.monotonic() - began
        os.close(process)
        assert ended, "it has not ended within 10 seconds"
        return int(self.engine.podman("wait", self.name)), took
