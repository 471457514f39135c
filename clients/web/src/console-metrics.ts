// /metrics, read again and again: the Prometheus text as numbers, and what happened per second between two readings.
import { askText } from "./console-api";

const MOST = 300; // points that are kept: ten minutes

export interface Reading {
  at: number; // Unix ms
  values: Map<string, Sample[]>; // by name
}

export interface Sample {
  labels: Map<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** The Prometheus text format, version 0.0.4, as far as services write it. */
export function parse(text: string): Map<string, Sample[]> {
  const found = new Map<string, Sample[]>();
  for (const line of text.split("\n")) {
    const [, name, labels, value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    const samples = found.get(name) ?? [];
    samples.push({ labels: labelsOf(labels ?? ""), value: Number(value.replace("Inf", "Infinity")) });
    found.set(name, samples);
  }
  return found;
}

function labelsOf(text: string): Map<string, string> {
  const plain = (value: string) => value.replace(/\\(.)/g, (_, one: string) => (one === "n" ? "\n" : one));
  return new Map([...text.matchAll(LABEL)].map(([, name, value]) => [name!, plain(value!)]));
}

/** What the plots show of the time between two readings; null where that is not known. */
export interface Point {
  at: number;
  publications: number | null;
  deliveries: number | null;
  mqtt: number | null;
  mean: number | null; // seconds that the loop was late
  most: number | null; // what 99 in 100 stayed below
}

export class Metrics {
  readonly points: Point[] = [];
  #before: Reading | undefined;
  #now: Reading | undefined;

  async read(): Promise<void> {
    const values = parse(await askText("/metrics"));
    this.#before = this.#now;
    this.#now = { at: Date.now(), values };
    this.points.push(this.#point());
    if (this.points.length > MOST) this.points.shift();
  }

  clear(): void {
    this.points.length = 0;
    this.#before = this.#now = undefined;
  }

  /** By the value of the one label, what a counter or a gauge stands at. */
  byLabel(name: string, reading = this.#now): Map<string, number> {
    const samples = reading?.values.get(name) ?? [];
    return new Map(samples.map(({ labels, value }) => [[...labels.values()][0] ?? "", value]));
  }

  total(name: string, reading = this.#now): number {
    return (reading?.values.get(name) ?? []).reduce((sum, { value }) => sum + value, 0);
  }

  /** Per second, of one label or of all; null where it is not known, or the service began again. */
  rate(name: string, label?: string): number | null {
    const [before, now] = [this.#before, this.#now];
    if (!before || !now || now.at <= before.at) return null;
    const at = (one: Reading) => (label === undefined ? this.total(name, one) : (this.byLabel(name, one).get(label) ?? 0));
    const grown = at(now) - at(before);
    return grown < 0 ? null : (grown * 1000) / (now.at - before.at);
  }

  #point(): Point {
    const [sum, times] = [this.rate("rt_loop_lag_seconds_sum"), this.rate("rt_loop_lag_seconds_count")];
    return {
      at: this.#now?.at ?? 0,
      publications: this.rate("rt_publications_total"),
      deliveries: this.rate("rt_deliveries_total"),
      mqtt: this.rate("rt_mqtt_messages_total"),
      mean: sum === null || !times ? null : sum / times,
      most: this.#quantile("rt_loop_lag_seconds", 0.99),
    };
  }

  /** The bound that `share` of the observations stayed below; the highest there is for those past it. */
  #quantile(name: string, share: number): number | null {
    if (!this.#before || !this.#now) return null;
    const was = buckets(this.#before, name);
    const grown = [...buckets(this.#now, name)].map(([bound, value]) => [bound, value - (was.get(bound) ?? 0)] as const);
    const all = grown.at(-1)?.[1] ?? 0;
    if (all <= 0) return null;
    const highest = Math.max(0, ...[...was.keys()].filter(Number.isFinite));
    return Math.min(grown.find(([, value]) => value >= share * all)?.[0] ?? highest, highest);
  }
}

/** How many stayed below each bound, the lowest first. */
function buckets(reading: Reading, name: string): Map<number, number> {
  const samples = reading.values.get(`${name}_bucket`) ?? [];
  const bound = (text: string | undefined) => (text === "+Inf" ? Infinity : Number(text));
  return new Map(samples.map(({ labels, value }) => [bound(labels.get("le")), value] as const).sort(([a], [b]) => a - b));
}
