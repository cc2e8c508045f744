// What a page asks for again and again while it is on screen. Owns: the asking, and the word that what is shown grows old.
// Must not know: what is asked for.

import { h } from "./vendor/preact.js";
import { useEffect, useRef, useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { problem } from "./api.js";
import { t } from "./words.js";

const html = htm.bind(h);
/** An answer that is this much later than it was to be asked for is old, milliseconds. */
const OLD_MS = 10000;

/** `{body, fault, until, again}` of what `load` answers, asked `ms` after each answer, and anew when `about` changes; `again` asks at once. */
export function useAsked(load, ms, about) {
  const [got, setGot] = useState({ body: null, fault: "", at: performance.now() });
  const again = useRef(() => {});
  useEffect(() => {
    let here = true;
    let turn = 0;
    let timer = 0;
    const ask = async () => {
      if (!here) return;
      clearTimeout(timer);
      turn += 1;
      const mine = turn;
      const answer = await load();
      if (!here || mine !== turn) return;
      setGot((before) => (answer.ok ? { body: answer.body, fault: "", at: performance.now() } : { ...before, fault: problem(answer.body) }));
      timer = setTimeout(ask, ms);
    };
    again.current = ask;
    ask();
    return () => { here = false; clearTimeout(timer); };
  }, about);
  return { ...got, until: got.at + ms + OLD_MS, again: () => again.current() };
}

/** What was asked for, once it is there; greyed and with its age once it is not being renewed. */
export function Fresh({ of, children }) {
  const isOld = of.fault || performance.now() > of.until;
  const seconds = Math.floor((performance.now() - of.at) / 1000);
  return html`${isOld && html`<p class="strip" role="alert">${t("ui.not.renewed", seconds, of.fault || t("ui.unanswered"))}</p>`}
    <div class=${isOld ? "old" : ""}>${of.body ? children() : html`<p>…</p>`}</div>`;
}
