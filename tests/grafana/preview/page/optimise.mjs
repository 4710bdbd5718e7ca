// Rewrites PNG files with a palette of at most 256 colours: node optimise.mjs FILE...
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

const sharp = createRequire(resolve(".tools/preview/package.json"))("sharp");
for (const file of process.argv.slice(2)) {
  // Without dithering, areas of one colour stay so, and compress well.
  writeFileSync(file, await sharp(readFileSync(file)).png({ palette: true, dither: 0, effort: 10 }).toBuffer());
}
