// What officers hand to others: a matter to another body, the desk to each other. Owns: its forms. Must not know: how the queue comes to the page.

import { h } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { clock, t } from "./words.js";

const html = htm.bind(h);

/** To which body an act hands the matter, or whose answer it notes. */
export const transferred = (done) => (done.to ? html`<strong>${done.to}</strong>` : "");

/** One body that was asked: what it answered, or a place to note it. */
function Body({ of, may, send }) {
  const [note, setNote] = useState("");
  return html`<li><strong>${of.to}</strong> · ${clock(of.at)} ${of.by}: ${of.note}
    ${of.answer !== null ? html`<br/>${t("ui.desk.transfer.answered", clock(of.answered_at), of.answered_by)} ${of.answer}`
    : may && html`<label>${t("ui.desk.transfer.answer.words")} <input value=${note} onInput=${(e) => setNote(e.target.value)} /></label>
      <button onClick=${async () => { if (await send(`transfers/${of.number}/answer`, { note })) setNote(""); }}>${t("ui.desk.act.answer")}</button>`}</li>`;
}

export function Transfers({ entry, may, send }) {
  const [to, setTo] = useState("");
  const [note, setNote] = useState("");
  if (!may && entry.transfers.length === 0) return null;
  const hand = async (event) => {
    event.preventDefault();
    if (await send("transfer", { to, note })) { setTo(""); setNote(""); }
  };
  return html`<section><h2>${t("ui.desk.transfers")}</h2>
    <ul class="timeline">${entry.transfers.map((of) => html`<${Body} key=${of.number} of=${of} may=${may} send=${send} />`)}</ul>
    ${may && html`<form onSubmit=${hand}><label>${t("ui.desk.transfer.to")} <input maxlength="200" value=${to} onInput=${(e) => setTo(e.target.value)} /></label>
      <label>${t("ui.desk.transfer.why")} <input value=${note} onInput=${(e) => setNote(e.target.value)} /></label>
      <div class="buttons"><button type="submit">${t("ui.desk.act.transfer")}</button></div></form>`}</section>`;
}

function HandedOver({ of }) {
  return html`<li>${clock(of.at)} ${of.from ?? "-"} → <strong>${of.to}</strong> <small>${of.station}</small> · ${t("ui.desk.shift.open", of.open.length)} ${of.open.join(", ")}
    ${of.notes.filter((note) => note).map((note) => html`<br/>${note}`)}</li>`;
}

/** Who has the desk. What is open is listed by the server; who takes over sends what stands on the screen. */
export function Shift({ duty, may, me, open }) {
  const [to, setTo] = useState("");
  const [note, setNote] = useState("");
  const [said, setSaid] = useState("");
  if (!duty) return null;
  const send = async (verb, body) => {
    setSaid(t("ui.sent"));
    const answer = await api("POST", `/api/v1/duty/${verb}`, { ...body, note });
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
    if (answer.ok) setNote("");
  };
  const others = duty.officers.filter((name) => name !== me);
  const offer = duty.offer;
  return html`<section><h2>${t("ui.desk.shift")}</h2>
    <p>${duty.on ? `${t("ui.desk.shift.on", duty.on)} · ${clock(duty.since)}` : t("ui.desk.shift.nobody")} · ${t("ui.desk.shift.open", duty.open.length)}</p>
    ${offer && html`<p class="instruction"><strong>${t("ui.desk.shift.offer", clock(offer.at), offer.by, offer.to)}</strong> ${offer.note}</p>`}
    ${may && html`<label>${t("ui.desk.shift.note")}<textarea value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
      <div class="buttons">
      ${(duty.on === me || !duty.on) && others.length > 0 && html`<select aria-label=${t("ui.desk.shift.to")} value=${to || others[0]} onChange=${(e) => setTo(e.target.value)}>${others.map((name) => html`<option value=${name}>${name}</option>`)}</select>
        <button onClick=${() => send("hand-over", { to: to || others[0] })}>${t("ui.desk.shift.give")}</button>`}
      ${duty.on !== me && html`<button class=${offer?.to === me ? "main" : ""} onClick=${() => send("take-over", { entries: open })}>${t("ui.desk.shift.take")}</button>`}</div>`}
    <p role="status">${said}</p>
    <ul class="timeline">${duty.handed_over.map((of) => html`<${HandedOver} of=${of} />`)}</ul></section>`;
}
