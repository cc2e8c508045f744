// Sign-in, of a plant's console and of a bureau's: until somebody is known, nothing else is shown. Must not know: what is shown then.

import { h, render } from "./vendor/preact.js";
import { useState } from "./vendor/preact-hooks.js";
import htm from "./vendor/htm.js";
import { lang, loadWords, setLang, t } from "./words.js";
import { api, onSessionEnded, problem } from "./api.js";

const html = htm.bind(h);

function SignIn({ done, why }) {
  const [token, setToken] = useState("");
  const [fault, setFault] = useState("");
  const [, redraw] = useState(0);
  const other = lang() === "zh" ? "en" : "zh";
  document.title = t("app.title");
  const submit = async (event) => {
    event.preventDefault();
    const answer = await api("POST", "/api/v1/session", { token });
    if (answer.ok) done();
    else setFault(answer.status === 401 ? t("ui.sign.in.wrong") : problem(answer.body));
  };
  return html`<form class="signin" onSubmit=${submit}>
    <h1>${t("app.title")}</h1>${why && html`<p class="strip" role="alert">${t(why)}</p>`}<p>${t("ui.not.sis")}</p>
    <label>${t("ui.token")}<input type="password" autocomplete="current-password" value=${token} onInput=${(e) => setToken(e.target.value)} /></label>
    <div class="buttons"><button class="main">${t("ui.sign.in")}</button>
    <button type="button" onClick=${() => { setLang(other); redraw(Date.now()); }}>${other === "en" ? "EN" : "中文"}</button></div>
    ${fault && html`<p role="alert">${fault}</p>`}
  </form>`;
}

/** Shows what `enter(who, leave)` gives for whoever signs in, and the sign-in page before and after; `leave` is called when nobody is signed in. */
export async function begin({ enter, leave }) {
  await loadWords();
  const root = document.getElementById("app");
  const given = location.hash.match(/^#token=(.+)$/);
  if (given) {
    history.replaceState(null, "", "/");
    await api("POST", "/api/v1/session", { token: given[1] });
  }
  let inside = false;
  const show = (view) => { render(null, root); render(view, root); };
  const ask = (why) => { inside = false; leave(); show(html`<${SignIn} done=${come} why=${why} />`); };
  const go = async () => {
    const answer = await api("DELETE", "/api/v1/session");
    // A session that goes on must not look ended.
    if (answer.ok) ask("");
  };
  const come = async () => {
    const who = await api("GET", "/api/v1/session");
    if (!who.ok) return ask("");
    inside = true;
    show(enter(who.body, go));
  };
  onSessionEnded(() => inside && ask("ui.sign.in.ended"));
  await come();
}
