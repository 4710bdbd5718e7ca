// The queries of a panel, sent to Prometheus, and their results as data frames: the part of Grafana's data source
// that the dashboards use.
import { rangeUtil, toDataFrame, type DataFrame } from "@grafana/data";
import { chosen, end, rangeSeconds, scrapeSeconds } from "./settings";

type Labels = Record<string, string>;
type Sample = [number, string];
interface Series {
  metric: Labels;
  value: Sample;
  values: Sample[];
}
interface Variable {
  name: string;
  allValue?: string;
  query?: unknown;
  type: string;
}

/** Sends the queries of a panel that is so many pixels wide. Errors of Prometheus are thrown. */
export async function runQueries(panel: any, width: number, variables: Variable[]): Promise<DataFrame[]> {
  const frames: DataFrame[] = [];
  for (const target of panel.targets ?? []) {
    const step = chooseStep(Math.min(width, panel.maxDataPoints ?? width), panel.interval);
    const expr = replaceVariables(target.expr, step, variables);
    frames.push(
      ...(target.instant
        ? await queryInstant(target, expr, panel.targets.length > 1)
        : await queryRange(target, expr, step)),
    );
  }
  return frames;
}

/** Seconds between two points, as Grafana chooses them: rounded, and at least the scrape interval. */
function chooseStep(points: number, least?: string): number {
  const rounded = rangeUtil.roundInterval((rangeSeconds * 1000) / points) / 1000;
  return Math.max(least ? rangeUtil.intervalToSeconds(least) : scrapeSeconds, rounded);
}

function replaceVariables(expr: string, step: number, variables: Variable[]): string {
  const values: Record<string, string> = {
    __rate_interval: `${Math.max(step + scrapeSeconds, 4 * scrapeSeconds)}s`,
    __range: `${rangeSeconds}s`,
    __range_s: String(rangeSeconds),
    __interval: `${step}s`,
  };
  for (const { name, allValue, type } of variables) {
    values[name] = chosen[name] ?? (type === "query" ? allValue || ".+" : "");
  }
  return expr.replace(/\$(?:{(\w+)(?::\w+)?}|([a-z_]\w*))/gi, (_, braced, plain) => {
    const value = values[braced ?? plain];
    if (value === undefined) throw new Error(`unknown variable ${braced ?? plain}`);
    return value;
  });
}

async function queryInstant(target: any, expr: string, isOneOfMany: boolean): Promise<DataFrame[]> {
  const data = await send("query", { query: expr, time: String(end / 1000) });
  const series: Series[] = data.resultType === "scalar" ? [{ metric: {}, value: data.result }] : data.result;
  return target.format === "table"
    ? [toTable(target.refId, series, isOneOfMany)]
    : series.map((one) => toFrame(target, one.metric, [one.value]));
}

async function queryRange(target: any, expr: string, step: number): Promise<DataFrame[]> {
  const last = Math.floor(end / 1000 / step) * step;
  const bounds = { start: String(last - rangeSeconds), end: String(last), step: String(step) };
  const data = await send("query_range", { query: expr, ...bounds });
  return data.result.map((one: Series) => toFrame(target, one.metric, one.values, step));
}

async function send(path: string, parameters: Labels): Promise<any> {
  const response = await fetch(`/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(answer.error);
  for (const note of [...(answer.warnings ?? []), ...(answer.infos ?? [])]) throw new Error(note);
  return answer.data;
}

function toTable(refId: string, series: Series[], isOneOfMany: boolean): DataFrame {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return toDataFrame({
    refId,
    fields: [
      { name: "Time", type: "time", values: series.map(() => end) },
      ...labels.map((label) => ({
        name: label,
        type: "string",
        config: { filterable: true },
        values: series.map(({ metric }) => metric[label] ?? ""),
      })),
      {
        name: isOneOfMany ? `Value #${refId}` : "Value",
        type: "number",
        values: series.map(({ value }) => Number(value[1])),
      },
    ],
  });
}

function toFrame(target: any, labels: Labels, samples: Sample[], step?: number): DataFrame {
  return toDataFrame({
    refId: target.refId,
    fields: [
      {
        name: "Time",
        type: "time",
        config: step ? { interval: step * 1000 } : {},
        values: samples.map(([time]) => time * 1000),
      },
      {
        name: "Value",
        type: "number",
        labels,
        config: { displayNameFromDS: formatLegend(target.legendFormat, labels) },
        values: samples.map(([, value]) => Number(value)),
      },
    ],
  });
}

function formatLegend(format: string | undefined, labels: Labels): string {
  if (format && format !== "__auto") return format.replace(/{{\s*(.+?)\s*}}/g, (_, label) => labels[label] ?? "");
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${value}"`)
    .join(", ")}}`;
}
