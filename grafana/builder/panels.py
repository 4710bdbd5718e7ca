"""What a panel looks like: a function for each kind, with where ours differ from Grafana's defaults."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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

from grafana.builder.text import DASH, beyond, nothing

DATA_SOURCE = DataSourceRef("prometheus", "${datasource}")
COLUMNS = 24
NEUTRAL = "text"

Steps = Sequence[tuple[float | None, str]]  # from this value on, this colour; the first has no beginning

PLAIN: Steps = ((None, NEUTRAL),)
NONE_IS_GOOD: Steps = ((None, "green"), (1, "red"))


@dataclass(frozen=True, slots=True)
class Series:
    """An expression over time and what its series are called."""

    expr: str
    legend: str
    refers: str = "A"


def series(*pairs: tuple[str, str]) -> tuple[Series, ...]:
    """Several expressions with their legends."""
    return tuple(Series(expr, legend, letter(index)) for index, (expr, legend) in enumerate(pairs))


def letter(index: int) -> str:
    """A, B, C …: how Grafana tells the queries of a panel apart."""
    return chr(ord("A") + index)


def query(one: Series) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(one.refers)
        .datasource(DATA_SOURCE)
        .expr(one.expr)
        .legend_format(one.legend)
        .range()
    )


def instant(expr: str, refers: str = "A", *, as_table: bool = False) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(refers)
        .datasource(DATA_SOURCE)
        .expr(expr)
        .instant()
        .format(PromQueryFormat.TABLE if as_table else PromQueryFormat.TIME_SERIES)
    )


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value, colour) for value, colour in steps])
    )


def link(title: str, url: str, *, new_tab: bool = False) -> DashboardLink:
    """A link of a value; what leads out of Grafana opens a tab of its own."""
    return DashboardLink(title=title, url=url, target_blank=new_tab)


def tile(
    title: str,
    description: str,
    expr: str,
    *,
    unit: str | None = None,
    mapped: Sequence[ValueMapping] = (),
    steps: Steps = PLAIN,
    absent: str = DASH,
    label: str = "",
    links: Sequence[DashboardLink] = (),
    filled: bool = True,
) -> Panel:
    """One number, or with `label` the text of a label, on a coloured ground."""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    made = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .with_target(instant(expr, as_table=bool(label)))
        .reduce_options(reduce.fields(f"/^{label}$/" if label else ""))
        .color_mode(looks.BigValueColorMode.BACKGROUND_SOLID if filled else looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .text_mode(looks.BigValueTextMode.VALUE)
        .justify_mode(looks.BigValueJustifyMode.CENTER)
        .orientation(looks.VizOrientation.AUTO)
        .no_value(absent)
        .mappings(list(mapped))
        .thresholds(thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )
    if unit:
        made = made.unit(unit)
    panel = made.build()
    if links and panel.field_config:
        panel.field_config.defaults.links = list(links)
    return panel


def data_age_tile(expr: str) -> Panel:
    """Whether the rest of the dashboard may be believed."""
    return tile(
        "Data age",
        "Time since the exporter last learnt everything it wanted to know from k6 Cloud, of the worst "
        "exporter "
        "if there are several. **If this is not green, what the rest says may be old.** With the default "
        "poll "
        "intervals orange means that three polls in a row went wrong; after five minutes (red) the exporter "
        "withdraws what it can no longer vouch for.",
        expr,
        unit="s",
        mapped=[nothing("no exporter", "red"), beyond(1e9, "never", "red")],
        steps=((None, "green"), (180, "orange"), (300, "red")),
        absent="no exporter",
    )


def over_time(
    title: str,
    description: str,
    shown: Sequence[Series],
    *,
    unit: str,
    bars: bool = False,
    steps: bool = False,
    colours: Mapping[str, str] | None = None,
    on_the_right: Mapping[str, str] | None = None,
    least_interval: str = "",
) -> Panel:
    """Lines, or stacked bars, over time. By name: colours of series, and units of those on the right axis."""
    made = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .unit(unit)
        .min(0)
        .no_value(DASH)
        .draw_style(looks.GraphDrawStyle.BARS if bars else looks.GraphDrawStyle.LINE)
        .fill_opacity(80 if bars else 5)
        .line_width(1)
        .show_points(looks.VisibilityMode.NEVER if bars else looks.VisibilityMode.AUTO)
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
        )
    )
    if bars:
        made = made.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    if steps:
        made = made.line_interpolation(looks.LineInterpolation.STEP_AFTER)
    if least_interval:
        made = made.interval(least_interval)
    for one in shown:
        made = made.with_target(query(one))
    for name, colour in (colours or {}).items():
        properties = [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})]
        if unit_of := (on_the_right or {}).get(name):
            properties += [
                DynamicConfigValue("unit", unit_of),
                DynamicConfigValue("custom.axisPlacement", "right"),
            ]
        made = made.override_by_name(name, properties)
    return made.build()


def states(
    title: str,
    description: str,
    shown: Sequence[Series],
    mapped: Sequence[ValueMapping],
    *,
    links: Sequence[DashboardLink] = (),
) -> Panel:
    """A band for each series, coloured by its state; twenty to a page.

    "Disconnect values" stays unset: Grafana then breaks a band wherever a step of the query has no value, at
    every zoom. A fixed threshold would tear every band apart as soon as a step is longer than it.
    """
    made = (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .mappings(list(mapped))
        .thresholds(thresholds(PLAIN))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .no_value(DASH)
        .merge_values(True)
        .per_page(20)
        .show_value(looks.VisibilityMode.AUTO)
        .row_height(0.85)
        .fill_opacity(80)
        .line_width(0)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.SINGLE))
    )
    for one in shown:
        made = made.with_target(query(one))
    panel = made.build()
    if links and panel.field_config:
        panel.field_config.defaults.links = list(links)
    return panel


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the value of an expression, or one of its labels.

    A label without an expression comes with that of another column. A hidden column is there to sort by.
    """

    title: str
    expr: str = ""
    label: str = ""
    unit: str = ""
    mapped: Sequence[ValueMapping] = ()
    links: Sequence[DashboardLink] = ()
    width: int = 0
    absent: str = ""
    hidden: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def properties(self) -> list[DynamicConfigValue]:
        """What an override sets for this column."""
        said: dict[str, Any] = {}
        if self.unit:
            said["unit"] = self.unit
        if self.mapped:
            said["mappings"] = list(self.mapped)
            said["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
        if self.links:
            said["links"] = list(self.links)
        if self.width:
            said["custom.width"] = self.width
        if self.absent:
            said["noValue"] = self.absent
        return [DynamicConfigValue(name, value) for name, value in {**said, **self.more}.items()]


def rows(
    title: str, description: str, columns: Sequence[Column], *, newest_first: Sequence[str], absent: str
) -> Panel:
    """A table with one row for each subject that all expressions speak of, joined by the labels they share.

    `newest_first` are titles of columns to sort by, descending, the least important first.
    """
    made = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .no_value(absent)
        .show_header(True)
        .cell_height(looks.TableCellHeight.SM)
        .footer(common.TableFooterOptions().show(False).reducer(["sum"]).count_rows(False))
        .filterable(True)
        .thresholds(thresholds(PLAIN))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    )
    asked = [column for column in columns if column.expr]
    for index, column in enumerate(asked):
        made = made.with_target(instant(column.expr, letter(index), as_table=True))
    for transformation in transformations(columns, asked, newest_first):
        made = made.with_transformation(transformation)
    for column in columns:
        if properties := column.properties():
            made = made.override_by_name(column.title, properties)
    return made.build()


def transformations(
    columns: Sequence[Column], asked: Sequence[Column], newest_first: Sequence[str]
) -> list[DataTransformerConfig]:
    """Merge the answers, sort the rows, then name and order the columns."""
    values = {column.title: f"Value #{letter(index)}" for index, column in enumerate(asked)}
    names = {column.title: column.label or values[column.title] for column in columns}
    shown = [column for column in columns if not column.hidden]
    unseen = {"Time"} | {name for title, name in values.items() if names[title] != name}
    unseen |= {names[column.title] for column in columns if column.hidden}
    return [
        DataTransformerConfig(id_val="merge", options={}),
        *(
            DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": names[title], "desc": True}]})
            for title in newest_first
        ),
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": dict.fromkeys(sorted(unseen), True),
                "indexByName": {names[column.title]: index for index, column in enumerate(shown)},
                "renameByName": {names[column.title]: column.title for column in shown},
                "includeByName": {},
            },
        ),
    ]


def bars(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    unit: str,
    along: str,
    newest_first: Sequence[str],
) -> Panel:
    """A group of bars for each subject, `along` being the column that names it."""
    asked = [column for column in columns if column.expr]
    made = (
        barchart.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .unit(unit)
        .min(0)
        .no_value(DASH)
        .x_field(along)
        .x_tick_label_max_length(12)
        .x_tick_label_spacing(80)
        .show_value(looks.VisibilityMode.NEVER)
        .stacking(looks.StackingMode.NONE)
        .bar_width(0.9)
        .group_width(0.7)
        .fill_opacity(80)
        .line_width(0)
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
        )
    )
    for index, column in enumerate(asked):
        made = made.with_target(instant(column.expr, letter(index), as_table=True))
    for transformation in transformations(columns, asked, newest_first):
        made = made.with_transformation(transformation)
    for column in columns:
        if properties := column.properties():
            made = made.override_by_name(column.title, properties)
    return made.build()


def words(title: str, description: str, content: str) -> Panel:
    """Text, Markdown."""
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
class Band:
    """Panels side by side, as wide as each other unless `widths` says otherwise."""

    height: int
    panels: Sequence[Panel]
    widths: Sequence[int] = ()


def band(height: int, *panels: Panel, widths: Sequence[int] = ()) -> Band:
    return Band(height, panels, widths or [COLUMNS // len(panels)] * len(panels))


def laid_out(*parts: str | Band) -> list[Panel | RowPanel]:
    """Titles of rows and bands of panels from top to bottom, each panel with its place and an id."""
    placed: list[Panel | RowPanel] = []
    y = 0
    for part in parts:
        if isinstance(part, str):
            placed.append(
                RowPanel(id_val=len(placed) + 1, title=part, grid_pos=GridPos(1, COLUMNS, 0, y), panels=[])
            )
            y += 1
            continue
        x = 0
        for panel, width in zip(part.panels, part.widths, strict=True):
            panel.id_val = len(placed) + 1
            panel.grid_pos = GridPos(part.height, width, x, y)
            placed.append(panel)
            x += width
        y += part.height
    return placed
