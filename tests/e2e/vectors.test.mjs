// The vectors of tests/vectors that Python and C# run too: the JSON of JavaScript, and socket.io-client's own parser.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Decoder, Encoder } from "socket.io-parser";

const read = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));
const { values, written, malformed, refused_where_it_can_be: taken } = read("json");
const vectors = read("socketio_packets");
const hex = (text) => Buffer.from(text, "hex");
const parse = (vector) =>
  JSON.parse(vector.hex ? new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(hex(vector.hex)) : vector.text);

/** What a vector's `is` spells out. */
function valueOf([kind, what]) {
  if (kind === "number") return Number(what);
  if (kind === "string") return hex(what).toString();
  if (kind === "array") return what.map(valueOf);
  if (kind === "object") return Object.fromEntries(what.map(([name, one]) => [name, valueOf(one)]));
  return JSON.parse(kind);
}

function withBytes(value) {
  if (Array.isArray(value)) return value.map(withBytes);
  if (typeof value !== "object" || value === null) return value;
  if (typeof value.hex === "string") return hex(value.hex);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withBytes(one)]));
}

function decode({ text, attachments = [] }) {
  const packets = [];
  const decoder = new Decoder();
  decoder.on("decoded", (packet) => packets.push(packet));
  decoder.add(text);
  for (const part of attachments) decoder.add(hex(part));
  return packets;
}

const each = (all, check) => all.forEach((vector) => check(vector));

test("JSON is read", () => each(values, (one) => assert.deepEqual(parse(one), valueOf(one.is), one.name)));
test("JSON is written", () => each(written, (one) => assert.equal(JSON.stringify(valueOf(one.is)), one.text, one.name)));
test("what is no JSON is refused", () => each(malformed, (one) => assert.throws(() => parse(one), undefined, one.name)));
test("what JavaScript takes, it takes", () => each(taken, (one) => assert.doesNotThrow(() => parse(one), one.name)));

test("packets are read", () => {
  each(vectors.packets, (one) => {
    const [packet] = decode(one);
    const { type, nsp, id = null, data = null } = packet;
    const plain = type > 4 ? type - 3 : type;
    assert.deepEqual([plain, nsp, id, data], [one.type, one.namespace, one.id, withBytes(one.data)], one.name);
  });
});

test("packets are written", () => {
  each(vectors.packets, (one) => {
    const packet = { type: one.type, nsp: one.namespace, id: one.id, data: one.data === null ? undefined : withBytes(one.data) };
    const [text, ...parts] = new Encoder().encode(packet);
    assert.deepEqual([text, ...parts.map((part) => part.toString("hex"))], [one.text, ...one.attachments], one.name);
  });
});

test("what socket.io-parser takes, it takes", () => {
  each(vectors.refused_where_it_can_be, (one) => assert.equal(decode(one).length, 1, one.name));
});

test("what is no packet is refused", () => {
  each([...vectors.malformed, ...vectors.malformed_with_parts], (one) => assert.throws(() => decode(one), undefined, one.name));
});
