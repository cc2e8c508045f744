// Active alarms and one alarm in full. Owns: the frozen order under a pointer, what is unfolded and ticked, acknowledging one.
// Must not know: how alarms come to the page.

import { h } from "./vendor/preact.js";
import { useEffect, useRef, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { place, plantTime, state } from "./link.js";
import { api, problem } from "./api.js";
import { Fresh, useAsked } from "./asking.js";
import { Bulk, mayTick, Tick, ticked } from "./bulk.js";
import { Chip, counted, Levels, MARKS, worst } from "./chip.js";
import { fold, order, presses } from "./fold.js";
import { Cells, More, PAGE, Wide } from "./lists.js";
import { clock, number, pick, since, t, unit } from "./words.js";
import { Trend } from "./trend.js";
import { End, May, Shelve } from "./shelf.js";
import { Accident } from "./accident.js";

const html = htm.bind(h);
/** A pointer that rests this long holds nothing any more, milliseconds. */
const REST_MS = 10000;

function stateWords(alarm) {
  const words = [t(`ui.state.${alarm.condition}.${alarm.acknowledged ? "acknowledged" : "unacknowledged"}`)];
  if (alarm.aside) words.unshift(`${t(`ui.state.${alarm.aside.kind}`)} ${t("ui.aside.until", clock(alarm.aside.until))}`);
  if (alarm.first_out) words.push(t("ui.first.out"));
  if (alarm.parent) words.push(t("ui.parent"));
  if (alarm.chattering) words.push(t("ui.chattering"));
  if (alarm.stale) words.push(t("ui.stale"));
  if (alarm.latched && alarm.condition === "cleared") words.push(t("ui.state.latched"));
  if (alarm.unrecorded) words.push(t("ui.state.unrecorded"));
  if (alarm.times_doubtful) words.push(t("ui.state.times_doubtful"));
  if (alarm.held) words.push(t("ui.state.held"));
  return words.join(" · ");
}

/** A tag at present, beside what the alarm says. */
export function Now({ now, of }) {
  if (!now) return null;
  return html`<span class=${`now ${now.good ? "" : "doubtful"}`}>${t("ui.now", `${number(now.value)} ${unit(of)}`)}${now.good ? "" : ` · ${t(`quality.${now.quality}`)}`}</span>`;
}

/** What the bureau told the plant to do, and who has it: nobody at the plant may miss it. */
function Instructions({ of }) {
  return of.map((told) => html`<strong class="instruction" role="status">${t("ui.instruction", clock(told.at), told.by)} ${told.note}
    <small>${told.taken_by ? t("ui.instruction.taken", clock(told.taken_at), told.taken_by) : t("ui.instruction.open")} ${told.taken_note}</small></strong>`);
}

/** One that nobody has taken: who takes it is told to the bureau by name. */
function TakeInstruction({ alarm, told }) {
  const [note, setNote] = useState("");
  const [said, setSaid] = useState("");
  const take = async () => {
    setSaid(t("ui.sent"));
    const answer = await api("POST", `/api/v1/alarms/${alarm.id}/instructions/take`, { message: told.message, note });
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
  };
  return html`<div class="instruction"><label>${t("ui.instruction.words", told.note)} <input value=${note} onInput=${(e) => setNote(e.target.value)} /></label>
    <div class="buttons"><button class="main" onClick=${take}>${t("ui.instruction.take")}</button></div><p role="status">${said}</p></div>`;
}

/** How many consequences of this alarm are folded under it, and the worst of them. */
function Folded({ alarm, under, isOpen, unfold }) {
  const open = under.filter((a) => !a.acknowledged).length;
  const level = worst(under);
  const words = t("ui.folded", under.length, `${MARKS[level].join(" ")} ${t(`ui.level.${level}`)}`, open);
  return html`<button class="folded" aria-expanded=${isOpen} onClick=${(e) => { e.stopPropagation(); unfold(alarm.id); }}>${isOpen ? "▾" : "▸"} ${words}</button>`;
}

function Row({ alarm, list }) {
  const { chosen, choose, take, under, causes, opened, unfold, ticks, tick } = list;
  const limit = alarm.limit === null ? "" : ` / ${number(alarm.limit)}`;
  const value = alarm.value === null ? "" : `${number(alarm.value)}${limit} ${unit(alarm.unit)}`;
  const [folded, cause] = [under?.get(alarm.id), causes?.get(alarm.id)];
  return html`<tr class=${`${alarm.acknowledged ? "" : "open"} ${alarm.id === chosen ? "chosen" : ""}`} onClick=${() => choose(alarm.id)}>
    <td><${Chip} alarm=${alarm} /></td><td data-label=${t("ui.state")}>${stateWords(alarm)}</td>
    <td data-label=${t("ui.since")}>${clock(alarm.raised_at)} <small>${since(alarm.raised_at, plantTime())}</small></td>
    <td data-label=${t("ui.zone")}>${place(alarm)}</td>
    <td data-label=${t("ui.hazard")}><a href=${`#/alarms/${alarm.id}`}>${pick(alarm.title)}</a>${alarm.occurrences > 1 && html` <small>×${alarm.occurrences}</small>`}
      ${cause && html` <small>↳ ${pick(cause.title)}</small>`}${folded && html`<${Folded} alarm=${alarm} under=${folded} isOpen=${opened.has(alarm.id)} unfold=${unfold} />`}</td>
    <td data-label=${t("ui.message")} class="message">${pick(alarm.text)}<${Instructions} of=${alarm.escalation.instructions.slice(-1)} /></td><td data-label=${t("ui.value")}>${value}<${Now} now=${state.now[alarm.tag]} of=${alarm.unit} /></td>
    <td data-label=${t("ui.rule")}><small>${alarm.plugin}</small></td>
    <td data-label=${t("ui.bureau")}>${t(`ui.bureau.${alarm.escalation.bureau}`)}</td>
    <td class="act">${alarm.acknowledged ? html`<small>${alarm.acknowledged_by}</small>` : take && state.signedIn.can.act && html`<button onClick=${(e) => { e.stopPropagation(); take(alarm); }}>${t("ui.acknowledge")}</button>`}
      ${tick && html`<${Tick} alarm=${alarm} ticks=${ticks} tick=${tick} />`}</td>
  </tr>`;
}

export function Acknowledge({ alarm, close }) {
  const [note, setNote] = useState("");
  const [said, setSaid] = useState("");
  const field = useRef(null);
  useEffect(() => field.current?.focus(), []);
  // Nothing is drawn as done before the server says so on the stream.
  const now = state.alarms.get(alarm.id);
  useEffect(() => { if (now?.acknowledged) close(); }, [now?.acknowledged]);
  const send = async (event) => {
    event.preventDefault();
    setSaid(t("ui.sent"));
    const answer = await api("POST", `/api/v1/alarms/${alarm.id}/acknowledge`, { note, severity: alarm.severity, occurrence: alarm.occurrences });
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
  };
  return html`<div class="dialog" role="dialog" aria-modal="true" onKeyDown=${(e) => e.key === "Escape" && close()}><form onSubmit=${send}>
    <h2>${t("ui.acknowledge")}</h2><p><${Chip} alarm=${alarm} /> ${pick(alarm.title)}</p><p>${pick(alarm.text)}</p>
    <label>${t("ui.note")}<textarea ref=${field} value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
    <p role="status">${said}</p>
    <div class="buttons"><button type="submit" class="main">${t("ui.acknowledge")}</button><button type="button" onClick=${close}>${t("ui.cancel")}</button></div>
  </form></div>`;
}

export function Alarms() {
  const [chosen, setChosen] = useState(null);
  const [taking, setTaking] = useState(null);
  const [shown, setShown] = useState(PAGE);
  const [opened, setOpened] = useState(new Set());
  // What a person ticked, as it was seen then.
  const [picked, setPicked] = useState(new Map());
  const [bulk, setBulk] = useState(null);
  const more = () => setShown(shown + PAGE);
  // What stood where when a mouse began to point, what of it pressed then, and when the mouse last moved.
  const frozen = useRef(null);
  const moved = useRef(0);
  // Keys come faster than drawing: the choice is read from here, not from what was drawn last.
  const at = useRef(null);
  const point = (id) => { at.current = id; setChosen(id); };
  const unfold = (id) => {
    frozen.current = null;
    setOpened(new Set(opened.has(id) ? [...opened].filter((other) => other !== id) : [...opened, id]));
  };
  const { rows: listed, under, causes } = fold(order([...state.alarms.values()].filter((a) => a.listed)), opened);
  // While a mouse points at a row its place must not change. What presses is never held back: it goes on top of the frozen rows.
  if (listed.length === 0 || performance.now() - moved.current > REST_MS) frozen.current = null;
  const { ids, pressed } = frozen.current ?? { ids: [], pressed: new Set() };
  const urgent = frozen.current ? listed.filter((a) => presses(a) && !pressed.has(a.id)) : [];
  const held = ids.map((id) => state.alarms.get(id)).filter((a) => a && a.listed && !urgent.includes(a));
  const rows = frozen.current ? [...urgent, ...held] : listed;
  const there = new Set(rows);
  const fresh = listed.filter((a) => !there.has(a));
  const freeze = (event) => {
    if (event.pointerType !== "mouse") return;
    moved.current = performance.now();
    frozen.current ??= { ids: rows.map((a) => a.id), pressed: new Set(rows.filter(presses).map((a) => a.id)) };
  };
  const cut = rows.slice(0, shown);
  const ticks = ticked(picked, cut);
  const tick = (alarm) => setPicked(new Map(ticks.has(alarm.id) ? [...ticks].filter(([id]) => id !== alarm.id) : [...ticks, [alarm.id, alarm]]));
  useEffect(() => {
    const keys = (event) => {
      if (taking || bulk || event.target.matches("input, textarea") || event.ctrlKey || event.metaKey) return;
      const here = rows.findIndex((a) => a.id === at.current);
      const last = Math.min(rows.length, shown) - 1;
      if (event.key === "j") point(rows[Math.min(here + 1, last)]?.id);
      if (event.key === "k") point(rows[Math.max(here - 1, 0)]?.id);
      if (event.key === "Enter" && here >= 0) location.hash = `#/alarms/${at.current}`;
      if (event.key === "a" && here >= 0 && !rows[here].acknowledged && state.signedIn.can.act) { event.preventDefault(); setTaking(rows[here]); }
      if (event.key === " " && here >= 0 && !event.target.matches("button, a, summary") && mayTick(rows[here], ticks)) { event.preventDefault(); tick(rows[here]); }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  });
  const waiting = html`<${Waiting} rows=${order([...state.alarms.values()].filter((a) => !a.listed && !a.aside))} />`;
  if (!state.whole) return html`<p>…</p>`;
  if (listed.length === 0) {
    return html`<p class="calm">${t("ui.calm", since(state.at, plantTime()), state.counts?.tags_good ?? "-", state.counts?.tags_bad ?? "-")}</p>
      ${waiting}`;
  }
  const list = { chosen, choose: point, take: setTaking, under, causes, opened, unfold, ticks, tick: state.signedIn.can.act && tick };
  return html`<div class="list" onPointerEnter=${freeze} onPointerMove=${freeze} onPointerLeave=${() => { frozen.current = null; }}>
    ${fresh.length > 0 && html`<p class="fresh" role="status"><button class=${`chip ${worst(fresh)}`} onClick=${() => { frozen.current = null; point(null); }}>${MARKS[worst(fresh)][0]} ${t("ui.fresh", fresh.length)}</button></p>`}
    <${Table} rows=${cut} total=${rows.length} list=${list} />
    ${rows.length > cut.length && html`<${More} shown=${cut.length} total=${rows.length} more=${more}> <${Levels} counts=${counted(rows.slice(shown))} /></${More}>`}
    ${ticks.size > 0 && html`<p class="ticked"><button class="main" onClick=${() => setBulk([...ticks.values()])}>${t("ui.bulk", ticks.size)}</button> <button onClick=${() => setPicked(new Map())}>${t("ui.bulk.none")}</button></p>`}
    ${waiting}
    ${bulk && html`<${Bulk} alarms=${bulk} close=${() => { setBulk(null); setPicked(new Map()); }} />`}
    ${taking && html`<${Acknowledge} alarm=${taking} close=${() => setTaking(null)} />`}</div>`;
}

const HEADS = ["severity", "state", "since", "zone", "hazard", "message", "value", "rule", "bureau", "action"];

function Table({ rows, total, list }) {
  return html`<${Wide} name=${t("ui.screen.alarms")}><table class="alarms" aria-rowcount=${total}><thead><tr>${HEADS.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((alarm) => html`<${Row} key=${alarm.id} alarm=${alarm} list=${list} />`)}</tbody></table></${Wide}>`;
}

/** Cleared and taken, but not ended by anybody: out of the list, not out of sight. */
function Waiting({ rows }) {
  const [shown, setShown] = useState(PAGE);
  const [open, setOpen] = useState(false);
  if (rows.length === 0) return null;
  return html`<details class="waiting" open=${open} onToggle=${(e) => setOpen(e.currentTarget.open)}><summary>${t("ui.awaiting.closure", rows.length)}</summary>
    ${open && html`<${Table} rows=${rows.slice(0, shown)} total=${rows.length} list=${{ choose: () => {} }} />
    ${rows.length > shown && html`<${More} shown=${shown} total=${rows.length} more=${() => setShown(shown + PAGE)} />`}`}</details>`;
}

const EVIDENCE = ["tag", "rise", "now.is", "limit", "quality", "measured", "citation"];

/** A reading that the alarm rests on, and its tag at present. */
function evidence(e) {
  const now = e.now && html`${number(e.now.value)} ${unit(e.unit)}${e.now.good ? "" : html` <small>${t(`quality.${e.now.quality}`)}</small>`}`;
  const from = e.citation?.standard ? `${e.citation.standard} ${e.citation.edition} ${e.citation.clause} (${t(`confidence.${e.citation.confidence}`)})` : "-";
  const value = e.meaning ? `${pick(e.meaning)} (${number(e.value)})` : `${number(e.value)} ${unit(e.unit)}`;
  return [e.tag, value, now || "-", number(e.limit), t(`quality.${e.quality}`), clock(e.at), from];
}

/** What happened to it and who did what, or looked away: from the record, and anew where the alarm has changed. */
function History({ id, changed }) {
  // Its evidence bears how the tags read now: that alone is no news.
  const all = useAsked(() => api("GET", `/api/v1/alarms/${id}/history`), 10000, [id, JSON.stringify({ ...changed, evidence: null })]);
  return html`<${Fresh} of=${all}>${() => html`${!all.body.whole && html`<p class="more" role="status">${t("ui.history.part")}</p>`}
    <ul class="timeline">${all.body.items.map((done) => html`<li>${clock(done.at)} <strong>${done.by}</strong> <small>${done.station}</small> ${pick(done.what)}</li>`)}</ul>`}</${Fresh}>`;
}

export function AlarmDetail({ id }) {
  const [alarm, setAlarm] = useState(null);
  const [taking, setTaking] = useState(false);
  const [note, setNote] = useState("");
  const [said, setSaid] = useState("");
  const live = state.alarms.get(id);
  useEffect(() => {
    let here = true;
    const load = async () => {
      const answer = await api("GET", `/api/v1/alarms/${id}`);
      if (here) setAlarm(answer.ok ? answer.body : { fault: problem(answer.body) });
    };
    load();
    // The alarm comes by the stream; how its tags stand now is asked for.
    const timer = setInterval(load, 2000);
    return () => { here = false; clearInterval(timer); };
  }, [id, live && JSON.stringify(live)]);
  if (!alarm) return html`<p>…</p>`;
  if (alarm.fault) return html`<p role="alert">${alarm.fault}</p>`;
  const post = async (verb, more = {}) => {
    const answer = await api("POST", `/api/v1/alarms/${id}/${verb}`, { note, ...more });
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
    if (answer.ok) setNote("");
  };
  const first = alarm.evidence[0];
  return html`<article>
    <h1><${Chip} alarm=${alarm} /> ${pick(alarm.title)} · ${place(alarm)}</h1>
    <p class="big">${pick(alarm.text)}</p><${Instructions} of=${alarm.escalation.instructions} />
    ${state.signedIn.can.act && alarm.escalation.instructions.filter((told) => !told.taken_by).map((told) => html`<${TakeInstruction} key=${told.message} alarm=${alarm} told=${told} />`)}
    <p>${stateWords(alarm)} · ${t("ui.opened")} ${clock(alarm.opened_at)} · ${t("ui.occurrences", alarm.occurrences)} · ${alarm.rule} (${alarm.plugin})</p>
    ${!alarm.acknowledged && state.signedIn.can.act && html`<p class="buttons"><${May} bar=${alarm.barred.acknowledge} kind="main" words="ui.acknowledge" act=${() => setTaking(true)} /></p>`}
    <dl>${["cause", "consequence", "response"].map((key) => html`<dt>${t(`ui.${key}`)}</dt><dd class=${key}>${pick(alarm[key])}</dd>`)}
      <dt>${t("ui.respond")}</dt><dd>${alarm.respond_s ? t("ui.minutes", Math.ceil(alarm.respond_s / 60)) : "-"}</dd></dl>
    <h2>${t("ui.evidence")}</h2>
    <${Wide} name=${t("ui.evidence")}><table class="cards"><thead><tr>${EVIDENCE.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
      <tbody>${alarm.evidence.map((e) => html`<${Cells} heads=${EVIDENCE} cells=${evidence(e)} />`)}</tbody></table></${Wide}>
    ${first && html`<${Trend} tag=${first.tag} limit=${first.limit} unit=${first.unit} around=${alarm.raised_at} />`}
    <h2>${t("ui.timeline")}</h2><${History} id=${id} changed=${alarm} />
    <p>${t("ui.bureau")}: ${t(`ui.bureau.${alarm.escalation.bureau}`)} ${alarm.bureau_by || ""}</p>
    ${state.signedIn.can.act && html`<label>${t("ui.note")}<textarea value=${note} onInput=${(e) => setNote(e.target.value)}></textarea></label>
      <div class="buttons"><button onClick=${() => post("handle")}>${t("ui.handle")}</button>
      ${state.signedIn.can.lead && html`<${May} bar=${alarm.barred.reset} words="ui.reset" act=${() => post("reset")} />`}</div>
      <${Shelve} alarm=${alarm} post=${post} />
      ${state.signedIn.can.lead && html`<${End} post=${post} bar=${alarm.barred.close} />`}<p role="status">${said}</p>`}
    <${Accident} alarm=${alarm} />
    ${taking && html`<${Acknowledge} alarm=${alarm} close=${() => setTaking(false)} />`}
  </article>`;
}
