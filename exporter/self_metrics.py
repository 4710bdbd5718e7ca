"""What the exporter says of itself, in a registry of its own."""

import platform
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

disable_created_metrics()

POLL_OUTCOMES = ("success", "partial", "failure")
FAILURE_REASONS = (
    "unauthorized",
    "forbidden",
    "not_found",
    "rate_limited",
    "rejected",
    "server",
    "timeout",
    "network",
    "decode",
    "internal",
)
WEBHOOK_OUTCOMES = ("accepted", "ignored", "rejected")
SKIP_REASONS = ("invalid", "unexpected")
CODED_FIELDS = ("run_status", "processing_status", "result_status")
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class SelfMetrics:
    """The self-metrics. Counters start at zero for every label value known beforehand: rates need a start."""

    def __init__(self, *, version: str, revision: str) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        gauge = partial(Gauge, registry=registry)
        counter = partial(Counter, registry=registry)
        histogram = partial(Histogram, registry=registry, buckets=SECONDS)

        self.up = gauge("k6_cloud_up", "Whether the last poll of k6 Cloud succeeded in full.")
        self.polls = counter(
            "k6_cloud_exporter_polls_total",
            "Polls of k6 Cloud; partial if only some of what was asked could be learnt.",
            ["outcome"],
        )
        self.poll_failures = counter(
            "k6_cloud_exporter_poll_failures_total",
            "What went wrong in polls; one poll can fail in several ways.",
            ["reason"],
        )
        self.poll_duration = histogram("k6_cloud_exporter_poll_duration_seconds", "How long polls took.")
        self.last_poll = gauge("k6_cloud_exporter_last_poll_timestamp_seconds", "When the last poll ended.")
        self.last_successful_poll = gauge(
            "k6_cloud_exporter_last_successful_poll_timestamp_seconds",
            "When the last poll that succeeded in full ended; 0 if none has.",
        )
        self.poll_interval = gauge(
            "k6_cloud_exporter_poll_interval_seconds", "Time between polls at present."
        )
        self.api_requests = counter(
            "k6_cloud_exporter_api_requests_total",
            "Requests to k6 Cloud, by HTTP status, or timeout or network where there was no answer.",
            ["api", "endpoint", "code"],
        )
        self.api_duration = histogram(
            "k6_cloud_exporter_api_request_duration_seconds",
            "Time until k6 Cloud had answered a request, or until it was given up.",
            ["api", "endpoint"],
        )
        self.api_retries = counter(
            "k6_cloud_exporter_api_retries_total",
            "Requests to k6 Cloud that were tried again.",
        )
        self.api_throttled = counter(
            "k6_cloud_exporter_api_throttled_total",
            "Answers of k6 Cloud that it is asked too often (429).",
        )
        self.tests = gauge("k6_cloud_exporter_tests", "Tests that are watched.")
        self.tests_unresolved = gauge(
            "k6_cloud_exporter_tests_unresolved",
            "Entries of the configuration for which k6 Cloud has no test.",
        )
        self.runs = gauge("k6_cloud_exporter_runs", "Runs that are remembered.")
        self.series = gauge(
            "k6_cloud_exporter_series",
            "Series about tests and runs, the exporter's own aside.",
        )
        self.runs_skipped = counter(
            "k6_cloud_exporter_runs_skipped_total",
            "Runs or tests in answers that could not be used.",
            ["reason"],
        )
        self.unknown_values = counter(
            "k6_cloud_exporter_unknown_values_total",
            "Values in answers that this version of the exporter does not know.",
            ["field"],
        )
        self.webhook_requests = counter(
            "k6_cloud_exporter_webhook_requests_total",
            "Calls of the webhook, by whether they were taken for a hint to poll.",
            ["outcome"],
        )
        self.reload_successful = gauge(
            "k6_cloud_exporter_config_last_reload_successful",
            "Whether the configuration was good when it was last read.",
        )
        self.reload_success_time = gauge(
            "k6_cloud_exporter_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read.",
        )
        self.web_reload_successful = gauge(
            "k6_cloud_exporter_web_config_last_reload_successful",
            "Whether the web configuration file and its certificates were good when they were last read.",
        )
        self.web_reload_successful.set(1)
        self.shard_info = gauge(
            "k6_cloud_exporter_shard_info",
            "Which of the shards this process is, from 0; always 1.",
            ["shard"],
        )
        self.total_shards = gauge(
            "k6_cloud_exporter_total_shards", "Processes among which the tests are shared."
        )
        self.build_info = gauge(
            "k6_cloud_exporter_build_info",
            "What is running; always 1.",
            ["version", "revision", "python_version"],
        )
        self.build_info.labels(version, revision, platform.python_version()).set(1)
        for counted, values in (
            (self.polls, POLL_OUTCOMES),
            (self.poll_failures, FAILURE_REASONS),
            (self.runs_skipped, SKIP_REASONS),
            (self.webhook_requests, WEBHOOK_OUTCOMES),
            (self.unknown_values, CODED_FIELDS),
        ):
            for value in values:
                counted.labels(value)

    def text(self) -> bytes:
        """The self-metrics in text format 0.0.4."""
        return generate_latest(self.registry)

    def openmetrics(self) -> bytes:
        """The self-metrics in OpenMetrics 1.0, with the `# EOF` that ends a page."""
        return bytes(generate_openmetrics(self.registry))


class ApiInstrumentation:
    """Counts and times requests to one API generation, by the endpoint's template, never its ids."""

    def __init__(self, self_metrics: SelfMetrics, api: str) -> None:
        self._self_metrics = self_metrics
        self._api = api

    def observe_request(self, endpoint: str, code: str, took: float) -> None:
        self._self_metrics.api_requests.labels(self._api, endpoint, code).inc()
        self._self_metrics.api_duration.labels(self._api, endpoint).observe(took)

    def count_retry(self) -> None:
        self._self_metrics.api_retries.inc()

    def count_throttled(self) -> None:
        self._self_metrics.api_throttled.inc()
