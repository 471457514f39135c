// Functions of the application, by the name of what they are told.
import { tell } from "../src/failures.js";

export type Off = () => void;

export class Handlers {
  readonly #named = new Map<string, Set<(what: never) => unknown>>();

  /** The function that is returned takes `handler` away again. */
  add<T>(name: string, handler: (what: T) => unknown): Off {
    const handlers = this.#named.get(name) ?? new Set();
    this.#named.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  tell<T>(name: string, what: T): void {
    for (const handler of [...(this.#named.get(name) ?? [])]) tell(() => void (handler as (what: T) => unknown)(what));
  }
}
