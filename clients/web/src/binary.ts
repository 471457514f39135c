// Binary that the service could not attach to a packet: socket.io-client takes ten attachments in one and ends the connection for
// more, so the further ones come as {"$base64": "…"}.

/** The value with all binary as socket.io-client gives it: Buffer in Node, ArrayBuffer in browsers. */
export function withBinary<T>(value: T): T {
  return whole(value) as T;
}

function whole(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(whole);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const fields = Object.entries(value);
  const [first] = fields;
  if (fields.length === 1 && first?.[0] === "$base64" && typeof first[1] === "string") return bytes(first[1]) ?? value;
  return Object.fromEntries(fields.map(([name, one]) => [name, whole(one)]));
}

function bytes(base64: string): unknown {
  try {
    const { buffer } = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const node = globalThis as { Buffer?: { from(bytes: ArrayBufferLike): unknown } };
    return node.Buffer ? node.Buffer.from(buffer) : buffer;
  } catch {
    return undefined; // somebody's own
  }
}
