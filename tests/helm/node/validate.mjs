// Reads objects of the Prometheus operator as JSON from standard input, and writes the errors of each.
// The first argument is the folder of the installed modules.
//
// The validators ignore unknown fields. They never read them, which a proxy detects.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules] = process.argv.slice(2);
const schemas = join(modules, "@kubernetes-models", "prometheus-operator", "_schemas");
const PREFIX = "ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1";

/** A proxy of the value that adds the path of each field read to `read`. */
function watched(value, read, path) {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const inner = `${path}/${String(key)}`;
      read.add(inner);
      return Object.hasOwn(target, key) ? watched(target[key], read, inner) : target[key];
    },
  });
}

/** The fields of a value that were not read. */
function unread(value, read, path) {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const there = `${path}/${key}`;
    return read.has(there) ? unread(inner, read, there) : [`${there} is unknown`];
  });
}

async function findErrors(object) {
  const { validate } = await import(pathToFileURL(join(schemas, `${PREFIX}${object.kind}.js`)));
  const read = new Set();
  const good = validate(watched(object, read, ""));
  return good ? unread(object, read, "") : validate.errors.map((e) => `${e.instancePath} ${e.keyword}`);
}

const objects = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(await Promise.all(objects.map(findErrors))));
