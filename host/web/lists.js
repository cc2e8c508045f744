// Tags, links, rules, notices, the journal, health: lists that are asked for while they are on screen. Owns: pages, and the word that there are more.
// Must not know: alarms.

import { h } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { state } from "./link.js";
import { clock, number, pick, since, t, unit } from "./words.js";

const html = htm.bind(h);

/** Rows of a page. */
export const PAGE = 200;

/** `{items, next, total, fault}` of the first `pages` pages at `path`, asked again every `ms`. `cursor` is how the list takes its `next`. */
function useList(path, ms, cursor = "after") {
  const [pages, setPages] = useState(1);
  const [list, setList] = useState({ items: null, next: null, total: null, fault: null });
  useEffect(() => {
    let here = true;
    let timer = 0;
    const load = async () => {
      const got = { items: [], next: null, total: null, fault: null };
      for (let page = 0; page < pages && (page === 0 || got.next); page += 1) {
        const answer = await api("GET", `${path}?limit=${PAGE}${got.next ? `&${cursor}=${got.next}` : ""}`);
        if (!here) return;
        if (!answer.ok) { got.fault = problem(answer.body); break; }
        got.items.push(...answer.body.items);
        Object.assign(got, { next: answer.body.next, total: answer.body.total });
      }
      setList((before) => (got.fault ? { ...before, fault: got.fault } : got));
      timer = setTimeout(load, ms);
    };
    load();
    return () => { here = false; clearTimeout(timer); };
  }, [path, pages]);
  return { ...list, more: () => setPages(pages + 1) };
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

/** A list as a table; `row` gives the cells of an item in the order of `heads`, and whether the item is stale. */
function Table({ name, heads, list, row }) {
  const { items, next, total, fault, more } = list;
  return html`${fault && html`<p class="strip" role="alert">${t("ui.not.renewed", fault)}</p>`}
    ${!items ? html`<p>…</p>` : html`<${Wide} name=${t(`ui.screen.${name}`)}><table class="cards"><thead><tr>${heads.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
      <tbody>${items.map((item) => { const { cells, stale, key } = row(item); return html`<${Cells} key=${key} heads=${heads} cells=${cells} class=${stale ? "stale" : ""} />`; })}</tbody></table></${Wide}>`}
    ${items && next && more && html`<${More} shown=${items.length} total=${total} more=${more} />`}`;
}

export function Tags() {
  const list = useList("/api/v1/tags", 1000);
  return html`<${Table} name="tags" heads=${["tag", "title", "zone", "number", "quality", "age", "link.name"]} list=${list} row=${(tag) => ({
    key: tag.name, stale: tag.quality !== "good",
    cells: [tag.name, pick(tag.title), pick(state.zones[tag.zone]), `${number(tag.value)} ${unit(tag.unit)}`, pick(tag.quality_text),
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

const STAGES = { active: () => t("ui.working"), quarantined: () => t("ui.quarantined"), disabled: () => t("ui.disabled") };

/** What may run in a rule's place, how it compares with what runs, and who must still approve. */
function stages(rule) {
  const total = (shadow, what) => shadow.compared.reduce((sum, row) => sum + row[what].times, 0);
  const compared = (shadow) => t("ui.stage.shadow", ...["agree", "only_active", "only_shadow", "severity"].map((what) => total(shadow, what)), shadow.strikes);
  const other = (key, one) => one && html`<br/><small title=${one.digest}>${t(key, one.plugin)}${one.shadow ? html` · ${compared(one.shadow)}` : one.ended && ` · ${one.ended}`}</small>`;
  const { promoted, proposal } = rule;
  return html`${promoted && html`<br/><small>${t("ui.stage.promoted", [promoted.by, promoted.second].filter(Boolean).join(", "))}</small>`}
    ${other("ui.stage.next", rule.next)}${other("ui.stage.before", rule.before)}
    ${proposal && html`<br/><strong>${t("ui.stage.proposal", proposal.by, t(`ui.stage.what.${proposal.what}`), clock(proposal.until))}</strong>`}`;
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
    cells: [rule.name, html`${rule.plugin}${stages(rule)}`, pick(state.zones[rule.zone]), html`${STAGES[rule.stage]()}${button(rule)}`,
      html`<span title=${rule.last_strike}>${rule.strikes}</span>`, clock(rule.consulted_at), html`<small>${rule.digest.slice(0, 19)}…</small>`],
  })} />`;
}

/** Sirens and beacons, each with its last test and a button for the next one. */
function Annunciators() {
  const [ways, setWays] = useState([]);
  const [said, setSaid] = useState("");
  useEffect(() => {
    let here = true;
    let timer = 0;
    const load = async () => {
      const answer = await api("GET", "/api/v1/outbox");
      if (!here) return;
      if (answer.ok) setWays(answer.body.ways.filter((way) => way.annunciator));
      timer = setTimeout(load, 2000);
    };
    load();
    return () => { here = false; clearTimeout(timer); };
  }, []);
  const test = async (audience) => {
    const answer = await api("POST", `/api/v1/annunciators/${encodeURIComponent(audience)}/test`, {});
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
  };
  return ways.length > 0 && html`<section><h2>${t("ui.annunciators")}</h2><p>${t("ui.annunciator.advisory")} <span role="status">${said}</span></p>
    <ul>${ways.map((way) => html`<li key=${way.audience} class=${way.tested_well === false ? "stale" : ""}>${pick(way.title)} · ${way.tested_at ? t("ui.annunciator.tested", clock(way.tested_at), way.tested) : t("ui.annunciator.untested")}
      ${state.signedIn.can.lead && html` <button onClick=${() => test(way.audience)}>${t("ui.annunciator.test")}</button>`}</li>`)}</ul></section>`;
}

export function Notices() {
  const list = useList("/api/v1/notices", 2000, "before");
  return html`<${Annunciators} /><${Table} name="notices" heads=${["at", "audience", "severity", "hazard", "kind", "delivery", "attempts", "taken.by", "cap"]} list=${list} row=${(notice) => ({
    key: notice.id,
    cells: [clock(notice.at), pick(notice.audience_title), t(`severity.${notice.severity}`), html`<a href=${`#/alarms/${notice.alarm}`}>${pick(notice.title)}</a>`,
      `${t(`ui.kind.${notice.kind}`)} · ${t(`ui.reason.${notice.reason}`)}`,
      html`${t(`ui.delivery.${notice.delivery}`)} <small>${notice.received_at ? clock(notice.received_at) : pick(notice.last_error_text)}</small>`,
      notice.attempts, notice.acknowledged_by || "-", notice.bureau && html`<a href=${`/api/v1/notices/${notice.id}/cap`} target="_blank">XML</a> <a href=${`/api/v1/notices/${notice.id}/slip.html`} target="_blank">${t("ui.slip")}</a>`],
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
  const [page, setPage] = useState({ items: null, next: null, fault: null });
  useEffect(() => {
    let here = true;
    const load = async () => {
      const answer = await api("GET", `/api/v1/events?after=${after}&limit=${RECORDS}`);
      if (here) setPage((before) => (answer.ok ? { ...answer.body, fault: null } : { ...before, fault: problem(answer.body) }));
    };
    load();
    const timer = setInterval(load, 3000);
    return () => { here = false; clearInterval(timer); };
  }, [after]);
  const latest = Math.max(0, Number(state.durable) - RECORDS);
  const last = page.items?.at(-1)?.seq;
  return html`<p class="buttons"><button onClick=${() => setAfter(0)}>${t("ui.first.page")}</button>
    <button disabled=${!page.next} onClick=${() => setAfter(page.next)}>${t("ui.next.page")}</button>
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
  return html`<p>${t("ui.version", health.version)} · ${t("ui.judged", since(health.at, Date.now()))}</p>
    <${Table} name="health" heads=${["part", "state", "reason"]} list=${{ items: health.parts }} row=${(part) => ({
      key: part.name, stale: !part.ok,
      cells: [t(`ui.part.${part.name}`), part.ok ? t("ui.working") : t("ui.failing"), part.ok ? part.detail : failing(part)],
    })} />`;
}
