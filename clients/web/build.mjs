// Bundles the pages into rt_service/web: one script and one style sheet, with nothing fetched from elsewhere.
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { build } from "esbuild";

const target = "../../rt_service/web";

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
await build({
  entryPoints: ["src/live.ts", "src/live.css"],
  outdir: target,
  bundle: true,
  minify: true,
  target: "es2022",
  format: "esm",
  legalComments: "none",
});
for (const file of ["index.html", "icon.svg"]) cpSync(`src/${file}`, `${target}/${file}`);
