// How a level looks: colour, shape, numeral and word, never one of them alone. Must not know: what is done about an alarm.

import { h } from "./vendor/preact.js";
import htm from "./vendor/htm.js";
import { t } from "./words.js";

const html = htm.bind(h);

/** From the worst on. */
export const LEVELS = ["red", "orange", "yellow", "blue"];
export const MARKS = { red: ["■", "Ⅰ"], orange: ["▲", "Ⅱ"], yellow: ["◆", "Ⅲ"], blue: ["●", "Ⅳ"] };

/** The worst level of these alarms. */
export const worst = (alarms) => LEVELS.find((level) => alarms.some((a) => a.severity === level));

export function Chip({ alarm }) {
  const [shape, numeral] = MARKS[alarm.severity];
  const open = alarm.condition === "active" && !alarm.held;
  return html`<span class=${`chip ${alarm.severity} ${open ? "" : "outline"} ${alarm.acknowledged ? "" : "blink"}`}>${shape} ${numeral} ${t(`ui.level.${alarm.severity}`)}</span>`;
}

/** How many of each level, where there are any; `counts` by level. */
export function Levels({ counts }) {
  return LEVELS.filter((level) => counts[level] > 0).map((level) => html`<span class="chip outline">${MARKS[level].join(" ")} ${counts[level]}</span> `);
}

/** So many alarms of each level. */
export const counted = (alarms) => Object.fromEntries(LEVELS.map((level) => [level, alarms.filter((a) => a.severity === level).length]));
