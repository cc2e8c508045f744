// One request to the API, and what is said when it is refused. Owns: the name of this browser's station, the news that a session has ended.
// Must not know: what a request is for.

import { t } from "./words.js";

let ended = () => {};

/** Calls `listener` when the server no longer knows who we are. */
export function onSessionEnded(listener) {
  ended = listener;
}

/** Name of the place this browser stands at; goes with every command. */
export const station = () => localStorage.getItem("station") || "";
export const setStation = (name) => localStorage.setItem("station", name.trim());

/** A question that is not answered by then is broken off, milliseconds. A command is waited for: it may still be recorded. */
const ASK_MS = 30000;

/** The name of a command: sent twice under it, it is done once. */
export const commandKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;

/** `{ok, status, body}`; a broken connection is an answer too. */
export async function api(method, path, body, key = commandKey()) {
  const asks = method === "GET";
  try {
    const headers = body ? { "Content-Type": "application/json" } : {};
    if (!asks) headers["Idempotency-Key"] = key;
    if (station()) headers["Safety-Brain-Station"] = encodeURIComponent(station());
    const answer = await fetch(path, { method, headers, body: body ? JSON.stringify(body) : undefined, signal: asks ? AbortSignal.timeout(ASK_MS) : undefined });
    const text = await answer.text();
    const said = { ok: answer.ok, status: answer.status, body: text ? JSON.parse(text) : {} };
    if (said.body.code === "sign_in" && path !== "/api/v1/session") ended();
    return said;
  } catch (error) {
    return { ok: false, status: 0, body: { code: asks ? "unanswered" : "unreached", detail: String(error) } };
  }
}

// What belongs to a code, in the order of the placeholders of its words.
const FIELDS = {
  moved: (p) => [t(`severity.${p.severity}`), p.occurrence],
  not_shelved: (p) => [t(`severity.${p.severity}`)],
  term: (p) => [p.most_s],
  not_yet: (p) => [t(`ui.missing.${p.missing}`)],
  forbidden: (p) => [t(`role.${p.role}`), p.needed.map((role) => t(`role.${role}`)).join(" / ")],
  unknown_tag: (p) => [p.tag, p.nearest ?? "-"],
  range: (p) => [p.most_days],
  cap: (p) => [p.reason],
  call_back: (p) => [p.reason],
  superseded: (p) => [p.digest || "-"],
  untried: (p) => [p.ended || "-"],
  bundle: (p) => [p.reasons.join("; ")],
  store: (p) => [p.reason],
};

/** A refusal in the reader's language; a code without words shows what the server said. */
export function problem(body) {
  if (body.code === "unreached" || body.code === "unanswered") return t(`ui.${body.code}`);
  const key = `ui.problem.${body.code}`;
  const words = t(key, ...(FIELDS[body.code]?.(body) ?? []));
  return words === key ? body.detail : words;
}
