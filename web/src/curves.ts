// Curves of the timeline: a panel for each kind of quantity, a colour for each device.

import type { PageData } from "../data";
import { FONT, echarts } from "./charts";
import { type Curve, at, decode, visible } from "./decode";
import { el } from "./dom";
import { moment, short, tick } from "./format";
import { color, isDark } from "./theme";
import type { TimeWindow } from "./window";

export const LEFT = 64, RIGHT = 14; // of both curves and ranges, so that times stand above each other
const GAP = 16, AXIS = 26;

interface Panel { key: string; title: string; quantities: string[]; height: number; zero: boolean; most?: number }
const PANELS: Panel[] = [
  { key: "power", title: "power", quantities: ["power", "power_average", "power_limit"], height: 130, zero: true },
  { key: "utilisation", title: "utilisation", quantities: ["gpu_util", "mem_util", "cpu_util", "process_util"],
    height: 84, zero: true, most: 100 },
  { key: "temperature", title: "temperature", quantities: ["temperature"], height: 64, zero: false },
  { key: "clocks", title: "clocks", quantities: ["sm_clock", "mem_clock"], height: 64, zero: false },
  { key: "memory", title: "memory used", quantities: ["mem_used"], height: 64, zero: true },
];
const WORDS: Record<string, string> = {
  power: "power", power_average: "power, longer mean", power_limit: "power limit", gpu_util: "GPU utilisation",
  mem_util: "memory utilisation", cpu_util: "CPU utilisation", process_util: "CPU, this process",
  temperature: "temperature", sm_clock: "SM clock", mem_clock: "memory clock", mem_used: "memory used" };
const unitOf = (unit: string): string => unit === "C" ? "°C" : unit === "bytes" ? "B" : unit;

export class Curves {
  readonly node = el("div", { class: "curves" });
  readonly chips = el("div", { class: "chips", role: "group", "aria-label": "what is shown" });
  private readonly chart;
  private readonly curves: Curve[];
  private readonly devices: string[];
  private resting = 0;
  private readonly off = new Set<string>(["memory"]);

  constructor(private readonly data: PageData, private readonly time: TimeWindow) {
    this.curves = data.timeline.series.map((series) => decode(series, data.duration_s));
    this.devices = [...new Set(data.timeline.series.map((series) => series.device))];
    for (const device of data.summary.devices) // part of another: its power would be seen twice
      if (!device.in_total && device.name !== "node") this.off.add(device.name);
    this.chart = echarts.init(this.node, null, { renderer: "canvas", width: 300, height: 100 });
    for (const panel of PANELS) if (this.of(panel).length > 0) this.chip(panel.key, panel.title);
    if (this.devices.length > 1) for (const device of this.devices) this.chip(device, device, this.devices.indexOf(device));
  }

  get empty(): boolean {
    return this.curves.length === 0;
  }

  private chip(key: string, text: string, device?: number): void {
    const dot = device === undefined ? null : el("span", { class: "dot", "data-device": device });
    const button = el("button", { type: "button", class: "chip", "aria-pressed": String(!this.off.has(key)),
      onclick: () => {
        if (this.off.has(key)) this.off.delete(key); else this.off.add(key);
        button.setAttribute("aria-pressed", String(!this.off.has(key)));
        this.draw();
      } }, dot, text);
    this.chips.append(button);
  }

  private ink(device: string): string {
    const pair = this.data.palette[this.devices.indexOf(device) % this.data.palette.length];
    return pair[isDark() ? 1 : 0];
  }

  private of(panel: Panel): Curve[] {
    return this.curves.filter(({ series }) => panel.quantities.includes(series.quantity));
  }

  private shown(panel: Panel): Curve[] {
    return this.off.has(panel.key) ? [] : this.of(panel).filter(({ series }) => !this.off.has(series.device));
  }

  // Everything anew: after a change of size, theme or of what is shown.
  draw(): void {
    for (const dot of this.chips.querySelectorAll<HTMLElement>(".dot"))
      dot.style.background = this.ink(this.devices[Number(dot.dataset.device)]);
    const panels = PANELS.filter((panel) => this.shown(panel).length > 0);
    const width = Math.max(this.node.clientWidth, 240);
    const height = panels.reduce((sum, panel) => sum + panel.height + GAP, AXIS + 4);
    this.node.style.height = `${height}px`;
    this.chart.resize({ width, height });
    let top = 18;
    const places = panels.map((panel) => {
      const place = { left: LEFT, right: RIGHT, top, height: panel.height - 6, outerBoundsMode: "none" };
      top += panel.height + GAP;
      return place;
    });
    this.chart.setOption({
      animation: false, backgroundColor: "transparent", textStyle: { fontFamily: FONT }, grid: places,
      title: panels.map((panel, i) => ({ text: panel.title, left: LEFT - 4, top: places[i].top - 18, padding: 0,
        textStyle: { fontSize: 11, fontWeight: 600, color: color("muted"), fontFamily: FONT } })),
      xAxis: panels.map((_, i) => this.timeAxis(i, i === panels.length - 1)),
      yAxis: panels.map((panel, i) => this.valueAxis(panel, i)),
      series: this.series(panels, width),
    } as never, { notMerge: true });
  }

  // The same panels at another time: roughly while it moves, fully once it rests.
  move(rough = true): void {
    const panels = PANELS.filter((panel) => this.shown(panel).length > 0);
    const width = Math.max(this.node.clientWidth, 240);
    window.clearTimeout(this.resting);
    if (rough) this.resting = window.setTimeout(() => this.move(false), 140);
    this.chart.setOption({
      xAxis: panels.map((_, i) => this.timeAxis(i, i === panels.length - 1)),
      series: this.series(panels, rough ? width / 3 : width),
    } as never, { lazyUpdate: rough });
  }

  private timeAxis(i: number, last: boolean): object {
    const step = this.time.span / 6;
    return { type: "value", gridIndex: i, min: this.time.t0, max: this.time.t1, splitNumber: 6,
      axisLine: { onZero: false, lineStyle: { color: color("line") } }, axisTick: { show: last, length: 4 },
      axisLabel: { show: last, showMinLabel: false, showMaxLabel: false, hideOverlap: true, color: color("muted"),
                   fontSize: 11, formatter: (t: number) => moment(t, step / 2) },
      splitLine: { show: true, lineStyle: { color: color("grid") } } };
  }

  private valueAxis(panel: Panel, i: number): object {
    const curves = this.shown(panel);
    const low = Math.min(...curves.map(({ series }) => series.min));
    const high = Math.max(...curves.map(({ series }) => series.max), panel.most ?? -Infinity);
    const pad = high > low ? 0.06 * (high - low) : Math.max(Math.abs(high) * 0.1, 1);
    const unit = unitOf(curves[0].series.unit);
    return { type: "value", gridIndex: i, min: panel.zero ? Math.min(0, low) : low - pad, max: panel.most === high ? high : high + pad,
      splitNumber: panel.height > 100 ? 4 : 2, axisLine: { show: false }, axisTick: { show: false },
      axisLabel: { color: color("muted"), fontSize: 11, showMinLabel: panel.zero, showMaxLabel: false, hideOverlap: true,
                   formatter: (v: number) => tick(v, unit) },
      splitLine: { show: true, lineStyle: { color: color("grid") } } };
  }

  private series(panels: Panel[], width: number): object[] {
    const pixels = Math.max(width - LEFT - RIGHT, 100);
    return panels.flatMap((panel, i) => this.shown(panel).map((curve, k) => {
      const { quantity, device } = curve.series;
      const second = ["mem_util", "power_limit", "mem_clock", "process_util"].includes(quantity) ||
        (quantity === "power_average" && this.curves.some(({ series }) => series.device === device && series.quantity === "power"));
      return { id: `${panel.key}-${k}`, type: "line", step: "end", xAxisIndex: i, yAxisIndex: i, showSymbol: false,
        silent: true, animation: false, connectNulls: false, clip: true,
        data: visible(curve, this.time.t0, this.time.t1, pixels),
        lineStyle: { width: second ? 1 : 1.3, color: this.ink(device), type: second ? [4, 3] : "solid",
                     opacity: second ? 0.8 : 1 } };
    }));
  }

  // What held at a time, as lines of text.
  told(t: number): { ink: string; text: string }[] {
    return PANELS.flatMap((panel) => this.shown(panel).map((curve) => {
      const i = at(curve, t), { device, quantity, unit, modelled } = curve.series;
      const value = i < 0 ? NaN : curve.v[i];
      return { ink: this.ink(device), text: `${this.devices.length > 1 ? device + " " : ""}${WORDS[quantity] ?? quantity}: ` +
        `${Number.isNaN(value) ? "not known" : short(value, unitOf(unit))}${modelled ? " (modelled)" : ""}` };
    }));
  }

  thinned(): string {
    const cells = this.curves.map(({ series }) => series.cell_s).filter((cell) => cell > 0);
    if (cells.length === 0) return "";
    return `Curves keep the first, last, lowest and highest reading of every ${short(Math.max(...cells), "s")}.`;
  }
}
