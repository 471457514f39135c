// Connections that the service refuses or ends: what is temporary is tried again, what is for good is told.
import type { Socket } from "socket.io-client";
import { Backoff, isTemporary, RtError } from "./failures.js";
import type { Closing, Failure } from "./protocol.js";

/**
 * `refused` is told why the connection does not come back. socket.io-client comes back by itself when the network
 * breaks, but not when the service refuses it. The function that is returned ends the watch.
 */
export function watch(socket: Socket, refused: (error: RtError) => void): () => void {
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
  return () => {
    backoff.reset();
    socket.off("connect", connected);
    socket.off("connect_error", failed);
    socket.off("closing", closing);
  };
}
