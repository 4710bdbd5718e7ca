"""The documents match results.json, and each benchmark still runs. No timing is asserted."""

import asyncio

import pytest

from bench import (
    cycle,
    flood,
    history,
    memory,
    report,
    requests,
    scrape,
    sizing,
    stall,
    start,
    trigger,
    update,
)
from bench.client import Scraper, fetch_samples
from bench.measure import CLIENT_GOLANG
from bench.plot import plot
from tests.support.programs import require_program


def test_table_matches_the_results() -> None:
    found = report.TABLE.search(report.PERFORMANCE.read_text(encoding="utf-8"))

    assert found
    assert found[0] == report.marked_table(report.read())


def test_webhook_delay_matches_the_results() -> None:
    found = report.TRIGGER.search(report.WEBHOOK.read_text(encoding="utf-8"))

    assert found
    assert found[0] == report.marked_trigger(report.read())


def test_report_and_plot_match_the_results() -> None:
    results = report.read()

    assert report.DOCUMENT.read_text(encoding="utf-8") == report.document(results)
    assert report.PLOT.read_text(encoding="utf-8") == plot(results["scrape"])


def test_scrape_benchmark_runs() -> None:
    rows = scrape.run(scrape.SMALL, pause=0)

    servers = {"ours", "static", "client_python"} | ({"client_golang"} if CLIENT_GOLANG.exists() else set())
    assert {row["server"] for row in rows} == servers
    assert {row["encoding"] for row in rows} == {"gzip", "identity"}
    assert {row["series"] for row in rows} == {71}


def test_scraper_keeps_its_connection() -> None:
    async def scrape_twice(url: str) -> list[object]:
        scraper = Scraper(url, "gzip")
        connections: list[object] = []
        for _ in range(2):
            await scraper.scrape()
            connections.append(scraper.connection)
        scraper.close()
        return connections

    with scrape.start_servers(tests=2) as urls:
        for kind in ("ours", "static"):
            first, second = asyncio.run(scrape_twice(urls[kind]))
            assert first is second


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_all_servers_expose_the_same_samples(encoding: str) -> None:
    with scrape.start_servers(tests=2) as urls:
        pages = [fetch_samples(url, encoding) for url in urls.values()]

    assert len(pages[0]) == 2 * 71
    assert all(page == pages[0] for page in pages)


def test_update_benchmark_runs() -> None:
    rows = update.run(update.SMALL)

    assert [(row["tests"], row["share"]) for row in rows] == [(4, share) for share in update.SHARES]


def test_cycle_benchmark_runs() -> None:
    rows = cycle.run(cycle.SMALL, times=1)

    # v6: tests, schedules, projects, limits, runs, and the runs of each test.
    # legacy: organizations, projects, the tests of each project, and the runs of each test.
    assert [(row["api"], row["requests"]) for row in rows] == [("v6", 5 + 3), ("legacy", 1 + 1 + 2 + 3)]


def test_start_benchmark_runs() -> None:
    row = start.run(times=1, idle_seconds=0)

    assert {it["what"] for it in row["starts"]} == {*start.ENDING, start.SCRAPE}  # type: ignore[attr-defined]
    idle = row["idle"]
    assert idle["bytes"]["median"] > idle["libraries_bytes"]["median"] > 0  # type: ignore[index]
    assert "Resident memory" in report.start(row)


def test_requests_benchmark_runs() -> None:
    rows = requests.run(requests.SMALL)

    assert [(row["api"], row["a_minute"]) for row in rows] == [("v6", 4), ("legacy", 4)]


def test_memory_benchmark_runs() -> None:
    [row] = memory.run(memory.SMALL)

    assert (row["tests"], row["polls"]) == (1, 2)


@pytest.mark.parametrize("is_real", [False, True])
def test_sizing_benchmark_runs(is_real: bool) -> None:
    row = sizing.measure_memory(1, is_real=is_real, minutes=0 if is_real else 5)

    assert row["tests"] == 1
    assert row["runs"] >= 3  # type: ignore[operator]
    assert 0 < row["first_poll_bytes"] <= row["max_bytes"]  # type: ignore[operator]
    assert row["check_max_bytes"] > 0  # type: ignore[operator]


def test_stall_benchmark_runs() -> None:
    row = stall.run(stall.SMALL)

    assert (row["runs"], row["series"]) == (2, 2 * 71 + 61)


def test_flood_benchmark_runs() -> None:
    rows = flood.run(flood.SMALL)

    assert [row["flood"] for row in rows] == list(flood.FLOODS)
    assert all(row["requests"] for row in rows[1:])


def test_trigger_benchmark_runs() -> None:
    assert len(trigger.measure_delays(trigger.SMALL, is_triggered=True)) == 1


def test_history_benchmark_runs() -> None:
    row = history.make_row(history.SMALL, "v6", require_program("promtool", "prometheus"))

    assert row["samples"] > 0  # type: ignore[operator]
