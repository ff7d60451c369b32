// Elements. Texts of programs only ever become text nodes.

type Child = Node | string | null | false;
type Props = Record<string, unknown>;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K, props: Props = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value as EventListener);
    else if (name === "class") node.className = String(value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== false) node.append(child);
  return node;
}

export function section(id: string, title: string, ...children: Child[]): HTMLElement {
  return el("section", { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title), ...children);
}

// Says to those who hear the page what those who see it see.
let live: HTMLElement | null = null;
export function announce(text: string): void {
  if (live === null) {
    live = el("div", { class: "unseen", role: "status", "aria-live": "polite" });
    document.body.append(live);
  }
  live.textContent = text;
}
