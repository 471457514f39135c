// A moving plot of the numbers that a device sends, one line for each name.
import uPlot from "uplot";

const WINDOW_S = 60;
const MOST_POINTS = 1000;
const HEIGHT = 260;

export class Plot {
  readonly #times: number[] = [];
  readonly #series = new Map<string, (number | null)[]>();
  #plot: uPlot | null = null;
  #frame = 0;

  constructor(readonly element: HTMLElement) {
    new ResizeObserver(() => this.#plot?.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
  }

  clear(): void {
    this.#times.length = 0;
    this.#series.clear();
    this.#plot?.destroy();
    this.#plot = null;
  }

  add(at: number, values: Map<string, number>): void {
    this.#times.push(at / 1000);
    for (const name of values.keys()) {
      if (!this.#series.has(name)) {
        this.#series.set(name, new Array(this.#times.length - 1).fill(null));
        this.#plot?.destroy();
        this.#plot = null;
      }
    }
    for (const [name, points] of this.#series) points.push(values.get(name) ?? null);
    if (this.#times.length > MOST_POINTS) {
      this.#times.shift();
      for (const points of this.#series.values()) points.shift();
    }
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    this.#frame = 0;
    const newest = this.#times.at(-1);
    if (newest === undefined) return;
    this.#plot ??= this.#create();
    this.#plot.setData([this.#times, ...this.#series.values()], false);
    const oldest = Math.max(newest - WINDOW_S, Math.min(this.#times[0] ?? newest, newest - WINDOW_S / 6));
    this.#plot.batch(() => {
      this.#plot?.setScale("x", { min: oldest, max: newest });
      for (let i = 0; i < this.#series.size; i++) this.#fit(i, newest);
    });
  }

  /** Each line has a scale of its own: a temperature and a humidity would flatten each other. */
  #fit(index: number, newest: number): void {
    const points = [...this.#series.values()][index] ?? [];
    const shown = points.filter((value, i) => value !== null && (this.#times[i] ?? 0) >= newest - WINDOW_S) as number[];
    const low = Math.min(...shown);
    const high = Math.max(...shown);
    const margin = Math.max((high - low) * 0.15, Math.abs(high) * 0.01, 0.1);
    this.#plot?.setScale(`y${index}`, { min: low - margin, max: high + margin });
  }

  #create(): uPlot {
    const style = getComputedStyle(this.element);
    const ink = style.getPropertyValue("--quiet");
    const grid = { stroke: style.getPropertyValue("--line"), width: 1 };
    const names = [...this.#series.keys()];
    const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui" };
    return new uPlot(
      {
        width: this.element.clientWidth,
        height: HEIGHT,
        cursor: { y: false },
        legend: { live: false },
        series: [
          {},
          ...names.map((name, i) => ({ label: name, scale: `y${i}`, stroke: style.getPropertyValue(`--series-${i % 5}`), width: 2, points: { size: 6, show: () => this.#times.length < 3 } })),
        ],
        axes: [
          { ...axis, space: 70, values: (_plot, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString()) },
          ...names.map((_, i) => ({ ...axis, stroke: style.getPropertyValue(`--series-${i % 5}`), scale: `y${i}`, side: i === 0 ? 3 : 1, show: i < 2, size: 56, grid: { ...grid, show: i === 0 } })),
        ],
        scales: Object.fromEntries(names.map((_, i) => [`y${i}`, { auto: false }])),
      },
      [this.#times, ...this.#series.values()],
      this.element,
    );
  }
}
