// What is published into one room: kept here until it is answered, and sent again with the same id where that is in
// doubt.
import { Backoff, isTemporary, RtError, unwritable } from "./failures.js";
import type { Answer, Failure, Publication, Published } from "./protocol.js";

const WAITING_MOST = 1000;
const DEADLINE_MOST_MS = 240_000; // the service knows a repeated id for five minutes

export type Answered = (error: Error | null, answer: Answer<Published>) => void;

interface Request {
  id?: string | undefined;
  event: string;
  class?: string | undefined;
  key?: string | undefined;
}

interface Waiting {
  id: string;
  request: Request; // as it was asked for
  sent: boolean;
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

  /** A `latest` takes the place of one that was not sent yet: what is old by then is not sent. */
  add(request: Request, deadlineMs: number): Promise<Published> {
    if (!(deadlineMs <= DEADLINE_MOST_MS)) return failed("bad_request", `deadlineMs is at most ${DEADLINE_MOST_MS}`);
    const older = this.#older(request);
    if (this.#queue.length >= WAITING_MOST) return failed("too_many_requests", `${WAITING_MOST} wait to be published`);
    const answer = new Promise<Published>((resolve, reject) => {
      const id = request.id ?? newId();
      const deadline = setTimeout(() => this.#late(waiting), deadlineMs);
      const waiting: Waiting = { id, request, sent: false, suspect: false, deadline, resolve, reject };
      this.#queue.push(waiting);
      this.#next();
    });
    if (older) answer.then(older.resolve, older.reject);
    return answer;
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
    if (refusal && asked?.suspect) this.#settle(asked, () => asked.reject(new RtError(refusal)));
    else if (asked) asked.suspect = refusal !== undefined;
  }

  /**
   * A publication that came back from the room needs no answer any more. So it is not sent again by an anonymous client
   * either, whose repetition over the next connection would be somebody else's for the service. An id that was not made
   * here may be somebody else's too.
   */
  seen({ id, offset }: Publication, epoch: string): void {
    const first = this.#queue[0];
    if (first?.id === id && first.request.id === undefined) this.#settle(first, () => first.resolve({ id, epoch, offset }));
  }

  fail(error: RtError): void {
    for (const waiting of this.#queue.splice(0)) {
      clearTimeout(waiting.deadline);
      waiting.reject(error);
    }
  }

  /** Taken out of what waits, for `request` to come instead. */
  #older(request: Request): Waiting | undefined {
    if (request.class !== "latest") return undefined;
    const same = ({ class: class_, event, key }: Request): boolean =>
      class_ === "latest" && event === request.event && key === request.key;
    const found = this.#queue.findIndex((waiting) => !waiting.sent && same(waiting.request));
    if (found < 0) return undefined;
    const [older] = this.#queue.splice(found, 1);
    clearTimeout(older?.deadline);
    return older;
  }

  #next(): void {
    const waiting = this.#queue[0];
    if (!waiting || !this.#open || this.#asked || this.#backoff.waiting) return;
    this.#asked = waiting;
    waiting.sent = true;
    const connection = this.#connection;
    const answered: Answered = (error, answer) => {
      if (connection !== this.#connection || this.#asked !== waiting) return;
      this.#asked = undefined;
      if (error) this.#backoff.again(() => this.#next());
      else if (answer.ok) this.#settle(waiting, () => waiting.resolve(published(answer)));
      else if (isTemporary(answer.error)) this.#backoff.again(() => this.#next(), answer.error);
      else this.#settle(waiting, () => waiting.reject(new RtError(answer.error)));
    };
    try {
      this.#emit({ ...waiting.request, id: waiting.id }, answered);
    } catch (error) {
      this.#settle(waiting, () => waiting.reject(unwritable(error)));
    }
  }

  #late(waiting: Waiting): void {
    const message = waiting.sent ? "not answered in time; it may have arrived" : "not sent in time";
    this.#settle(waiting, () => waiting.reject(new RtError({ code: "timeout", message })));
  }

  #settle(waiting: Waiting, finish: () => void): void {
    clearTimeout(waiting.deadline);
    this.#queue.splice(this.#queue.indexOf(waiting), 1);
    if (this.#asked === waiting) this.#asked = undefined;
    this.#backoff.succeeded();
    finish();
    this.#next();
  }
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
