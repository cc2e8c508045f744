// What a duty officer relies on: a report stands in the queue with its countdown, is accepted and instructed by name, and a page whose server has gone
// silent says so. The real bureau as a process, the plant a few lines of HTTP. Usage: run [folder for screenshots]

import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, faults, finish, launch, snap, there, violations, waitFor, watch } from "./browser.mjs";

const folder = mkdtempSync(join(tmpdir(), "safety-brain-bureau-"));
const hash = (text) => createHash("sha256").update(text).digest("hex");
const [PLANT, OFFICER] = ["the-plant-of-the-browser", "the-officer-of-the-browser"];
const heard = [];
const plant = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => { body += part; });
  request.on("end", () => { heard.push(body); response.writeHead(200, { "Content-Type": "application/json" }).end('{"taken":true}'); });
});
await new Promise((listening) => plant.listen(0, "127.0.0.1", listening));
writeFileSync(join(folder, "bureau.toml"), `[bureau]
id = "district"
title = { zh = "示范区应急管理局", en = "Demonstration bureau" }
sender = "duty@bureau.example"
[console]
bind = "127.0.0.1:0"
[[plant]]
name = "demo"
title = { zh = "示范厂", en = "Demonstration plant" }
sender = "plant@demo.example"
token_sha256 = "${hash(PLANT)}"
silent = "3s"
[plant.answers]
url = "http://127.0.0.1:${plant.address().port}/api/v1/cap"
[[person]]
name = "王值班"
role = "operator"
token_sha256 = "${hash(OFFICER)}"
`);
const bureau = spawn(process.env.SAFETY_BRAIN, ["run", "--role", "bureau", "--config", join(folder, "bureau.toml")], { stdio: ["ignore", "ignore", "pipe"] });
async function address() {
  let said = "";
  return new Promise((found, lost) => {
    setTimeout(() => lost(new Error(`no address; the program said:\n${said}`)), 60e3).unref();
    bureau.stderr.on("data", (chunk) => {
      said += chunk;
      const line = said.match(/http:\/\/127\.0\.0\.1:\d+\//);
      if (line) found(line[0]);
    });
    bureau.on("exit", () => lost(new Error(`the program ended; it said:\n${said}`)));
  });
}

try {
  const url = await address();
  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  watch(page, (text) => /status of (401|409)|ERR_|Failed to fetch/.test(text));
  await page.goto(url);
  await page.locator("input").fill(OFFICER);
  await page.keyboard.press("Enter");
  check("an officer signs in", await waitFor(page, "值班队列", 5000), await page.locator("body").innerText());
  check("a silent plant is an entry by itself", await waitFor(page, "情况不明", 8000), await page.locator("main").innerText());
  const alert = readFileSync(join(process.env.ROOT, "tests/fuzz/corpus/bureau-report/alert"), "utf8").replace("one line", "混药间室温超限");
  const taken = await fetch(new URL("/api/v1/cap", url), { method: "POST", headers: { Authorization: `Bearer ${PLANT}`, "Content-Type": "application/cap+xml" }, body: alert });
  check("the report is taken", taken.status === 200, taken.status);
  check("it stands in the queue", await waitFor(page, "混药间室温超限", 3000), await page.locator("main").innerText());
  check("with its countdown", /应答剩余\s*[12]:\d\d/.test(await page.locator("main").innerText()), await page.locator("main").innerText());
  let found = await violations(page);
  check("the queue has no accessibility violation", found.length === 0, JSON.stringify(found));
  await snap(page, "bureau-queue-zh-1280");

  await page.locator("tr", { hasText: "混药间室温超限" }).getByRole("button").click();
  await page.getByRole("button", { name: "接收" }).click();
  check("accepted by name", await there(page.locator("article", { hasText: "已接收 · 王值班" }), 5000), await page.locator("article").innerText());
  await page.getByRole("button", { name: "驳回" }).click();
  check("a refusal without a reason is refused in words", await waitFor(page, "请先写下处置备注", 3000), await page.locator("article").innerText());
  await page.locator("article textarea").fill("撤离三号工房");
  await page.getByRole("button", { name: "下达指令" }).click();
  check("the instruction is on record and delivered", await there(page.locator("article li", { hasText: /撤离三号工房[\s\S]*已送达/ }), 8000), await page.locator("article").innerText());
  check("the plant heard both", heard.some((text) => text.includes("值班员 王值班")) && heard.some((text) => text.includes("指令 撤离三号工房")), heard.join("\n"));
  await page.getByLabel("转往单位").fill("消防大队");
  await page.getByLabel("转办理由").fill("已起火");
  await page.getByRole("button", { name: "转办" }).click();
  check("a transfer has a countdown of its own", await there(page.locator("article", { hasText: /消防大队 答复剩余\s*\d/ }), 5000), await page.locator("article").innerText());
  // An entry that opens in that moment is not before the eyes of who takes over: refused, and asked again.
  const duty = page.locator("header", { hasText: "当班：王值班" });
  for (let tries = 0; tries < 5 && !(await there(duty, 1500)); tries += 1) await page.getByRole("button", { name: "接班" }).click();
  check("the desk is taken over", await there(duty, 5000), await page.locator("main").innerText());
  found = await violations(page);
  check("an entry has no accessibility violation", found.length === 0, JSON.stringify(found));
  await snap(page, "bureau-entry-zh-1280");
  await page.setViewportSize({ width: 390, height: 844 });
  // The widths of the parts, not of the page: what scrolls by itself hides its end.
  const beyond = () => page.evaluate(() => [...document.querySelectorAll("main *, header *")].filter((part) => part.getBoundingClientRect().right > innerWidth + 1).map((part) => part.textContent.slice(0, 40)));
  check("nothing is beyond the edge of a phone", (await beyond()).length === 0, await beyond());
  await snap(page, "bureau-entry-zh-390");
  await page.getByRole("button", { name: "EN" }).click();
  check("the page speaks English", await waitFor(page, "Duty queue", 3000), await page.locator("main").innerText());
  check("nor in English", (await beyond()).length === 0, await beyond());
  await snap(page, "bureau-en-390");

  bureau.kill("SIGSTOP");
  check("a silent server is told within 4 s", await there(page.locator(".strip.late"), 4000), "no strip");
  check("and covers the page within 11 s", await there(page.locator(".overlay"), 8000), "no overlay");
  bureau.kill("SIGCONT");
  check("it is gone when the server is back", await there(page.locator(".overlay"), 5000, "detached"), "it stays");
  check("no fault on the page", faults.length === 0, faults.join("\n"));
  await browser.close();
} catch (error) {
  check("the test ran to its end", false, error.stack);
} finally {
  bureau.kill("SIGKILL");
  plant.close();
  rmSync(folder, { recursive: true, force: true });
  finish();
}
