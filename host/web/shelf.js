// What is put aside: shelving in an alarm, ending it, the list of all that is out of sight. Must not know: what may be put aside, that is the brain's.

import { h } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { state } from "./link.js";
import { api, problem } from "./api.js";
import { Fresh, useAsked } from "./asking.js";
import { Cells, Wide } from "./lists.js";
import { clock, pick, t } from "./words.js";

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

/** Ends an alarm with its cause and where the evidence is kept. */
export function End({ post }) {
  const [cause, setCause] = useState("");
  const [evidence, setEvidence] = useState("");
  return html`<div class="buttons"><label>${t("ui.cause.code")} <select value=${cause} onChange=${(e) => setCause(e.target.value)}>
      <option value="">-</option>${CAUSES.map((word) => html`<option value=${word}>${t(`cause.${word}`)}</option>`)}</select></label>
    <label>${t("ui.evidence.kept")} <input value=${evidence} onInput=${(e) => setEvidence(e.target.value)} /></label>
    <button onClick=${() => post("close", { cause: cause || null, evidence })}>${t("ui.close")}</button></div>`;
}

const HEADS = ["state", "title", "zone", "by", "reason", "since", "until"];

function row(key, title, zone, aside) {
  return { key, cells: [`${t(`ui.state.${aside.kind}`)} ${aside.permit}`, title, zone, aside.by, pick(aside.reason), clock(aside.from), clock(aside.until)] };
}

/** All that is out of sight: alarms, tags out of service, logics that hold. */
export function Shelf() {
  const [said, setSaid] = useState("");
  const all = useAsked(() => api("GET", "/api/v1/suppressed"), 2000, []);
  return html`<${Fresh} of=${all}>${() => html`<${Aside} all=${all.body} />
    ${state.signedIn.can.lead && html`<${Service} tags=${all.body.tags} said=${setSaid} done=${all.again} />`}`}</${Fresh}><p role="status">${said}</p>`;
}

function Aside({ all }) {
  const alarms = [...state.alarms.values()].filter((alarm) => alarm.aside);
  const rows = [
    ...alarms.map((a) => row(`a${a.id}`, html`<a href=${`#/alarms/${a.id}`}>${pick(a.title)}</a>`, pick(state.zones[a.zone]) || a.zone, a.aside)),
    ...all.tags.map((tag) => row(`t${tag.tag}`, tag.tag, "-", tag)),
    ...all.logics.map((logic) => ({ key: `l${logic.name}`, cells: [t("ui.logic"), pick(logic.title), pick(state.zones[logic.zone]) || logic.zone, "-", logic.hazards.join(", "), "-", "-"] })),
  ];
  return html`${rows.length === 0 ? html`<p class="calm">${t("ui.aside.none")}</p>` : html`<${Wide} name=${t("ui.screen.shelf")}><table class="cards">
      <thead><tr>${HEADS.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
      <tbody>${rows.map(({ key, cells }) => html`<${Cells} key=${key} heads=${HEADS} cells=${cells} />`)}</tbody></table></${Wide}>`}`;
}

/** A tag out of service under a permit, and back. */
function Service({ tags, said, done }) {
  const [tag, setTag] = useState("");
  const [permit, setPermit] = useState("");
  const [measure, setMeasure] = useState("");
  const [minutes, setMinutes] = useState(60);
  const post = async (verb, body) => {
    const answer = await api("POST", `/api/v1/tags/${encodeURIComponent(tag)}/${verb}`, body);
    said(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
    done();
  };
  const field = (label, value, set) => html`<label>${t(label)} <input value=${value} onInput=${(e) => set(e.target.value)} /></label>`;
  const isOut = tags.some((known) => known.tag === tag);
  return html`<h2>${t("ui.take.out")}</h2><div class="buttons">${field("ui.tag", tag, setTag)}${field("ui.permit", permit, setPermit)}${field("ui.measure", measure, setMeasure)}
    <label>${t("ui.until")} <select value=${minutes} onChange=${(e) => setMinutes(Number(e.target.value))}>${[60, 240, 480, 1440].map((term) => html`<option value=${term}>${t("ui.minutes", term)}</option>`)}</select></label>
    <button onClick=${() => post("out-of-service", { minutes, permit, measure })}>${t("ui.take.out")}</button>
    ${isOut && html`<button onClick=${() => post("in-service", { note: "" })}>${t("ui.put.back")}</button>`}</div>`;
}
