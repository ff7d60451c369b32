// What the report page is given: one JSON object in <script type="application/json" id="data">,
// written by src/figure/page*.c. Times are seconds since the recording began. null: not known.

export interface PageData {
  format: 1;
  title: string;
  begin_unix_s: number; // of time 0, UTC
  duration_s: number; // of the recording
  summary: Summary; // as `joulemeter show --json` has it (docs/json.md), without its list of ranges;
                    // of its categories the ten names that took most energy, of each
  trust: Trust;
  timeline: Timeline;
  tables: Table[];
  figures: Figure[];
  missing: { name: string; title: string; why: string }[]; // figures that have no data
  palette: [string, string][]; // colours of devices in their order, on a light and a dark ground
  colormap: string[]; // of the colour axis, from its min to its max
  facts: [string, string][]; // what the recording knows of its machine, by name; "and": "9 more"
}

// How much to believe the figures, in sentences, the gravest first.
export interface Trust {
  level: "good" | "fair" | "low";
  headline: string;
  points: { grade: "good" | "note" | "bad"; text: string }[];
}

export interface Timeline {
  series: Series[];
  lanes: Lane[];
  ranges: Ranges;
  marks: { t_s: number; name: string; meta: string }[];
  marks_total: number; // recorded; more than are here: those that are are spread over all
}

// Readings of a sensor: each value holds until the next one. Thinned out where there are too many:
// then of each stretch of `cell_s` the first, last, lowest and highest are left.
export interface Series {
  device: string; // "gpu0"
  quantity: string; // "power", "gpu_util", "temperature", "sm_clock" ...
  unit: string;
  source: string; // "nvml power_instant"; "energy counter" where power comes from one
  modelled: boolean;
  simulated: boolean;
  readings: number; // that were recorded
  cell_s: number; // 0: all of them are here
  count: number; // points that are here
  t: string; // base64 of little-endian uint32: time in units of duration_s / 4294967295
  min: number; // of v
  max: number;
  v: string; // base64 of little-endian uint16: min + v / 65534 * (max - min); 65535: no value
}

// Ranges of one thread (or of one stream of a device), nested. Of more than a hundred threads those
// of a process are in one lane, and so on.
export interface Lane {
  label: string; // "thread 0", "process 1234, thread 1", "gpu0, stream 7"
  depth: number; // rows
}

// Columns of equal length, by their beginning. Runs of ranges of one row too short to be seen are
// one entry with count > 1: `name` then has the names of all ("backward, forward"), or "several";
// the category is the first one's, the energy the sum of theirs. No range is left out.
export interface Ranges {
  total: number; // that were recorded
  names: string[];
  name: number[]; // index into names
  category: string[]; // one each: "phase", "batch", "layer" ...
  lane: number[];
  depth: number[]; // row in its lane, from 0
  begin_s: number[];
  end_s: number[];
  count: number[];
  energy_j: (number | null)[];
  u95_j: (number | null)[];
  bound_only: boolean[];
}

export interface Column {
  name: string; // "energy_j"
  title: string; // "energy"
  unit: string; // "J"; "" for texts and counts
  kind: "text" | "number" | "energy"; // energy: its 95 % uncertainty is in column `u95`
  u95?: string; // name of that column, which is not shown by itself
  bound?: string; // name of the column that says that it is a bound only (0 or 1)
  hidden?: boolean;
}

export interface Table {
  name: string; // "phases"
  title: string; // "Phases"
  columns: Column[];
  rows: (string | number | null)[][];
  total: number; // rows in the recording; more than are here: say so
}

export interface Axis {
  label: string;
  unit: string;
  min: number;
  max: number;
  scale: number;
  categories: boolean; // ticks are categories at 0, 1, 2 ..., drawn from the top down
  hidden: boolean;
  ticks: number[];
  tick_texts: string[];
}

export interface Mark {
  kind: "line" | "step" | "area" | "bar" | "box" | "hexagon" | "point" | "span" | "text";
  label: string;
  color: string;
  color_dark: string;
  style: ("dashed" | "faint" | "small" | "guide")[];
  // Columns, as joulemeter.h lists them by kind (jm_mark_kind); null: NaN.
  x?: (number | null)[];
  x2?: (number | null)[];
  y?: (number | null)[];
  y2?: (number | null)[];
  low?: (number | null)[];
  high?: (number | null)[];
  q1?: (number | null)[];
  q3?: (number | null)[];
  value?: (number | null)[];
  text?: string[];
}

export interface Figure {
  name: string;
  title: string;
  note: string;
  has_phases: boolean;
  x: Axis;
  y: Axis;
  color: Axis | null; // of hexagons
  marks: Mark[]; // in the order in which they are drawn
}

export interface Energy {
  energy_j: number | null;
  u95_j: number | null;
  lower_j: number | null;
  upper_j: number | null;
  mean_power_w: number | null;
  measured: number;
  provenance: string[];
  flags: string[];
}

export interface Measured extends Energy {
  source: string;
  peak_power_w: number | null;
  idle: { power_w: number; energy_j: number; u95_j: number; share: number } | null;
}

export interface Summary {
  joulemeter: string;
  simulated: boolean;
  modelled: boolean;
  command: string | null;
  exit_code: number | null;
  window: string;
  begin_unix_s: number;
  begin_s: number;
  end_s: number;
  duration_s: number;
  total: Measured;
  devices: (Measured & { name: string; vendor: string; model: string; uuid: string; driver: string;
    in_total: boolean; simulated: boolean; power_limit_w: number | null })[];
  categories: (Energy & { category: string; name: string; device: string | null; calls: number;
    time_s: number; wall_s: number; share: number | null })[];
  sensors: { device: string; quantity: string; unit: string; source: string; modelled: boolean;
    calibrated: boolean; refresh_s: number | null; window_s: number | null; lag_s: number;
    samples: number; missing: number; gaps: number; resets: number; mean: number | null;
    min: number | null; max: number | null }[];
  warnings: string[];
  sampler: { polls: number; failed: number; late: number; dropped: number; cpu_s: number;
    worst_late_s: number };
  environment: Record<string, string>;
}
