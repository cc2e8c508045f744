// Figures of the alarm system itself, per shift, day or month: how they went, and one period in full beside its targets.
// Must not know: how a figure is made, or what it should be; the report says both.

import { h } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api } from "./api.js";
import { Fresh, useAsked } from "./asking.js";
import { LEVELS, MARKS } from "./chip.js";
import { place, plantTime } from "./link.js";
import { Cells, Wide } from "./lists.js";
import { number, pick, t } from "./words.js";

const html = htm.bind(h);
const HOUR_MS = 3600e3;
/** How far may be looked back: days for shifts and days, months for months. */
const BACK = { shift: [1, 7, 31], day: [7, 31, 92], month: [3, 12] };

/** The first moment of the day or month `back` before this one, by the plant's clock; shifts are looked back at by days, wherever they begin. */
function begin(by, back) {
  const local = plantTime() + 8 * HOUR_MS;
  const day = new Date(local);
  if (by === "month") return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() - back, 1) - 8 * HOUR_MS);
  const long = 24 * HOUR_MS;
  return new Date((Math.floor(local / long) - back) * long - 8 * HOUR_MS);
}

const percent = (share) => `${number(share * 100)} %`;
const level = (at) => (f) => f.by_level[at];
/** What is counted, in the order of the printed report. */
const FIGURES = [
  ["watched_h"], ["annunciated"], ["per_10min"], ["peak_minute"], ["peak_10min"], ["peak_hour"], ["flood_share", percent], ["floods"],
  ["blue", null, level(0)], ["yellow", null, level(1)], ["orange", null, level(2)], ["red", null, level(3)], ["high_share", percent],
  ["chattering"], ["fleeting"], ["stale"], ["reopened"], ["no_action_share", percent], ["top_share", percent], ["suppressed"], ["suppressed_red"],
].map(([word, write, read]) => ({ word, write: write ?? number, read: read ?? ((f) => f[word]) }));
const SHORT = ["annunciated", "per_10min", "peak_10min", "flood_share", "high_share", "chattering", "stale"];

function Figure({ of, period }) {
  const read = of.read(period.figures);
  const written = read === null ? "-" : of.write(read);
  return period.missed.includes(of.word) ? html`<strong class="overdue">${written}</strong>` : written;
}

/** The name of a period: its month, its day, or its day and hours. */
function span(period, by) {
  const [day, hour] = period.from.split("T");
  if (by === "month") return day.slice(0, 7);
  return by === "day" ? day : `${day} ${hour.slice(0, 5)} – ${period.to.split("T")[1].slice(0, 5)}`;
}

/** How many alarms in ten minutes, a bar for each period, oldest first; full where that is more than it should be. */
function Bars({ periods, by }) {
  const [wide, high] = [720, 120];
  const rate = (period) => period.figures.per_10min ?? 0;
  const top = Math.max(1, ...periods.map(rate));
  const step = wide / periods.length;
  return html`<figure><figcaption>${t("performance.per_10min")} · ${t("ui.figures.highest", number(Math.max(...periods.map(rate))))}</figcaption>
    <svg viewBox=${`0 -2 ${wide} ${high + 4}`} role="img" aria-label=${`${t("performance.per_10min")}: ${periods.map((period) => number(rate(period))).join(", ")}`}>
      ${periods.map((period, n) => html`<rect class=${`bar ${period.missed.includes("per_10min") ? "missed" : ""}`} x=${n * step + step * 0.15} width=${step * 0.7} y=${high - (rate(period) / top) * high} height=${(rate(period) / top) * high + 1}><title>${span(period, by)}: ${number(rate(period))}</title></rect>`)}</svg></figure>`;
}

function Plain({ name, heads, rows }) {
  return rows.length > 0 && html`<section><h3>${name}</h3><${Wide} name=${name}><table class="cards"><thead><tr>${heads.map((head) => html`<th>${t(`ui.${head}`)}</th>`)}</tr></thead>
    <tbody>${rows.map((cells) => html`<${Cells} key=${cells[0]} heads=${heads} cells=${cells} />`)}</tbody></table></${Wide}></section>`;
}

/** The period in full stands below all others. */
const show = () => requestAnimationFrame(() => document.getElementById("period")?.scrollIntoView());

/** What people call a hazard; its identifier where nobody gave it a title. */
const hazard = (of) => pick(of.title) || of.hazard;

const seconds = (s) => (s < 120 ? t("ui.seconds", number(s)) : t("ui.minutes", number(s / 60)));

function One({ period, by, targets }) {
  const { figures } = period;
  const answered = LEVELS.map((word, n) => [word, figures.acknowledged[3 - n]]).filter(([, of]) => of.count > 0);
  return html`<section><h2 id="period">${span(period, by)}</h2>
    ${period.incomplete?.length > 0 && html`<p class="strip">${t("performance.incomplete")}: ${period.incomplete.join(", ")}</p>`}
    <div class="columns"><table class="figures"><thead><tr><th>${t("performance.figure")}</th><th>${t("ui.number")}</th><th>${t("performance.target")}</th></tr></thead>
      <tbody>${FIGURES.map((of) => html`<tr><td>${t(`performance.${of.word}`)}</td><td class="number"><${Figure} of=${of} period=${period} /></td><td>${targets[of.word] ?? ""}</td></tr>`)}</tbody></table>
    <div><${Plain} name=${t("performance.top")} heads=${["hazard", "zone", "tag", "figures.times", "figures.share"]} rows=${figures.top.map((of) =>
      [hazard(of), place({ ...of, of_the_system: of.zone === "" }), of.object || "-", of.count, percent(of.count / figures.annunciated)])} />
    <${Plain} name=${t("ui.figures.answered")} heads=${["severity", "figures.times", "figures.half", "figures.most", "figures.slowest"]} rows=${answered.map(([word, of]) =>
      [`${MARKS[word].join(" ")} ${t(`ui.level.${word}`)}`, of.count, seconds(of.p50_s), seconds(of.p90_s), seconds(of.max_s)])} />
    <${Plain} name=${t("performance.shelves_by")} heads=${["by", "figures.times"]} rows=${Object.entries(figures.shelves_by)} />
    <${Plain} name=${t("performance.closed_by_cause")} heads=${["cause.code", "figures.times"]} rows=${Object.entries(figures.closed_by_cause).map(([cause, count]) => [cause === "none" ? "-" : t(`cause.${cause}`), count])} /></div></div></section>`;
}

function Periods({ periods, by, chosen, choose }) {
  const short = FIGURES.filter((of) => SHORT.includes(of.word));
  return html`<${Wide} name=${t("performance.title")}><table class="cards"><thead><tr><th>${t("ui.figures.period")}</th>${short.map((of) => html`<th>${t(`performance.${of.word}`)}</th>`)}<th>${t("ui.action")}</th></tr></thead>
    <tbody>${periods.map((period, n) => html`<tr key=${period.from} class=${period === chosen ? "chosen" : ""}>
      <td data-label=${t("ui.figures.period")}>${span(period, by)}${n === 0 && html` <small>${t("ui.figures.running")}</small>`}${period.incomplete?.length > 0 && " ⚠"}</td>
      ${short.map((of) => html`<td data-label=${t(`performance.${of.word}`)}><${Figure} of=${of} period=${period} /></td>`)}
      <td><button aria-pressed=${period === chosen} onClick=${() => { choose(period.from); show(); }}>${t("ui.figures.show")}</button></td></tr>`)}</tbody></table></${Wide}>`;
}

export function Figures() {
  const [asked, setAsked] = useState({ by: "day", count: 7 });
  const [from, choose] = useState(null);
  const query = () => `by=${asked.by}&from=${encodeURIComponent(begin(asked.by, asked.count - 1).toISOString())}`;
  const report = useAsked(async () => {
    const answer = await api("GET", `/api/v1/performance?${query()}`);
    return answer.ok ? { ...answer, body: { ...answer.body, by: asked.by } } : answer;
  }, 60e3, [asked]);
  const button = (by, count) => html`<button aria-pressed=${asked.by === by && asked.count === count} class=${asked.by === by && asked.count === count ? "main" : ""}
    onClick=${() => { setAsked({ by, count }); choose(null); }}>${t(`ui.figures.${by}`, count)}</button>`;
  return html`<p class="buttons">${Object.entries(BACK).map(([by, counts]) => counts.map((count) => button(by, count)))}
      <a href=${`/api/v1/performance.html?${query()}`} target="_blank">${t("ui.figures.print")}</a> <a href=${`/api/v1/performance.csv?${query()}`}>CSV</a></p>
    <${Fresh} of=${report}>${() => {
      const periods = [...report.body.items].reverse();
      const { by } = report.body;
      const chosen = periods.find((period) => period.from === from) ?? periods[0];
      return html`<${Bars} by=${by} periods=${report.body.items} />
        <${Periods} by=${by} periods=${periods} chosen=${chosen} choose=${choose} /><${One} by=${by} period=${chosen} targets=${report.body.targets} /><p><small>${t("performance.note")}</small></p>`;
    }}</${Fresh}>`;
}
