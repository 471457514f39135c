// A room over a socket of socket.io-client: each kept publication once and in order, also across reconnects, and
// publishing that is repeated until it is answered. Needs nothing but the socket; for browsers and Node.
import type { Socket } from "socket.io-client";
import { withBinary } from "./binary.js";
import { Backoff, isTemporary, RtError, tell, unwritable } from "./failures.js";
import { failed, Outbox, published } from "./outbox.js";
import type { Answer, Failure, Joined, Position, PresenceChange, Publication, Published } from "./protocol.js";
import { closedFor, watch } from "./refusals.js";

export { RoomError } from "./failures.js";

const ANSWER_MS = 10_000; // an answer that takes longer is not waited for

/** Unless `recovered`, something may be missing since the last publication. `first`: there was none before. */
export interface RoomJoined extends Omit<Joined, "publications"> {
  first: boolean;
}

export interface RoomOptions {
  /** A position to go on from, such as `room.position` of an earlier visit. */
  since?: Position;
  onPublication(publication: Publication): void;
  /** Entered, and again after every reconnect; what was missed follows as publications. */
  onJoined?(joined: RoomJoined): void;
  onPresence?(change: PresenceChange): void;
  /** The room or the connection is refused for good. Temporary trouble is not told; it is tried again. */
  onError?(error: RtError): void;
}

export interface PublishOptions {
  class?: "kept" | "latest" | "volatile" | undefined;
  key?: string | undefined;
  /** Of your own: who publishes the same again, after a reload perhaps, has it there once. */
  id?: string | undefined;
  deadlineMs?: number | undefined;
}

/** Enter a room, and stay in it until `leave`. Once for each room of a socket: two would leave together. */
export function joinRoom(socket: Socket, name: string, options: RoomOptions): Room {
  return new Room(socket, name, options, watch(socket, (error) => tell(() => options.onError?.(error))));
}

export class Room {
  readonly #socket: Socket;
  readonly #options: RoomOptions;
  readonly #outbox: Outbox;
  readonly #backoff = new Backoff();
  readonly #unwatch: () => void;
  #state: "away" | "joining" | "in" | "refused" | "left" = "away";
  #refusal: RtError | undefined; // why nothing can be published
  #since: Position | undefined;
  #attempt = 0; // an answer to an earlier one comes too late
  #held: Publication[] = []; // pushed while a join is repeated; what the answer tells comes before them

  constructor(
    socket: Socket,
    readonly name: string,
    options: RoomOptions,
    unwatch = (): void => undefined,
  ) {
    this.#socket = socket;
    this.#options = options;
    this.#since = options.since && { ...options.since };
    this.#outbox = new Outbox((request, answered) => socket.timeout(ANSWER_MS).emit("publish", request, answered));
    socket.on("connect", this.#onConnect);
    socket.on("disconnect", this.#onDisconnect);
    this.#unwatch = unwatch;
    socket.onAny(this.#onAny);
    if (socket.connected) this.#onConnect();
  }

  /** The last kept publication that was told. */
  get position(): Position | undefined {
    return this.#since && { ...this.#since };
  }

  /**
   * Resolves when it is kept; `data` must not be changed until then. It is sent again until it is answered or its
   * deadline passes, and later ones wait for it. What is volatile waits for nothing: it is sent once, now or never.
   */
  publish(event: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    const { class: class_, key, id, deadlineMs = 30_000 } = options;
    const request = { room: this.name, event, data, class: class_, key, id };
    if (this.#refusal) return Promise.reject(this.#refusal);
    return class_ === "volatile" ? this.#publishOnce(request, deadlineMs) : this.#outbox.add(request, deadlineMs);
  }

  /** What still waits to be published is rejected, with `why`. */
  leave(why: Failure = { code: "not_member", message: `the room ${this.name} was left` }): void {
    if (this.#state === "left") return;
    this.#end("left", why);
    this.#socket.off("connect", this.#onConnect);
    this.#socket.off("disconnect", this.#onDisconnect);
    this.#unwatch();
    this.#socket.offAny(this.#onAny);
    if (this.#socket.connected) this.#socket.emit("leave", { room: this.name }, () => undefined);
  }

  // -- entering

  readonly #onConnect = (): void => {
    this.#backoff.reset();
    this.#refusal = undefined;
    this.#state = "joining";
    this.#join();
  };

  #join(): void {
    const attempt = ++this.#attempt;
    // A callback, not a promise: what is pushed next may come before a promise is looked at.
    const answered = (error: Error | null, answer: Answer<Joined>): void => {
      if (attempt !== this.#attempt) return;
      if (error) this.#backoff.again(() => this.#join());
      else if (answer.ok) this.#joined(withBinary(answer));
      else if (isTemporary(answer.error)) this.#backoff.again(() => this.#join(), answer.error);
      else this.#tellError(this.#end("refused", answer.error));
    };
    this.#socket.timeout(ANSWER_MS).emit("join", { room: this.name, since: this.#since }, answered);
  }

  #joined({ epoch, offset, recovered, latest, members, publications }: Joined): void {
    const first = this.#since === undefined;
    const held = this.#held.splice(0);
    this.#since = { epoch, offset: this.#since && recovered ? this.#since.offset : offset };
    this.#state = "in";
    this.#backoff.reset();
    const joined = { first, recovered: first || recovered, epoch, offset, latest, members };
    tell(() => this.#options.onJoined?.(joined));
    for (const publication of [...publications, ...held]) this.#kept(publication);
    if (this.#state === "in") this.#outbox.start(); // the application may have left meanwhile
  }

  readonly #onDisconnect = (_reason?: string, details?: unknown): void => {
    this.#attempt++;
    this.#held = [];
    this.#backoff.reset();
    this.#outbox.stop(closedFor(details));
    if (this.#state !== "left") this.#state = "away";
  };

  #end(state: "refused" | "left", failure: Failure): RtError {
    this.#onDisconnect();
    this.#state = state;
    this.#refusal = new RtError(failure);
    this.#outbox.fail(this.#refusal);
    return this.#refusal;
  }

  // -- what is pushed

  readonly #onAny = (event: string, said?: Publication | PresenceChange): void => {
    if (said?.room !== this.name) return;
    const body = withBinary(said);
    if ("action" in body && event === "presence") tell(() => this.#options.onPresence?.(body));
    else if (!("offset" in body)) return;
    else if (body.offset === null) tell(() => this.#options.onPublication(body));
    else if (this.#state === "joining") this.#held.push(body);
    else this.#kept(body);
  };

  #kept(publication: Publication): void {
    const { offset } = publication;
    if (this.#state !== "in" || !this.#since || offset === null || offset <= this.#since.offset) return;
    this.#since.offset = offset;
    this.#outbox.seen(publication, this.#since.epoch);
    tell(() => this.#options.onPublication(publication));
  }

  #tellError(error: RtError): void {
    tell(() => this.#options.onError?.(error));
  }

  #publishOnce(request: object, deadlineMs: number): Promise<Published> {
    if (this.#state !== "in" || !this.#socket.connected) return failed("unavailable", `not in the room ${this.name} now`);
    return new Promise((resolve, reject) => {
      const answered = (error: Error | null, answer: Answer<Published>): void => {
        if (error) reject(new RtError({ code: "timeout", message: `no answer: ${error.message}` }));
        else if (answer.ok) resolve(published(answer));
        else reject(new RtError(answer.error));
      };
      try {
        this.#socket.timeout(deadlineMs).emit("publish", request, answered);
      } catch (error) {
        reject(unwritable(error));
      }
    });
  }
}
