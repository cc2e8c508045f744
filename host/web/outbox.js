// What is told to people: per audience what waits and whether it is heard, the test of sirens and beacons, and each notice with its three answers apart.
// Must not know: how anything is sent.

import { h } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { Fresh, useAsked } from "./asking.js";
import { Levels } from "./chip.js";
import { plantTime, state } from "./link.js";
import { Rows, Table, useList } from "./lists.js";
import { clock, pick, since, t } from "./words.js";

const html = htm.bind(h);
/** What waits for longer than this is late, as the program's own health has it, milliseconds. */
const LATE_MS = 60000;
/** A test that has not been read back by then is said to have no answer, milliseconds. */
const TEST_MS = 20000;

/** Nothing to show: a card of a phone leaves it out. */
const NONE = html`<span class="none">-</span>`;
const at = (time) => (time ? clock(time) : NONE);

/** How long something waits; marked where that is too long. */
function Waits({ from }) {
  if (!from) return NONE;
  const age = since(from, plantTime());
  return plantTime() - Date.parse(from) > LATE_MS ? html`<strong class="overdue">${age}</strong>` : age;
}

/** The last test of a siren or beacon, and a button for the next one: what counts is what it reads back afterwards. */
function Test({ way, again }) {
  const [sent, setSent] = useState(null);
  const [refused, setRefused] = useState("");
  const test = async () => {
    const before = way.tested_at;
    setRefused("");
    setSent({ at: performance.now(), before });
    const answer = await api("POST", `/api/v1/annunciators/${encodeURIComponent(way.audience)}/test`, {});
    if (!answer.ok) { setSent(null); setRefused(`${t("ui.refused")} ${problem(answer.body)}`); }
    again();
  };
  const waits = sent && sent.before === way.tested_at;
  const late = waits && performance.now() - sent.at > TEST_MS;
  const last = way.tested_at ? t("ui.annunciator.tested", clock(way.tested_at), `${t(way.tested_well ? "ui.working" : "ui.failing")} · ${way.tested}`) : t("ui.annunciator.untested");
  return html`<span class=${way.tested_well === false ? "overdue" : ""}>${last}</span> <span role="status">${late ? t("ui.annunciator.silent") : waits ? t("ui.sent") : refused}</span>
    ${state.signedIn.can.lead && html` <button disabled=${waits && !late} onClick=${test}>${t("ui.annunciator.test")}</button>`}`;
}

const SETTLED = ["received", "acknowledged", "rejected", "superseded"];

function way(of, again) {
  const waiting = Object.values(of.waiting).reduce((sum, count) => sum + count, 0);
  const heard = of.failing_since ? html`<strong class="overdue">${t("ui.way.failing", clock(of.failing_since))}</strong>` : t(of.heard_at ? "ui.way.heard" : "ui.way.untried");
  return {
    key: of.audience, stale: Boolean(of.failing_since),
    cells: [html`<strong>${pick(of.title)}</strong>${of.per_minute !== null && html` <small>${t(of.numbers > 1 ? "ui.way.limit.each" : "ui.way.limit", of.per_minute, of.numbers)}</small>`}`,
      waiting === 0 ? "0" : html`<strong>${waiting}</strong> <${Levels} counts=${of.waiting} />${of.held > 0 && html` <small>${t("ui.way.held", of.held)}</small>`}`,
      html`<${Waits} from=${of.oldest_at} />`, of.attempts, at(of.next_at), at(of.heard_at), html`${heard} <small>${pick(of.last_error_text)}</small>`,
      html`<small>${SETTLED.map((word) => `${t(`ui.delivery.${word}`)} ${of.settled[word]}`).join(" · ")}</small>`,
      of.annunciator && html`<${Test} way=${of} again=${again} />`],
  };
}

const WAYS = ["audience", "waiting", "oldest", "attempts", "next.at", "heard", "state", "settled", "annunciators"];

function Ways() {
  const list = useAsked(() => api("GET", "/api/v1/outbox"), 2000, []);
  return html`<${Fresh} of=${list}>${() => {
    const { ways } = list.body;
    const sounds = ways.some((of) => of.annunciator);
    return html`<${Rows} name="notices" heads=${sounds ? WAYS : WAYS.slice(0, -1)} items=${ways} row=${(of) => way(of, list.again)} />
      ${sounds && html`<p>${t("ui.annunciator.advisory")}</p>`}`;
  }}</${Fresh}>`;
}

/** How far a notice has come; of one that waits, how long, how often it was tried, when it is tried next, and what the last try said. */
function delivery(notice) {
  const tried = t("ui.tried", notice.attempts);
  if (!notice.waiting) return html`${t(`ui.delivery.${notice.delivery}`)} <small>${tried} ${pick(notice.last_error_text)}</small>`;
  const next = notice.attempts > 0 ? t("ui.tried.next", clock(notice.due_at)) : "";
  return html`<strong>${t(`ui.delivery.${notice.delivery}`)}</strong> <${Waits} from=${notice.at} /> <small>${tried} ${next} ${pick(notice.last_error_text)}</small>`;
}

function row(notice) {
  const more = notice.digest.length > 0 && html` <small>${t("ui.digested", notice.digest.length)}</small>`;
  const person = notice.acknowledged_by ? html`${notice.acknowledged_by} <small>${clock(notice.acknowledged_at)}</small>` : NONE;
  return {
    key: notice.id, past: notice.delivery === "superseded",
    cells: [clock(notice.at), html`${pick(notice.audience_title)} <small>${notice.duty.join(", ")}</small>`, t(`severity.${notice.severity}`),
      html`<a href=${`#/alarms/${notice.alarm}`}>${pick(notice.title)}</a>${more}`, `${t(`ui.kind.${notice.kind}`)} · ${t(`ui.reason.${notice.reason}`)}`, delivery(notice),
      at(notice.received_at), at(notice.accepted_at), person,
      notice.bureau && html`<a href=${`/api/v1/notices/${notice.id}/cap`} target="_blank">XML</a> <a href=${`/api/v1/notices/${notice.id}/slip.html`} target="_blank">${t("ui.slip")}</a>`],
  };
}

const NOTICES = ["at", "audience", "severity", "hazard", "kind", "delivery", "receipt", "acceptance", "answer", "cap"];

export function Outbox() {
  const [waiting, setWaiting] = useState(false);
  const list = useList("/api/v1/notices", 2000, "before", waiting ? "&waiting=true" : "");
  const choice = (value, words) => html`<button aria-pressed=${waiting === value} class=${waiting === value ? "main" : ""} onClick=${() => setWaiting(value)}>${words}</button>`;
  return html`<h1>${t("ui.ways")}</h1><${Ways} /><h1>${t("ui.screen.notices")}</h1>
    <p class="buttons">${choice(false, t("ui.notices.all"))}${choice(true, t("ui.notices.waiting"))}</p>
    ${list.body?.items.length === 0 && html`<p class="calm">${t(waiting ? "ui.notices.none.waiting" : "ui.notices.none")}</p>`}
    <${Table} name="notices" heads=${NOTICES} list=${list} row=${row} />`;
}
