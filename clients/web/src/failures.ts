// What may go wrong between a room's client and the service, and how long to wait before trying again.
import type { Failure } from "./protocol.js";

const PAUSE_MS = 250; // before the first repetition, at most; doubled each time
const PAUSE_MOST_MS = 30_000;

/** `code` is one of docs/protocol.md: what the service said, or what became of something on this side. */
export class RtError extends Error {
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor({ code, message, retry_after_ms }: Failure) {
    super(message);
    this.name = "RtError";
    this.code = code;
    this.retryAfterMs = retry_after_ms;
  }
}

export { RtError as RoomError }; // its name in /web/rooms.mjs

/** Of what JSON cannot say: a BigInt, or what contains itself. */
export function unwritable(error: unknown): RtError {
  const why = error instanceof Error ? error.message : String(error);
  return new RtError({ code: "invalid_data", message: `this cannot be written as JSON: ${why}` });
}

/** What the application throws is its own affair, and must not keep the next publication from it. */
export function tell(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}

/** More than a limit allows is temporary only where the service says for how long. */
export function isTemporary({ code, retry_after_ms }: Failure): boolean {
  return retry_after_ms !== undefined || code === "unavailable" || code === "timeout";
}

/** A pause before the next try: what the service asks for, and a random part that grows; not all come at once. */
export class Backoff {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;

  get waiting(): boolean {
    return this.#timer !== undefined;
  }

  again(action: () => void, failure?: Failure): void {
    const jitter = Math.random() * Math.min(PAUSE_MOST_MS, PAUSE_MS * 2 ** this.#tries++);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      action();
    }, (failure?.retry_after_ms ?? 0) + jitter);
  }

  /** The next pause is a short one again. */
  succeeded(): void {
    this.#tries = 0;
  }

  reset(): void {
    this.#tries = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
