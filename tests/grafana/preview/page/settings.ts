// What the page draws, from its address: ?dashboard=k6-cloud-test&at=1790000000&range=24h&width=1280&theme=dark
import { createTheme, dateTime, rangeUtil, type TimeRange } from "@grafana/data";

const given = new URLSearchParams(location.search);

/** The uid of the dashboard. */
export const dashboardUid = given.get("dashboard") ?? "";
/** Width of the page in CSS pixels. */
export const pageWidth = Number(given.get("width") ?? 1280);
/** Whether collapsed rows are opened. */
export const isExpanded = given.get("expanded") === "1";
/** End of the time range, in milliseconds. */
export const end = Date.now();
/** Length of the time range, in seconds. */
export const rangeSeconds = rangeUtil.intervalToSeconds(given.get("range") ?? "24h");
/** The scrape interval that the data source is configured with, in seconds. */
export const scrapeSeconds = rangeUtil.intervalToSeconds(given.get("scrape") ?? "60s");
export const theme = createTheme({ colors: { mode: given.get("theme") === "light" ? "light" : "dark" } });
export const range: TimeRange = {
  from: dateTime(end - rangeSeconds * 1000),
  to: dateTime(end),
  raw: { from: `now-${given.get("range") ?? "24h"}`, to: "now" },
};
/** Values of the dashboard's variables; those that are not in the address have their "All" or empty value. */
export const chosen: Record<string, string> = Object.fromEntries(
  [...given].filter(([name]) => name.startsWith("var-")).map(([name, value]) => [name.slice(4), value]),
);
