// The page before the real console and a real brain that does what this file says: the stalled brain, the frozen list, long lists, refusals in the
// reader's words, the station, the end of a session, the policy of the page. Usage: run [folder for screenshots]

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { check, faults, finish, launch, snap, there, violations, waitFor, watch } from "./browser.mjs";

const TAGS = 600;
const play = spawn(process.env.STAGE, [String(TAGS)], { stdio: ["pipe", "pipe", "inherit"] });
const lines = createInterface({ input: play.stdout })[Symbol.asyncIterator]();
const line = async () => (await lines.next()).value;

/** Makes something happen, and waits until the brain has shown it. */
async function happens(what) {
  play.stdin.write(`${what}\n`);
  if ((await line()) !== "done") throw new Error(`the stage did not do: ${what}`);
}

const rows = (page) => page.locator("table.alarms tbody tr").evaluateAll((found) => found.map((row) => row.innerText.match(/point \d+|测点 \d+|T\d+/)?.[0] ?? row.innerText));
const count = (page, of) => page.waitForFunction((n) => document.querySelectorAll("table.alarms tbody tr").length === n, of, { timeout: 5000 }).then(() => true, () => false);

try {
  const url = await line();
  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  // A refused request is what some steps are about; the browser calls it an error.
  watch(page, (text) => /status of (401|409)/.test(text));
  await page.goto(url);
  check("a quiet plant says so", await waitFor(page, "当前无已知报警", 5000), await page.locator("body").innerText());
  check("rules that nobody has signed are said on top", await waitFor(page, "正在运行未经签名的规则", 1000), await page.locator("body").innerText());
  const banner = await page.locator(".unsigned").evaluate((found) => [getComputedStyle(found).backgroundImage, getComputedStyle(found).backgroundColor].join(" "));
  check("and can be read: white on black, not on the stripes of a drill", banner === "none rgb(29, 29, 31)", banner);

  // The policy holds: text cannot become markup or script. Asked on a page of its own, whose error is the point.
  const other = await context.newPage();
  await other.goto(new URL("/", url).href);
  const policy = await other.evaluate(() => { try { document.createElement("div").innerHTML = "<b>x</b>"; return "taken"; } catch (error) { return error.name; } });
  check("a text put in as markup is refused by the page's policy", policy === "TypeError", policy);
  await other.close();

  // Frozen list. Tags 0, 1, 2, 3 are blue, yellow, orange, red.
  await happens("danger 4 7");
  check("three alarms", await count(page, 3), await rows(page));
  const before = await rows(page);
  await page.locator("table.alarms tbody tr").nth(1).hover();
  await happens("danger 0 3");
  check("new alarms below orange are counted beside the frozen list", await waitFor(page, "2 条新报警", 3000), await page.locator("main").innerText());
  check("in the colour of the worst of them", await there(page.locator(".fresh .chip.yellow"), 1000), await page.locator(".fresh").innerHTML());
  const top = () => page.locator("table.alarms tbody tr").first().innerText();
  check("an orange one is never held back", await count(page, 4) && (await top()).includes("紧急"), await rows(page));
  check("and the rows below keep their order", String((await rows(page)).slice(1)) === String(before), await rows(page));
  await snap(page, "frozen-zh-1280");
  await happens("danger 3 4");
  check("nor is a red one", await count(page, 5) && (await top()).includes("特急"), await rows(page));
  check("the title counts what nobody has taken, and names the worst", (await page.title()).startsWith("(7) ■ 特急"), await page.title());
  check("a pointer that rests holds nothing after ten seconds", await page.waitForFunction(() => document.querySelectorAll("table.alarms tbody tr").length === 7, null, { timeout: 13e3 }).then(() => true, () => false), await rows(page));
  await page.locator("table.alarms tbody tr").nth(2).hover();
  await happens("danger 8 9");
  check("one that moves again does", await waitFor(page, "1 条新报警", 3000), await page.locator("main").innerText());
  await page.mouse.move(5, 5);
  check("the list goes on when the pointer leaves", await count(page, 8), await rows(page));

  // What has cleared stands below what is active, here as in the API; the value of now stands beside that of the alarm.
  await happens("calm 6 7");
  check("the value of now stands beside that of the alarm", await waitFor(page, "现在 10 %LEL", 4000), await page.locator("main").innerText());
  const listed = await page.locator("table.alarms a").evaluateAll((links) => links.map((link) => link.hash.split("/").pop()));
  const asked = await page.evaluate(async () => (await (await fetch("/api/v1/alarms")).json()).items.map((alarm) => alarm.id));
  check("the list has the order of the API", listed.length === 8 && String(listed) === String(asked), `${listed} and ${asked}`);
  check("and what has cleared is below its like", (await page.locator("table.alarms tbody tr").nth(2).innerText()).includes("已恢复未确认"), await rows(page));

  // Refusals in the reader's words.
  await page.locator("table.alarms a").first().click();
  const close = page.getByRole("button", { name: "销警" });
  check("what could only be refused is not offered, and says why", await there(close, 5000) && await close.isDisabled() && (await page.locator(".why").allInnerTexts()).includes("现场还没有恢复正常"), await page.locator("main").innerText());
  await page.getByRole("button", { name: "记录处置" }).click();
  check("a refusal says in Chinese what is missing", await waitFor(page, "还不能办：请先写下处置备注", 3000), await page.locator("main").innerText());
  await page.getByRole("button", { name: "EN" }).click();
  await page.getByRole("button", { name: "Note handling" }).click();
  check("and in English", await waitFor(page, "Not yet: write down first what was done", 3000), await page.locator("main").innerText());
  await snap(page, "refused-en-1280");

  // The station.
  await page.getByRole("button", { name: "No station" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill("东门岗");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Acknowledge" }).first().click();
  await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  check("an act names the station", await waitFor(page, "东门岗 (127.0.0.1)", 5000), await page.locator("main").innerText());
  await page.getByRole("button", { name: "中文" }).click();
  const chips = await page.locator(".counters .chip").allInnerTexts();
  check("one that was taken and goes on is counted on top", await there(page.locator(".counters .chip.red", { hasText: "持续 1" }), 5000), chips);

  // Long lists.
  await happens(`danger 0 ${TAGS}`);
  await page.goto(new URL("/#/alarms", url).href);
  check("a long list begins with 200 rows", await count(page, 200), (await rows(page)).length);
  check("and says how many more there are, by level", (await page.locator(".more").innerText()).includes("还有 400 条没有显示") && await there(page.locator(".more .chip"), 1000), await page.locator(".more").allInnerTexts());
  await snap(page, "long-zh-1280");
  await page.getByRole("button", { name: "再显示 200 条" }).click();
  await page.getByRole("button", { name: "再显示 200 条" }).click();
  check("and gives them", await count(page, TAGS) && (await page.locator(".more").count()) === 0, (await rows(page)).length);
  await page.goto(new URL("/#/tags", url).href);
  await there(page.locator("main tbody tr"), 5000);
  check("a long list of tags too", (await page.locator(".more").innerText()).includes("已显示 200 条，还有 400 条"), await page.locator("main .more").allInnerTexts());
  await page.locator(".more button").click();
  check("its second page comes below the first", await page.waitForFunction(() => document.querySelectorAll("main tbody tr").length === 400, null, { timeout: 5000 }).then(() => true, () => false), await page.locator("main tbody tr").count());
  await page.goto(new URL("/#/notices", url).href);
  check("notices say how many more", await there(page.locator(".more"), 5000), "nothing");
  check("no accessibility violation with a long list", (await violations(page)).length === 0, JSON.stringify(await violations(page)));

  // The brain stands still while the server answers.
  await page.goto(new URL("/#/alarms", url).href);
  await happens("stall");
  const began = Date.now();
  const covered = await page.locator(".overlay").waitFor({ timeout: 9000 }).then(() => Date.now() - began, () => Infinity);
  check("a stalled brain covers the page within 7 seconds", covered <= 7000, `${covered} ms`);
  check("and is not called a lost connection", (await page.locator(".overlay").innerText().catch(() => "")).includes("大脑停顿"), await page.locator("body").innerText());
  const answering = await page.evaluate(async () => (await fetch("/api/v1/health")).json());
  check("though the server answers, and says so itself", answering.ok === false && answering.parts[0].detail.includes("no decision"), JSON.stringify(answering));
  await snap(page, "stalled-zh-1280");
  await happens("go");
  check("the page comes back with the brain", await there(page.locator(".overlay"), 5000, "detached"), "still covered");

  // The end of a session: by the button, and from elsewhere.
  const again = await context.newPage();
  watch(again, (text) => /status of 401/.test(text));
  await again.goto(new URL("/", url).href);
  check("a second page shares the session", await there(again.locator("table.alarms"), 5000), "no list");
  await page.getByRole("button", { name: "退出" }).click();
  check("signing out leads to the sign-in view", await there(page.locator("form.signin"), 3000), await page.locator("body").innerText());
  check("the cookie is gone", (await context.cookies()).length === 0, JSON.stringify(await context.cookies()));
  check("the other page says that the session has ended, not that the server is lost", await waitFor(again, "会话已结束", 15e3) && (await again.locator(".overlay").count()) === 0, await again.locator("body").innerText());
  check("and shows no old alarms", (await again.locator("table.alarms").count()) === 0, "a list");
  await snap(again, "ended-zh-1280");
  await again.getByLabel("令牌").fill("nobody");
  await again.getByRole("button", { name: "登录" }).click();
  check("a wrong token is called one", await waitFor(again, "令牌不认识", 3000), await again.locator("body").innerText());
  await again.getByLabel("令牌").fill("viewer-of-the-stage");
  await again.getByRole("button", { name: "登录" }).click();
  check("a right one leads back to the list", await there(again.locator("table.alarms"), 5000), await again.locator("body").innerText());
  check("a viewer is offered no act", (await again.getByRole("button", { name: "确认" }).count()) === 0, "a button");
  check("no error on the pages and no policy violation", faults.length === 0, faults.join("; "));
  await browser.close();
} catch (error) {
  check("the run goes through", false, error.stack);
} finally {
  const ended = new Promise((done) => play.on("exit", done));
  play.stdin.end();
  await Promise.race([ended, new Promise((late) => setTimeout(late, 5000))]);
  play.kill("SIGKILL");
}
finish();
