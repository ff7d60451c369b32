// Tables that sort and filter.

import type { Column, PageData, Table } from "../data";
import { announce, el, section } from "./dom";
import { count, short, withUncertainty } from "./format";
import { csvField, saveText } from "./save";

const PAGE = 100; // rows that are added at a time
type Row = Table["rows"][number];

const NUMBER = String.raw`(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)`;
const BOUND = new RegExp(String.raw`^([a-z][\w .]*?)?\s*(<=|>=|<|>|=)\s*${NUMBER}$`);
const RANGE = new RegExp(String.raw`^(?:([a-z][\w .]*?)\s+)?${NUMBER}\s*\.\.\s*${NUMBER}$`);

// "conv", "energy > 10", "<= 0.5", "calls 3..5": a text in any column, or numbers in one.
export function matcher(text: string, table: Table): (row: Row) => boolean {
  const wanted = text.trim().toLowerCase();
  const shown = table.columns.map((column, i) => ({ column, i })).filter(({ column }) => !column.hidden);
  const bound = BOUND.exec(wanted), range = RANGE.exec(wanted);
  if (wanted === "") return () => true;
  if (bound === null && range === null)
    return (row) => shown.some(({ column, i }) => cellText(table, column, row, i).toLowerCase().includes(wanted));
  const name = (bound ?? range)![1], good = range === null ? comparison(bound![2], Number(bound![3]))
    : (value: number) => value >= Number(range[2]) && value <= Number(range[3]);
  const columns = shown.filter(({ column }) => column.kind !== "text" &&
    (!name || column.title.toLowerCase().includes(name.trim()) || column.name.includes(name.trim())));
  return (row) => columns.some(({ i }) => typeof row[i] === "number" && good(row[i] as number));
}

function comparison(sign: string, limit: number): (value: number) => boolean {
  return (value) => sign === "<" ? value < limit : sign === ">" ? value > limit
    : sign === "<=" ? value <= limit : sign === ">=" ? value >= limit : value === limit;
}

function cellText(table: Table, column: Column, row: Row, i: number): string {
  const value = row[i];
  if (column.kind === "text") return value === null ? "" : String(value);
  if (column.kind === "number") return short(value as number | null, column.unit);
  const other = (name?: string) => row[table.columns.findIndex((c) => c.name === name)];
  return withUncertainty(value as number | null, other(column.u95) as number | null, column.unit,
                         Boolean(other(column.bound)));
}

export function compare(a: string | number | null, b: string | number | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1; // what is not known comes last
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

class Sheet {
  readonly node: HTMLElement;
  private rows: Row[];
  private shown = PAGE;
  private sort: { i: number; down: boolean } | null = null;
  private filter = "";
  private readonly body = el("tbody");
  private readonly tally = el("span", { class: "muted tally" });
  private readonly more = el("button", { type: "button", class: "more", onclick: () => this.showMore() });
  private readonly heads: HTMLElement[] = [];

  constructor(private readonly table: Table) {
    this.rows = table.rows;
    const input = el("input", { type: "search", placeholder: "filter: a word, or energy > 10",
      "aria-label": `filter ${table.title}`, spellcheck: "false",
      oninput: () => { this.filter = input.value; this.shown = PAGE; this.update(); } });
    const csv = el("button", { type: "button", class: "quiet", "aria-label": `save ${table.title} as CSV`,
      onclick: () => this.save() }, "CSV");
    this.node = el("div", { class: "card sheet", "data-table": table.name },
      el("div", { class: "bar" }, el("h3", {}, table.title), this.tally, el("span", { class: "grow" }), input, csv),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": table.title },
        el("table", {}, el("thead", {}, this.head()), this.body)),
      this.more,
      table.total > table.rows.length &&
        el("p", { class: "muted" }, `The first ${count(table.rows.length)} of ${count(table.total)} rows are here; ` +
          "joulemeter export writes all of them."));
    this.update();
  }

  private columns(): { column: Column; i: number }[] {
    return this.table.columns.map((column, i) => ({ column, i }))
      .filter(({ column, i }) => !column.hidden && this.table.rows.some((row) => row[i] !== null && row[i] !== ""));
  }

  private head(): HTMLElement {
    const row = el("tr");
    for (const { column, i } of this.columns()) {
      const head = el("th", { scope: "col", class: column.kind, "aria-sort": "none", "data-column": column.name },
        el("button", { type: "button", onclick: () => this.sortBy(i, head) }, column.title));
      this.heads.push(head);
      row.append(head);
    }
    return row;
  }

  private sortBy(i: number, head: HTMLElement): void {
    const numbers = this.table.columns[i].kind !== "text";
    const before = this.sort?.i === i ? this.sort.down : null;
    this.sort = { i, down: before === null ? numbers : !before }; // most first, of numbers
    for (const one of this.heads) one.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", this.sort.down ? "descending" : "ascending");
    this.update();
    announce(`${this.table.title} sorted by ${this.table.columns[i].title}`);
  }

  private update(): void {
    const good = matcher(this.filter, this.table);
    this.rows = this.table.rows.filter(good);
    const sort = this.sort;
    if (sort !== null) {
      this.rows = this.rows.slice().sort((a, b) => {
        const [x, y] = [a[sort.i], b[sort.i]];
        return x === null || y === null || !sort.down ? compare(x, y) : compare(y, x);
      });
    }
    this.tally.textContent = this.rows.length === this.table.rows.length ? count(this.table.total)
      : `${count(this.rows.length)} of ${count(this.table.rows.length)}`;
    this.body.replaceChildren();
    this.fill(0);
  }

  private fill(from: number): void {
    const columns = this.columns();
    for (const row of this.rows.slice(from, this.shown))
      this.body.append(el("tr", {}, ...columns.map(({ column, i }) => {
        const text = cellText(this.table, column, row, i);
        return el("td", { class: column.kind, title: text.length > 40 ? text : undefined }, text);
      })));
    if (this.rows.length === 0) this.body.append(el("tr", {}, el("td", { colspan: columns.length, class: "muted" },
      "no row matches the filter")));
    this.more.hidden = this.rows.length <= this.shown;
    this.more.textContent = `show ${count(Math.min(PAGE, this.rows.length - this.shown))} more`;
  }

  private showMore(): void {
    const from = this.shown;
    this.shown += PAGE;
    this.fill(from);
  }

  private save(): void {
    const lines = [this.table.columns.map((column) => csvField(column.name)), ...this.rows.map((row) => row.map(csvField))];
    saveText(lines.map((line) => line.join(",") + "\n").join(""), `${this.table.name}.csv`, "text/csv");
  }
}

export function tables(data: PageData): HTMLElement | null {
  if (data.tables.length === 0) return null;
  return section("tables", "Tables", ...data.tables.map((table) => new Sheet(table).node));
}
