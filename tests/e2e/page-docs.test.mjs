// The page at /docs in headless Chromium: the HTTP API, to read and to try, without asking anybody else.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { Service } from "./service.mjs";

const ARTEFACTS = new URL("../artefacts/", import.meta.url).pathname;
const PUBLISH = "#operations-Rooms-publish";
const service = new Service();
const complaints = [];
let browser;

before(async () => {
  mkdirSync(ARTEFACTS, { recursive: true });
  await service.start();
  browser = await chromium.launch({
    executablePath: process.env.RT_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  assert.equal(await service.stop(), 0);
  assert.deepEqual(complaints, []);
});

async function open(width = 1280, height = 860) {
  const page = await browser.newPage({ viewport: { width, height } });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol !== "data:" && origin !== service.http) complaints.push(request.url());
  });
  await page.goto(`${service.http}/docs`);
  await page.waitForSelector(PUBLISH);
  return page;
}

/** Run an operation as somebody would who tries it; the status that the page shows. */
async function run(page, operation, fill = {}) {
  await page.click(`${operation} .opblock-summary-control`);
  await page.click(`${operation} .try-out__btn`);
  for (const [name, value] of Object.entries(fill)) await page.fill(`${operation} [placeholder="${name}"]`, value);
  await page.click(`${operation} .execute`);
  const status = page.locator(`${operation} .live-responses-table tbody .response-col_status`).first();
  return (await status.innerText()).trim();
}

test("an operation is tried with two clicks, and its example is published", async () => {
  const page = await open();
  assert.match(await run(page, PUBLISH, { room: "tried" }), /^201/);
  const history = await (await fetch(`${service.http}/api/v1/rooms/chat/tried/publications`)).json();
  assert.deepEqual(history.publications.map(({ event, data }) => [event, data]), [["say", { text: "hi" }]]);
  await page.close();
});

test("every operation of the document is on the page", async () => {
  const page = await open();
  const { paths } = await (await fetch(`${service.http}/openapi.json`)).json();
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  const shown = await page.locator(".opblock").evaluateAll((blocks) => blocks.map(({ id }) => id.split("-").at(-1)));
  assert.deepEqual(shown.sort(), ids.sort());
  await page.close();
});

test("it fits a desktop and a phone, also with an answer on it", async () => {
  for (const [name, width, height] of [["desktop", 1280, 860], ["phone", 390, 844]]) {
    const page = await open(width, height);
    assert.match(await run(page, PUBLISH), /^201/);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, `${name} scrolls sideways`);
    await page.screenshot({ path: `${ARTEFACTS}docs-${name}.png`, fullPage: true });
    await page.close();
  }
});
