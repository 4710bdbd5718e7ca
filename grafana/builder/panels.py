"""A function for each kind of panel, with the settings that differ from Grafana's defaults."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    text,
    timeseries,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import text as text_models
from grafana_foundation_sdk.models.dashboard import (
    DashboardLink,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    Panel,
    RowPanel,
    Threshold,
    ThresholdsMode,
    ValueMapping,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.builder.queries import Scope, count_exactly
from grafana.builder.text import (
    GREY,
    NO_DATA,
    NONE_RECORDED,
    OUTCOME,
    ValueTexts,
    build_mappings,
    map_from,
)

DATA_SOURCE = DataSourceRef("prometheus", "${datasource}")
COLUMNS = 24
NEUTRAL = "text"

Steps = Sequence[tuple[float | None, str]]  # lower bound and colour; the first step has no bound

NO_COLOUR_STEPS: Steps = ((None, NEUTRAL),)
RED_FROM_ONE: Steps = ((None, "green"), (1, "red"))
# Of the age of the data in seconds.
AGE_STEPS: Steps = ((None, "green"), (180, "orange"), (300, "red"))


@dataclass(frozen=True, slots=True)
class Series:
    """An expression over time, and the legend of its series."""

    expr: str
    legend: str
    ref_id: str = "A"


def build_series(*expressions: tuple[str, str]) -> tuple[Series, ...]:
    """Several expressions with their legends."""
    return tuple(
        Series(expr, legend, build_ref_id(index)) for index, (expr, legend) in enumerate(expressions)
    )


def build_ref_id(index: int) -> str:
    """A, B, C …: Grafana's ids for the queries of a panel."""
    return chr(ord("A") + index)


def range_query(series: Series) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(series.ref_id)
        .datasource(DATA_SOURCE)
        .expr(series.expr)
        .legend_format(series.legend)
        .range()
    )


def instant_query(expr: str, ref_id: str = "A", *, as_table: bool = False) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(ref_id)
        .datasource(DATA_SOURCE)
        .expr(expr)
        .instant()
        .format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)
    )


def build_thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value, colour) for value, colour in steps])
    )


def legend_below() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(looks.LegendDisplayMode.LIST)
        .placement(looks.LegendPlacement.BOTTOM)
    )


def link(title: str, url: str, *, new_tab: bool = False) -> DashboardLink:
    """A link of a value. Links to other sites should open a new tab."""
    return DashboardLink(title=title, url=url, target_blank=new_tab)


def tile(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str | None = None,
    texts: ValueTexts | None = None,
    more_mappings: Sequence[ValueMapping] = (),
    steps: Steps = NO_COLOUR_STEPS,
    no_value: str = NO_DATA,
    no_value_colour: str = "",
    label: str = "",
    legend: str = "",
    links: Sequence[DashboardLink] = (),
    filled: bool = True,
) -> Panel:
    """One number, with a coloured background if `filled`. `texts` are shown instead of some numbers.

    No value has a neutral colour by default: thresholds alone would give it that of the lowest number.
    With `label`, the value of that label instead. With `legend`, all numbers of the result with their names.
    """
    neutral = GREY if filled else NEUTRAL
    mappings = build_mappings(texts or {}, no_value=no_value, colour=no_value_colour or neutral)
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(bool(label))
    builder = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .with_target(instant_query(expr, as_table=bool(label)).legend_format(legend))
        .reduce_options(reduce.fields(f"/^{label}$/" if label else ""))
        .color_mode(looks.BigValueColorMode.BACKGROUND_SOLID if filled else looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .text_mode(looks.BigValueTextMode.VALUE_AND_NAME if legend else looks.BigValueTextMode.VALUE)
        .justify_mode(looks.BigValueJustifyMode.CENTER)
        .orientation(looks.VizOrientation.AUTO)
        .no_value(no_value)
        .mappings([*mappings, *more_mappings])
        .thresholds(build_thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )
    if unit:
        builder = builder.unit(unit)
    if legend:
        # Otherwise each number has a size of its own.
        builder = builder.text(common.VizTextDisplayOptions().title_size(14).value_size(22))
    panel = builder.build()
    if links and panel.field_config:
        panel.field_config.defaults.links = list(links)
    return panel


def data_age_tile(expr: str) -> Panel:
    """The time since the last successful poll, the first panel of every dashboard."""
    return tile(
        "Data age",
        "Time since the last fully successful poll of k6 Cloud. If several exporters watch the same tests, "
        "the best one counts; of several shards, the worst. **If this is not green, the rest of the "
        "dashboard may be outdated.** With the default poll intervals, orange means that three polls in a "
        "row failed. Red means more than five minutes, after which the exporter drops series without new "
        "data.",
        expr,
        unit="s",
        more_mappings=[map_from(1e9, "never", "red")],
        steps=AGE_STEPS,
        no_value="no exporter",
        no_value_colour="red",
    )


def time_series(
    title: str,
    description: str,
    series: Sequence[Series],
    *,
    unit: str,
    no_value: str = NO_DATA,
    bars: bool = False,
    steps: bool = False,
    thresholds: Steps = (),
    maximum: float | None = None,
    logarithmic: bool = False,
    colours: Mapping[str, str] | None = None,
    colour_patterns: Mapping[str, str] | None = None,
    min_interval: str = "",
) -> Panel:
    """Lines or stacked bars over time, from 0 to `maximum` or to at least 1; from 1 to 10 if `logarithmic`.

    `colours` are by the name of the series, `colour_patterns` by a regular expression for it. `thresholds`
    are shown as dashed lines.
    """
    builder = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .unit(unit)
        .min(1 if logarithmic else 0)
        .no_value(no_value)
        .draw_style(looks.GraphDrawStyle.BARS if bars else looks.GraphDrawStyle.LINE)
        .fill_opacity(80 if bars else 5)
        .line_width(1)
        .show_points(looks.VisibilityMode.NEVER if bars else looks.VisibilityMode.AUTO)
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
        .legend(legend_below())
    )
    # Otherwise the axis of an empty panel ends at 100, or at 10,000 %.
    builder = builder.axis_soft_max(10 if logarithmic else 1) if maximum is None else builder.max(maximum)
    if bars:
        builder = builder.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
        builder = builder.max_data_points(48)  # wide enough to see their colours; half an hour each in a day
    if steps:
        # Stronger than other lines, since a step can be short.
        builder = (
            builder.line_interpolation(looks.LineInterpolation.STEP_AFTER).line_width(2).fill_opacity(20)
        )
    if logarithmic:
        # Not "symlog": its axis has a tick below 0.
        scale = common.ScaleDistributionConfig().type(looks.ScaleDistribution.LOG)
        builder = builder.scale_distribution(scale.log(10))
    if thresholds:
        style = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
        builder = builder.thresholds(build_thresholds(thresholds)).thresholds_style(style)
    if unit == "none":
        # Whole numbers. Not with "short", which would show 1.2 K and 1.4 K as 1 K.
        builder = builder.decimals(0)
    if min_interval:
        builder = builder.interval(min_interval)
    for one in series:
        builder = builder.with_target(range_query(one))
    for pattern, colour in (colour_patterns or {}).items():
        builder = builder.override_by_regexp(pattern, [fixed_colour(colour)])
    for name, colour in (colours or {}).items():
        builder = builder.override_by_name(name, [fixed_colour(colour)])
    return builder.build()


def runs_by_outcome(scope: Scope, description: str) -> Panel:
    """Finished runs by outcome as stacked bars, with the passed ones at the bottom."""

    def count_runs(outcome: str) -> str:
        finished = scope.select("k6_cloud_test_runs_finished_total", outcome=outcome)
        each = f"max by (project_id, test_id, outcome) ({count_exactly(finished)})"
        return f"sum by (outcome) ({each}) > 0"

    return time_series(
        "Runs by outcome",
        description,
        build_series(
            (count_runs("passed"), "{{outcome}}"),
            (count_runs("failed|aborted|timed_out|error|none"), "{{outcome}}"),
        ),
        unit="none",
        no_value=NONE_RECORDED,
        bars=True,
        colours={str(code): colour for code, (_, colour) in OUTCOME.items()},
        min_interval="5m",
    )


def fixed_colour(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})


def state_timeline(
    title: str,
    description: str,
    series: Sequence[Series],
    mappings: Sequence[ValueMapping],
    *,
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """The states of each series over time, 20 series per page.

    "Disconnect values" stays unset: Grafana then shows a gap wherever a step of the query has no value, at
    every zoom level. A fixed threshold would show gaps everywhere once a step is longer than the threshold.
    """
    builder = (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .mappings(list(mappings))
        .thresholds(build_thresholds(NO_COLOUR_STEPS))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .no_value(NO_DATA)
        .merge_values(True)
        .per_page(20)
        .show_value(looks.VisibilityMode.AUTO)
        .row_height(0.85)
        .fill_opacity(80)
        .line_width(0)
        .legend(legend_below())
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.SINGLE))
    )
    for one in series:
        builder = builder.with_target(range_query(one))
    panel = builder.build()
    if links and panel.field_config:
        panel.field_config.defaults.links = list(links)
    return panel


TIME_UNITS = {"dateTimeFromNow", "dateTimeAsIso"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the value of an expression, or one of its labels.

    A label without an expression comes from the result of another column. Hidden columns are for sorting,
    and columns that are `for_links` are not shown either.
    """

    title: str
    expr: str = ""
    label: str = ""
    unit: str = ""
    mappings: Sequence[ValueMapping] = ()
    links: Sequence[DashboardLink] = ()
    width: int = 0
    no_value: str = ""
    colour: str = ""
    hidden: bool = False
    for_links: bool = False
    more_properties: Mapping[str, Any] = field(default_factory=dict)

    def override_properties(self) -> list[DynamicConfigValue]:
        """The settings of this column, as an override of the table."""
        properties: dict[str, Any] = {}
        if self.unit:
            properties["unit"] = self.unit
        if self.mappings:
            properties["mappings"] = list(self.mappings)
        if self.colour or (self.mappings and not self.unit):
            properties["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
        if self.colour:
            properties["color"] = {"mode": "fixed", "fixedColor": self.colour}
        if self.mappings or self.unit in TIME_UNITS:
            properties["custom.align"] = "left"  # they are texts for the reader, but numbers for Grafana
        if self.for_links:
            # The first is for Grafana 11 and 12.0, the second for later versions.
            properties["custom.hidden"] = True
            properties["custom.hideFrom"] = {"viz": True, "legend": False, "tooltip": False}
        if self.links:
            properties["links"] = list(self.links)
        if self.width:
            properties["custom.width"] = self.width
        if self.no_value:
            properties["noValue"] = self.no_value
        return [
            DynamicConfigValue(name, value) for name, value in {**properties, **self.more_properties}.items()
        ]


def build_table(
    title: str, description: str, columns: Sequence[Column], *, sort_by: Sequence[str], no_value: str
) -> Panel:
    """A table that joins the results of all columns by their common labels.

    `sort_by` has titles of columns to sort by, descending, the most important one last.
    """
    builder = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .no_value(no_value)
        .show_header(True)
        .cell_height(looks.TableCellHeight.SM)
        .footer(common.TableFooterOptions().show(False).reducer(["sum"]).count_rows(False))
        .filterable(True)
        .thresholds(build_thresholds(NO_COLOUR_STEPS))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )
    return build_with_columns(builder, columns, sort_by)


def build_with_columns(
    builder: table.Panel | barchart.Panel,
    columns: Sequence[Column],
    sort_by: Sequence[str],
    *,
    descending: bool = True,
) -> Panel:
    """Adds the queries, transformations and overrides of the columns to a panel, and builds it."""
    queried = [column for column in columns if column.expr]
    for index, column in enumerate(queried):
        builder = builder.with_target(instant_query(column.expr, build_ref_id(index), as_table=True))
    for transformation in build_transformations(columns, queried, sort_by, descending=descending):
        builder = builder.with_transformation(transformation)
    for column in columns:
        if properties := column.override_properties():
            builder = builder.override_by_name(column.title, properties)
    return builder.build()


def build_transformations(
    columns: Sequence[Column], queried: Sequence[Column], sort_by: Sequence[str], *, descending: bool
) -> list[DataTransformerConfig]:
    """Merges the results, sorts the rows, then renames and orders the columns."""
    values = {column.title: f"Value #{build_ref_id(index)}" for index, column in enumerate(queried)}
    names = {column.title: column.label or values[column.title] for column in columns}
    shown = [column for column in columns if not column.hidden]
    hidden = {"Time"} | {name for title, name in values.items() if names[title] != name}
    hidden |= {names[column.title] for column in columns if column.hidden}
    return [
        DataTransformerConfig(id_val="merge", options={}),
        *(
            DataTransformerConfig(
                id_val="sortBy", options={"sort": [{"field": names[title], "desc": descending}]}
            )
            for title in sort_by
        ),
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(sorted(hidden), True),
                "indexByName": {names[column.title]: index for index, column in enumerate(shown)},
                "renameByName": {names[column.title]: column.title for column in shown},
                "includeByName": {},
            },
        ),
    ]


def bar_chart(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    unit: str,
    x_column: str,
    sort_by: Sequence[str],
    colours: Mapping[str, str],
) -> Panel:
    """A group of bars for each row, in ascending order. The column `x_column` names the groups."""
    builder = (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .unit(unit)
        .min(0)
        .no_value(NO_DATA)
        .x_field(x_column)
        .x_tick_label_max_length(12)
        .x_tick_label_spacing(80)
        .show_value(looks.VisibilityMode.NEVER)
        .stacking(looks.StackingMode.NONE)
        .bar_width(0.9)
        .group_width(0.7)
        .fill_opacity(80)
        .line_width(0)
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
        .legend(legend_below())
    )
    for name, colour in colours.items():
        builder = builder.override_by_name(name, [fixed_colour(colour)])
    return build_with_columns(builder, columns, sort_by, descending=False)


def markdown(title: str, description: str, content: str) -> Panel:
    """A panel with Markdown text."""
    return (
        text.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .mode(text_models.TextMode.MARKDOWN)
        .content(content)
        .build()
    )


@dataclass(frozen=True, slots=True)
class PanelLine:
    """Panels side by side. The widths are in columns of Grafana's grid, which has 24."""

    height: int
    panels: Sequence[Panel]
    widths: Sequence[int] = ()


def panel_line(height: int, *panels: Panel, widths: Sequence[int] = ()) -> PanelLine:
    """Panels side by side, all of the same width by default."""
    return PanelLine(height, panels, widths or [COLUMNS // len(panels)] * len(panels))


@dataclass(frozen=True, slots=True)
class Collapsed:
    """A row whose panels are hidden until it is opened."""

    title: str
    lines: Sequence[PanelLine]


def collapsed(title: str, *lines: PanelLine) -> Collapsed:
    return Collapsed(title, lines)


def arrange(*parts: str | PanelLine | Collapsed) -> list[Panel | RowPanel]:
    """Places row titles and lines of panels from top to bottom, and gives each panel an id."""
    placed: list[Panel | RowPanel] = []
    ids = count(1)
    y = 0
    for part in parts:
        if isinstance(part, PanelLine):
            placed += place_line(part, y, ids)
            y += part.height
            continue
        row = RowPanel(
            id_val=next(ids),
            title=part if isinstance(part, str) else part.title,
            grid_pos=GridPos(1, COLUMNS, 0, y),
        )
        row.panels = []
        placed.append(row)
        y += 1
        if isinstance(part, Collapsed):
            row.collapsed = True
            below = y
            for line in part.lines:
                row.panels += place_line(line, below, ids)
                below += line.height
    return placed


def place_line(line: PanelLine, y: int, ids: Iterator[int]) -> list[Panel]:
    """Gives the panels of a line their places and ids."""
    x = 0
    for panel, width in zip(line.panels, line.widths, strict=True):
        panel.id_val = next(ids)
        panel.grid_pos = GridPos(line.height, width, x, y)
        x += width
    return list(line.panels)
