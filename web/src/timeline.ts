// The timeline: curves and ranges on one time axis, moved by wheel, pointer and keys.

import type { PageData } from "../data";
import { Curves, LEFT, RIGHT } from "./curves";
import { announce, el, section } from "./dom";
import { count, moment, short } from "./format";
import { Ranges } from "./ranges";
import { onTheme } from "./theme";
import { TimeWindow } from "./window";

export class Timeline {
  readonly node: HTMLElement;
  readonly time: TimeWindow;
  private readonly curves: Curves;
  private readonly ranges: Ranges;
  private readonly stage = el("div", { class: "stage", tabindex: "0", role: "application",
    "aria-label": "timeline: plus and minus zoom, arrows move, 0 shows all", "aria-describedby": "timeline-span" });
  private readonly tip = el("div", { class: "tip", hidden: true });
  private readonly hair = el("div", { class: "hair", hidden: true });
  private readonly picked = el("div", { class: "picked", hidden: true });
  private readonly span = el("span", { id: "timeline-span", class: "muted span" });
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private press: { x: number; moved: boolean; select: boolean; pinch: number } | null = null;

  constructor(data: PageData) {
    this.time = new TimeWindow(data.duration_s);
    this.curves = new Curves(data, this.time);
    this.ranges = new Ranges(data, this.time);
    const button = (text: string, label: string, act: () => void) =>
      el("button", { type: "button", class: "quiet", "aria-label": label, title: label, onclick: act }, text);
    const lanes = el("div", { class: "lanes" }, this.ranges.canvas);
    this.stage.append(this.curves.node, lanes, this.hair, this.picked, this.tip);
    const total = data.timeline.ranges.total, drawn = data.timeline.ranges.name.length;
    const note = [this.curves.thinned(),
      drawn < total ? `${count(total)} ranges: those too short to be seen are drawn together.` : "",
      data.timeline.marks_total > data.timeline.marks.length ? `${count(data.timeline.marks.length)} of ${count(data.timeline.marks_total)} marks, evenly chosen.` : ""]
      .filter(Boolean).join(" ");
    this.node = section("timeline", "Timeline",
      el("div", { class: "card" },
        el("div", { class: "bar" }, this.curves.chips, el("span", { class: "grow" }), this.span,
          el("span", { class: "zoom" }, button("+", "zoom in", () => this.time.zoom(0.5)),
            button("−", "zoom out", () => this.time.zoom(2)), button("all", "show all of it", () => this.time.reset()))),
        this.curves.empty && this.ranges.height === 0
          ? el("p", { class: "muted" }, "Nothing was recorded over time.") : this.stage,
        el("p", { class: "muted hint" }, "Wheel or pinch zooms, dragging moves, Shift and dragging zooms in; a click on a range zooms to it, a double click shows all. " + note)));
    this.time.onChange(() => this.move());
    onTheme(() => this.draw());
    window.addEventListener("resize", () => this.draw());
    window.addEventListener("beforeprint", () => this.draw());
    this.listen();
  }

  draw(): void {
    this.curves.draw();
    this.ranges.draw();
    this.tell();
  }

  private move(): void {
    this.curves.move();
    this.ranges.draw();
    this.tell();
  }

  private tell(): void {
    const { t0, t1, span, whole } = this.time;
    this.span.textContent = whole ? `all ${short(span, "s")}` : `${moment(t0, span / 100)} to ${moment(t1, span / 100)} (${short(span, "s")})`;
  }

  // ---- places and times ----

  private width(): number {
    return this.stage.clientWidth;
  }

  private timeAt(x: number): number {
    const share = (x - LEFT) / Math.max(this.width() - LEFT - RIGHT, 1);
    return this.time.t0 + Math.min(Math.max(share, 0), 1) * this.time.span;
  }

  private place(event: MouseEvent): { x: number; y: number; rangesY: number } {
    const box = this.stage.getBoundingClientRect(), canvas = this.ranges.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, rangesY: event.clientY - canvas.top };
  }

  // ---- pointer ----

  private listen(): void {
    const stage = this.stage;
    stage.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.onDown(event));
    stage.addEventListener("pointermove", (event) => this.onMove(event));
    stage.addEventListener("pointerup", (event) => this.onUp(event));
    stage.addEventListener("pointercancel", (event) => { this.pointers.delete(event.pointerId); this.press = null; });
    stage.addEventListener("pointerleave", () => this.pointers.size === 0 && this.hide());
    stage.addEventListener("dblclick", () => this.time.reset());
    stage.addEventListener("keydown", (event) => this.onKey(event));
  }

  private onWheel(event: WheelEvent): void {
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const amount = (sideways && event.deltaX !== 0 ? event.deltaX : event.deltaY) * (event.deltaMode === 1 ? 16 : 1);
    if (!sideways && amount > 0 && this.time.whole) return; // the page scrolls on
    event.preventDefault();
    if (sideways) this.time.pan(amount / this.width() * this.time.span);
    else this.time.zoom(Math.exp(Math.min(Math.max(amount, -200), 200) * 0.0022), this.timeAt(this.place(event).x));
  }

  private onDown(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    const { x, y } = this.place(event);
    this.pointers.set(event.pointerId, { x, y });
    this.press = { x, moved: false, select: event.shiftKey, pinch: this.reach() };
  }

  private reach(): number {
    const [a, b] = [...this.pointers.values()];
    return b === undefined ? 0 : Math.max(Math.abs(a.x - b.x), 10);
  }

  private onMove(event: PointerEvent): void {
    const { x, y, rangesY } = this.place(event), before = this.pointers.get(event.pointerId);
    if (before === undefined || this.press === null) return this.hover(x, y, rangesY);
    this.pointers.set(event.pointerId, { x, y });
    if (Math.abs(x - this.press.x) > 3) this.press.moved = true;
    if (this.pointers.size === 2) {
      const reach = this.reach(), middle = [...this.pointers.values()].reduce((sum, p) => sum + p.x, 0) / 2;
      this.time.zoom(this.press.pinch / reach, this.timeAt(middle));
      this.press.pinch = reach;
      this.press.moved = true;
    } else if (this.press.select) {
      const [left, right] = [Math.min(x, this.press.x), Math.max(x, this.press.x)];
      this.picked.hidden = false;
      this.picked.style.left = `${left}px`;
      this.picked.style.width = `${right - left}px`;
    } else if (this.press.moved) {
      this.time.pan((before.x - x) / Math.max(this.width() - LEFT - RIGHT, 1) * this.time.span);
    }
    this.hide();
  }

  private onUp(event: PointerEvent): void {
    const press = this.press, { x, rangesY } = this.place(event);
    this.pointers.delete(event.pointerId);
    this.picked.hidden = true;
    if (this.pointers.size > 0 || press === null) return;
    this.press = null;
    if (press.select && press.moved) {
      const [a, b] = [this.timeAt(press.x), this.timeAt(x)];
      this.time.set(Math.min(a, b), Math.max(a, b));
    } else if (!press.moved) {
      const range = this.ranges.hit(x, rangesY);
      if (range >= 0) this.time.set(...this.ranges.bounds(range));
    }
  }

  private hide(): void {
    this.tip.hidden = this.hair.hidden = true;
  }

  private hover(x: number, y: number, rangesY: number): void {
    if (x < LEFT || x > this.width() - RIGHT) return this.hide();
    const t = this.timeAt(x), range = rangesY >= 0 ? this.ranges.hit(x, rangesY) : -1;
    const mark = rangesY >= 0 ? this.ranges.mark(x, rangesY, this.width()) : null;
    const lines: Node[] = [el("div", { class: "muted" }, moment(t, this.time.span / this.width()))];
    if (mark !== null) lines.push(el("div", { class: "name" }, mark));
    if (range >= 0) {
      const [name, ...rest] = this.ranges.told(range);
      lines.push(el("div", { class: "name" }, name), ...rest.map((line) => el("div", {}, line)));
    } else if (rangesY < 0) {
      lines.push(...this.curves.told(t).map(({ ink, text }) => {
        const dot = el("span", { class: "dot" });
        dot.style.background = ink;
        return el("div", {}, dot, text);
      }));
    }
    this.tip.replaceChildren(...lines);
    this.tip.hidden = this.hair.hidden = false;
    this.hair.style.left = `${x}px`;
    const left = x + 14 + this.tip.offsetWidth > this.width() ? x - 14 - this.tip.offsetWidth : x + 14;
    this.tip.style.left = `${Math.max(left, 0)}px`;
    this.tip.style.top = `${Math.max(Math.min(y + 10, this.stage.clientHeight - this.tip.offsetHeight), 0)}px`;
  }

  // ---- keys ----

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts: Record<string, () => void> = {
      "+": () => this.time.zoom(0.6), "=": () => this.time.zoom(0.6), "-": () => this.time.zoom(1 / 0.6),
      ArrowLeft: () => this.time.pan(-0.15 * this.time.span), ArrowRight: () => this.time.pan(0.15 * this.time.span),
      ArrowUp: () => this.time.zoom(0.6), ArrowDown: () => this.time.zoom(1 / 0.6),
      Home: () => this.time.pan(-this.time.duration), End: () => this.time.pan(this.time.duration),
      "0": () => this.time.reset(), Escape: () => this.time.reset() };
    const act = acts[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
    requestAnimationFrame(() => announce(this.span.textContent ?? ""));
  }
}
