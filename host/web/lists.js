// Tags, links, rules, the journal, health: lists that are asked for while they are on screen. Owns: pages, and the word that there are more.
// Must not know: alarms.

import { h } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { Fresh, useAsked } from "./asking.js";
import { MARKS } from "./chip.js";
import { plantTime, state } from "./link.js";
import { clock, number, pick, since, t, unit } from "./words.js";

const html = htm.bind(h);

/** Rows of a page. */
export const PAGE = 200;

/** The first pages at `path`, asked again every `ms`: as `useAsked` gives it, and `more` for another page. `cursor` is how the list takes its `next`, `which`
 *  what else is asked. */
export function useList(path, ms, cursor = "after", which = "") {
  const [pages, setPages] = useState(1);
  const load = async () => {
    const got = { items: [], next: null, total: null };
    for (let page = 0; page < pages && (page === 0 || got.next); page += 1) {
      const answer = await api("GET", `${path}?limit=${PAGE}${which}${got.next ? `&${cursor}=${got.next}` : ""}`);
      if (!answer.ok) return answer;
      got.items.push(...answer.body.items);
      Object.assign(got, { next: answer.body.next, total: answer.body.total });
    }
    return { ok: true, body: got };
  };
  return { ...useAsked(load, ms, [path, pages, which]), more: () => setPages(pages + 1) };
}

/** Says how many rows are not on the page, and offers them. */
export function More({ shown, total, more, children }) {
  const words = total === null ? t("ui.more.unknown", shown) : t("ui.more", shown, total - shown);
  return html`<p class="more" role="status">${words}${children} <button onClick=${more}>${t("ui.more.show", total === null ? PAGE : Math.min(PAGE, total - shown))}</button></p>`;
}

/** What may be wider than the screen, to be moved by keyboard too. */
export function Wide({ name, children }) {
  return html`<div class="wide" role="group" tabindex="0" aria-label=${name}>${children}</div>`;
}

/** One row. Each cell knows the head it stands under: on a phone, where a row is a card, that is its label. */
export function Cells({ heads, cells, ...row }) {
  return html`<tr ...${row}>${heads.map((head, n) => html`<td class=${head.replace(".", "-")} data-label=${t(`ui.${head}`)}>${cells[n]}</td>`)}</tr>`;
}

/** A list as a table; `row` gives the cells of an item in the order of `heads`, and whether the item is stale, or of no more concern. */
export function Rows({ name, heads, items, row }) {
  return html`<${Wide} name=${t(`ui.screen.${name}`)}><table class="cards"><thead><tr>${heads.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${items.map((item) => { const { cells, stale, past, key } = row(item); return html`<${Cells} key=${key} heads=${heads} cells=${cells} class=${stale ? "stale" : past ? "past" : ""} />`; })}</tbody></table></${Wide}>`;
}

/** What `useList` gives as a table, which says when it is old and that there is more. */
export function Table({ list, ...rows }) {
  const { body, more } = list;
  return html`<${Fresh} of=${list}>${() => html`<${Rows} items=${body.items} ...${rows} />
    ${body.next && more && html`<${More} shown=${body.items.length} total=${body.total} more=${more} />`}`}</${Fresh}>`;
}

export function Tags() {
  const list = useList("/api/v1/tags", 1000);
  return html`<${Table} name="tags" heads=${["tag", "state", "title", "zone", "number", "quality", "age", "link.name"]} list=${list} row=${(tag) => ({
    key: tag.name, stale: tag.quality !== "good",
    cells: [tag.name, html`${tag.alarm && html`<span class=${`chip ${tag.alarm}`}>${MARKS[tag.alarm].join(" ")} ${t(`ui.level.${tag.alarm}`)}</span> `}${tag.out_of_service && html`<span class="badge">${t("ui.state.out_of_service")}</span>`}${!tag.alarm && !tag.out_of_service && "-"}`, pick(tag.title), pick(state.zones[tag.zone]), `${number(tag.value)} ${unit(tag.unit)}`, pick(tag.quality_text),
      tag.age_ms === null ? "-" : t("ui.seconds", (tag.age_ms / 1000).toFixed(1)), tag.link],
  })} />`;
}

export function Links() {
  const list = useList("/api/v1/links", 2000);
  return html`<${Table} name="links" heads=${["link.name", "state", "reason", "since", "malformed"]} list=${list} row=${(link) => ({
    key: link.name, stale: link.state !== "up",
    cells: [link.name, t(`ui.linkstate.${link.state || "unknown"}`), pick(link.reason_text), clock(link.since),
      html`<span title=${link.malformed_sample}>${link.malformed}</span>`],
  })} />`;
}

/** Who stands behind a component. */
const signed = (one) => [one.publisher ? t("ui.signed.by", one.publisher) : t("ui.signed.nobody"), one.untested && t("ui.signed.untested")];

const STAGES = { active: () => t("ui.working"), quarantined: () => t("ui.quarantined"), lost: () => t("ui.stage.lost"), disabled: () => t("ui.disabled") };

/** What may run in a rule's place, how it compares with what runs, and who must still approve. */
function stages(rule) {
  const total = (shadow, what) => shadow.compared.reduce((sum, row) => sum + row[what].times, 0);
  const compared = (shadow) => t("ui.stage.shadow", ...["agree", "only_active", "only_shadow", "severity"].map((what) => total(shadow, what)), shadow.strikes);
  const parts = (...parts) => parts.filter(Boolean).join(" · ");
  const beside = (one) => parts(one.rolled_back && t("ui.stage.rolled_back"), one.shadow ? compared(one.shadow) : one.ended);
  const other = (key, one, unjudged) => one && html`<br/><small title=${one.digest}>${parts(t(key, one.plugin), ...signed(one), beside(one), one.shadow?.judged === false && unjudged)}</small>`;
  const said = (one) => parts(one.note, one.despite && t("ui.stage.despite", one.despite));
  const { promoted, proposal } = rule;
  const how = promoted?.back ? "ui.stage.returned" : "ui.stage.promoted";
  return html`<br/><small>${parts(...signed(rule))}</small>${promoted && html`<br/><small>${parts(t(how, [promoted.by, promoted.second].filter(Boolean).join(", ")), said(promoted))}</small>`}
    ${other("ui.stage.next", rule.next, t("ui.stage.unjudged"))}${other("ui.stage.before", rule.before)}
    ${proposal && html`<br/><strong>${parts(t("ui.stage.proposal", proposal.by, t(`ui.stage.what.${proposal.what}`), clock(proposal.until)), said(proposal))}</strong>`}`;
}

export function Rules() {
  const list = useList("/api/v1/rules", 2000);
  const [said, setSaid] = useState("");
  const release = async (name) => {
    const answer = await api("POST", `/api/v1/rules/${encodeURIComponent(name)}/release`, {});
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
  };
  const button = (rule) => rule.quarantined && state.signedIn.can.lead && html` <button onClick=${() => release(rule.name)}>${t("ui.release")}</button>`;
  return html`<p role="status">${said}</p><${Table} name="rules" heads=${["rule", "plugin", "zone", "state", "strikes", "asked", "digest"]} list=${list} row=${(rule) => ({
    key: rule.name, stale: rule.stage !== "active",
    cells: [rule.name, html`${rule.plugin}${stages(rule)}`, pick(state.zones[rule.zone]), html`${STAGES[rule.stage]()}${rule.returns_at && html`<br/><small>${t("ui.returns", clock(rule.returns_at))}</small>`}${button(rule)}`,
      html`<span title=${rule.last_strike}>${rule.strikes}</span>`, clock(rule.consulted_at), html`<small>${rule.digest.slice(0, 19)}…</small>`],
  })} />`;
}

/** Records of a page of the journal. */
const RECORDS = 50;

/** One value of a record in a few words. */
function brief(value) {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.length}]`;
  if (value.zh !== undefined) return pick(value);
  if (value.title) return `#${value.id} ${pick(value.title)}`;
  return value.identifier ?? value.name ?? "{…}";
}

/** What a record holds, in a line; all of it is a press away. */
function gist(body) {
  const fields = (part, but) => Object.entries(part).filter(([name]) => name !== but).map(([name, value]) => `${name} ${brief(value)}`).join(" · ");
  if (body?.event) return fields(body.event, "event");
  if (body?.outcome) return body.outcome.outcome.map((part) => `${part.outcome}: ${fields(part, "outcome")}`).join("; ");
  return brief(body);
}

/** A kind of record in the reader's words; one without words is called as in the journal. */
function kind(word) {
  const words = t(`ui.event.${word}`);
  return words.startsWith("ui.") ? word : words;
}

export function Journal() {
  const [after, setAfter] = useState(0);
  const page = useAsked(() => api("GET", `/api/v1/events?after=${after}&limit=${RECORDS}`), 3000, [after]);
  const latest = Math.max(0, Number(state.durable) - RECORDS);
  const last = page.body?.items.at(-1)?.seq;
  return html`<p class="buttons"><button onClick=${() => setAfter(0)}>${t("ui.first.page")}</button>
    <button disabled=${!page.body?.next} onClick=${() => setAfter(page.body.next)}>${t("ui.next.page")}</button>
    <button onClick=${() => setAfter(latest)}>${t("ui.latest")}</button>
    ${last && html`<span class="more" role="status">${t("ui.more.journal", last, state.durable)}</span>`}</p>
    <${Table} name="journal" heads=${["seq", "at", "kind", "record"]} list=${page} row=${(event) => ({
      key: event.seq,
      cells: [event.seq, clock(event.at), kind(event.kind), html`<details><summary>${gist(event.body) || "-"}</summary><pre>${JSON.stringify(event.body, null, 1)}</pre></details>`],
    })} />`;
}

/** What it means that a part fails, and what it says itself. */
export function failing(part) {
  const words = t(`ui.failing.${part.name}`);
  return words.startsWith("ui.") ? part.detail : `${words}${part.detail && `: ${part.detail}`}`;
}

export function Health() {
  const health = state.health;
  if (!health) return html`<p>…</p>`;
  return html`<p>${t("ui.version", health.version)} · ${t("ui.judged", since(health.at, plantTime()))}</p>
    <${Rows} name="health" heads=${["part", "state", "reason"]} items=${health.parts} row=${(part) => ({
      key: part.name, stale: !part.ok,
      cells: [t(`ui.part.${part.name}`), part.ok ? t("ui.working") : t("ui.failing"), part.ok ? part.detail : failing(part)],
    })} />`;
}
