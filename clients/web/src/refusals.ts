// Connections that the service refuses or ends: what is temporary is tried again, what is for good is told.
import type { Socket } from "socket.io-client";
import { Backoff, isTemporary, RtError } from "./failures.js";
import type { Closing, Failure } from "./protocol.js";

const TOO_LARGE = 1009;
const INVALID = [1002, 1007, 400];
const CLOSED_POLLING = "transport closed by the server"; // which has no code

/** What socket.io-client tells of a connection that ended: the frame that closed it, or the answer to a request. */
interface Details {
  description?: unknown;
  context?: { code?: number; status?: number; reason?: string };
}

/** Why the service closed a connection, where that was for what it was sent. */
export function closedFor(details: unknown): Failure | undefined {
  const { description, context } = (details ?? {}) as Details;
  const why = context?.code ?? context?.status ?? 0;
  if (why !== TOO_LARGE && !INVALID.includes(why) && description !== CLOSED_POLLING) return undefined;
  const message = `the connection was closed for it: ${context?.reason || "it cannot be read, or is too large"}`;
  return { code: why === TOO_LARGE ? "too_large" : "invalid_data", message };
}

type Refused = (error: RtError) => void;

interface Watch {
  told: Set<Refused>;
  end(): void;
}

const watches = new WeakMap<Socket, Watch>(); // one for each: of several the shortest pause would count

/**
 * `refused` is told why the connection does not come back. socket.io-client comes back by itself when the network
 * breaks, but not when the service refuses it. The function that is returned ends the watch.
 */
export function watch(socket: Socket, refused: Refused): () => void {
  const { told, end } = watches.get(socket) ?? begin(socket);
  told.add(refused);
  return () => {
    if (told.delete(refused) && told.size === 0) end();
  };
}

function begin(socket: Socket): Watch {
  const told = new Set<Refused>();
  const refused = (error: RtError): void => [...told].forEach((one) => one(error));
  const backoff = new Backoff();
  const connected = (): void => backoff.reset();
  const failed = (error: Error & { data?: Failure }): void => {
    const failure = error.data;
    if (socket.active || typeof failure?.code !== "string") return;
    const connect = (): unknown => socket.active || socket.connect();
    if (isTemporary(failure) && socket.io.reconnection()) backoff.again(connect, failure);
    else refused(new RtError(failure));
  };
  const closing = (said: Closing): void => {
    if (!said.reconnect) refused(new RtError(said));
  };
  socket.on("connect", connected);
  socket.on("connect_error", failed);
  socket.on("closing", closing);
  const end = (): void => {
    watches.delete(socket);
    backoff.reset();
    socket.off("connect", connected);
    socket.off("connect_error", failed);
    socket.off("closing", closing);
  };
  watches.set(socket, { told, end });
  return { told, end };
}
