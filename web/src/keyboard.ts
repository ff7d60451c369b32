// Keys of the whole page, and the box that lists them.

import { el } from "./dom";
import { toggleTheme } from "./theme";

const KEYS: [string, string][] = [
  ["?", "this list"], ["t", "light or dark"], ["/", "filter the first table"], ["l", "to the timeline"],
  ["+  −", "zoom the timeline in and out"], ["←  →", "move along it"], ["0", "show all of it"],
  ["Tab, Enter", "reach and press buttons; Enter on a column sorts by it"], ["Esc", "close this list"]];

export function keyboard(timeline: () => HTMLElement | null): HTMLDialogElement {
  const box = el("dialog", { class: "keys", "aria-label": "keys" },
    el("h2", {}, "Keys"),
    el("dl", {}, ...KEYS.flatMap(([key, what]) => [el("dt", {}, ...key.split("  ").map((k) => el("kbd", {}, k))), el("dd", {}, what)])),
    el("form", { method: "dialog" }, el("button", { class: "quiet" }, "close")));
  const jump = (selector: string) => {
    const target = document.querySelector<HTMLElement>(selector);
    target?.scrollIntoView({ block: "center" });
    target?.focus();
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof HTMLInputElement;
    if (typing && event.key === "Escape") (event.target as HTMLInputElement).blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const acts: Record<string, () => void> = {
      "?": () => box.open ? box.close() : box.showModal(), t: toggleTheme,
      "/": () => jump('#tables input[type="search"]'), l: () => jump("#timeline .stage") };
    const act = acts[event.key];
    if (act !== undefined) {
      event.preventDefault();
      act();
    } else if (["+", "-", "=", "0"].includes(event.key) && document.activeElement === document.body) {
      timeline()?.dispatchEvent(new KeyboardEvent("keydown", { key: event.key }));
    }
  });
  return box;
}
