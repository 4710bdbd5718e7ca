"""What the exporter says of itself, in a registry of its own."""

import platform

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
SKIP_REASONS = ("unreadable", "foreign")
CODED_FIELDS = ("run_status", "processing_status", "result_status")
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Telemetry:
    """The self-metrics. Counters start at zero for every label value known beforehand: rates need a start."""

    def __init__(self, *, version: str, revision: str) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        self.up = Gauge(
            "k6_cloud_up", "Whether the last poll of k6 Cloud succeeded in full.", registry=registry
        )
        self.polls = Counter(
            "k6_cloud_exporter_polls_total",
            "Polls of k6 Cloud; partial if only some of what was asked could be learnt.",
            ["outcome"],
            registry=registry,
        )
        self.poll_failures = Counter(
            "k6_cloud_exporter_poll_failures_total",
            "What went wrong in polls; one poll can fail in several ways.",
            ["reason"],
            registry=registry,
        )
        self.poll_duration = Histogram(
            "k6_cloud_exporter_poll_duration_seconds",
            "How long polls took.",
            registry=registry,
            buckets=SECONDS,
        )
        self.last_poll = Gauge(
            "k6_cloud_exporter_last_poll_timestamp_seconds", "When the last poll ended.", registry=registry
        )
        self.last_successful_poll = Gauge(
            "k6_cloud_exporter_last_successful_poll_timestamp_seconds",
            "When the last poll that succeeded in full ended; 0 if none has.",
            registry=registry,
        )
        self.poll_interval = Gauge(
            "k6_cloud_exporter_poll_interval_seconds", "Time between polls at present.", registry=registry
        )
        self.api_requests = Counter(
            "k6_cloud_exporter_api_requests_total",
            "Requests to k6 Cloud, by HTTP status, or timeout or network where there was no answer.",
            ["api", "endpoint", "code"],
            registry=registry,
        )
        self.api_duration = Histogram(
            "k6_cloud_exporter_api_request_duration_seconds",
            "Time until k6 Cloud had answered a request, or until it was given up.",
            ["api", "endpoint"],
            registry=registry,
            buckets=SECONDS,
        )
        self.api_retries = Counter(
            "k6_cloud_exporter_api_retries_total",
            "Requests to k6 Cloud that were tried again.",
            registry=registry,
        )
        self.api_throttled = Counter(
            "k6_cloud_exporter_api_throttled_total",
            "Answers of k6 Cloud that it is asked too often (429).",
            registry=registry,
        )
        self.tests = Gauge("k6_cloud_exporter_tests", "Tests that are watched.", registry=registry)
        self.tests_unresolved = Gauge(
            "k6_cloud_exporter_tests_unresolved",
            "Entries of the configuration for which k6 Cloud has no test.",
            registry=registry,
        )
        self.runs = Gauge("k6_cloud_exporter_runs", "Runs that are remembered.", registry=registry)
        self.series = Gauge(
            "k6_cloud_exporter_series",
            "Series about tests and runs, the exporter's own aside.",
            registry=registry,
        )
        self.runs_skipped = Counter(
            "k6_cloud_exporter_runs_skipped_total",
            "Runs or tests in answers that could not be used.",
            ["reason"],
            registry=registry,
        )
        self.unknown_values = Counter(
            "k6_cloud_exporter_unknown_values_total",
            "Values in answers that this version of the exporter does not know.",
            ["field"],
            registry=registry,
        )
        self.reload_successful = Gauge(
            "k6_cloud_exporter_config_last_reload_successful",
            "Whether the configuration was good when it was last read.",
            registry=registry,
        )
        self.reload_success_time = Gauge(
            "k6_cloud_exporter_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was read.",
            registry=registry,
        )
        build_info = Gauge(
            "k6_cloud_exporter_build_info",
            "What is running; always 1.",
            ["version", "revision", "python_version"],
            registry=registry,
        )
        build_info.labels(version, revision, platform.python_version()).set(1)
        for counter, values in (
            (self.polls, POLL_OUTCOMES),
            (self.poll_failures, FAILURE_REASONS),
            (self.runs_skipped, SKIP_REASONS),
            (self.unknown_values, CODED_FIELDS),
        ):
            for value in values:
                counter.labels(value)


class ApiWitness:
    """Counts and times requests to one API generation, by the endpoint's template, never its ids."""

    def __init__(self, telemetry: Telemetry, api: str) -> None:
        self._telemetry = telemetry
        self._api = api

    def asked(self, endpoint: str, code: str, took: float) -> None:
        self._telemetry.api_requests.labels(self._api, endpoint, code).inc()
        self._telemetry.api_duration.labels(self._api, endpoint).observe(took)

    def retried(self) -> None:
        self._telemetry.api_retries.inc()

    def throttled(self) -> None:
        self._telemetry.api_throttled.inc()
