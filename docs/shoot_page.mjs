// Pictures of a report page: shoot_page.mjs PAGE.html FOLDER WHOLE.png. A file for each figure in the
// folder, and the top of the page.
import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { chromium } from "../web/node_modules/playwright-core/index.mjs";

const [file, folder, whole] = process.argv.slice(2);
const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1240, height: 1250 }, deviceScaleFactor: 1.5 });
await page.goto(`file://${resolve(file)}`);
await page.waitForSelector("html[data-ready=yes]");
await page.waitForTimeout(500);
await page.screenshot({ path: whole });
mkdirSync(folder, { recursive: true });
for (const card of await page.locator("[data-figure]").all()) {
  await card.scrollIntoViewIfNeeded();
  await page.waitForTimeout(120);
  const name = await card.getAttribute("data-figure");
  await card.locator(".chart").screenshot({ path: join(folder, `${name}.png`) });
}
await browser.close();
