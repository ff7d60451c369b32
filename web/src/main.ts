// The report page: reads the data that joulemeter put into it and lays it out.

import type { PageData } from "../data";
import { el } from "./dom";
import { figures } from "./figures";
import { keyboard } from "./keyboard";
import { devices, environment, header, trust } from "./parts";
import { tables } from "./tables";
import { startTheme, toggleTheme } from "./theme";
import { Timeline } from "./timeline";

function read(): PageData | null {
  const text = document.getElementById("data")?.textContent ?? "";
  try {
    return JSON.parse(text) as PageData;
  } catch {
    return null;
  }
}

function start(): void {
  const page = document.getElementById("page")!;
  const data = read();
  startTheme();
  if (data === null || data.format !== 1) {
    page.replaceChildren(el("p", {}, data === null
      ? "This page has no data: joulemeter report FILE.jm writes one that has."
      : "The data of this page are of another version."));
    return;
  }
  document.title = `${data.title.slice(0, 120)} · joulemeter`;
  const timeline = new Timeline(data);
  const keys = keyboard(() => timeline.node.querySelector<HTMLElement>(".stage"));
  const menu = el("nav", { class: "menu", "aria-label": "page" },
    ...["timeline", "tables", "figures", "devices", "environment"]
      .filter((id) => id !== "tables" || data.tables.length > 0)
      .map((id) => el("a", { href: `#${id}` }, id)),
    el("button", { type: "button", class: "quiet", "aria-label": "light or dark", title: "light or dark (t)", onclick: toggleTheme }, "◐"),
    el("button", { type: "button", class: "quiet", "aria-label": "keys", title: "keys (?)", onclick: () => keys.showModal() }, "?"));
  const parts = [menu, header(data), trust(data), timeline.node, tables(data), figures(data), devices(data), environment(data), keys];
  page.replaceChildren(...parts.filter((part): part is HTMLElement => part !== null));
  timeline.draw();
  document.documentElement.dataset.ready = "yes";
}

start();
