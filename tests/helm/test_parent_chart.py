"""The chart as a dependency of another chart."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from tests.support.chart import CHART, HELMS, Tree, container, objects, one, pod, template, with_secret

(EXAMPLE,) = re.findall(
    r"<!-- dependency -->\n```yaml\n(.*?)```", (CHART / "README.md").read_text(encoding="utf-8"), re.DOTALL
)


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parent chart of the README, after `helm dependency update`."""
    folder = tmp_path_factory.mktemp("parent")
    (folder / "Chart.yaml").write_text(EXAMPLE, encoding="utf-8")
    shutil.copytree(CHART, folder / "charts" / CHART.name)
    return folder


@pytest.mark.parametrize("program", HELMS)
def test_condition_can_enable_the_chart(parent: Path, program: str) -> None:
    values = {CHART.name: with_secret(enabled=True)}

    assert objects(values, program=program, chart=parent) == objects(with_secret(), program=program)


@pytest.mark.parametrize("program", HELMS)
def test_condition_can_disable_the_chart(parent: Path, program: str) -> None:
    rendered = template({CHART.name: {"enabled": False}}, program=program, chart=parent)

    assert (rendered.returncode, rendered.stdout.strip()) == (0, ""), rendered.stderr


@pytest.mark.parametrize("program", HELMS)
def test_globals_of_the_parent_apply_to_all_pods(parent: Path, program: str) -> None:
    values = {
        "global": {"imageRegistry": "mirror.example.com/", "imagePullSecrets": ["mirror", {"name": "other"}]},
        CHART.name: with_secret(imagePullSecrets=[{"name": "mine"}, "mirror"], image={"registry": "quay.io"}),
    }
    rendered = objects(values, program=program, chart=parent)
    specs = [found["spec"] for found in rendered if found["kind"] == "Pod"]
    specs += [found["spec"]["template"]["spec"] for found in rendered if found["kind"] == "Deployment"]

    assert len(specs) == 2
    for spec in specs:
        image = spec["containers"][0]["image"]
        assert image == f"mirror.example.com/k6-cloud-exporter/k6-cloud-exporter:{__version__}"
        assert spec["imagePullSecrets"] == [{"name": name} for name in ("mirror", "other", "mine")]


@pytest.mark.parametrize("value", [None, {}, {"imageRegistry": None, "imagePullSecrets": None}])
def test_empty_globals_change_nothing(value: Tree | None) -> None:
    assert objects(with_secret(**{"global": value})) == objects(with_secret())


def test_pull_secrets_can_be_names_or_maps() -> None:
    values = with_secret(imagePullSecrets=["first", {"name": "second"}])

    secrets = [{"name": "first"}, {"name": "second"}]
    assert pod(values)["imagePullSecrets"] == one("Pod", values)["spec"]["imagePullSecrets"] == secrets


def test_without_globals_the_registry_is_that_of_the_image() -> None:
    assert container(with_secret(image={"registry": "quay.io"}))["image"].startswith("quay.io/")


def test_readme_example_is_the_current_version() -> None:
    (dependency,) = yaml.safe_load(EXAMPLE)["dependencies"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert {key: dependency[key] for key in ("name", "version")} == {
        key: chart[key] for key in ("name", "version")
    }
