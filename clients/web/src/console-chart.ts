// Several lines over the last minutes on one scale.
import uPlot from "uplot";

const HEIGHT = 220;

export class Chart {
  #plot: uPlot | null = null;

  constructor(
    readonly element: HTMLElement,
    readonly names: string[],
  ) {
    new ResizeObserver(() => this.#plot?.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#forget());
  }

  /** `times` in Unix ms; each of `series` as long as it. Nothing is drawn while the page is hidden. */
  draw(times: number[], series: (number | null)[][]): void {
    if (!this.element.clientWidth || times.length < 2) return;
    this.#plot ??= this.#create();
    this.#plot.setData([times.map((time) => time / 1000), ...series]);
  }

  #forget(): void {
    this.#plot?.destroy();
    this.#plot = null;
  }

  #create(): uPlot {
    const style = getComputedStyle(this.element);
    const line = { stroke: style.getPropertyValue("--line"), width: 1 };
    const axis = { stroke: style.getPropertyValue("--quiet"), grid: line, ticks: line, font: "12px system-ui" };
    return new uPlot(
      {
        width: this.element.clientWidth,
        height: HEIGHT,
        cursor: { y: false },
        legend: { live: false },
        scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, (high || 0) * 1.15)] } },
        series: [
          {},
          ...this.names.map((label, n) => ({ label, stroke: style.getPropertyValue(`--series-${n}`), width: 2, points: { show: false } })),
        ],
        axes: [
          { ...axis, space: 80, values: (_plot, times) => times.map((time) => new Date(time * 1000).toLocaleTimeString()) },
          { ...axis, size: 52 },
        ],
      },
      [[], ...this.names.map(() => [])],
      this.element,
    );
  }
}
