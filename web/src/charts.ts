// The parts of ECharts that the page uses.

import * as echarts from "echarts/core";
import { CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";

echarts.use([LineChart, ScatterChart, CustomChart, GridComponent, LegendComponent, TitleComponent,
  CanvasRenderer, SVGRenderer]);

export { echarts };
// Without quotes: in a saved SVG it stands in an attribute.
export const FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif";

const pen = document.createElement("canvas").getContext("2d");
export function textWidth(text: string, px: number): number {
  if (pen === null) return text.length * px * 0.55;
  pen.font = `${px}px ${FONT}`;
  return pen.measureText(text).width;
}

// A text that is too wide without its middle, which tells least.
export function fit(text: string, px: number, width: number): string {
  const plain = text.replace(/\s+/g, " ");
  if (textWidth(plain, px) <= width) return plain;
  const letters = [...plain];
  let keep = Math.floor(letters.length * width / textWidth(plain, px));
  for (; keep > 2; keep--) {
    const head = Math.ceil((keep - 1) / 2);
    const cut = letters.slice(0, head).join("") + "…" +
      letters.slice(letters.length - (keep - 1 - head)).join("");
    if (textWidth(cut, px) <= width) return cut;
  }
  return "";
}
