// Who is on duty, who comes next, and the hand-over between them with all alarms that need somebody before the eyes of who takes over.
// Must not know: who may take over, that is the brain's.

import { h } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { Fresh, useAsked } from "./asking.js";
import { Chip, counted, Levels } from "./chip.js";
import { order } from "./fold.js";
import { place, plantTime, state } from "./link.js";
import { Cells, Wide } from "./lists.js";
import { clock, number, pick, since, t, unit } from "./words.js";

const html = htm.bind(h);
const names = (of) => of.join(", ") || t("ui.duty.nobody");

const isLate = (roster) => roster.due_at !== null && Date.parse(roster.due_at) <= plantTime();

/** Beside the name of who waits: overdue, and for how long. Inverse, with a mark and a word: colours are for alarms. */
const Late = ({ roster }) => isLate(roster) && html` <strong class="overdue">⚠ ${t("ui.desk.overdue", since(roster.due_at, plantTime()))}</strong>`;

/** How long a hand-over is overdue, or by when it must be done; nothing where none is due. */
function Due({ roster }) {
  if (!roster.due_at) return null;
  if (!isLate(roster)) return html`<p><strong>${t("ui.duty.due", clock(roster.due_at))}</strong></p>`;
  return html`<p class="strip" role="alert">⚠ ${t("ui.duty.overdue", since(roster.due_at, plantTime()), roster.outgoing.join(", ") || roster.offer?.by || "-", clock(roster.due_at))}</p>`;
}

const OWED = ["severity", "state", "since", "zone", "hazard", "value"];

function owed(alarm) {
  const value = alarm.value === null ? "" : `${number(alarm.value)}${alarm.limit === null ? "" : ` / ${number(alarm.limit)}`} ${unit(alarm.unit)}`;
  const words = t(`ui.state.${alarm.condition}.${alarm.acknowledged ? "acknowledged" : "unacknowledged"}`);
  return [html`<${Chip} alarm=${alarm} />`, alarm.aside ? `${t(`ui.state.${alarm.aside.kind}`)} · ${words}` : words, html`${clock(alarm.raised_at)} <small>${since(alarm.raised_at, plantTime())}</small>`,
    place(alarm), html`<a href=${`#/alarms/${alarm.id}`} target="_blank">${pick(alarm.title)}</a> <small>${alarm.object}</small>`, value];
}

/** Taking over: what is sent are the numbers of the alarms that stand here. One that came since must be looked at first. */
function TakeOver({ needed, send, close }) {
  const [shown, setShown] = useState(needed);
  const [note, setNote] = useState("");
  const alarms = order(shown.map((id) => state.alarms.get(id)).filter(Boolean));
  const fresh = needed.filter((id) => !shown.includes(id));
  return html`<section class="card"><h3>${t("ui.duty.look", alarms.length)} <${Levels} counts=${counted(alarms)} /></h3>
    ${alarms.length > 0 && html`<${Wide} name=${t("ui.screen.alarms")}><table class="cards"><thead><tr>${OWED.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
      <tbody>${alarms.map((alarm) => html`<${Cells} key=${alarm.id} heads=${OWED} cells=${owed(alarm)} />`)}</tbody></table></${Wide}>`}
    ${fresh.length > 0 && html`<p class="fresh" role="status"><button onClick=${() => setShown([...shown, ...fresh])}>${t("ui.fresh", fresh.length)}</button></p>`}
    <label>${t("ui.note")}<textarea value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
    <div class="buttons"><button class="main" disabled=${fresh.length > 0} onClick=${async () => { if (await send("take-over", { alarms: shown, note })) close(); }}>${t("ui.duty.take", alarms.length)}</button>
      <button onClick=${close}>${t("ui.cancel")}</button></div></section>`;
}

/** Offering one's duty to somebody of the roster, who must then take it over. */
function HandOver({ people, send, close }) {
  const [to, setTo] = useState(people[0] ?? "");
  const [note, setNote] = useState("");
  return html`<section class="card"><label>${t("ui.duty.to")} <select value=${to} onChange=${(e) => setTo(e.target.value)}>${people.map((name) => html`<option value=${name}>${name}</option>`)}</select></label>
    <label>${t("ui.note")}<textarea value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
    <div class="buttons"><button class="main" disabled=${!to} onClick=${async () => { if (await send("hand-over", { to, note })) close(); }}>${t("ui.duty.hand")}</button>
      <button onClick=${close}>${t("ui.cancel")}</button></div></section>`;
}

const LOG = ["at", "duty.from", "duty.to", "station", "duty.alarms", "note"];

function Log({ of }) {
  if (of.length === 0) return html`<p><small>${t("ui.duty.log.none")}</small></p>`;
  return html`<${Wide} name=${t("ui.duty.log")}><table class="cards"><thead><tr>${LOG.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${of.map((done) => html`<${Cells} key=${done.at} heads=${LOG} cells=${[clock(done.at), names(done.from), done.to, done.station, done.alarms.length, done.notes.filter(Boolean).join(" → ") || "-"]} />`)}</tbody></table></${Wide}>`;
}

function Roster({ roster, needed, again }) {
  const [doing, setDoing] = useState(null);
  const [said, setSaid] = useState("");
  const me = state.signedIn.name;
  const present = [...roster.on, ...roster.outgoing].includes(me);
  const offered = roster.offer?.to === me;
  const comes = roster.outgoing.length > 0 && roster.on.includes(me);
  const send = async (verb, body) => {
    setSaid(t("ui.sent"));
    const answer = await api("POST", `/api/v1/rosters/${encodeURIComponent(roster.name)}/${verb}`, body);
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
    again();
    return answer.ok;
  };
  const others = roster.people.filter((name) => name !== me);
  const close = () => setDoing(null);
  return html`<section class=${isLate(roster) ? "late" : ""}><h2>${pick(roster.title)}</h2><${Due} roster=${roster} />
    <dl><dt>${t("ui.duty.on")}</dt><dd class=${roster.on.length === 0 ? "overdue" : "response"}>${names(roster.on)}</dd>
      ${roster.outgoing.length > 0 && html`<dt>${t("ui.duty.outgoing")}</dt><dd>${names(roster.outgoing)}<${Late} roster=${roster} /></dd>`}
      ${roster.offer && html`<dt>${t("ui.duty.offer")}</dt><dd>${clock(roster.offer.at)} ${roster.offer.by} → <strong>${roster.offer.to}</strong> ${roster.offer.note}<${Late} roster=${roster} /></dd>`}
      <dt>${t("ui.duty.next")}</dt><dd>${roster.next ? `${clock(roster.next.at)} · ${names(roster.next.people)}` : t("ui.duty.next.none")}</dd></dl>
    ${state.signedIn.can.act && doing === null && html`<div class="buttons">
      ${(offered || comes) && html`<button class="main" onClick=${() => { setSaid(""); setDoing("take"); }}>${t("ui.duty.begin.take")}</button>`}
      ${present && others.length > 0 && html`<button onClick=${() => { setSaid(""); setDoing("hand"); }}>${t("ui.duty.begin.hand")}</button>`}</div>`}
    ${doing === "take" && html`<${TakeOver} needed=${needed} send=${send} close=${close} />`}
    ${doing === "hand" && html`<${HandOver} people=${others} send=${send} close=${close} />`}
    <p role="status">${said}</p>
    <h3>${t("ui.duty.log")}</h3><${Log} of=${roster.handed_over} /></section>`;
}

export function Duty() {
  const duty = useAsked(() => api("GET", "/api/v1/duty"), 2000, []);
  return html`<${Fresh} of=${duty}>${() => (duty.body.rosters.length === 0 ? html`<p class="calm">${t("ui.duty.none")}</p>`
    : duty.body.rosters.map((roster) => html`<${Roster} key=${roster.name} roster=${roster} needed=${duty.body.alarms} again=${duty.again} />`))}</${Fresh}>`;
}
