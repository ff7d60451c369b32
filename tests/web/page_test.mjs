// The report page in a browser, opened from disk: page_test.mjs JOULEMETER SIMGPU_LIBRARY. TAP.
// The pages are made by the real command; for hostile names and large recordings their data are changed
// on the way.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [joulemeter, simgpu] = process.argv.slice(2).map((path) => resolve(path));
const web = join(dirname(fileURLToPath(import.meta.url)), "../../web");
const folder = mkdtempSync(join(tmpdir(), "joulemeter-page-"));
const HOSTILE = ['"><img src=x onerror="window.__owned=1">', "</script><script>window.__owned=2</script>",
  "' onclick='window.__owned=3", "javascript:window.__owned=4", "=cmd|' /C calc'!A0", "a\nb\tc", "é 日本語 🔋",
  "\u202Eright to left", "{a|rich}{b|text}", "${window.__owned=5}", "x".repeat(900)];

let number = 0, failed = 0;
function ok(good, name, more = "") {
  number++;
  if (!good) failed++;
  console.log(`${good ? "ok" : "not ok"} ${number} - ${name}`);
  if (!good && more !== "") console.log(`# ${String(more).replace(/\n/g, "\n# ")}`);
}
function skipAll(why) {
  console.log(`1..0 # SKIP ${why}`);
  process.exit(77);
}

const browserPath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (browserPath === undefined) skipAll("there is no chromium");
let chromium;
try {
  ({ chromium } = await import(join(web, "node_modules/playwright-core/index.mjs")));
} catch {
  skipAll("playwright-core is not installed (./dev setup)");
}

// ---- pages ----

function record() {
  const env = { ...process.env, JOULEMETER_SIMGPU_LIBRARY: simgpu, LC_ALL: "C.UTF-8" };
  const run = (...args) => execFileSync(joulemeter, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  run("run", "-q", "-o", "a.jm", "--simulate", "2*h100,square:100:300:0.2", "--", "sleep", "1");
  try {
    run("report", "-q", "a.jm");
  } catch (error) {
    if (/built without the report page/.test(String(error.stderr))) skipAll("this build has no page");
    throw error;
  }
  return readFileSync(join(folder, "a.html"), "utf8");
}

const html = record();
const PLACE = /(<script type="application\/json" id="data">)([\s\S]*?)(<\/script>)/;
const data = () => JSON.parse(PLACE.exec(html)[2]);
function write(name, page) {
  const text = JSON.stringify(page).replace(/</g, "\\u003c").replace(/\u2028/g, "\\u2028");
  writeFileSync(join(folder, name), html.replace(PLACE, (_, open, __, close) => open + text + close));
  return `file://${join(folder, name)}`;
}

const ENERGY = [{ name: "energy_j", title: "energy", unit: "J", kind: "energy", u95: "energy_u95_j", bound: "bound_only" },
  { name: "energy_u95_j", title: "", unit: "J", kind: "number", hidden: true },
  { name: "bound_only", title: "", unit: "", kind: "number", hidden: true }];

// Ranges in one lane: `count` in a row under a long one.
function rangesOf(page, names, count) {
  const r = { total: count + 1, names: ["whole", ...names], name: [0], category: ["phase"], lane: [0], depth: [0],
    begin_s: [0], end_s: [page.duration_s], count: [1], energy_j: [100], u95_j: [5], bound_only: [false] };
  for (let i = 0; i < count; i++) {
    r.name.push(1 + i % names.length);
    r.category.push("layer");
    r.lane.push(0);
    r.depth.push(1);
    r.begin_s.push(page.duration_s * i / count);
    r.end_s.push(page.duration_s * (i + 0.9) / count);
    r.count.push(1 + i % 3);
    r.energy_j.push(i % 5 ? i : null);
    r.u95_j.push(i % 5 ? i / 10 : null);
    r.bound_only.push(i % 7 === 0);
  }
  page.timeline.ranges = r;
  page.timeline.lanes = [{ label: names[0], depth: 2 }];
}

function hostilePage() {
  const page = data();
  page.title = HOSTILE[0];
  page.summary.command = HOSTILE[1];
  page.facts.push([HOSTILE[2], HOSTILE[1]]);
  page.summary.devices[0].model = HOSTILE[0];
  page.trust.points.push({ grade: "bad", text: HOSTILE[1] });
  page.timeline.marks = HOSTILE.map((name, i) => ({ t_s: page.duration_s * (i + 0.5) / HOSTILE.length, name, meta: HOSTILE[0] }));
  page.timeline.marks_total = 5000;
  rangesOf(page, HOSTILE, HOSTILE.length);
  page.tables = [{ name: HOSTILE[4], title: "Layers", total: 9000, rows: HOSTILE.map((name, i) => [name, i, 100 - i, i + 0.5, i === 3 ? 1 : 0]),
    columns: [{ name: "name", title: "name", unit: "", kind: "text" }, { name: "calls", title: "calls", unit: "", kind: "number" }, ...ENERGY] }];
  page.figures[0].marks[0].label = HOSTILE[1];
  page.figures[0].note = HOSTILE[0];
  const bars = page.figures.find((figure) => figure.name === "energy_by_device");
  bars.y.tick_texts[0] = HOSTILE[0];
  page.missing.push({ name: "x", title: HOSTILE[0], why: HOSTILE[1] });
  return page;
}

function largePage() {
  const page = data();
  page.duration_s = 3600;
  const count = 30000, t = Buffer.alloc(4 * count), v = Buffer.alloc(2 * count);
  for (let i = 0; i < count; i++) {
    t.writeUInt32LE(Math.round(4294967295 * i / count), 4 * i);
    v.writeUInt16LE(i % 1000 === 7 ? 65535 : (i * 7919) % 65535, 2 * i);
  }
  for (const series of page.timeline.series.slice(0, 5))
    Object.assign(series, { count, t: t.toString("base64"), v: v.toString("base64"), min: 0, max: 700, readings: 1e7, cell_s: 0.48 });
  rangesOf(page, ["conv1", "conv2", "linear"], 5000);
  page.tables = [{ name: "batches", title: "Batches", total: 60000, rows: Array.from({ length: 3000 }, (_, i) => [i, (i * 37) % 501, 5, 0]),
    columns: [{ name: "batch", title: "batch", unit: "", kind: "number" }, ...ENERGY] }];
  return page;
}

// ---- without a browser ----

async function module(name) {
  const { transform } = await import(join(web, "node_modules/esbuild/lib/main.js"));
  const { code } = await transform(readFileSync(join(web, "src", name), "utf8"), { loader: "ts", format: "esm" });
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}

async function numbers() {
  const { moment } = await module("format.ts");
  const wanted = [[59.94, 0.1, "59.9 s"], [59.97, 0.1, "1:00.0"], [119.99, 0.1, "2:00.0"], [3599.7, 36, "1:00:00"],
    [3599.2, 36, "59:59"], [125.25, 0.1, "2:05.3"], [7325, 1, "2:02:05"], [65.12345, 1e-4, "65.1235 s"], [0, 1, "0 s"]];
  for (const [seconds, step, text] of wanted)
    ok(moment(seconds, step) === text, `${seconds} s in steps of ${step} s is ${text}`, moment(seconds, step));
}

// ---- the browser ----

const browser = await chromium.launch({ executablePath: browserPath, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light", acceptDownloads: true });
const complaints = [], requests = [];
async function open(url, options = {}) {
  const page = await context.newPage();
  if (options.viewport) await page.setViewportSize(options.viewport);
  page.on("console", (m) => ["error", "warning"].includes(m.type()) && complaints.push(m.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (r) => !/^(file|data|blob):/.test(r.url()) && requests.push(r.url()));
  const begin = Date.now();
  await page.goto(url);
  await page.waitForSelector("html[data-ready=yes]");
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  page.openMs = Date.now() - begin;
  return page;
}
const spanOf = (page) => page.textContent("#timeline-span");
const frame = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done)))));

async function theTimeline() {
  const page = await open(write("plain.html", (() => { const p = data(); rangesOf(p, ["conv1", "conv2"], 20); return p; })()));
  ok((await page.title()).includes("joulemeter"), "the page has a title");
  const whole = await spanOf(page);
  ok(/^all /.test(whole), "all of it is shown at first", whole);
  const stage = await page.locator("#timeline .stage").boundingBox();
  await page.mouse.move(stage.x + 500, stage.y + 80);
  await page.mouse.wheel(0, -300);
  await frame(page);
  const zoomed = await spanOf(page);
  ok(/ to /.test(zoomed), "the wheel zooms", zoomed);
  await page.mouse.down();
  await page.mouse.move(stage.x + 300, stage.y + 80, { steps: 4 });
  await page.mouse.up();
  await frame(page);
  ok(await spanOf(page) !== zoomed, "dragging moves", zoomed);
  await page.dblclick("#timeline .curves", { position: { x: 400, y: 60 } });
  await frame(page);
  ok(await spanOf(page) === whole, "a double click shows all");
  await page.focus("#timeline .stage");
  for (const [key, what] of [["+", "plus"], ["ArrowRight", "an arrow"], ["-", "minus"]]) {
    const before = await spanOf(page);
    await page.keyboard.press(key);
    await frame(page);
    ok(await spanOf(page) !== before, `${what} moves the timeline`, before);
  }
  await page.keyboard.press("0");
  await frame(page);
  ok(await spanOf(page) === whole, "0 shows all");
  const canvas = await page.locator("canvas.ranges").boundingBox();
  await page.mouse.click(canvas.x + 64 + (canvas.width - 78) * 0.525, canvas.y + 48);
  await frame(page);
  const near = await spanOf(page);
  ok(/ to /.test(near), "a click on a range zooms to it", near);
  await page.keyboard.press("Escape");
  await page.mouse.move(canvas.x + 300, canvas.y + 48);
  await frame(page);
  const tip = await page.textContent(".tip");
  ok(/conv[12]/.test(tip) && /layer/.test(tip), "a range says what it is", tip);
  await page.mouse.move(stage.x + 400, stage.y + 60);
  ok(/power: .* W/.test(await page.textContent(".tip")), "curves say what held");
  ok(/gpu0 power, longer mean: .* W/.test(await page.textContent(".tip")), "the longer mean has a curve of its own");
  await page.keyboard.down("Shift");
  await page.mouse.down();
  await page.mouse.move(stage.x + 600, stage.y + 60, { steps: 3 });
  await page.mouse.up();
  await page.keyboard.up("Shift");
  await frame(page);
  ok(/ to /.test(await spanOf(page)), "Shift and dragging zooms into a stretch");
  const chip = page.locator(".chip").first();
  await chip.click();
  ok(await chip.getAttribute("aria-pressed") === "false", "a chip hides a panel");
  await page.close();
}

async function theTables() {
  const page = await open(write("tables.html", hostilePage()));
  const rows = () => page.locator('#tables tbody tr').allTextContents();
  const head = page.locator('#tables th[data-column="energy_j"]');
  await head.locator("button").click();
  let cells = await page.locator("#tables tbody td:nth-child(3)").allTextContents();
  ok(await head.getAttribute("aria-sort") === "descending" && /^100/.test(cells[0]), "a click sorts, most first", cells[0]);
  await head.locator("button").focus();
  await page.keyboard.press("Enter");
  cells = await page.locator("#tables tbody td:nth-child(3)").allTextContents();
  ok(await head.getAttribute("aria-sort") === "ascending" && /^90/.test(cells[0]), "Enter sorts the other way", cells[0]);
  await page.fill("#tables input", "日本");
  ok((await rows()).length === 1, "a word filters");
  await page.fill("#tables input", "calls > 7");
  ok((await rows()).length === HOSTILE.length - 8, "a condition filters", (await rows()).length);
  for (const [text, left] of [["calls 3..5", 3], ["calls 2.5 .. 4", 2], ["calls -1..0", 1], ["calls 5..3", 0]]) {
    await page.fill("#tables input", text);
    const count = await page.locator("#tables tbody tr:not(:has(td.muted))").count();
    ok(count === left, `so does ${text}`, count);
  }
  await page.fill("#tables input", "nothing like it");
  ok(/no row/.test((await rows())[0]), "a filter that nothing matches says so");
  await page.fill("#tables input", "");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click('#tables button:text("CSV")')]);
  const csv = readFileSync(await download.path(), "utf8");
  ok(csv.includes("\"'=cmd|' /C calc'!A0\"") || csv.includes("'=cmd|' /C calc'!A0"), "CSV has no formula", csv.slice(0, 200));
  ok(/^[A-Za-z0-9._-]+$/.test(download.suggestedFilename()), "its name is plain", download.suggestedFilename());
  await page.close();
}

async function theFigures() {
  const given = data(), power = given.figures.find((figure) => figure.name === "power_time");
  const devices = power.marks.filter((mark) => mark.label === "gpu0").length;
  power.marks.push({ kind: "span", label: "gpu0", color: "#123456", color_dark: "#123456", style: [], x: [0], x2: [0.5] });
  const page = await open(write("figures.html", given));
  const card = page.locator('[data-figure="power_time"]');
  await card.scrollIntoViewIfNeeded();
  await card.locator("svg text").first().waitFor();
  ok(devices === 1 && await card.locator('svg text:text-is("gpu0")').count() === 2, "a phase of a device's name has its own entry");
  ok(await card.locator('svg path[fill="#123456"]').count() === 2, "and its own colour");
  await page.close();
}

async function hostileNames() {
  const page = await open(write("hostile.html", hostilePage()));
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 600) {
      window.scrollTo(0, y);
      await new Promise((done) => setTimeout(done, 30));
    }
  });
  const canvas = await page.locator("canvas.ranges").boundingBox();
  await page.evaluate(() => document.querySelector("canvas.ranges").scrollIntoView({ block: "center" }));
  const place = await page.locator("canvas.ranges").boundingBox();
  for (let i = 0; i < HOSTILE.length; i++) {
    const x = place.x + 64 + (canvas.width - 78) * (i + 0.4) / HOSTILE.length;
    await page.mouse.move(x, place.y + 52);
    await page.mouse.move(x, place.y + 5);
  }
  await page.waitForTimeout(100);
  ok(await page.evaluate(() => window.__owned) === undefined, "no name runs", await page.evaluate(() => window.__owned));
  ok((await page.textContent("#timeline .hint")).includes(`${HOSTILE.length} of 5 000 marks, evenly chosen`), "it says how many marks are left");
  ok(await page.textContent("h1") === HOSTILE[0], "the title is the text that it is");
  ok((await page.locator("#tables td.text").first().textContent()) === HOSTILE[0], "so are cells");
  ok(await page.locator("img, iframe, object, embed").count() === 0, "nothing became an element");
  ok(await page.evaluate(() => document.scripts.length) === 2, "no script was added");
  await page.close();
}

async function looks() {
  const url = write("looks.html", hostilePage());
  const page = await open(url);
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await ground();
  await page.keyboard.press("t");
  ok(await ground() !== light, "t changes the theme", light);
  await page.keyboard.press("t");
  ok(await ground() === light, "and back");
  await page.keyboard.press("?");
  ok(await page.locator("dialog.keys").isVisible(), "? shows the keys");
  await page.keyboard.press("Escape");
  ok(!await page.locator("dialog.keys").isVisible(), "Escape closes them");
  await page.keyboard.press("/");
  ok(await page.evaluate(() => document.activeElement.type) === "search", "/ goes to the filter");
  await page.emulateMedia({ media: "print" });
  ok(!await page.locator(".menu").isVisible() && !await page.locator(".chips").isVisible(), "nothing to press is printed");
  await page.emulateMedia({ media: "screen" });
  const card = page.locator('[data-figure="energy_by_device"]');
  await card.scrollIntoViewIfNeeded();
  await page.waitForTimeout(100);
  const [svg] = await Promise.all([page.waitForEvent("download"), card.locator('button:text("SVG")').click()]);
  const text = readFileSync(await svg.path(), "utf8");
  ok(text.startsWith("<svg") && text.includes("</svg>") && !text.includes("<img"), "a figure is saved as SVG", text.slice(0, 100));
  const [png] = await Promise.all([page.waitForEvent("download"), card.locator('button:text("PNG")').click()]);
  ok(readFileSync(await png.path()).subarray(1, 4).toString() === "PNG", "and as PNG");
  await page.close();
  const narrow = await open(url, { viewport: { width: 360, height: 740 } });
  const [wide, shown] = await narrow.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  ok(wide <= shown, "a narrow page does not scroll sideways", `${wide} > ${shown}`);
  await narrow.close();
}

async function large() {
  const page = await open(write("large.html", largePage()));
  console.log(`# a large recording opened in ${page.openMs} ms`);
  ok(page.openMs < 10000, "a large recording opens", page.openMs);
  const stage = await page.locator("#timeline .stage").boundingBox();
  await page.mouse.move(stage.x + 500, stage.y + 60);
  const frames = await page.evaluate(async () => {
    const stage = document.querySelector("#timeline .stage"), times = [];
    for (let i = 0; i < 30; i++) {
      const begin = performance.now();
      stage.dispatchEvent(new WheelEvent("wheel", { deltaY: i < 20 ? -60 : 80, clientX: 600, clientY: 300, cancelable: true }));
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
      times.push(performance.now() - begin);
    }
    return times.sort((a, b) => a - b);
  });
  console.log(`# two frames of zooming: median ${frames[15].toFixed(0)} ms, longest ${frames[29].toFixed(0)} ms`);
  ok(frames[15] < 1000, "it zooms", frames.join(" "));
  ok(await page.locator("#tables tbody tr").count() === 100, "long tables come in parts");
  await page.click("#tables .more");
  ok(await page.locator("#tables tbody tr").count() === 200, "and more of them when asked");
  await page.close();
}

async function oddPages() {
  writeFileSync(join(folder, "none.html"), html.replace(PLACE, "$1<!--nothing-->$3"));
  const page = await context.newPage();
  await page.goto(`file://${join(folder, "none.html")}`);
  ok(/no data/.test(await page.textContent("#page")), "a page without data says so");
  await page.close();
  const bare = data();
  Object.assign(bare, { tables: [], figures: [], missing: [] });
  bare.timeline = { series: [], lanes: [], ranges: { total: 0, names: [], name: [], category: [], lane: [], depth: [], begin_s: [],
    end_s: [], count: [], energy_j: [], u95_j: [], bound_only: [] }, marks: [], marks_total: 0 };
  const empty = await open(write("bare.html", bare));
  ok(/Nothing was recorded/.test(await empty.textContent("#timeline")), "an empty recording has a page");
  await empty.close();
}

try {
  for (const part of [numbers, theTimeline, theTables, theFigures, hostileNames, looks, large, oddPages]) {
    try {
      await part();
    } catch (error) {
      ok(false, `${part.name} came to its end`, error.stack);
    }
  }
  ok(complaints.length === 0, "the console is silent", complaints.join("\n"));
  ok(requests.length === 0, "nothing was asked of anybody", requests.join("\n"));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`1..${number}`);
process.exit(failed === 0 ? 0 : 1);
