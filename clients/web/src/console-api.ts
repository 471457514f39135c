// The HTTP API with the token of whoever looks: kept in sessionStorage, sent in a header, never in an address.
import { RtError } from "./failures";
import type { Failure } from "./protocol";

const KEY = "rt-console-token";

export const token = {
  get: (): string => sessionStorage.getItem(KEY) ?? "",
  set: (value: string): void => sessionStorage.setItem(KEY, value),
  forget: (): void => sessionStorage.removeItem(KEY),
};

/** Called when a token is needed, is no longer good or may too little. */
let refused: (failure: Failure) => void = () => undefined;

export function onRefused(tell: (failure: Failure) => void): void {
  refused = tell;
}

/** The answer's body. Throws RtError with what the service said, or `unavailable` where nobody answers. */
export async function ask<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
  return (await request(method, path, body, headers)).json() as Promise<T>;
}

export async function askText(path: string): Promise<string> {
  return (await request("GET", path)).text();
}

export async function tell(method: string, path: string): Promise<void> {
  await request(method, path);
}

/** The same as the service's answer, whatever its status is: /readyz answers 503 with what is wrong. */
export async function readiness(): Promise<{ ok: boolean; checks: Record<string, string> }> {
  return (await fetched("GET", "/readyz")).json();
}

async function request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetched(method, path, body, headers);
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (response.status === 401 || response.status === 403) refused(failure);
  throw new RtError(failure);
}

async function fetched(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const said = { ...headers };
  if (token.get()) said["Authorization"] = `Bearer ${token.get()}`;
  if (body !== undefined) said["Content-Type"] ??= "application/json";
  try {
    return await fetch(path, { method, headers: said, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(20_000) });
  } catch {
    throw new RtError({ code: "unavailable", message: "the service does not answer" });
  }
}

async function failureOf(response: Response): Promise<Failure> {
  try {
    const { error } = await response.json();
    if (typeof error.code === "string" && typeof error.message === "string") return error;
  } catch {
    // a proxy's page, for example
  }
  return { code: "unavailable", message: `answered with status ${response.status}` };
}

export function why(error: unknown): string {
  if (error instanceof RtError) return `${error.code}: ${error.message}`;
  if (error instanceof SyntaxError) return `that is not JSON: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
