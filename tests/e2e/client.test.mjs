// rt-client as somebody gets it who installs the package into an empty project, with a real service that is killed.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import mqtt from "mqtt";
import { Service, eventually } from "./service.mjs";

const WEB = new URL("../../clients/web/", import.meta.url).pathname;
const SECRET = "a-secret-of-at-least-32-bytes-for-tests";
const KEY = `auth.keys={ main = { algorithm = "HS256", secret = "${SECRET}" } }`;
const TOKEN_MODE = ["auth.mode=token", "auth.leeway_s=0", KEY].flatMap((one) => ["--set", one]);
const SOON_S = 6; // until a token expires: time enough to come in with it, also where everything stands still for a while
const service = new Service();
const guarded = new Service(...TOKEN_MODE);
const project = mkdtempSync(join(tmpdir(), "rt-project-"));
const open = [];
let rt;

before(async () => {
  const quiet = { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
  // As it is in a new clone: npm brings what builds it.
  const clone = join(project, "web");
  cpSync(WEB, clone, { recursive: true, filter: (file) => !/node_modules|dist$/.test(file.slice(WEB.length)) });
  const packed = JSON.parse(execFileSync("npm", ["pack", join(clone, "client"), "--json", "--silent", "--prefer-offline"], quiet));
  writeFileSync(join(project, "package.json"), '{"name": "empty", "private": true, "type": "module"}');
  const [{ filename }] = Array.isArray(packed) ? packed : Object.values(packed);
  execFileSync("npm", ["install", `./${filename}`, "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], quiet);
  rt = await import(pathToFileURL(join(project, "node_modules/@rt-service/client/dist/rt-client.mjs")).href);
  await Promise.all([service.start(), guarded.start()]);
});

after(async () => {
  open.forEach((client) => client.close());
  assert.deepEqual([await service.stop(), await guarded.stop()], [0, 0]);
  rmSync(project, { recursive: true });
});

function connect(options = {}, url = service.http) {
  const client = rt.connect(url, options);
  open.push(client);
  return client;
}

function enter(client, name, options) {
  const room = client.join(name, options);
  const heard = [];
  room.on("say", ({ data }) => heard.push(data));
  return { client, room, heard };
}

function signed(claims) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const said = `${part({ alg: "HS256", typ: "JWT" })}.${part({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
  return `${said}.${createHmac("sha256", SECRET).update(said).digest("base64url")}`;
}

const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => from + n);
const refused = (code, message = /./) => ({ name: "RtError", code, message });

test("what is published while the service is killed arrives once, in order, and nothing is missing", async () => {
  const [alice, bob] = [enter(connect({ user: "alice" }), "killed"), enter(connect({ user: "bob" }), "killed")];
  const joins = [];
  bob.room.onJoined(({ first, recovered }) => joins.push([first, recovered]));
  await Promise.all([alice.room.joined, bob.room.joined]);
  const before = await Promise.all(numbers(0, 20).map((n) => alice.room.publish("say", n)));
  assert.deepEqual(before.map(({ offset }) => offset), numbers(1, 21));
  const during = numbers(20, 60).map((n) => alice.room.publish("say", n));
  await service.stop("SIGKILL");
  during.push(...numbers(60, 80).map((n) => alice.room.publish("say", n)));
  await service.start();
  await Promise.all(during);
  await eventually(() => bob.heard.length >= 80 && alice.heard.length >= 80);
  assert.deepEqual([bob.heard, alice.heard], [numbers(0, 80), numbers(0, 80)]);
  assert.deepEqual(joins, [[true, true], [false, true]]);
  const later = enter(connect(), "killed", { since: { ...bob.room.position, offset: 77 } });
  await eventually(() => later.heard.length === 3);
  assert.deepEqual(later.heard, [77, 78, 79]);
});

test("the same publication with an id of one's own is there once", async () => {
  const { room, heard } = enter(connect({ user: "alice" }), "ids");
  const [first, again] = [await room.publish("say", 1, { id: "mine" }), await room.publish("say", 1, { id: "mine" })];
  assert.deepEqual(again, first);
  await room.publish("say", 2);
  await eventually(() => heard.length === 2);
  assert.deepEqual(heard, [1, 2]);
  const { publications, more } = await room.history({ limit: 1, reverse: true });
  assert.deepEqual([publications.map(({ data }) => data), more], [[2], true]);
});

test("binary is binary however much of it comes at once", async () => {
  const { room, heard } = enter(connect({ user: "alice" }), "bytes");
  const sent = numbers(0, 12).map((n) => Buffer.from([n, 255]));
  await room.publish("say", sent);
  for (const one of sent) await room.publish("say", one);
  await eventually(() => heard.length === 13);
  const late = enter(connect(), "bytes", { since: { ...room.position, offset: 0 } });
  await eventually(() => late.heard.length === 13);
  const { publications } = await room.history();
  for (const told of [heard, late.heard, publications.map(({ data }) => data)]) assert.deepEqual(told, [sent, ...sent]);
});

test("calls are answered both ways, and a failure says what it was", async () => {
  const [alice, bob] = [connect({ user: "caller" }), connect({ user: "callee" })];
  bob.onCall("add", ({ a, b }, call) => `${call.from.id}: ${a + b}`);
  bob.onCall("later", async () => undefined);
  bob.onCall("not me", () => { throw new rt.RtError({ code: "forbidden", message: "not you" }); });
  const off = bob.onCall("gone", () => 1);
  off();
  alice.onCall("back", (data) => [data]);
  await bob.ping();
  assert.equal(await alice.call("user:callee", "add", { a: 1, b: 2 }), "caller: 3");
  assert.equal(await alice.call("user:callee", "later"), null);
  assert.deepEqual(await bob.call("user:caller", "back", "x"), ["x"]);
  await assert.rejects(alice.call("user:callee", "gone"), refused("not_found"));
  await assert.rejects(alice.call("user:nobody", "add"), refused("not_online"));
});

test("a handler that fails is told as internal, and its callers go on being answered", async (context) => {
  const logged = context.mock.method(console, "error", () => undefined);
  const client = connect({ user: "self" });
  client.onCall("upper", (data) => data.toUpperCase());
  await assert.rejects(client.call("user:self", "upper", null), refused("internal", /: upper failed$/));
  assert.equal(await client.call("user:self", "upper", "a"), "A");
  assert.equal(logged.mock.callCount(), 1);
});

test("a call that is answered after a reconnect is not the answer of another one", async () => {
  const [caller, callee] = [connect({ user: "asks" }), connect({ user: "answers" })];
  const answers = {};
  for (const method of ["slow", "other"]) callee.onCall(method, () => new Promise((resolve) => (answers[method] = resolve)));
  await callee.ping();
  const lost = assert.rejects(caller.call("user:answers", "slow"), refused("unavailable"));
  await eventually(() => answers.slow);
  await service.stop("SIGKILL");
  await eventually(() => callee.state === "reconnecting");
  await lost;
  await service.start();
  await eventually(() => caller.state === "connected" && callee.state === "connected");
  const other = caller.call("user:answers", "other");
  await eventually(() => answers.other);
  answers.slow("of the slow one");
  await callee.ping(); // what was sent before was read
  answers.other("of the other");
  assert.equal(await other, "of the other");
});

test("what cannot be written as JSON is refused at once, wherever it is", async (context) => {
  context.mock.method(console, "error", () => undefined);
  const circle = [];
  circle.push(circle);
  const client = connect({ user: "odd" });
  const room = client.join("odd");
  await room.joined;
  for (const data of [circle, 1n, { a: [1n] }]) {
    client.onCall("odd", () => data);
    await assert.rejects(client.call("user:odd", "odd"), refused("internal", /: odd failed$/));
    const invalid = refused("invalid_data", /cannot be written as JSON/);
    await assert.rejects(client.call("user:odd", "odd", data), invalid);
    await assert.rejects(client.send("user:odd", "say", data), invalid);
    await assert.rejects(room.publish("say", data), invalid);
    await assert.rejects(room.publish("say", data, { class: "volatile" }), invalid);
    assert.throws(() => rt.connect(service.http, { info: data }), invalid);
  }
});

test("who is there, what is sent to us alone, and which rooms there are", async () => {
  const [alice, bob] = [enter(connect({ user: "ann", info: { hat: "red" } }), "people"), enter(connect({ user: "ben" }), "people")];
  const letters = [];
  bob.client.on("letter", (publication) => letters.push([publication.room, publication.from.id, publication.data]));
  await Promise.all([alice.room.joined, bob.room.joined]);
  await eventually(() => alice.room.members.length === 2 && bob.room.members.length === 2);
  const ann = (await bob.client.presence("people")).find(({ id }) => id === "ann");
  assert.deepEqual([ann, await bob.room.presence()], [{ kind: "user", id: "ann", info: { hat: "red" }, sessions: 1 }, await alice.room.presence()]);
  assert.equal(await alice.client.send("user:ben", "letter", "hi"), 1);
  await eventually(() => letters.length);
  assert.deepEqual(letters, [[null, "ann", "hi"]]);
  await assert.rejects(alice.client.send("user:nobody", "letter", "hi"), refused("not_online"));
  assert.deepEqual(await alice.client.rooms("peop"), [{ room: "people", members: 2 }]);
  const changes = [];
  alice.room.onPresence(({ action, member }) => changes.push([action, member.id]));
  bob.room.leave();
  await eventually(() => changes.length);
  assert.deepEqual([changes, alice.room.members.map(({ id }) => id)], [[["leave", "ben"]], ["ann"]]);
  await assert.rejects(bob.room.publish("say", 1), refused("not_member"));
});

test("a device's twin is read, changed, and refused where it has changed meanwhile", async () => {
  const iot = connect({ namespace: "/iot" });
  const device = await mqtt.connectAsync(service.mqtt);
  await device.publishAsync("devices/lamp/twin/reported", '{"on":false}', { qos: 1 });
  const twin = await iot.updateTwin("lamp", { on: true });
  assert.deepEqual([twin.desired, twin.reported, await iot.twin("lamp")], [{ on: true }, { on: false }, twin]);
  await assert.rejects(iot.updateTwin("lamp", { on: false }, twin.version - 1), refused("conflict"));
  await device.endAsync();
});

test("its state is told: connecting, connected, reconnecting with the reason, closed", async () => {
  const client = connect({ user: "states" });
  const states = [];
  client.onState((state, reason) => states.push(reason ? `${state} ${reason.code}` : state));
  const room = client.join("states");
  const volatile = [];
  const now = () => assert.rejects(room.publish("say", 0, { class: "volatile" }), refused("unavailable"));
  client.onState((state) => state === "reconnecting" && volatile.push(now()));
  await room.joined;
  assert.equal(await service.stop(), 0);
  await eventually(() => client.state === "reconnecting");
  await assert.rejects(client.ping(), refused("unavailable", /not connected/));
  await service.start();
  await eventually(() => client.state === "connected");
  const waiting = room.publish("say", 1);
  client.close();
  await assert.rejects(waiting, refused("not_online"));
  await assert.rejects(client.ping(), refused("not_online", /closed/));
  const another = client.join("another");
  await assert.rejects(another.joined, refused("not_online"));
  const errors = [];
  another.onError((error) => errors.push(error.code));
  assert.deepEqual(errors, ["not_online"]);
  await Promise.all(volatile);
  const [first, second, third] = states;
  assert.deepEqual([first, second, third], ["connecting", "connected", "reconnecting shutdown"]);
  assert.deepEqual(states.slice(-2), ["connected", "closed not_online"]);
  assert.ok(states.slice(3, -2).every((one) => one === "reconnecting unavailable"), states.join());
});

test("what cannot be connected says why, at once or as its reason", async () => {
  assert.throws(() => rt.connect("127.0.0.1:5000"), refused("bad_request", /a url is like/));
  assert.throws(() => rt.connect(service.http, { namespace: "chat" }), refused("bad_request", /did you mean \/chat/));
  for (const url of [`${service.http}/rt/path`, `${service.http}?a=1`, `${service.http}/#there`]) {
    assert.throws(() => rt.connect(url), refused("bad_request", /without a path/));
  }
  for (const url of ["http://", "http://exa mple"]) assert.throws(() => rt.connect(url), refused("bad_request", /a url is like/));
  assert.ok(await connect({}, `${service.http}/`).ping());
  const nowhere = connect({ namespace: "/nowhere" });
  await assert.rejects(nowhere.join("any").joined, refused("not_found", /no namespace \/nowhere/));
  assert.deepEqual([nowhere.state, nowhere.reason.code], ["closed", "not_found"]);
  const nobody = connect({}, guarded.http);
  await assert.rejects(nobody.ping(), refused("unauthorized"));
  assert.equal(nobody.state, "closed");
  const silent = connect({}, "http://127.0.0.1:9");
  await eventually(() => silent.reason?.code === "unavailable");
  assert.deepEqual([silent.state, /cannot be reached/.test(silent.reason.message)], ["connecting", true]);
  const invalid = connect().join("no room");
  await assert.rejects(invalid.joined, refused("invalid_room"));
});

test("a token that expired is renewed by the function, and nothing is missed", async () => {
  const tokens = [];
  const token = async () => {
    tokens.push(signed({ sub: "alice", exp: Math.floor(Date.now() / 1000) + (tokens.length ? 600 : SOON_S) }));
    return tokens.at(-1);
  };
  const alice = enter(connect({ token }, guarded.http), "tokens");
  const bob = enter(connect({ token: signed({ sub: "bob" }) }, guarded.http), "tokens");
  const states = [];
  alice.client.onState((state, reason) => states.push(`${state} ${reason?.code ?? ""}`.trim()));
  await Promise.all([alice.room.joined, bob.room.joined]);
  for (let n = 0; !states.includes("reconnecting token_expired"); n++) await bob.room.publish("say", n);
  await bob.room.publish("say", "after");
  await eventually(() => alice.heard.at(-1) === "after");
  assert.deepEqual(alice.heard, bob.heard);
  assert.deepEqual([states, tokens.length], [["connecting", "connected", "reconnecting token_expired", "connected"], 2]);
});

test("a token function that fails is asked again, unless it says that there is none", async () => {
  let asked = 0;
  const token = () => {
    if (++asked < 3) throw new Error("the login is away");
    return signed({ sub: "late" });
  };
  const client = connect({ token }, guarded.http);
  await eventually(() => /no token: the login is away/.test(client.reason?.message));
  await client.join("tokens").joined;
  assert.equal(asked, 3);
  const none = connect({ token: () => { throw new rt.RtError({ code: "unauthorized", message: "log in first" }); } }, guarded.http);
  await assert.rejects(none.ping(), refused("unauthorized", /log in first/));
  assert.equal(none.state, "closed");
});

test("a function that gave an expired token is asked for another, a few times in a row", async () => {
  const now = () => Math.floor(Date.now() / 1000);
  let asked = 0;
  const client = connect({ token: () => signed({ sub: "clock", exp: now() + (++asked < 3 ? -60 : 600) }) }, guarded.http);
  const room = client.join("tokens");
  await room.joined;
  assert.deepEqual([asked, client.state, room.refusal], [3, "connected", undefined]);
  asked = -1000;
  const never = connect({ token: () => signed({ sub: "clock", exp: now() - 60, n: asked++ }) }, guarded.http);
  await eventually(() => never.reason?.code === "token_expired");
  assert.equal(never.state, "connecting");
  await assert.rejects(never.join("tokens").joined, refused("token_expired"));
  assert.deepEqual([never.state, asked], ["closed", -994]);
});

test("who is kicked, or comes back with nothing better, is closed with the reason", async () => {
  const stale = signed({ sub: "stale", exp: Math.floor(Date.now() / 1000) + SOON_S });
  const client = connect({ token: stale }, guarded.http);
  const room = client.join("tokens");
  await room.joined;
  const errors = [];
  room.onError((error) => errors.push(error.code));
  await eventually(() => client.state === "closed");
  assert.deepEqual([client.reason.code, errors], ["token_expired", ["token_expired"]]);
  await assert.rejects(room.publish("say", 1), refused("token_expired"));
  const kicked = connect({ token: signed({ sub: "noisy" }) }, guarded.http);
  await kicked.ping();
  const headers = { Authorization: `Bearer ${signed({ sub: "root", role: "admin" })}` };
  const { sessions } = await (await fetch(`${guarded.http}/api/v1/sessions`, { headers })).json();
  const { sid } = sessions.find((one) => one.id === "noisy" || one.identity?.id === "noisy");
  await fetch(`${guarded.http}/api/v1/sessions/${sid}`, { method: "DELETE", headers });
  await eventually(() => kicked.state === "closed");
  assert.equal(kicked.reason.code, "kicked");
});

test("the file for pages says whose work is in it", () => {
  const file = (name) => readFileSync(join(project, "node_modules/@rt-service/client/dist", name), "utf8");
  const said = /The MIT License[^]+ Guillermo Rauch [^]+Permission is hereby granted[^]+ Component contributors/i;
  assert.deepEqual(["rt-client.js", "rt-client.mjs"].map((name) => said.test(file(name))), [true, false]);
});

test("its types accept what is right and refuse what is wrong", () => {
  writeFileSync(join(project, "sample.ts"), `
import { connect, RtError, type Publication, type State } from "@rt-service/client";
const client = connect("http://127.0.0.1:5000", { namespace: "/iot", token: async () => "token", info: { a: 1 } });
const room = client.join("device:pump-1", { since: { epoch: "a", offset: 1 } });
room.on<{ c: number }>("telemetry", ({ data, from }) => data.c.toFixed(1) + from.id);
client.on("say", (said) => said.room?.length ?? "to me alone");
room.on("say", (said: Publication) => said.room.length);
const maybe: { user?: string; key?: string } = {};
const open = connect("http://127.0.0.1:5000", { user: maybe.user, token: undefined, info: undefined, namespace: undefined });
const again = open.join("lobby", { since: room.position });
void again.publish("say", 1, { key: maybe.key, class: undefined, id: undefined, deadlineMs: undefined });
void again.history({ since: room.position, limit: undefined, reverse: undefined });
client.onCall<{ a: number }>("double", ({ a }, call) => call.method + a * 2);
export const c: Promise<number> = client.call<{ c: number }>("device:pump-1", "set", { c: 1 }).then((set) => set.c);
export const offset: Promise<number | null> = room.publish("say", 1, { class: "latest", key: "k" }).then((at) => at.offset);
client.onState((state: State, reason?: RtError) => state === "closed" && reason?.code);
// @ts-expect-error a class that there is not
void room.publish("say", 1, { class: "sometimes" });
// @ts-expect-error a token is text
connect("http://127.0.0.1:5000", { token: 1 });
// @ts-expect-error what is sent to us alone is of no room
client.on("say", (said) => said.room.length);
// @ts-expect-error data is unknown until it is looked at
room.on("telemetry", ({ data }) => data.c);
`);
  for (const options of [["--module", "nodenext"], ["--module", "esnext", "--moduleResolution", "bundler"]]) {
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--noEmit", "--target", "es2022", "--lib", "es2022,dom", "--types", "", "--skipLibCheck", "false"];
    const command = [join(WEB, "node_modules/typescript/bin/tsc"), ...options, ...strict, "sample.ts"];
    execFileSync(process.execPath, command, { cwd: project, stdio: ["ignore", 2, 2] });
  }
});
