// Bundles the pages into rt_service/web: a script and a style sheet for each, with nothing fetched from elsewhere; and the
// helper for rooms as a module of its own, for others to use: .mjs, which is a module wherever it is copied to.
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { build } from "esbuild";
import { bundles } from "./client/bundles.mjs";

const target = "../../rt_service/web";

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
await build({
  entryPoints: ["src/live.ts", "src/live.css", "src/docs.ts", "src/docs.css"],
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
for (const file of ["index.html", "docs.html", "icon.svg"]) cpSync(`src/${file}`, `${target}/${file}`);
cpSync("node_modules/swagger-ui-dist/LICENSE", `${target}/swagger-ui.LICENSE.txt`);
