// One tag over a quarter of an hour, with its limit: a line, gaps where it cannot be believed. Must not know: alarms.

import { h } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { api, problem } from "./api.js";
import { number, t, unit as shown } from "./words.js";

const html = htm.bind(h);
const [WIDTH, HEIGHT, LEFT] = [720, 200, 44];

export function Trend({ tag, limit, unit, around }) {
  const [points, setPoints] = useState([]);
  const [fault, setFault] = useState("");
  useEffect(() => {
    const load = async () => {
      const from = new Date(Date.parse(around) - 5 * 60e3);
      const to = new Date(from.getTime() + 20 * 60e3);
      const answer = await api("GET", `/api/v1/tags/${encodeURIComponent(tag)}/series?points=400&from=${from.toISOString()}&to=${to.toISOString()}`);
      setFault(answer.ok ? "" : problem(answer.body));
      if (answer.ok) setPoints(answer.body.items);
    };
    load();
    const timer = setInterval(load, 5000);
    return () => clearInterval(timer);
  }, [tag, around]);
  if (fault) return html`<p role="alert">${fault}</p>`;
  const values = points.map((p) => p.value).filter((v) => v !== null);
  if (values.length < 2) return html`<p>${t("ui.no.trend")}</p>`;
  const ends = limit === null || limit === undefined ? values : [...values, limit];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const [from, to] = [points[0].t, points.at(-1).t];
  const x = (time) => LEFT + ((time - from) / (to - from || 1)) * (WIDTH - LEFT - 8);
  const y = (value) => HEIGHT - 18 - ((value - low) / (high - low || 1)) * (HEIGHT - 44);
  let line = "";
  let drawing = false;
  for (const p of points) {
    if (p.value === null) { drawing = false; continue; }
    line += `${drawing ? "L" : "M"}${x(p.t).toFixed(1)} ${y(p.value).toFixed(1)}`;
    drawing = true;
  }
  const hour = (time) => new Date(time * 1000 + 8 * 3600e3).toISOString().slice(11, 19);
  return html`<figure><figcaption>${tag} ${shown(unit)}</figcaption>
    <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${`${tag}: ${number(values[0])} … ${number(values.at(-1))} ${shown(unit)}`}>
      <text x="2" y=${y(high) + 4}>${number(high)}</text><text x="2" y=${y(low) + 4}>${number(low)}</text>
      <text x=${LEFT} y=${HEIGHT - 2}>${hour(from)}</text><text x=${WIDTH - 8} y=${HEIGHT - 2} text-anchor="end">${hour(to)}</text>
      ${limit !== null && limit !== undefined && html`<path class="limit" d=${`M${LEFT} ${y(limit)}H${WIDTH - 8}`} />`}
      <path class="line" d=${line} />
    </svg></figure>`;
}
