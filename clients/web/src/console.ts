// The console: who may comes in, one page of it is shown at a time, and what it shows is asked for every two seconds.
import { ask, onRefused, token, why } from "./console-api";
import { Devices } from "./console-devices";
import { Letters } from "./console-letters";
import { Limits, type Sections } from "./console-limits";
import { Live } from "./console-live";
import { Metrics } from "./console-metrics";
import { Overview } from "./console-overview";
import { element, write } from "./console-page";
import { Rooms } from "./console-rooms";
import { Sessions } from "./console-sessions";
import { RtError } from "./failures";

const PERIOD_MS = 2000;

const metrics = new Metrics();
const live = new Live();
const limits = new Limits(metrics);
const pages: Record<string, { refresh(): unknown } | null> = {
  overview: new Overview(metrics),
  rooms: new Rooms(watch),
  sessions: new Sessions(),
  devices: new Devices(),
  live: null,
  letters: new Letters(),
  routes: null,
  limits,
};
let inside = false;

// -- who may

async function enter(): Promise<void> {
  try {
    const { settings } = await ask<{ settings: Sections }>("GET", "/api/v1/settings");
    limits.know(settings);
    live.offer(settings["server"]?.["namespaces"] as string[]);
    inside = true;
    element("gate").hidden = true;
    element("console").hidden = false;
    element("forget").hidden = !token.get();
    show();
  } catch (error) {
    if (!(error instanceof RtError)) throw error;
    if (error.code === "forbidden") leave("This token is good, but it may not look in here: it takes an admin's.");
    else if (error.code !== "unauthorized" && error.code !== "token_expired") tellState(why(error), false);
  }
}

/** Ask for a token, and forget the one there was along with everything that it showed. */
function leave(reason: string): void {
  token.forget();
  inside = false;
  live.stop();
  metrics.clear();
  element("console").hidden = true;
  element("forget").hidden = true;
  element("gate").hidden = false;
  element("gate-why").textContent = reason;
  element<HTMLInputElement>("token").value = "";
  element("token").focus();
  tellState("not let in", false);
}

onRefused(({ code, message }) => {
  if (code === "forbidden") return; // whoever asked tells it
  leave(token.get() ? `The token was refused: ${message}.` : "This service wants a token.");
});

element<HTMLFormElement>("enter").onsubmit = (event) => {
  event.preventDefault();
  token.set(element<HTMLInputElement>("token").value.trim());
  element<HTMLInputElement>("token").value = "";
  void enter();
};

element("forget").onclick = () => {
  leave("The token is forgotten.");
  location.reload(); // and with it everything that it showed
};

// -- pages

function current(): string {
  const name = location.hash.slice(1);
  return Object.hasOwn(pages, name) ? name : "overview";
}

function show(): void {
  for (const name of Object.keys(pages)) element(name).hidden = name !== current();
  for (const link of document.querySelectorAll<HTMLAnchorElement>("nav a")) {
    if (link.hash === `#${current()}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  void look();
}

function watch(namespace: string, room: string): void {
  location.hash = "#live";
  live.watch(namespace, room);
}

/** Show the current page as it is now; `first` something else, and say that we are connected if both went well. */
async function look(first?: () => Promise<void>): Promise<void> {
  if (!inside) return;
  try {
    await first?.();
    if (!document.hidden) await pages[current()]?.refresh();
    if (first && inside) tellState("connected", true);
  } catch (error) {
    if (inside) tellState(why(error), false);
  }
}

for (const id of ["room-filter", "session-filter", "device-filter"]) element(id).oninput = () => void look();

function tellState(text: string, good: boolean): void {
  write(element("state"), text);
  element("dot").classList.toggle("good", good);
}

// -- the routes tester

element<HTMLFormElement>("explain").onsubmit = async (event) => {
  event.preventDefault();
  const answer = element("explained");
  try {
    const { lines } = await ask<{ lines: string[] }>("POST", "/api/v1/routes/explain", { topic: element<HTMLInputElement>("topic").value });
    answer.className = "lines";
    answer.textContent = lines.join("\n");
  } catch (error) {
    answer.className = "lines bad";
    answer.textContent = why(error);
  }
};

// -- again and again

async function run(): Promise<void> {
  if (!inside && element("gate").hidden) await enter();
  await look(() => metrics.read());
  setTimeout(() => void run(), PERIOD_MS);
}

addEventListener("hashchange", show);
void run();
