// What every part of the console builds with: elements by id, elements made of text, and how things are written.

export const element = <T extends HTMLElement = HTMLElement>(id: string): T => document.getElementById(id) as T;

/** An element with text in it. What comes from the network is only ever text here. */
export function make(tag: string, text = "", className = ""): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function write(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export function count(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

export function bytes(value: number): string {
  return value < 1024 ? `${value} B` : value < 1 << 20 ? `${(value / 1024).toFixed(1)} KiB` : `${(value / (1 << 20)).toFixed(2)} MiB`;
}

const STEPS: [number, string][] = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** How long ago a time (Unix ms) was, by the clock of this machine. */
export function ago(at: number): string {
  const seconds = Math.max(0, (Date.now() - at) / 1000);
  const [size, unit] = STEPS.find(([one]) => seconds >= one) ?? [1, "s"];
  return seconds < 1 ? "now" : `${Math.floor(seconds / size)} ${unit}`;
}

export function plural(number: number, what: string): string {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}

/** How many of how many `what` (in the singular) are shown. */
export function shown(total: number, here: number, what: string): string {
  const all = plural(total, what);
  return total > here ? `${here.toLocaleString("en")} of ${all}; narrow it down to see the others` : all;
}

export const json = (value: unknown): string => JSON.stringify(value) ?? "";
