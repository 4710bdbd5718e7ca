"""The results as people read them: RESULTS.md, the README's table, and whether each target was reached."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import HERE
from bench.plot import plot

RESULTS = HERE / "results.json"
DOCUMENT = HERE / "RESULTS.md"
PLOT = HERE / "plot.svg"
PERFORMANCE = HERE.parent / "docs" / "performance.md"
WEBHOOK = HERE.parent / "docs" / "webhook.md"
TABLE = re.compile(r"<!-- bench -->\n.*?<!-- /bench -->", re.DOTALL)
HINT = re.compile(r"<!-- hint -->.*?<!-- /hint -->", re.DOTALL)

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
    replace_section(PERFORMANCE, TABLE, marked(results))
    replace_section(WEBHOOK, HINT, hint_marked(results))


def replace_section(page: Path, section: re.Pattern[str], text: str) -> None:
    page.write_text(section.sub(lambda _: text, page.read_text(encoding="utf-8")), encoding="utf-8")


def marked(results: Results) -> str:
    """The README's table between its marks."""
    return f"<!-- bench -->\n{readme_table(results)}\n<!-- /bench -->"


def hint_marked(results: Results) -> str:
    """What the README says of the webhook, between its marks."""
    without, hinted = results["hint"]["without"], results["hint"]["with"]
    return (
        f"<!-- hint -->without the webhook, the end of a run is visible after {seconds(without['median'])} "
        f"(median; maximum {seconds(without['max'])}), with it after {seconds(hinted['median'])} "
        f"(maximum {seconds(hinted['max'])})<!-- /hint -->"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if value * scale >= 1:
            return f"{digits(value * scale)} {unit}"
    return f"{digits(value * 1e6)} µs"


def digits(value: float) -> str:
    """Three of them, or all before the point; thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(of: Row, how: Callable[[float], str] = seconds) -> str:
    """A median, with what was least and most."""
    return f"{how(of['median'])} ({how(of['min'])} – {how(of['max'])})"


def mib(value: float) -> str:
    return f"{value / 2**20:.0f} MiB"


def find(rows: Iterable[Row], **wanted: object) -> Row:
    """The first row with these values."""
    return next(row for row in rows if all(row[key] == value for key, value in wanted.items()))


def nearest(rows: Sequence[Row], series: int) -> int:
    return int(min((row["series"] for row in rows), key=lambda n: abs(n - series)))


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached: a sentence, what was measured, whether that is enough, and, if not, why."""

    wanted: str
    measured: str
    reached: bool
    why: str = ""


def targets(results: Results) -> list[Target]:
    return [*scrape_targets(results["scrape"]), step_target(results["step"]), *other_targets(results)]


def scrape_targets(rows: Sequence[Row]) -> Iterable[Target]:
    series = nearest(rows, 100_000)

    def median(server: str, how: str = "after_pause") -> float:
        found = find(rows, series=series, server=server, encoding="gzip")
        return float(found[f"{how}_seconds"]["median"])

    page = f"A scrape of an unchanged page of {series:,} series, gzip"
    times = median("client_python") / median("ours")
    yield Target(f"{page}: at least 300× faster than prometheus-client", f"{times:,.0f}×", times >= 300)
    if any(row["server"] == "client_golang" for row in rows):
        times = median("client_golang") / median("ours")
        yield Target(f"{page}: at least 100× faster than client_golang", f"{times:,.0f}×", times >= 100)
    for how, told in (("after_pause", "after a pause"), ("back_to_back", "back to back")):
        times = median("ours", how) / median("static", how)
        yield Target(
            f"{page}: within 2× of a static file of the same bytes, {told}",
            f"{times:.2f}×",
            times <= 2,
            "most of the rest is prometheus-client rendering our self-metrics anew: 1.3 ms after a pause",
        )


def step_target(rows: Sequence[Row]) -> Target:
    row = find(rows, tests=2_000, share=0.01)
    times = row["client_python_seconds"]["median"] / row["ready_seconds"]["median"]
    return Target(
        "After 1 % of 2,000 tests changed: new page ready, compression aside, in less than 1/100 of the "
        "time in which prometheus-client renders it",
        f"1/{times:.0f}",
        times > 100,
    )


def other_targets(results: Results) -> Iterable[Target]:
    asked = results["requests"]
    least, most = find(asked, api="v6", tests=10), find(asked, api="v6", tests=1_000)
    yield Target(
        "v6: requests do not depend on the number of tests",
        f"{least['a_minute']:.1f} a minute for 10 tests, {most['a_minute']:.1f} for 1,000",
        least["a_minute"] == most["a_minute"],
    )
    legacy = find(asked, api="legacy", tests=1_000)
    share = legacy["naive_a_minute"] / legacy["a_minute"]
    yield Target(
        "legacy: at most 1/50 of the requests of a list for each test, for 1,000 idle ones",
        f"1/{share:.0f}",
        share >= 50,
    )
    for row in results["cycle"]:
        ratio = row["ratio"]["median"]
        yield Target(
            f"First poll of {row['tests']:,} tests ({row['api']}, {projects(row)}): within 1.25× of what "
            "latency allows",
            f"{ratio:.2f}×",
            ratio <= 1.25,
            "the pages of a list of tests follow one another, and httpx takes 2 ms of a core a request",
        )
    held = min(results["memory"], key=lambda row: abs(row["runs"] - 10_000))
    yield Target(
        "At most 2 KiB of resident memory a run at 10,000 runs, pages and the process itself apart",
        f"{held['bytes_per_run'] / 1024:.2f} KiB",
        held["bytes_per_run"] <= 2048,
        "a tenth of it are the outcomes of runs before those, for the strip on the landing page",
    )
    stall = results["stall"]["worst_stall_seconds"]
    yield Target(
        "Worst stall of the event loop, page of 1,000 v6 runs and 100,000 series: under 50 ms",
        spread(stall),
        stall["max"] < 0.05,
        "the runs of a page are translated in one go, 55 µs each, before anything else has its turn",
    )


def projects(row: Row) -> str:
    return "1 project" if row["projects"] == 1 else f"{row['projects']} projects"


def readme_table(results: Results) -> str:
    rows = results["scrape"]
    servers = [name for name in NAMES if any(row["server"] == name for row in rows)]

    def cells(series: int) -> list[str]:
        found = [find(rows, series=series, server=name, encoding="gzip") for name in servers]
        medians = [row["after_pause_seconds"]["median"] for row in found]
        return [f"{series:,}"] + [
            seconds(median) + (f" ({digits(median / medians[0])}×)" if number else "")
            for number, median in enumerate(medians)
        ]

    return table(["series", *(NAMES[name] for name in servers)], [cells(n) for n in sizes(rows)])


def sizes(rows: Iterable[Row]) -> list[int]:
    return sorted({row["series"] for row in rows})


def document(results: Results) -> str:
    sections = (
        ("Targets", target_table(results)),
        ("Machine", machine(results["machine"])),
        ("A scrape while nothing changes", scrape(results["scrape"])),
        ("A step from one state to the next", step(results["step"])),
        ("A first poll", cycle(results["cycle"])),
        ("Requests", requests(results["requests"])),
        ("Memory", memory(results["memory"])),
        ("Stalls of the event loop", stall(results["stall"])),
        ("From the end of a run to its series", hint(results["hint"])),
        *([("The past", past(results["past"]))] if results.get("past") else []),
    )
    head = (
        "# How fast it is\n\nWritten by `make bench`; the numbers are in `results.json`. "
        "Median (least – most). Compare rows of one table, not tables of two machines.\n"
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


def machine(told: Row) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in told["packages"].items())
    return (
        f"{told['cpu']}, {told['cores']} cores, {told['memory_gib']} GiB; {told['system']}; "
        f"Python {told['python']}, {packages}; {told['go'] or 'no Go'}. "
        f"Load beforehand: {told['load_before']}."
    )


def scrape(rows: Sequence[Row]) -> str:
    def cells(row: Row) -> Sequence[str]:
        ours = find(rows, series=row["series"], encoding=row["encoding"], server="ours")
        ratio = row["after_pause_seconds"]["median"] / ours["after_pause_seconds"]["median"]
        rate = row["scrapes_per_second"]
        return (
            f"{row['series']:,}",
            row["encoding"],
            NAMES[row["server"]],
            f"{row['bytes']:,}",
            spread(row["after_pause_seconds"]),
            f"{digits(ratio)}×",
            spread(row["back_to_back_seconds"]),
            "" if rate is None else f"{digits(rate)} ({row['connections']})",
        )

    head = (
        "series",
        "encoding",
        "server",
        "bytes",
        "after a pause",
        "of ours",
        "back to back",
        "scrapes a second (connections)",
    )
    return (
        "Each server is a process of its own on loopback; all tell the same samples, which is checked, and "
        "each its own self-metrics. They take turns, and between two rounds nobody asks for a second. A turn "
        "is one scrape after the other for 20 ms, at least one: the first comes after a pause, as those of "
        "Prometheus do, and has our self-metrics rendered anew; all of them together are told as back to "
        "back. prometheus-client compresses at level 9.\n\n" + table(head, map(cells, rows))
    )


def step(rows: Sequence[Row]) -> str:
    def cells(row: Row) -> Sequence[str]:
        ratio = row["client_python_seconds"]["median"] / row["ready_seconds"]["median"]
        return (
            f"{row['tests']:,}",
            f"{row['series']:,}",
            f"{row['share']:.0%}",
            seconds(row["state_seconds"]["median"]),
            seconds(row["page_seconds"]["median"]),
            spread(row["ready_seconds"]),
            f"{digits(ratio)}×",
            seconds(row["compression_seconds"]["median"]),
        )

    renders = {row["tests"]: spread(row["client_python_seconds"]) for row in rows}
    return (
        "A new finished run of each changed test. What is made is the state, the page in both formats; the "
        "compression of both is told apart. prometheus-client renders the same facts in "
        + " and ".join(f"{told} ({tests:,} tests)" for tests, told in renders.items())
        + ".\n\n"
        + table(
            (
                "tests",
                "series",
                "changed",
                "state",
                "page",
                "both",
                "faster than prometheus-client",
                "compression",
            ),
            map(cells, rows),
        )
        + "\n\nIt grows with the change. What grows with the fleet is the joining of the lines, a copy of "
        "the page in memory, and the compression."
    )


def cycle(rows: Sequence[Row]) -> str:
    return "The limit is ⌈requests ÷ concurrency⌉ × latency. The page is part of the poll.\n\n" + table(
        ("API", "tests", "requests", "latency", "concurrency", "limit", "poll", "of the limit"),
        (
            (
                row["api"],
                f"{row['tests']:,} in {projects(row)}",
                f"{row['requests']:,}",
                seconds(row["latency"]),
                str(row["concurrency"]),
                seconds(row["limit_seconds"]),
                spread(row["seconds"]),
                f"{row['ratio']['median']:.2f}×",
            )
            for row in rows
        ),
    )


def hint(row: Row) -> str:
    return (
        "At the default intervals, on v6, looked at over HTTP every 20 ms; the webhook is called when the "
        "run ends.\n\n" + table(("", "seconds"), ((how, spread(row[how])) for how in ("without", "with")))
    )


def past(rows: Sequence[Row]) -> str:
    return (
        "Written by `backfill --split 7d` and imported by promtool, as the README says; each test runs every "
        "four hours for ten minutes.\n\n"
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
        "To notice a change within 15 s, all tests idle: counted at the simulator after the first poll, "
        "discovery and sweep included; beside a list of runs for each test every 15 s.\n\n"
        + table(
            ("tests", "API", "counted over", "first poll", "a minute", "a list for each test", "share"),
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
        "Three finished runs of each test, each of which runs once an hour; a poll every 15 simulated "
        "seconds. What the runs take is measured by an exporter that makes no pages, what the pages take is "
        "the difference (in brackets: the bytes that are held; the rest is the next page while it is made, "
        "and what the allocator keeps).\n\n"
        + table(
            (
                "runs",
                "resident",
                "process",
                "runs",
                "a run",
                "pages",
                "first poll, after 10 min, at the end",
                "watched for",
            ),
            map(cells, rows),
        )
    )


def stall(row: Row) -> str:
    return (
        f"A poll that brings {row['runs']:,} runs with {row['options_bytes']:,} bytes of options each in one "
        f"page, and makes a page of {row['series']:,} series, took {spread(row['poll_seconds'])}. Meanwhile "
        "a task that wants to run every millisecond was late by "
        f"{spread(row['worst_stall_seconds'])} at worst."
    )
