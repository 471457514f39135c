// The start page, the chat room and the game in headless Chromium, with real MQTT devices and a service that is killed.
// page.test.mjs has the greenhouse.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import mqtt from "mqtt";
import { chromium } from "playwright-core";
import { Service, eventually } from "./service.mjs";

const ARTEFACTS = new URL("../artefacts/", import.meta.url).pathname;
const SECRET = "a-secret-of-at-least-32-bytes-for-tests";
const TOKEN_MODE = ["auth.mode=token", `auth.keys={ main = { algorithm = "HS256", secret = "${SECRET}" } }`];
const service = new Service("--simulate", "1");
const guarded = new Service(...TOKEN_MODE.flatMap((one) => ["--set", one]));
// While the service restarts Chromium reports every connection that is refused or breaks; that is no fault of the page.
const AWAY = /ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE)/;
// Nor is the last poll of somebody who was not let in: Engine.IO answers 400 where a connection is over.
const LAST_POLL = /400 \(Bad Request\) .*transport=polling/;
const complaints = [];
let browser;

before(async () => {
  mkdirSync(ARTEFACTS, { recursive: true });
  await Promise.all([service.start(), guarded.start()]);
  browser = await chromium.launch({
    executablePath: process.env.RT_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  assert.deepEqual([await service.stop(), await guarded.stop()], [0, 0]);
  assert.deepEqual(complaints, []);
});

/** A page in a browser of its own: somebody else for the service. */
async function open(path, { width = 1280, height = 860, url = service.http, expected = AWAY, ...more } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, ...more });
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && !expected.test(complaint(message)) && complaints.push(complaint(message)));
  page.on("request", (request) => request.url().startsWith(url) || request.url().startsWith(url.replace("http", "ws")) || complaints.push(request.url()));
  await page.goto(url + path);
  return page;
}

async function enter(name, options) {
  const page = await open(`/web/${name}.html`, options);
  await eventually(async () => /connected as/.test(await text(page, "#state")));
  return page;
}

async function device() {
  const client = await mqtt.connectAsync(service.mqtt);
  const heard = [];
  client.on("message", (topic, payload) => heard.push(JSON.parse(payload)));
  return { client, heard };
}

const complaint = (message) => `${message.text()} ${message.location().url}`;
const text = (page, selector) => page.locator(selector).innerText();
const nameOf = async (page) => (await text(page, "#state")).replace("connected as ", "");
const lines = (page) => page.locator("#log .text").allInnerTexts();
const close = (...pages) => Promise.all(pages.map((page) => page.context().close()));

async function say(page, line) {
  await page.fill("#text", line);
  await page.press("#text", "Enter");
}

test("the start page leads to the demos, and the lines that it shows work", async () => {
  const page = await open("/");
  const links = await page.locator("a").evaluateAll((all) => all.map((one) => new URL(one.href).pathname));
  const pages = links.filter((link) => link !== "/console"); // has tests of its own
  assert.deepEqual(pages.filter((link) => /demo|html/.test(link)), ["/web/chat.html", "/web/game.html", "/web/greenhouse.html"]);
  for (const link of pages) assert.equal((await page.request.get(service.http + link)).status(), 200, link);
  const [loaded, run] = /src="(.*?)".*?<script>(.*?)<\/script>/s.exec(await text(page, "pre")).slice(1);
  const said = page.waitForEvent("console", (message) => / hi$/.test(message.text()));
  await page.addScriptTag({ url: loaded });
  await page.evaluate(run);
  await said;
  await close(page);
});

test("two browsers and an MQTT device talk in one room, and who comes later sees what was said", async () => {
  const [one, two, { client, heard }] = [await enter("chat"), await enter("chat"), await device()];
  await client.subscribeAsync("rt/out/chat/lobby/say");
  await say(one, "from a browser");
  await eventually(async () => (await lines(two)).includes("from a browser"));
  await eventually(() => heard.some(({ data }) => data.text === "from a browser"));
  await client.publishAsync("rt/in/chat/lobby/say", JSON.stringify({ text: "from a device" }), { qos: 1 });
  for (const page of [one, two]) await eventually(async () => (await lines(page)).at(-1) === "from a device");
  await eventually(async () => (await text(one, "#count")) === "2");
  const later = await enter("chat");
  await eventually(async () => (await lines(later)).slice(-2).join() === "from a browser,from a device");
  await client.endAsync();
  await close(one, two, later);
});

test("what somebody writes is text, whatever it looks like", async () => {
  const page = await enter("chat");
  const nasty = `<img src=x onerror="document.title='had'"><b>bold</b>`;
  await say(page, nasty);
  await eventually(async () => (await lines(page)).at(-1) === nasty);
  await publish("chat/lobby", "carol", { event: "say", data: { text: [nasty] } });
  await eventually(async () => (await lines(page)).at(-1).includes("[\"<img"));
  assert.deepEqual([await page.locator("#log img, #log b b").count(), await page.title()], [0, "rt-service · chat room"]);
  await close(page);
});

function publish(room, user, body) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return fetch(`${service.http}/api/v1/rooms/${room}/publications?user=${user}`, options);
}

test("a letter reaches one alone, and who has left is not online", async () => {
  const [one, two, third] = [await enter("chat"), await enter("chat"), await enter("chat")];
  const name = await nameOf(two);
  await one.locator("#people button", { hasText: name }).click();
  await say(one, "for you");
  await eventually(async () => (await lines(two)).at(-1) === "for you");
  assert.match(await text(two, "#log li:last-child"), /to you alone/);
  assert.match(await text(one, "#log li:last-child"), new RegExp(`to ${name} alone`));
  await close(two);
  await eventually(async () => (await one.locator("#people button", { hasText: name }).count()) === 0);
  await say(one, "still there?");
  await eventually(async () => /not sent: not_online/.test(await text(one, "#log")));
  assert.equal(await one.inputValue("#text"), "still there?");
  assert.ok(!(await lines(third)).includes("for you"));
  await close(one, third);
});

test("another room is opened and listed for others, and a name is changed", async () => {
  const [one, two] = [await enter("chat"), await enter("chat")];
  await one.fill("#room", "garden");
  await one.press("#room", "Enter");
  await say(one, "only in the garden");
  await two.locator("#rooms button", { hasText: "garden" }).click();
  await eventually(async () => (await lines(two)).join() === "only in the garden");
  await two.fill("#name", "rose");
  await two.press("#name", "Enter");
  await eventually(async () => (await text(two, "#state")) === "connected as rose");
  await close(one, two);
});

test("nothing is missing or there twice after the service was killed", async () => {
  const [one, two] = [await enter("chat"), await enter("chat")];
  await one.locator("#rooms button", { hasText: "lobby" }).waitFor();
  for (const page of [one, two]) {
    await page.fill("#room", "killed");
    await page.press("#room", "Enter");
  }
  await say(one, "before");
  await eventually(async () => (await lines(two)).includes("before"));
  await service.stop("SIGKILL");
  for (const page of [one, two]) await eventually(async () => (await text(page, "#state")) === "reconnecting");
  assert.equal(await one.isDisabled("#say button"), true);
  await service.start();
  const { client } = await device();
  for (let n = 0; n < 5; n++) await client.publishAsync("rt/in/chat/killed/say", `{"text":"missed ${n}"}`, { qos: 1 });
  for (const page of [one, two]) await eventually(async () => /connected as/.test(await text(page, "#state")));
  await say(one, "after");
  const wanted = ["before", ..."01234".split("").map((n) => `missed ${n}`), "after"];
  for (const page of [one, two]) await eventually(async () => (await lines(page)).at(-1) === "after");
  assert.deepEqual([await lines(one), await lines(two)], [wanted, wanted]);
  await client.endAsync();
  await close(one, two);
});

test("a player moves by key, gamepad and finger, and everybody sees who caught the star", async () => {
  const { client, heard } = await device();
  await client.subscribeAsync("rt/out/game/meadow/at");
  const [one, two] = [await enter("game"), await enter("game")];
  const name = await nameOf(one);
  const places = () => heard.filter(({ from }) => from.id === name).map(({ data }) => data);
  await eventually(() => places().length === 1); // said on entering, and then wherever a move ends
  await one.focus("#field");
  await one.keyboard.down("ArrowLeft");
  await one.evaluate(tenFrames);
  await one.keyboard.up("ArrowLeft");
  await eventually(() => places().length === 2);
  const [start, here] = places();
  assert.ok(here.x < start.x && here.y === start.y);
  const steer = JSON.stringify({ player: name, x: 0, y: here.y < 0.5 ? 1 : -1 });
  await eventually(async () => {
    const before = places().length;
    await client.publishAsync("rt/in/game/meadow/steer", steer, { qos: 1 }); // counts for 400 ms, in which the page may draw nothing
    await eventually(() => places().length > before, 2000).catch(() => undefined);
    return Math.abs(places().at(-1).y - here.y) > 0.05;
  });
  assert.equal(places().at(-1).x, here.x);
  for (const nonsense of ["1", "null", '{"player":"' + name + '","x":"far"}']) {
    await client.publishAsync("rt/in/game/meadow/steer", nonsense, { qos: 1 });
    await client.publishAsync("rt/in/game/meadow/at", nonsense, { qos: 1 });
    await client.publishAsync("rt/in/game/meadow/caught", nonsense, { qos: 1 });
  }
  const box = await one.locator("#field").boundingBox();
  await one.mouse.move(box.x + box.width * 0.3908, box.y + box.height * 0.5914); // where the first star is
  await one.mouse.down();
  for (const [page, who] of [[one, "You"], [two, name]]) await eventually(async () => (await text(page, "#news")) === `${who} caught star 1`);
  await one.mouse.up();
  const scores = async (page) => (await text(page, "#scores li:first-child")).replace(" (you)", "");
  await eventually(async () => /\n1$/.test(await scores(two)) && (await scores(one)) === (await scores(two)));
  const later = await enter("game");
  await eventually(async () => (await scores(later)) === (await scores(one)));
  await client.endAsync();
  await close(one, two, later);
});

/** In the page: a player moves from frame to frame. */
function tenFrames() {
  return new Promise((done) => {
    const next = (left) => (left ? requestAnimationFrame(() => next(left - 1)) : done());
    next(10);
  });
}

test("two who touch a star at once agree on who was first", async () => {
  const [one, two] = [await enter("game"), await enter("game")];
  for (const page of [one, two]) await eventually(async () => (await page.locator("#scores li").count()) === 2);
  for (const user of ["anna", "bert"]) await publish("game/meadow", user, { event: "caught", data: { star: 1 } });
  for (const page of [one, two]) await eventually(async () => (await text(page, "#news")) === "anna caught star 2");
  await close(one, two);
});

test("where a token is needed the pages ask for it", async () => {
  for (const name of ["chat", "game", "greenhouse"]) {
    const page = await open(`/web/${name}.html`, { url: guarded.http, expected: LAST_POLL });
    await page.waitForSelector("dialog");
    assert.match(await text(page, "dialog"), /wants a token/);
    await page.fill("#token", "nonsense");
    await page.press("#token", "Enter");
    await eventually(async () => /this is no token/.test(await page.locator("dialog .note").first().innerText().catch(() => "")));
    await page.fill("#token", signed({ sub: "alice" }));
    await page.press("#token", "Enter");
    await eventually(async () => (await text(page, "#state")) === "connected as alice");
    await close(page);
  }
});

function signed(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const said = `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
  return `${said}.${createHmac("sha256", SECRET).update(said).digest("base64url")}`;
}

test("the chat works with the keyboard alone", async () => {
  const page = await enter("chat");
  const reach = async (id) => {
    for (let n = 0; n < 40 && (await page.evaluate(() => document.activeElement.id)) !== id; n++) await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), id);
  };
  await reach("room");
  await page.keyboard.type("keys");
  await page.keyboard.press("Enter");
  await eventually(async () => (await text(page, "#title")) === "keys");
  await reach("text");
  await page.keyboard.type("by keyboard");
  await page.keyboard.press("Enter");
  await eventually(async () => (await lines(page)).join() === "by keyboard");
  await close(page);
});

const PAGES = { start: "/", chat: "/web/chat.html", game: "/web/game.html", greenhouse: "/web/greenhouse.html" };
const SIZES = { desktop: [1280, 860], phone: [390, 844] };

for (const [name, path] of Object.entries(PAGES)) {
  test(`the page ${name} fits a desktop and a phone, and can be read, light and dark`, async () => {
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      for (const colorScheme of ["light", "dark"]) {
        const page = await open(path, { width, height, colorScheme });
        if (path !== "/") await eventually(async () => /connected as/.test(await text(page, "#state")));
        if (name === "greenhouse") await page.waitForSelector("#values dd");
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(overflow, 0, `${name} scrolls sideways on a ${size}`);
        assert.deepEqual(await page.evaluate(faint), [], `${name}, ${colorScheme}`);
        await page.screenshot({ path: `${ARTEFACTS}${name}-${size}-${colorScheme}.png`, fullPage: true });
        await close(page);
      }
    }
  });
}

/** In the page: what is written with less contrast than WCAG's 4.5 to 1, or 3 to 1 where it is large. */
function faint() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const parts = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((one) => (one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) if (parts(getComputedStyle(at).backgroundColor)[3] === 255) return getComputedStyle(at).backgroundColor;
    return "white";
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.matches(":disabled, script, .hidden")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(style.color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) found.push(`${element.tagName} ${element.textContent.trim().slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return found;
}
