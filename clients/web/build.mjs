// Bundles the pages into rt_service/web: a script and a style sheet for each, with nothing fetched from elsewhere; and the
// helper for rooms and rt-client as modules of their own, for others to use: .mjs, which is a module wherever it is copied to.
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";
import { bundles, licenses } from "./client/bundles.mjs";
import { writePage } from "./pages.mjs";

const target = "../../rt_service/web";
const demos = ["chat", "game", "greenhouse"];
const entries = [...demos.map((name) => `src/${name}.ts`), ...["start", ...demos].map((name) => `src/${name}.css`)];

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const { metafile } = await build({
  metafile: true,
  entryPoints: [...entries, "src/docs.ts", "src/docs.css", "src/console.ts", "src/console.css"],
  outdir: target,
  bundle: true,
  minify: true,
  target: "es2022",
  format: "esm",
  legalComments: "none",
});
await build({
  entryPoints: ["src/rooms.ts"],
  outfile: `${target}/rooms.mjs`,
  bundle: true,
  target: "es2022",
  format: "esm",
});
await bundles(target);
for (const name of ["index", ...demos]) writePage(`${name}.html`, target);
for (const file of ["docs.html", "console.html", "icon.svg"]) cpSync(`src/${file}`, `${target}/${file}`);
const packages = Object.keys(metafile.inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]);
const inside = licenses([...new Set(packages)].filter(Boolean).sort());
writeFileSync(`${target}/licenses.txt`, `What is inside these pages, by others:\n\n${inside}`);
