// One request to the API. Must not know: what it is for.

/** `{ok, status, body}`; a broken connection is an answer too. */
export async function api(method, path, body) {
  try {
    const options = { method, headers: body ? { "Content-Type": "application/json" } : {} };
    if (body) options.body = JSON.stringify(body);
    if (method !== "GET") options.headers["Idempotency-Key"] = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
    const answer = await fetch(path, options);
    const text = await answer.text();
    return { ok: answer.ok, status: answer.status, body: text ? JSON.parse(text) : {} };
  } catch (error) {
    return { ok: false, status: 0, body: { detail: String(error) } };
  }
}
