// Figures, drawn by ECharts from their marks: nothing is computed here but where things go.

import type { Axis, Figure, Mark, PageData } from "../data";
import { FONT, echarts, fit, textWidth } from "./charts";
import { announce, el, section } from "./dom";
import { savePng, saveText } from "./save";
import { color, isDark, onTheme } from "./theme";

type Chart = ReturnType<typeof echarts.init>;
interface Api { coord(p: number[]): number[]; value(dimension: number): number }
interface Frame { x: number; y: number; width: number; height: number }
type Shape = Record<string, unknown>;

const LABEL = 11, NOTE = 10.5;

const inkOf = (mark: Mark): string =>
  mark.style.includes("guide") ? color("muted") : isDark() ? mark.color_dark : mark.color;
const has = (mark: Mark, style: Mark["style"][number]): boolean => mark.style.includes(style);
const rows = (mark: Mark): number => mark.x!.length;
const at = (column: (number | null)[] | undefined, i: number): number => column?.[i] ?? NaN;

// ---- what each kind of mark becomes ----

function line(mark: Mark): Shape {
  return {
    type: "line", step: mark.kind === "step" ? "end" : false, showSymbol: false, symbol: "none",
    connectNulls: false, animation: false, silent: true, data: mark.x!.map((x, i) => [x, mark.y![i]]),
    lineStyle: { width: has(mark, "small") || has(mark, "guide") ? 1 : 1.5, color: inkOf(mark),
                 type: has(mark, "dashed") ? [5, 3] : "solid", join: "round" },
    itemStyle: { color: inkOf(mark) }, clip: true,
  };
}

// A custom series whose rows are shapes in pixels.
function shapes(mark: Mark, count: number, draw: (i: number, api: Api, frame: Frame) => Shape | null): Shape {
  return {
    type: "custom", silent: true, animation: false, clip: true, itemStyle: { color: inkOf(mark) },
    data: Array.from({ length: count }, (_, i) => [i]), encode: { x: -1, y: -1 },
    renderItem: (params: { dataIndex: number; coordSys: Frame }, api: Api) =>
      draw(params.dataIndex, api, params.coordSys),
  };
}

function rect(api: Api, x: number, x2: number, y: number, y2: number): Frame {
  const [a, b] = [api.coord([x, y]), api.coord([x2, y2])];
  return { x: Math.min(a[0], b[0]), y: Math.min(a[1], b[1]),
           width: Math.abs(a[0] - b[0]), height: Math.abs(a[1] - b[1]) };
}

function area(mark: Mark): Shape {
  const pieces: number[][] = []; // of rows, without a gap
  for (let i = 0, open = false; i < rows(mark); i++) {
    const known = mark.low![i] !== null && mark.high![i] !== null;
    if (known && !open) pieces.push([]);
    if (known) pieces[pieces.length - 1].push(i);
    open = known;
  }
  return shapes(mark, pieces.length, (k, api) => ({
    type: "polygon",
    shape: { points: [...pieces[k].map((i) => api.coord([at(mark.x, i), at(mark.high, i)])),
                      ...pieces[k].slice().reverse().map((i) => api.coord([at(mark.x, i), at(mark.low, i)]))] },
    style: { fill: inkOf(mark), opacity: 0.22 },
  }));
}

function bars(mark: Mark, tile: boolean): Shape {
  return shapes(mark, rows(mark), (i, api) => ({
    type: "rect",
    shape: rect(api, at(mark.x, i), at(mark.x2, i), at(mark.y, i), at(mark.y2, i)),
    style: { fill: inkOf(mark), opacity: has(mark, "faint") ? 0.5 : 0.92,
             stroke: tile ? color("card") : undefined, lineWidth: tile ? 1.5 : 0 },
  }));
}

function segment(a: number[], b: number[], ink: string, width: number): Shape {
  return { type: "line", shape: { x1: a[0], y1: a[1], x2: b[0], y2: b[1] },
           style: { stroke: ink, lineWidth: width } };
}

// Intervals with caps: along x where the y axis has categories, else along y.
function whiskers(mark: Mark, across: boolean): Shape {
  const ink = mark.kind === "bar" ? color("ink") : inkOf(mark);
  return shapes(mark, rows(mark), (i, api) => {
    const low = at(mark.low, i), high = at(mark.high, i);
    if (!Number.isFinite(low) || !Number.isFinite(high)) return null;
    const bar = mark.kind === "bar";
    const x = bar ? (at(mark.x, i) + at(mark.x2, i)) / 2 : at(mark.x, i);
    const y = bar ? (at(mark.y, i) + at(mark.y2, i)) / 2 : at(mark.y, i);
    const [a, b] = across ? [api.coord([low, y]), api.coord([high, y])]
                          : [api.coord([x, low]), api.coord([x, high])];
    const cap = (p: number[]) => across ? segment([p[0], p[1] - 3], [p[0], p[1] + 3], ink, 1.2)
                                        : segment([p[0] - 3, p[1]], [p[0] + 3, p[1]], ink, 1.2);
    return { type: "group", children: [segment(a, b, ink, 1.2), cap(a), cap(b)] };
  });
}

function boxes(mark: Mark): Shape {
  const ink = inkOf(mark);
  return shapes(mark, rows(mark), (i, api) => {
    const y = at(mark.y, i);
    const point = (x: number, dy = 0) => api.coord([x, y + dy]);
    const upright = (x: number, half: number, width: number) =>
      segment(point(x, -half), point(x, half), ink, width);
    return { type: "group", children: [
      { type: "rect", shape: rect(api, at(mark.q1, i), at(mark.q3, i), y - 0.28, y + 0.28),
        style: { fill: ink, fillOpacity: 0.3, stroke: ink, lineWidth: 1.2 } },
      segment(point(at(mark.low, i)), point(at(mark.q1, i)), ink, 1.2),
      segment(point(at(mark.q3, i)), point(at(mark.high, i)), ink, 1.2),
      upright(at(mark.low, i), 0.13, 1.2), upright(at(mark.high, i), 0.13, 1.2),
      upright(at(mark.x, i), 0.28, 2.2)] };
  });
}

function hexagons(mark: Mark, axis: Axis, colormap: string[]): Shape {
  const corners = [[0.5, -0.25], [0.5, 0.25], [0, 0.5], [-0.5, 0.25], [-0.5, -0.25], [0, -0.5]];
  return shapes(mark, rows(mark), (i, api) => {
    const share = (at(mark.value, i) - axis.min) / (axis.max - axis.min);
    return { type: "polygon",
      shape: { points: corners.map(([a, b]) => api.coord([at(mark.x, i) + a * at(mark.x2, i),
                                                          at(mark.y, i) + b * at(mark.y2, i)])) },
      style: { fill: blend(colormap, share), stroke: blend(colormap, share), lineWidth: 0.3 } };
  });
}

function blend(colormap: string[], share: number): string {
  const place = Math.min(Math.max(share, 0), 1) * (colormap.length - 1);
  const i = Math.min(Math.floor(place), colormap.length - 2), f = place - i;
  const part = (hex: string, k: number) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mix = (k: number) => Math.round(part(colormap[i], k) * (1 - f) + part(colormap[i + 1], k) * f);
  return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
}

function points(mark: Mark): Shape {
  return { type: "scatter", silent: true, animation: false, symbolSize: has(mark, "small") ? 3 : 6,
           data: mark.x!.map((x, i) => [x, mark.y![i]]).filter(([x, y]) => x !== null && y !== null),
           itemStyle: { color: inkOf(mark), opacity: 1 }, clip: has(mark, "small") };
}

function spans(mark: Mark): Shape {
  return { ...shapes(mark, rows(mark), (i, api, frame) => {
    const left = api.coord([at(mark.x, i), 0])[0], right = api.coord([at(mark.x2, i), 0])[0];
    return { type: "rect", shape: { x: left, y: frame.y, width: Math.max(right - left, 0.5), height: frame.height },
             style: { fill: inkOf(mark), opacity: 0.15 } };
  }), z: 0, itemStyle: { color: inkOf(mark), opacity: 0.3 } };
}

function texts(mark: Mark): Shape {
  return { ...shapes(mark, rows(mark), (i, api) => {
    const [x, y] = api.coord([at(mark.x, i), at(mark.y, i)]);
    const room = rect(api, 0, at(mark.x2, i), 0, at(mark.y2, i));
    if (room.height < 13) return null;
    return { type: "text", style: { x, y, text: fit(mark.text![i], LABEL, room.width - 6), fill: isDark() ? "#101317" : "#ffffff",
             fontSize: LABEL, fontFamily: FONT, align: "center", verticalAlign: "middle" } };
  }), z: 5 };
}

// ---- the chart ----

function axisOption(axis: Axis, vertical: boolean, nameWidth: number, step: number): Shape {
  const ticks = axis.ticks.filter((_, i) => i % step === 0);
  const texts = new Map(axis.ticks.map((tick, i) => [tick, axis.tick_texts[i]]));
  const ink = color("muted"), grid = color("grid");
  return {
    type: "value", min: axis.min, max: axis.max, inverse: axis.categories, show: !axis.hidden,
    name: axis.label, nameLocation: "middle", nameGap: vertical ? nameWidth + 14 : 24,
    nameTextStyle: { color: color("ink"), fontSize: LABEL, fontFamily: FONT },
    axisLine: { show: !(vertical && axis.categories), onZero: false, lineStyle: { color: ink } },
    axisTick: { show: !axis.categories, length: 3, customValues: ticks, lineStyle: { color: ink } },
    axisLabel: { customValues: ticks, color: color("ink"), fontSize: LABEL, fontFamily: FONT, hideOverlap: false,
                 formatter: (value: number) => {
                   const text = texts.get(value) ?? "";
                   return axis.categories ? fit(text, LABEL, nameWidth) : text;
                 } },
    splitLine: { show: false, lineStyle: { color: grid } },
  };
}

// Faint lines at the ticks of the axis along which values are read.
function gridLines(figure: Figure): Shape {
  const across = figure.y.categories, axis = across ? figure.x : figure.y;
  const blank = { kind: "span", label: "", color: "", color_dark: "", style: [] } as Mark;
  return { ...shapes(blank, figure.x.hidden ? 0 : axis.ticks.length, (i, api, frame) => {
    const tick = axis.ticks[i];
    const place = across ? api.coord([tick, 0])[0] : api.coord([0, tick])[1];
    return across ? segment([place, frame.y], [place, frame.y + frame.height], color("grid"), 1)
                  : segment([frame.x, place], [frame.x + frame.width, place], color("grid"), 1);
  }), z: 0 };
}

function seriesOf(figure: Figure, data: PageData): Shape[] {
  const across = figure.y.categories;
  const list: Shape[] = [gridLines(figure)];
  for (const [i, mark] of figure.marks.entries()) {
    if (rows(mark) === 0) continue;
    const kinds: Record<Mark["kind"], () => Shape> = {
      line: () => line(mark), step: () => line(mark), area: () => area(mark),
      bar: () => bars(mark, figure.x.hidden), box: () => boxes(mark),
      hexagon: () => hexagons(mark, figure.color!, data.colormap), point: () => points(mark),
      span: () => spans(mark), text: () => texts(mark),
    };
    list.push({ ...kinds[mark.kind](), name: mark.label ? String(i) : undefined });
    if (mark.low && (mark.kind === "bar" || mark.kind === "point")) list.push(whiskers(mark, across));
  }
  if (figure.color) list.push(colorScale(figure, data));
  return list;
}

// The legend names marks by their index: a phase may have the label of a device.
interface Layout { height: number; top: number; left: number; right: number; bottom: number; names: number;
                   legend: number[]; noteLines: string[]; step: number }

function wrap(text: string, px: number, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && textWidth(longer, px) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function legendRows(labels: string[], width: number): number {
  let count = labels.length > 0 ? 1 : 0, used = 0;
  for (const label of labels) {
    const item = textWidth(fit(label, LABEL, width - 40), LABEL) + 34;
    if (used > 0 && used + item > width) { count++; used = 0; }
    used += item;
  }
  return count;
}

function layOut(figure: Figure, width: number): Layout {
  const across = figure.y.categories, hidden = figure.x.hidden;
  const legend = [...figure.marks.keys()].filter((i) => figure.marks[i].label && rows(figure.marks[i]) > 0);
  const widest = Math.max(0, ...figure.y.tick_texts.map((text) => textWidth(text, LABEL)));
  const names = hidden ? 0 : Math.min(widest, 0.4 * width);
  const noteLines = wrap(figure.note, NOTE, width - 16);
  const top = 10 + 19 * legendRows(legend.map((i) => figure.marks[i].label), width - 16);
  const left = hidden ? 8 : names + (figure.y.label ? 34 : 16);
  const right = figure.color ? 74 : 16;
  const bottom = (hidden ? 8 : figure.x.label ? 44 : 26) + 14 * noteLines.length;
  const body = across ? 24 * (figure.y.ticks.length + 0.6) : Math.min(0.5 * width, 260);
  const needed = figure.x.tick_texts.reduce((sum, text) => sum + textWidth(text, LABEL) + 12, 0);
  const step = Math.max(1, Math.ceil(needed / (width - left - right)));
  return { height: top + body + bottom, top, left, right, bottom, names, legend, noteLines, step };
}

// The colour axis at the right edge, with its ticks.
function colorScale(figure: Figure, data: PageData): Shape {
  const axis = figure.color!, last = data.colormap.length - 1;
  const blank = { kind: "span", label: "", color: "", color_dark: "", style: [] } as Mark;
  return { ...shapes(blank, 1, (_, api, frame) => {
    void api;
    const x = frame.x + frame.width + 12, y = (v: number) => frame.y + frame.height * (1 - (v - axis.min) / (axis.max - axis.min));
    const text = (shape: Shape) => ({ type: "text", style: { fill: color("ink"), fontSize: LABEL, fontFamily: FONT, verticalAlign: "middle", ...shape } });
    return { type: "group", children: [
      { type: "rect", shape: { x, y: frame.y, width: 10, height: frame.height },
        style: { fill: new echarts.graphic.LinearGradient(0, 1, 0, 0, data.colormap.map((c, i) => ({ offset: i / last, color: c }))) } },
      ...axis.ticks.map((tick, i) => text({ x: x + 15, y: y(tick), text: axis.tick_texts[i] })),
      { ...text({ text: axis.label, align: "center" }), x: x + 48, y: frame.y + frame.height / 2, rotation: Math.PI / 2 }] };
  }), clip: false };
}

function optionOf(figure: Figure, data: PageData, box: Layout, width: number): Shape {
  return {
    animation: false, backgroundColor: color("card"), textStyle: { fontFamily: FONT },
    aria: { enabled: false },
    grid: { left: box.left, right: box.right, top: box.top, bottom: box.bottom, outerBoundsMode: "none" },
    legend: { show: box.legend.length > 0, data: box.legend.map(String), left: 4, top: 2, itemWidth: 14, itemHeight: 9,
              itemGap: 12, icon: "roundRect", selectedMode: false, width: width - 12,
              textStyle: { color: color("ink"), fontSize: LABEL, fontFamily: FONT },
              formatter: (name: string) => fit(figure.marks[Number(name)].label, LABEL, width - 60) },
    title: { show: box.noteLines.length > 0, text: box.noteLines.join("\n"), left: 6, bottom: 2, padding: 2,
             textStyle: { color: color("muted"), fontSize: NOTE, fontWeight: "normal", fontFamily: FONT,
                          lineHeight: 14 } },
    xAxis: axisOption(figure.x, false, 0, box.step),
    yAxis: axisOption(figure.y, true, box.names, 1),
    series: seriesOf(figure, data),
  };
}

// ---- the card ----

class Card {
  readonly node: HTMLElement;
  private chart: Chart | null = null;
  private readonly place = el("div", { class: "chart" });

  constructor(private readonly figure: Figure, private readonly data: PageData) {
    const save = (kind: string) => el("button", { type: "button", class: "quiet",
      "aria-label": `save ${figure.title} as ${kind}`, onclick: () => void this.save(kind) }, kind);
    this.place.setAttribute("role", "img");
    this.place.setAttribute("aria-label", `${figure.title}. ${figure.note}`);
    this.node = el("figure", { class: "card", "data-figure": figure.name },
      el("figcaption", {}, el("span", {}, figure.title), el("span", { class: "tools" }, save("SVG"), save("PNG"))),
      this.place);
  }

  draw(): void {
    const width = Math.max(this.place.clientWidth, 240);
    const box = layOut(this.figure, width);
    this.place.style.height = `${box.height}px`;
    this.chart ??= echarts.init(this.place, null, { renderer: "svg" });
    this.chart.resize({ width, height: box.height });
    this.chart.setOption(optionOf(this.figure, this.data, box, width) as never, { notMerge: true });
    // On paper it takes the width that there is.
    this.place.querySelector("svg")?.setAttribute("viewBox", `0 0 ${width} ${box.height}`);
  }

  get drawn(): boolean {
    return this.chart !== null;
  }

  private async save(kind: string): Promise<void> {
    if (this.chart === null) this.draw();
    const svg = this.chart!.renderToSVGString({ useViewBox: false } as never);
    const name = this.figure.name;
    if (kind === "SVG") saveText(svg, `${name}.svg`, "image/svg+xml");
    else await savePng(svg, this.chart!.getWidth(), this.chart!.getHeight(), `${name}.png`);
    announce(`${this.figure.title} saved as ${kind}`);
  }
}

export function figures(data: PageData): HTMLElement {
  const cards = data.figures.map((figure) => new Card(figure, data));
  const redraw = () => cards.forEach((card) => card.drawn && card.draw());
  // Those that nobody looks at yet are drawn when they come near, or are printed.
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const card = cards.find((one) => one.node === entry.target)!;
      if (entry.isIntersecting && !card.drawn) card.draw();
    }
  }, { rootMargin: "600px" });
  cards.forEach((card) => seen.observe(card.node));
  window.addEventListener("beforeprint", () => cards.forEach((card) => card.draw()));
  window.addEventListener("resize", () => requestAnimationFrame(redraw));
  onTheme(redraw);
  const missing = data.missing.length === 0 ? null
    : el("details", { class: "missing" },
        el("summary", {}, `${data.missing.length} more have no data`),
        el("ul", {}, ...data.missing.map((one) => el("li", {}, el("b", {}, one.title), `: ${one.why}`))));
  return section("figures", "Figures", el("div", { class: "cards" }, ...cards.map((card) => card.node)), missing);
}
