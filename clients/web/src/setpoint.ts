// A device's temperature as somebody wants it and as the device says it is: the two halves of its twin.
import type { Twin } from "@rt-service/client";
import { element, why } from "./page";

export class Setpoint {
  readonly #slider = element<HTMLInputElement>("setpoint");
  readonly #note = element("setpoint-note");
  #dragging = false;

  /** `want` asks for a temperature in degrees Celsius. */
  constructor(readonly want: (celsius: number) => Promise<Twin>) {
    this.#slider.oninput = () => {
      this.#dragging = true;
      this.#value(this.#slider.valueAsNumber);
    };
    this.#slider.onchange = () => void this.#ask(this.#slider.valueAsNumber);
  }

  clear(): void {
    this.#dragging = false;
    element("setpoint-value").textContent = "–";
    this.#say("nobody has set it yet", "");
  }

  show({ desired, reported }: Pick<Twin, "desired" | "reported">): void {
    const [wanted, is] = [desired["c"], reported["c"]];
    if (typeof wanted === "number" && !this.#dragging) {
      this.#slider.value = String(wanted);
      this.#value(wanted);
    }
    if (typeof wanted !== "number") this.#say(typeof is === "number" ? `the device says ${is} °C` : "nobody has set it yet", "");
    else if (wanted === is) this.#say("the device has taken it over", "good");
    else this.#say(typeof is === "number" ? `the device still says ${is} °C` : "the device has not answered yet", "");
  }

  async #ask(celsius: number): Promise<void> {
    this.#say("asking …", "");
    this.#dragging = false;
    try {
      this.show(await this.want(celsius));
    } catch (error) {
      this.#say(why(error), "bad");
    }
  }

  #value(celsius: number): void {
    element("setpoint-value").textContent = `${celsius.toLocaleString()} °C`;
  }

  #say(text: string, className: string): void {
    this.#note.textContent = text;
    this.#note.className = `note ${className}`;
  }
}
