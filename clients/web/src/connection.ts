// One namespace over socket.io-client: verbs as promises, and a room that is joined again after every reconnect.
import { io, type Socket } from "socket.io-client";
import type { Failure, Joined, Position, PresenceChange, Publication } from "./protocol";

export class Refused extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

export interface RoomListener {
  joined(answer: Joined): void;
  published(publication: Publication): void;
  presence(change: PresenceChange): void;
}

export class Connection {
  readonly #socket: Socket;
  #room: string | null = null;
  #since: Position | undefined;
  #listener: RoomListener | null = null;

  constructor(namespace: string, auth: { user: string }, state: (text: string, good: boolean) => void) {
    this.#socket = io(namespace, { auth });
    this.#socket.on("connect", () => {
      state("connected", true);
      void this.#join();
    });
    this.#socket.on("disconnect", () => state("reconnecting", false));
    this.#socket.on("connect_error", (error: Error & { data?: Failure }) => {
      if (error.data) state(error.data.message, false); // refused; anything else is the network, and tried again
    });
    this.#socket.on("presence", (change: PresenceChange) => {
      if (change.room === this.#room) this.#listener?.presence(change);
    });
    this.#socket.onAny((_event, body: unknown) => {
      if (isPublication(body) && body.room === this.#room) this.#publication(body);
    });
  }

  /** Throws at once while there is no connection: what somebody asks now is not meant for later. */
  async ask<T>(verb: string, request: object = {}): Promise<T> {
    if (!this.#socket.connected) throw new Error("not connected");
    const answer = await this.#socket.timeout(10_000).emitWithAck(verb, request);
    if (!answer.ok) throw new Refused(answer.error);
    return answer as T;
  }

  /** Leave the room we are in, and enter another. */
  async enter(room: string, listener: RoomListener): Promise<void> {
    if (this.#room !== null && this.#socket.connected) await this.ask("leave", { room: this.#room });
    this.#room = room;
    this.#since = undefined;
    this.#listener = listener;
    if (this.#socket.connected) await this.#join();
  }

  #join(): Promise<void> {
    const room = this.#room;
    if (room === null) return Promise.resolve();
    return new Promise((resolve) => {
      // A callback, not a promise: what is pushed next may come before a promise is looked at.
      this.#socket.emit("join", { room, since: this.#since }, (answer: Joined) => {
        if (room === this.#room) this.#joined(answer);
        resolve();
      });
    });
  }

  #joined(answer: Joined): void {
    this.#since = { epoch: answer.epoch, offset: answer.offset };
    this.#listener?.joined(answer);
    answer.publications.forEach((publication) => this.#listener?.published(publication));
  }

  #publication(publication: Publication): void {
    if (this.#since && publication.offset !== null) this.#since.offset = publication.offset;
    this.#listener?.published(publication);
  }
}

function isPublication(body: unknown): body is Publication {
  return typeof body === "object" && body !== null && "from" in body && "event" in body && "at" in body;
}
