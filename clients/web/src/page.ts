// What the demo pages share: who somebody is, how the connection is doing, and asking for a token where one is needed.
import { RtError, type Client } from "@rt-service/client";

const FIRST = ["brisk", "calm", "keen", "merry", "quick", "sunny", "swift", "witty"];
const SECOND = ["badger", "finch", "heron", "lynx", "marten", "otter", "robin", "wren"];

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`this page has no #${id}`);
  return found as T;
}

export function make(name: string, text: string, className = ""): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

/** The token of this tab, or else a name of its own: two tabs are two people. */
export function who(): { user: string } | { token: string } {
  const token = sessionStorage.getItem("rt-token");
  return token ? { token } : { user: name() };
}

/** The id under which others see this tab. */
export function me(): string {
  const token = sessionStorage.getItem("rt-token");
  return (token && subjectOf(token)) || name();
}

/** From now on, for all demo pages of this tab. */
export function rename(to: string): void {
  sessionStorage.setItem("rt-name", to);
  location.reload();
}

/** In the page's head; when the service wants a token, it is asked for. */
export function showState(client: Client): void {
  client.onState((state, reason) => {
    element("state").textContent = state === "connected" ? `connected as ${me()}` : reason && state === "closed" ? why(reason) : state;
    element("dot").className = `dot ${state === "connected" ? "good" : ""}`;
    element("state").title = reason && state !== "connected" ? why(reason) : "";
    for (const button of document.querySelectorAll<HTMLButtonElement>("form[data-online] button")) button.disabled = state !== "connected";
    if (state === "closed" && reason && ["unauthorized", "token_expired"].includes(reason.code)) askForToken(reason);
  });
}

export function why(error: unknown): string {
  if (error instanceof RtError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

/** One of six colours for somebody; the style sheets have them. */
export function hueOf(id: string): number {
  let sum = 0;
  for (const letter of id) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return sum % 6;
}

function name(): string {
  const known = sessionStorage.getItem("rt-name");
  if (known) return known;
  const one = (of: string[]): string => of[Math.floor(Math.random() * of.length)] ?? "guest";
  const made = `${one(FIRST)}-${one(SECOND)}-${Math.floor(Math.random() * 90) + 10}`;
  sessionStorage.setItem("rt-name", made);
  return made;
}

function subjectOf(token: string): string | undefined {
  try {
    const part = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    return (JSON.parse(atob(part)) as { sub?: string }).sub;
  } catch {
    return undefined; // the service says what is wrong with it
  }
}

function askForToken(reason: RtError): void {
  const dialog = document.createElement("dialog");
  const form = document.createElement("form");
  const label = make("label", "Token");
  const input = document.createElement("input");
  Object.assign(input, { id: "token", required: true, autocomplete: "off", spellcheck: false });
  label.append(input);
  const hint = make("p", "The service's terminal makes one: ", "note");
  hint.append(make("code", "python run.py token --sub alice --ttl 1h"));
  form.append(make("h2", "This service wants a token"), make("p", why(reason), "note"), label, hint, make("button", "Come in"));
  form.onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem("rt-token", input.value.trim());
    location.reload();
  };
  dialog.append(form);
  dialog.setAttribute("aria-label", "This service wants a token");
  document.body.append(dialog);
  dialog.showModal();
}
