// The greenhouse: devices' readings as numbers and as a plot, what they should be, calls, and a talk with them.
// -- the lines
import { connect, type Publication, type PresenceChange, type Room, type RoomJoined, type Twin } from "@rt-service/client";
import { element, make, me, showState, who, why } from "./page";
import { Plot } from "./plot";
import { Setpoint } from "./setpoint";

const iot = connect(location.origin, { namespace: "/iot", ...who() });
let device = ""; // the one that is shown
let room: Room | undefined;

function enter(id: string): Room {
  const entered = iot.join(`device:${id}`); // and again by itself after every reconnect
  entered.on("telemetry", showReading); // {"c": 21.5, "humidity": 60} as it published it over MQTT
  entered.on<Twin>("twin", ({ data }) => setpoint.show(data)); // what it should be, and says it is
  entered.on("say", showLine);
  entered.on("said", showLine);
  entered.onPresence(showPresence);
  entered.onJoined((joined) => void fill(entered, joined));
  return entered;
}

const setpoint = new Setpoint((celsius) => iot.updateTwin(device, { c: celsius })); // it finds this whenever it connects
const ask = (method: string, data: unknown): Promise<unknown> => iot.call(`device:${device}`, method, data);
const say = (text: string): Promise<unknown> | undefined => room?.publish("say", { text });
// -- end of the lines

// -- rooms

const PREFIX = "device:";
const LINES_MOST = 200;
const NAMES: Record<string, string> = { c: "temperature" };
const UNITS: Record<string, string> = { c: " °C", humidity: " %" };
const plot = new Plot(element("plot"));
let statusSeen = false; // whether the device ever said that it is, or is not, there
let filling: Publication[] | null = null; // what comes while the history is read waits here, to stay in order

async function refreshRooms(): Promise<void> {
  const names = (await iot.rooms(PREFIX)).map((one) => one.room);
  element("empty").hidden = names.length > 0;
  showRooms(names);
  if (!device && names[0]) change(names[0]);
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
  button.setAttribute("aria-pressed", String(room === PREFIX + device));
  button.onclick = () => change(room);
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function change(name: string): void {
  if (name === PREFIX + device) return;
  device = name.slice(PREFIX.length);
  element("room-title").textContent = device;
  for (const id of ["telemetry", "side"]) element(id).hidden = false;
  element("answer").textContent = "";
  for (const button of element("rooms").querySelectorAll("button")) {
    const pressed = button.textContent === device;
    button.setAttribute("aria-pressed", String(pressed));
    if (pressed) button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  statusSeen = false;
  setpoint.clear();
  room?.leave();
  room = enter(device);
  room.onError((error) => addLine("not connected", why(error), true, true));
}

/** What was there before: once, and again where something may be missing. */
async function fill(entered: Room, joined: RoomJoined): Promise<void> {
  showPeople();
  const twin = joined.latest.find(({ event }) => event === "twin");
  if (twin) setpoint.show(twin.data as Twin);
  if (joined.recovered && !joined.first) return; // what was missed follows; what is shown goes on
  plot.clear();
  element("chat").replaceChildren();
  element("values").replaceChildren();
  const waiting: Publication[] = (filling = []);
  const since = { epoch: joined.epoch, offset: joined.offset + 1 };
  const before = (await entered.history({ since, limit: 300, reverse: true })).publications.reverse();
  if (waiting !== filling) return; // another room was entered meanwhile
  filling = null;
  for (const publication of [...before, ...waiting]) {
    if (publication.event === "telemetry") showReading(publication);
    else if (["say", "said"].includes(publication.event)) showLine(publication);
  }
}

// -- what is published

function showLine(publication: Publication): void {
  const text = (publication.data as { text?: unknown } | null)?.text;
  if (filling) filling.push(publication);
  else if (typeof text === "string") addLine(publication.from.id, text, publication.from.id === me());
}

function showReading(publication: Publication): void {
  if (filling) {
    filling.push(publication);
    return;
  }
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
  const group = document.createElement("div");
  group.append(make("dt", NAMES[name] ?? name), make("dd", shownAs(value) + (UNITS[name] ?? "")));
  return group;
}

function shownAs(value: unknown): string {
  if (typeof value === "number") return value.toLocaleString(undefined, { maximumFractionDigits: 2 });
  return typeof value === "boolean" ? (value ? "on" : "off") : JSON.stringify(value);
}

function addLine(who: string, text: string, own: boolean, bad = false): void {
  const line = make("li", "", `${own ? "own" : ""} ${bad ? "bad" : ""}`);
  line.append(make("b", who), ` ${text}`);
  const log = element("chat");
  log.append(line);
  while (log.childElementCount > LINES_MOST) log.firstElementChild?.remove();
  log.scrollTop = log.scrollHeight;
}

// -- who is there

function showPresence(change: PresenceChange): void {
  statusSeen ||= change.member.kind === "device";
  showPeople();
}

function showPeople(): void {
  const members = room?.members ?? [];
  const shown = members.map(({ kind, id }) => make("li", id === me() ? `${id} (you)` : id, kind));
  element("people").replaceChildren(...shown);
  const online = members.some(({ kind, id }) => kind === "device" && id === device);
  const badge = element("online");
  badge.textContent = online ? "online" : statusSeen ? "offline" : "no status yet";
  badge.className = `badge ${online ? "good" : statusSeen ? "bad" : ""}`;
}

// -- talking and calling

element<HTMLFormElement>("say").onsubmit = async (event) => {
  event.preventDefault();
  const line = element<HTMLInputElement>("line");
  const text = line.value.trim();
  if (!text || iot.state !== "connected") return;
  try {
    await say(text);
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
    answer.textContent = JSON.stringify(await ask(element<HTMLInputElement>("method").value, data));
    answer.className = "good";
  } catch (error) {
    answer.className = "bad";
    answer.textContent = error instanceof SyntaxError ? `the data is not JSON: ${error.message}` : why(error);
  }
};

showState(iot);
iot.onState((state) => state === "connected" && void refreshRooms().catch(() => undefined));
setInterval(() => void refreshRooms().catch(() => undefined), 2000);
