// A real rt-service as a process of its own, and waiting with a deadline.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = new URL("../..", import.meta.url).pathname;
const PYTHON = process.env.RT_TEST_PYTHON ?? "python3";

export async function eventually(condition, deadline = 30_000) {
  const until = Date.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > until) throw new Error(`not within ${deadline} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export class Service {
  #ports = ["0", "0"];
  #process = null;

  constructor(...options) {
    this.options = options;
    this.folder = mkdtempSync(join(tmpdir(), "rt-"));
  }

  async start() {
    const ready = join(this.folder, "ready.json");
    rmSync(ready, { force: true });
    const [port, mqttPort] = this.#ports;
    const data = join(this.folder, "data");
    const ports = ["--port", port, "--mqtt-port", mqttPort];
    const command = ["run.py", ...ports, "--data-dir", data, "--ready-file", ready, ...this.options];
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RT_")));
    this.#process = spawn(PYTHON, command, { cwd: ROOT, env, stdio: "ignore" });
    await eventually(() => existsSync(ready), 60_000);
    const { http, mqtt } = JSON.parse(readFileSync(ready, "utf8"));
    Object.assign(this, { http, mqtt });
    this.#ports = [new URL(http).port, new URL(mqtt).port];
    return this;
  }

  /** Stop it; the exit code. `SIGKILL` kills it. */
  async stop(signal = "SIGTERM") {
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    if (this.#process.exitCode === null) this.#process.kill(signal);
    else return this.#process.exitCode;
    return ended;
  }
}
