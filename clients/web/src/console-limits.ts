// What the limits are, and how often somebody met one.
import type { Metrics } from "./console-metrics";
import { count, element, json, write } from "./console-page";
import { Table } from "./console-table";

const COUNTERS = {
  refused: "rt_refused_total",
  dropped: "rt_dropped_total",
  closed: "rt_sessions_closed_total",
  "dead letter": "rt_dead_letters_total",
  "MQTT refused": "rt_mqtt_refused_total",
};

interface Loss {
  what: string;
  why: string;
  total: number;
  rate: number | null;
}

export type Sections = Record<string, Record<string, unknown>>;

export class Limits {
  #settings: [string, string][] = [];
  readonly #losses = new Table<Loss>(
    element("loss-table"),
    [
      { title: "What", text: (one) => one.what },
      { title: "Why", text: (one) => one.why },
      { title: "Per second", text: (one) => (one.rate === null ? "–" : count(one.rate)), kind: "number" },
      { title: "Since the start", text: (one) => count(one.total), kind: "number" },
    ],
    (one) => `${one.what} ${one.why}`,
    "Nothing was refused or dropped, and nobody was closed.",
  );
  readonly #table = new Table<[string, string]>(
    element("setting-table"),
    [
      { title: "Setting", text: ([name]) => name },
      { title: "Value", text: ([, value]) => value, kind: "wide" },
    ],
    ([name]) => name,
    "No setting has this in its name.",
  );

  constructor(readonly metrics: Metrics) {
    element("setting-filter").oninput = () => this.#showSettings();
  }

  know(settings: Sections): void {
    this.#settings = Object.entries(settings).flatMap(([section, values]) =>
      Object.entries(values).map(([name, value]): [string, string] => [`${section}.${name}`, typeof value === "string" ? value : json(value)]),
    );
    this.#showSettings();
  }

  refresh(): void {
    const losses = Object.entries(COUNTERS).flatMap(([what, name]) =>
      [...this.metrics.byLabel(name)].map(([why, total]) => ({ what, why, total, rate: this.metrics.rate(name, why) })),
    );
    write(element("loss-count"), `${count(losses.reduce((sum, { total }) => sum + total, 0))} since the start`);
    this.#losses.show(losses);
  }

  #showSettings(): void {
    const wanted = element<HTMLInputElement>("setting-filter").value;
    this.#table.show(this.#settings.filter(([name]) => name.includes(wanted)));
  }
}
