// Head, trust, devices, sensors, facts: what is read and does not move.

import type { Measured, PageData } from "../data";
import { el, section } from "./dom";
import { count, duration, short, withUncertainty } from "./format";

const energyOf = (m: Measured): string =>
  withUncertainty(m.energy_j, m.u95_j, "J", m.provenance.includes("bound only"));

function date(seconds: number): string {
  return new Date(1000 * seconds).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

export function header(data: PageData): HTMLElement {
  const { summary } = data, total = summary.total;
  const badge = (text: string, kind: string) => el("span", { class: `badge ${kind}` }, text);
  const figure = (name: string, value: string, main = false) =>
    el("div", { class: main ? "figure main" : "figure" }, el("dt", {}, name), el("dd", {}, value));
  return el("header", { class: "head" },
    el("div", {},
      el("h1", {}, data.title),
      el("p", { class: "muted" }, `${date(data.begin_unix_s)} · ${duration(data.duration_s)} recorded · joulemeter ${summary.joulemeter} `,
        summary.simulated && badge("simulated GPU", "warn"), summary.modelled && badge("partly modelled", "warn"),
        summary.exit_code ? badge(`exit code ${summary.exit_code}`, "bad") : null)),
    el("dl", { class: "figures" },
      figure("energy", total.energy_j === null ? "not measured" : energyOf(total), true),
      figure("time", duration(summary.duration_s)),
      figure("mean power", short(total.mean_power_w, "W")),
      total.idle !== null && figure("of it idle", `${short(100 * total.idle.share)} %`)));
}

export function trust(data: PageData): HTMLElement {
  const { level, headline, points } = data.trust;
  const words = { good: "You can trust these figures", fair: "Read the notes before you use these figures",
                  low: "These figures are weak" };
  const signs = { good: "✓", note: "·", bad: "!" };
  const item = (point: (typeof points)[number]) =>
    el("li", { class: point.grade }, el("span", { class: "sign", "aria-hidden": "true" }, signs[point.grade]), point.text);
  const grave = points.filter((point) => point.grade === "bad");
  const rest = points.filter((point) => point.grade !== "bad");
  return el("section", { id: "trust", class: `trust ${level}`, "aria-labelledby": "trust-title" },
    el("h2", { id: "trust-title" }, words[level]), el("p", { class: "headline" }, headline),
    grave.length > 0 && el("ul", {}, ...grave.map(item)),
    rest.length > 0 && el("details", { open: grave.length === 0 }, el("summary", {}, "What they rest on"),
      el("ul", {}, ...rest.map(item))));
}

function plainTable(head: string[], rows: string[][], numbers: number[]): HTMLElement {
  const kind = (i: number) => numbers.includes(i) ? "number" : "text";
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((text, i) => el("th", { scope: "col", class: kind(i) }, text)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((text, i) => el("td", { class: kind(i) }, text)))))));
}

export function devices(data: PageData): HTMLElement {
  const { devices, sensors } = data.summary;
  const device = devices.map((d) => [d.name, d.model, energyOf(d), short(d.mean_power_w, "W"), short(d.peak_power_w, "W"),
    short(d.power_limit_w, "W"), d.source + (d.in_total ? "" : ", part of another"), d.driver]);
  const sensor = sensors.map((s) => [s.device, s.quantity.replace(/_/g, " "), s.source, count(s.samples),
    s.refresh_s === null ? "–" : short(s.refresh_s, "s"), s.window_s === null ? "–" : short(s.window_s, "s"),
    s.calibrated ? "yes" : "no", count(s.missing), count(s.gaps)]);
  return section("devices", "Devices and sensors",
    el("div", { class: "card" }, plainTable(["device", "model", "energy", "mean power", "peak", "limit", "rests on", "driver"],
      device, [2, 3, 4, 5])),
    el("details", { class: "card" }, el("summary", {}, `${sensors.length} sensors`),
      plainTable(["device", "quantity", "source", "readings", "refresh", "window", "calibrated", "failed", "gaps"],
        sensor, [3, 4, 5, 7, 8])));
}

export function environment(data: PageData): HTMLElement {
  const { summary } = data, sampler = summary.sampler;
  const facts: [string, string][] = [...data.facts,
    ["sampler", `${count(sampler.polls)} readings, ${count(sampler.failed)} failed, ${count(sampler.late)} late, ` +
      `${short(sampler.cpu_s, "s")} of CPU time`],
    ["lost ranges and marks", count(sampler.dropped)]];
  return section("environment", "Environment",
    el("dl", { class: "card facts" }, ...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    el("p", { class: "muted foot" }, "Intervals are 95 % intervals. Energies are of devices, not of processes. ",
      "Made by joulemeter; this page is one file and sends nothing anywhere."));
}
