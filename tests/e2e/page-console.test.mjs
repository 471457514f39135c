// The console in headless Chromium: what who runs the service sees, and what they can do about it.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import mqtt from "mqtt";
import { chromium } from "playwright-core";
import { io } from "socket.io-client";
import { Service, eventually } from "./service.mjs";

const ARTEFACTS = new URL("../artefacts/", import.meta.url).pathname;
const SECRET = "a secret that is long enough for HS256";
const KEY = `auth.keys={ main = { algorithm = "HS256", secret = "${SECRET}" } }`;
const EVIL = '<img src=x onerror="window.evil=1"><script>window.evil=1</script>';
const open = new Service("--simulate", "3", "--set", "limits.sessions_per_identity=49");
const guarded = new Service("--set", "auth.mode=token", "--set", KEY);
const complaints = [];
let browser;

before(async () => {
  mkdirSync(ARTEFACTS, { recursive: true });
  await Promise.all([open.start(), guarded.start()]);
  browser = await chromium.launch({
    executablePath: process.env.RT_TEST_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  assert.deepEqual(await Promise.all([open.stop(), guarded.stop()]), [0, 0]);
  assert.deepEqual(complaints, []);
});

async function newPage({ width = 1280, height = 860, service = open, expected = /^$/, scheme = "light" } = {}) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: scheme });
  page.on("pageerror", (error) => complaints.push(String(error)));
  // /readyz answers 503 where the service stood still for more than a second.
  const fine = (message) => expected.test(message.text()) || message.location().url.endsWith("/readyz");
  page.on("console", (message) => message.type() === "error" && !fine(message) && complaints.push(message.text()));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== service.http) complaints.push(request.url());
    if (/token=|ey[\w-]+\./.test(request.url())) complaints.push(`a token in ${request.url()}`);
  });
  return page;
}

async function console_(part, options = {}) {
  const page = await newPage(options);
  await page.goto(`${open.http}/console#${part}`);
  await page.waitForSelector(`#${part}`);
  return page;
}

const text = (page, selector) => page.locator(selector).innerText();
const sees = (page, selector, pattern) => eventually(async () => pattern.test(await text(page, selector)));
const row = (page, table, has) => page.locator(`#${table} tbody tr`, { hasText: has });

async function client(namespace, user, service = open, auth = { user }) {
  const socket = io(service.http + namespace, { auth, transports: ["websocket"], forceNew: true, reconnection: false });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("connect_error", reject));
  return socket;
}

function token(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const said = `${part({ alg: "HS256", typ: "JWT", kid: "main" })}.${part({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
  return `${said}.${createHmac("sha256", SECRET).update(said).digest("base64url")}`;
}

test("the overview shows numbers that move, plots of them, and whether all is well", async () => {
  const page = await console_("overview");
  await sees(page, "#tiles", /Published\/s\s+[1-9][\d.]*\s/i);
  await sees(page, "#tiles", /3 mqtt/);
  await eventually(async () => (await page.locator("#throughput canvas").count()) === 1 && (await page.locator("#lag canvas").count()) === 1);
  await sees(page, "#namespace-table", /\/iot\s+[1-9]/);
  await sees(page, "#checks", /engine\s+ok/);
  await page.close();
});

test("a session is found among the others with its transport, and is kicked", async () => {
  const socket = await client("/chat", "kick-me");
  const closings = [];
  socket.on("closing", (closing) => closings.push(closing.code));
  await socket.emitWithAck("join", { room: "kick-room" });
  const page = await console_("sessions");
  await page.fill("#session-filter", "KICK-room");
  await sees(page, "#session-table tbody", /user:kick-me\s+user\s+socketio\s+\/chat\s+kick-room\s+0 B/);
  await sees(page, "#session-count", /^1 session\./);
  page.once("dialog", (dialog) => dialog.dismiss());
  await row(page, "session-table", "kick-me").getByRole("button").click();
  assert.deepEqual(closings, []);
  page.once("dialog", (dialog) => dialog.accept());
  await row(page, "session-table", "kick-me").getByRole("button").click();
  await eventually(() => !socket.connected && closings[0] === "kicked");
  await sees(page, "#session-table", /Nobody fits/);
  await page.close();
});

test("rooms have members and a rate, and one is watched with a click", async () => {
  const page = await console_("rooms");
  await page.fill("#room-filter", "/iot:device:pump");
  await sees(page, "#room-table tbody", /\/iot\s+device:pump-1\s+1\s+\d+\s+[1-9]/);
  await row(page, "room-table", "device:pump-1").getByRole("button").click();
  await sees(page, "#live-state", /watching \/iot:device:pump-1/);
  await sees(page, "#traffic", /telemetry/);
  await page.close();
});

test("a device is seen coming and going", async () => {
  const page = await console_("devices");
  const device = await mqtt.connectAsync(open.mqtt, { clientId: "visitor-1" });
  await device.publishAsync("devices/visitor-1/status", "online", { qos: 1 });
  await page.fill("#device-filter", "visitor");
  await sees(page, "#device-table tbody", /visitor-1\s+online/);
  await device.publishAsync("devices/visitor-1/status", "offline", { qos: 1 });
  await sees(page, "#device-table tbody", /visitor-1\s+offline/);
  await device.endAsync();
  await page.close();
});

test("a device's readings are plotted, its twin is edited, and a method is called", async () => {
  const page = await console_("devices", { expected: /404/ }); // for the method that there is not
  await row(page, "device-table", "tank-1").getByRole("button").click();
  await eventually(async () => (await page.locator("#device-plot canvas").count()) === 1);
  await sees(page, "#device-plot", /humidity/);
  await eventually(async () => (await page.inputValue("#desired")) !== "");

  await page.fill("#desired", '{"c": 23, "night": {"off": true}}');
  await page.click("#twin button >> nth=0");
  await sees(page, "#twin-answer", /^changed: /);
  await page.fill("#desired", '{"night": {"off": false}}');
  await page.click("#twin button >> nth=0");
  await sees(page, "#twin-answer", /^changed: {"c":null,"night":{"off":false}}$/);
  const twin = () => fetch(`${open.http}/api/v1/devices/tank-1/twin`).then((answer) => answer.json());
  assert.deepEqual((await twin()).desired, { night: { off: false } });

  await page.fill("#desired", "[1]");
  await page.click("#twin button >> nth=0");
  await sees(page, "#twin-answer", /a twin is an object/);

  await page.fill("#desired", '{"mine": 1}');
  await fetch(`${open.http}/api/v1/devices/tank-1/twin`, { method: "PATCH", headers: { "content-type": "application/json" }, body: '{"theirs": 1}' });
  await page.click("#twin button >> nth=0");
  await sees(page, "#twin-answer", /somebody changed it meanwhile to .*theirs/);
  await page.click("#twin-again");
  await eventually(async () => /theirs/.test(await page.inputValue("#desired")));

  await page.click("#call button");
  await sees(page, "#call-answer", /{"pong":null}/);
  await page.fill("#method", "fly");
  await page.click("#call button");
  await sees(page, "#call-answer", /no method fly/);
  await page.close();
});

test("live traffic is filtered, paused and gone on with", async () => {
  const page = await console_("live");
  const socket = await client("/chat", "talker");
  await socket.emitWithAck("join", { room: "talk" });
  const say = (words) => socket.emitWithAck("publish", { room: "talk", event: "say", data: { words } });
  const lines = () => page.locator("#traffic li").allInnerTexts();
  await page.selectOption("#live-namespace", "/chat");
  await page.fill("#live-room", "talk");
  await page.press("#live-room", "Enter");
  await sees(page, "#live-state", /watching \/chat:talk with 2 members/);
  await say("apples");
  await say("pears");
  await eventually(async () => (await lines()).length === 2);
  assert.match((await lines())[0], /pears/); // the newest first
  await page.fill("#live-filter", "APPLE");
  assert.deepEqual((await lines()).map((line) => /apples/.test(line)), [true]);
  await page.fill("#live-filter", "");
  await page.click("#pause");
  await say("plums");
  await sees(page, "#live-count", /3 came, 2 shown, 1 since the pause/);
  await page.fill("#live-filter", "p");
  assert.equal((await lines()).length, 2); // the pause holds
  await page.click("#pause");
  await eventually(async () => (await lines()).length === 3);
  await page.click("#unwatch");
  await sees(page, "#live-state", /Not watching/);
  await eventually(async () => (await socket.emitWithAck("presence", { room: "talk" })).members.length === 1);
  socket.close();
  await page.close();
});

test("of much traffic the newest is kept", async () => {
  const page = await console_("live");
  await page.selectOption("#live-namespace", "/game");
  await page.fill("#live-room", "flood");
  await page.press("#live-room", "Enter");
  await sees(page, "#live-state", /watching/);
  const list = (from) => JSON.stringify(Array.from({ length: 300 }, (_, n) => ({ event: "n", data: from + n })));
  for (const from of [0, 300]) {
    const headers = { "content-type": "application/json" };
    await fetch(`${open.http}/api/v1/rooms/game/flood/publications?user=flood-${from}`, { method: "POST", headers, body: list(from) });
  }
  await sees(page, "#live-count", /600 came, 500 shown, the newest 500 are kept/);
  await page.fill("#live-filter", "nothing like it");
  await sees(page, "#live-count", /600 came, 0 shown/);
  await page.fill("#live-filter", "");
  await sees(page, "#live-count", /600 came, 500 shown/);
  assert.match(await text(page, "#traffic li >> nth=0"), /599/);
  await page.close();
});

test("what devices sent that meant nothing is shown, whatever is in it, as text", async () => {
  const device = await mqtt.connectAsync(open.mqtt, { clientId: "hostile" });
  await device.publishAsync(`rt/in/${EVIL}`, EVIL, { qos: 1 });
  await device.publishAsync("devices/hostile-1/telemetry", JSON.stringify({ [EVIL]: 1, c: 2 }), { qos: 1 });
  const page = await console_("letters");
  await sees(page, "#letter-table", /no_route/);
  assert.ok((await text(page, "#letter-table tbody")).includes(`rt/in/${EVIL}`));
  await page.click('nav a[href="#devices"]');
  await row(page, "device-table", "hostile-1").getByRole("button").click();
  await eventually(async () => (await text(page, "#device-plot")).includes(EVIL));
  assert.equal(await page.evaluate(() => window.evil), undefined);
  assert.equal(await page.locator("main img, main script").count(), 0);
  await device.endAsync();
  await page.close();
});

test("no name from the network becomes more than text, even one that the service would refuse", async () => {
  const page = await newPage();
  const answers = {
    "/api/v1/rooms": { total: 1, rooms: [{ namespace: EVIL, room: EVIL, members: 1, offset: 1 }] },
    "/api/v1/sessions": { total: 1, sessions: [{ sid: EVIL, kind: "user", id: EVIL, role: EVIL, namespace: EVIL, rooms: [EVIL], transport: EVIL, waiting: 1, since: 1 }] },
    "/api/v1/devices": { total: 1, devices: [{ id: EVIL, online: true, since: 1, seen: null }] },
    "/readyz": { ok: false, checks: { [EVIL]: EVIL } },
  };
  for (const [path, answer] of Object.entries(answers)) await page.route((url) => url.pathname === path, (route) => route.fulfill({ json: answer }));
  await page.goto(`${open.http}/console`);
  for (const [part, table] of [["overview", "checks"], ["rooms", "room-table"], ["sessions", "session-table"], ["devices", "device-table"]]) {
    await page.click(`nav a[href="#${part}"]`);
    await eventually(async () => (await text(page, `#${table}`)).includes(EVIL));
  }
  const socket = await client("/chat", "evil");
  await socket.emitWithAck("join", { room: "evil" });
  await page.click('nav a[href="#live"]');
  await page.selectOption("#live-namespace", "/chat");
  await page.fill("#live-room", "evil");
  await page.press("#live-room", "Enter");
  await sees(page, "#live-state", /watching/);
  await socket.emitWithAck("publish", { room: "evil", event: "say", data: { [EVIL]: EVIL } });
  await eventually(async () => (await text(page, "#traffic")).includes("<img src=x onerror="));
  await page.fill("#live-room", EVIL);
  await page.press("#live-room", "Enter");
  await sees(page, "#live-state", /invalid_room/);
  assert.equal(await page.evaluate(() => window.evil), undefined);
  assert.equal(await page.locator("main img, main script").count(), 0);
  socket.close();
  await page.close();
});

test("the page may run nothing that did not come with it", async () => {
  const policy = (await fetch(`${open.http}/console`)).headers.get("content-security-policy");
  for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) assert.ok(policy.includes(rule), rule);
  assert.doesNotMatch(policy, /unsafe/);
});

test("the routes tester says what a topic becomes, and what is none", async () => {
  const page = await console_("routes");
  await page.fill("#topic", "devices/pump-1/telemetry");
  await page.press("#topic", "Enter");
  await sees(page, "#explained", /event telemetry in room device:pump-1 of \/iot/);
  const refused = await newPage({ expected: /400/ });
  await refused.goto(`${open.http}/console#routes`);
  await refused.fill("#topic", "devices/+/telemetry");
  await refused.press("#topic", "Enter");
  await sees(refused, "#explained", /bad_request: .*no topic/);
  await refused.close();
  await page.close();
});

test("limits stand beside what they cost somebody", async () => {
  await fetch(`${open.http}/api/v1/rooms/chat/a b/members`);
  const page = await console_("limits");
  await sees(page, "#loss-table tbody", /refused\s+invalid_room\s+[\d.–]+\s+[1-9]/);
  await sees(page, "#setting-table", /limits.sessions_per_identity\s+49/);
  await page.fill("#setting-filter", "history.");
  assert.doesNotMatch(await text(page, "#setting-table"), /limits\./);
  await page.close();
});

test("in token mode it wants an admin's token, keeps it in the tab alone, and forgets it", async () => {
  const page = await newPage({ service: guarded, expected: /40[13]/ });
  const enter = async (said) => {
    await page.fill("#token", said);
    await page.press("#token", "Enter");
  };
  await page.goto(`${guarded.http}/console`);
  await sees(page, "#gate-why", /wants a token/);
  await enter("nonsense");
  await sees(page, "#gate-why", /refused: /);
  await enter(token({ sub: "alice" }));
  await sees(page, "#gate-why", /takes an admin's/);
  assert.equal(await page.isVisible("#console"), false);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);

  await enter(token({ sub: "root", role: "admin" }));
  await page.waitForSelector("#tiles div");
  assert.equal(await page.evaluate(() => localStorage.length + document.cookie.length), 0);
  await page.reload();
  await page.waitForSelector("#tiles div"); // still known in this tab
  const alice = await client("/chat", "", guarded, { token: token({ sub: "alice" }) });
  await alice.emitWithAck("join", { room: "lobby" });
  await page.click('nav a[href="#live"]');
  await page.selectOption("#live-namespace", "/chat");
  await page.fill("#live-room", "lobby");
  await page.press("#live-room", "Enter");
  await sees(page, "#live-state", /watching \/chat:lobby/);
  await alice.emitWithAck("publish", { room: "lobby", event: "say", data: "hello" });
  await sees(page, "#traffic", /hello/);
  alice.close();

  await page.click("#forget");
  await sees(page, "#gate-why", /wants a token/);
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.equal(await page.locator("#traffic li").count(), 0);
  await page.close();
});

test("a token that is taken back shuts the console", async () => {
  const page = await newPage({ service: guarded, expected: /40[13]|Unauthorized/ });
  const [good, other] = [token({ sub: "brief", role: "admin", jti: "brief-1" }), token({ sub: "root", role: "admin" })];
  await page.goto(`${guarded.http}/console`);
  await page.fill("#token", good);
  await page.press("#token", "Enter");
  await page.waitForSelector("#tiles div");
  const headers = { authorization: `Bearer ${other}`, "content-type": "application/json" };
  await fetch(`${guarded.http}/api/v1/revocations`, { method: "POST", headers, body: '{"of": "token:brief-1"}' });
  await sees(page, "#gate-why", /refused: /);
  assert.equal(await page.isVisible("#console"), false);
  await page.close();
});

test("it works with the keyboard alone, and whoever has the focus keeps it", async () => {
  const page = await console_("overview");
  const focused = () => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent);
  for (let n = 0; n < 20 && (await focused()) !== "Devices"; n++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await row(page, "device-table", "pump-1").waitFor();
  for (let n = 0; n < 20 && (await focused()) !== "pump-1"; n++) await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await sees(page, "#device-name", /pump-1/);
  const before = await text(page, "#device-table");
  await eventually(async () => (await text(page, "#device-table")) !== before); // it was asked for again
  assert.equal(await focused(), "pump-1");
  await page.close();
});

test("it fits a desktop and a phone, dark and light, on every page", async () => {
  const session = await client("/chat", "a-user-with-a-name-that-is-rather-long-for-a-phone");
  await session.emitWithAck("join", { room: "a-room-with-a-name-that-is-rather-long-for-a-phone" });
  for (const [name, width, height, scheme] of [["desktop", 1280, 860, "light"], ["phone", 390, 844, "dark"]]) {
    const page = await console_("overview", { width, height, scheme });
    await eventually(async () => (await page.locator("#lag canvas").count()) === 1);
    for (const part of ["overview", "rooms", "sessions", "devices", "live", "letters", "routes", "limits"]) {
      await page.click(`nav a[href="#${part}"]`);
      if (["rooms", "sessions", "devices"].includes(part)) await page.locator(`#${part} tbody tr`).first().waitFor();
      if (part === "devices") {
        await row(page, "device-table", "greenhouse-1").getByRole("button").click();
        await page.waitForSelector("#device-plot canvas");
      }
      const { overflow, hidden } = await page.evaluate(() => ({
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        hidden: [...document.querySelectorAll("main button, main input")].filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML),
      }));
      assert.equal(overflow, 0, `${part} scrolls sideways on a ${name}`);
      assert.deepEqual(hidden, [], `${part} on a ${name}`);
      await page.screenshot({ path: `${ARTEFACTS}console-${part}-${name}.png`, fullPage: true });
    }
    await page.close();
  }
  session.close();
});

test("it comes back by itself after the service restarts", async () => {
  const page = await newPage({ expected: /ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/ });
  await page.goto(`${open.http}/console`);
  await sees(page, "#state", /^connected$/);
  await page.click('nav a[href="#routes"]');
  await page.evaluate(() => {
    window.states = [];
    const state = document.getElementById("state");
    new MutationObserver(() => window.states.push(state.textContent)).observe(state, { childList: true });
  });
  assert.equal(await open.stop(), 0);
  await sees(page, "#state", /does not answer/);
  await page.click('nav a[href="#rooms"]');
  await page.fill("#room-filter", "typed while it is away");
  await page.click('nav a[href="#overview"]');
  await open.start();
  await sees(page, "#state", /^connected$/);
  assert.deepEqual(await page.evaluate(() => window.states), ["unavailable: the service does not answer", "connected"]);
  await sees(page, "#tiles", /Published\/s\s+[\d.]+\s/i);
  await page.close();
});
