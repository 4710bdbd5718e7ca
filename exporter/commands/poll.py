"""A poll by a command, with its progress and its requests."""

from collections import Counter

from exporter.app import Exporter
from exporter.clock import Clock
from exporter.commands.progress import call_repeatedly, show_progress
from exporter.polling.result import PollResult


async def poll_with_progress(exporter: Exporter, clock: Clock) -> PollResult:
    """Poll once, and show how many tests have been fetched."""
    with show_progress(clock) as report:

        def update(result: PollResult | None) -> None:
            requests = f"{sum(count_requests(exporter).values())} requests"
            if result is None or result.members is None:
                report("listing tests", 0, None, requests)
            else:
                done = len(result.updates) + len(result.unchanged)
                report("fetching runs of tests", done, len(result.members), requests)

        async with call_repeatedly(lambda: update(exporter.poller.poll_in_progress), clock):
            result = await exporter.poller.poll()
        update(result)
        return result


def count_requests(exporter: Exporter) -> Counter[str]:
    """The requests sent so far, by endpoint."""
    counts: Counter[str] = Counter()
    for family in exporter.self_metrics.api_requests.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                counts[sample.labels["endpoint"]] += int(sample.value)
    return counts
