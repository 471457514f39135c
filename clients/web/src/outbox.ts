// What is published into one room: kept here until it is answered, and sent again with the same id where that is in
// doubt.
import { Backoff, isTemporary, RtError, unwritable } from "./failures.js";
import type { Answer, Failure, Publication, Published } from "./protocol.js";

const WAITING_MOST = 1000;
const DEADLINE_MOST_MS = 240_000; // the service knows a repeated id for five minutes

export type Answered = (error: Error | null, answer: Answer<Published>) => void;

interface PublishRequest {
  id?: string | undefined;
  event: string;
  class?: string | undefined;
  key?: string | undefined;
}

interface Waiting {
  id: string;
  request: PublishRequest; // as it was asked for
  sent: boolean;
  newer: Waiting | undefined; // it is not sent, but answered with that one
  suspect: boolean; // the connection was closed for something, and this was on its way
  deadline: ReturnType<typeof setTimeout>;
  resolve(answer: Published): void;
  reject(error: unknown): void;
}

export class Outbox {
  readonly #emit: (request: object, answered: Answered) => void;
  readonly #backoff = new Backoff();
  #queue: Waiting[] = [];
  #asked: Waiting | undefined; // one at a time: while the first is refused for a while, a second would overtake it
  #open = false;
  #connection = 0;

  /** `emit` sends a publish and calls back with its answer, or with an error when none came. */
  constructor(emit: (request: object, answered: Answered) => void) {
    this.#emit = emit;
  }

  /** A `latest` comes instead of an older one that was not sent yet. */
  add(request: PublishRequest, deadlineMs: number): Promise<Published> {
    if (!(deadlineMs <= DEADLINE_MOST_MS)) return failed("bad_request", `deadlineMs is at most ${DEADLINE_MOST_MS}`);
    const older = this.#queue.find((one) => !one.sent && !one.newer && replaces(request, one.request));
    if (this.#queue.length >= WAITING_MOST) {
      const full = new RtError({ code: "too_many_requests", message: `${WAITING_MOST} wait to be published` });
      if (!older) return Promise.reject(full);
      this.#settle(older, (one) => one.reject(full));
    }
    return new Promise((resolve, reject) => {
      const id = request.id ?? newId();
      const deadline = setTimeout(() => this.#late(waiting), deadlineMs);
      const waiting: Waiting = { id, request, sent: false, newer: undefined, suspect: false, deadline, resolve, reject };
      for (const one of this.#queue) if (older && (one === older || one.newer === older)) one.newer = waiting;
      this.#queue.push(waiting);
      this.#next();
    });
  }

  /** The room was entered: what waits is sent, first what an earlier connection left without an answer. */
  start(): void {
    this.#open = true;
    this.#next();
  }

  /**
   * The connection is gone, and with it the answers. `refusal`: it was closed for what it was sent. That may have been
   * something else, so what is asked is refused when it happens a second time in a row.
   */
  stop(refusal?: Failure): void {
    const asked = this.#asked;
    this.#open = false;
    this.#connection++;
    this.#asked = undefined;
    this.#backoff.reset();
    if (refusal && asked?.suspect) this.#settle(asked, (one) => one.reject(new RtError(refusal)));
    else if (asked) asked.suspect = refusal !== undefined;
  }

  /**
   * A publication that came back from the room needs no answer any more. So it is not sent again by an anonymous client
   * either, whose repetition over the next connection would be somebody else's for the service. An id that was not made
   * here may be somebody else's too.
   */
  seen({ id, offset }: Publication, epoch: string): void {
    const first = this.#first();
    if (first?.id === id && first.request.id === undefined) this.#settle(first, (one) => one.resolve({ id, epoch, offset }));
  }

  fail(error: RtError): void {
    for (const waiting of this.#queue.splice(0)) {
      clearTimeout(waiting.deadline);
      waiting.reject(error);
    }
  }

  #first(): Waiting | undefined {
    return this.#queue.find((waiting) => !waiting.newer);
  }

  #next(): void {
    const waiting = this.#first();
    if (!waiting || !this.#open || this.#asked || this.#backoff.waiting) return;
    this.#asked = waiting;
    waiting.sent = true;
    const connection = this.#connection;
    const answered: Answered = (error, answer) => {
      if (connection !== this.#connection || this.#asked !== waiting) return;
      this.#asked = undefined;
      if (error) this.#backoff.again(() => this.#next());
      else if (answer.ok) this.#settle(waiting, (one) => one.resolve(published(answer)));
      else if (isTemporary(answer.error)) this.#backoff.again(() => this.#next(), answer.error);
      else this.#settle(waiting, (one) => one.reject(new RtError(answer.error)));
    };
    try {
      this.#emit({ ...waiting.request, id: waiting.id }, answered);
    } catch (error) {
      this.#settle(waiting, (one) => one.reject(unwritable(error)));
    }
  }

  #late(waiting: Waiting): void {
    const message = waiting.sent ? "not answered in time; it may have arrived" : "not sent in time";
    this.#settle(waiting, (one) => one.reject(new RtError({ code: "timeout", message })));
  }

  #settle(waiting: Waiting, finish: (one: Waiting) => void): void {
    const settled = this.#queue.filter((one) => one === waiting || one.newer === waiting);
    this.#queue = this.#queue.filter((one) => one !== waiting && one.newer !== waiting);
    if (this.#asked === waiting) this.#asked = undefined;
    this.#backoff.succeeded();
    for (const one of settled) {
      clearTimeout(one.deadline);
      finish(one);
    }
    this.#next();
  }
}

function replaces(request: PublishRequest, older: PublishRequest): boolean {
  const latest = request.class === "latest" && older.class === "latest";
  return latest && request.event === older.event && request.key === older.key;
}

export function published({ id, epoch, offset }: Published): Published {
  return { id, epoch, offset };
}

export function failed(code: string, message: string): Promise<never> {
  return Promise.reject(new RtError({ code, message }));
}

/** Not crypto.randomUUID: browsers have it over HTTPS and on localhost only; rooms are used in local networks too. */
function newId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
