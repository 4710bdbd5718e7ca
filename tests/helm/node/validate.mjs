// Reads objects of the Prometheus operator as JSON from standard input, and writes for each what is wrong with it.
// The first argument is the folder of the installed modules.
//
// The validators say nothing of fields that they do not know. They never read them either, and that is seen.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules] = process.argv.slice(2);
const schemas = join(modules, "@kubernetes-models", "prometheus-operator", "_schemas");
const PREFIX = "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1";

/** The same value, which notes in `read` each place that is looked at. */
function watched(value, read, place) {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const inner = `${place}/${String(key)}`;
      read.add(inner);
      return Object.hasOwn(target, key) ? watched(target[key], read, inner) : target[key];
    },
  });
}

/** Each field of a value that nobody has looked at. */
function unread(value, read, place) {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const there = `${place}/${key}`;
    return read.has(there) ? unread(inner, read, there) : [`${there} is no field`];
  });
}

async function wrongWith(object) {
  const { validate } = await import(pathToFileURL(join(schemas, `${PREFIX}${object.kind}.js`)));
  const read = new Set();
  const good = validate(watched(object, read, ""));
  return good ? unread(object, read, "") : validate.errors.map((e) => `${e.instancePath} ${e.keyword}`);
}

const objects = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(objects.map(wrongWith))));
