// What Grafana would show: reads [{panel, frames}] from standard input, writes what becomes of each.
//
// The frames are those of the data source; the panel's transformations, overrides and value mappings are applied
// by Grafana's own code, which wants a browser's globals.
const { JSDOM } = require("jsdom");

const { window } = new JSDOM("", { url: "http://localhost/" });
Object.assign(globalThis, { window, document: window.document });
Object.defineProperty(globalThis, "navigator", { value: window.navigator, configurable: true });

console.info = console.log = console.error; // what is required may greet; the answer alone goes to standard output

const grafana = require("@grafana/data");
const { firstValueFrom } = require("rxjs");

const unique = new Map(Object.values(grafana.standardTransformers).map((one) => [one.id, one]));
grafana.standardTransformersRegistry.setInit(() =>
  [...unique.values()].map((one) => ({ id: one.id, name: one.name, transformation: one }))
);
const theme = grafana.createTheme();

async function look({ panel, frames }) {
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
  const say = grafana.getDisplayProcessor({ field, theme, timeZone: "utc" });
  const cells = [...field.values].map((value) => {
    const { text, prefix = "", suffix = "", color } = say(value);
    return { value, text: prefix + text + suffix, color };
  });
  return { name, cells };
}

// Where Grafana breaks a band: the moments it inserts for steps of the query that have no value.
function gaps({ times, step }) {
  const time = { name: "Time", type: "time", values: times, config: { interval: step } };
  const value = { name: "status", type: "number", values: times.map(() => 2), config: { custom: {} } };
  const frame = { fields: [time, value], length: times.length };
  const filled = grafana.applyNullInsertThreshold({ frame });
  return filled.fields[0].values.filter((_, index) => filled.fields[1].values[index] == null);
}

async function main() {
  let asked = "";
  for await (const chunk of process.stdin) asked += chunk;
  const { looks = [], breaks = [] } = JSON.parse(asked);
  const told = [];
  for (const one of looks) told.push(await look(one));
  process.stdout.write(JSON.stringify({ looks: told, breaks: breaks.map(gaps) }));
}

main();
