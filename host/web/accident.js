// An accident that a person declared of an alarm: what is known, and whom the law wants told by when. Owns: the countdowns. Must not know: the law.
import { h } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { plantTime, state } from "./link.js";
import { api, problem } from "./api.js";
import { clock, pick, span, t } from "./words.js";

const html = htm.bind(h);
const KINDS = ["fire", "explosion", "poisoning", "leak", "road", "other"];
const COUNTS = ["dead", "injured", "missing", "at_risk"];

/** How long it is between now and then. */
const left = (at) => span(Date.parse(at) - plantTime());

/** One thing the law wants told: whether it was, by when it must be, how long that still is; the field for it opens on demand. */
function Line({ line, send }) {
  const [telling, setTelling] = useState(false);
  const [to, setTo] = useState("");
  const ended = line.until && Date.parse(line.until) < plantTime();
  const over = line.overdue;
  const open = over || !line.done_at || (line.until && !ended);
  const told = async (event) => {
    event.preventDefault();
    if (await send("accident/told", { what: line.what, to })) { setTo(""); setTelling(false); }
  };
  return html`<li class=${over ? "late" : ""}><span class="what">${line.done_at ? "☑" : "☐"} ${pick(line.title)}${line.done_at && html` <small>${clock(line.done_at)} ${line.to} ${line.by}</small>`}</span>
    <span class="due">${clock(line.due_at)}</span><b class=${`countdown ${over ? "overdue" : ""}`}>${open && t(over ? "ui.accident.over" : "ui.accident.left", left(line.due_at))}</b>
    ${open && state.signedIn.can.act && !telling && html`<button onClick=${() => setTelling(true)}>${t("ui.accident.told")}</button>`}
    ${telling && html`<form onSubmit=${told}><label>${t("ui.accident.told.to")} <input value=${to} onInput=${(e) => setTo(e.target.value)} /></label>
      <button type="submit" class="main">${t("ui.accident.told")}</button><button type="button" onClick=${() => setTelling(false)}>${t("ui.cancel")}</button></form>`}</li>`;
}

function Form({ of, send, done }) {
  const [facts, setFacts] = useState({ kind: "other", course: "", place: "", dead: null, injured: null, missing: null, at_risk: null, loss_yuan: null, wide: false, measures: "", other: "", ...of });
  const set = (key, value) => setFacts({ ...facts, [key]: value });
  const text = (key) => html`<label>${t(`accident.${key}`)}<textarea value=${facts[key]} onInput=${(e) => set(key, e.target.value)}></textarea></label>`;
  const count = (key, label) => html`<label>${t(`accident.${label}`)} <input type="number" min="0" placeholder=${t("ui.unsaid")} value=${facts[key] ?? ""} onInput=${(e) => set(key, e.target.value === "" ? null : Math.max(0, Math.floor(Number(e.target.value) || 0)))} /></label>`;
  return html`<form class="accident" onSubmit=${async (e) => { e.preventDefault(); if (await send("accident", facts)) done(); }}>
    <label>${t("accident.kind")} <select value=${facts.kind} onChange=${(e) => set("kind", e.target.value)}>${KINDS.map((kind) => html`<option value=${kind}>${t(`accident.kind.${kind}`)}</option>`)}</select></label>
    ${text("course")}${text("place")}${COUNTS.map((key) => count(key, key))}${count("loss_yuan", "loss")}${text("measures")}${text("other")}
    <div class="buttons"><button type="submit" class="main">${t("ui.accident.declare")}</button><button type="button" onClick=${done}>${t("ui.cancel")}</button></div></form>`;
}

export function Accident({ alarm }) {
  const [open, setOpen] = useState(false);
  const [said, setSaid] = useState("");
  const [why, setWhy] = useState("");
  const [, tick] = useState(0);
  const { accident } = alarm;
  const runs = accident && !accident.retracted;
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [runs]);
  const send = async (verb, body) => {
    const answer = await api("POST", `/api/v1/alarms/${alarm.id}/${verb}`, body);
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
    return answer.ok;
  };
  const known = runs && Object.fromEntries(["kind", "course", "place", ...COUNTS, "loss_yuan", "wide", "measures", "other"].map((key) => [key, accident[key]]));
  if (!accident && !state.signedIn.can.act) return null;
  return html`<section><h2>${t("ui.accident")}</h2>
    ${accident && html`<p>${clock(accident.declared_at)} ${accident.declared_by} · ${t(`accident.kind.${accident.kind}`)} · ${t(`accident.grade.${accident.grade}`)} · <a href=${`/api/v1/alarms/${alarm.id}/accident.html`} target="_blank">${t("ui.accident.print")}</a></p>
      ${accident.retracted && html`<p>${t("accident.retracted")} ${clock(accident.retracted.at)} ${accident.retracted.by}: ${pick(accident.retracted.what)}</p>`}
      <ul class="checklist">${accident.checklist.map((line) => html`<${Line} key=${line.what} line=${line} send=${send} />`)}</ul>`}
    ${open ? html`<${Form} of=${known || {}} send=${send} done=${() => setOpen(false)} />`
    : state.signedIn.can.act && html`<div class="buttons"><button onClick=${() => setOpen(true)}>${t(runs ? "ui.accident.update" : "ui.accident.declare")}</button>
      ${runs && state.signedIn.can.lead && html`<label>${t("ui.note")} <input value=${why} onInput=${(e) => setWhy(e.target.value)} /></label>
      <button onClick=${() => send("accident/retract", { note: why })}>${t("ui.accident.retract")}</button>`}</div>`}
    <p role="status">${said}</p></section>`;
}
