// Pages of other origins in headless Chromium: one that the settings name asks and reads, another one cannot.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { Service, eventually } from "./service.mjs";

let html = "<!doctype html><title>a page</title>";
const pages = createServer((_, reply) => reply.setHeader("Content-Type", "text/html").end(html));
let browser, service, port;

before(async () => {
  await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
  port = pages.address().port;
  service = await new Service("--set", `server.cors_allowed_origins=http://game.example:${port}`).start();
  browser = await chromium.launch({
    executablePath: process.env.RT_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
      "--host-resolver-rules=MAP game.example 127.0.0.1, MAP evil.example 127.0.0.1",
    ],
  });
});

after(async () => {
  await browser?.close();
  pages.close();
  assert.equal(await service.stop(), 0);
});

/** What `fetch` gives a page at `host`: status, body and the headers that it may read; or the name of the error. */
async function ask(host, path, options = {}) {
  const page = await browser.newPage();
  await page.goto(`http://${host}:${port}/`);
  const found = await page.evaluate(
    async ([url, init]) => {
      try {
        const reply = await fetch(url, init);
        const [tag, retry] = ["ETag", "Retry-After"].map((name) => reply.headers.get(name));
        return { status: reply.status, body: await reply.json(), tag, retry };
      } catch (error) {
        return { failed: error.name };
      }
    },
    [service.http + path, options],
  );
  await page.close();
  return found;
}

const json = { "Content-Type": "application/json" };
const say = { method: "POST", headers: json, body: JSON.stringify({ event: "say", data: 1 }) };

test("a page that may ask publishes, which its browser asks for beforehand, and reads answers and errors", async () => {
  const path = "/api/v1/rooms/chat/pages/publications";
  const { status, body } = await ask("game.example", path, say);
  assert.deepEqual([status, body.offset], [201, 1]);
  assert.equal((await ask("game.example", path)).body.publications.length, 1);
  assert.equal((await ask("game.example", "/api/v1/rooms/nowhere")).body.error.code, "not_found");
});

test("a page that may ask reads a twin's tag and patches what it has read", async () => {
  const path = "/api/v1/devices/page-lamp/twin";
  const { tag } = await ask("game.example", path);
  assert.equal(tag, '"0"');
  const patch = { method: "PATCH", headers: { ...json, "If-Match": tag }, body: '{"on":true}' };
  assert.deepEqual((await ask("game.example", path, patch)).body.desired, { on: true });
  assert.equal((await ask("game.example", path, patch)).status, 412);
});

test("a page that may not ask neither publishes nor reads, and is counted", async () => {
  const path = "/api/v1/rooms/chat/foreign/publications";
  assert.deepEqual(await ask("evil.example", path, say), { failed: "TypeError" });
  assert.deepEqual(await ask("evil.example", path), { failed: "TypeError" });
  assert.deepEqual((await (await fetch(service.http + path)).json()).publications, []);
  const counted = async () => /rt_refused_total\{code="origin"\} ([\d.]+)/.exec(await (await fetch(`${service.http}/metrics`)).text());
  await eventually(async () => Number((await counted())?.[1]) >= 2);
});

test("the page of docs/start/web.md, from another port of this machine, shows what a device measures", async () => {
  const document = readFileSync(new URL("../../docs/start/web.md", import.meta.url), "utf8");
  html = /```html\n([^]*?)```/.exec(document)[1].replaceAll("http://127.0.0.1:5000", service.http);
  const page = await browser.newPage();
  await page.goto(`http://localhost:${port}/page.html`);
  const url = `${service.http}/api/v1/rooms/iot/device:pump-1/publications?user=pump-1`;
  const body = JSON.stringify({ event: "telemetry", data: { c: 20.4 } });
  await eventually(async () => {
    await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body }); // when it listens cannot be seen
    return (await page.locator("body").innerText()) === "pump-1: 20.4 degrees";
  });
});
