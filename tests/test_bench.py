"""What is said of the speed is what was measured, and the measuring still works. No timing is judged here."""

import pytest

from bench import cycle, memory, report, requests, scrape, stall
from bench import history as past
from bench import trigger as hint
from bench import update as step
from bench.client import samples
from bench.measure import CLIENT_GOLANG
from bench.plot import plot
from tests.support.programs import require_program


def test_the_readme_tells_what_was_measured() -> None:
    found = report.TABLE.search(report.PERFORMANCE.read_text(encoding="utf-8"))

    assert found
    assert found[0] == report.marked(report.read())


def test_the_readme_tells_what_the_webhook_gains_as_it_was_measured() -> None:
    found = report.HINT.search(report.WEBHOOK.read_text(encoding="utf-8"))

    assert found
    assert found[0] == report.hint_marked(report.read())


def test_the_report_and_the_plot_tell_what_was_measured() -> None:
    results = report.read()

    assert report.DOCUMENT.read_text(encoding="utf-8") == report.document(results)
    assert report.PLOT.read_text(encoding="utf-8") == plot(results["scrape"])


def test_a_scrape_can_be_measured_beside_others() -> None:
    rows = scrape.run(scrape.SMALL, pause=0)

    servers = {"ours", "static", "client_python"} | ({"client_golang"} if CLIENT_GOLANG.exists() else set())
    assert {row["server"] for row in rows} == servers
    assert {row["encoding"] for row in rows} == {"gzip", "identity"}
    assert {row["series"] for row in rows} == {68}


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_all_servers_tell_the_same_facts(encoding: str) -> None:
    with scrape.servers(tests=2) as urls:
        told = [samples(url, encoding) for url in urls.values()]

    assert len(told[0]) == 2 * 68
    assert all(one == told[0] for one in told)


def test_a_step_can_be_measured() -> None:
    rows = step.run(step.SMALL)

    assert [(row["tests"], row["share"]) for row in rows] == [(4, share) for share in step.SHARES]


def test_a_first_poll_can_be_measured() -> None:
    rows = cycle.run(cycle.SMALL, times=1)

    # v6: tests, schedules, runs, and those of each test; legacy: organizations, projects, the tests of each.
    assert [(row["api"], row["requests"]) for row in rows] == [("v6", 3 + 3), ("legacy", 1 + 1 + 2 + 3)]


def test_requests_can_be_counted() -> None:
    rows = requests.run(requests.SMALL)

    assert [(row["api"], row["a_minute"]) for row in rows] == [("v6", 4), ("legacy", 4)]


def test_memory_can_be_measured() -> None:
    [row] = memory.run(memory.SMALL)

    assert (row["tests"], row["polls"]) == (1, 2)


def test_a_stall_can_be_measured() -> None:
    row = stall.run(stall.SMALL)

    assert (row["runs"], row["series"]) == (2, 2 * 68 + 57)


def test_a_hint_can_be_measured() -> None:
    assert len(hint.delays(hint.SMALL, is_hinted=True)) == 1


def test_an_import_of_the_past_can_be_measured() -> None:
    row = past.row(past.SMALL, "v6", require_program("promtool", "prometheus"))

    assert row["samples"] > 0  # type: ignore[operator]
