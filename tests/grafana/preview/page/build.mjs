// Bundles the page into .tools/preview, where the packages are. Run it in the root of the project.
import { copyFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const target = resolve(".tools/preview");
const source = dirname(fileURLToPath(import.meta.url));
const { build } = createRequire(join(target, "package.json"))("esbuild");

// The code editor of Grafana's forms: no panel uses it, and it would double the size.
const withoutEditor = {
  name: "without-editor",
  setup(bundle) {
    bundle.onResolve({ filter: /^(monaco-editor|@monaco-editor|react-monaco-editor)/ }, ({ path }) => ({
      path,
      namespace: "without-editor",
    }));
    bundle.onLoad({ filter: /.*/, namespace: "without-editor" }, () => ({
      contents:
        "export default {}; export const loader = { config() {} };" +
        "export const Editor = () => null; export const DiffEditor = () => null; export const useMonaco = () => null;",
    }));
  },
};

await build({
  entryPoints: { app: join(source, "app.tsx") },
  outdir: target,
  bundle: true,
  minify: true,
  format: "iife",
  jsx: "transform",
  nodePaths: [join(target, "node_modules")],
  define: { "process.env.NODE_ENV": '"production"', global: "window" },
  loader: { ".svg": "dataurl", ".png": "dataurl", ".woff2": "dataurl" },
  logLevel: "error",
  plugins: [withoutEditor],
});
copyFileSync(join(source, "index.html"), join(target, "index.html"));
