"""What a start will probably cost, from the last finished run of the test and the limits of its project.

Only v6 reports both. They are an estimate: the script may have changed since that run.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from exporter.formatting import format_duration
from exporter.k6.errors import ApiError
from exporter.k6.v6.client import V6Client
from exporter.model import LoadTest, ProjectLimits, Run

NEWEST_RUNS = 5  # to find a finished one among them with one request
NO_LIMITS = ProjectLimits()

Measure = tuple[float | None, float | None, Callable[[float], str], str]


@dataclass(frozen=True, slots=True)
class StartCost:
    """The last finished run with a known cost, None without one, and the limits of the test's project."""

    last_run: Run | None = None
    limits: ProjectLimits = NO_LIMITS

    def describe(self) -> Iterator[str]:
        """What a user should know before the start: a sentence for each known fact."""
        if run := self.last_run:
            facts = [format_(value) for value, _, format_, _ in self._measures() if value is not None]
            yield f"The last run with a known cost, {run.id}: {', '.join(facts)}."
        limits = [
            f"{format_(limit)} {per}" for _, limit, format_, per in self._measures() if limit is not None
        ]
        if limits:
            yield f"Limits of the project: {', '.join(limits)}."
        if self.limits.vuh_per_month is not None:
            yield "k6 Cloud does not report how much of the month's limit is consumed; less may be left."

    def exceeded(self) -> Sequence[str]:
        """A phrase for each limit that another run like the last one would exceed."""
        return [
            f"{format_(value)} (limit {format_(limit)} {per})"
            for value, limit, format_, per in self._measures()
            if value is not None and limit is not None and value > limit
        ]

    def _measures(self) -> Sequence[Measure]:
        """Each value of the last run with its limit, how to write both, and what the limit applies to."""
        run, limits = self.last_run, self.limits
        return (
            (run.vuh if run else None, limits.vuh_per_month, format_vuh, "per month"),
            (run.vus if run else None, limits.vus_per_test, format_vus, "per test"),
            (run.duration if run else None, limits.duration, format_duration, "per test"),
        )


async def fetch_cost(api: V6Client, test: LoadTest) -> StartCost:
    """The cost of a start, with at most two requests. What cannot be fetched is left out."""
    # The facts are only a help: a token may start tests and not have access to limits.
    finished: Sequence[Run] = ()
    with suppress(ApiError):
        listing = await api.list_newest_runs(test.id, NEWEST_RUNS)
        # A run that was rejected has no cost.
        finished = [run for run in listing.runs if run.is_finished and run.vuh is not None]
    limits = None
    if test.project_id is not None:
        with suppress(ApiError):
            limits = (await api.list_limits()).get(test.project_id)
    return StartCost(max(finished, key=lambda run: run.sort_key, default=None), limits or NO_LIMITS)


def format_vuh(vuh: float) -> str:
    """Virtual user hours: "0.83 VU hours", "20,000 VU hours"."""
    return f"{round(vuh, 2):,.10g} VU hours"


def format_vus(vus: float) -> str:
    return f"{vus:,.10g} VUs"
