// What devices sent that meant nothing, and why.
import { ask } from "./console-api";
import { ago, bytes, element, plural, write } from "./console-page";
import { Table } from "./console-table";

const MOST = 200;

interface Letter {
  reason: string;
  message: string;
  topic: string;
  payload: string;
  size: number;
  from: string | null;
  at: number;
  key: string;
}

export class Letters {
  readonly #table = new Table<Letter>(
    element("letter-table"),
    [
      { title: "Ago", text: (one) => ago(one.at), kind: "number" },
      { title: "Reason", text: (one) => one.reason },
      { title: "Topic", text: (one) => one.topic, kind: "wide" },
      { title: "From", text: (one) => one.from ?? "–", kind: "wide" },
      { title: "Payload", text: (one) => one.payload, kind: "wide" },
      { title: "Size", text: (one) => bytes(one.size), kind: "number" },
      { title: "What was wrong", text: (one) => one.message, kind: "wide" },
    ],
    (one) => one.key,
    "There are none.",
  );

  async refresh(): Promise<void> {
    const { dead_letters: letters } = await ask<{ dead_letters: Letter[] }>("GET", `/api/v1/dead-letters?limit=${MOST}`);
    const times = new Map<string, number>();
    for (const letter of [...letters].reverse()) {
      const about = `${letter.at} ${letter.topic} ${letter.payload}`;
      times.set(about, (times.get(about) ?? 0) + 1);
      letter.key = `${about} ${times.get(about)}`;
    }
    write(element("letter-count"), letters.length < MOST ? `${plural(letters.length, "dead letter")}, newest first.` : `The newest ${MOST}; \`dead-letters\` on the command line shows all that are kept.`);
    this.#table.show(letters);
  }
}
