// One connection in one namespace: who comes, how it is doing, and asking. It comes back by itself.
import { io, type Socket } from "socket.io-client";
import { withBinary } from "../src/binary.js";
import { Backoff, isTemporary, RtError, unwritable } from "../src/failures.js";
import type { Answer, Closing, Failure } from "../src/protocol.js";
import { watch } from "../src/refusals.js";

export type Token = string | (() => string | Promise<string>);
export type State = "connecting" | "connected" | "reconnecting" | "closed";

export interface ConnectOptions {
  /** "/chat" unless something else is said. */
  namespace?: string | undefined;
  /** Who it is, in open mode. */
  user?: string | undefined;
  /** A function is asked before each connect, so that it can come back with a newer one. */
  token?: Token | undefined;
  /** Any JSON up to 1 KiB, shown in presence; in token mode the token says it. */
  info?: unknown;
}

export const ANSWER_MS = 10_000;
const TOKENS_MOST = 5; // expired ones that a function may give in a row
const DELAY_MS = 1000; // before it connects again, more or less; grows to five seconds

export class Connection {
  readonly socket: Socket;
  readonly #url: string;
  readonly #who: object;
  readonly #token: Token | undefined;
  readonly #changed: (state: State, reason?: RtError) => void;
  readonly #backoff = new Backoff();
  readonly #unwatch: () => void;
  #state: State = "connecting";
  #reason: RtError | undefined;
  readonly #settle: () => void;
  readonly #first: Promise<void>; // connected, or closed, for the first time
  #expired = 0; // tokens in a row
  #attempt = 0; // a token that comes for an earlier one is too late

  /** `changed` is told each state, and why it is not connected. */
  constructor(url: string, options: ConnectOptions, changed: (state: State, reason?: RtError) => void) {
    const { namespace = "/chat", user, token, info } = options;
    // Whoever has no name gets one here, so that the service knows a repeated publish after a reconnect.
    this.#who = { user: user ?? (token === undefined ? anonymous() : undefined), info };
    this.#token = token;
    this.#changed = changed;
    let settle = (): void => undefined;
    this.#first = new Promise((resolve) => (settle = resolve));
    this.#settle = settle;
    this.#url = checked(url, namespace);
    checkedInfo(info);
    const auth = (say: (auth: object) => void): void => void this.#identify(say);
    this.socket = io(this.#url + namespace, { auth, forceNew: true, reconnectionDelay: DELAY_MS });
    this.#unwatch = watch(this.socket, (error) => this.#refused(error));
    this.socket.on("connect", () => this.#connected());
    this.socket.on("disconnect", (reason) => this.#disconnected(reason));
    this.socket.on("connect_error", (error: Error & { data?: Failure }) => this.#failed(error));
    this.socket.on("closing", (said: Closing) => this.#closing(said));
  }

  get state(): State {
    return this.#state;
  }

  get reason(): RtError | undefined {
    return this.#reason;
  }

  /** The answer of any verb, asked once; before the first connect it waits for that. Throws RtError. */
  async ask<T>(verb: string, request: object = {}, timeoutMs = ANSWER_MS): Promise<T> {
    if (this.#state === "connecting") await this.#settled(timeoutMs);
    if (this.#state === "closed") throw this.#reason;
    if (!this.socket.connected) throw unavailable(`not connected to ${this.#url} now`);
    const answer = await this.#asked<T>(verb, request, timeoutMs);
    if (!answer.ok) throw new RtError(answer.error);
    return answer;
  }

  /** For good. Without a `reason` it is meant so. */
  close(reason?: RtError): void {
    if (this.#state === "closed") return;
    this.#attempt++;
    this.#unwatch();
    this.#backoff.reset();
    this.#is("closed", reason ?? new RtError({ code: "not_online", message: "this client was closed" }));
    this.socket.disconnect();
  }

  #asked<T>(verb: string, request: object, timeoutMs: number): Promise<Answer<T>> {
    return new Promise((resolve, reject) => {
      const answered = (error: Error | null, answer: Answer<T>): void => {
        if (!error) resolve(withBinary(answer));
        else if (this.socket.connected) reject(new RtError({ code: "timeout", message: "no answer in time; it may have been done" }));
        else reject(unavailable("the connection was lost; it may have been done"));
      };
      try {
        this.socket.timeout(timeoutMs).emit(verb, request, answered);
      } catch (error) {
        reject(unwritable(error));
      }
    });
  }

  async #settled(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
    await Promise.race([late, this.#first]);
    clearTimeout(timer);
  }

  #is(state: State, reason?: RtError): void {
    const same = state === this.#state && reason?.message === this.#reason?.message;
    [this.#state, this.#reason] = [state, reason];
    if (state === "connected" || state === "closed") this.#settle();
    if (!same) this.#changed(state, reason);
  }

  // -- coming and going

  async #identify(say: (auth: object) => void): Promise<void> {
    const attempt = ++this.#attempt;
    try {
      const token = typeof this.#token === "function" ? await this.#token() : this.#token;
      if (attempt === this.#attempt) say({ ...this.#who, token });
    } catch (error) {
      if (attempt === this.#attempt) this.#noToken(error);
    }
  }

  #noToken(error: unknown): void {
    if (error instanceof RtError && !isTemporary({ ...error, message: error.message })) return this.close(error);
    this.#is(this.#state, unavailable(`no token: ${error instanceof Error ? error.message : String(error)}`));
    this.socket.disconnect();
    this.#backoff.again(() => this.socket.connect());
  }

  /** A function may know a newer token a moment later; a token that stays the same stays expired. */
  #refused(error: RtError): void {
    const again = error.code === "token_expired" && typeof this.#token === "function" && ++this.#expired <= TOKENS_MOST;
    if (again) this.#backoff.again(() => this.socket.connect());
    else this.close(error);
  }

  #connected(): void {
    this.#expired = 0;
    this.#backoff.reset();
    this.socket.io.reconnectionDelay(DELAY_MS);
    this.#is("connected");
  }

  #disconnected(reason: string): void {
    if (this.#state === "closed") return;
    if (reason === "io server disconnect") this.#backoff.again(() => this.socket.connect());
    this.#is("reconnecting", this.#reason);
  }

  #failed(error: Error & { data?: Failure }): void {
    if (this.#state === "closed") return;
    const known = typeof error.data?.code === "string" ? new RtError(error.data) : undefined;
    this.#is(this.#state, known ?? unavailable(`${this.#url} cannot be reached: ${error.message}`));
  }

  /** The reason is shown while it is away; the service says when to come back. */
  #closing(said: Closing): void {
    if (!said.reconnect) return; // the watch closes it
    this.#reason = new RtError(said);
    this.socket.io.reconnectionDelay(Math.max(DELAY_MS, said.retry_after_ms ?? 0));
  }
}

function unavailable(message: string): RtError {
  return new RtError({ code: "unavailable", message });
}

function anonymous(): string {
  return `anon-${[...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function checkedInfo(info: unknown): void {
  try {
    JSON.stringify(info);
  } catch (error) {
    throw unwritable(error);
  }
}

function checked(url: string, namespace: string): string {
  const bad = (message: string): RtError => new RtError({ code: "bad_request", message });
  const at = /^https?:\/\//.test(url) && parsed(url);
  if (!at) throw bad(`a url is like http://127.0.0.1:5000, not ${url}`);
  if (at.pathname + at.search + at.hash !== "/") throw bad(`a url is without a path: did you mean ${at.origin}?`);
  if (!namespace.startsWith("/")) throw bad(`a namespace starts with /: did you mean /${namespace}?`);
  return at.origin;
}

function parsed(url: string): URL | undefined {
  try {
    return new URL(url);
  } catch {
    return undefined;
  }
}
