// Acknowledging several alarms: yellow and blue ones of one group and place, each ticked by itself on the screen, each sent as a command of its own with what
// was seen. A red or orange one is taken alone. Must not know: the list they stand in.

import { h } from "./vendor/preact.js";
import { useEffect, useRef, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, commandKey, problem } from "./api.js";
import { Chip } from "./chip.js";
import { place, state } from "./link.js";
import { number, pick, t, unit } from "./words.js";

const html = htm.bind(h);

/** Can be taken with others at all. */
const light = (alarm) => !alarm.acknowledged && (alarm.severity === "yellow" || alarm.severity === "blue");

/** Can be taken with those that are ticked already. */
export const mayTick = (alarm, ticks) => light(alarm) && state.signedIn.can.act && [...ticks.values()].every((other) => other.group === alarm.group && other.zone === alarm.zone);

/** What is ticked, still on the screen and still to be taken. One that has become orange or red is ticked no more. */
export function ticked(picked, rows) {
  const here = new Map(rows.filter(light).map((alarm) => [alarm.id, alarm]));
  return new Map([...picked].filter(([id, seen]) => here.has(id) && here.get(id).occurrences === seen.occurrences && here.get(id).severity === seen.severity));
}

export function Tick({ alarm, ticks, tick }) {
  if (!light(alarm)) return null;
  const may = mayTick(alarm, ticks);
  return html`<label class="tick" title=${may ? "" : t("ui.bulk.group")} onClick=${(e) => e.stopPropagation()}><input type="checkbox" disabled=${!may} checked=${ticks.has(alarm.id)} onChange=${() => tick(alarm)} /> ${t("ui.bulk.tick")}</label>`;
}


/** `alarms` as they were seen when they were ticked: that is what is sent, and one that has changed since is refused by itself. */
export function Bulk({ alarms, close }) {
  const [note, setNote] = useState("");
  const [said, setSaid] = useState(new Map());
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  const keys = useRef(new Map(alarms.map((alarm) => [alarm.id, commandKey()])));
  useEffect(() => field.current?.focus(), []);
  const left = alarms.filter((alarm) => !said.get(alarm.id)?.settled);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    const results = new Map(said);
    const say = (alarm, words, settled) => { results.set(alarm.id, { words, settled }); setSaid(new Map(results)); };
    for (const alarm of left) {
      say(alarm, t("ui.sent"), false);
      // A command that got no answer is sent again under the same key: if it was recorded after all, it is not done twice.
      const answer = await api("POST", `/api/v1/alarms/${alarm.id}/acknowledge`, { note, severity: alarm.severity, occurrence: alarm.occurrences }, keys.current.get(alarm.id));
      if (answer.ok) say(alarm, t("ui.recorded"), true);
      else say(alarm, answer.status === 0 ? problem(answer.body) : `${t("ui.refused")} ${problem(answer.body)}`, answer.status !== 0);
    }
    setBusy(false);
  };
  const value = (alarm) => (alarm.value === null ? "" : `${number(alarm.value)} ${unit(alarm.unit)}`);
  return html`<div class="dialog" role="dialog" aria-modal="true" aria-label=${t("ui.bulk", alarms.length)} onKeyDown=${(e) => e.key === "Escape" && !busy && close()}><form onSubmit=${send}>
    <h2>${t("ui.bulk", alarms.length)}</h2>
    <ul class="bulk">${alarms.map((alarm) => html`<li key=${alarm.id}><${Chip} alarm=${alarm} /> ${place(alarm)} · ${pick(alarm.title)} <small>${alarm.object}</small> ${value(alarm)} <strong>${said.get(alarm.id)?.words}</strong></li>`)}</ul>
    <label>${t("ui.note")}<textarea ref=${field} disabled=${said.size > 0} value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
    <p role="status">${said.size > 0 && t("ui.bulk.done", [...said.values()].filter((one) => one.settled).length, alarms.length)}</p>
    <div class="buttons">${left.length > 0 && html`<button type="submit" class="main" disabled=${busy}>${t("ui.bulk.send", left.length)}</button>`}
      <button type="button" disabled=${busy} onClick=${close}>${t(said.size > 0 ? "ui.bulk.end" : "ui.cancel")}</button></div>
  </form></div>`;
}
