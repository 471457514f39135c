// The first page: how much is going on, for how many, and whether all is well.
import { readiness } from "./console-api";
import { Chart } from "./console-chart";
import type { Metrics } from "./console-metrics";
import { count, element, make } from "./console-page";
import { Table } from "./console-table";

interface Namespace {
  name: string;
  publications: number | null;
  deliveries: number | null;
  total: number;
}

const rate = (value: number | null): string => (value === null ? "–" : count(value));

export class Overview {
  readonly #throughput = new Chart(element("throughput"), ["publications", "deliveries", "MQTT messages"]);
  readonly #lag = new Chart(element("lag"), ["mean", "99 in 100 below"]);
  readonly #namespaces = new Table<Namespace>(
    element("namespace-table"),
    [
      { title: "Namespace", text: (one) => one.name },
      { title: "Published/s", text: (one) => rate(one.publications), kind: "number" },
      { title: "Delivered/s", text: (one) => rate(one.deliveries), kind: "number" },
      { title: "Published", text: (one) => count(one.total), kind: "number" },
    ],
    (one) => one.name,
    "Nothing has been published yet.",
  );

  constructor(readonly metrics: Metrics) {}

  async refresh(): Promise<void> {
    this.#showTiles();
    this.#showNamespaces();
    const { points } = this.metrics;
    const times = points.map(({ at }) => at);
    const ms = (value: number | null) => value && value * 1000;
    this.#throughput.draw(times, [points.map((p) => p.publications), points.map((p) => p.deliveries), points.map((p) => p.mqtt)]);
    this.#lag.draw(times, [points.map((p) => ms(p.mean)), points.map((p) => ms(p.most))]);
    showChecks(await readiness());
  }

  #showTiles(): void {
    const { metrics } = this;
    const point = metrics.points.at(-1);
    const ways = [...metrics.byLabel("rt_sessions")].filter(([, open]) => open > 0);
    const lost = [metrics.rate("rt_dropped_total"), metrics.rate("rt_refused_total")];
    element("tiles").replaceChildren(
      tile("Sessions", count(metrics.total("rt_sessions")), ways.map(([way, open]) => `${open} ${way}`).join(", ")),
      tile("Published/s", rate(point?.publications ?? null), `${rate(point?.mqtt ?? null)} MQTT messages/s`),
      tile("Delivered/s", rate(point?.deliveries ?? null), `${count(metrics.total("rt_deliveries_total"))} in all`),
      tile("Dropped/s", rate(lost[0] ?? null), `${rate(lost[1] ?? null)} refused/s`),
      tile("Dead letters", count(metrics.total("rt_dead_letters_total")), "since the start"),
      tile("Loop lag", point?.mean == null ? "–" : `${(point.mean * 1000).toFixed(1)} ms`, "on average"),
    );
  }

  #showNamespaces(): void {
    const totals = [...this.metrics.byLabel("rt_publications_total")].sort(([a], [b]) => a.localeCompare(b));
    this.#namespaces.show(
      totals.map(([name, total]) => ({
        name,
        total,
        publications: this.metrics.rate("rt_publications_total", name),
        deliveries: this.metrics.rate("rt_deliveries_total", name),
      })),
    );
  }
}

function tile(name: string, value: string, more: string): HTMLElement {
  const group = make("div", "", "card");
  group.append(make("dt", name), make("dd", value), make("dd", more, "note"));
  return group;
}

function showChecks({ checks }: { checks: Record<string, string> }): void {
  element("checks").replaceChildren(
    ...Object.entries(checks).map(([name, said]) => {
      const line = make("li");
      line.append(make("span", name), make("span", name === "stopping" && said === "ok" ? "no" : said, `badge ${said === "ok" ? "good" : "bad"}`));
      return line;
    }),
  );
}
