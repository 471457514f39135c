// What `npm pack` puts into the package: the bundles, and the types as tsc writes them.
import { execFileSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const TSC = join(HERE, "../node_modules/typescript/bin/tsc");

// Installing the service brings esbuild alone, and a clone nothing.
if (!existsSync(TSC)) {
  const install = [process.env.npm_execpath, "ci", "--ignore-scripts", "--no-audit", "--no-fund"];
  execFileSync(process.execPath, install, { cwd: join(HERE, ".."), stdio: ["ignore", 2, 2] });
}
const { bundles } = await import("./bundles.mjs");

rmSync(join(HERE, "dist"), { recursive: true, force: true });
await bundles(join(HERE, "dist"), ["socket.io-client"]);
execFileSync(process.execPath, [TSC, "-p", join(HERE, "tsconfig.json")], { stdio: ["ignore", 2, 2] });
