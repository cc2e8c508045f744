// What is put aside: shelving in an alarm, ending it, the list of all that is out of sight. Must not know: what may be put aside, that is the brain's.

import { h } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { Chip, LEVELS } from "./chip.js";
import { place, plantTime, state } from "./link.js";
import { api, problem } from "./api.js";
import { Fresh, useAsked } from "./asking.js";
import { Cells, Wide } from "./lists.js";
import { clock, number, pick, span, t, unit } from "./words.js";

const html = htm.bind(h);
/** Minutes that may be chosen; the brain has the last word. */
const TERMS = [5, 15, 30, 60, 480];
const CAUSES = ["process", "equipment", "instrument", "operation", "maintenance", "external", "setting", "unknown"];

/** Puts an alarm aside with the reason in the note, or takes it back. A red one has no button: it never is. */
export function Shelve({ alarm, post }) {
  const [minutes, setMinutes] = useState(15);
  const [once, setOnce] = useState(false);
  const shelved = alarm.aside?.kind === "shelved";
  if (alarm.closed || alarm.managed || alarm.severity === "red" || (alarm.aside && !shelved)) return null;
  const more = { minutes: Number(minutes), one_shot: once, severity: alarm.severity, occurrence: alarm.occurrences };
  return html`<div class="buttons"><label>${t("ui.shelve")} <select value=${minutes} onChange=${(e) => setMinutes(e.target.value)}>
      ${TERMS.filter((term) => alarm.severity !== "orange" || term <= 60).map((term) => html`<option value=${term}>${t("ui.minutes", term)}</option>`)}</select></label>
    <label><input type="checkbox" checked=${once} onChange=${(e) => setOnce(e.target.checked)} /> ${t("ui.one.shot")}</label>
    <button onClick=${() => post("shelve", more)}>${t(shelved ? "ui.shelve.longer" : "ui.shelve")}</button>
    ${shelved && html`<button onClick=${() => post("unshelve")}>${t("ui.unshelve")}</button>`}</div>`;
}

/** An act that could only be refused is not offered: the reason stands beside it. */
export function May({ bar, words, act, kind }) {
  const why = bar === "already" ? t("ui.missing.latch") : bar && t(`ui.missing.${bar}`);
  return html`<button class=${kind ?? ""} disabled=${Boolean(bar)} onClick=${act}>${t(words)}</button>${bar && html` <small class="why">${why}</small>`}`;
}

/** Ends an alarm with its cause and where the evidence is kept. */
export function End({ post, bar }) {
  const [cause, setCause] = useState("");
  const [evidence, setEvidence] = useState("");
  return html`<div class="buttons"><label>${t("ui.cause.code")} <select value=${cause} onChange=${(e) => setCause(e.target.value)}>
      <option value="">-</option>${CAUSES.map((word) => html`<option value=${word}>${t(`cause.${word}`)}</option>`)}</select></label>
    <label>${t("ui.evidence.kept")} <input value=${evidence} onInput=${(e) => setEvidence(e.target.value)} /></label>
    <${May} bar=${bar} words="ui.close" act=${() => post("close", { cause: cause || null, evidence })} /></div>`;
}

const HEADS = ["severity", "state", "condition", "now.is", "title", "zone", "by", "reason", "since", "left"];

/** When it comes back by itself, and how long that still is. */
const left = (at) => html`${t("ui.remaining", span(Date.parse(at) - plantTime()))} <small>${clock(at)}</small>`;

const reads = (now, of) => (now ? `${number(now.value)} ${unit(of)}${now.good ? "" : ` · ${t(`quality.${now.quality}`)}`}` : "-");

function row(key, title, zone, aside, { chip, condition, now }) {
  const state = html`${t(`ui.state.${aside.kind}`)} <small>${aside.permit}</small>`;
  return { key, cells: [chip, state, condition, now, title, zone, aside.by, pick(aside.reason), clock(aside.from), left(aside.until)] };
}

const alarmRow = (a) => row(`a${a.id}`, html`<a href=${`#/alarms/${a.id}`}>${pick(a.title)}</a>`, place(a), a.aside,
  { chip: html`<${Chip} alarm=${a} />`, condition: html`<strong>${t(`ui.condition.${a.condition}`)}</strong>`, now: reads(state.now[a.tag], a.unit) });

const tagRow = (tag) => row(`t${tag.tag}`, html`${t("ui.tag")} ${tag.tag} <small>${pick(tag.title)}</small>`, place(tag), tag,
  { chip: "-", condition: "-", now: reads(tag.now, tag.unit) });

const logicRow = (logic) => ({ key: `l${logic.name}`, cells: ["-", t("ui.logic"), "-", "-", pick(logic.title), place(logic), "-", logic.hazards.join(", "), "-", "-"] });

/** All that is out of sight: alarms, tags out of service, logics that hold; and what waits for a second person before it goes out of sight. */
export function Shelf() {
  const [said, setSaid] = useState("");
  const [wish, setWish] = useState({ tag: "", permit: "", measure: "", minutes: 60 });
  const all = useAsked(() => api("GET", "/api/v1/suppressed"), 2000, []);
  return html`<${Fresh} of=${all}>${() => html`<${Aside} all=${all.body} /><${Asked} asked=${all.body.asked} agree=${setWish} />
    ${state.signedIn.can.lead && html`<${Service} all=${all.body} wish=${wish} setWish=${setWish} said=${setSaid} done=${all.again} />`}`}</${Fresh}><p role="status">${said}</p>`;
}

/** What is put aside, the worst that goes on first. */
function Aside({ all }) {
  const rank = (alarm) => [alarm.condition === "active" ? 0 : 1, LEVELS.indexOf(alarm.severity)];
  const alarms = [...state.alarms.values()].filter((alarm) => alarm.aside);
  alarms.sort((x, y) => rank(x)[0] - rank(y)[0] || rank(x)[1] - rank(y)[1]);
  const rows = [...alarms.map(alarmRow), ...all.tags.map(tagRow), ...all.logics.map(logicRow)];
  return html`${rows.length === 0 ? html`<p class="calm">${t("ui.aside.none")}</p>` : html`<${Wide} name=${t("ui.screen.shelf")}><table class="cards">
      <thead><tr>${HEADS.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
      <tbody>${rows.map(({ key, cells }) => html`<${Cells} key=${key} heads=${HEADS} cells=${cells} />`)}</tbody></table></${Wide}>`}`;
}

const ASKED = ["tag", "asked.by", "permit", "measure", "minutes.some", "agree.by", "action"];

/** Tags that one of two persons asked to take out of service: another one sees what was asked, and agrees to that. */
function Asked({ asked, agree }) {
  if (asked.length === 0) return null;
  const may = (wish) => state.signedIn.can.lead && wish.by !== state.signedIn.name;
  const cells = (wish) => [wish.tag, `${wish.by} ${clock(wish.asked_at)}`, wish.permit, wish.measure, t("ui.minutes", wish.minutes), left(wish.agree_by),
    may(wish) ? html`<button onClick=${() => agree({ ...wish })}>${t("ui.agree")}</button>` : ""];
  return html`<h2>${t("ui.asked.out")}</h2><${Wide} name=${t("ui.asked.out")}><table class="cards"><thead><tr>${ASKED.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${asked.map((wish) => html`<${Cells} key=${wish.tag} heads=${ASKED} cells=${cells(wish)} />`)}</tbody></table></${Wide}>`;
}

/** Terms of a permit, minutes. */
const PERMIT_TERMS = [60, 240, 480, 1440];

/** A tag out of service under a permit, and back. What somebody else asked for stands in the fields before one agrees. */
function Service({ all, wish, setWish, said, done }) {
  const { tag, permit, measure, minutes } = wish;
  const post = async (verb, body) => {
    const answer = await api("POST", `/api/v1/tags/${encodeURIComponent(tag)}/${verb}`, body);
    said(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
    done();
  };
  const field = (label, key) => html`<label>${t(label)} <input value=${wish[key]} onInput=${(e) => setWish({ ...wish, [key]: e.target.value })} /></label>`;
  const isOut = all.tags.some((known) => known.tag === tag);
  const agrees = all.asked.some((known) => known.tag === tag && known.permit === permit && known.by !== state.signedIn.name);
  const terms = PERMIT_TERMS.includes(minutes) ? PERMIT_TERMS : [minutes, ...PERMIT_TERMS];
  return html`<h2>${t("ui.take.out")}</h2><div class="buttons">${field("ui.tag", "tag")}${field("ui.permit", "permit")}${field("ui.measure", "measure")}
    <label>${t("ui.minutes.some")} <select value=${minutes} onChange=${(e) => setWish({ ...wish, minutes: Number(e.target.value) })}>${terms.map((term) => html`<option value=${term}>${t("ui.minutes", term)}</option>`)}</select></label>
    <button class=${agrees ? "main" : ""} onClick=${() => post("out-of-service", { minutes, permit, measure })}>${t(agrees ? "ui.agree.to" : "ui.take.out")}</button>
    ${isOut && html`<button onClick=${() => post("in-service", { note: "" })}>${t("ui.put.back")}</button>`}</div>`;
}
