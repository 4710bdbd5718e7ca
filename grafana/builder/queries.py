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

# As in the alert on missed schedules, in seconds: k6 Cloud may create a run a little late, or early.
LATE_START, EARLY_START = 600, 60


def select_last(metric: str) -> str:
    """The last value that a selector has in the time range of the dashboard, at every step."""
    return f"last_over_time({metric}[$__range] @ end())"


def build_state(status: str, processing: str, result: str) -> str:
    """One code for the state of a run: the keys of `text.STATE`.

    It is the status, except for runs that finished normally: their outcome also depends on the result, and on
    errors in processing.
    """
    return f"({status} == 3) + 10 * (1 + {result}) + 20 * ({processing} == bool 3) or {status}"


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

    def last_outcome_of_test(self) -> str:
        """The last finished run of each test: its outcome, reason and URL as labels, its end as the value.

        Two exporters can disagree for one poll interval; `topk` keeps one row for each test.
        """
        info = self.by_test("k6_cloud_test_last_finished_info", and_by="run_id, outcome, reason, url")
        return f"topk{self._each_test} (1, {info})"

    def reasons_in_range(self) -> str:
        """The reason of each run that once was the last finished one in the time range, as a label."""
        info = self.select("k6_cloud_test_last_finished_info", outcome="failed|aborted|timed_out|error")
        return f"topk by ({self.run}) (1, max by ({self.run}, reason) (last_over_time({info}[$__range])))"

    def run_urls_in_range(self) -> str:
        """Each run with data in the time range, with the URL of its page in the k6 app as a label."""
        pages = self.by_run_in_range("k6_cloud_run_info", and_by="url")
        return f"topk by ({self.run}) (1, {pages})"

    def test_urls(self) -> str:
        """Each test with the URL of its page as label `page`, because `url` is that of a run."""
        named = f'label_replace({self.select("k6_cloud_test_info")}, "page", "$1", "url", "(.*)")'
        return f"topk{self._each_test} (1, max by ({join_labels(self.test, 'page')}) ({named}))"

    def run_with_id(self, id_metric: str) -> str:
        """The run whose id is the value of `id_metric`, with the URL of its page in the k6 app as a label."""
        ids = f'count_values{self._each_test} ("run_id", {self.by_test(id_metric)})'
        pages = self.by_run("k6_cloud_run_info", and_by="url")
        return f"topk{self._each_test} (1, {pages} and on ({self.run}) {ids})"

    def newest_run_state(self) -> str:
        """The state of each test's newest run, as a code of `text.STATE`."""
        names = ("status", "processing_status", "result_status")
        return build_state(*(self.by_test(f"k6_cloud_test_last_run_{name}") for name in names))

    def newest_run_state_or_never(self) -> str:
        """The same, with a code for tests without runs, which distinguishes them from a lack of data."""
        return f"{self.newest_run_state()} or 0 * {self.by_test('k6_cloud_test_info')} - 3"

    def run_states_in_range(self) -> str:
        """The last known state of each run with data in the time range, as a code of `text.STATE`."""
        names = ("status", "processing_status", "result_status")
        return build_state(*(self.by_run_in_range(f"k6_cloud_run_{name}") for name in names))

    def last_run_state(self) -> str:
        """The state of each run at the end of the time range, at every step."""
        names = ("status", "processing_status", "result_status")
        selected = (select_last(self.select(f"k6_cloud_run_{name}")) for name in names)
        return build_state(*(f"max by ({self.run}) ({one})" for one in selected))

    def newest_runs_first(self, limit: int) -> str:
        """The newest runs in the time range, with value 1 at every step.

        Prometheus sorts the result of a range query by its labels, and Grafana keeps that order. So the label
        `newest_first` is a number of ten digits that is smaller for newer runs.
        """
        created = select_last(self.select("k6_cloud_run_created_timestamp_seconds"))
        newest = f"topk({limit}, max by ({self.run}) ({created}))"
        return f'count_values by ({self.run}) ("newest_first", 1e10 - floor({newest}))'

    def or_zero(self, by_test: str) -> str:
        """The expression, or 0 for the other tests. Grafana cannot sort a column with missing values."""
        return f"{by_test} or 0 * {self.by_test('k6_cloud_test_info')}"

    def next_start(self) -> str:
        """The next scheduled start of each test, unless the one that the exporter knows has passed."""
        return f"{self.by_test('k6_cloud_test_schedule_next_run_timestamp_seconds')} > time()"

    def missed_starts(self) -> str:
        """The time of the last scheduled start of each test for which no run was created in time."""
        due = self.by_test("k6_cloud_test_schedule_due_timestamp_seconds")
        created = self.by_test("k6_cloud_test_last_run_created_timestamp_seconds")
        return f"({due} < time() - {LATE_START}) unless {created} >= {due} - {EARLY_START}"

    def with_project_name(self, expression: str) -> str:
        """Adds the name of the project, or its id if there is no name, as label `project_name`."""
        jobs = self.matchers.split(",")[0]
        names = f"max by (project_id, project_name) (k6_cloud_project_info{{{jobs}}})"
        ids = f"max by (project_id) ({self.select('k6_cloud_test_info')})"
        unnamed = f'label_replace({ids}, "project_name", "$1", "project_id", "(.*)")'
        return (
            f"{expression} * on (project_id) group_left (project_name)"
            f" topk by (project_id) (1, {names} or on (project_id) {unnamed})"
        )

    @property
    def _each_test(self) -> str:
        return f" by ({self.test})" if self.test else ""


def join_labels(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def to_milliseconds(expression: str) -> str:
    """Seconds as milliseconds, which Grafana uses for dates."""
    return f"1000 * {expression}"


def count_exactly(selector: str) -> str:
    """By how much each counter has increased since the step before.

    `increase()` extrapolates: it can show 1.05 runs, and shows runs twice if its range is longer than a step.
    Here the steps add up. The second part is for a counter that started again at 0.
    """
    before = f"{selector} offset $__interval"
    return f"({selector} - {before} >= 0 or {selector} < {before})"


def seconds_since_poll(selector: str) -> str:
    """Seconds since the last fully successful poll; NaN without exporters.

    Of several exporters of a shard the best one counts, since it has all the data; of shards, the worst.
    As in the alerts, `namespace` distinguishes releases of the same job.
    """
    last = f"k6_cloud_exporter_last_successful_poll_timestamp_seconds{{{selector}}}"
    shard = f"k6_cloud_exporter_shard_info{{{selector}}}"
    best = f"max by (job, namespace, shard) ({last} * on (job, instance) group_left (shard) {shard})"
    return f"max(time() - {best}) or vector(NaN)"
