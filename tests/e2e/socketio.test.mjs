// The real socket.io-client, as a web developer uses it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import mqtt from "mqtt";
import { io } from "socket.io-client";
import { Service, eventually } from "./service.mjs";

const service = new Service("--set", "socketio.ping_interval_s=1");
const open = [];

before(() => service.start());
after(async () => {
  open.forEach((one) => one.close?.() ?? one.end(true));
  assert.equal(await service.stop(), 0);
});

function connect(namespace, options = {}) {
  const socket = io(service.http + namespace, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 100, ...options });
  open.push(socket);
  return socket;
}

const ask = (socket, verb, request = {}) => socket.timeout(20_000).emitWithAck(verb, request);

async function ok(socket, verb, request) {
  const answer = await ask(socket, verb, request);
  assert.equal(answer.ok, true, JSON.stringify(answer));
  return answer;
}

for (const transports of [["websocket"], ["polling"], ["polling", "websocket"]]) {
  describe(`over ${transports.join(" upgraded to ")}`, () => {
    const room = `room-${transports.join("-")}`;

    test("two clients in a room see the same, with acknowledgements in the contract's shape", async () => {
      const [alice, bob] = [connect("/chat", { transports, auth: { user: "alice" } }), connect("/chat", { transports })];
      const joined = await ok(alice, "join", { room });
      assert.deepEqual([joined.offset, joined.recovered, joined.publications, joined.latest], [0, false, [], []]);
      await ok(bob, "join", { room });
      const seen = [];
      bob.on("say", (publication) => seen.push(publication));
      const answer = await ok(alice, "publish", { room, event: "say", data: { text: "hi" } });
      await eventually(() => seen.length === 1);
      const { at, ...rest } = seen[0];
      assert.deepEqual(rest, { room, event: "say", data: { text: "hi" }, from: { kind: "user", id: "alice" }, id: answer.id, offset: 1 });
      assert.ok(Math.abs(at - Date.now()) < 60_000);
    });

    test("binary inside data arrives as binary", async () => {
      const [alice, bob] = [connect("/chat", { transports }), connect("/chat", { transports })];
      await Promise.all([ok(alice, "join", { room: room + "b" }), ok(bob, "join", { room: room + "b" })]);
      const seen = [];
      bob.on("upload", (publication) => seen.push(publication));
      await ok(alice, "publish", { room: room + "b", event: "upload", data: { bytes: Buffer.from([0, 1, 255]) } });
      await eventually(() => seen.length === 1);
      assert.deepEqual([...new Uint8Array(seen[0].data.bytes)], [0, 1, 255]);
    });

    test("more binary than socket.io-client takes in one packet does not end the connection", async () => {
      const [alice, bob] = [connect("/chat", { transports }), connect("/chat", { transports })];
      const room = `parts-${transports.join("-")}`;
      await Promise.all([ok(alice, "join", { room }), ok(bob, "join", { room })]);
      const seen = [];
      bob.on("upload", (publication) => seen.push(publication.data));
      const data = Array.from({ length: 12 }, (_, n) => Buffer.from([n]));
      await ok(alice, "publish", { room, event: "upload", data });
      await eventually(() => seen.length === 1);
      for (let n = 0; n < 12; n++) await ok(alice, "publish", { room, event: "one", data: Buffer.from([n]) });
      const told = [seen[0], (await ok(bob, "history", { room })).publications.slice(1).map((one) => one.data)];
      for (const values of told) {
        const bytes = values.map((one) => (one.$base64 ? Buffer.from(one.$base64, "base64") : new Uint8Array(one))[0]);
        assert.deepEqual(bytes, Array.from({ length: 12 }, (_, n) => n));
      }
      assert.ok(bob.connected && alice.connected);
    });

    test("a refusal says what was wrong, and the socket lives on", async () => {
      const alice = connect("/chat", { transports });
      const { ok: fine, error } = await ask(alice, "publish", { room: "no/way", event: "say", data: 1 });
      assert.deepEqual([fine, error.code], [false, "invalid_room"]);
      await ok(alice, "ping");
    });

    test("a client answers a call through the acknowledgement", async () => {
      const bob = connect("/chat", { transports, auth: { user: `bob-${room}` } });
      bob.on("call", ({ method, data }, answer) => answer({ method, doubled: data * 2 }));
      await ok(bob, "ping");
      const alice = connect("/chat", { transports });
      assert.deepEqual((await ok(alice, "call", { to: `user:bob-${room}`, method: "double", data: 21 })).data, { method: "double", doubled: 42 });
    });

    test("a device's telemetry arrives, and a publication reaches the device", async () => {
      const page = connect("/iot", { transports });
      const id = `pump-${transports.join("-")}`;
      const seen = [];
      page.on("telemetry", (publication) => seen.push(publication));
      await ok(page, "join", { room: `device:${id}` });
      const device = await mqtt.connectAsync(service.mqtt, { protocolVersion: 5 });
      open.push(device);
      const got = [];
      device.on("message", (topic, payload) => got.push([topic, JSON.parse(payload).data]));
      await device.subscribeAsync("rt/out/iot/#", { qos: 1 });
      await device.publishAsync(`devices/${id}/telemetry`, JSON.stringify({ c: 21.5 }), { qos: 1 });
      await eventually(() => seen.length === 1);
      assert.deepEqual([seen[0].from, seen[0].data], [{ kind: "device", id }, { c: 21.5 }]);
      await ok(page, "publish", { room: `device:${id}`, event: "say", data: "hello" });
      await eventually(() => got.some(([topic, data]) => topic === `rt/out/iot/device:${id}/say` && data === "hello"));
    });
  });
}

test("an unknown namespace is refused", async () => {
  const socket = connect("/secret", { reconnection: false });
  await new Promise((resolve) => socket.once("connect_error", resolve));
  assert.equal(socket.connected, false);
});

test("a quiet connection is kept by pings", async () => {
  const alice = connect("/chat", { transports: ["websocket"] });
  await ok(alice, "ping");
  let pings = 0;
  alice.io.on("ping", () => (pings += 1));
  await eventually(() => pings >= 3); // each comes after the one before was answered
  assert.equal(alice.connected, true);
});

test("a client that was away comes back by itself and recovers what it missed", async () => {
  const room = "away";
  const [alice, bob] = [connect("/chat", { transports: ["websocket"] }), connect("/chat", { transports: ["websocket"] })];
  let since = await ok(bob, "join", { room });
  await ok(alice, "join", { room });
  bob.io.engine.close(); // the network breaks
  for (let n = 0; n < 3; n++) await ok(alice, "publish", { room, event: "say", data: n });
  await eventually(() => bob.connected);
  const answer = await ok(bob, "join", { room, since: { epoch: since.epoch, offset: since.offset } });
  assert.equal(answer.recovered, true);
  assert.deepEqual(answer.publications.map((one) => one.data), [0, 1, 2]);
});

test("clients are told that the service stops, and come back when it is there again", async () => {
  const alice = connect("/chat", { transports: ["websocket"] });
  const before = await ok(alice, "join", { room: "restart" });
  const closing = [];
  alice.on("closing", (body) => closing.push(body));
  assert.equal(await service.stop(), 0);
  await eventually(() => closing.length === 1 && !alice.connected);
  assert.deepEqual([closing[0].code, closing[0].reconnect], ["shutdown", true]);
  await service.start();
  await eventually(() => alice.connected);
  const answer = await ok(alice, "join", { room: "restart", since: { epoch: before.epoch, offset: before.offset } });
  assert.equal(answer.recovered, true, "it was kept on disk");
});
