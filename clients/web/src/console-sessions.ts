// Who is in, over which way, and how much waits for them; any of them can be ended.
import { ask, tell, why } from "./console-api";
import { ago, bytes, element, shown, write } from "./console-page";
import { Table } from "./console-table";
import type { Identity } from "./protocol";

const MOST = 200;

interface Session extends Identity {
  sid: string;
  role: string;
  namespace: string | null;
  rooms: string[];
  transport: string;
  waiting: number;
  since: number;
}

const roomsOf = ({ rooms }: Session): string => (rooms.length > 3 ? `${rooms.slice(0, 3).join(", ")} and ${rooms.length - 3} more` : rooms.join(", "));

export class Sessions {
  readonly #table = new Table<Session>(
    element("session-table"),
    [
      { title: "Who", text: (one) => `${one.kind}:${one.id}`, kind: "wide" },
      { title: "Role", text: (one) => one.role },
      { title: "Transport", text: (one) => one.transport },
      { title: "Namespace", text: (one) => one.namespace ?? "–" },
      { title: "Rooms", text: roomsOf, kind: "wide" },
      { title: "Waiting", text: (one) => bytes(one.waiting), kind: "number", style: (one) => (one.waiting ? "bad" : "") },
      { title: "For", text: (one) => ago(one.since), kind: "number" },
      { title: "", text: () => "Kick", press: (one) => void this.#kick(one), label: (one) => `Kick ${one.kind}:${one.id} on ${one.transport}` },
    ],
    (one) => one.sid,
    "Nobody fits.",
  );

  async refresh(): Promise<void> {
    const filter = element<HTMLInputElement>("session-filter").value;
    const { sessions, total } = await ask<{ sessions: Session[]; total: number }>("GET", `/api/v1/sessions?limit=${MOST}&filter=${encodeURIComponent(filter)}`);
    if (filter !== element<HTMLInputElement>("session-filter").value) return;
    write(element("session-count"), `${shown(total, sessions.length, "session")}. Those for whom most waits come first.`);
    this.#table.show(sessions);
  }

  async #kick(one: Session): Promise<void> {
    if (!confirm(`End this session of ${one.kind}:${one.id}? Its client may come again.`)) return;
    const told = element("session-error");
    told.textContent = "";
    try {
      await tell("DELETE", `/api/v1/sessions/${encodeURIComponent(one.sid)}`);
      await this.refresh();
    } catch (error) {
      told.textContent = why(error);
    }
  }
}
