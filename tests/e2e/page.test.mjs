// The greenhouse page in headless Chromium: what somebody sees who opens it.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import mqtt from "mqtt";
import { chromium } from "playwright-core";
import { Service, eventually } from "./service.mjs";

const ARTEFACTS = new URL("../artefacts/", import.meta.url).pathname;
const service = new Service("--simulate", "3");
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
  // While the service restarts Chromium reports every connection that is refused or breaks; that is no fault of the page.
  page.on("console", (message) => message.type() === "error" && !/ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE)/.test(message.text()) && complaints.push(message.text()));
  await page.goto(`${service.http}/web/greenhouse.html`);
  await page.waitForSelector("#values dd");
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();

test("it shows the devices, a device's numbers moving, and who is there", async () => {
  const page = await open();
  await eventually(async () => (await page.locator("nav button").count()) === 3);
  assert.equal(await text(page, "#room-title"), "greenhouse-1");
  await eventually(async () => (await text(page, "#online")) === "online");
  const first = await text(page, "#values");
  await eventually(async () => (await text(page, "#values")) !== first);
  assert.match(first, /humidity/);
  assert.ok((await page.locator("#plot canvas").count()) === 1);
  await eventually(async () => /greenhouse-1/.test(await text(page, "#people")) && /you/.test(await text(page, "#people")));
  await page.close();
});

test("a line typed into the page reaches the device, and its answer comes back", async () => {
  const page = await open();
  await page.fill("#line", "Good morning");
  await page.press("#line", "Enter");
  await eventually(async () => /I heard “Good morning”/.test(await text(page, "#chat")));
  await page.close();
});

test("a call from the page is answered by the device, and bad data is explained", async () => {
  const page = await open();
  await page.click("#call button");
  await eventually(async () => /"c":24/.test(await text(page, "#answer")));
  await page.fill("#data", "{bad");
  await page.click("#call button");
  await eventually(async () => /not JSON/.test(await text(page, "#answer")));
  await page.fill("#data", "1");
  await page.fill("#method", "fly");
  await page.click("#call button");
  await eventually(async () => /no method fly/.test(await text(page, "#answer")));
  await page.close();
});

test("a setpoint of the page is what the device's twin says, and the device takes it over", async () => {
  const [page, other] = [await open(), await open()];
  await page.fill("#setpoint", "27.5");
  await eventually(async () => /taken it over/.test(await text(page, "#setpoint-note")));
  await eventually(async () => (await text(other, "#setpoint-value")) === "27.5 °C");
  await page.fill("#setpoint", "22"); // and by whoever looks later
  await eventually(async () => (await text(page, "#setpoint-value")) === "22 °C" && /taken it over/.test(await text(page, "#setpoint-note")));
  const later = await open();
  await eventually(async () => (await text(later, "#setpoint-value")) === "22 °C");
  for (const one of [page, other, later]) await one.close();
});

test("two browsers and a device are in one room", async () => {
  const [one, two] = [await open(), await open()];
  await one.fill("#line", "from the first");
  await one.press("#line", "Enter");
  await eventually(async () => /from the first/.test(await text(two, "#chat")));
  await one.close();
  await two.close();
});

test("a reading from any MQTT client appears as a device of its own", async () => {
  const page = await open();
  const device = await mqtt.connectAsync(service.mqtt);
  await device.publishAsync("devices/zebra-1/telemetry", JSON.stringify({ c: 21.5 }), { qos: 1 });
  await page.locator("nav button", { hasText: "zebra-1" }).click();
  await eventually(async () => /21.5/.test(await text(page, "#values")));
  await eventually(async () => (await text(page, "#online")) === "online");
  await device.endAsync();
  await page.close();
});

test("it works with the keyboard alone", async () => {
  const page = await open();
  await page.keyboard.press("Tab");
  for (let n = 0; n < 10 && (await page.evaluate(() => document.activeElement.id)) !== "line"; n++) await page.keyboard.press("Tab");
  // The list of rooms is asked for every two seconds; whoever has the focus keeps it.
  await page.locator("nav button").nth(1).focus();
  await eventually(() => page.evaluate(() => performance.now() > 5000));
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "pump-1");
  await page.locator("#line").focus();
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  await eventually(async () => /by keyboard/.test(await text(page, "#chat")));
  await page.close();
});

test("it fits a desktop and a phone", async () => {
  for (const [name, width, height] of [["desktop", 1280, 860], ["phone", 390, 844]]) {
    const page = await open(width, height);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, `${name} scrolls sideways`);
    await page.screenshot({ path: `${ARTEFACTS}greenhouse-${name}.png`, fullPage: true });
    await page.close();
  }
});

test("it comes back by itself after the service restarts", async () => {
  const page = await open();
  await page.fill("#line", "typed while it is away");
  assert.equal(await service.stop(), 0);
  await eventually(async () => (await text(page, "#state")) === "reconnecting");
  assert.equal(await page.isDisabled("#say button"), true);
  await page.press("#line", "Enter");
  await service.start();
  await eventually(async () => /connected as/.test(await text(page, "#state")));
  const first = await text(page, "#plot-note");
  await eventually(async () => (await text(page, "#plot-note")) !== first);
  assert.equal(await page.inputValue("#line"), "typed while it is away");
  await page.close();
});
