"""RESULTS.md, written from results.json. Each part of it is replaced on its own."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
RESULTS, DOCUMENT = HOME / "results.json", HOME / "RESULTS.md"
MIB = 2**20


def read() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return results


def write(part: str, result: Any, *, python: str) -> None:
    results = read() | {part: result, "python": python}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(document(results), encoding="utf-8")


def find_violations(results: dict[str, Any]) -> list[str]:
    """A line for every violated invariant and every failure."""
    rows = results.get("campaign", [])
    lines = [f"{row['fault']} ({row['api']}): {it}" for row in rows for it in row["violations"]]
    lines += [failure for tally in results.get("fuzz", {}).values() for failure in tally["failures"]]
    lines += [failure for row in results.get("soak", {}).values() for failure in row["failures"]]
    return lines


def document(results: dict[str, Any]) -> str:
    violations = find_violations(results)
    summary = "Every invariant held."
    if violations:
        summary = "Violated invariants:\n\n" + "\n".join(f"- {line}" for line in violations)
    parts = [
        "# Results of fault injection",
        f"Written by `make faults` and `make soak`, on Python {results.get('python')}. The data is in "
        "`results.json`. `make test` runs shorter versions of all of it.",
        summary,
    ]
    sections: dict[str, Callable[[Any], str]] = {
        "campaign": describe_campaign,
        "fuzz": describe_fuzz,
        "soak": describe_soak,
    }
    parts += [section(results[name]) for name, section in sections.items() if name in results]
    return "\n\n".join(parts) + "\n"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def describe_campaign(rows: list[dict[str, Any]]) -> str:
    faults = len({row["fault"] for row in rows})
    cells = (
        (
            row["fault"],
            row["api"],
            row["during"],
            row["after"],
            str(row["polls"] or "more than 5"),
            "; ".join(row["violations"]) or ("held¹" if row["false_metrics"] else "held"),
        )
        for row in rows
    )
    return (
        f"## Campaign: {faults} faults\n\n`python -m tests.faults campaign`\n\n"
        "In a simulated world runs start and finish all the time. An exporter polls it every 15 seconds: "
        "three times without the fault, then with the fault, mostly for one minute, then without it again. "
        "Each scrape is compared with the world (status of each run, active runs, last outcome, finished "
        "runs) and, line by line, with an exporter without faults. *Worst scrape* is the one during the "
        "fault that differs most.\n\n"
        "Invariants:\n\n"
        "- A wrong value is never exposed.\n"
        "- While series are stale or missing, `k6_cloud_up` is 0.\n"
        "- Stale series are dropped after `poll.stale_after`.\n"
        "- No finished run is lost or counted twice.\n"
        "- One poll after the fault, or after the wait that a Retry-After demands, everything is correct "
        "again.\n\n"
        + table(("fault", "API", "worst scrape", "after recovery", "polls to recover", "invariants"), cells)
        + "\n\n¹ Here the response is valid JSON with false or unknown values. False values are exposed as "
        "received. Unknown values are counted and fetched again at the next discovery, here two polls later. "
        "A run that ended with an unknown status is counted once, with the outcome `none`."
    )


def describe_fuzz(tallies: dict[str, Any]) -> str:
    names = {
        "responses": "responses of k6 Cloud, both API versions",
        "files": "configuration files",
        "web files": "web configuration files",
    }
    rows = (
        (
            names[name],
            f"{tally['corrupted']:,}",
            str(len(tally["failures"])),
            f"{tally['slowest'] * 1000:.0f} ms",
            f"{tally['grown'] / MIB:.0f} MiB",
            f"{tally['seconds']:.0f} s",
        )
        for name, tally in tallies.items()
    )
    head = (
        *("corrupted", "number", "failures", "slowest poll or file"),
        *("memory growth after the first tenth", "duration"),
    )
    return (
        "## Fuzzing\n\n`python -m tests.faults fuzz`\n\nEach seed has its own world and thirty polls with "
        "mostly corrupted responses, then one poll without corruption. A failure is an exception, a hang, a "
        "duplicate series, or an exporter that is not healthy after the last poll. Failures that were found "
        "are kept in `corpus/`, and `make test` runs them again.\n\n" + table(head, rows)
    )


def describe_soak(results: dict[str, Any]) -> str:
    rows = (
        (
            api_version,
            f"{row['scrapers']} for {row['seconds']:g} s" + (f", {row['note']}" if row.get("note") else ""),
            f"{row['scrapes']:,}",
            str(len(row["failures"])),
            *(f"{row[name] * 1000:.1f} ms" for name in ("p50", "p99", "slowest")),
            " → ".join(f"{rss / MIB:.1f}" for rss in row["resident"])
            + f" (at most {row['resident_most'] / MIB:.1f})",
            " → ".join(map(str, row["files"])),
            str(row["faults"]),
            str(row["reloads"]),
        )
        for api_version, row in results.items()
    )
    head = (
        *("API", "scrapers", "scrapes", "not 200 or incomplete", "p50", "p99", "slowest"),
        *("resident MiB, first and last third", "most open files, first and last third"),
        *("faults", "reloads"),
    )
    return (
        "## Soak test\n\n`python -m tests.faults soak`\n\nEach scraper has one connection and scrapes one "
        "second after its last response; half of them with gzip. Meanwhile the exporter polls k6 Cloud twice "
        "a second, a fault is active half of the time, and sometimes k6 Cloud accepts another token only. "
        "Scrapers, exporter and simulated k6 Cloud share the machine. Memory and open files exclude a "
        "warm-up.\n\n" + table(head, rows)
    )
