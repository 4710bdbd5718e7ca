"""Metrics about the exporter itself, in a registry of their own.

Unlike the metrics of tests and runs, which are rendered from the state, these accumulate where events happen.
"""

import platform
from collections.abc import Callable, Iterator
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

# The *_created series double the number of counters and say nothing that `rate` needs.
disable_created_metrics()

# Known label values, in the order in which they are exposed.
POLL_OUTCOMES = ("success", "partial", "failure")
# Failures that a response from k6 Cloud reports by its status code.
STATUS_FAILURES = ("unauthorized", "forbidden", "not_found", "rate_limited", "rejected", "server")
FAILURE_REASONS = (*STATUS_FAILURES, "timeout", "network", "decode", "internal")
WEBHOOK_OUTCOMES = ("accepted", "ignored", "rejected")
SKIP_REASONS = ("invalid", "unexpected")
CODED_FIELDS = ("run_status", "processing_status", "result_status")
DURATION_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # seconds


class SelfMetrics(Collector):
    """One attribute for each self-metric.

    Counters start at 0 for every known label value: without a first sample, `rate` and `increase` miss the
    first event.
    """

    def __init__(self, *, version: str, revision: str) -> None:
        # The global registry would reject the same names for a second exporter, as in tests.
        registry = self.registry = CollectorRegistry()
        # Whether a metric of this name is not exposed; a reload can change it.
        self.is_excluded: Callable[[str], bool] = lambda _: False
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        gauge = partial(Gauge, registry=registry)
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry, buckets=DURATION_BUCKETS)

        self.up = gauge(
            "k6_cloud_up",
            "1 if the last poll of k6 Cloud succeeded completely and is not stale, otherwise 0.",
        )
        self.polls = counter(
            "k6_cloud_exporter_polls_total",
            "Total number of polls of k6 Cloud by outcome (partial: some of the data could not be fetched).",
            ["outcome"],
        )
        self.poll_failures = counter(
            "k6_cloud_exporter_poll_failures_total",
            "Total number of failures in polls, by reason; one poll can have several.",
            ["reason"],
        )
        self.poll_duration = histogram(
            "k6_cloud_exporter_poll_duration_seconds", "Duration of polls in seconds."
        )
        self.last_poll = gauge(
            "k6_cloud_exporter_last_poll_timestamp_seconds", "End time of the last poll in Unix seconds."
        )
        self.last_successful_poll = gauge(
            "k6_cloud_exporter_last_successful_poll_timestamp_seconds",
            "End time of the last completely successful poll in Unix seconds, 0 if there was none.",
        )
        self.poll_interval = gauge(
            "k6_cloud_exporter_poll_interval_seconds", "Current poll interval in seconds."
        )
        self.api_requests = counter(
            "k6_cloud_exporter_api_requests_total",
            "Total number of requests to k6 Cloud by HTTP status code (timeout, network or cancelled: no "
            "response).",
            ["api", "endpoint", "code"],
        )
        self.api_duration = histogram(
            "k6_cloud_exporter_api_request_duration_seconds",
            "Duration of requests to k6 Cloud in seconds, including failed ones.",
            ["api", "endpoint"],
        )
        self.api_retries = counter(
            "k6_cloud_exporter_api_retries_total", "Total number of retried requests to k6 Cloud."
        )
        self.api_throttled = counter(
            "k6_cloud_exporter_api_throttled_total",
            "Total number of responses from k6 Cloud with status 429 (too many requests).",
        )
        self.tests = gauge("k6_cloud_exporter_tests", "Number of watched tests.")
        self.tests_unresolved = gauge(
            "k6_cloud_exporter_tests_unresolved",
            "Number of entries in the tests setting that match no test in k6 Cloud.",
        )
        self.runs = gauge("k6_cloud_exporter_runs", "Number of runs held in memory.")
        self.series = gauge(
            "k6_cloud_exporter_series",
            "Number of exposed series of tests, runs and projects, excluding self metrics.",
        )
        self.runs_skipped = counter(
            "k6_cloud_exporter_runs_skipped_total",
            "Total number of skipped runs and tests in API responses, by reason.",
            ["reason"],
        )
        self.unknown_values = counter(
            "k6_cloud_exporter_unknown_values_total",
            "Total number of values in API responses unknown to this version of the exporter, by field.",
            ["field"],
        )
        self.webhook_requests = counter(
            "k6_cloud_exporter_webhook_requests_total",
            "Total number of webhook requests by outcome.",
            ["outcome"],
        )
        self.log_lines_dropped = counter(
            "k6_cloud_exporter_log_lines_dropped_total",
            "Total number of log lines that could not be written to stderr.",
        )
        self.reload_successful = gauge(
            "k6_cloud_exporter_config_last_reload_successful",
            "1 if the configuration was last loaded successfully, otherwise 0.",
        )
        self.reload_success_time = gauge(
            "k6_cloud_exporter_config_last_reload_success_timestamp_seconds",
            "Time of the last successful load of the configuration in Unix seconds.",
        )
        self.web_reload_successful = gauge(
            "k6_cloud_exporter_web_config_last_reload_successful",
            "1 if the web configuration and certificates were last loaded successfully, otherwise 0.",
        )
        # A web configuration that cannot be loaded at the start ends the process.
        self.web_reload_successful.set(1)
        self.shard_info = gauge(
            "k6_cloud_exporter_shard_info",
            "Shard of this process (label shard, index from 0); always 1.",
            ["shard"],
        )
        self.total_shards = gauge(
            "k6_cloud_exporter_total_shards", "Number of shards among which the tests are divided."
        )
        self.build_info = gauge(
            "k6_cloud_exporter_build_info",
            "Version, revision and Python version of the exporter; always 1.",
            ["version", "revision", "python_version"],
        )
        # It comes from the environment: here it is one line of valid UTF-8.
        revision = " ".join(revision.encode(errors="replace").decode().split())
        self.build_info.labels(version, revision, platform.python_version()).set(1)
        # https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics
        for metric, label_values in (
            (self.polls, POLL_OUTCOMES),
            (self.poll_failures, FAILURE_REASONS),
            (self.runs_skipped, SKIP_REASONS),
            (self.webhook_requests, WEBHOOK_OUTCOMES),
            (self.unknown_values, CODED_FIELDS),
        ):
            for value in label_values:
                metric.labels(value)

    def render_text(self) -> bytes:
        """The self metrics in text format 0.0.4."""
        return generate_latest(self)

    def render_openmetrics(self) -> bytes:
        """The self metrics in OpenMetrics 1.0, with the final `# EOF`."""
        return bytes(generate_openmetrics(self))

    def collect(self) -> Iterator[Metric]:
        """The metrics that are not excluded, as prometheus-client collects them from a registry."""
        for metric in self.registry.collect():
            suffix = "_total" if metric.type == "counter" else ""
            if not self.is_excluded(metric.name + suffix):
                yield metric


class ApiInstrumentation:
    """Observes the requests to one API version, "legacy" or "v6".

    `endpoint` is a path template such as /loadtests/v2/runs/{id}: real ids would make a series for each run.
    """

    def __init__(self, self_metrics: SelfMetrics, api: str) -> None:
        self._self_metrics = self_metrics
        self._api = api

    def observe_request(self, endpoint: str, code: str, seconds: float) -> None:
        self._self_metrics.api_requests.labels(self._api, endpoint, code).inc()
        self._self_metrics.api_duration.labels(self._api, endpoint).observe(seconds)

    def count_retry(self) -> None:
        self._self_metrics.api_retries.inc()

    def count_throttled(self) -> None:
        self._self_metrics.api_throttled.inc()
