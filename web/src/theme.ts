// Light and dark: as the system has it, until somebody chooses.

export type Theme = "light" | "dark";
type Listener = (theme: Theme) => void;

const KEY = "joulemeter-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners: Listener[] = [];
let chosen: Theme | null = stored();
let printing = false;

function stored(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : null;
  } catch { // a page from disk may have no storage
    return null;
  }
}

export function theme(): Theme {
  if (printing) return "light";
  return chosen ?? (system.matches ? "dark" : "light");
}

export const isDark = (): boolean => theme() === "dark";

function tell(): void {
  document.documentElement.dataset.theme = theme();
  for (const listener of listeners) listener(theme());
}

export function toggleTheme(): void {
  chosen = theme() === "dark" ? "light" : "dark";
  try {
    localStorage.setItem(KEY, chosen);
  } catch { /* it holds for this page */ }
  tell();
}

export function onTheme(listener: Listener): void {
  listeners.push(listener);
}

export function startTheme(): void {
  system.addEventListener("change", () => chosen === null && tell());
  window.addEventListener("beforeprint", () => { printing = true; tell(); });
  window.addEventListener("afterprint", () => { printing = false; tell(); });
  tell();
}

// A colour of the style sheet.
export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
