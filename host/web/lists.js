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

function Table({ name, heads, list, row }) {
  const { items, next, total, fault, more } = list;
  return html`${fault && html`<p class="strip" role="alert">${t("ui.not.renewed", fault)}</p>`}
    ${!items ? html`<p>…</p>` : html`<${Wide} name=${t(`ui.screen.${name}`)}><table class=${name}><thead><tr>${heads.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead><tbody>${items.map(row)}</tbody></table></${Wide}>`}
    ${items && next && more && html`<${More} shown=${items.length} total=${total} more=${more} />`}`;
}

export function Tags() {
  const list = useList("/api/v1/tags", 1000);
  return html`<${Table} name="tags" heads=${["tag", "title", "zone", "number", "quality", "age", "link.name"]} list=${list} row=${(tag) => html`
    <tr class=${tag.quality === "good" ? "" : "stale"}><td>${tag.name}</td><td>${pick(tag.title)}</td><td>${pick(state.zones[tag.zone])}</td>
    <td class="value">${number(tag.value)} ${unit(tag.unit)}</td><td>${pick(tag.quality_text)}</td>
    <td>${tag.age_ms === null ? "-" : t("ui.seconds", (tag.age_ms / 1000).toFixed(1))}</td><td>${tag.link}</td></tr>`} />`;
}

export function Links() {
  const list = useList("/api/v1/links", 2000);
  return html`<${Table} name="links" heads=${["link.name", "state", "reason", "since", "malformed"]} list=${list} row=${(link) => html`
    <tr class=${link.state === "up" ? "" : "stale"}><td>${link.name}</td><td>${t(`ui.linkstate.${link.state || "unknown"}`)}</td><td class="message">${pick(link.reason_text)}</td>
    <td>${clock(link.since)}</td><td title=${link.malformed_sample}>${link.malformed}</td></tr>`} />`;
}

export function Rules() {
  const list = useList("/api/v1/rules", 2000);
  const [said, setSaid] = useState("");
  const release = async (name) => {
    const answer = await api("POST", `/api/v1/rules/${encodeURIComponent(name)}/release`, {});
    setSaid(answer.ok ? t("ui.recorded") : `${t("ui.refused")} ${problem(answer.body)}`);
  };
  return html`<p role="status">${said}</p><${Table} name="rules" heads=${["rule", "plugin", "zone", "state", "strikes", "asked", "digest"]} list=${list} row=${(rule) => html`
    <tr class=${rule.quarantined ? "stale" : ""}><td>${rule.name}</td><td>${rule.plugin}</td><td>${pick(state.zones[rule.zone])}</td>
    <td>${rule.quarantined ? t("ui.quarantined") : t("ui.working")} ${rule.quarantined && state.signedIn.can.lead && html`<button onClick=${() => release(rule.name)}>${t("ui.release")}</button>`}</td>
    <td title=${rule.last_strike}>${rule.strikes}</td><td>${clock(rule.consulted_at)}</td><td><small>${rule.digest.slice(0, 19)}…</small></td></tr>`} />`;
}

export function Notices() {
  const list = useList("/api/v1/notices", 2000, "before");
  return html`<${Table} name="notices" heads=${["at", "audience", "severity", "hazard", "kind", "delivery", "attempts", "taken.by", "cap"]} list=${list} row=${(notice) => html`
    <tr><td>${clock(notice.at)}</td><td>${pick(notice.audience_title)}</td><td>${t(`severity.${notice.severity}`)}</td>
    <td><a href=${`#/alarms/${notice.alarm}`}>${pick(notice.title)}</a></td><td>${t(`ui.kind.${notice.kind}`)} · ${t(`ui.reason.${notice.reason}`)}</td>
    <td class="message">${t(`ui.delivery.${notice.delivery}`)} <small>${notice.received_at ? clock(notice.received_at) : pick(notice.last_error_text)}</small></td><td>${notice.attempts}</td>
    <td>${notice.acknowledged_by || "-"}</td><td>${notice.bureau && html`<a href=${`/api/v1/notices/${notice.id}/cap`} target="_blank">XML</a>`}</td></tr>`} />`;
}

/** Records of a page of the journal. */
const RECORDS = 50;

/** What a record holds, in a line: its fields, the long ones by their length. */
function gist(body) {
  if (typeof body !== "object" || body === null) return String(body);
  const brief = (value) => (Array.isArray(value) ? `[${value.length}]` : typeof value === "object" && value !== null ? "{…}" : String(value));
  return Object.entries(body).filter(([name]) => name !== "event").map(([name, value]) => `${name} ${brief(value)}`).join(" · ");
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
    <${Table} name="journal" heads=${["seq", "at", "kind", "record"]} list=${page} row=${(event) => html`
    <tr key=${event.seq}><td>${event.seq}</td><td>${clock(event.at)}</td><td>${event.kind}</td>
    <td class="record"><details><summary>${gist(event.body) || "-"}</summary><pre>${JSON.stringify(event.body, null, 1)}</pre></details></td></tr>`} />`;
}

export function Health() {
  const health = state.health;
  if (!health) return html`<p>…</p>`;
  return html`<p>${t("ui.version", health.version)} · ${t("ui.judged", since(health.at, Date.now()))}</p>
    <${Table} name="health" heads=${["part", "state", "reason"]} list=${{ items: health.parts }} row=${(part) => html`
    <tr class=${part.ok ? "" : "stale"}><td>${t(`ui.part.${part.name}`)}</td><td>${part.ok ? t("ui.working") : t("ui.failing")}</td><td>${part.detail}</td></tr>`} />`;
}
