// Renders panels as Grafana does: reads {panels: [{panel, frames}], gaps} from standard input and writes the cells.
//
// The frames are those of the data source. Grafana's own code applies the transformations, overrides and value
// mappings of the panel; it requires the globals of a browser.
const { JSDOM } = require("jsdom");

const { window } = new JSDOM("", { url: "http://localhost/" });
Object.assign(globalThis, { window, document: window.document });
Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });

console.info = console.log = console.error; // libraries may log; standard output is for the result only

const grafana = require("@grafana/data");
const { firstValueFrom } = require("rxjs");

const unique = new Map(Object.values(grafana.standardTransformers).map((one) => [one.id, one]));
grafana.standardTransformersRegistry.setInit(() =>
  [...unique.values()].map((one) => ({ id: one.id, name: one.name, transformation: one }))
);
const theme = grafana.createTheme();

async function render({ panel, frames }) {
  const given = frames.map((frame) => grafana.toDataFrame(frame));
  const steps = (panel.transformations ?? []).map(({ id, options }) => ({ id, options }));
  const shown = await firstValueFrom(grafana.transformDataFrame(steps, given));
  return shown.map((frame) => ({
    columns: frame.fields.map((field) => column(panel, frame, field)),
    rows: frame.length,
  }));
}

function column(panel, frame, field) {
  const name = grafana.getFieldDisplayName(field, frame, [frame]);
  const { defaults, overrides } = panel.fieldConfig;
  const own = (overrides ?? [])
    .filter(({ matcher }) => grafana.fieldMatchers.get(matcher.id).get(matcher.options)(field, frame, [frame]))
    .flatMap(({ properties }) => properties.map(({ id, value }) => [id, value]));
  field.config = { ...defaults, ...field.config, ...Object.fromEntries(own) };
  const display = grafana.getDisplayProcessor({ field, theme, timeZone: "utc" });
  const cells = [...field.values].map((value) => {
    const { text, prefix = "", suffix = "", color } = display(value);
    return { value, text: prefix + text + suffix, color };
  });
  return { name, cells };
}

// The times that Grafana inserts into a series, without a value, for steps of the query that have none.
function findGaps({ times, step }) {
  const time = { name: "Time", type: "time", values: times, config: { interval: step } };
  const value = { name: "status", type: "number", values: times.map(() => 2), config: { custom: {} } };
  const frame = { fields: [time, value], length: times.length };
  const filled = grafana.applyNullInsertThreshold({ frame });
  return filled.fields[0].values.filter((_, index) => filled.fields[1].values[index] == null);
}

async function main() {
  let input = "";
  for await (const chunk of process.stdin) input += chunk;
  const { panels = [], gaps = [] } = JSON.parse(input);
  const rendered = [];
  for (const one of panels) rendered.push(await render(one));
  process.stdout.write(JSON.stringify({ panels: rendered, gaps: gaps.map(findGaps) }));
}

main();
