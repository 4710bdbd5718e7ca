"""How the metrics are asked: selectors, and aggregations that leave the exporter's instance out.

Whoever asks by test or run takes the maximum over whatever else distinguishes the series. So an exporter that
was moved, or a second one beside it, doubles neither a row nor a count.
"""

from dataclasses import dataclass

TEST = "project_id, test_id, test_name"
RUN = f"{TEST}, run_id"

BAD = "failed|timed_out|error"  # outcomes that somebody should look at
UNDECIDED = "aborted|none"
WAITING = "created|validated|queued|initializing"


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of all series that a dashboard speaks of, as matchers, and what tells its subjects apart."""

    matchers: str
    test: str = TEST
    run: str = RUN

    def of(self, metric: str, **where: str) -> str:
        """The series of a metric, narrowed further to labels that match a regular expression."""
        more = [f'{label}=~"{pattern}"' for label, pattern in where.items()]
        return f"{metric}{{{joined(self.matchers, *more)}}}"

    def by_test(self, metric: str, *, and_by: str = "", **where: str) -> str:
        """One value for each test."""
        return f"max by ({joined(self.test, and_by)}) ({self.of(metric, **where)})"

    def by_run(self, metric: str, *, and_by: str = "") -> str:
        """One value for each run."""
        return f"max by ({joined(self.run, and_by)}) ({self.of(metric)})"

    def by_run_in_range(self, metric: str, *, and_by: str = "") -> str:
        """One value for each run that was shown within the range of the dashboard: its last."""
        return f"max by ({joined(self.run, and_by)}) (last_over_time({self.of(metric)}[$__range]))"

    def pages_in_range(self) -> str:
        """Each run that was shown within the range, with its page in the k6 app as a label."""
        pages = self.by_run_in_range("k6_cloud_run_info", and_by="url")
        return f"topk by ({self.run}) (1, {pages})"

    def or_zero(self, expression: str) -> str:
        """Zero instead of nothing, but only where tests are known: without data there is no zero either."""
        return f"{expression} or 0 * count({self.of('k6_cloud_test_info')})"

    def outcome(self) -> str:
        """The outcome of each test's last finished run, as a label.

        Two exporters may disagree for as long as one poll; a test still has one row.
        """
        outcomes = self.by_test("k6_cloud_test_last_outcome", and_by="outcome")
        return f"topk{self._each_test} (1, {outcomes} == 1)"

    def test_pages(self) -> str:
        """Each test with its page in the k6 app, as a label of a name of its own: `url` is that of a run."""
        named = f'label_replace({self.of("k6_cloud_test_info")}, "page", "$1", "url", "(.*)")'
        return f"topk{self._each_test} (1, max by ({joined(self.test, 'page')}) ({named}))"

    def run_of(self, id_metric: str) -> str:
        """The run whose id is the value of a metric of the test, with its page in the k6 app as a label."""
        ids = f'count_values{self._each_test} ("run_id", {self.by_test(id_metric)})'
        pages = self.by_run("k6_cloud_run_info", and_by="url")
        return f"topk{self._each_test} (1, {pages} and on ({self.run}) {ids})"

    def value_of_run(self, metric: str, id_metric: str) -> str:
        """What a metric says of the run whose id is the value of another."""
        ids = f'count_values{self._each_test} ("run_id", {self.by_test(id_metric)})'
        return f"max({self.by_run(metric)} and on ({self.run}) {ids})"

    @property
    def _each_test(self) -> str:
        return f" by ({self.test})" if self.test else ""


def joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def milliseconds(expression: str) -> str:
    """Grafana's dates are milliseconds."""
    return f"1000 * {expression}"


def data_age(selector: str) -> str:
    """Seconds since the exporter last learnt everything, of the worst one; NaN where there is none to ask."""
    last = f"k6_cloud_exporter_last_successful_poll_timestamp_seconds{{{selector}}}"
    return f"max(time() - {last}) or vector(NaN)"
