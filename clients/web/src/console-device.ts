// One device: its telemetry from the history of its room, so that looking makes nobody a member; its twin; calls to it.
import { ask, why } from "./console-api";
import type { Device } from "./console-devices";
import { ago, element, json, write } from "./console-page";
import { changes, same, TwinConflict } from "./console-patch";
import { Plot } from "./plot";
import type { Publication } from "./protocol";

const FIRST = 300; // readings that are shown at once
const LINES = 5; // a device may send any number of names

interface History {
  epoch: string;
  offset: number;
  publications: Publication[];
}

type Fields = Record<string, unknown>;

interface Twin {
  desired: Fields;
  reported: Fields;
  version: number;
}

export class DevicePanel {
  readonly #plot = new Plot(element("device-plot"));
  readonly #names = new Set<string>();
  #id = "";
  #position: { epoch: string; offset: number } | null = null;
  #twin: Twin | null = null; // as it is in the editor

  constructor() {
    element<HTMLFormElement>("twin").onsubmit = (event) => this.#try(event, "twin-answer", () => this.#change());
    element("twin-again").onclick = (event) => this.#try(event, "twin-answer", () => this.#readTwin(true));
    element<HTMLFormElement>("call").onsubmit = (event) => this.#try(event, "call-answer", () => this.#call());
  }

  open(device: Device): void {
    this.#id = device.id;
    this.#position = this.#twin = null;
    this.#forget();
    element("device").hidden = false;
    write(element("device-name"), device.id);
    for (const id of ["twin-answer", "call-answer"]) element(id).textContent = "";
    void this.refresh(device).catch((error) => write(element("device-note"), why(error)));
    element("device").scrollIntoView({ block: "nearest" });
  }

  async refresh(device: Device | undefined): Promise<void> {
    if (device) {
      const badge = element("device-online");
      write(badge, device.online ? "online" : "offline");
      badge.className = `badge ${device.online ? "good" : "bad"}`;
      write(element("device-note"), about(device));
    }
    await Promise.all([this.#readTelemetry(), this.#readTwin(false)]);
  }

  // -- telemetry

  async #readTelemetry(): Promise<void> {
    const [id, since] = [this.#id, this.#position];
    const what = since ? `since=${since.epoch}:${since.offset}&limit=1000` : `reverse=1&limit=${FIRST}`;
    const history = await ask<History>("GET", `/api/v1/rooms/iot/${encodeURIComponent(`device:${id}`)}/publications?${what}`);
    if (id !== this.#id || since !== this.#position) return; // another one was chosen meanwhile
    if (since && since.epoch !== history.epoch) this.#forget();
    const found = since ? history.publications : history.publications.reverse();
    this.#position = { epoch: history.epoch, offset: found.at(-1)?.offset ?? since?.offset ?? history.offset };
    for (const publication of found) if (publication.event === "telemetry") this.#add(publication);
  }

  #add({ at, data }: Publication): void {
    const fields = typeof data === "object" && data !== null ? (data as Fields) : { value: data };
    const numbers = new Map<string, number>();
    for (const [name, value] of Object.entries(fields)) {
      if (typeof value !== "number" || (!this.#names.has(name) && this.#names.size >= LINES)) continue;
      this.#names.add(name);
      numbers.set(name, value);
    }
    if (!numbers.size) return;
    element("device-plot").hidden = false;
    this.#plot.add(at, numbers);
  }

  #forget(): void {
    this.#names.clear();
    this.#plot.clear();
    element("device-plot").hidden = true;
  }

  // -- twin

  get #path(): string {
    return `/api/v1/devices/${encodeURIComponent(this.#id)}/twin`;
  }

  /** What somebody types stays, unless it is to be read `again`. */
  async #readTwin(again: boolean): Promise<string> {
    const id = this.#id;
    const twin = await ask<Twin>("GET", this.#path);
    if (id !== this.#id) return "";
    const editor = element<HTMLTextAreaElement>("desired");
    if (again || this.#twin === null || (editor.value === text(this.#twin.desired) && editor !== document.activeElement)) {
      editor.value = text(twin.desired);
      this.#twin = twin;
    }
    element<HTMLTextAreaElement>("reported").value = text(twin.reported);
    write(element("twin-version"), `version ${twin.version}`);
    return "";
  }

  /** The device may report meanwhile, which makes a new version; only another `desired` is a conflict. */
  async #change(): Promise<string> {
    const wanted: unknown = JSON.parse(element<HTMLTextAreaElement>("desired").value || "{}");
    if (typeof wanted !== "object" || wanted === null || Array.isArray(wanted)) throw new SyntaxError("a twin is an object");
    const [path, base] = [this.#path, this.#twin?.desired ?? {}];
    const patch = changes(base, wanted as Fields);
    if (!Object.keys(patch).length) return "nothing to change";
    const now = await ask<Twin>("GET", path);
    if (!same(now.desired, base)) throw new TwinConflict(now.desired);
    await ask<Twin>("PATCH", `${path}?version=${now.version}`, patch);
    await this.#readTwin(true);
    return `changed: ${json(patch)}`;
  }

  // -- calls

  async #call(): Promise<string> {
    const data: unknown = JSON.parse(element<HTMLInputElement>("call-data").value || "null");
    const method = element<HTMLInputElement>("method").value;
    const answer = await ask<{ data: unknown }>("POST", "/api/v1/calls", { ns: "iot", to: `device:${this.#id}`, method, data });
    return json(answer.data);
  }

  async #try(event: Event, where: string, action: () => Promise<string>): Promise<void> {
    event.preventDefault();
    const [id, output] = [this.#id, element(where)];
    output.className = "waiting";
    output.textContent = "asking …";
    const [said, style] = await action().then(
      (answer) => [answer, "good"],
      (error: unknown) => [why(error), "bad"],
    );
    if (id !== this.#id) return;
    output.className = style!;
    output.textContent = said!;
  }
}

function about({ online, since, seen }: Device): string {
  const last = seen === null ? "not heard of since the service started" : `last heard of ${ago(seen) === "now" ? "just now" : `${ago(seen)} ago`}`;
  return `${online ? "online" : "offline"} for ${ago(since)}, ${last}`;
}

const text = (value: unknown): string => JSON.stringify(value, null, 2);
