// What the browser tests share: a headless Chromium, counted checks, faults of a page. Must not know: what is tested.

import { execSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const shots = process.argv[2];
let passed = 0;
let failed = 0;

/** Errors and policy violations of all pages that are watched. */
export const faults = [];

export function check(what, good, found) {
  if (good) passed += 1;
  else failed += 1;
  console.log(`${good ? "ok" : "FAILED"}: ${what}${good ? "" : ` (found ${found})`}`);
}

/** Says how many, and ends the process accordingly. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

export const launch = () => chromium.launch({
  executablePath: execSync("command -v chromium").toString().trim(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
});

export function watch(page, expected = () => false) {
  page.on("console", (message) => message.type() === "error" && !expected(message.text()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
}

/** True once `locator` is there (or gone, with `state`). */
export const there = (locator, ms, state = "visible") => locator.first().waitFor({ timeout: ms, state }).then(() => true, () => false);

export const waitFor = (page, text, ms) => there(page.getByText(text), ms);

export const snap = (page, name) => shots && page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });

/** Accessibility violations of the page as it stands, or of the part within a selector: below a dialog nothing can be reached. */
export async function violations(page, within = "html") {
  const found = await page.evaluate(`${axe}; axe.run(${JSON.stringify(within)}, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] })`);
  return found.violations.map((v) => [v.id, v.nodes[0]?.html]);
}
