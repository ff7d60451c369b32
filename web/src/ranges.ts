// Ranges under the curves, nested as in a trace viewer; marks as small triangles above them.

import type { PageData } from "../data";
import { FONT, fit } from "./charts";
import { LEFT, RIGHT } from "./curves";
import { el } from "./dom";
import { count, duration, short, withUncertainty } from "./format";
import { color, isDark } from "./theme";
import type { TimeWindow } from "./window";

const ROW = 17, HEAD = 16, MARKS = 12;

interface Box { i: number; x: number; y: number; width: number }

export class Ranges {
  readonly canvas = el("canvas", { class: "ranges" });
  private readonly pen = this.canvas.getContext("2d")!;
  private readonly tops: number[] = []; // of each lane
  private readonly order: number[][] = []; // of each lane's row: ranges by their beginning
  private boxes: Box[] = [];
  readonly height: number;

  constructor(private readonly data: PageData, private readonly time: TimeWindow) {
    const { lanes, ranges } = data.timeline;
    let top = data.timeline.marks.length > 0 ? MARKS + 4 : 4;
    const rowOf: number[] = []; // of each lane's first row
    for (const lane of lanes) {
      this.tops.push(top);
      rowOf.push(this.order.length);
      for (let d = 0; d < lane.depth; d++) this.order.push([]);
      top += HEAD + ROW * lane.depth + 6;
    }
    this.height = lanes.length > 0 || data.timeline.marks.length > 0 ? top : 0;
    for (let i = 0; i < ranges.name.length; i++) this.order[rowOf[ranges.lane[i]] + ranges.depth[i]].push(i);
  }

  private x(t: number, width: number): number {
    return LEFT + (t - this.time.t0) / this.time.span * (width - LEFT - RIGHT);
  }

  private ink(i: number): string {
    const { ranges } = this.data.timeline;
    const index = ranges.count[i] > 1 && ranges.names[ranges.name[i]] === "several" ? 6 : ranges.category[i] === "epoch" ? 5 : (ranges.name[i] * 5 + 2) % this.data.palette.length;
    return this.data.palette[index][isDark() ? 1 : 0];
  }

  draw(): void {
    const width = Math.max(this.canvas.parentElement?.clientWidth ?? 300, 240), ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(this.height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(this.height * ratio);
      this.canvas.style.height = `${this.height}px`;
    }
    const pen = this.pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, this.height);
    this.boxes = [];
    this.drawLanes(width);
    this.drawMarks(width);
  }

  private drawLanes(width: number): void {
    const { lanes, ranges } = this.data.timeline, pen = this.pen, right = width - RIGHT;
    let row = 0;
    lanes.forEach((lane, l) => {
      pen.font = `600 11px ${FONT}`;
      pen.fillStyle = color("muted");
      pen.fillText(fit(lane.label, 11, width - LEFT), LEFT - 4, this.tops[l] + 10);
      for (let d = 0; d < lane.depth; d++, row++) {
        const y = this.tops[l] + HEAD + d * ROW;
        let drawn = -Infinity; // up to where the row is filled
        for (const i of this.order[row]) {
          if (ranges.begin_s[i] > this.time.t1) break;
          if (ranges.end_s[i] < this.time.t0) continue;
          const from = Math.max(this.x(ranges.begin_s[i], width), LEFT);
          const to = Math.min(Math.max(this.x(ranges.end_s[i], width), from + 1), right + 1);
          if (to <= drawn + 0.3 || from > right) continue; // it would not be seen
          this.drawBox(i, from, to, y);
          drawn = to;
        }
      }
    });
  }

  private drawBox(i: number, from: number, to: number, y: number): void {
    const { ranges } = this.data.timeline, pen = this.pen, width = to - from;
    pen.globalAlpha = ranges.count[i] > 1 ? 0.55 : 0.85;
    pen.fillStyle = this.ink(i);
    pen.fillRect(from, y, Math.max(width - (width > 3 ? 1 : 0), 0.7), ROW - 2);
    pen.globalAlpha = 1;
    this.boxes.push({ i, x: from, y, width });
    if (width < 26) return;
    pen.font = `11px ${FONT}`;
    pen.fillStyle = isDark() ? "#101317" : "#ffffff";
    const name = ranges.names[ranges.name[i]] + (ranges.count[i] > 1 ? ` ×${count(ranges.count[i])}` : "");
    pen.fillText(fit(name, 11, width - 8), from + 4, y + 11.5);
  }

  private drawMarks(width: number): void {
    const pen = this.pen;
    pen.fillStyle = color("accent");
    for (const mark of this.data.timeline.marks) {
      if (mark.t_s < this.time.t0 || mark.t_s > this.time.t1) continue;
      const x = this.x(mark.t_s, width);
      pen.beginPath();
      pen.moveTo(x - 4, 2);
      pen.lineTo(x + 4, 2);
      pen.lineTo(x, MARKS - 2);
      pen.fill();
    }
  }

  // The range at a place of the canvas; -1: none.
  hit(x: number, y: number): number {
    for (let k = this.boxes.length - 1; k >= 0; k--) {
      const box = this.boxes[k];
      if (y >= box.y && y < box.y + ROW && x >= box.x - 1 && x <= box.x + Math.max(box.width, 2)) return box.i;
    }
    return -1;
  }

  mark(x: number, y: number, width: number): string | null {
    if (y > MARKS + 2) return null;
    const near = this.data.timeline.marks.find((mark) => Math.abs(this.x(mark.t_s, width) - x) <= 5);
    return near === undefined ? null : near.meta ? `${near.name} ${near.meta}` : near.name;
  }

  told(i: number): string[] {
    const r = this.data.timeline.ranges;
    const many = r.count[i] > 1 ? `${count(r.count[i])} ranges, ` : "";
    const energy = r.energy_j[i] === null ? "not measured" : withUncertainty(r.energy_j[i], r.u95_j[i], "J", r.bound_only[i]);
    const seconds = r.end_s[i] - r.begin_s[i];
    const power = r.energy_j[i] === null || r.bound_only[i] || r.count[i] > 1 || !(seconds > 0) ? ""
      : `, ${short((r.energy_j[i] as number) / seconds, "W")}`;
    return [r.names[r.name[i]], `${r.category[i]}, ${many}${duration(seconds)}`, energy + power];
  }

  bounds(i: number): [number, number] {
    const r = this.data.timeline.ranges, margin = 0.04 * (r.end_s[i] - r.begin_s[i]);
    return [r.begin_s[i] - margin, r.end_s[i] + margin];
  }
}
