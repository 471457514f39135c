// One namespace over socket.io-client: verbs as promises, and the room that the page shows.
import { io, type Socket } from "socket.io-client";
import type { Failure } from "./protocol";
import { joinRoom, RoomError, type Room, type RoomOptions } from "./rooms";

export class Connection {
  readonly #socket: Socket;
  #room: Room | undefined;

  constructor(namespace: string, auth: { user: string }, state: (text: string, good: boolean) => void) {
    this.#socket = io(namespace, { auth });
    this.#socket.on("connect", () => state("connected", true));
    this.#socket.on("disconnect", () => state("reconnecting", false));
    this.#socket.on("connect_error", (error: Error & { data?: Failure }) => {
      if (error.data) state(error.data.message, false); // refused; anything else is the network, and tried again
    });
  }

  /** Throws at once while there is no connection: what somebody asks now is not meant for later. */
  async ask<T>(verb: string, request: object = {}): Promise<T> {
    if (!this.#socket.connected) throw new Error("not connected");
    const answer = await this.#socket.timeout(10_000).emitWithAck(verb, request);
    if (!answer.ok) throw new RoomError(answer.error);
    return answer as T;
  }

  /** Leave the room we are in, and enter another. */
  enter(room: string, options: RoomOptions): void {
    this.#room?.leave();
    this.#room = joinRoom(this.#socket, room, options);
  }
}
