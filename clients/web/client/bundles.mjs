// rt-client as one file: a module, and a classic script whose global is `rt`.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));

/** `external`: packages that are not put into the module, since whoever installs it has them. */
export async function bundles(target, external = []) {
  const common = { entryPoints: [join(HERE, "index.ts")], bundle: true, target: "es2022", legalComments: "none" };
  await build({ ...common, outfile: join(target, "rt-client.mjs"), format: "esm", external });
  await build({ ...common, outfile: join(target, "rt-client.js"), format: "iife", globalName: "rt", minify: true });
}
