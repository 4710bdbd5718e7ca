"""What all dashboards share: variables, links between them, annotations, range and refresh."""

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Panel,
    RowPanel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.builder.panels import DATA_SOURCE
from grafana.builder.queries import Scope, milliseconds

TAG = "k6-cloud"
OVERVIEW = "k6-cloud-overview"
TEST = "k6-cloud-test"
EXPORTER = "k6-cloud-exporter"

BUILD = "k6_cloud_exporter_build_info"
TESTS = "k6_cloud_test_info"

# The link of a value to the dashboard of its test: the same data source, exporter and range.
TO_TEST = (
    f"/d/{TEST}?${{datasource:queryparam}}&${{job:queryparam}}&${{project:queryparam}}&${{__url_time_range}}"
)


def data_source() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def several(name: str, label: str, query: str, *, all_value: str = ".+") -> builders.QueryVariable:
    """A choice of any number of values that Prometheus knows, at first all of them."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .datasource(DATA_SOURCE)
        .query(query)
        .multi(True)
        .include_all(True)
        .all_value(all_value)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def job() -> builders.QueryVariable:
    return several("job", "Job", f"label_values({BUILD}, job)")


def instance() -> builders.QueryVariable:
    return several("instance", "Instance", f'label_values({BUILD}{{job=~"$job"}}, instance)')


def project() -> builders.QueryVariable:
    """The API need not tell the project of a test, so all of them includes the empty one."""
    return several("project", "Project", f'label_values({TESTS}{{job=~"$job"}}, project_id)', all_value=".*")


def name() -> builders.TextBoxVariable:
    return builders.TextBoxVariable("name").label("Test name contains").default_value("")


def test() -> builders.QueryVariable:
    """One test by its id, shown by name and id, because names may be equal."""
    tests = f'max by (test_id, test_name) ({TESTS}{{job=~"$job", project_id=~"$project"}})'
    shown = f'label_join({tests}, "text", " · ", "test_name", "test_id")'
    return (
        builders.QueryVariable("test")
        .label("Test")
        .datasource(DATA_SOURCE)
        .query(f"query_result({shown})")
        .regex('/test_id="(?<value>[^"]+)"[\\s\\S]*,text="(?<text>[\\s\\S]*)"} /')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


class Event(AnnotationQuery):
    """An annotation by Prometheus, in the fields of its own that the builder's model lacks."""

    def __init__(self, title: str, text: str, *, at_value: bool, **common: Any) -> None:
        super().__init__(**common)
        self.title = title
        self.text = text
        self.at_value = at_value

    def to_json(self) -> dict[str, object]:
        return {
            **super().to_json(),
            "step": "60s",
            "titleFormat": self.title,
            "textFormat": self.text,
            "tagKeys": "",
            "useValueForTime": self.at_value,
        }


def runs(scope: Scope, *, enable: bool, title: str) -> list[Event]:
    """Marks where runs started and ended: the value of the series is the moment."""
    return [
        Event(
            f"{title} {word}",
            "run {{run_id}}",
            at_value=True,
            name=f"Runs {word}",
            datasource=DATA_SOURCE,
            enable=enable,
            icon_color=colour,
            expr=milliseconds(scope.by_run(f"k6_cloud_run_{word}_timestamp_seconds")),
        )
        for word, colour in (("started", "blue"), ("ended", "purple"))
    ]


def alerts() -> Event:
    return Event(
        "{{alertname}}",
        "{{test_name}}",
        at_value=False,
        name="Alerts",
        datasource=DATA_SOURCE,
        enable=False,
        icon_color="red",
        expr='max by (alertname, test_name) (ALERTS{alertname=~"K6Cloud.+", alertstate="firing"})',
    )


def framed(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[builders.QueryVariable | builders.DatasourceVariable | builders.TextBoxVariable],
    annotations: Sequence[Event],
    panels: list[Panel | RowPanel],
) -> Dashboard:
    """A dashboard with its panels in the frame that all of ours have."""
    made = (
        builders.Dashboard(f"k6 Cloud / {title}")
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            builders.DashboardLink("k6 Cloud")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in variables:
        made = made.with_variable(variable)
    framed = made.build()
    framed.annotations = models.AnnotationContainer([built_in(), *annotations])
    framed.panels = panels
    return framed


def built_in() -> AnnotationQuery:
    """The annotations that people make by hand; Grafana adds them to a dashboard that lacks them."""
    return AnnotationQuery(
        name="Annotations & Alerts",
        datasource=DataSourceRef("grafana", "-- Grafana --"),
        enable=True,
        hide=True,
        icon_color="rgba(0, 211, 255, 1)",
        type_val="dashboard",
        built_in=1,
    )
