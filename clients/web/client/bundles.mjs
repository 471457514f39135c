// rt-client as one file: a module, and a classic script whose global is `rt`.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));

// Those of what socket.io-client brings, engine.io-client and the parsers, say the same.
const LICENSED = ["socket.io-client", "@socket.io/component-emitter"];

/** What these packages want to be said of them where they are inside of something. */
export function licenses(names) {
  const texts = names.map((name) => {
    const folder = join(HERE, "../node_modules", name);
    return `${name}\n\n${readFileSync(join(folder, readdirSync(folder).find((file) => /^license/i.test(file))), "utf8")}`;
  });
  return texts.join("\n");
}

/** `external`: packages that are not put into the module, since whoever installs it has them. */
export async function bundles(target, external = []) {
  const banner = { js: `/*! with these inside:\n\n${licenses(LICENSED)}*/` };
  const common = { entryPoints: [join(HERE, "index.ts")], bundle: true, target: "es2022", legalComments: "none" };
  await build({ ...common, outfile: join(target, "rt-client.mjs"), format: "esm", external, ...(external.length ? {} : { banner }) });
  await build({ ...common, outfile: join(target, "rt-client.js"), format: "iife", globalName: "rt", minify: true, banner });
}
