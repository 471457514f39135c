// The Unity package's script for WebGL, built into a page as emscripten does it, with a real WebSocket against a real
// service. What the game would do in C# is done here through its memory, as there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Service, eventually } from "./service.mjs";

const PATH = new URL("../../clients/unity/Runtime/Plugins/WebGL/RtWebSocket.jslib", import.meta.url);
const [CONNECTING, OPEN, CLOSED] = [0, 1, 2];
const [HERE, THERE, LOST, INBOUND_FULL, OUTBOUND_FULL] = [1, 2, 3, 4, 5];
const MEMORY = 4 * 1024 * 1024;

const service = new Service("--set", "socketio.ping_interval_s=0.1", "--set", "limits.presence_grace_s=60");
before(() => service.start());
after(async () => assert.equal(await service.stop(), 0));

/** What emscripten makes of a library: each item as its source text, so that nothing but globals can be reached. */
function built() {
  const library = {};
  const mergeInto = (target, items) => Object.assign(target, items);
  const autoAddDeps = (items, dependency) => {
    for (const name of Object.keys(items)) if (name[0] !== "$") items[`${name}__deps`] = [dependency];
  };
  new Function("LibraryManager", "mergeInto", "autoAddDeps", readFileSync(PATH, "utf8"))({ library }, mergeInto, autoAddDeps);
  const functions = Object.keys(library).filter((name) => typeof library[name] === "function");
  assert.ok(functions.every((name) => library[`${name}__deps`][0] in library));
  const items = Object.keys(library).filter((name) => !name.endsWith("__deps"));
  const lines = items.map((name) => `var ${name[0] === "$" ? name.slice(1) : `_${name}`} = ${text(library[name])};`);
  const exported = functions.map((name) => `${name.replace("RtWebSocket", "").toLowerCase()}: _${name}`);
  return new Function("HEAPU8", "UTF8ToString", "WebSocket", `"use strict";${lines.join("\n")}return {${exported}, sockets: RtWebSocket.sockets};`);
}

function text(item) {
  if (typeof item !== "object" || item === null) return typeof item === "function" ? `(${item})` : JSON.stringify(item);
  if (Array.isArray(item)) return `[${item.map(text)}]`;
  return `{${Object.entries(item).map(([name, one]) => `${name}: ${text(one)}`)}}`;
}

/** One page with the game in it. */
function page({ inbound = 1 << 20, outbound = 1 << 20 } = {}) {
  const memory = new Uint8Array(MEMORY);
  const end = (at) => memory.indexOf(0, at);
  const js = built()(memory, (at) => Buffer.from(memory.slice(at, end(at))).toString(), WebSocket);
  const write = (value, at) => {
    memory.fill(0, at, at + 300);
    memory.set(Buffer.from(value), at);
    return at;
  };
  const open = (url, ping = "", pong = "") => js.open(write(url, 0), inbound, outbound, write(ping, 1000), write(pong, 2000));
  const send = (id, data) => {
    const bytes = Buffer.from(data);
    memory.set(bytes, 10_000);
    js.send(id, 10_000, bytes.length, typeof data === "string" ? 1 : 0);
    memory.fill(0, 10_000, 10_000 + bytes.length); // the game uses it for something else
  };
  const receive = (id) => {
    const length = js.nextlength(id);
    if (length < 0) return null;
    const isText = js.nextistext(id) === 1;
    js.take(id, 10_000);
    const bytes = Buffer.from(memory.slice(10_000, 10_000 + length));
    return isText ? bytes.toString() : bytes;
  };
  const next = (id) => eventually(() => (js.nextlength(id) >= 0 ? { got: receive(id) } : null)).then(({ got }) => got);
  return { js, open, send, receive, next };
}

const at = (path) => service.http.replace("http", "ws") + path;
const SOCKETIO = "/socket.io/?EIO=4&transport=websocket";

test("what is sent to an echo comes back, text and binary, in order", async () => {
  const { js, open, send, next, receive } = page();
  const id = open(at("/echo"));
  assert.equal(js.state(id), CONNECTING);
  const all = ["before it is open €😀", Buffer.from([0, 255, 1]), "", Buffer.alloc(0), "\ufeffa mark", "x".repeat(100_000), Buffer.alloc(70_000, 7)];
  for (const one of all) send(id, one);
  for (const one of all) assert.deepEqual(await next(id), one);
  assert.equal(receive(id), null);
  assert.deepEqual([js.state(id), js.end(id), js.waiting(id)], [OPEN, 0, 0]);
});

test("a room is entered and published in, and pings are answered while the game does nothing", async () => {
  const { js, open, send, next } = page();
  const id = open(at(SOCKETIO), "2", "3");
  const packet = async (start) => {
    for (;;) {
      const message = await next(id);
      if (message.startsWith(start)) return JSON.parse(message.slice(start.length));
    }
  };
  assert.equal((await packet("0")).pingInterval, 100);
  send(id, '40/chat,{"user":"webgl"}');
  await packet("40/chat,");
  send(id, '42/chat,1["join",{"room":"lobby"}]');
  assert.equal((await packet("43/chat,1"))[0].ok, true);
  await eventually(() => js.sockets[id].waiting.length >= 8); // pings, each after the one before was answered
  send(id, '451-/chat,2["publish",{"room":"lobby","event":"say","data":{"_placeholder":true,"num":0}}]');
  send(id, Buffer.from("binary"));
  const [event, publication] = await packet("451-/chat,");
  assert.deepEqual([event, publication.from.id, String(await next(id))], ["say", "webgl", "binary"]);
  assert.equal((await packet("43/chat,2"))[0].offset, 1);
  assert.equal(js.state(id), OPEN);
  js.close(id);
  await eventually(() => !(id in js.sockets));
});

test("more than may wait to be received closes, and is told", async () => {
  const { js, open, send, receive } = page({ inbound: 5000 });
  const id = open(at("/echo"));
  for (let n = 0; n < 20; n++) send(id, "x".repeat(500));
  await eventually(() => js.state(id) === CLOSED);
  assert.equal(js.end(id), INBOUND_FULL);
  assert.equal(receive(id), null);
});

test("a message alone may be larger than what may wait", async () => {
  const { open, send, next } = page({ inbound: 5000 });
  const id = open(at("/echo"));
  send(id, "x".repeat(50_000));
  assert.equal((await next(id)).length, 50_000);
});

test("more than may wait to be sent closes, and is told", async () => {
  const { js, open, send } = page({ outbound: 100_000 });
  const id = open(at("/echo"));
  for (let n = 0; n < 3; n++) send(id, "x".repeat(40_000)); // it is not even open
  assert.deepEqual([js.state(id), js.end(id), js.waiting(id)], [CLOSED, OUTBOUND_FULL, 0]);
});

test("what came before the other side closed is still there", async () => {
  const other = await new Service().start();
  const { js, open, next, receive, send } = page();
  const id = open(`${other.http.replace("http", "ws")}/ws`);
  send(id, '{"op":"join","ns":"/chat","room":"lobby","ref":1}');
  await eventually(() => js.nextlength(id) >= 0);
  assert.equal(await other.stop(), 0);
  await eventually(() => js.state(id) === CLOSED);
  assert.deepEqual([js.end(id), js.closecode(id)], [THERE, 1001]);
  assert.equal(JSON.parse(await next(id)).ref, 1);
  assert.equal(JSON.parse(await next(id)).push, "closing");
  assert.equal(receive(id), null);
});

test("a connection that breaks, or never comes about, is lost", async () => {
  const other = await new Service().start();
  const { js, open, next, send } = page();
  const id = open(other.http.replace("http", "ws") + "/echo");
  send(id, "there");
  await next(id);
  await other.stop("SIGKILL");
  await eventually(() => js.state(id) === CLOSED);
  assert.equal(js.end(id), LOST);
  const nobody = open(other.http.replace("http", "ws") + "/echo");
  const nonsense = open("no address");
  await eventually(() => js.state(nobody) === CLOSED && js.state(nonsense) === CLOSED);
  assert.deepEqual([js.end(nobody), js.end(nonsense)], [LOST, LOST]);
});

test("a goodbye is one, and breaking off is none: the others are told at once, or not yet", async () => {
  const { js, open, send, next } = page();
  const enter = async (user) => {
    const id = open(at(`/ws?user=${user}`));
    send(id, JSON.stringify({ op: "join", ns: "/chat", ref: 1, room: "goodbye" }));
    assert.equal(JSON.parse(await next(id)).ok, true);
    return id;
  };
  const watcher = await enter("watcher");
  const [leaves, breaks] = [await enter("leaves"), await enter("breaks")];
  for (const _ of "12") assert.equal(JSON.parse(await next(watcher)).action, "join");
  js.abort(breaks);
  assert.deepEqual([js.state(breaks), js.end(breaks)], [CLOSED, HERE]);
  js.close(leaves);
  const { action, member } = JSON.parse(await next(watcher));
  assert.deepEqual([action, member.id], ["leave", "leaves"]);
  js.free(breaks);
});

test("what is forgotten, or never was, is closed and answers harmlessly", () => {
  const { js, open, send, receive } = page();
  const id = open(at("/echo"));
  js.free(id);
  for (const one of [id, 12345]) {
    send(one, "nobody hears");
    js.close(one);
    js.abort(one);
    js.free(one);
    js.take(one, 0);
    assert.deepEqual([js.state(one), receive(one), js.waiting(one), js.closecode(one)], [CLOSED, null, 0, 0]);
  }
});
