// Builds the report page: one HTML file with its style and its script in it, and a place for the data.
//   node build.mjs OUTPUT
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const output = process.argv[2] ?? join(here, "page.built.html");

const common = { absWorkingDir: here, bundle: true, minify: true, write: false, logLevel: "warning" };
const script = await build({
  ...common,
  entryPoints: ["src/main.ts"],
  format: "iife",
  target: ["es2020", "chrome90", "firefox90", "safari14"],
  legalComments: "none",
});
const style = await build({ ...common, entryPoints: ["src/style.css"] });
const text = (built) => built.outputFiles[0].text;

// A script ends where "</script" stands, wherever that is; replacement texts take no "$&".
const inline = (code) => code.replace(/<\/(script)/gi, "<\\/$1").replace(/<!--/g, "<\\!--");
const template = await readFile(join(here, "src/page.html"), "utf8");
const html = template
  .replace("/*style*/", () => text(style))
  .replace("/*script*/", () => inline(text(script)));
const places = html.split("<!--joulemeter-data-->").length - 1;
if (places !== 1) throw new Error(`the page has ${places} places for the data, not one`);
await writeFile(output, html);
