"""The relabelings for Google Managed Prometheus in docs/grafana-cloud.md, applied by a real Prometheus."""

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.documents import DOCS, read_document
from tests.support.exporter_process import Cloud
from tests.support.processes import eventually, exporter_command, free_port, run_process

PAGE = DOCS / "grafana-cloud.md"
# As Prometheus names what the resources of Google call sourceLabels and targetLabel.
FIELDS = {"sourceLabels": "source_labels", "targetLabel": "target_label"}


def read_nested_example(name: str) -> Any:
    """An example in a list, where its lines are indented."""
    text = read_document(PAGE).split(f"<!-- {name} -->\n", 1)[1].split("```yaml\n", 1)[1]
    return yaml.safe_load(textwrap.dedent(text.split("```", 1)[0]))


def build_configuration(exporter: int) -> dict[str, Any]:
    """Both jobs of the document. The collector of Google sets project_id for each target."""
    [self_deployed] = read_nested_example("google-self-deployed")["scrape_configs"]
    [endpoint] = read_nested_example("google-managed")["spec"]["endpoints"]
    managed = [
        {FIELDS.get(key, key): value for key, value in rule.items()} for rule in endpoint["metricRelabeling"]
    ]
    target = f"127.0.0.1:{exporter}"
    jobs = [
        self_deployed | {"job_name": "self-deployed", "static_configs": [{"targets": [target]}]},
        {
            "job_name": "managed",
            "static_configs": [{"targets": [target], "labels": {"project_id": "my-google-project"}}],
            "metric_relabel_configs": managed,
        },
    ]
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}


@pytest.fixture
def prometheus(tmp_path: Path, prometheus_program: str, cloud: Cloud) -> Iterator[str]:
    """The URL of a Prometheus that scrapes an exporter with both jobs."""
    exporter, port = free_port(), free_port()
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(build_configuration(exporter)))
    command = exporter_command("--web.listen-address", f"127.0.0.1:{exporter}")
    program = (
        prometheus_program,
        f"--config.file={file}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (
        run_process(*command, log=tmp_path / "exporter.log", **cloud.environment()),
        run_process(*program, log=tmp_path / "prometheus.log"),
    ):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("job", "project"), [("self-deployed", None), ("managed", "my-google-project")])
def test_relabeling_renames_the_project(job: str, project: str | None, prometheus: str, cloud: Cloud) -> None:
    def query() -> list[dict[str, str]]:
        parameters = {"query": f'k6_cloud_test_info{{job="{job}"}}'}
        answer = httpx.get(f"{prometheus}/api/v1/query", params=parameters, trust_env=False)
        # 503 while Prometheus starts.
        return [sample["metric"] for sample in answer.json()["data"]["result"]] if answer.is_success else []

    labels = eventually(query)

    truth = cloud.client.get("/simulator/state").json()["tests"]
    assert {found["test_id"]: found["k6_project_id"] for found in labels} == {
        str(test["id"]): str(test["project_id"]) for test in truth
    }
    assert {found.get("project_id") for found in labels} == {project}
    assert not any("exported_project_id" in found for found in labels)
