// The duty desk of a bureau: the queue with its countdowns, one entry in full, the plants. Owns: asking each second, and judging whether the server lives.
// Must not know: how the queue comes about. Nothing is drawn as done before the server says so.

import { h } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { Shift, Transfers, transferred } from "./desk.js";
import { begin } from "./sign_in.js";
import { clock, lang, pick, setLang, t } from "./words.js";

const html = htm.bind(h);
const MARKS = { red: ["■", "Ⅰ"], orange: ["▲", "Ⅱ"], yellow: ["◆", "Ⅲ"], blue: ["●", "Ⅳ"] };
const ASK_MS = 1000;
const LATE_MS = 3000;
const LOST_MS = 10000;

const state = { queue: null, plants: [], duty: null, detail: null, chosen: null, heardAt: performance.now(), who: null };
let redraw = () => {};
let timer = null;
let asking = false;

async function ask() {
  if (asking) return;
  asking = true;
  const [queue, plants, duty] = await Promise.all(["reports", "plants", "duty"].map((path) => api("GET", `/api/v1/${path}`)));
  const detail = state.chosen && (await api("GET", `/api/v1/reports/${state.chosen}`));
  asking = false;
  if (queue.ok && plants.ok && duty.ok) Object.assign(state, { queue: queue.body.items, plants: plants.body.items, duty: duty.body, heardAt: performance.now() });
  if (detail?.ok && detail.body.id === state.chosen) state.detail = detail.body;
  redraw();
}

const age = () => performance.now() - state.heardAt;

function choose(id) {
  Object.assign(state, { chosen: id, detail: null });
  ask();
  redraw();
}

function Chip({ entry }) {
  const [shape, numeral] = MARKS[entry.level];
  return html`<span class=${`chip ${entry.level} ${entry.cleared || entry.ended ? "outline" : ""} ${entry.state === "received" ? "blink" : ""}`}>${shape} ${numeral} ${t(`ui.level.${entry.level}`)}</span>`;
}

/** Time left as people read it; below zero it is overdue, and says so. */
function left(seconds) {
  const now = seconds - Math.floor(age() / 1000);
  const of = Math.abs(now);
  const text = of >= 3600 ? `${Math.floor(of / 3600)}:${String(Math.floor(of / 60) % 60).padStart(2, "0")}:${String(of % 60).padStart(2, "0")}` : `${Math.floor(of / 60)}:${String(of % 60).padStart(2, "0")}`;
  return now < 0 ? html`<strong class="overdue">${t("ui.desk.overdue", text)}</strong>` : text;
}

function Countdowns({ entry }) {
  const rows = entry.transfers.filter((of) => of.answer_left_s !== null).map((of) => [t("ui.desk.transfer.left", of.to), of.answer_left_s]);
  if (entry.acknowledge_left_s !== null) rows.unshift([t("ui.desk.acknowledge"), entry.acknowledge_left_s]);
  else if (entry.handle_left_s !== null) rows.unshift([t("ui.desk.handle"), entry.handle_left_s]);
  return rows.length === 0 ? "-" : rows.map(([what, seconds]) => html`<span class="now">${what} ${left(seconds)}</span>`);
}

function stateWords(entry) {
  const words = [t(`ui.desk.state.${entry.state}`)];
  if (entry.answered_by) words.push(entry.answered_by);
  if (entry.about === "report") words.push(t(entry.ended ? "ui.desk.ended" : entry.cleared ? "ui.desk.cleared" : "ui.desk.active"));
  if (entry.untaken > 0) words.push(t("ui.desk.untaken", entry.untaken));
  if (entry.owed > 0) words.push(t("ui.desk.owed", entry.owed));
  if (entry.returned) words.push(`${t("ui.desk.returned")} ${entry.returned}`);
  return words.join(" · ");
}

const QUEUE = ["severity", "desk.left", "desk.plant", "message", "state", "since"];

function Queue() {
  if (state.queue === null) return html`<p>…</p>`;
  if (state.queue.length === 0) return html`<p class="calm">${t("ui.desk.calm", state.plants.filter((plant) => !plant.silent).length, state.plants.length)}</p>`;
  return html`<div class="wide" tabindex="0" role="region" aria-label=${t("ui.desk.queue")}><table class="cards"><thead><tr>${QUEUE.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${state.queue.map((entry) => html`<tr key=${entry.id} class=${`${entry.state === "received" ? "open" : ""} ${entry.id === state.chosen ? "chosen" : ""}`}>
      <td data-label=${t("ui.severity")}><${Chip} entry=${entry} /></td>
      <td data-label=${t("ui.desk.left")}><${Countdowns} entry=${entry} /></td>
      <td data-label=${t("ui.desk.plant")}>${pick(entry.plant_title)}</td>
      <td data-label=${t("ui.message")} class="message"><button onClick=${() => choose(entry.id)}>${t("ui.desk.open")}</button> ${entry.mode !== "actual" && html`<strong>${t(`ui.mode.${entry.mode}`)}</strong> `}${pick(entry.headline)}</td>
      <td data-label=${t("ui.state")}>${stateWords(entry)}</td>
      <td data-label=${t("ui.since")}>${clock(entry.opened_at)}</td></tr>`)}</tbody></table></div>`;
}

function Detail() {
  const [note, setNote] = useState("");
  const [said, setSaid] = useState("");
  useEffect(() => { setNote(""); setSaid(""); }, [state.chosen]);
  const entry = state.detail;
  if (!state.chosen || !entry) return null;
  const send = async (verb, body) => {
    setSaid(t("ui.sent"));
    const answer = await api("POST", `/api/v1/reports/${entry.id}/${verb}`, { ...body, severity: entry.level });
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
    ask();
    return answer.ok;
  };
  const act = async (word) => { if (await send(word, { note })) setNote(""); };
  const acts = entry.about === "report" ? ["accept", "reject", "instruct", "close"] : ["accept", "close"];
  return html`<article>
    <h1><${Chip} entry=${entry} /> ${entry.mode !== "actual" && html`<span class="mode">${t(`ui.mode.${entry.mode}`)}</span> `}${pick(entry.plant_title)} · ${pick(entry.headline)}</h1>
    <p class="big"><${Countdowns} entry=${entry} /> · ${stateWords(entry)}</p>
    <pre>${pick(entry.description)}</pre>
    ${state.who.can.act && entry.state !== "closed" && html`<label>${t("ui.note")}<textarea value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
      <div class="buttons">${acts.map((word) => html`<button class=${word === "accept" ? "main" : ""} onClick=${() => act(word)}>${t(`ui.desk.act.${word}`)}</button>`)}
      <button onClick=${() => choose(null)}>${t("ui.cancel")}</button></div>`}
    <${Transfers} key=${entry.id} entry=${entry} may=${state.who.can.act && entry.state !== "closed"} send=${send} />
    <p role="status">${said}</p>
    <h2>${t("ui.timeline")}</h2>
    <ul class="timeline">
      ${entry.message_list.map((message) => html`<li>${clock(message.received_at)} ${t("ui.desk.came")} ${message.kind} ${message.identifier} (${clock(message.sent_at)})</li>`)}
      ${entry.acts.map((done) => html`<li>${clock(done.at)} ${t(`ui.desk.act.${done.act}`)} ${transferred(done)} ${done.by} <small>${done.station}</small>: ${done.note}
        ${done.delivered_at && t("ui.desk.delivered", clock(done.delivered_at))} ${done.taken_by && html`<strong>${t("ui.desk.taken", clock(done.taken_at), done.taken_by)} ${done.taken_note}</strong>`} ${done.returned && `${t("ui.desk.returned")} ${done.returned}`}</li>`)}
    </ul>
    ${entry.about === "report" && html`<p><a href=${`/api/v1/reports/${entry.id}/cap`} target="_blank">XML</a></p>`}
  </article>`;
}

const PLANTS = ["desk.plant", "desk.heard", "desk.rate", "desk.alarms", "desk.waiting", "desk.failing", "desk.counts"];

/** Never rounded up to all of it. */
const share = (of) => (of === null ? "-" : `${Math.floor(of * 1000) / 10} %`);

function Plants() {
  return html`<h2>${t("ui.desk.plants")}</h2><div class="wide" tabindex="0" role="region" aria-label=${t("ui.desk.plants")}><table class="cards"><thead><tr>${PLANTS.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${state.plants.map((plant) => html`<tr key=${plant.name} class=${plant.silent ? "stale" : ""}>
      <td data-label=${t("ui.desk.plant")}>${pick(plant.title)}</td>
      <td data-label=${t("ui.desk.heard")}>${plant.silent ? html`<strong>${t("ui.desk.silent")}</strong> ` : ""}${clock(plant.heard_at)} <small>${t("ui.seconds", plant.heard_s)}</small></td>
      <td data-label=${t("ui.desk.rate")} title=${plant.on_line.days.map((of) => `${of.day} ${share(of.share)} (${of.came} / ${of.expected})`).join("\n")}>${t("ui.desk.rates", share(plant.on_line.today), share(plant.on_line.month))}</td>
      <td data-label=${t("ui.desk.alarms")}>${Object.entries(MARKS).map(([level, mark]) => plant.alarms[level] > 0 && html`<span class=${`chip ${level}`}>${mark.join(" ")} ${plant.alarms[level]}</span> `)}</td>
      <td data-label=${t("ui.desk.waiting")}>${plant.waiting}</td>
      <td data-label=${t("ui.desk.failing")}>${plant.failing.join(", ") || "-"}</td>
      <td data-label=${t("ui.desk.counts")}>${t("ui.desk.counted", plant.reports, plant.duplicates, plant.replays, plant.changed, plant.refused, plant.silences)}</td></tr>`)}</tbody></table></div>`;
}

function Lost() {
  if (age() <= LATE_MS) return null;
  if (age() <= LOST_MS) return html`<div class="strip late" role="alert">${t("ui.late", Math.floor(age() / 1000))}</div>`;
  return html`<div class="overlay" role="alert"><div><h1>${t("ui.lost")}</h1><p>${t("ui.late", Math.floor(age() / 1000))}</p><p>${t("ui.desk.lost.do")}</p></div></div>`;
}

function Frame({ leave }) {
  const [, set] = useState(0);
  useEffect(() => {
    redraw = () => set((n) => n + 1);
    const drawing = setInterval(redraw, 250);
    return () => { clearInterval(drawing); redraw = () => {}; };
  }, []);
  const waiting = (state.queue ?? []).filter((entry) => entry.state === "received").length;
  const other = lang() === "zh" ? "en" : "zh";
  document.title = age() > LOST_MS ? `⚠ ${t("ui.lost")}` : `${waiting > 0 ? `(${waiting}) ` : ""}${t("ui.desk")}`;
  const now = new Date().toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" });
  return html`<div class=${`page ${age() > LOST_MS ? "lost" : age() > LATE_MS ? "late" : ""}`}>
    <header><strong>${t("ui.desk")}</strong><span class="clock">${now}</span><span class="badge" role="status">${t("ui.desk.unanswered", waiting)}</span>
      <span class="badge">${state.duty?.on ? t("ui.desk.shift.on", state.duty.on) : t("ui.desk.shift.nobody")}</span>
      <span class="who">${state.who.name}</span><button onClick=${leave}>${t("ui.sign.out")}</button>
      <button onClick=${() => { setLang(other); redraw(); }}>${other === "en" ? "EN" : "中文"}</button></header>
    <${Lost} />
    <main><${Detail} /><h2>${t("ui.desk.queue")}</h2><${Queue} />
      <${Shift} duty=${state.duty} may=${state.who.can.act} me=${state.who.name} open=${(state.queue ?? []).map((entry) => entry.id)} done=${ask} /><${Plants} /></main>
    <footer>${t("ui.not.sis")}</footer></div>`;
}

begin({
  enter: (who, leave) => {
    Object.assign(state, { who, queue: null, chosen: null, detail: null, heardAt: performance.now() });
    timer = setInterval(ask, ASK_MS);
    ask();
    return html`<${Frame} leave=${leave} />`;
  },
  leave: () => clearInterval(timer),
});
