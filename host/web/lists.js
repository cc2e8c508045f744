// Tags, links, rules, notices, the journal, health: lists that are asked for while they are on screen.
// Must not know: alarms.

import { h } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api } from "./api.js";
import { state } from "./link.js";
import { clock, number, pick, since, t, unit } from "./words.js";

const html = htm.bind(h);

/** The items at `path`, asked again every `ms`. */
function useList(path, ms) {
  const [items, setItems] = useState(null);
  useEffect(() => {
    let here = true;
    const load = async () => {
      const answer = await api("GET", path);
      if (here && answer.ok) setItems(answer.body.items);
    };
    load();
    const timer = setInterval(load, ms);
    return () => { here = false; clearInterval(timer); };
  }, [path]);
  return items;
}

function Table({ heads, items, row }) {
  if (!items) return html`<p>…</p>`;
  return html`<table><thead><tr>${heads.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead><tbody>${items.map(row)}</tbody></table>`;
}

export function Tags() {
  const items = useList("/api/v1/tags", 1000);
  return html`<${Table} heads=${["tag", "title", "zone", "value", "quality", "age", "link.name"]} items=${items} row=${(tag) => html`
    <tr class=${tag.quality === "good" ? "" : "stale"}><td>${tag.name}</td><td>${pick(tag.title)}</td><td>${pick(state.zones[tag.zone])}</td>
    <td class="value">${number(tag.value)} ${unit(tag.unit)}</td><td>${pick(tag.quality_text)}</td>
    <td>${tag.age_ms === null ? "-" : t("ui.seconds", (tag.age_ms / 1000).toFixed(1))}</td><td>${tag.link}</td></tr>`} />`;
}

export function Links() {
  const items = useList("/api/v1/links", 2000);
  return html`<${Table} heads=${["link.name", "state", "reason", "since", "malformed"]} items=${items} row=${(link) => html`
    <tr class=${link.state === "up" ? "" : "stale"}><td>${link.name}</td><td>${t(`ui.linkstate.${link.state || "unknown"}`)}</td><td>${link.reason}</td>
    <td>${clock(link.since)}</td><td title=${link.malformed_sample}>${link.malformed}</td></tr>`} />`;
}

export function Rules() {
  const items = useList("/api/v1/rules", 2000);
  const release = (name) => api("POST", `/api/v1/rules/${encodeURIComponent(name)}/release`, {});
  return html`<${Table} heads=${["rule", "plugin", "zone", "state", "strikes", "asked", "digest"]} items=${items} row=${(rule) => html`
    <tr class=${rule.quarantined ? "stale" : ""}><td>${rule.name}</td><td>${rule.plugin}</td><td>${pick(state.zones[rule.zone])}</td>
    <td>${rule.quarantined ? t("ui.quarantined") : t("ui.working")} ${rule.quarantined && state.signedIn.can.lead && html`<button onClick=${() => release(rule.name)}>${t("ui.release")}</button>`}</td>
    <td title=${rule.last_strike}>${rule.strikes}</td><td>${clock(rule.consulted_at)}</td><td><small>${rule.digest.slice(0, 19)}…</small></td></tr>`} />`;
}

export function Notices() {
  const items = useList("/api/v1/notices", 2000);
  return html`<${Table} heads=${["at", "audience", "severity", "hazard", "kind", "delivery", "attempts", "taken.by", "cap"]} items=${items} row=${(notice) => html`
    <tr><td>${clock(notice.at)}</td><td>${notice.audience}</td><td>${t(`severity.${notice.severity}`)}</td>
    <td><a href=${`#/alarms/${notice.alarm}`}>${pick(notice.title)}</a></td><td>${t(`ui.kind.${notice.kind}`)} · ${t(`ui.reason.${notice.reason}`)}</td>
    <td title=${notice.last_error}>${t(`ui.delivery.${notice.delivery}`)} <small>${clock(notice.received_at)}</small></td><td>${notice.attempts}</td>
    <td>${notice.acknowledged_by || "-"}</td><td>${notice.bureau && html`<a href=${`/api/v1/notices/${notice.id}/cap`} target="_blank">XML</a>`}</td></tr>`} />`;
}

export function Journal() {
  const [after, setAfter] = useState(0);
  const items = useList(`/api/v1/events?after=${after}&limit=200`, 3000);
  const last = items && items.length > 0 ? items.at(-1).seq : null;
  return html`<p class="buttons"><button onClick=${() => setAfter(0)}>${t("ui.first.page")}</button>
    <button disabled=${!last || items.length < 200} onClick=${() => setAfter(last)}>${t("ui.next.page")}</button></p>
    <${Table} heads=${["seq", "at", "kind", "record"]} items=${items} row=${(event) => html`
    <tr><td>${event.seq}</td><td>${clock(event.at)}</td><td>${event.kind}</td><td class="message"><details><summary>${JSON.stringify(event.body).slice(0, 100)}</summary><pre>${JSON.stringify(event.body, null, 1)}</pre></details></td></tr>`} />`;
}

export function Health() {
  const health = state.health;
  if (!health) return html`<p>…</p>`;
  return html`<p>${t("ui.version", health.version)} · ${t("ui.judged", since(health.at, Date.now()))}</p>
    <${Table} heads=${["part", "state", "reason"]} items=${health.parts} row=${(part) => html`
    <tr class=${part.ok ? "" : "stale"}><td>${t(`ui.part.${part.name}`)}</td><td>${part.ok ? t("ui.working") : t("ui.failing")}</td><td>${part.detail}</td></tr>`} />`;
}
