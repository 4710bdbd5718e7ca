// One panel: its queries are run, then its type is drawn by Grafana's component, or by ours where there is none.
import React from "react";
import { applyNullInsertThreshold, getFieldDisplayValues, renderMarkdown, type DataFrame } from "@grafana/data";
import { BigValue, PanelChrome, TimeSeries, VizRepeater } from "@grafana/ui";
import { TableNG } from "@grafana/ui/unstable";
import { VizOrientation } from "@grafana/schema";
import { BarChart, StateTimeline } from "./drawn";
import { prepareFrames, replaceNothing } from "./fields";
import { runQueries } from "./prometheus";
import { range, theme } from "./settings";

interface BodyProps {
  panel: any;
  frames: DataFrame[];
  width: number;
  height: number;
}

const BODIES: Record<string, (props: BodyProps) => React.ReactNode> = {
  stat: Stat,
  table: (props) => <WithData {...props} draw={Table} />,
  timeseries: (props) => <WithData {...props} draw={Graph} />,
  "state-timeline": (props) => <WithData {...props} draw={StateTimeline} />,
  barchart: (props) => <WithData {...props} draw={BarChart} />,
  text: Text,
};

/** The panel in its frame; `data-state` is "drawn" once it is complete, or "failed". */
export function DashboardPanel({ panel, variables, width, height, style }: any) {
  const [frames, setFrames] = React.useState<DataFrame[]>();
  const [failure, setFailure] = React.useState("");
  React.useEffect(() => {
    runQueries(panel, width, variables)
      .then((given) => prepareFrames(panel, given))
      .then(setFrames)
      .catch((error) => setFailure(String(error)));
  }, []);
  const state = failure ? "failed" : frames ? "drawn" : "waiting";
  const Body = BODIES[panel.type];
  return (
    <div style={style} data-panel={panel.title} data-type={panel.type} data-state={state} data-failure={failure} data-values={countValues(frames ?? [])}>
      <PanelChrome
        title={panel.title}
        description={() => panel.description}
        {...{ width, height }}
        padding={panel.type === "table" ? "none" : "md"}
        statusMessage={failure || undefined}
        displayMode={panel.transparent ? "transparent" : "default"}
      >
        {(innerWidth: number, innerHeight: number) =>
          frames ? (
            <Guard onError={setFailure}>
              <Body {...{ panel, frames }} width={innerWidth} height={innerHeight} />
            </Guard>
          ) : null
        }
      </PanelChrome>
    </div>
  );
}

function countValues(frames: DataFrame[]): number {
  const fields = frames.flatMap((frame) => frame.fields.filter(({ type }) => type !== "time"));
  return fields.flatMap(({ values }) => values).filter((value) => value != null && !Number.isNaN(value)).length;
}

/** Reports what a component throws while it is drawn. */
class Guard extends React.Component<{ onError: (text: string) => void; children: React.ReactNode }> {
  state = { failed: false };
  static getDerivedStateFromError() {
    return { failed: true };
  }
  componentDidCatch(error: Error) {
    this.props.onError(String(error.stack ?? error));
  }
  render() {
    return this.state.failed ? null : this.props.children;
  }
}

/** Grafana shows `noValue` in the middle of a panel without data. */
function WithData({ draw: Draw, ...props }: BodyProps & { draw: (props: BodyProps) => React.ReactNode }) {
  if (props.frames.some(({ length }) => length > 0)) return <Draw {...props} />;
  const style = { display: "grid", placeItems: "center", height: "100%", color: theme.colors.text.secondary };
  return <div style={style}>{props.panel.fieldConfig.defaults.noValue ?? "No data"}</div>;
}

function Stat({ panel, frames, width, height }: BodyProps) {
  const { options, fieldConfig } = panel;
  const values = getFieldDisplayValues({
    ...{ fieldConfig, theme, replaceVariables: replaceNothing, timeZone: "utc" },
    reduceOptions: options.reduceOptions,
    data: frames,
    sparkline: options.graphMode !== "none",
  });
  return (
    <VizRepeater
      {...{ width, height, source: values, renderCounter: 0 }}
      orientation={options.orientation ?? VizOrientation.Auto}
      getValues={() => values}
      renderValue={({ value, width: w, height: h }: any) => (
        <BigValue
          {...{ theme, width: w, height: h, value: value.display, sparkline: value.sparkline }}
          {...{ colorMode: options.colorMode, graphMode: options.graphMode, textMode: options.textMode }}
          {...{ justifyMode: options.justifyMode, wideLayout: options.wideLayout, text: options.text }}
        />
      )}
    />
  );
}

function Table({ panel, frames, width, height }: BodyProps) {
  const { options, fieldConfig } = panel;
  return (
    <TableNG
      {...{ width, height, fieldConfig, timeRange: range, structureRev: 1 }}
      data={frames[0]}
      cellHeight={options.cellHeight}
      noValue={fieldConfig.defaults.noValue}
      initialSortBy={options.sortBy}
    />
  );
}

function Text({ panel, height }: BodyProps) {
  const html = { __html: renderMarkdown(panel.options.content) };
  return <div className="markdown-html" style={{ height, overflow: "auto" }} dangerouslySetInnerHTML={html} />;
}

function Graph({ panel, frames: given, width, height }: BodyProps) {
  const { options } = panel;
  // As Grafana does before it draws: a step without a value is a gap, and all bars have the width of a step.
  const [refFieldPseudoMin, refFieldPseudoMax] = [range.from.valueOf(), range.to.valueOf()];
  const frames = given.map((frame) => applyNullInsertThreshold({ frame, refFieldPseudoMin, refFieldPseudoMax }));
  return (
    <TimeSeries
      {...{ frames, width, height, theme, options, timeRange: range, timeZone: "utc", structureRev: 1 }}
      legend={options.legend}
    />
  );
}
