"""PromQL of the dashboards: selectors, and aggregations without the instance of the exporter.

Queries by test or run take the maximum over all other labels. A second exporter, or one that moved to another
instance, then duplicates neither rows nor counts.
"""

from dataclasses import dataclass

TEST_LABELS = "project_id, test_id, test_name"
RUN_LABELS = f"{TEST_LABELS}, run_id"

FAILED_OUTCOMES = "failed|timed_out|error"
NO_RESULT_OUTCOMES = "aborted|none"
WAITING_STATUSES = "created|validated|queued|initializing"


@dataclass(frozen=True, slots=True)
class Scope:
    """The series that a dashboard selects, as matchers, and the labels that distinguish tests and runs."""

    matchers: str
    test: str = TEST_LABELS
    run: str = RUN_LABELS

    def select(self, metric: str, **where: str) -> str:
        """The series of a metric. `where` adds matchers: a regular expression for each label."""
        more = [f'{label}=~"{pattern}"' for label, pattern in where.items()]
        return f"{metric}{{{join_labels(self.matchers, *more)}}}"

    def by_test(self, metric: str, *, and_by: str = "", **where: str) -> str:
        """One value for each test."""
        return f"max by ({join_labels(self.test, and_by)}) ({self.select(metric, **where)})"

    def by_run(self, metric: str, *, and_by: str = "") -> str:
        """One value for each run."""
        return f"max by ({join_labels(self.run, and_by)}) ({self.select(metric)})"

    def by_run_in_range(self, metric: str, *, and_by: str = "") -> str:
        """One value for each run with data in the time range of the dashboard: the last one."""
        return f"max by ({join_labels(self.run, and_by)}) (last_over_time({self.select(metric)}[$__range]))"

    def run_urls_in_range(self) -> str:
        """Each run with data in the time range, with the URL of its page in the k6 app as a label."""
        pages = self.by_run_in_range("k6_cloud_run_info", and_by="url")
        return f"topk by ({self.run}) (1, {pages})"

    def or_zero(self, expression: str) -> str:
        """The expression, or 0 if it has no result but tests exist. Without any data there is no 0 either."""
        return f"{expression} or 0 * count({self.select('k6_cloud_test_info')})"

    def last_outcome(self) -> str:
        """The outcome of each test's last finished run, as a label.

        Two exporters can disagree for one poll interval; `topk` keeps one row for each test.
        """
        outcomes = self.by_test("k6_cloud_test_last_outcome", and_by="outcome")
        return f"topk{self._each_test} (1, {outcomes} == 1)"

    def test_urls(self) -> str:
        """Each test with the URL of its page as label `page`, because `url` is that of a run."""
        named = f'label_replace({self.select("k6_cloud_test_info")}, "page", "$1", "url", "(.*)")'
        return f"topk{self._each_test} (1, max by ({join_labels(self.test, 'page')}) ({named}))"

    def run_with_id(self, id_metric: str) -> str:
        """The run whose id is the value of `id_metric`, with the URL of its page in the k6 app as a label."""
        ids = f'count_values{self._each_test} ("run_id", {self.by_test(id_metric)})'
        pages = self.by_run("k6_cloud_run_info", and_by="url")
        return f"topk{self._each_test} (1, {pages} and on ({self.run}) {ids})"

    def value_of_run_with_id(self, metric: str, id_metric: str) -> str:
        """The value of a metric for the run whose id is the value of `id_metric`."""
        ids = f'count_values{self._each_test} ("run_id", {self.by_test(id_metric)})'
        return f"max({self.by_run(metric)} and on ({self.run}) {ids})"

    @property
    def _each_test(self) -> str:
        return f" by ({self.test})" if self.test else ""


def join_labels(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def to_milliseconds(expression: str) -> str:
    """Seconds as milliseconds, which Grafana uses for dates."""
    return f"1000 * {expression}"


def seconds_since_poll(selector: str) -> str:
    """Seconds since the last fully successful poll, of the worst exporter; NaN without exporters."""
    last = f"k6_cloud_exporter_last_successful_poll_timestamp_seconds{{{selector}}}"
    return f"max(time() - {last}) or vector(NaN)"
