// The words of a page, from the same files as the program's. Must not know: where they stand.

let tables = {};
let language = localStorage.getItem("language") || "zh";

export async function loadWords() {
  const [zh, en] = await Promise.all(["zh-CN", "en"].map(async (name) => (await fetch(`/web/i18n/${name}.json`)).json()));
  tables = { zh, en };
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
}

export const lang = () => language;

export function setLang(next) {
  language = next;
  localStorage.setItem("language", next);
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
}

/** One text; an unknown key shows itself. `{0|one|many}` is the first word where argument 0 is one, else the second. */
export function t(key, ...args) {
  let text = (tables[language]?.[key] ?? key).replace(/\{(\d)\|((?:[^{}|]|\{\d\})*)\|((?:[^{}|]|\{\d\})*)\}/g, (_, n, one, many) => (Number(args[n]) === 1 ? one : many));
  args.forEach((arg, i) => { text = text.replaceAll(`{${i}}`, String(arg)); });
  return text;
}

/** A text that brings both languages. */
export const pick = (words) => (words ? words[language] : "");

/** Time of day in the plant, with the date where it is not today. */
export function clock(text) {
  if (!text) return "-";
  const [day, rest] = text.split("T");
  const today = new Date(Date.now() + 8 * 3600e3).toISOString().slice(0, 10);
  const time = rest.slice(0, 8);
  return day === today ? time : `${day} ${time}`;
}

/** Time in the plant with its date, for what may stand for days. */
export const dated = (text) => (text ? text.slice(0, 19).replace("T", " ") : "-");

/** How long it is between two times, milliseconds apart: to the second, and from two days on to the minute. */
export function span(ms) {
  const seconds = Math.abs(Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), two(Math.floor(seconds / 60) % 60)];
  return hours < 48 ? `${hours}:${minutes}:${two(seconds % 60)}` : t("ui.days", Math.floor(hours / 24), `${two(hours % 24)}:${minutes}`);
}

/** How long ago, in the largest unit that says something. */
export function since(text, now) {
  if (!text) return "-";
  const seconds = Math.max(0, Math.round((now - Date.parse(text)) / 1000));
  if (seconds < 60) return t("ui.seconds", seconds);
  if (seconds < 3600) return t("ui.minutes", Math.floor(seconds / 60));
  return t("ui.hours", Math.floor(seconds / 3600));
}

export function number(value) {
  return value === null || value === undefined ? "-" : String(Math.round(value * 100) / 100);
}

// Units as people read them, where that is not how machines (UCUM) write them; plain counts have none.
const UNITS = {
  1: "", Cel: "℃", "[ppm]": "ppm", "[ppb]": "ppb", "[pH]": "pH", "ug/m3": "µg/m³", "mg/m3": "mg/m³", "g/m3": "g/m³", "kg/m3": "kg/m³", "mm[H2O]": "mmH₂O",
  "m3/h": "m³/h", "m3/s": "m³/s", m3: "m³", "m/s2": "m/s²", "/min": "r/min", deg: "°", Ohm: "Ω", MOhm: "MΩ", "uS/cm": "µS/cm", "W/m2": "W/m²",
};

export const unit = (text) => UNITS[text] ?? text ?? "";
