// The helper for rooms, as the service serves it, with the real socket.io-client and a service that is killed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { io } from "socket.io-client";
import { joinRoom } from "../../rt_service/web/rooms.mjs";
import { Service, eventually } from "./service.mjs";

const BOUNDS = ["history.publications=50", "limits.publishes_per_s=10", "limits.publish_burst=50"];
const service = new Service(...BOUNDS.flatMap((one) => ["--set", one]));
service.options.push("--data-dir", join(service.folder, "data"));
const open = [];

before(() => service.start());
after(async () => {
  open.forEach((socket) => socket.close());
  assert.equal(await service.stop(), 0);
});

function connect(user, namespace = "/chat", transports = ["polling", "websocket"]) {
  const options = { forceNew: true, transports, reconnectionDelay: 50, reconnectionDelayMax: 200, auth: user ? { user } : {} };
  const socket = io(service.http + namespace, options);
  open.push(socket);
  return socket;
}

/** A client in a room, with what it was told. */
function enter(name, { user, namespace, transports, ...options } = {}) {
  const socket = connect(user, namespace, transports);
  const told = { socket, data: [], joined: [], presence: [], errors: [] };
  told.room = joinRoom(socket, name, {
    onPublication: (publication) => told.data.push(publication.data),
    onJoined: (joined) => told.joined.push(joined),
    onPresence: (change) => told.presence.push(change),
    onError: (error) => told.errors.push(error),
    ...options,
  });
  return told;
}

const entered = (client, times = 1) => eventually(() => client.joined.length >= times);
const numbers = (from, to) => Array.from({ length: to - from }, (_, n) => from + n);
const publishAll = (client, all) => Promise.all(all.map((n) => client.room.publish("say", n)));

/** The network of one client breaks; it comes back by itself. */
const cut = (client) => client.socket.io.engine.close();

/** The network of one client is away until the function that is returned is called. */
function unplug(client) {
  client.socket.io.reconnection(false);
  cut(client);
  return () => {
    client.socket.io.reconnection(true);
    client.socket.connect();
  };
}

test("a client that was away gets what it missed once and in order", async () => {
  const [alice, bob] = [enter("away", { user: "alice" }), enter("away", { user: "bob" })];
  await Promise.all([entered(alice), entered(bob)]);
  await publishAll(alice, numbers(0, 3));
  await eventually(() => bob.data.length === 3);
  const plugIn = unplug(bob);
  await publishAll(alice, numbers(3, 10));
  const more = publishAll(alice, numbers(10, 40)); // while it comes back
  plugIn();
  await more;
  await eventually(() => bob.data.length >= 40);
  assert.deepEqual(bob.data, numbers(0, 40));
  assert.deepEqual(bob.joined.map(({ first, recovered }) => [first, recovered]), [[true, true], [false, true]]);
  assert.equal(bob.room.position.offset, 40);
  assert.deepEqual(alice.data, numbers(0, 40), "the one who publishes sees its own, once too");
});

test("recovered false is told when the history is too short, and when it started again", async () => {
  const [alice, bob] = [enter("short", { user: "alice" }), enter("short", { user: "bob" })];
  await Promise.all([entered(alice), entered(bob)]);
  await publishAll(alice, [0]);
  await alice.room.publish("topic", "rooms", { class: "latest", key: "topic" });
  await eventually(() => bob.data.length === 2);
  const plugIn = unplug(bob);
  await publishAll(alice, numbers(1, 60)); // 50 are kept
  plugIn();
  await entered(bob, 2);
  assert.deepEqual([bob.joined[1].first, bob.joined[1].recovered, bob.joined[1].offset], [false, false, 60]);
  assert.deepEqual(bob.joined[1].latest.map((one) => [one.key, one.data]), [["topic", "rooms"]]);
  await publishAll(alice, [60]);
  await eventually(() => bob.data.length === 3);
  assert.deepEqual(bob.data, [0, "rooms", 60]);

  const stranger = enter("short", { since: { epoch: "another", offset: 3 } });
  await entered(stranger);
  assert.equal(stranger.joined[0].recovered, false);
});

test("a position of an earlier visit is where the next one goes on", async () => {
  const alice = enter("visit", { user: "alice" });
  await publishAll(alice, numbers(0, 2));
  const since = alice.room.position;
  await publishAll(alice, numbers(2, 5));
  const later = enter("visit", { since });
  await entered(later);
  assert.deepEqual([later.joined[0].recovered, later.data], [true, [2, 3, 4]]);
});

for (const user of ["alice", undefined]) {
  const who = user ?? "an anonymous client";
  test(`what ${who} publishes while the service is killed arrives once and in order`, async () => {
    const name = `killed-${user}`;
    const [alice, bob] = [enter(name, { user }), enter(name, { user: "bob" })];
    await Promise.all([entered(alice), entered(bob)]);
    const answers = [];
    for (const death of [1, 2, 3]) {
      const from = (death - 1) * 40;
      answers.push(...numbers(from, from + 30).map((n) => alice.room.publish("say", n)));
      await eventually(() => bob.data.length >= from + 10);
      await service.stop("SIGKILL"); // amidst them
      answers.push(...numbers(from + 30, from + 40).map((n) => alice.room.publish("say", n)));
      await service.start();
      await Promise.all([entered(alice, death + 1), entered(bob, death + 1)]);
      await eventually(() => bob.data.length >= from + 40);
    }
    const offsets = (await Promise.all(answers)).map((answer) => answer.offset);
    assert.deepEqual(offsets, numbers(1, 121));
    assert.deepEqual(bob.data, numbers(0, 120));
    assert.ok(bob.joined.every((joined) => joined.recovered));
  });
}

test("a publication whose answer is lost is sent again, and there once", async () => {
  const [alice, bob] = [enter("lost", { user: "alice" }), enter("lost", { user: "bob" })];
  await Promise.all([entered(alice), entered(bob)]);
  for (let n = 0; n < 10; n++) {
    const answer = alice.room.publish("say", n);
    cut(alice); // it is on its way, perhaps
    assert.equal((await answer).offset, n + 1);
  }
  await eventually(() => bob.data.length >= 10);
  assert.deepEqual(bob.data, numbers(0, 10));
});

test("a room in memory starts again with the service, and goes on from there", async () => {
  const [alice, bob] = ["alice", "bob"].map((user) => enter("match", { user, namespace: "/game" }));
  await Promise.all([entered(alice), entered(bob)]);
  await publishAll(alice, numbers(0, 3));
  assert.equal(await service.stop(), 0); // it says `closing` first
  const answer = alice.room.publish("say", 3);
  await service.start();
  await Promise.all([entered(alice, 2), entered(bob, 2)]);
  assert.equal(bob.joined[1].recovered, false);
  assert.equal((await answer).offset, 1);
  await publishAll(alice, [4]);
  await eventually(() => bob.data.at(-1) === 4);
  assert.deepEqual(bob.data.slice(0, 3), [0, 1, 2]);
  assert.deepEqual([...alice.errors, ...bob.errors], []);
});

test("publications keep their order when the service refuses some of them for a while", async () => {
  const [alice, bob] = [enter("fast", { user: "alice" }), enter("fast", { user: "bob" })];
  await Promise.all([entered(alice), entered(bob)]);
  const refused = async () => /rt_refused_total\{[^}]*too_many_requests[^}]*\} [1-9]/.test(await (await fetch(`${service.http}/metrics`)).text());
  let said = 0;
  do {
    await publishAll(alice, numbers(said, said + 80)); // more than it may at once, unless that takes seconds
    said += 80;
  } while (!(await refused()) && said < 800);
  await eventually(() => bob.data.length >= said);
  assert.deepEqual(bob.data, numbers(0, said));
  assert.ok(await refused());
});

test("a refused publish rejects, and those behind it go on", async () => {
  const alice = enter("refused", { user: "alice" });
  const bad = alice.room.publish("no/way", 1);
  const large = alice.room.publish("say", "x".repeat(70_000));
  const good = alice.room.publish("say", 2);
  await assert.rejects(bad, { name: "RtError", code: "invalid_event", message: /event/ });
  await assert.rejects(large, { code: "too_large" });
  assert.equal((await good).offset, 1);
  const circle = {};
  circle.self = circle;
  await assert.rejects(alice.room.publish("say", circle), { name: "RtError", code: "invalid_data" });
  assert.equal((await alice.room.publish("say", 3)).offset, 2);
});

test("a publication that the connection is closed for is refused, and those behind it arrive", async () => {
  const nested = (depth) => (depth ? [nested(depth - 1)] : []);
  const cases = [
    ["too_large", "x".repeat(2_000_000)],
    ["invalid_data", nested(3000)],
    ["invalid_data", Array.from({ length: 65 }, () => Buffer.from("a"))],
  ];
  for (const transports of [["websocket"], ["polling"]]) {
    const alice = enter(`closes-${transports}`, { user: "alice", transports });
    await entered(alice);
    for (const [code, data] of cases) {
      const bad = alice.room.publish("say", data);
      const good = alice.room.publish("say", code);
      await assert.rejects(bad, { name: "RtError", code: transports[0] === "polling" ? "invalid_data" : code, message: /closed/ });
      await good;
    }
    await eventually(() => alice.data.length === cases.length);
    assert.deepEqual(alice.data, cases.map(([code]) => code));
  }
});

test("an id that somebody else has published is not taken for one's own", async () => {
  const [alice, bob] = [enter("same", { user: "alice" }), enter("same", { user: "bob" })];
  await Promise.all([entered(alice), entered(bob)]);
  const plugIn = unplug(bob);
  const waiting = bob.room.publish("say", "bob's", { id: "same" });
  assert.equal((await alice.room.publish("say", "alice's", { id: "same" })).offset, 1);
  plugIn();
  assert.equal((await waiting).offset, 2);
  await eventually(() => alice.data.length === 2);
  assert.deepEqual(alice.data, ["alice's", "bob's"]);
});

test("a publish past its deadline rejects and is not sent later", async () => {
  const alice = enter("late", { user: "alice" });
  await entered(alice);
  const plugIn = unplug(alice);
  const late = alice.room.publish("say", "late", { deadlineMs: 100 });
  const patient = alice.room.publish("say", "patient");
  await assert.rejects(late, { code: "timeout", message: "not sent in time" });
  await assert.rejects(alice.room.publish("say", 1, { deadlineMs: 1e9 }), { code: "bad_request" });
  plugIn();
  assert.equal((await patient).offset, 1);
  assert.deepEqual(alice.data, ["patient"]);
});

test("what waits is bounded, and what is volatile does not wait", async () => {
  const alice = enter("bounded", { user: "alice" });
  await entered(alice);
  await alice.room.publish("cursor", 1, { class: "volatile" });
  assert.deepEqual([alice.data, alice.room.position.offset], [[1], 0]);
  unplug(alice);
  await assert.rejects(alice.room.publish("cursor", 2, { class: "volatile" }), { code: "unavailable" });
  const waiting = Promise.allSettled(numbers(0, 1000).map((n) => alice.room.publish("say", n)));
  const message = "1000 wait to be published";
  await assert.rejects(alice.room.publish("say", 1000), { code: "too_many_requests", message });
  alice.room.leave();
  assert.ok((await waiting).every(({ reason }) => reason.code === "not_member"));
});

test("a room that is refused is told, and what is published there rejects", async () => {
  const alice = enter("no/room");
  const waiting = alice.room.publish("say", 1);
  await assert.rejects(waiting, { code: "invalid_room" });
  await assert.rejects(alice.room.publish("say", 2), { code: "invalid_room" });
  assert.deepEqual(alice.errors.map((error) => error.code), ["invalid_room"]);
  const lost = enter("lobby", { namespace: "/nowhere" });
  await eventually(() => lost.errors.length === 1);
  assert.equal(lost.errors[0].code, "not_found");
});

test("who is refused for a while enters later, and is told everything once", async () => {
  const [alice, bob] = [enter("busy", { user: "alice" }), enter("busy", { user: "bob" })];
  await Promise.all([entered(alice), entered(bob)]);
  await publishAll(alice, [0]);
  await eventually(() => bob.data.length === 1);
  bob.socket.disconnect();
  await publishAll(alice, [1]);
  const CONNECT = 0, EVENT = 2, ACK = 3, CONNECT_ERROR = 4;
  const refused = { code: "unavailable", message: "a moment", retry_after_ms: 50 };
  const refusals = [
    { type: CONNECT, instead: { type: CONNECT_ERROR, nsp: "/chat", data: { message: "a moment", data: refused } } },
    { type: ACK, instead: { data: [{ ok: false, error: refused }] } },
  ];
  const { onpacket } = bob.socket;
  bob.socket.onpacket = function (packet) {
    const instead = packet.type === refusals[0]?.type ? refusals.shift().instead : {};
    onpacket.call(bob.socket, { ...packet, ...instead });
    if (packet.type === EVENT) onpacket.call(bob.socket, packet); // each push twice
    if (instead.data && packet.type === ACK) void alice.room.publish("say", 2); // it is a member: this is pushed
  };
  bob.socket.connect();
  await entered(bob, 2);
  await publishAll(alice, [3]);
  await eventually(() => bob.data.length >= 4);
  assert.deepEqual([bob.data, bob.joined[1].recovered, refusals, bob.errors], [[0, 1, 2, 3], true, [], []]);
});

test("a connection that is refused is tried again after pauses that grow, however many rooms it has", async () => {
  const socket = connect("many").disconnect();
  for (const n of numbers(0, 200)) joinRoom(socket, `many-${n}`, { onPublication: () => undefined });
  const CONNECT = 0, CONNECT_ERROR = 4;
  const data = { message: "a moment", data: { code: "unavailable", message: "a moment" } };
  let refusals = 5;
  const { onpacket } = socket;
  socket.onpacket = (packet) => {
    const instead = packet.type === CONNECT && refusals-- > 0 ? { type: CONNECT_ERROR, data } : {};
    onpacket.call(socket, { ...packet, ...instead });
  };
  let began;
  socket.once("connect_error", () => (began = performance.now()));
  socket.connect();
  await eventually(() => socket.connected);
  assert.ok(performance.now() - began > 200, `${performance.now() - began} ms`); // 3900 on average, of five pauses by chance
});

test("of latest values that wait the newest is sent, and all are answered", async () => {
  const [alice, bob] = [enter("latest", { user: "alice" }), enter("latest", { user: "bob" })];
  await Promise.all([entered(alice), entered(bob)]);
  const plugIn = unplug(alice);
  const latest = (data, key) => alice.room.publish("place", data, { class: "latest", key });
  const answers = [latest(1, "a"), alice.room.publish("say", 2), latest(3, "a"), latest(4, "b"), latest(5, "a")];
  plugIn();
  const ids = (await Promise.all(answers)).map(({ id }) => id);
  assert.deepEqual([ids[0], ids[2], new Set(ids).size], [ids[4], ids[4], 3]);
  await eventually(() => bob.data.at(-1) === 5);
  assert.deepEqual(bob.data, [2, 4, 5]);
});

test("of too many latest values the newest is sent all the same", async () => {
  const alice = enter("newest", { user: "alice" });
  await entered(alice);
  const plugIn = unplug(alice);
  const latest = (n) => alice.room.publish("place", n, { class: "latest", key: "a" });
  const waiting = Promise.allSettled(numbers(0, 1000).map(latest));
  const newest = latest(1000);
  assert.ok((await waiting).every(({ reason }) => reason.code === "too_many_requests"));
  plugIn();
  await newest;
  await alice.room.publish("say", "after");
  assert.deepEqual(alice.data, [1000, "after"]);
});

test("an application that throws gets the next publication all the same", async () => {
  const thrown = [];
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => thrown.push(error.message));
  const data = [];
  const onPublication = (publication) => {
    data.push(publication.data);
    throw new Error(`no ${publication.data}`);
  };
  const alice = enter("throws", { user: "alice" });
  await entered(alice);
  const since = alice.room.position;
  await publishAll(alice, [0, 1]);
  enter("throws", { since, onPublication }); // both come in one answer
  await eventually(() => thrown.length === 2);
  process.removeAllListeners("uncaughtException");
  listeners.forEach((listener) => process.on("uncaughtException", listener));
  assert.deepEqual([data, thrown], [[0, 1], ["no 0", "no 1"]]);
});

test("a client that left hears nothing more, and may enter again", async () => {
  const alice = enter("leave", { user: "alice" });
  await entered(alice);
  const bob = enter("leave", { user: "bob" });
  await entered(bob);
  await publishAll(alice, [0]);
  await eventually(() => bob.data.length === 1);
  bob.room.leave();
  const bobs = (action) => alice.presence.filter((one) => one.action === action && one.member.id === "bob").length;
  await eventually(() => bobs("leave") === 1);
  await publishAll(alice, [1]);
  const again = [];
  joinRoom(bob.socket, "leave", { onPublication: ({ data }) => again.push(data) });
  await eventually(() => bobs("join") === 2);
  await publishAll(alice, [2]);
  await eventually(() => again.length === 1);
  assert.deepEqual([bob.data, again], [[0], [2]]);
});
