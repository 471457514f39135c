// MicroPython itself, as WebAssembly: node micropython.mjs PROGRAM UMQTT. Its standard input is read line by line.
import { readFileSync, readSync, writeSync } from "node:fs";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript/micropython.mjs";

const one = Buffer.alloc(1);

function read() {
  const bytes = [];
  while (true) {
    if (readSync(0, one) !== 1) process.exit(0); // the test has gone
    if (one[0] === 10) return Buffer.from(bytes).toString();
    bytes.push(one[0]);
  }
}

const python = await loadMicroPython({
  linebuffer: true,
  stdout: (line) => writeSync(1, `${line}\n`),
});
python.registerJsModule("board", { read });
python.FS.mkdirTree("/lib/umqtt");
python.FS.writeFile("/lib/umqtt/__init__.py", "");
python.FS.writeFile("/lib/umqtt/simple.py", readFileSync(process.argv[3]));
python.runPython("import sys; sys.path.append('/lib')");
try {
  python.runPython(readFileSync(process.argv[2], "utf8"));
} catch (error) {
  writeSync(2, `${error.message}\n`); // and not the line of the package that it came through, which is 100 KB
  process.exitCode = 1;
}
