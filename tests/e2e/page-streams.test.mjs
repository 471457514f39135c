// A page with nothing but what browsers bring along: EventSource, and fetch with a stream of lines.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { Service, eventually } from "./service.mjs";

const service = new Service();
let browser, page;

before(async () => {
  await service.start();
  browser = await chromium.launch({ executablePath: process.env.RT_TEST_CHROMIUM, args: ["--no-sandbox"] });
  page = await browser.newPage();
  await page.goto(service.http);
});
after(async () => {
  await browser.close();
  assert.equal(await service.stop(), 0);
});

const publish = (room, data) =>
  fetch(`${service.http}/api/v1/rooms/chat/${room}/publications`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ event: "say", data }),
  }).then((reply) => assert.equal(reply.status, 201));

test("an EventSource misses nothing over a restart of the service", async () => {
  await page.evaluate(() => {
    const source = new EventSource("/api/v1/rooms/chat/events/stream");
    Object.assign(window, { source, said: [], other: [], opened: 0 });
    source.addEventListener("open", () => window.opened++);
    source.addEventListener("say", (event) => window.said.push(JSON.parse(event.data).data));
    for (const name of ["closing", "connect"]) source.addEventListener(name, () => window.other.push(name));
  });
  await eventually(() => page.evaluate(() => window.opened === 1));
  await publish("events", 0);
  await eventually(() => page.evaluate(() => window.said.length === 1));
  await service.stop("SIGKILL");
  await service.start();
  await publish("events", 1); // before the browser is back
  await eventually(() => page.evaluate(() => window.opened === 2));
  await publish("events", 2);
  await eventually(() => page.evaluate(() => window.said.length === 3));
  assert.deepEqual(await page.evaluate(() => window.said), [0, 1, 2]);
  await service.stop();
  await eventually(() => page.evaluate(() => window.other.includes("closing")));
  assert.deepEqual(await page.evaluate(() => window.other), ["closing"]);
  await page.evaluate(() => window.source.close());
  await service.start();
});

test("the page in docs/protocol.md shows what is said", async () => {
  const documents = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const [, example] = /```html\n([^]*?)```/.exec(documents);
  const body = `<!doctype html><body>${example.replaceAll("http://127.0.0.1:5000", service.http)}`;
  const shown = await browser.newPage();
  await shown.route("**/example.html", (route) => route.fulfill({ contentType: "text/html", body }));
  await shown.goto(`${service.http}/example.html`);
  await eventually(async () => {
    await publish("lobby", { text: "over EventSource" }); // when it has begun to listen cannot be seen
    return (await shown.locator("body").innerText()).includes("over EventSource");
  });
});

test("fetch reads a room line by line, and goes on from where it was", async () => {
  await publish("lines", 0);
  const read = (since, count) =>
    page.evaluate(
      async ([since, count]) => {
        const stopped = new AbortController();
        const reply = await fetch(`/api/v1/rooms/chat/lines/stream${since ? `?since=${since}` : ""}`, {
          headers: { Accept: "application/x-ndjson" },
          signal: stopped.signal,
        });
        const position = reply.headers.get("Stream-Position");
        window.opened = true;
        const lines = [];
        let rest = "";
        for await (const text of reply.body.pipeThrough(new TextDecoderStream())) {
          const parts = (rest + text).split("\n");
          rest = parts.pop();
          lines.push(...parts.filter(Boolean).map((line) => JSON.parse(line)));
          if (lines.length >= count) break;
        }
        stopped.abort();
        return { position, data: lines.map((publication) => publication.data), last: lines.at(-1).offset };
      },
      [since, count],
    );
  await page.evaluate(() => delete window.opened);
  const reading = read("", 2);
  await eventually(() => page.evaluate(() => window.opened));
  await publish("lines", 1);
  await publish("lines", 2);
  const first = await reading;
  assert.deepEqual(first.data, [1, 2]);
  await publish("lines", 3);
  const epoch = first.position.split(":")[0];
  assert.deepEqual((await read(`${epoch}:${first.last}`, 1)).data, [3]);
});
