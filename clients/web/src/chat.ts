// The chat room: who is there, what was said before, and letters to one alone.
// -- the lines
import { connect, type Room } from "@rt-service/client";
import { element, hueOf, make, me, rename, showState, who, why } from "./page";

const chat = connect(location.origin, { namespace: "/chat", ...who() });
let room: Room = enter("lobby");

function enter(name: string): Room {
  const entered = chat.join(name); // and again by itself after every reconnect
  entered.on<Said>("say", ({ from, data, at }) => addLine(from.id, data, at));
  entered.onPresence(() => showPeople());
  entered.onJoined(({ first, recovered, epoch, offset }) => {
    showPeople();
    if (first || !recovered) void showHistory({ epoch, offset: offset + 1 });
  });
  return entered;
}

chat.on<Said>("letter", ({ from, data, at }) => addLine(from.id, data, at, "to you alone"));

async function say(to: string, text: string): Promise<void> {
  if (to) await chat.send(`user:${to}`, "letter", { text }); // rejects where nobody of that name is online
  else await room.publish("say", { text }); // sent again until it is answered, and there once
}
// -- end of the lines

interface Said {
  text?: unknown;
}

const LINES_MOST = 300;
const known = new Set<string>(); // who may be written to, also when they have gone
const log = element("log");

async function showHistory(since: { epoch: string; offset: number }): Promise<void> {
  const of = room;
  log.replaceChildren();
  const { publications } = await of.history({ since, reverse: true, limit: 50 });
  if (of !== room) return; // another room was entered meanwhile
  const said = publications.filter(({ event }) => event === "say");
  log.prepend(...said.reverse().map(({ from, data, at }) => lineOf(from.id, data as Said, at)));
  log.scrollTop = log.scrollHeight;
}

// -- what is said

function addLine(from: string, said: Said, at: number, note = ""): void {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  log.append(lineOf(from, said, at, note));
  while (log.childElementCount > LINES_MOST) log.firstElementChild?.remove();
  if (atEnd || from === me()) log.scrollTop = log.scrollHeight;
}

function lineOf(from: string, said: Said, at: number, note = ""): HTMLElement {
  const line = make("li", "", `line ${from === me() ? "own" : ""} ${note && "alone"}`);
  const head = make("p", "", "line-head");
  head.append(make("b", from), " ", make("time", new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })));
  if (note) head.append(" ", make("span", note, "badge"));
  const text = typeof said?.text === "string" ? said.text : JSON.stringify(said);
  const body = make("div", "");
  body.append(head, make("p", text, "text"));
  line.append(faceOf(from), body);
  return line;
}

function faceOf(id: string): HTMLElement {
  const face = make("span", id.slice(0, 1).toUpperCase(), `face hue-${hueOf(id)}`);
  face.setAttribute("aria-hidden", "true");
  return face;
}

function complain(what: string, error: unknown): void {
  log.append(make("li", `${what}: ${why(error)}`, "bad"));
  log.scrollTop = log.scrollHeight;
}

// -- who is there

function showPeople(): void {
  const members = room.members.filter(({ kind }) => kind === "user").map(({ id }) => id);
  const here = members.filter((id) => id !== me()).sort();
  for (const id of here) known.add(id);
  const others = here.map((id) => personOf(id));
  const own = make("li", "");
  own.append(faceOf(me()), make("span", `${me()} (you)`));
  element("people").replaceChildren(own, ...others);
  element("count").textContent = String(members.length);
  showRecipients(new Set(here));
}

function personOf(id: string): HTMLElement {
  const button = make("button", id, "quiet") as HTMLButtonElement;
  button.type = "button";
  button.title = `Write to ${id} alone`;
  button.prepend(faceOf(id));
  button.onclick = () => {
    element<HTMLSelectElement>("to").value = id;
    element("text").focus();
  };
  const item = document.createElement("li");
  item.append(button);
  return item;
}

function showRecipients(here: Set<string>): void {
  const to = element<HTMLSelectElement>("to");
  const chosen = to.value;
  const options = [...known].sort().map((id) => new Option(here.has(id) ? `${id} alone` : `${id} alone (has left)`, id));
  to.replaceChildren(new Option("everybody", ""), ...options);
  to.value = known.has(chosen) ? chosen : "";
}

// -- saying, and other rooms

element<HTMLFormElement>("say").onsubmit = async (event) => {
  event.preventDefault();
  const field = element<HTMLInputElement>("text");
  const to = element<HTMLSelectElement>("to").value;
  const text = field.value.trim();
  if (!text) return;
  field.value = "";
  try {
    await say(to, text);
    if (to) addLine(me(), { text }, Date.now(), `to ${to} alone`);
  } catch (error) {
    if (!field.value) field.value = text;
    complain("not sent", error);
  }
};

element<HTMLFormElement>("open").onsubmit = (event) => {
  event.preventDefault();
  change(element<HTMLInputElement>("room").value.trim());
  element<HTMLFormElement>("open").reset();
};

element<HTMLFormElement>("rename").onsubmit = (event) => {
  event.preventDefault();
  rename(element<HTMLInputElement>("name").value.trim());
};

function change(name: string): void {
  if (!name || name === room.name) return;
  room.leave();
  log.replaceChildren();
  known.clear();
  room = enter(name);
  room.onError((error) => complain(`not in ${name}`, error));
  element("title").textContent = name;
  element("people").replaceChildren();
  void showRooms();
}

async function showRooms(): Promise<void> {
  const rooms = await chat.rooms();
  const names = new Set(["lobby", room.name, ...rooms.map((one) => one.room)]);
  const shown = [...names].filter((name) => !name.includes(":")).slice(0, 30);
  const wanted = JSON.stringify([shown, room.name]);
  if (element("rooms").dataset.shown === wanted) return; // so that the keyboard's focus stays where it is
  element("rooms").dataset.shown = wanted;
  element("rooms").replaceChildren(...shown.map((name) => roomItem(name)));
}

function roomItem(name: string): HTMLElement {
  const button = make("button", name) as HTMLButtonElement;
  button.setAttribute("aria-pressed", String(name === room.name));
  button.onclick = () => {
    change(name);
    element("text").focus();
  };
  const item = document.createElement("li");
  item.append(button);
  return item;
}

element<HTMLInputElement>("name").value = me();
showState(chat);
room.onError((error) => complain("not in the lobby", error));
chat.onState((state) => state === "connected" && void showRooms().catch(() => undefined));
setInterval(() => void showRooms().catch(() => undefined), 3000);
