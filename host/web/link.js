// The page's own judgement of whether the server is alive. Owns: the stream, the age of its last beat, the fold of its frames.
// Must not know: how anything is drawn. A frozen server fires no error: only the missing beat tells.

import { api } from "./api.js";
import { pick, t } from "./words.js";

const LATE_MS = 3000;
const LOST_MS = 10000;
/** A brain that has not moved for this long is as bad as a dead server, however well its beats arrive. */
const STALLED_MS = 5000;

/** State of a page: alarms by number, counts, health, the tags behind the alarms as they are now, and how old the last beat is. */
export const state = {
  alarms: new Map(), zones: {}, counts: null, health: null, site: null, hello: null, at: null, durable: "0",
  now: {}, beatAt: null, stalledMs: 0, whole: false, link: "connecting", signedIn: null, version: 0,
};

/** What people call where something is; a fault of the program itself is in no zone. */
export const place = (of) => (of.of_the_system ? t("ui.whole_site") : pick(state.zones[of.zone]) || of.zone);

const listeners = new Set();
let source = null;

/** Calls `listener` after every change. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function changed() {
  state.version += 1;
  for (const listener of listeners) listener();
}

let began = 0;
let ahead = null;

/** What the plant's clock shows, milliseconds since 1970. That of this browser may be wrong: it counts only until the server was heard. */
export const plantTime = () => (ahead === null ? Date.now() : performance.now() + ahead);

/** Age of the last beat, milliseconds; before the first, how long it has been waited for. */
export function age() {
  return performance.now() - (state.beatAt ?? began);
}

function judge() {
  const old = age();
  let link = old <= LATE_MS ? "live" : old <= LOST_MS ? "late" : "lost";
  if (link === "live" && !state.whole) link = "connecting";
  if (link !== "lost" && state.stalledMs > STALLED_MS) link = "stalled";
  if (link !== state.link || link !== "live") {
    state.link = link;
    changed();
  }
}

/** What a plant's stream says of alarms. A bureau's page brings a fold of its own. */
function foldAlarms(name, data) {
  if (name === "snapshot") {
    state.alarms = new Map(Object.entries(data.alarms));
    Object.assign(state, { zones: data.zones, counts: data.counts, site: data.site, at: data.at, now: data.now });
  }
  if (name === "delta") {
    for (const [id, alarm] of Object.entries(data.alarms)) state.alarms.set(id, alarm);
    for (const id of data.gone) state.alarms.delete(id);
    Object.assign(state, { counts: data.counts, at: data.at });
  }
  if (name === "beat") Object.assign(state, { counts: data.counts, now: data.now });
}

let foldMore = foldAlarms;
let probe = "";

function fold(name, data) {
  if (data.at) ahead = Date.parse(data.at) + (data.brain_age_ms ?? 0) - performance.now();
  if (name === "hello") state.hello = data;
  if (name === "snapshot") state.whole = true;
  if (name === "beat") Object.assign(state, { health: data.health, at: data.at, durable: data.durable, stalledMs: data.brain_age_ms });
  foldMore(name, data);
  if (name === "bye") state.beatAt = -Infinity;
  else state.beatAt = performance.now();
}

function connect() {
  if (source) source.close();
  source = new EventSource("/api/v1/stream");
  for (const name of ["hello", "snapshot", "delta", "plants", "beat", "bye"]) {
    source.addEventListener(name, (event) => {
      fold(name, JSON.parse(event.data));
      judge();
      changed();
    });
  }
  // A stream does not say why it was refused: a question does, and an ended session shows itself there.
  source.onerror = () => { if (source?.readyState === EventSource.CLOSED) api("GET", probe); };
}

let timers = [];

/** Starts the stream and the watch over it. A browser gives up on some errors: then a new stream is opened; `ask` is a route that says why. */
export function start(more = foldAlarms, ask = "/api/v1/zones?limit=1") {
  [foldMore, probe] = [more, ask];
  Object.assign(state, { alarms: new Map(), counts: null, health: null, at: null, beatAt: null, stalledMs: 0, whole: false, link: "connecting" });
  began = performance.now();
  connect();
  const again = () => {
    if (source.readyState === EventSource.CLOSED || (state.link === "lost" && age() > LOST_MS + 5000 && state.beatAt !== null)) connect();
  };
  timers = [setInterval(judge, 250), setInterval(again, 5000)];
}

/** Ends both: nobody is signed in. */
export function stop() {
  timers.forEach(clearInterval);
  source?.close();
  source = null;
  state.signedIn = null;
}
