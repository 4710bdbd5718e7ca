"""The Deployment of the chart with the image, run by `podman kube play` without Kubernetes."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from tests.support.chart import Tree, objects
from tests.support.container_engine import Engine, Image
from tests.support.exporter_process import TOKEN, Cloud
from tests.support.processes import eventually, free_port
from tests.system.conftest import cloud, shared_cloud

__all__ = ["cloud", "shared_cloud"]

ENCODED = base64.b64encode(TOKEN.encode()).decode()


def values(image: Image, url: str, port: int) -> Tree:
    """Values with an existing Secret named k6-cloud."""
    registry, _, name = image.name.partition("/")
    repository, _, tag = name.partition(":")
    return {
        "k6": {"existingSecret": {"name": "k6-cloud"}},
        "image": {"registry": registry, "repository": repository, "tag": tag, "pullPolicy": "Never"},
        "containerPort": port,
        "config": {"api": {"url": url, "stack": 1}},
    }


def select_playable(rendered: list[Tree]) -> list[Tree]:
    """The Deployment and its ConfigMap, with host network; podman supports no other kinds."""
    known = [found for found in rendered if found["kind"] in {"ConfigMap", "Deployment"}]
    [pod] = [found["spec"]["template"]["spec"] for found in known if found["kind"] == "Deployment"]
    pod["hostNetwork"] = True
    for container in pod["containers"]:
        del container["ports"]  # podman rejects ports with host network
    for volume in pod["volumes"]:
        if "secret" in volume:
            volume["secret"]["optional"] = False  # the default; podman 4.3 panics without it
    return known


@contextmanager
def play(engine: Engine, rendered: list[Tree], folder: Path) -> Iterator[None]:
    manifest = folder / "manifest.yaml"
    manifest.write_text(yaml.safe_dump_all(select_playable(rendered)), encoding="utf-8")
    engine.podman("kube", "play", manifest)
    try:
        yield
    finally:
        engine.podman("kube", "down", manifest)


def make_secret(engine: Engine, folder: Path, name: str, **data: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}
    (folder / "secret.json").write_text(json.dumps(secret), encoding="utf-8")
    engine.podman("secret", "create", name, folder / "secret.json")


def test_rendered_deployment_polls_and_is_scraped(
    engine: Engine, image: Image, cloud: Cloud, tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    make_secret(engine, tmp_path, "k6-cloud", **{"api-token": ENCODED})
    cloud.admit(TOKEN, ENCODED)  # podman 4.3 mounts the encoded secret, later versions decode it

    with play(engine, objects(values(image, cloud.url, port)), tmp_path):
        eventually(lambda: httpx.get(f"{url}/-/ready", trust_env=False).is_success)
        page = httpx.get(f"{url}/metrics", trust_env=False).text

    assert "\nk6_cloud_up 1.0\n" in page
    for test_id in cloud.test_ids():
        assert f'test_id="{test_id}"' in page
