"""What the long runs found, as a document; each part is written anew by itself."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HOME = Path(__file__).parent
RESULTS, DOCUMENT = HOME / "results.json", HOME / "RESULTS.md"
MIB = 2**20


def read() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    return told


def write(part: str, found: Any, *, python: str) -> None:
    results = read() | {part: found, "python": python}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    DOCUMENT.write_text(document(results), encoding="utf-8")


def broken(results: dict[str, Any]) -> list[str]:
    """Every promise that was not kept, in words."""
    rows = results.get("campaign", [])
    told = [f"{row['fault']} ({row['generation']}): {one}" for row in rows for one in row["broken"]]
    told += [one for tally in results.get("fuzz", {}).values() for one in tally["broken"]]
    told += [one for row in results.get("soak", {}).values() for one in row["wrong"]]
    return told


def document(results: dict[str, Any]) -> str:
    kept = broken(results)
    verdict = "Every promise was kept." if not kept else "Promises that were not kept:\n\n" + bullets(kept)
    parts = [
        "# What happened when things went wrong",
        f"Written by `make faults` and `make soak`, on Python {results.get('python')}; the numbers are in "
        "`results.json`. `make test` holds shorter versions of all of it.",
        verdict,
    ]
    sections: dict[str, Callable[[Any], str]] = {"campaign": of_campaign, "fuzz": of_fuzz, "soak": of_soak}
    parts += [section(results[name]) for name, section in sections.items() if name in results]
    return "\n\n".join(parts) + "\n"


def bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def of_campaign(rows: list[dict[str, Any]]) -> str:
    faults = len({row["fault"] for row in rows})
    told = (
        (
            row["fault"],
            row["generation"],
            row["during"],
            row["after"],
            str(row["polls"] or "more than 5"),
            "; ".join(row["broken"]) or ("kept¹" if row["spoilt"] else "kept"),
        )
        for row in rows
    )
    return (
        f"## {faults} faults\n\n`python -m tests.faults campaign`\n\n"
        "A world in which runs come and go all the time is told to an exporter that is polled each 15 "
        "seconds: three "
        "times well, then with the fault, mostly for a minute, then without it. Each scrape is "
        "compared with the truth "
        "of the simulated world: the status of each run, how many do what, the last outcome, and how "
        "many have "
        "finished; and, line by line, with an exporter that meets no fault. *During* tells the worst scrape. "
        "The promises: what is wrong is never shown; what is of an earlier time, or missing, is shown "
        "with `k6_cloud_up` 0, "
        "and not for longer than `poll.stale_after`; no run that finishes is lost or counted twice; "
        "and one poll "
        "after the fault (or after the silence that a Retry-After asked for) all is as if nothing had "
        "been.\n\n"
        + table(("fault", "API", "shown during", "shown after", "polls until well", "promises"), told)
        + "\n\n¹ Here the answer is well-formed and says what is not so. It is shown as told, nothing "
        "else is; "
        "what could not be understood is counted and asked for again at the next discovery, here two "
        "polls later. "
        "A run that ended in a word that nobody knows has counted once, under the outcome `none`."
    )


def of_fuzz(found: dict[str, Any]) -> str:
    names = {
        "answers": "answers of k6 Cloud, both generations",
        "files": "configuration files",
        "web files": "web configuration files",
    }
    rows = (
        (
            names[name],
            f"{tally['spoilt']:,}",
            str(len(tally["broken"])),
            f"{tally['slowest'] * 1000:.0f} ms",
            f"{tally['grown'] / MIB:.0f} MiB",
            f"{tally['seconds']:.0f} s",
        )
        for name, tally in found.items()
    )
    head = (
        "what was spoilt",
        "how many",
        "broke",
        "slowest poll, or file",
        "grown after the first tenth",
        "took",
    )
    return (
        "## Chance\n\n`python -m tests.faults fuzz`\n\nEach seed is a world, and thirty polls of which "
        "most answers are "
        "spoilt on their way; then one without. Broken is what raises, hangs, tells a series twice, or "
        "is not well "
        "at the poll after. What was found stays in `corpus/`, and is played by `make test`.\n\n"
        + table(head, rows)
    )


def of_soak(found: dict[str, Any]) -> str:
    rows = (
        (
            api_version,
            f"{row['scrapers']} for {row['seconds']:g} s" + (f", {row['note']}" if row.get("note") else ""),
            f"{row['scrapes']:,}",
            str(len(row["wrong"])),
            *(f"{row[name] * 1000:.1f} ms" for name in ("p50", "p99", "slowest")),
            " → ".join(f"{rss / MIB:.1f}" for rss in row["resident"])
            + f" (at most {row['resident_most'] / MIB:.1f})",
            " → ".join(map(str, row["files"])),
            str(row["faults"]),
            str(row["reloads"]),
        )
        for api_version, row in found.items()
    )
    head = (
        *("API", "scrapers", "scrapes", "not 200 or not whole", "median", "p99", "slowest"),
        *("MiB resident, first and last third after warm-up", "most open files, ditto", "faults", "reloads"),
    )
    return (
        "## Many scrapers for long\n\n`python -m tests.faults soak`\n\nEach scraper holds one "
        "connection and asks again a "
        "second after its last answer, one half of them for gzip. Meanwhile k6 Cloud is polled twice a "
        "second, "
        "something goes wrong with it half of the time, and now and then another token is asked for. "
        "Scrapers, "
        "exporter and simulated k6 Cloud share the machine.\n\n" + table(head, rows)
    )
