"""RESULTS.md and parts of docs/, written from the results, and whether each target was reached."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import HERE
from bench.plot import plot
from bench.start import SCRAPE

RESULTS = HERE / "results.json"
DOCUMENT = HERE / "RESULTS.md"
PLOT = HERE / "plot.svg"
PERFORMANCE = HERE.parent / "docs" / "performance.md"
WEBHOOK = HERE.parent / "docs" / "webhook.md"
TABLE = re.compile(r"<!-- bench -->\n.*?<!-- /bench -->", re.DOTALL)
TRIGGER = re.compile(r"<!-- trigger -->.*?<!-- /trigger -->", re.DOTALL)

Results = dict[str, Any]
Row = dict[str, Any]

NAMES = {
    "ours": "this exporter",
    "static": "the same bytes as a file in memory, same server",
    "client_python": "prometheus-client",
    "client_golang": "Go client_golang",
}


def read() -> Results:
    return dict(json.loads(RESULTS.read_text(encoding="utf-8"))) if RESULTS.exists() else {}


def write(results: Results) -> None:
    DOCUMENT.write_text(document(results), encoding="utf-8")
    PLOT.write_text(plot(results["scrape"]), encoding="utf-8")
    replace_section(PERFORMANCE, TABLE, marked_table(results))
    replace_section(WEBHOOK, TRIGGER, marked_trigger(results))


def replace_section(page: Path, section: re.Pattern[str], text: str) -> None:
    page.write_text(section.sub(lambda _: text, page.read_text(encoding="utf-8")), encoding="utf-8")


def marked_table(results: Results) -> str:
    """The table of docs/performance.md between its markers."""
    return f"<!-- bench -->\n{readme_table(results)}\n<!-- /bench -->"


def marked_trigger(results: Results) -> str:
    """The sentence of docs/webhook.md on the delay, between its markers."""
    without, triggered = results["trigger"]["without"], results["trigger"]["with"]
    return (
        "<!-- trigger -->without the webhook, the end of a run is visible after "
        f"{seconds(without['median'])} (median; maximum {seconds(without['max'])}), with it after "
        f"{seconds(triggered['median'])} (maximum {seconds(triggered['max'])})<!-- /trigger -->"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if value * scale >= 1:
            return f"{format_number(value * scale)} {unit}"
    return f"{format_number(value * 1e6)} µs"


def format_number(value: float) -> str:
    """Three significant digits, or all before the decimal point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(row: Row) -> str:
    """A median in seconds, with minimum and maximum."""
    return f"{seconds(row['median'])} ({seconds(row['min'])} – {seconds(row['max'])})"


def spread_ratio(row: Row) -> str:
    """A median ratio, with minimum and maximum."""
    return f"{format_number(row['median'])}× ({format_number(row['min'])}× – {format_number(row['max'])}×)"


def mib(value: float) -> str:
    return f"{value / 2**20:.0f} MiB"


def find(rows: Iterable[Row], **wanted: object) -> Row:
    """The first row with these values."""
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def nearest(rows: Sequence[Row], series: int) -> int:
    return int(min((row["series"] for row in rows), key=lambda n: abs(n - series)))


@dataclass(frozen=True, slots=True)
class Target:
    """A target: a sentence, the measured value, whether it is reached, and if not, why."""

    wanted: str
    measured: str
    reached: bool
    why: str = ""


def targets(results: Results) -> list[Target]:
    return [*scrape_targets(results["scrape"]), update_target(results["update"]), *other_targets(results)]


def scrape_targets(rows: Sequence[Row]) -> Iterable[Target]:
    series = nearest(rows, 100_000)

    page = f"A scrape of an unchanged page of {series:,} series, gzip"
    compared = {row["server"]: row for row in rows if row["series"] == series and row["encoding"] == "gzip"}
    for server, name, least in (
        ("client_python", "prometheus-client", 300),
        ("client_golang", "client_golang", 100),
    ):
        if server in compared:  # without Go there is no client_golang
            relative = compared[server]["after_pause_relative"]
            wanted = f"{page}: at least {least}× faster than {name}"
            yield Target(wanted, spread_ratio(relative), relative["median"] >= least)
    kinds = (
        ("after_pause", "after a pause", "more of our code has to be loaded into caches"),
        ("back_to_back", "back to back", "the self metrics are a second part of the response"),
    )
    for kind, text, why in kinds:
        relative = compared["static"][f"{kind}_relative"]
        times = 1 / relative["median"]
        measured = f"{times:.2f}× ({1 / relative['max']:.2f}× – {1 / relative['min']:.2f}×)"
        yield Target(
            f"{page}: at most 1.3 times the time of a static file of the same bytes, {text}",
            measured,
            times <= 1.3,
            why,
        )


def update_target(rows: Sequence[Row]) -> Target:
    row = find(rows, tests=2_000, share=0.01)
    times = row["client_python_seconds"]["median"] / row["ready_seconds"]["median"]
    return Target(
        "After a change of 1 % of 2,000 tests: the new page, without compression, in less than 1/100 of the "
        "time that prometheus-client needs to render it",
        f"1/{times:.0f}",
        times > 100,
        f"the state and the page take {seconds(row['ready_seconds']['median'])}",
    )


def other_targets(results: Results) -> Iterable[Target]:
    rows = results["requests"]
    least, most = find(rows, api="v6", tests=10), find(rows, api="v6", tests=1_000)
    yield Target(
        "v6: the number of requests does not depend on the number of tests",
        f"{least['a_minute']:.1f} per minute for 10 tests, {most['a_minute']:.1f} for 1,000",
        least["a_minute"] == most["a_minute"],
    )
    legacy = find(rows, api="legacy", tests=1_000)
    share = legacy["naive_a_minute"] / legacy["a_minute"]
    yield Target(
        "legacy: at most 1/50 of the requests of one list per test, for 1,000 idle tests",
        f"1/{share:.0f}",
        share >= 50,
    )
    for row in results["cycle"]:
        yield Target(
            f"First poll of {row['tests']:,} tests ({row['api']}, {projects(row)}): at most 1.15× the "
            "minimum by latency",
            f"{row['ratio']['median']:.2f}× ({row['ratio']['min']:.2f}× – {row['ratio']['max']:.2f}×)",
            row["ratio"]["median"] <= 1.15,
            "the first requests follow each other, the page is rendered after the last one, and each request "
            "takes CPU time",
        )
    largest = min(results["memory"], key=lambda row: abs(row["runs"] - 10_000))
    yield Target(
        "At most 1.5 KiB of resident memory per run at 10,000 runs, without pages and the process itself",
        f"{largest['bytes_per_run'] / 1024:.2f} KiB",
        largest["bytes_per_run"] <= 1536,
        "each number is an object of 32 bytes",
    )
    pages = largest["pages_bytes"] / largest["pages_held_bytes"]
    yield Target(
        f"Pages: at most twice their own bytes resident, {largest['polls'] * 15 / 60:.0f} minutes after the "
        "first poll of 10,000 runs",
        f"{pages:.2f}×",
        pages <= 2,
        "the next page is rendered beside the present one",
    )
    if results.get("start"):
        yield from start_targets(results["start"])
    stall = results["stall"]["worst_stall_seconds"]
    yield Target(
        "Longest stall of the event loop with 1,000 new v6 runs and 100,000 series: under 10 ms",
        spread(stall),
        stall["max"] < 0.01,
        "a page of several megabytes is decoded in one step",
    )
    if results.get("flood"):
        slowest = max(row["scrape_seconds"]["max"] for row in results["flood"])
        yield Target(
            "Slowest scrape with 1,000 tests during a flood of reloads and page views: under 100 ms",
            seconds(slowest),
            slowest < 0.1,
            "see below for the load of the machine by other programs",
        )


def start_targets(row: Row) -> Iterable[Target]:
    scrape = find(row["starts"], what=SCRAPE)["seconds"]
    yield Target(
        "From the start to the first answered scrape: under 0.5 s",
        spread(scrape),
        scrape["median"] < 0.5,
        "imports take most of it",
    )
    above = row["idle"]["above_bytes"]["median"]
    yield Target(
        "An idle exporter: at most 8 MiB above a process that only imports the same libraries",
        f"{above / 2**20:.1f} MiB",
        above <= 8 * 2**20,
        "most of it is for the schema of the configuration",
    )


def projects(row: Row) -> str:
    return "1 project" if row["projects"] == 1 else f"{row['projects']} projects"


def readme_table(results: Results) -> str:
    rows = results["scrape"]
    servers = [name for name in NAMES if any(row["server"] == name for row in rows)]

    def cells(series: int) -> list[str]:
        found = [find(rows, series=series, server=name, encoding="gzip") for name in servers]
        return [f"{series:,}"] + [
            seconds(row["after_pause_seconds"]["median"])
            + (f", {spread_ratio(row['after_pause_relative'])}" if number else "")
            for number, row in enumerate(found)
        ]

    return table(["series", *(NAMES[name] for name in servers)], [cells(n) for n in sizes(rows)])


def sizes(rows: Iterable[Row]) -> list[int]:
    return sorted({row["series"] for row in rows})


def document(results: Results) -> str:
    sections = (
        ("Targets", target_table(results)),
        ("Machine", machine(results["machine"])),
        ("Scrapes without changes", scrape(results["scrape"])),
        ("Updates", update(results["update"])),
        ("First poll", cycle(results["cycle"])),
        *([("Start", start(results["start"]))] if results.get("start") else []),
        ("Requests", requests(results["requests"])),
        ("Memory", memory(results["memory"])),
        ("Stalls of the event loop", stall(results["stall"])),
        *([("Floods of requests", flood(results["flood"]))] if results.get("flood") else []),
        ("Delay from the end of a run to its series", trigger(results["trigger"])),
        *([("Backfill", history(results["history"]))] if results.get("history") else []),
    )
    head = (
        "# Benchmarks\n\nWritten by `make bench`; the data is in `results.json`. Values are the median "
        "(minimum – maximum). Compare rows of one table, not tables from different machines.\n"
    )
    return head + "".join(f"\n## {title}\n\n{text}\n" for title, text in sections)


def target_table(results: Results) -> str:
    return table(
        ("target", "measured", "reached"),
        (
            (it.wanted, it.measured, "yes" if it.reached else f"**no**: {it.why}" if it.why else "**no**")
            for it in targets(results)
        ),
    )


def machine(facts: Row) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB; {facts['system']}; "
        f"Python {facts['python']}, {packages}; {facts['go'] or 'no Go'}. "
        f"Load average before: {facts['load_before']}."
    )


def scrape(rows: Sequence[Row]) -> str:
    def cells(row: Row) -> Sequence[str]:
        ours = find(rows, series=row["series"], encoding=row["encoding"], server="ours")
        ratio = (
            f"{format_number(row['after_pause_seconds']['median'] / ours['after_pause_seconds']['median'])}×"
        )
        if relative := row.get("after_pause_relative"):
            ratio = spread_ratio(relative)
        rate = row["scrapes_per_second"]
        return (
            f"{row['series']:,}",
            row["encoding"],
            NAMES[row["server"]],
            f"{row['bytes']:,}",
            spread(row["after_pause_seconds"]),
            ratio,
            spread(row["back_to_back_seconds"]),
            "" if rate is None else f"{format_number(rate)} ({row['connections']})",
        )

    head = (
        "series",
        "encoding",
        "server",
        "bytes",
        "after a pause",
        "relative",
        "back to back",
        "scrapes per second (connections)",
    )
    return (
        "Each server is its own process on loopback. All expose the same samples (checked), and their own "
        "self metrics. They are scraped in turns, with a pause of one second between rounds. A turn is one "
        "scrape after the other for 20 ms, at least one. *After a pause* is the first scrape of each turn, "
        "like those of Prometheus. *Back to back* are all scrapes. *Relative* compares the scrapes of the "
        "same round. Connections stay open, as with Prometheus; only prometheus-client closes them, which "
        "also compresses at level 9.\n\n" + table(head, map(cells, rows))
    )


def update(rows: Sequence[Row]) -> str:
    def cells(row: Row) -> Sequence[str]:
        times = row["client_python_seconds"]["median"] / row["ready_seconds"]["median"]
        ratio = row.get("client_python_ratio")
        return (
            f"{row['tests']:,}",
            f"{row['series']:,}",
            f"{row['share']:.0%}",
            seconds(row["state_seconds"]["median"]),
            spread(row["page_seconds"]),
            spread(row["ready_seconds"]),
            spread_ratio(ratio) if ratio else f"{format_number(times)}×",
            spread(row["compression_seconds"]),
        )

    renders = {row["tests"]: spread(row["client_python_seconds"]) for row in rows}
    return (
        "Each changed test has a new finished run. An update makes a new state and a new page in both "
        "formats. Their compression is listed separately. prometheus-client renders the same samples in "
        + " and ".join(f"{text} ({tests:,} tests)" for tests, text in renders.items())
        + ".\n\n"
        + table(
            (
                "tests",
                "series",
                "changed",
                "state",
                "page",
                "total",
                "faster than prometheus-client",
                "compression",
            ),
            map(cells, rows),
        )
        + "\n\nThe time grows with the number of changed tests. Lines are joined in blocks of "
        "some 64 tests, again only where a test changed; the compression grows with the number of all tests. "
        + " ".join(compare_compression(row) for row in rows if row["share"] == 0)
    )


def compare_compression(row: Row) -> str:
    """A sentence on ISA-L and zlib; empty without ISA-L."""
    found = row["compressors"]
    if "isal" not in found:
        return ""
    isal, zlib = found["isal"], found["zlib"]
    return (
        f"One format of {row['series']:,} series: ISA-L {spread(isal['seconds'])}, zlib at the same level "
        f"{spread(zlib['seconds'])}, {zlib['seconds']['median'] / isal['seconds']['median']:.1f}× as long, "
        f"with {zlib['bytes'] / isal['bytes']:.2f}× the bytes."
    )


def cycle(rows: Sequence[Row]) -> str:
    return (
        "The minimum is ⌈requests ÷ concurrency⌉ × latency. Poll and CPU time include the rendering of the "
        "page.\n\n"
        + table(
            (
                "API",
                "tests",
                "requests",
                "latency",
                "concurrency",
                "minimum",
                "poll",
                "relative",
                "CPU per request",
            ),
            (
                (
                    row["api"],
                    f"{row['tests']:,} in {projects(row)}",
                    f"{row['requests']:,}",
                    seconds(row["latency"]),
                    str(row["concurrency"]),
                    seconds(row["limit_seconds"]),
                    spread(row["seconds"]),
                    f"{row['ratio']['median']:.2f}× ({row['ratio']['min']:.2f} – {row['ratio']['max']:.2f})",
                    spread(row["cpu_seconds_per_request"]),
                )
                for row in rows
            ),
        )
    )


def start(row: Row) -> str:
    idle = row["idle"]
    starts = table(
        ("start", "duration", "relative"),
        ((it["what"], spread(it["seconds"]), f"{it['ratio']:.1f}×") for it in row["starts"]),
    )
    return (
        "Each is a process of its own, with bytecode that an earlier start has written. They are started in "
        "turns. The first scrape can come before the first poll has finished.\n\n"
        f"{starts}\n\n"
        "Resident memory of an exporter without tests, some seconds after its first poll: "
        f"{mib_spread(idle['bytes'])}. Of a process that only imports the same {idle['modules']} modules of "
        f"libraries and of Python: {mib_spread(idle['libraries_bytes'])}."
    )


def mib_spread(row: Row) -> str:
    """A median in bytes, with minimum and maximum."""
    return f"{mib(row['median'])} ({mib(row['min'])} – {mib(row['max'])})"


def trigger(row: Row) -> str:
    return (
        "At the default intervals, with v6, and a scrape every 20 ms. The webhook is called when the run "
        "ends.\n\n" + table(("webhook", "delay"), ((it, spread(row[it])) for it in ("without", "with")))
    )


def history(rows: Sequence[Row]) -> str:
    return (
        "Written by `backfill --split 7d` and imported by promtool. Each test runs every four hours for ten "
        "minutes.\n\n"
        + table(
            ("API", "tests", "days", "samples", "written in", "files", "imported in", "blocks"),
            (
                (
                    row["api"],
                    str(row["tests"]),
                    str(row["days"]),
                    f"{row['samples']:,}",
                    seconds(row["write_seconds"]),
                    mib(row["bytes"]),
                    seconds(row["import_seconds"]),
                    mib(row["block_bytes"]),
                )
                for row in rows
            ),
        )
    )


def requests(rows: Sequence[Row]) -> str:
    return (
        "Requests to notice a change within 15 s while all tests are idle, counted at the simulator after "
        "the first poll, including discovery and sweep, compared with one list of runs per test every "
        "15 s.\n\n"
        + table(
            (
                "tests",
                "API",
                "duration",
                "first poll",
                "per minute",
                "one list per test, per minute",
                "ratio",
            ),
            (
                (
                    f"{row['tests']:,}",
                    row["api"],
                    f"{row['minutes']} min",
                    f"{row['first_poll']:,}",
                    f"{row['a_minute']:.1f}",
                    f"{row['naive_a_minute']:,.0f}",
                    f"1/{row['naive_a_minute'] / row['a_minute']:.0f}",
                )
                for row in rows
            ),
        )
    )


def memory(rows: Sequence[Row]) -> str:
    def cells(row: Row) -> Sequence[str]:
        return (
            f"{row['runs']:,}",
            mib(row["resident_bytes"]),
            mib(row["base_bytes"]),
            mib(row["runs_bytes"]),
            f"{row['bytes_per_run'] / 1024:.2f} KiB",
            f"{mib(row['pages_bytes'])} ({mib(row['pages_held_bytes'])})",
            f"{mib(row['start_bytes'])}, {mib(row['warm_bytes'])}, {mib(row['end_bytes'])}",
            f"{row['polls'] * 15 / 60:.0f} min",
        )

    return (
        "Three finished runs per test, each test runs once an hour, and a poll every 15 simulated seconds. "
        "The memory of the runs is that of an exporter without pages; the memory of the pages is the "
        "difference. In brackets: the bytes of the stored pages. The rest is the next page while it is "
        "rendered, and memory that the allocator keeps.\n\n"
        + table(
            (
                "runs",
                "resident",
                "process",
                "runs",
                "per run",
                "pages",
                "first poll, after 10 min, at the end",
                "duration",
            ),
            map(cells, rows),
        )
    )


def stall(row: Row) -> str:
    return (
        f"A poll that receives {row['runs']:,} runs with {row['options_bytes']:,} bytes of options each in "
        f"one page, and renders {row['series']:,} series, took {spread(row['poll_seconds'])}. The longest "
        f"delay of a task that runs every millisecond was {spread(row['worst_stall_seconds'])}."
    )


def flood(rows: Sequence[Row]) -> str:
    def cells(row: Row) -> Sequence[str]:
        return (
            row["flood"],
            f"{row['requests']:,}",
            spread(row["scrape_seconds"]),
            f"{row['cpu_seconds']:.2f} s",
            f"{row['cpu_seconds_afterwards']:.2f} s in {row['seconds_afterwards']:g} s",
            f"{row['load_before']:g}",
        )

    return (
        f"Clients that close their connection at once send `POST /-/reload` and `GET /` to an exporter of "
        f"{rows[0]['tests']:,} tests, each of which is listed in its configuration file. Meanwhile it is "
        "scraped every 20 ms. All clients share a reload, at most one a second, and a rendering of the "
        "status page.\n\n"
        + table(("flood", "requests", "scrape", "CPU", "CPU afterwards", "load before"), map(cells, rows))
    )
