// The duty desk of a bureau: the queue with its countdowns, one entry in full, the plants. Owns: the order of what the stream brings, the countdowns.
// Must not know: how the queue comes about, whether the server lives. Nothing is drawn as done before the server says so.

import { h } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { Shift, Transfers, transferred } from "./desk.js";
import { age, onChange, start, state as link, stop } from "./link.js";
import { begin } from "./sign_in.js";
import { clock, dated, lang, pick, setLang, t } from "./words.js";

const html = htm.bind(h);
const MARKS = { red: ["■", "Ⅰ"], orange: ["▲", "Ⅱ"], yellow: ["◆", "Ⅲ"], blue: ["●", "Ⅳ"] };

const state = { entries: new Map(), plants: [], plantsAt: 0, duty: null, detail: null, chosen: null, who: null };
let redraw = () => {};

/** When something came: its countdowns go on from there. */
const stamped = (of) => ({ ...of, cameAt: performance.now() });

function fold(name, data) {
  if (name === "snapshot") state.entries = new Map();
  if (name === "snapshot" || name === "delta") {
    for (const [id, entry] of Object.entries(data.entries)) state.entries.set(id, stamped(entry));
    for (const id of data.gone ?? []) state.entries.delete(id);
    state.duty = data.duty;
    if (name === "snapshot" || data.entries[state.chosen] || data.gone.includes(state.chosen)) load();
  }
  const plants = name === "plants" ? data : data.plants;
  if (plants) Object.assign(state, { plants, plantsAt: performance.now() });
}

/** The entry that is shown whole. */
async function load() {
  const id = state.chosen;
  if (!id) return;
  const answer = await api("GET", `/api/v1/reports/${id}`);
  if (answer.ok && state.chosen === id) state.detail = stamped(answer.body);
  redraw();
}

const MODES = ["actual", "exercise", "test"];
const LEVELS = Object.keys(MARKS);

/** As the API orders it: real before drills, accidents first, then what nobody has answered, the worst, what is due first. */
function queue() {
  const due = (entry) => Math.min(...[entry.state === "received" ? entry.acknowledge_by : entry.handle_left_s !== null && entry.handle_by, ...entry.transfers.filter((of) => of.answer === null).map((of) => of.answer_by)]
    .filter(Boolean).map((at) => Date.parse(at)));
  const rank = (entry) => [MODES.indexOf(entry.mode), entry.accident && !entry.accident.retracted ? 0 : 1, entry.state === "received" ? 0 : 1, LEVELS.indexOf(entry.level), due(entry), Number(entry.id)];
  const ranked = [...state.entries.values()].map((entry) => [rank(entry), entry]);
  ranked.sort(([x], [y]) => x.map((key, n) => (key === y[n] ? 0 : key - y[n])).find((by) => by !== 0) ?? 0);
  return ranked.map(([, entry]) => entry);
}

function choose(id) {
  Object.assign(state, { chosen: id, detail: null });
  load();
  redraw();
}

function Chip({ entry }) {
  const [shape, numeral] = MARKS[entry.level];
  return html`<span class=${`chip ${entry.level} ${entry.cleared || entry.ended ? "outline" : ""} ${entry.state === "received" ? "blink" : ""}`}>${shape} ${numeral} ${t(`ui.level.${entry.level}`)}</span>`;
}

/** Time left as people read it; below zero it is overdue, and says so. */
function left(seconds, { cameAt }) {
  const now = seconds - Math.floor((performance.now() - cameAt) / 1000);
  const of = Math.abs(now);
  const text = of >= 3600 ? `${Math.floor(of / 3600)}:${String(Math.floor(of / 60) % 60).padStart(2, "0")}:${String(of % 60).padStart(2, "0")}` : `${Math.floor(of / 60)}:${String(of % 60).padStart(2, "0")}`;
  return now < 0 ? html`<strong class="overdue">${t("ui.desk.overdue", text)}</strong>` : text;
}

function Countdowns({ entry }) {
  const rows = entry.transfers.filter((of) => of.answer_left_s !== null).map((of) => [t("ui.desk.transfer.left", of.to), of.answer_left_s]);
  const legal = (entry.accident?.clocks ?? []).filter((line) => line.left_s !== null).sort((a, b) => a.left_s - b.left_s)[0];
  if (legal) rows.push([pick(legal.title), legal.left_s]);
  if (entry.acknowledge_left_s !== null) rows.unshift([t("ui.desk.acknowledge"), entry.acknowledge_left_s]);
  else if (entry.handle_left_s !== null) rows.unshift([t("ui.desk.handle"), entry.handle_left_s]);
  return rows.length === 0 ? "-" : rows.map(([what, seconds]) => html`<span class="now">${what} ${left(seconds, entry)}</span>`);
}

/** What the law wants told of an accident, by when, and what the plant says was told. */
function Clocks({ of }) {
  return html`<ul class="checklist">${of.accident.clocks.map((line) => html`<li class=${line.overdue ? "overdue" : ""}><strong>${line.done_at ? "☑" : "☐"} ${pick(line.title)}</strong> · ${clock(line.due_at)}
    ${line.left_s !== null && html` · <b>${left(line.left_s, of)}</b>`} ${line.done_at && html`<small>${clock(line.done_at)}</small>`}</li>`)}</ul>`;
}

function accidentWords({ kind, grade, retracted, declared_by: by, declared_at: at, dead, injured, missing, at_risk: risk }) {
  const counts = [["dead", dead], ["injured", injured], ["missing", missing], ["at_risk", risk]].filter(([, count]) => count > 0);
  const words = [t(`accident.grade.${grade}`), t(`accident.kind.${kind}`), `${clock(at)} ${by}`, ...counts.map(([key, count]) => `${t(`accident.${key}`)} ${count}`)];
  return html`<strong class="mode">${retracted ? t("accident.retracted") : t("ui.desk.accident")}</strong> ${words.join(" · ")}`;
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
  const rows = queue();
  if (!link.whole) return html`<p>…</p>`;
  if (rows.length === 0) return html`<p class="calm">${t("ui.desk.calm", state.plants.filter((plant) => !plant.silent).length, state.plants.length)}</p>`;
  return html`<div class="wide" tabindex="0" role="region" aria-label=${t("ui.desk.queue")}><table class="cards"><thead><tr>${QUEUE.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((entry) => html`<tr key=${entry.id} class=${`${entry.state === "received" ? "open" : ""} ${entry.id === state.chosen ? "chosen" : ""}`}>
      <td data-label=${t("ui.severity")}><${Chip} entry=${entry} /></td>
      <td data-label=${t("ui.desk.left")} class="left"><${Countdowns} entry=${entry} /></td>
      <td data-label=${t("ui.desk.plant")}>${pick(entry.plant_title)}</td>
      <td data-label=${t("ui.message")} class="message"><button onClick=${() => choose(entry.id)}>${t("ui.desk.open")}</button> ${entry.mode !== "actual" && html`<strong>${t(`ui.mode.${entry.mode}`)}</strong> `}${entry.accident && html`<strong class="mode">${t(entry.accident.retracted ? "accident.retracted" : "ui.desk.accident")}</strong> `}${pick(entry.headline)}</td>
      <td data-label=${t("ui.state")}>${stateWords(entry)}</td>
      <td data-label=${t("ui.since")}>${dated(entry.opened_at)}</td></tr>`)}</tbody></table></div>`;
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
    load();
    return answer.ok;
  };
  const act = async (word) => { if (await send(word, { note })) setNote(""); };
  const acts = entry.about === "report" ? ["accept", "reject", "instruct", "close"] : ["accept", "close"];
  return html`<article>
    <h1><${Chip} entry=${entry} /> ${entry.mode !== "actual" && html`<span class="mode">${t(`ui.mode.${entry.mode}`)}</span> `}${pick(entry.plant_title)} · ${pick(entry.headline)}</h1>
    <p class="big"><${Countdowns} entry=${entry} /></p>
    <p class="big">${stateWords(entry)}</p>
    ${entry.accident && html`<p>${accidentWords(entry.accident)}</p><${Clocks} of=${entry} />`}
    <p class="said">${pick(entry.description)}</p>
    ${state.who.can.act && entry.state !== "closed" && html`<label>${t("ui.note")}<textarea value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
      <div class="buttons">${acts.map((word) => html`<button class=${word === "accept" ? "main" : ""} onClick=${() => act(word)}>${t(`ui.desk.act.${word}`)}</button>`)}
      <button onClick=${() => choose(null)}>${t("ui.cancel")}</button></div>`}
    <${Transfers} key=${entry.id} entry=${entry} may=${state.who.can.act && entry.state !== "closed"} send=${send} />
    <p role="status">${said}</p>
    <h2>${t("ui.timeline")}</h2>
    <ul class="timeline">
      ${entry.message_list.map((message) => html`<li>${clock(message.received_at)} ${t("ui.desk.came")} <strong>${t(`ui.kind.${message.kind}`)}${message.reason && ` · ${t(`ui.reason.${message.reason}`)}`}</strong> <small>${message.identifier} (${clock(message.sent_at)})</small></li>`)}
      ${entry.acts.map((done) => html`<li>${clock(done.at)} ${t(`ui.desk.act.${done.act}`)} ${transferred(done)} ${done.by} <small>${done.station}</small>: ${done.note}${" "}
        ${done.delivered_at && t("ui.desk.delivered", clock(done.delivered_at))} ${done.taken_by && html`<strong>${t("ui.desk.taken", clock(done.taken_at), done.taken_by)} ${done.taken_note}</strong>`} ${done.returned && `${t("ui.desk.returned")} ${done.returned}`}</li>`)}
    </ul>
    ${entry.about === "report" && html`<p><a href=${`/api/v1/reports/${entry.id}/cap`} target="_blank">XML</a></p>`}
  </article>`;
}

const PLANTS = ["desk.plant", "desk.heard", "desk.rate", "desk.alarms", "desk.waiting", "desk.failing", "desk.counts"];

/** Never rounded up to all of it. */
const share = (of) => (of === null ? "-" : `${Math.floor(of * 1000) / 10} %`);

const chips = (counts) => Object.entries(MARKS).map(([level, mark]) => counts[level] > 0 && html`<span class=${`chip ${level}`}>${mark.join(" ")} ${counts[level]}</span> `);
const some = (counts) => Object.values(counts).some((count) => count > 0);

/** How the alarms of a plant stand: those of its list, how many of them nobody has taken, and what goes on while it is put aside there. */
function Standing({ of }) {
  const open = Object.entries(MARKS).filter(([level]) => of.unacknowledged[level] > 0).map(([level, mark]) => `${mark.join(" ")} ${of.unacknowledged[level]}`);
  return html`${chips(of.alarms)}${open.length > 0 && html`<small>${t("ui.desk.unacknowledged")} ${open.join(" · ")}</small>`}
    ${some(of.aside) && html`<strong class="now">${t("ui.desk.aside")} ${chips(of.aside)}</strong>`}${!some(of.alarms) && !some(of.aside) && "-"}`;
}

function Plants() {
  return html`<h2>${t("ui.desk.plants")}</h2><div class="wide" tabindex="0" role="region" aria-label=${t("ui.desk.plants")}><table class="cards"><thead><tr>${PLANTS.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${state.plants.map((plant) => html`<tr key=${plant.name} class=${plant.silent ? "stale" : ""}>
      <td data-label=${t("ui.desk.plant")}>${pick(plant.title)}</td>
      <td data-label=${t("ui.desk.heard")}>${plant.silent ? html`<strong>${t("ui.desk.silent")}</strong> ` : ""}${clock(plant.heard_at)} <small>${t("ui.seconds", plant.heard_s + Math.floor((performance.now() - state.plantsAt) / 1000))}</small></td>
      <td data-label=${t("ui.desk.rate")} title=${plant.on_line.days.map((of) => `${of.day} ${share(of.share)} (${of.came} / ${of.expected})`).join("\n")}>${t("ui.desk.rates", share(plant.on_line.today), share(plant.on_line.month))}</td>
      <td data-label=${t("ui.desk.alarms")}><${Standing} of=${plant} /></td>
      <td data-label=${t("ui.desk.waiting")}>${plant.waiting}</td>
      <td data-label=${t("ui.desk.failing")}>${plant.failing.join(", ") || "-"}</td>
      <td data-label=${t("ui.desk.counts")}>${t("ui.desk.counted", plant.reports, plant.duplicates, plant.replays, plant.changed, plant.refused, plant.silences)}</td></tr>`)}</tbody></table></div>`;
}

function Lost() {
  if (link.link === "late") return html`<div class="strip late" role="alert">${t("ui.late", Math.floor(age() / 1000))}</div>`;
  const full = link.health?.parts.find((part) => part.name === "queue" && !part.ok);
  if (link.link === "live" && full) return html`<div class="strip late" role="alert">${t("ui.desk.full", full.detail)}</div>`;
  if (link.link !== "lost" && link.link !== "stalled") return null;
  return html`<div class="overlay" role="alert"><div><h1>${t(link.link === "lost" ? "ui.lost" : "ui.stalled")}</h1><p>${link.at ? t("ui.lost.since", clock(link.at)) : t("ui.lost.nothing")}</p><p>${t("ui.desk.lost.do")}</p></div></div>`;
}

function Frame({ leave }) {
  const [, set] = useState(0);
  useEffect(() => {
    redraw = () => set((n) => n + 1);
    const ignore = onChange(redraw);
    const drawing = setInterval(redraw, 1000);
    return () => { ignore(); clearInterval(drawing); redraw = () => {}; };
  }, []);
  const open = [...state.entries.values()];
  // A drill wants nobody.
  const waiting = open.filter((entry) => entry.state === "received" && entry.mode === "actual").length;
  const dead = link.link === "lost" || link.link === "stalled";
  const other = lang() === "zh" ? "en" : "zh";
  document.title = dead ? `⚠ ${t("ui.lost")}` : `${waiting > 0 ? `(${waiting}) ` : ""}${t("ui.desk")}`;
  const now = new Date().toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" });
  return html`<div class=${`page ${link.link}`}>
    <header><strong>${t("ui.desk")}</strong><span class="clock">${now}</span><span class=${`badge ${waiting > 0 ? "urgent" : ""}`} role="status">${t("ui.desk.unanswered", waiting)}</span>
      <span class=${`badge ${state.duty && !state.duty.on ? "urgent" : ""}`}>${state.duty?.on ? t("ui.desk.shift.on", state.duty.on) : t("ui.desk.shift.nobody")}</span>
      <span class="who">${state.who.name}</span><button onClick=${leave}>${t("ui.sign.out")}</button>
      <button onClick=${() => { setLang(other); redraw(); }}>${other === "en" ? "EN" : "中文"}</button></header>
    <${Lost} />
    <main><${Detail} /><h2>${t("ui.desk.queue")}</h2><${Queue} />
      <${Shift} duty=${state.duty} may=${state.who.can.act} me=${state.who.name} open=${open.map((entry) => entry.id)} /><${Plants} /></main>
    <footer>${t("ui.not.sis")}</footer></div>`;
}

begin({
  enter: (who, leave) => {
    Object.assign(state, { who, entries: new Map(), plants: [], duty: null, chosen: null, detail: null });
    start(fold, "/api/v1/plants");
    return html`<${Frame} leave=${leave} />`;
  },
  leave: stop,
});
