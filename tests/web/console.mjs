// What a person at the console relies on: alarms appear, an acknowledgement is recorded, nothing breaks the page's policy, and a page whose
// server has gone silent says so within 3 seconds and covers itself within 10. Usage: run [folder for screenshots]

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, faults, finish, launch, snap as shoot, violations, waitFor, watch } from "./browser.mjs";

const data = mkdtempSync(join(tmpdir(), "safety-brain-web-"));
const demo = spawn(process.env.SAFETY_BRAIN, ["demo", "--port", "0", "--data", data, "--seed", "3"], { cwd: process.env.ROOT, stdio: ["ignore", "ignore", "pipe"] });
async function address() {
  let said = "";
  return new Promise((found, lost) => {
    setTimeout(() => lost(new Error(`no address within 10 minutes; the program said:\n${said}`)), 600e3).unref();
    demo.stderr.on("data", (chunk) => {
      said += chunk;
      const line = said.match(/http:\/\/127\.0\.0\.1:\d+\/#token=\S+/);
      if (line) found(line[0]);
    });
    demo.on("exit", () => lost(new Error(`the program ended; it said:\n${said}`)));
  });
}

try {
  const url = await address();
  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 } });
  const page = await context.newPage();
  watch(page);
  await page.goto(url);
  check("the token leaves the address", await page.waitForFunction(() => !location.href.includes("token"), null, { timeout: 5000 }).then(() => true, () => false), page.url());
  check("the link badge says live", await waitFor(page, "实时", 5000), await page.locator("header").innerText());
  check("an alarm appears within a minute", await page.locator("table.alarms tbody tr").first().waitFor({ timeout: 60e3 }).then(() => true, () => false), "none");
  check("the demonstration says what it is", await waitFor(page, "不是真实报警", 1000), "no mode");
  check("signed rules bear no banner", !(await page.locator("body").innerText()).includes("未经签名"), "a banner");
  await page.getByText("室温").first().waitFor({ timeout: 60e3 });
  const snap = (name) => shoot(page, name);
  await snap("alarms-zh-1920");

  for (const screen of ["tags", "links", "rules", "notices", "figures", "journal", "health", "alarms"]) {
    await page.goto(new URL(`/#/${screen}`, url).href);
    check(`screen ${screen} shows rows`, await page.locator("main tbody tr").first().waitFor({ timeout: 10e3 }).then(() => true, () => false), "none");
    await snap(`${screen}-zh-1920`);
    const found = await violations(page);
    check(`screen ${screen} has no accessibility violation`, found.length === 0, JSON.stringify(found));
  }

  await page.goto(new URL("/#/duty", url).href);
  check("a plant without a roster says what that means", await waitFor(page, "没有值班表", 5000), await page.locator("main").innerText());
  await page.goto(new URL("/#/alarms", url).href);
  await page.locator("table.alarms tbody tr").first().waitFor({ timeout: 10e3 });
  await page.keyboard.press("j");
  await page.keyboard.press("a");
  await page.getByRole("dialog").waitFor({ timeout: 3000 });
  await snap("acknowledge-zh-1920");
  await page.keyboard.type("在现场");
  await page.getByRole("dialog").getByRole("button", { name: "确认" }).click();
  check("an acknowledgement by keyboard is recorded", await waitFor(page, "演示安全员", 5000), "no name");
  await page.locator("table.alarms a").first().click();
  check("the detail says what to do", await page.locator("dd.response").waitFor({ timeout: 5000 }).then(() => true, () => false), "nothing");
  await page.waitForTimeout(1000);
  await snap("detail-zh-1920");

  await page.getByRole("button", { name: "EN" }).click();
  await page.goto(new URL("/#/alarms", url).href);
  check("the page speaks English", await waitFor(page, "Acknowledge", 3000), "no");
  await snap("alarms-en-1920");
  await page.setViewportSize({ width: 390, height: 844 });
  const detail = await page.locator("table.alarms a").first().getAttribute("href");
  for (const [language, change] of [["en", null], ["zh", "中文"]]) {
    if (change) await page.getByRole("button", { name: change }).click();
    for (const screen of ["alarms", "tags", "links", "rules", "notices", "figures", "journal", "health", detail.slice(2)]) {
      await page.goto(new URL(`/#/${screen}`, url).href);
      await page.locator("main tbody tr").first().waitFor({ timeout: 10e3 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      check(`no sideways scroll of ${screen} on a phone (${language})`, wide <= 0, `${wide} px`);
      const found = await violations(page);
      check(`no accessibility violation of ${screen} on a phone (${language})`, found.length === 0, JSON.stringify(found));
      await snap(`${screen.replace("/", "-")}-${language}-390`);
    }
  }
  await page.setViewportSize({ width: 1920, height: 1080 });

  demo.kill("SIGSTOP");
  const began = Date.now();
  const late = await page.locator(".strip.late").waitFor({ timeout: 6000 }).then(() => Date.now() - began, () => Infinity);
  check("a silent server shows within 3 seconds", late <= 4000, `${late} ms`);
  const lost = await page.locator(".overlay").waitFor({ timeout: 12e3 }).then(() => Date.now() - began, () => Infinity);
  check("the page covers itself within 10 seconds", lost <= 11000, `${lost} ms`);
  await snap("lost-zh-1920");
  demo.kill("SIGCONT");
  check("and comes back by itself", await page.locator(".overlay").waitFor({ state: "detached", timeout: 15e3 }).then(() => true, () => false), "still covered");
  check("no error on the page and no policy violation", faults.length === 0, faults.join("; "));
  await browser.close();
} catch (error) {
  check("the run goes through", false, String(error));
} finally {
  const began = Date.now();
  const ended = new Promise((done) => demo.on("exit", done));
  demo.kill("SIGTERM");
  await Promise.race([ended, new Promise((late) => setTimeout(late, 5000))]);
  check("the demonstration stops within 3 seconds with a page open", Date.now() - began < 3000, `${Date.now() - began} ms`);
  demo.kill("SIGKILL");
  rmSync(data, { recursive: true, force: true });
}
finish();
