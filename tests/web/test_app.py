"""Routes: formats, compression, health and readiness, and stale data."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families as text_families

from exporter.simulator import World, faults
from exporter.web.app import accepts_gzip, prefers_openmetrics
from tests.support.lab import START, Lab
from tests.support.scripted_world import build_scripted_world

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def create_world() -> World:
    world = World()
    world.add_run(world.add_test("checkout"), created=START - 60)
    return world


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        (PROMETHEUS, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ("APPLICATION/OPENMETRICS-TEXT;Q=1", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.4,text/plain;q=0.5", False),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.6", True),
        ("application/openmetrics-text;version=9.0.0", False),
        ("application/openmetrics-text;q=nonsense", False),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;q=1,text/plain;q=0.4",
            False,
        ),
    ],
)
def test_openmetrics_is_served_if_preferred(accept: str, is_openmetrics: bool) -> None:
    assert prefers_openmetrics(accept) is is_openmetrics


@pytest.mark.parametrize(
    ("accept_encoding", "is_gzip"),
    [
        ("", False),
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("GZIP", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.5, identity", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0, *", False),
        ("br", False),
    ],
)
def test_gzip_is_served_if_accepted(accept_encoding: str, is_gzip: bool) -> None:
    assert accepts_gzip(accept_encoding) is is_gzip


def test_formats_and_encodings_have_the_same_samples() -> None:
    with Lab(build_scripted_world()) as lab:
        lab.poll()
        text = lab.get(**{"Accept-Encoding": "identity"})
        compressed = lab.get(**{"Accept-Encoding": "gzip"})
        openmetrics = lab.get(**{"Accept": PROMETHEUS, "Accept-Encoding": "gzip"})

    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Content-Encoding" not in text.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert openmetrics.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert openmetrics.text.endswith("\n# EOF\n")
    assert openmetrics.text.count("# EOF") == 1

    def list_samples(families: object) -> list[object]:
        return [
            (sample.name, sample.labels, sample.value)
            for family in families  # type: ignore[attr-defined]
            for sample in family.samples
            if sample.name.startswith(("k6_cloud_run_", "k6_cloud_test_"))
        ]

    assert len(list_samples(text_families(text.text))) == 126
    assert list_samples(text_families(text.text)) == list_samples(openmetrics_families(openmetrics.text))
    assert list_samples(text_families(text.text)) == list_samples(text_families(compressed.text))


def test_head_has_the_headers_of_get_and_no_body() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        scraped, head = lab.get(), lab.get(method="HEAD")

    assert head.headers == scraped.headers
    assert (head.status_code, head.content) == (200, b"")


def test_no_created_series_are_exposed() -> None:
    with Lab(create_world()) as lab:
        lab.poll()

        assert "_created{" not in lab.get().text
        assert "_created " not in lab.get().text


def test_scrape_sends_no_request_to_k6_cloud() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.take_requests()
        lab.get()
        lab.get("/")

        assert lab.take_requests() == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_no_request_changes_anything_in_k6_cloud(method: str) -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.take_requests()
        for path in ("/", "/metrics", "/-/healthy", "/-/ready"):
            assert lab.get(path, method).status_code == 405
        assert lab.get("/loadtests/v2/tests/1/start", method).status_code == 404

        assert lab.take_requests() == []


def test_readiness_begins_with_the_first_good_poll() -> None:
    with Lab(create_world()) as lab:
        before = lab.get("/-/ready")
        lab.simulator.faults.add(faults.error(500))
        lab.poll()
        failed = lab.get("/-/ready")
        lab.simulator.faults.clear()
        lab.poll()
        after = lab.get("/-/ready")

    assert [response.status_code for response in (before, failed, after)] == [503, 503, 200]


def test_data_is_kept_after_failed_polls_until_stale() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        good = lab.page()
        lab.simulator.faults.add(faults.error(503))
        lab.at(250).poll()

        assert lab.page() == good
        assert lab.value("k6_cloud_up") == 0
        assert lab.get("/-/ready").status_code == 200

        lab.at(301)
        assert lab.page() == ""
        assert lab.value("k6_cloud_exporter_series") == 0
        assert lab.get("/-/ready").status_code == 503

        lab.simulator.faults.clear()
        lab.at(315).poll()
        assert 'k6_cloud_run_status{project_id="30001",run_id="5000001",test_id="400001"' in lab.page()
        assert lab.get("/-/ready").status_code == 200


def test_stale_series_are_dropped_even_without_a_poll() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.at(299)
        assert lab.page() != ""
        lab.at(301)
        assert lab.page() == ""


def test_outage_of_k6_cloud_does_not_fail_liveness() -> None:
    with Lab(create_world()) as lab:
        lab.simulator.faults.add(faults.error(503))
        for minute in range(60):
            lab.at(60 * minute).poll()

        assert lab.get("/-/healthy").status_code == 200


def test_liveness_fails_when_polling_stops() -> None:
    with Lab(create_world()) as lab:
        lab.poll()
        lab.at(661)

        assert lab.get("/-/healthy").status_code == 503


def test_telemetry_path_is_configurable() -> None:
    with Lab(create_world(), web={"telemetry_path": "/k6/metrics"}) as lab:
        assert lab.get("/k6/metrics").status_code == 200
        assert lab.get("/metrics").status_code == 404
        assert 'href="k6/metrics"' in lab.get("/").text


def test_other_paths_are_not_found() -> None:
    with Lab(create_world()) as lab:
        assert lab.get("/nowhere").status_code == 404
        assert lab.get("/metrics/").status_code == 404
