"""What all dashboards share: variables, links between them, annotations, time range and refresh."""

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
from grafana.builder.queries import Scope, to_milliseconds

TAG = "k6-cloud"
OVERVIEW_UID = "k6-cloud-overview"
TEST_UID = "k6-cloud-test"
EXPORTER_UID = "k6-cloud-exporter"

BUILD_INFO = "k6_cloud_exporter_build_info"
TEST_INFO = "k6_cloud_test_info"
PROJECT_INFO = "k6_cloud_project_info"

# Link to the dashboard of a test that keeps the data source, job, project and time range.
TEST_LINK = (
    f"/d/{TEST_UID}?${{datasource:queryparam}}&${{job:queryparam}}&${{project:queryparam}}"
    "&${__url_time_range}"
)


def data_source_variable() -> builders.DatasourceVariable:
    return builders.DatasourceVariable("datasource").label("Data source").type("prometheus")


def multi_value_variable(
    name: str, label: str, query: str, *, all_value: str = ".+"
) -> builders.QueryVariable:
    """A variable with several values from Prometheus; all are selected by default."""
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


def job_variable() -> builders.QueryVariable:
    return multi_value_variable("job", "Job", f"label_values({BUILD_INFO}, job)")


def instance_variable() -> builders.QueryVariable:
    return multi_value_variable(
        "instance", "Instance", f'label_values({BUILD_INFO}{{job=~"$job"}}, instance)'
    )


def project_variable() -> builders.QueryVariable:
    """Projects by name, or by id without a name.

    The API may omit the project of a test, so "All" includes the empty project.
    """
    tests = f'max by (project_id) ({TEST_INFO}{{job=~"$job"}})'
    names = f'max by (project_id, project_name) ({PROJECT_INFO}{{job=~"$job"}})'
    query = f"query_result({names} and on (project_id) {tests} or on (project_id) {tests})"
    return multi_value_variable("project", "Project", query, all_value=".*").regex(
        '/project_id="(?<value>[^"]+)"(?:,project_name="(?<text>[\\s\\S]+)")?} /'
    )


def name_variable() -> builders.TextBoxVariable:
    return builders.TextBoxVariable("name").label("Test name contains").default_value("")


def test_variable() -> builders.QueryVariable:
    """One test. Name and id are shown, because several tests can have the same name.

    Tests without current data are included, so that the selected one stays selected in an outage.
    """
    info = f'{TEST_INFO}{{job=~"$job", project_id=~"$project"}}'
    in_range = f"max by (test_id, test_name) (last_over_time({info}[$__range]))"
    tests = f"(max by (test_id, test_name) ({info}) or on (test_id) {in_range})"
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


class PrometheusAnnotation(AnnotationQuery):
    """An annotation query for Prometheus, with fields that the model of the SDK lacks."""

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


def run_annotations(scope: Scope, *, enable: bool, title: str) -> list[PrometheusAnnotation]:
    """Marks the start and end of runs, which are the values of the series."""
    return [
        PrometheusAnnotation(
            f"{title} {word}",
            "run {{run_id}}",
            at_value=True,
            name=f"Runs {word}",
            datasource=DATA_SOURCE,
            enable=enable,
            icon_color=colour,
            expr=to_milliseconds(scope.by_run(f"k6_cloud_run_{word}_timestamp_seconds")),
        )
        for word, colour in (("started", "blue"), ("ended", "purple"))
    ]


def alert_annotation() -> PrometheusAnnotation:
    return PrometheusAnnotation(
        "{{alertname}}",
        "{{test_name}}",
        at_value=False,
        name="Alerts",
        datasource=DATA_SOURCE,
        enable=False,
        icon_color="red",
        expr='max by (alertname, test_name) (ALERTS{alertname=~"K6Cloud.+", alertstate="firing"})',
    )


def build_dashboard(
    uid: str,
    title: str,
    description: str,
    *,
    variables: Sequence[builders.QueryVariable | builders.DatasourceVariable | builders.TextBoxVariable],
    annotations: Sequence[PrometheusAnnotation],
    panels: list[Panel | RowPanel],
) -> Dashboard:
    """A dashboard with these panels and the settings that all dashboards share."""
    builder = (
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
        builder = builder.with_variable(variable)
    dashboard = builder.build()
    dashboard.annotations = models.AnnotationContainer([built_in_annotation(), *annotations])
    dashboard.panels = panels
    return dashboard


def built_in_annotation() -> AnnotationQuery:
    """Manual annotations. Grafana would add them to a dashboard without them, which changes its JSON."""
    return AnnotationQuery(
        name="Annotations & Alerts",
        datasource=DataSourceRef("grafana", "-- Grafana --"),
        enable=True,
        hide=True,
        icon_color="rgba(0, 211, 255, 1)",
        type_val="dashboard",
        built_in=1,
    )
