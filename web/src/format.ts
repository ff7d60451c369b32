// Numbers as people read them: a value has as many digits as its uncertainty warrants.

const PREFIXES: [number, string][] = [
  [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"], [1e-9, "n"]];

function prefixFor(value: number, unit: string): [number, string] {
  const size = Math.abs(value);
  if (unit === "" || unit === "%" || unit === "°C" || unit === "1/s" || unit === "MHz") return [1, ""];
  if (unit === "s" && size >= 1) return [1, ""];
  if (!(size > 0)) return [1, ""];
  return PREFIXES.find(([scale]) => size >= scale * 0.9995) ?? [1e-9, "n"];
}

function fixed(value: number, decimals: number): string {
  const text = value.toFixed(Math.min(Math.max(decimals, 0), 12));
  return text.startsWith("-") ? "−" + text.slice(1) : text;
}

function digits(value: number, count: number): string {
  if (value === 0) return "0";
  const place = Math.floor(Math.log10(Math.abs(value)) + 1e-9);
  return fixed(value, count - 1 - place);
}

// "411 W", three digits; "–" for what is not known.
export function short(value: number | null | undefined, unit = ""): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (unit === "B") return bytes(value);
  const [scale, prefix] = prefixFor(value, unit);
  const whole = unit === "" && Number.isInteger(value);
  const number = whole ? String(value) : digits(value / scale, unit === "MHz" ? 4 : 3);
  return unit === "" ? number : `${number} ${prefix}${unit}`;
}

// A number on an axis: as short, without zeros that say nothing.
export function tick(value: number, unit: string): string {
  return short(value, unit).replace(/(\.\d*?)0+(?= |$)/, "$1").replace(/\.(?= |$)/, "");
}

function bytes(value: number): string {
  const step = [[1 << 30, "GiB"], [1 << 20, "MiB"], [1 << 10, "KiB"]] as [number, string][];
  const [scale, name] = step.find(([size]) => value >= size) ?? [1, "B"];
  return `${digits(value / scale, 3)} ${name}`;
}

// "1234 ± 56 J": one prefix for both, two digits of the uncertainty.
export function withUncertainty(value: number | null, u95: number | null, unit: string,
                                bound = false): string {
  if (value === null || !Number.isFinite(value)) return "not measured";
  if (u95 === null || !Number.isFinite(u95)) return short(value, unit);
  if (bound) return `${short(Math.max(value - u95, 0), unit)} to ${short(value + u95, unit)}`;
  const [scale, prefix] = prefixFor(Math.max(Math.abs(value), u95), unit);
  const u = u95 / scale;
  if (!(u > 0)) return short(value, unit);
  let decimals = 1 - Math.floor(Math.log10(u) + 1e-9);
  if (Number(u.toFixed(Math.max(decimals, 0))) >= 10 ** (2 - decimals)) decimals--;
  const round = (x: number) => decimals >= 0 ? x : Math.round(x * 10 ** decimals) / 10 ** decimals;
  return `${fixed(round(value / scale), decimals)} ± ${fixed(round(u), decimals)} ${prefix}${unit}`;
}

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 60) return short(seconds, "s");
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h} h ${two(m)} min` : `${m} min ${two(s)} s`;
}

// A time since the beginning, with as many digits as the step shows.
export function moment(seconds: number, step: number): string {
  const decimals = Math.max(0, Math.min(9, -Math.floor(Math.log10(step) + 1e-9)));
  const sign = seconds < 0 ? "−" : "";
  const rest = Number(Math.abs(seconds).toFixed(decimals)); // as shown: nothing is 1:60
  if (rest < 60 || decimals > 3) return `${fixed(seconds, decimals)} s`;
  const h = Math.floor(rest / 3600), m = Math.floor(rest / 60) % 60, s = rest % 60;
  const tail = s.toFixed(decimals).padStart(decimals > 0 ? 3 + decimals : 2, "0");
  return h > 0 ? `${sign}${h}:${String(m).padStart(2, "0")}:${tail}` : `${sign}${m}:${tail}`;
}

export const count = (n: number): string => n.toLocaleString("en").replace(/,/g, " ");
