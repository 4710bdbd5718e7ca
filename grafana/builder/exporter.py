"""k6 Cloud / Exporter: can I believe the data?"""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from grafana.builder import layout as frame
from grafana.builder import text as words
from grafana.builder.panels import Column, band, data_age_tile, laid_out, over_time, rows, series, tile
from grafana.builder.queries import data_age, milliseconds

HERE = 'job=~"$job", instance=~"$instance"'
SELF = "k6_cloud_exporter"


def of(metric: str, *more: str) -> str:
    return f"{metric}{{{', '.join((HERE, *more))}}}"


def own(name: str, *more: str) -> str:
    return of(f"{SELF}_{name}", *more)


def in_all(name: str) -> str:
    """The sum over shards; of several exporters of one shard, the most."""
    shard = own("shard_info")
    return f"sum(max by (shard) ({own(name)} * on (job, instance) group_left (shard) {shard}))"


def rate(name: str, by: str, *more: str) -> str:
    return f"sum by ({by}) (rate({own(name, *more)}[$__rate_interval]))"


def quantile(share: float, name: str) -> str:
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', 'le')})"


def dashboard() -> Dashboard:
    return frame.framed(
        frame.EXPORTER,
        "Exporter",
        "Whether the exporter of Grafana Cloud k6 learns what it should, and what that costs.",
        variables=[frame.data_source(), frame.job(), frame.instance()],
        annotations=[frame.alerts()],
        panels=laid_out(
            "May the data be believed?",
            band(4, *believed()),
            band(4, *test_state()),
            "Polling",
            band(8, durations(), polls(), ages()),
            band(8, failures(), unusable()),
            "The API of k6 Cloud",
            band(8, requests(), errors(), latency()),
            band(6, throttled(), hints(), worst_endpoints(), widths=(6, 6, 12)),
            "Scrape and process",
            band(7, scrape(), samples(), cpu()),
            band(7, memory(), files(), garbage()),
        ),
    )


def believed() -> list[Panel]:
    return [
        data_age_tile(data_age(HERE)),
        tile(
            "Target",
            "Whether Prometheus reaches the exporter; down if any of several is.",
            f"min({of('up')})",
            mapped=words.mappings(words.TARGET, absent="not scraped", colour="red"),
            absent="not scraped",
        ),
        tile(
            "Last poll",
            "Whether the last poll of k6 Cloud succeeded in full; of several exporters, the worst.",
            f"min({of('k6_cloud_up')})",
            mapped=words.mappings(words.POLL),
        ),
        tile(
            "Polled",
            "When a poll last ended, well or badly. If this is long ago, the exporter hangs.",
            milliseconds(f"min({own('last_poll_timestamp_seconds')})"),
            unit="dateTimeFromNow",
            filled=False,
        ),
        tile(
            "Poll interval",
            "Time between polls at present: shorter while a watched run moves.",
            f"max({own('poll_interval_seconds')})",
            unit="s",
            filled=False,
        ),
        tile(
            "Configuration",
            "Whether the configuration, and the web configuration, were good when they were last read. A "
            "refused one leaves the old one in force.",
            f"min({own('config_last_reload_successful')}) * min({own('web_config_last_reload_successful')})",
            mapped=words.mappings(words.RELOAD),
        ),
    ]


def test_state() -> list[Panel]:
    return [
        tile(
            "Tests",
            "Tests that are watched, by all shards together.",
            in_all("tests"),
            unit="short",
            filled=False,
        ),
        tile(
            "Not found",
            "Entries of the configuration for which k6 Cloud has no test; the exporter's own page names "
            "them.",
            in_all("tests_unresolved"),
            unit="short",
            steps=((None, "green"), (1, "orange")),
        ),
        tile(
            "Runs",
            "Runs that are remembered, by all shards together.",
            in_all("runs"),
            unit="short",
            filled=False,
        ),
        tile(
            "Series",
            "Series about tests and runs, of all shards together, the exporters' own aside.",
            in_all("series"),
            unit="short",
            filled=False,
        ),
        tile(
            "Version",
            "Version of the exporter.",
            f"max by (version, revision) ({own('build_info')})",
            label="version",
            mapped=[words.nothing(words.DASH, "transparent")],
            filled=False,
        ),
        tile(
            "Configuration read",
            "When the configuration in force was read.",
            milliseconds(f"max({own('config_last_reload_success_timestamp_seconds')})"),
            unit="dateTimeFromNow",
            filled=False,
        ),
    ]


def durations() -> Panel:
    return over_time(
        "How long polls take",
        "Quantiles of how long polls took, and the interval between them. Where they meet, polls follow "
        "each other "
        "without a pause.",
        series(
            (quantile(0.5, "poll_duration_seconds"), "half"),
            (quantile(0.95, "poll_duration_seconds"), "19 of 20"),
            (f"min({own('poll_interval_seconds')})", "interval"),
        ),
        unit="s",
        colours={"interval": words.GREY},
    )


def polls() -> Panel:
    return over_time(
        "Polls by outcome",
        "Polls a second; partial means that only some of what was asked could be learnt.",
        series((rate("polls_total", "outcome"), "{{outcome}}")),
        unit="reqps",
        colours={"success": "green", "partial": "orange", "failure": "red"},
    )


def ages() -> Panel:
    return over_time(
        "Data age",
        "Time since each exporter last learnt everything it wanted to know. A saw with small teeth is good.",
        series(
            (
                f"max by (instance) (time() - {own('last_successful_poll_timestamp_seconds')} > 0)",
                "{{instance}}",
            )
        ),
        unit="s",
    )


def failures() -> Panel:
    return over_time(
        "Failures by reason",
        "What went wrong in polls, a second; one poll can fail in several ways. Nothing but zeroes is good.",
        series((rate("poll_failures_total", "reason"), "{{reason}}")),
        unit="reqps",
        bars=True,
    )


def unusable() -> Panel:
    skipped = f"sum by (reason) (increase({own('runs_skipped_total')}[$__rate_interval]))"
    unknown = f"sum by (field) (increase({own('unknown_values_total')}[$__rate_interval]))"
    return over_time(
        "Answers that could not be used",
        "Runs or tests in answers that had to be skipped, and values that this version of the exporter does "
        "not "
        "know. If a code is unknown for long, look for a newer version.",
        series((skipped, "skipped: {{reason}}"), (unknown, "unknown {{field}}")),
        unit="short",
        bars=True,
        least_interval="1m",
    )


def requests() -> Panel:
    return over_time(
        "Requests by status",
        "Requests to k6 Cloud a second, by the HTTP status of the answer, or timeout or network where there "
        "was "
        "none.",
        series((rate("api_requests_total", "code"), "{{code}}")),
        unit="reqps",
    )


def errors() -> Panel:
    bad, every = 'code!~"2.."', rate("api_requests_total", "api, endpoint")
    failed = rate("api_requests_total", "api, endpoint", bad)
    return over_time(
        "Errors by endpoint",
        "Share of the requests to each endpoint that were not answered with success.",
        series((f"({failed} or 0 * {every}) / ({every} > 0)", "{{api}} {{endpoint}}")),
        unit="percentunit",
    )


def latency() -> Panel:
    name = "api_request_duration_seconds"
    return over_time(
        "How long k6 Cloud takes to answer",
        "Quantiles of the time until a request was answered, or given up.",
        series(
            (quantile(0.5, name), "half"),
            (quantile(0.95, name), "19 of 20"),
            (quantile(0.99, name), "99 of 100"),
        ),
        unit="s",
    )


def throttled() -> Panel:
    return over_time(
        "Throttled and tried again",
        "Answers of k6 Cloud that it is asked too often, and requests that were tried again, a second.",
        series(
            (f"sum(rate({own('api_throttled_total')}[$__rate_interval]))", "throttled"),
            (f"sum(rate({own('api_retries_total')}[$__rate_interval]))", "tried again"),
        ),
        unit="reqps",
        colours={"throttled": "orange", "tried again": "blue"},
    )


def hints() -> Panel:
    return over_time(
        "Webhook calls",
        "Webhook requests per second: accepted (triggers a poll), ignored (another test) or rejected.",
        series((rate("webhook_requests_total", "outcome"), "{{outcome}}")),
        unit="reqps",
        colours={"accepted": "green", "ignored": "blue", "rejected": "orange"},
    )


def worst_endpoints() -> Panel:
    asked = f"sum by (api, endpoint) (increase({own('api_requests_total')}[$__range]))"
    took = f"sum by (api, endpoint) (increase({own('api_request_duration_seconds_sum')}[$__range]))"
    return rows(
        "Endpoints",
        "What was asked of each endpoint within the range above, and how long an answer took on average.",
        (
            Column("Endpoint", label="endpoint", more={"custom.minWidth": 260}),
            Column("API", label="api", width=90),
            Column("Requests", asked, unit="short", more={"decimals": 0}),
            Column("Average", f"{took} / ({asked} > 0)", unit="s"),
        ),
        newest_first=("Requests",),
        absent="Nothing was asked within this range.",
    )


def scrape() -> Panel:
    return over_time(
        "How long a scrape takes",
        "Time that Prometheus needs for a scrape. The exporter answers from memory, so this hardly depends "
        "on k6 "
        "Cloud.",
        series((f"max by (instance) ({of('scrape_duration_seconds')})", "{{instance}}")),
        unit="s",
    )


def samples() -> Panel:
    return over_time(
        "Samples of a scrape",
        "How many samples a scrape brings.",
        series((f"max by (instance) ({of('scrape_samples_scraped')})", "{{instance}}")),
        unit="short",
    )


def cpu() -> Panel:
    return over_time(
        "CPU",
        "Processor cores that the exporter uses.",
        series(
            (f"sum by (instance) (rate({of('process_cpu_seconds_total')}[$__rate_interval]))", "{{instance}}")
        ),
        unit="short",
    )


def memory() -> Panel:
    return over_time(
        "Memory",
        "Resident memory of the exporter.",
        series((f"max by (instance) ({of('process_resident_memory_bytes')})", "{{instance}}")),
        unit="bytes",
    )


def files() -> Panel:
    return over_time(
        "Open files",
        "Open files and connections as a share of what the process may have.",
        series(
            (
                f"max by (instance) ({of('process_open_fds')}) / max by (instance) ({of('process_max_fds')})",
                "{{instance}}",
            )
        ),
        unit="percentunit",
    )


def garbage() -> Panel:
    collections = of("python_gc_collections_total")
    return over_time(
        "Garbage collections",
        "Collections of Python's garbage collector a second, by generation.",
        series((f"sum by (generation) (rate({collections}[$__rate_interval]))", "generation {{generation}}")),
        unit="ops",
    )
