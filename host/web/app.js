// The console: the fixed frame around every screen, the way from address to screen.
// Must not know: what a screen shows.

import { h } from "./vendor/preact.js";
import { useEffect, useRef, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { age, onChange, plantTime, start, state, stop } from "./link.js";
import { lang, pick, setLang, since, t, clock } from "./words.js";
import { Alarms, AlarmDetail } from "./alarms.js";
import { MARKS } from "./chip.js";
import { Duty } from "./duty.js";
import { Figures } from "./figures.js";
import { Shelf } from "./shelf.js";
import { Tags, Links, Rules, Journal, Health, failing } from "./lists.js";
import { Outbox } from "./outbox.js";
import { setStation, station } from "./api.js";
import { begin } from "./sign_in.js";

const html = htm.bind(h);

const SCREENS = [
  ["alarms", Alarms], ["shelf", Shelf], ["duty", Duty], ["notices", Outbox], ["tags", Tags], ["links", Links], ["rules", Rules],
  ["figures", Figures], ["journal", Journal], ["health", Health],
];

function useLink() {
  const [, redraw] = useState(0);
  useEffect(() => onChange(() => redraw(state.version)), []);
}

function Badge() {
  const seconds = Number.isFinite(age()) ? Math.floor(age() / 1000) : "";
  return html`<span class=${`badge link-${state.link}`} role="status">${t(`ui.link.${state.link}`, seconds)}</span>`;
}

/** The first alarm with an instruction of the bureau that nobody has taken. */
const instructed = () => [...state.alarms.values()].find((alarm) => alarm.escalation.instructions.some((told) => !told.taken_by))?.id ?? "";

/** How many of a level nobody has taken, and how many somebody has that go on. */
function Level({ level, mark, counts }) {
  const [open, on] = [counts[level], counts.going_on[level]];
  return html`<span class=${`chip ${open || on ? level : "none"}`} title=${t("ui.level.counts", t(`severity.${level}`), open, on)}>${mark.join(" ")} ${open}${on > 0 && ` · ${t("ui.going.on", on)}`}</span>`;
}

/** What is put aside, alarms beneath a logic or a tag apart; and what of it goes on all the same. */
function PutAside({ aside }) {
  const beneath = (alarms) => (alarms > 0 ? t("ui.aside.beneath", alarms) : "");
  const words = t("ui.aside", aside.shelved, `${aside.logics}${beneath(aside.suppressed_by_design)}`, `${aside.tags}${beneath(aside.out_of_service)}`);
  const active = Object.entries(MARKS).filter(([level]) => aside.active[level] > 0);
  return html`<a class="badge aside" href="#/shelf">${words}${active.length > 0 && html` · ${t("ui.aside.active")} ${active.map(([level, mark]) => html`<span class=${`chip ${level}`}>${mark.join(" ")} ${aside.active[level]}</span> `)}`}</a>`;
}

function Counters() {
  const counts = state.counts;
  if (!counts) return null;
  return html`<span class="counters">${Object.entries(MARKS).map(([level, mark]) => html`<${Level} level=${level} mark=${mark} counts=${counts} />`)}
    ${counts.flood && html`<span class="badge urgent" role="status">${t("ui.flood", counts.flood)}</span>`}
    <${PutAside} aside=${counts.aside} />
    ${counts.instructions > 0 && html`<a class="badge urgent" role="status" href=${`#/alarms/${instructed()}`}>${t("ui.instructions", counts.instructions)}</a>`}
    ${counts.outbox > 0 && html`<a class="badge" href="#/notices">${t("ui.outbox", counts.outbox, since(counts.outbox_since, plantTime()))}</a>`}</span>`;
}

/** What a tab in the background says: that nothing comes any more, or how many alarms nobody has taken and the worst of them. */
function title() {
  if (state.link === "lost" || state.link === "stalled") return `⚠ ${t("ui.lost")}`;
  const open = Object.keys(MARKS).filter((level) => state.counts?.[level] > 0);
  const count = open.reduce((sum, level) => sum + state.counts[level], 0);
  const worst = open.length > 0 ? `(${count}) ${MARKS[open[0]][0]} ${t(`ui.level.${open[0]}`)} · ` : "";
  return `${worst}${pick(state.site) || t("app.title")}`;
}

function Lost() {
  if (state.link === "late") return html`<div class="strip late" role="alert">${t("ui.late", Math.floor(age() / 1000))}</div>`;
  if (state.link !== "lost" && state.link !== "stalled") return null;
  const what = state.link === "lost" ? "ui.lost" : "ui.stalled";
  return html`<div class="overlay" role="alert"><div><h1>${t(what)}</h1><p>${state.at ? t("ui.lost.since", clock(state.at)) : t("ui.lost.nothing")}</p><p>${t("ui.lost.do")}</p></div></div>`;
}

// Parts whose failure a person at the alarms must know of; links and rules have alarms of their own.
const VITAL = ["brain", "journal", "clock", "store", "room"];

function Failing() {
  const parts = (state.health?.parts ?? []).filter((part) => !part.ok && VITAL.includes(part.name));
  return parts.map((part) => html`<div class="strip" role="alert">${t(`ui.part.${part.name}`)} · ${failing(part)}</div>`);
}

function Station({ close }) {
  const [name, setName] = useState(station());
  const field = useRef(null);
  useEffect(() => field.current?.focus(), []);
  const save = (event) => { event.preventDefault(); setStation(name); close(); };
  return html`<div class="dialog" role="dialog" aria-modal="true" onKeyDown=${(e) => e.key === "Escape" && close()}><form onSubmit=${save}>
    <h2>${t("ui.station")}</h2>
    <label>${t("ui.station.ask")}<input ref=${field} maxlength="40" value=${name} onInput=${(e) => setName(e.target.value)} /></label>
    <div class="buttons"><button type="submit" class="main">${t("ui.save")}</button><button type="button" onClick=${close}>${t("ui.cancel")}</button></div>
  </form></div>`;
}

function Frame({ leave }) {
  useLink();
  const [naming, setNaming] = useState(false);
  const [screen, setScreen] = useState(location.hash);
  const [, redraw] = useState(0);
  useEffect(() => {
    const follow = () => setScreen(location.hash);
    addEventListener("hashchange", follow);
    const timer = setInterval(() => redraw(Date.now()), 1000);
    return () => { removeEventListener("hashchange", follow); clearInterval(timer); };
  }, []);
  const [name, id] = screen.replace(/^#\/?/, "").split("/");
  const Screen = (SCREENS.find(([known]) => known === name) || SCREENS[0])[1];
  const demo = state.hello && state.hello.mode !== "actual";
  const now = new Date(plantTime()).toLocaleTimeString("zh-CN", { hour12: false, timeZone: "Asia/Shanghai" });
  const other = lang() === "zh" ? "en" : "zh";
  document.title = title();
  return html`<div class=${`page ${demo ? "demo" : ""} ${state.link}`}>
    ${demo && html`<div class="mode">${t(`ui.mode.${state.hello.mode}`)}</div>`}
    ${state.hello && state.hello.unsigned && html`<div class="mode unsigned">${t("ui.unsigned")}</div>`}
    <header>
      <strong>${pick(state.site)}</strong><span class="clock">${now}</span><${Badge} /><${Counters} />
      <span class="who">${state.signedIn.name} · ${t(`role.${state.signedIn.role}`)}</span>
      <button onClick=${() => setNaming(true)} title=${t("ui.station.ask")}>${station() || t("ui.station.none")}</button>
      <button onClick=${leave}>${t("ui.sign.out")}</button>
      <button onClick=${() => { setLang(other); redraw(Date.now()); }}>${other === "en" ? "EN" : "中文"}</button>
    </header>
    <${Lost} /><${Failing} />
    <nav>${SCREENS.map(([known]) => html`<a href=${`#/${known}`} class=${Screen === SCREENS.find(([n]) => n === known)[1] ? "here" : ""}>${t(`ui.screen.${known}`)}</a>`)}</nav>
    <main>${name === "alarms" && id ? html`<${AlarmDetail} id=${id} />` : html`<${Screen} />`}</main>
    <footer>${t("ui.not.sis")}</footer>
    ${naming && html`<${Station} close=${() => setNaming(false)} />`}
  </div>`;
}

begin({
  enter: (who, leave) => { state.signedIn = who; start(); return html`<${Frame} leave=${leave} />`; },
  leave: stop,
});
