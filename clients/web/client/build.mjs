// What `npm pack` puts into the package: the bundles, and the types as tsc writes them.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundles } from "./bundles.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const TSC = join(HERE, "../node_modules/typescript/bin/tsc");

rmSync(join(HERE, "dist"), { recursive: true, force: true });
await bundles(join(HERE, "dist"), ["socket.io-client"]);
execFileSync(process.execPath, [TSC, "-p", join(HERE, "tsconfig.json")], { stdio: ["ignore", 2, 2] });
