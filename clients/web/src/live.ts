// The live room: a device's readings as numbers and as a plot, who is present, a talk with it and calls to it.
import { Connection } from "./connection";
import { Plot } from "./plot";
import type { Member, PresenceChange, Publication } from "./protocol";
import { RoomError, type RoomJoined } from "./rooms";

const PREFIX = "device:";
const LINES_MOST = 200;

const element = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;

const me = `guest-${Math.random().toString(36).slice(2, 7)}`;
const plot = new Plot(element("plot"));
const people = new Map<string, Member>();
let current: string | null = null;
let statusSeen = false; // whether the device ever said that it is, or is not, there
let filling: Publication[] | null = null; // what comes while the history is read waits here, to stay in order

const connection = new Connection("/iot", { user: me }, (text, good) => {
  element("state").textContent = good ? `${text} as ${me}` : text;
  element("dot").classList.toggle("good", good);
  for (const button of document.querySelectorAll<HTMLButtonElement>("form button")) button.disabled = !good;
  if (good) void refreshRooms();
});

// -- rooms

async function refreshRooms(): Promise<void> {
  const { rooms } = await connection.ask<{ rooms: { room: string; members: number }[] }>("rooms", { prefix: PREFIX });
  const names = rooms.map((one) => one.room);
  element("empty").hidden = names.length > 0;
  showRooms(names);
  if (current === null && names[0]) enter(names[0]);
}

/** Changes only what has changed, so that the keyboard's focus stays where it is. */
function showRooms(names: string[]): void {
  const list = element("rooms");
  const shown = new Map([...list.children].map((item) => [item.textContent ?? "", item]));
  const wanted = names.map((room) => shown.get(room.slice(PREFIX.length)) ?? roomItem(room));
  if (wanted.length !== list.childElementCount || wanted.some((item, i) => list.children[i] !== item)) {
    for (const item of [...list.children]) if (!wanted.includes(item)) item.remove();
    wanted.forEach((item, i) => {
      if (list.children[i] !== item) list.insertBefore(item, list.children[i] ?? null);
    });
  }
}

function roomItem(room: string): Element {
  const button = document.createElement("button");
  button.textContent = room.slice(PREFIX.length);
  button.setAttribute("aria-pressed", String(room === current));
  button.onclick = () => enter(room);
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function enter(room: string): void {
  current = room;
  element("room-title").textContent = room.slice(PREFIX.length);
  for (const id of ["telemetry", "side", "lines"]) element(id).hidden = false;
  element("code").textContent = linesFor(room);
  element("answer").textContent = "";
  for (const button of element("rooms").querySelectorAll("button")) {
    const pressed = button.textContent === room.slice(PREFIX.length);
    button.setAttribute("aria-pressed", String(pressed));
    if (pressed) button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  statusSeen = false;
  connection.enter(room, { onJoined: joined, onPublication: published, onPresence: presence, onError: refused });
}

function refused(error: RoomError): void {
  addLine("not connected", why(error), true, true);
}

function linesFor(room: string): string {
  const id = room.slice(PREFIX.length);
  return `import { io } from "socket.io-client";

const iot = io("${location.origin}/iot");
iot.on("connect", () => iot.emit("join", { room: "${room}" }));
iot.on("telemetry", ({ data, from }) => console.log(from.id, data));

// ask the device, and get its answer
await iot.emitWithAck("call", { to: "${room}", method: "set", data: { c: 24 } });

// the device, or anything else that speaks MQTT:
//   mosquitto_pub -t devices/${id}/telemetry -m '{"c":21.5}'`;
}

async function joined(answer: RoomJoined): Promise<void> {
  people.clear();
  for (const member of answer.members) people.set(`${member.kind}:${member.id}`, member);
  showPeople();
  if (answer.recovered && !answer.first) return; // what was missed follows; what is shown goes on
  plot.clear();
  element("chat").replaceChildren();
  element("values").replaceChildren();
  const room = current;
  const waiting: Publication[] = (filling = []);
  const history = await connection.ask<{ publications: Publication[] }>("history", { room, limit: 300, reverse: true });
  if (waiting !== filling) return; // another room was entered meanwhile
  filling = null;
  const before = history.publications.reverse().filter((one) => (one.offset ?? 0) <= answer.offset);
  [...before, ...waiting].forEach(published);
}

// -- what is published

function published(publication: Publication): void {
  if (filling) filling.push(publication);
  else if (publication.event === "telemetry") showReading(publication);
  else if (hasText(publication.data)) addLine(publication.from.id, publication.data.text, publication.from.id === me);
}

function hasText(data: unknown): data is { text: string } {
  return typeof data === "object" && data !== null && typeof (data as { text?: unknown }).text === "string";
}

function showReading(publication: Publication): void {
  const readings = typeof publication.data === "object" && publication.data !== null ? publication.data : { value: publication.data };
  const numbers = new Map<string, number>();
  const shown: HTMLElement[] = [];
  for (const [name, value] of Object.entries(readings)) {
    if (typeof value === "number") numbers.set(name, value);
    shown.push(reading(name, value));
  }
  element("values").replaceChildren(...shown);
  if (numbers.size) plot.add(publication.at, numbers);
  element("plot-note").textContent = `last reading ${new Date(publication.at).toLocaleTimeString()}`;
}

function reading(name: string, value: unknown): HTMLElement {
  const term = document.createElement("dt");
  term.textContent = name;
  const description = document.createElement("dd");
  description.textContent = typeof value === "number" ? value.toLocaleString(undefined, { maximumFractionDigits: 2 }) : typeof value === "boolean" ? (value ? "on" : "off") : JSON.stringify(value);
  const group = document.createElement("div");
  group.append(term, description);
  return group;
}

function addLine(who: string, text: string, own: boolean, bad = false): void {
  const line = document.createElement("li");
  line.classList.toggle("own", own);
  line.classList.toggle("bad", bad);
  const name = document.createElement("b");
  name.textContent = who;
  line.append(name, ` ${text}`);
  const log = element("chat");
  log.append(line);
  while (log.childElementCount > LINES_MOST) log.firstElementChild?.remove();
  log.scrollTop = log.scrollHeight;
}

// -- who is there

function presence(change: PresenceChange): void {
  statusSeen ||= change.member.kind === "device";
  const key = `${change.member.kind}:${change.member.id}`;
  if (change.action === "join" || change.action === "online") people.set(key, change.member);
  else people.delete(key);
  showPeople();
}

function showPeople(): void {
  element("people").replaceChildren(
    ...[...people.values()].map((member) => {
      const item = document.createElement("li");
      item.className = member.kind;
      item.textContent = member.id === me ? `${member.id} (you)` : member.id;
      return item;
    }),
  );
  const online = current !== null && people.has(current);
  const badge = element("online");
  badge.textContent = online ? "online" : statusSeen ? "offline" : "no status yet";
  badge.className = `badge ${online ? "good" : statusSeen ? "bad" : ""}`;
}

// -- talking and calling

element<HTMLFormElement>("say").onsubmit = async (event) => {
  event.preventDefault();
  const line = element<HTMLInputElement>("line");
  const text = line.value.trim();
  if (!text || current === null) return;
  try {
    await connection.ask("publish", { room: current, event: "say", data: { text } });
    line.value = "";
  } catch (error) {
    addLine("not sent", why(error), true, true);
  }
};

element<HTMLFormElement>("call").onsubmit = async (event) => {
  event.preventDefault();
  const answer = element("answer");
  answer.className = "waiting";
  answer.textContent = "asking …";
  try {
    const data: unknown = JSON.parse(element<HTMLInputElement>("data").value || "null");
    const method = element<HTMLInputElement>("method").value;
    const said = await connection.ask<{ data: unknown }>("call", { to: current, method, data });
    answer.className = "good";
    answer.textContent = JSON.stringify(said.data);
  } catch (error) {
    answer.className = "bad";
    answer.textContent = why(error);
  }
};

function why(error: unknown): string {
  if (error instanceof RoomError) return `${error.code}: ${error.message}`;
  if (error instanceof SyntaxError) return `the data is not JSON: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

setInterval(() => void refreshRooms().catch(() => undefined), 2000);
