// A client of rt-service: one namespace of one connection, which comes back by itself.
import { withBinary } from "../src/binary.js";
import { RtError, tell } from "../src/failures.js";
import type { Identity, Member, Position, Pushed } from "../src/protocol.js";
import { ANSWER_MS, Connection, type ConnectOptions, type State } from "./connection.js";
import { Handlers, type Off } from "./handlers.js";
import { Room } from "./room.js";

export interface Twin {
  desired: Record<string, unknown>;
  reported: Record<string, unknown>;
  version: number;
}

/** Asked of us by `call`. */
export interface Call<T = unknown> {
  method: string;
  data: T;
  from: Identity;
}

type Answering = (data: never, call: Call) => unknown;

/** Connect, and stay connected until `close`. Throws RtError where `url`, the namespace or `info` cannot be one. */
export function connect(url: string, options: ConnectOptions = {}): Client {
  return new Client(url, options);
}

export class Client {
  readonly #connection: Connection;
  readonly #rooms = new Map<string, Room>();
  readonly #handlers = new Handlers();
  readonly #answers = new Map<string, Answering>();
  readonly #states = new Set<(state: State, reason?: RtError) => unknown>();

  constructor(url: string, options: ConnectOptions) {
    this.#connection = new Connection(url, options, (state, reason) => this.#changed(state, reason));
    const { socket } = this.#connection;
    socket.on("call", (call: Call, answer: (said: unknown) => void) => {
      const { id } = socket; // acknowledgements are numbered by session: in the next one it would answer another call
      void this.#answer(call, (said) => void (socket.id === id && answer(said)));
    });
    socket.onAny((event: string, body?: Pushed) => {
      if (body?.room === null && "offset" in body) this.#handlers.tell(event, withBinary(body));
    });
  }

  get state(): State {
    return this.#connection.state;
  }

  /** Why it is not connected. */
  get reason(): RtError | undefined {
    return this.#connection.reason;
  }

  /** Told the state at once, and whenever it changes; `closed` does not come back, for the reason that is told. */
  onState(handler: (state: State, reason?: RtError) => unknown): Off {
    this.#states.add(handler);
    tell(() => void handler(this.state, this.reason));
    return () => this.#states.delete(handler);
  }

  /** The room, which is entered now or when it can be, and again after every reconnect, from where it was left. */
  join(name: string, options: { since?: Position | undefined } = {}): Room {
    const known = this.#rooms.get(name);
    if (known && !known.refusal) return known;
    known?.leave();
    const room: Room = new Room(this.#connection.socket, name, {
      since: options.since,
      ask: this.ask,
      heard: (publication) => this.#handlers.tell(publication.event, publication),
      left: () => void (this.#rooms.get(name) === room && this.#rooms.delete(name)),
    });
    this.#rooms.set(name, room);
    if (this.state === "closed" && this.reason) room.end(this.reason);
    return room;
  }

  /** Each publication of an event, of any room, or to us alone (its `room` is null). */
  on<T = unknown>(event: string, handler: (pushed: Pushed<T>) => unknown): Off {
    return this.#handlers.add(event, handler);
  }

  /** Answer calls of `method` with what `handler` returns, or with the RtError that it throws. */
  onCall<T = unknown>(method: string, handler: (data: T, call: Call) => unknown): Off {
    this.#answers.set(method, handler);
    return () => this.#answers.get(method) === handler && this.#answers.delete(method);
  }

  /** What `user:alice` or `device:lamp-1` answers. Throws RtError, also what it answered with. */
  async call<T = unknown>(to: string, method: string, data: unknown = null, timeoutMs = 5000): Promise<T> {
    const request = { to, method, data, timeout_ms: timeoutMs };
    return (await this.ask<{ data: T }>("call", request, timeoutMs + ANSWER_MS)).data;
  }

  /** To every session of `user:alice`; how many there were. Throws RtError, `not_online` where there is none. */
  async send(to: string, event: string, data: unknown): Promise<number> {
    return (await this.ask<{ delivered: number }>("send", { to, event, data })).delivered;
  }

  async rooms(prefix = ""): Promise<{ room: string; members: number }[]> {
    const found: { room: string; members: number }[] = [];
    for (;;) {
      const after = found.at(-1)?.room ?? "";
      const { rooms, more } = await this.ask<{ rooms: { room: string; members: number }[]; more: boolean }>("rooms", { prefix, after });
      found.push(...rooms);
      if (!more) return found;
    }
  }

  async presence(room: string): Promise<Member[]> {
    return (await this.ask<{ members: Member[] }>("presence", { room })).members;
  }

  async twin(device: string): Promise<Twin> {
    return twinOf(await this.ask<Twin>("twin", { device }));
  }

  /** Merge `desired` as RFC 7396 says. Throws RtError, `conflict` where it is not at `version` any more. */
  async updateTwin(device: string, desired: object, version?: number): Promise<Twin> {
    return twinOf(await this.ask<Twin>("twin.update", { device, desired, version }));
  }

  /** The service's clock: Unix time in milliseconds. */
  async ping(): Promise<number> {
    return (await this.ask<{ at: number }>("ping", {})).at;
  }

  /** The answer of any verb, asked once; before the first connect it waits for that. Throws RtError. */
  readonly ask = <T>(verb: string, request: object = {}, timeoutMs = ANSWER_MS): Promise<T> =>
    this.#connection.ask<T>(verb, request, timeoutMs);

  /** Leave. What waits to be published is rejected. */
  close(): void {
    this.#connection.close();
  }

  #changed(state: State, reason?: RtError): void {
    if (state === "closed" && reason) for (const room of [...this.#rooms.values()]) room.end(reason);
    for (const handler of [...this.#states]) tell(() => void handler(state, reason));
  }

  async #answer(call: Call, answer: (said: unknown) => void): Promise<void> {
    const handler = this.#answers.get(call.method) as ((data: unknown, call: Call) => unknown) | undefined;
    try {
      if (!handler) throw new RtError({ code: "not_found", message: `there is no method ${call.method}` });
      const said = (await handler(withBinary(call.data), call)) ?? null;
      JSON.stringify(said); // what cannot be written throws here, while there is an answer left to give
      answer(said);
    } catch (error) {
      const refusal = error instanceof RtError;
      if (!refusal) console.error(`rt-client: what answers calls of ${call.method} failed`, error);
      const { code, message } = refusal ? error : { code: "internal", message: `${call.method} failed` };
      answer({ error: { code, message } });
    }
  }
}

function twinOf({ desired, reported, version }: Twin): Twin {
  return { desired, reported, version };
}
