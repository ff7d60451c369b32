// Readings as typed arrays, and what of them a view of so many pixels needs.

import type { Series } from "../data";

export interface Curve {
  series: Series;
  t: Float64Array; // s, rising
  v: Float32Array; // NaN: not known
}

function unpack(text: string): Uint8Array {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

export function decode(series: Series, durationS: number): Curve {
  const t = new DataView(unpack(series.t).buffer), v = new DataView(unpack(series.v).buffer);
  const curve = { series, t: new Float64Array(series.count), v: new Float32Array(series.count) };
  for (let i = 0; i < series.count; i++) {
    const raw = v.getUint16(2 * i, true);
    curve.t[i] = t.getUint32(4 * i, true) / 4294967295 * durationS;
    curve.v[i] = raw === 65535 ? NaN : series.min + raw / 65534 * (series.max - series.min);
  }
  return curve;
}

// Index of the last point at or before t; -1: none.
export function at(curve: Curve, t: number): number {
  let low = 0, high = curve.t.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (curve.t[middle] <= t) low = middle + 1; else high = middle;
  }
  return low - 1;
}

export type Point = [number, number | null];

// The steps between t0 and t1: of each pixel the first, lowest, highest and last value.
export function visible(curve: Curve, t0: number, t1: number, pixels: number): Point[] {
  const out: Point[] = [];
  const first = Math.max(at(curve, t0), 0), last = at(curve, t1);
  const put = (i: number, t = curve.t[i]) =>
    out.push([t, Number.isNaN(curve.v[i]) ? null : curve.v[i]]);
  if (last < 0) return out;
  if (last - first < 4 * pixels) {
    for (let i = first; i <= last; i++) put(i, Math.max(curve.t[i], t0));
  } else {
    const each = (t1 - t0) / pixels;
    for (let i = first; i <= last;) {
      const end = t0 + each * (Math.floor((Math.max(curve.t[i], t0) - t0) / each) + 1);
      let low = i, high = i, j = i, gap = -1;
      for (; j <= last && curve.t[j] < end; j++) {
        if (Number.isNaN(curve.v[j])) gap = j;
        else {
          if (!(curve.v[j] >= curve.v[low])) low = j;
          if (!(curve.v[j] <= curve.v[high])) high = j;
        }
      }
      if (j === i) j++;
      for (const k of [...new Set([i, low, high, gap < 0 ? i : gap, j - 1])].sort((a, b) => a - b)) put(k);
      i = j;
    }
  }
  put(last, t1); // it holds to the edge
  return out;
}
