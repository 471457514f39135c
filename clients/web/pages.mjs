// Pages from parts: `<!-- part: top.html -->` is that file, `<!-- lines: chat.ts -->` is what stands between the two marks in
// that source, so that what a page shows is what runs.
import { readFileSync, writeFileSync } from "node:fs";

const MARKED = /^\/\/ -- the lines\n([^]*?)^\/\/ -- end of the lines$/m;
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

export function writePage(name, target) {
  const page = readFileSync(`src/${name}`, "utf8")
    .replace(/<!-- part: (\S+) -->/g, (_, part) => readFileSync(`src/${part}`, "utf8").trim())
    .replace(/<!-- lines: (\S+) -->/g, (_, source) => marked(source));
  writeFileSync(`${target}/${name}`, page);
}

function marked(source) {
  const found = MARKED.exec(readFileSync(`src/${source}`, "utf8"));
  if (!found) throw new Error(`src/${source} has no lines between marks`);
  return found[1].trim().replace(/[&<>]/g, (sign) => ENTITIES[sign]);
}
