// The shapes of docs/protocol.md that the page uses.

export interface Identity {
  kind: "user" | "device" | "service";
  id: string;
}

/** A publication of a room, or what was sent to us alone: its `room` is null. */
export interface Pushed<T = unknown> {
  room: string | null;
  event: string;
  data: T;
  from: Identity;
  id: string;
  offset: number | null;
  at: number;
  key?: string;
}

export interface Publication<T = unknown> extends Pushed<T> {
  room: string;
}

export interface Member extends Identity {
  info: unknown;
  sessions: number;
}

export interface Position {
  epoch: string;
  offset: number;
}

export interface Joined extends Position {
  recovered: boolean;
  publications: Publication[];
  latest: Publication[];
  members: Member[];
}

export interface PresenceChange {
  room: string;
  action: "join" | "leave" | "online" | "offline";
  member: Member;
}

export interface Failure {
  code: string;
  message: string;
  retry_after_ms?: number;
}

export type Answer<T> = ({ ok: true } & T) | { ok: false; error: Failure };

export interface Published {
  id: string;
  epoch: string;
  offset: number | null;
}

export interface Closing extends Failure {
  reconnect: boolean;
}
