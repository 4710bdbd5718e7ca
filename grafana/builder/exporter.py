"""The dashboard "k6 Cloud / Exporter": is the data up to date, and if not, why?"""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from grafana.builder import layout, text
from grafana.builder.panels import (
    AGE_STEPS,
    Column,
    Series,
    arrange,
    build_series,
    build_table,
    collapsed,
    data_age_tile,
    panel_line,
    tile,
    time_series,
)
from grafana.builder.queries import seconds_since_poll, to_milliseconds

MATCHERS = 'job=~"$job", instance=~"$instance"'
PREFIX = "k6_cloud_exporter"


def select(metric: str, *matchers: str) -> str:
    """The series of a metric of the selected jobs and instances."""
    return f"{metric}{{{', '.join((MATCHERS, *matchers))}}}"


def self_metric(name: str, *matchers: str) -> str:
    """The series of a self metric, by its name without the common prefix."""
    return select(f"{PREFIX}_{name}", *matchers)


def sum_over_shards(name: str) -> str:
    """The sum over shards. If several exporters have the same shard, only the highest value counts."""
    values = f"{self_metric(name)} * on (job, instance) group_left (shard) {self_metric('shard_info')}"
    return f"sum(max by (job, namespace, shard) ({values}))"


def rate_by(name: str, by: str, *matchers: str) -> str:
    return f"sum by ({by}) (rate({self_metric(name, *matchers)}[$__rate_interval]))"


def per_minute(name: str, by: str) -> str:
    """Rates per minute, since rates per second are small. Series that are zero are left out."""
    return f"60 * {rate_by(name, by)} > 0"


def quantile(fraction: float, name: str) -> str:
    """Without observations the quantile is NaN, which `>= 0` leaves out: with it, the graph is empty."""
    return f"histogram_quantile({fraction}, {rate_by(f'{name}_bucket', 'le')}) >= 0"


def build_exporter_dashboard() -> Dashboard:
    return layout.build_dashboard(
        layout.EXPORTER_UID,
        "Exporter",
        "Health of the Grafana Cloud k6 exporter: polls, requests to k6 Cloud, scrapes and resource usage.",
        variables=[layout.data_source_variable(), layout.job_variable(), layout.instance_variable()],
        annotations=[layout.alert_annotation()],
        panels=arrange(
            "Health",
            panel_line(4, *health_tiles()),
            panel_line(4, *content_tiles()),
            "Polling",
            panel_line(8, poll_durations(), poll_outcomes(), data_ages()),
            panel_line(6, poll_failures(), unusable_data()),
            "k6 Cloud API",
            panel_line(8, requests_by_status(), errors_by_endpoint(), request_durations()),
            panel_line(8, throttling_and_retries(), webhook_requests(), endpoints_table(), widths=(6, 6, 12)),
            collapsed(
                "Scrape and process",
                panel_line(7, scrape_durations(), scrape_samples()),
                panel_line(7, cpu(), memory(), open_files()),
            ),
        ),
    )


def health_tiles() -> list[Panel]:
    return [
        data_age_tile(seconds_since_poll(MATCHERS)),
        tile(
            "Target",
            "Whether Prometheus can scrape the exporter. Down if any of several exporters is down.",
            f"min({select('up')})",
            texts=text.TARGET,
            no_value="not scraped",
            no_value_colour="red",
        ),
        tile(
            "Last poll",
            "Whether the last poll of k6 Cloud was fully successful. With several exporters, the worst one"
            " is shown.",
            f"min({select('k6_cloud_up')})",
            texts=text.POLL,
        ),
        tile(
            "Last poll ended",
            "When the last poll ended, successful or not. If this is long ago, polling is stuck.",
            to_milliseconds(f"min({self_metric('last_poll_timestamp_seconds')})"),
            unit="dateTimeFromNow",
            filled=False,
        ),
        tile(
            "Poll interval",
            "Current poll interval. It is shorter while a watched test has an active run.",
            f"max({self_metric('poll_interval_seconds')})",
            unit="s",
            filled=False,
        ),
        tile(
            "Configuration",
            "Whether the last reload of the configuration and of the web configuration succeeded. After a "
            "failed reload the previous configuration stays in use.",
            f"min({self_metric('config_last_reload_successful')})"
            f" * min({self_metric('web_config_last_reload_successful')})",
            texts=text.RELOAD,
        ),
    ]


def content_tiles() -> list[Panel]:
    return [
        tile(
            "Tests",
            "Number of watched tests, summed over all shards.",
            sum_over_shards("tests"),
            unit="short",
            filled=False,
        ),
        tile(
            "Not found",
            "Number of configuration entries that match no test. The status page of the exporter lists them.",
            sum_over_shards("tests_unresolved"),
            unit="short",
            steps=((None, "green"), (1, "orange")),
        ),
        tile(
            "Runs",
            "Number of runs in memory, summed over all shards.",
            sum_over_shards("runs"),
            unit="short",
            filled=False,
        ),
        tile(
            "Series",
            "Number of series about tests and runs, excluding self metrics, summed over all shards.",
            sum_over_shards("series"),
            unit="short",
            filled=False,
        ),
        tile(
            "Version",
            "Version of the exporter. Several exporters can have different ones.",
            f"max by (version) ({self_metric('build_info')})",
            label="version",
            filled=False,
        ),
        tile(
            "Config loaded",
            "When the current configuration was loaded.",
            to_milliseconds(f"max({self_metric('config_last_reload_success_timestamp_seconds')})"),
            unit="dateTimeFromNow",
            filled=False,
        ),
    ]


def poll_durations() -> Panel:
    interval = self_metric("poll_interval_seconds")
    return time_series(
        "Poll duration",
        "Quantiles of the poll duration, and the poll interval. If the duration reaches the interval, "
        "polls follow each other without a pause.",
        (*quantiles("poll_duration_seconds"), Series(f"min({interval})", "interval", "D")),
        unit="s",
        colours={"interval": text.GREY},
    )


def poll_outcomes() -> Panel:
    return time_series(
        "Polls by outcome",
        "Polls per minute. A partial poll received only some of the requested data.",
        build_series((per_minute("polls_total", "outcome"), "{{outcome}}")),
        unit="opm",
        no_value=text.NONE_RECORDED,
        colours={"success": "green", "partial": "orange", "failure": "red"},
    )


def data_ages() -> Panel:
    return time_series(
        "Data age",
        "Time since the last fully successful poll of each exporter. A low sawtooth is healthy. The lines "
        "are the limits of the tile above.",
        build_series(
            (
                # 0 before the first one: its age would be decades.
                f"max by (instance) (time() - ({self_metric('last_successful_poll_timestamp_seconds')} > 0))",
                "{{instance}}",
            )
        ),
        unit="s",
        thresholds=AGE_STEPS,
    )


def poll_failures() -> Panel:
    return time_series(
        "Poll failures by reason",
        "Failures per minute. One poll can have several.",
        build_series((per_minute("poll_failures_total", "reason"), "{{reason}}")),
        unit="opm",
        no_value=text.NONE_RECORDED,
        bars=True,
    )


def unusable_data() -> Panel:
    return time_series(
        "Skipped and dropped",
        "Skipped runs and tests, values that this version of the exporter does not know, and log lines that "
        "could not be written, per minute. If unknown values continue, look for a newer version.",
        build_series(
            (per_minute("runs_skipped_total", "reason"), "skipped: {{reason}}"),
            (per_minute("unknown_values_total", "field"), "unknown {{field}}"),
            (per_minute("log_lines_dropped_total", ""), "dropped log lines"),
        ),
        unit="opm",
        no_value=text.NONE_RECORDED,
        bars=True,
    )


def requests_by_status() -> Panel:
    return time_series(
        "Requests by status",
        'Requests to k6 Cloud per minute, by HTTP status code, or "timeout" or "network" if there was no '
        "response.",
        build_series((per_minute("api_requests_total", "code"), "{{code}}")),
        unit="reqpm",
        no_value=text.NONE_RECORDED,
        colour_patterns={"/^2/": "green", "/^3/": "blue", "/^4/": "orange", "/^[^234]/": "red"},
    )


def errors_by_endpoint() -> Panel:
    every = rate_by("api_requests_total", "api, endpoint")
    failed = rate_by("api_requests_total", "api, endpoint", 'code!~"2.."')
    return time_series(
        "Errors by endpoint",
        "Share of failed requests to each endpoint.",
        build_series((f"{failed} / {every} > 0", "{{api}} {{endpoint}}")),
        unit="percentunit",
        no_value=text.NONE_RECORDED,
        maximum=1,
    )


def request_durations() -> Panel:
    return time_series(
        "Request duration",
        "Quantiles of the duration of requests to k6 Cloud, including failed ones.",
        quantiles("api_request_duration_seconds"),
        unit="s",
    )


def quantiles(name: str) -> tuple[Series, ...]:
    """The quantiles of a histogram."""
    return build_series(*((quantile(percent / 100, name), f"p{percent}") for percent in (50, 95, 99)))


def throttling_and_retries() -> Panel:
    return time_series(
        "Throttling and retries",
        "Responses with status 429 (too many requests), and retried requests, per minute.",
        build_series(
            (per_minute("api_throttled_total", ""), "throttled"),
            (per_minute("api_retries_total", ""), "retried"),
        ),
        unit="reqpm",
        no_value=text.NONE_RECORDED,
        colours={"throttled": "orange", "retried": "blue"},
    )


def webhook_requests() -> Panel:
    return time_series(
        "Webhook requests",
        "Webhook requests per minute: accepted (triggers a poll), ignored (about another test) or rejected"
        " (wrong path).",
        build_series((per_minute("webhook_requests_total", "outcome"), "{{outcome}}")),
        unit="reqpm",
        no_value=text.NONE_RECORDED,
        colours={"accepted": "green", "ignored": "blue", "rejected": "orange"},
    )


def endpoints_table() -> Panel:
    sent = f"sum by (api, endpoint) (increase({self_metric('api_requests_total')}[$__range]))"
    took = self_metric("api_request_duration_seconds_bucket")
    # Without a request in the range, the quantile is not a number: `>= 0` leaves it out.
    buckets = f"sum by (api, endpoint, le) (increase({took}[$__range]))"
    return build_table(
        "Endpoints",
        "Number and duration of the requests to each endpoint in the selected time range.",
        (
            Column("Endpoint", label="endpoint", more_properties={"custom.minWidth": 270}),
            Column("API", label="api", width=60),
            Column("Requests", sent, unit="none", width=95, more_properties={"decimals": 0}),
            Column("p50", f"histogram_quantile(0.5, {buckets}) >= 0", unit="s", width=85, no_value=text.DASH),
            Column(
                "p95", f"histogram_quantile(0.95, {buckets}) >= 0", unit="s", width=85, no_value=text.DASH
            ),
        ),
        sort_by=("Requests",),
        no_value="No requests recorded in this time range.",
    )


def scrape_durations() -> Panel:
    return time_series(
        "Scrape duration",
        "Duration of each scrape. The exporter responds from memory, so it hardly depends on k6 Cloud.",
        build_series((f"max by (instance) ({select('scrape_duration_seconds')})", "{{instance}}")),
        unit="s",
    )


def scrape_samples() -> Panel:
    return time_series(
        "Samples per scrape",
        "Number of samples in each scrape.",
        build_series((f"max by (instance) ({select('scrape_samples_scraped')})", "{{instance}}")),
        unit="short",
    )


def cpu() -> Panel:
    return time_series(
        "CPU",
        "CPU cores used by the exporter.",
        build_series(
            (
                f"sum by (instance) (rate({select('process_cpu_seconds_total')}[$__rate_interval]))",
                "{{instance}}",
            )
        ),
        unit="short",
    )


def memory() -> Panel:
    return time_series(
        "Memory",
        "Resident memory of the exporter.",
        build_series((f"max by (instance) ({select('process_resident_memory_bytes')})", "{{instance}}")),
        unit="bytes",
    )


def open_files() -> Panel:
    opened, limit = select("process_open_fds"), select("process_max_fds")
    return time_series(
        "Open files",
        "Open file descriptors as a share of the limit of the process.",
        build_series(
            (
                f"max by (instance) ({opened}) / max by (instance) ({limit})",
                "{{instance}}",
            )
        ),
        unit="percentunit",
        maximum=1,
    )
