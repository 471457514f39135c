// Rooms of every namespace, with how many are in them and how fast they move.
import { ask } from "./console-api";
import { count, element, shown, write } from "./console-page";
import { Table } from "./console-table";

const MOST = 200;

interface RoomState {
  namespace: string;
  room: string;
  members: number;
  offset: number | null;
}

interface Mark {
  at: number;
  offset: number | null;
}

export class Rooms {
  #marks = new Map<string, Mark>();
  #rates = new Map<string, number>();
  readonly #table: Table<RoomState>;

  constructor(watch: (namespace: string, room: string) => void) {
    this.#table = new Table<RoomState>(
      element("room-table"),
      [
        { title: "Namespace", text: (one) => one.namespace },
        { title: "Room", text: (one) => one.room, kind: "wide" },
        { title: "Members", text: (one) => count(one.members), kind: "number" },
        { title: "Kept so far", text: (one) => (one.offset === null ? "–" : count(one.offset)), kind: "number" },
        { title: "Kept/s", text: (one) => this.#rate(one), kind: "number" },
        { title: "", text: () => "Watch", press: (one) => watch(one.namespace, one.room), label: (one) => `Watch ${one.namespace}:${one.room}` },
      ],
      keyOf,
      "No room has this in its name.",
    );
  }

  async refresh(): Promise<void> {
    const filter = element<HTMLInputElement>("room-filter").value;
    const { rooms, total } = await ask<{ rooms: RoomState[]; total: number }>("GET", `/api/v1/rooms?limit=${MOST}&filter=${encodeURIComponent(filter)}`);
    if (filter !== element<HTMLInputElement>("room-filter").value) return; // typed on meanwhile: a later answer follows
    const at = Date.now();
    for (const room of rooms) this.#measure(room, at);
    this.#marks = new Map(rooms.map((room) => [keyOf(room), this.#marks.get(keyOf(room))!]));
    write(element("room-count"), `${shown(total, rooms.length, "room")}. Where nobody is in, nothing is counted.`);
    this.#table.show(rooms);
  }

  /** A second at least lies between two marks: typing into the filter asks more often. */
  #measure(room: RoomState, at: number): void {
    const [key, before] = [keyOf(room), this.#marks.get(keyOf(room))];
    if (before && at - before.at < 1000) return;
    this.#marks.set(key, { at, offset: room.offset });
    this.#rates.delete(key);
    if (before === undefined || before.offset === null || room.offset === null || room.offset < before.offset) return;
    this.#rates.set(key, ((room.offset - before.offset) * 1000) / (at - before.at));
  }

  #rate(room: RoomState): string {
    const rate = this.#rates.get(keyOf(room));
    return rate === undefined ? "–" : count(rate);
  }
}

const keyOf = (one: RoomState): string => `${one.namespace}:${one.room}`;
