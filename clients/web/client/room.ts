// A room of a client: the room over a socket, with handlers by the name of an event, and who is there.
import type { Socket } from "socket.io-client";
import { type RtError, tell } from "../src/failures.js";
import type { Member, Position, PresenceChange, Publication, Published } from "../src/protocol.js";
import { type PublishOptions, type RoomJoined, Room as SocketRoom } from "../src/rooms.js";
import { Handlers, type Off } from "./handlers.js";

export type Ask = <T>(verb: string, request: object, timeoutMs?: number) => Promise<T>;

export interface HistoryOptions {
  since?: Position | undefined;
  limit?: number | undefined;
  reverse?: boolean | undefined;
}

/** `epoch` and `offset`: the room's newest position. `more`: the limit cut it. */
export interface History extends Position {
  publications: Publication[];
  more: boolean;
}

/** What a room needs of its client. `heard` is told what the room's own handlers are. */
export interface RoomParts {
  since: Position | undefined;
  ask: Ask;
  heard(publication: Publication): void;
  left(): void;
}

export class Room {
  /** How it was entered first. Rejects where it is refused. */
  readonly joined: Promise<RoomJoined>;
  readonly #ask: Ask;
  readonly #room: SocketRoom;
  readonly #handlers = new Handlers();
  readonly #members = new Map<string, Member>();
  readonly #left: () => void;
  #reject: (error: RtError) => void = () => undefined;
  #refusal: RtError | undefined;
  #ended = false;

  /** Made by `Client.join`. */
  constructor(socket: Socket, name: string, { since, ask, heard, left }: RoomParts) {
    this.#ask = ask;
    this.#left = left;
    let entered = (_joined: RoomJoined): void => undefined;
    this.joined = new Promise((resolve, reject) => {
      entered = resolve;
      this.#reject = reject;
    });
    this.joined.catch(() => undefined); // who does not ask for it is told by onError
    this.#room = new SocketRoom(socket, name, {
      ...(since && { since }),
      onPublication: (publication) => {
        this.#handlers.tell(publication.event, publication);
        heard(publication);
      },
      onJoined: (joined) => {
        this.#refusal = undefined;
        this.#members.clear();
        for (const member of joined.members) this.#members.set(keyOf(member), member);
        entered(joined);
        this.#handlers.tell("*joined", joined);
      },
      onPresence: (change) => this.#changed(change),
      onError: (error) => this.#refused(error),
    });
  }

  get name(): string {
    return this.#room.name;
  }

  /** The last kept publication that was told; `since` of a later join goes on from there. */
  get position(): Position | undefined {
    return this.#room.position;
  }

  /** Why it is not entered, where the service refused that for good. */
  get refusal(): RtError | undefined {
    return this.#refusal;
  }

  /** Who is there, as far as it was told: in rooms of more than 200 presence is not; `presence()` asks for all. */
  get members(): Member[] {
    return [...this.#members.values()];
  }

  /** Each publication of an event: kept ones once and in order, after a reconnect first what was missed. */
  on<T = unknown>(event: string, handler: (publication: Publication<T>) => unknown): Off {
    return this.#handlers.add(event, handler);
  }

  /** Entered, and again after every reconnect. Unless `recovered`, something may be missing: read the history. */
  onJoined(handler: (joined: RoomJoined) => unknown): Off {
    return this.#handlers.add("*joined", handler);
  }

  onPresence(handler: (change: PresenceChange) => unknown): Off {
    return this.#handlers.add("*presence", handler);
  }

  /** The room or the connection is refused for good; told at once where it is already. */
  onError(handler: (error: RtError) => unknown): Off {
    const refusal = this.#refusal;
    if (refusal) tell(() => void handler(refusal));
    return this.#handlers.add("*error", handler);
  }

  /** Resolves when it is kept; sent again with the same id until it is answered, or `deadlineMs` (30,000) pass. */
  publish(event: string, data: unknown, options?: PublishOptions): Promise<Published> {
    return this.#room.publish(event, data, options);
  }

  /** Forward from `since` or the oldest; with `reverse` backward from before `since` or the newest. */
  history(options: HistoryOptions = {}): Promise<History> {
    return this.#ask<History>("history", { room: this.name, ...options });
  }

  async presence(): Promise<Member[]> {
    return (await this.#ask<{ members: Member[] }>("presence", { room: this.name })).members;
  }

  /** What still waits to be published is rejected. */
  leave(): void {
    this.#room.leave();
    this.#left();
  }

  /** The client is closed, and with it the room; of the client's own. */
  end(why: RtError): void {
    if (!this.#refusal) this.#refused(why);
    this.#ended = true;
    this.#room.leave(why);
    this.#left();
  }

  #refused(error: RtError): void {
    if (this.#ended) return; // told already, as the client's
    this.#refusal = error;
    this.#reject(error);
    this.#handlers.tell("*error", error);
  }

  #changed(change: PresenceChange): void {
    const { action, member } = change;
    if (action === "join" || action === "online") this.#members.set(keyOf(member), member);
    else this.#members.delete(keyOf(member));
    this.#handlers.tell("*presence", change);
  }
}

function keyOf({ kind, id }: Member): string {
  return `${kind}:${id}`;
}
