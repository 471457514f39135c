// A table whose rows are changed in place: whoever has the focus on one of its buttons keeps it while the numbers move.
import { make, write } from "./console-page";

const MANY = 4; // columns; more stand below each other on a phone

export interface Column<T> {
  title: string;
  text(row: T): string;
  /** `number` is written to the right; `wide` may be broken anywhere. */
  kind?: "number" | "wide";
  /** A button in place of plain text. */
  press?(row: T): void;
  label?(row: T): string;
  style?(row: T): string;
}

export class Table<T> {
  readonly #body = document.createElement("tbody");
  readonly #empty = make("p", "", "note");
  readonly #rows = new Map<string, { line: HTMLElement; cells: HTMLElement[]; row: T }>();

  constructor(
    readonly place: HTMLElement,
    readonly columns: Column<T>[],
    readonly key: (row: T) => string,
    nothing: string,
  ) {
    const table = make("table");
    const head = make("tr");
    for (const { title, kind } of columns) {
      const cell = make("th", title, kind);
      cell.setAttribute("scope", "col");
      head.append(cell);
    }
    const top = make("thead");
    top.append(head);
    table.append(top, this.#body);
    this.#empty.textContent = nothing;
    place.classList.add("scroll");
    table.classList.toggle("many", columns.length > MANY);
    place.append(table, this.#empty);
  }

  show(rows: T[], isChosen: (row: T) => boolean = () => false): void {
    const wanted = new Set(rows.map(this.key));
    for (const [key, { line }] of this.#rows) {
      if (!wanted.has(key)) {
        line.remove();
        this.#rows.delete(key);
      }
    }
    rows.forEach((row, n) => {
      const { line } = this.#line(row);
      line.classList.toggle("chosen", isChosen(row));
      if (this.#body.children[n] !== line) this.#body.insertBefore(line, this.#body.children[n] ?? null);
    });
    this.#empty.hidden = rows.length > 0;
  }

  #line(row: T): { line: HTMLElement } {
    const key = this.key(row);
    const known = this.#rows.get(key) ?? this.#make(row);
    known.row = row;
    this.#rows.set(key, known);
    this.columns.forEach((column, n) => {
      const cell = known.cells[n]!;
      write(cell, column.text(row));
      if (column.label) cell.setAttribute("aria-label", column.label(row));
      if (column.style) cell.className = column.style(row);
    });
    return known;
  }

  #make(row: T): { line: HTMLElement; cells: HTMLElement[]; row: T } {
    const made = { line: make("tr"), cells: [] as HTMLElement[], row };
    for (const column of this.columns) {
      const cell = make("td", "", column.kind);
      cell.dataset["title"] = column.title;
      const inner = make(column.press ? "button" : "span", "", column.press ? "small" : "");
      if (column.press) inner.onclick = () => column.press?.(made.row);
      cell.append(inner);
      made.cells.push(inner);
      made.line.append(cell);
    }
    return made;
  }
}
