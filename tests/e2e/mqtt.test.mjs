// mqtt.js against the embedded broker: TCP and WebSocket, 3.1.1 and 5.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import mqtt from "mqtt";
import { Service, eventually } from "./service.mjs";

const service = new Service();
const open = [];

before(() => service.start());
after(async () => {
  for (const client of open) client.end(true);
  assert.equal(await service.stop(), 0);
});

async function connect(url, options) {
  const client = await mqtt.connectAsync(url, { reconnectPeriod: 0, ...options }, false);
  open.push(client);
  return client;
}

for (const protocolVersion of [4, 5]) {
  for (const way of ["TCP", "WebSocket"]) {
    for (const qos of [0, 1, 2]) {
      test(`a message over ${way}, version ${protocolVersion}, QoS ${qos}`, async () => {
        const url = way === "TCP" ? service.mqtt : `${service.http.replace("http", "ws")}/mqtt`;
        const client = await connect(url, { protocolVersion });
        const topic = `t/${way}/${protocolVersion}/${qos}`;
        const got = [];
        client.on("message", (on, payload, packet) => got.push([on, payload.toString(), packet.qos]));
        await client.subscribeAsync(topic, { qos });
        await client.publishAsync(topic, "x".repeat(10_000), { qos });
        await eventually(() => got.length === 1);
        assert.deepEqual(got, [[topic, "x".repeat(10_000), qos]]);
      });
    }
  }
}

test("a page of another origin gets no WebSocket", async () => {
  const url = `${service.http.replace("http", "ws")}/mqtt`;
  await assert.rejects(connect(url, { wsOptions: { origin: "http://evil.example" }, connectTimeout: 2000 }));
});
