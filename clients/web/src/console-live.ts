// What is published in a room, as it happens: newest first, filtered, and held while somebody reads.
import { io, type Socket } from "socket.io-client";
import { token, why } from "./console-api";
import { element, json, make, plural, write } from "./console-page";
import type { Publication } from "./protocol";
import { joinRoom, type Room } from "./rooms";

const MOST = 500; // publications that are kept to be filtered, and lines that are shown
const me = `console-${Math.random().toString(36).slice(2, 7)}`; // where nobody needs a token

interface Line {
  number: number;
  text: string; // in small letters
  publication: Publication;
}

export class Live {
  #socket: Socket | null = null;
  #room: Room | null = null;
  #lines: Line[] = []; // the oldest first
  #seen = 0;
  #drawn = 0; // the number of the newest that is drawn
  #frame = 0;
  #paused = false;

  constructor() {
    element<HTMLFormElement>("watch").onsubmit = (event) => {
      event.preventDefault();
      this.watch(element<HTMLSelectElement>("live-namespace").value, element<HTMLInputElement>("live-room").value.trim());
    };
    element("unwatch").onclick = () => this.stop();
    element("live-filter").oninput = () => this.#drawAll();
    element("pause").onclick = () => this.#pause(!this.#paused);
    element("clear").onclick = () => this.#clear();
  }

  offer(namespaces: string[]): void {
    const choice = element<HTMLSelectElement>("live-namespace");
    choice.replaceChildren(...namespaces.map((name) => make("option", name)));
  }

  watch(namespace: string, room: string): void {
    this.stop();
    element<HTMLSelectElement>("live-namespace").value = namespace;
    element<HTMLInputElement>("live-room").value = room;
    this.#clear();
    this.#pause(false);
    const where = `${namespace}:${room}`;
    this.#say(`entering ${where} …`);
    const socket = io(namespace, { forceNew: true, auth: token.get() ? { token: token.get() } : { user: me } });
    socket.on("disconnect", () => this.#say(`the connection broke; ${where} is entered again`));
    socket.on("connect_error", (error) => this.#say(`${where}: ${error.message}; trying again`));
    this.#socket = socket;
    this.#room = joinRoom(socket, room, {
      onPublication: (publication) => this.#add(publication),
      onJoined: ({ members, recovered }) => this.#say(`watching ${where} with ${plural(members.length, "member")}${recovered ? "" : "; some were missed"}`),
      onError: (error) => {
        this.stop();
        this.#say(why(error));
      },
    });
    for (const id of ["unwatch", "pause"]) element<HTMLButtonElement>(id).disabled = false;
  }

  stop(): void {
    if (this.#socket === null) return;
    this.#room?.leave();
    this.#socket.disconnect();
    this.#socket = this.#room = null;
    for (const id of ["unwatch", "pause"]) element<HTMLButtonElement>(id).disabled = true;
    this.#say("Not watching any more.");
  }

  #say(text: string): void {
    write(element("live-state"), text);
  }

  #add(publication: Publication): void {
    const { event, from, data } = publication;
    const line = { number: ++this.#seen, text: `${event} ${from.kind}:${from.id} ${json(data)}`.toLowerCase(), publication };
    this.#lines.push(line);
    if (this.#lines.length > MOST) this.#lines.shift();
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #pause(paused: boolean): void {
    this.#paused = paused;
    element("pause").setAttribute("aria-pressed", String(paused));
    write(element("pause"), paused ? "Go on" : "Pause");
    this.#draw();
  }

  #clear(): void {
    this.#lines = [];
    this.#seen = 0;
    this.#drawAll();
  }

  #drawAll(): void {
    element("traffic").replaceChildren();
    const paused = this.#paused ? this.#drawn : Infinity;
    this.#drawn = 0;
    this.#drawUpTo(paused);
  }

  #draw(): void {
    this.#frame = 0;
    this.#drawUpTo(this.#paused ? this.#drawn : Infinity);
  }

  #drawUpTo(last: number): void {
    const wanted = element<HTMLInputElement>("live-filter").value.toLowerCase();
    const fresh = this.#lines.filter(({ number }) => number > this.#drawn && number <= last);
    const list = element("traffic");
    list.prepend(...fresh.filter(({ text }) => text.includes(wanted)).map(({ publication }) => drawn(publication)).reverse());
    while (list.childElementCount > MOST) list.lastElementChild?.remove();
    this.#drawn = fresh.at(-1)?.number ?? this.#drawn;
    const waiting = this.#seen - this.#drawn;
    const kept = this.#lines.length;
    write(element("live-count"), `${this.#seen} came, ${list.childElementCount} shown${this.#seen > kept ? `, the newest ${kept} are kept` : ""}${this.#paused ? `, ${waiting} since the pause` : ""}`);
  }
}

function drawn({ at, event, from, data, offset }: Publication): HTMLElement {
  const line = make("li");
  const time = new Date(at).toLocaleTimeString();
  line.append(make("span", time, "note"), make("b", event), make("span", `${from.kind}:${from.id}`, "who"), make("code", json(data)), make("span", offset === null ? "not kept" : `#${offset}`, "note"));
  return line;
}
