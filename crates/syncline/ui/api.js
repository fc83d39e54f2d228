// The one way to the server: the public API, as any other program uses it.

const ROOT = "api/v1";

/** What the server says no with. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.title ?? body.detail ?? `the server answered ${status}`);
    Object.assign(this, { status, ...body });
  }
}

async function call(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(`${ROOT}${path}`, {
      method,
      credentials: "same-origin",
      headers: { accept: "application/json", ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { code: "server.away", title: "The server does not answer", detail: "It is asked again in a moment." });
  }
  const text = await answer.text();
  let read = {};
  try {
    read = text ? JSON.parse(text) : {};
  } catch {
    read = { title: `the server answered ${answer.status} with something else than JSON` };
  }
  if (!answer.ok) throw new Problem(answer.status, read);
  return { body: read, etag: answer.headers.get("etag"), location: answer.headers.get("location") };
}

/** Looks something up. `query`: what is not said is left out. */
export async function get(path, query = {}) {
  return (await look(path, query)).body;
}

/** The same, with the tag of what was seen, for a decision about it. */
export async function look(path, query = {}) {
  const said = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(said).toString();
  return call("GET", text ? `${path}?${text}` : path);
}

/** Does something, once: the same click repeated by a bad line is answered as before. */
export async function act(method, path, body = {}, etag = null) {
  const headers = { "idempotency-key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
  if (etag) headers["if-match"] = etag;
  return (await call(method, path, body, headers)).body;
}

/** What events are called. */
const NAMES = ["message", "change", "conflict", "quarantine", "run", "guard", "action", "status", "system"];

/** Hears what happens. `heard(event)`, `changed(isLive)`. The browser asks again by itself, from where it was. */
export function events(heard, changed) {
  let source = null, closed = false;
  const hear = (message) => {
    try {
      heard({ ...JSON.parse(message.data), event: message.type });
    } catch {
      heard({ event: message.type });
    }
  };
  const listen = () => {
    if (closed) return;
    source = new EventSource(`${ROOT}/events`);
    source.onopen = () => changed(true);
    source.onerror = () => {
      changed(false);
      // A server that answers, but not with events, ends the browser's own patience.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
    };
    for (const name of NAMES) source.addEventListener(name, hear);
  };
  listen();
  return { close: () => { closed = true; source?.close(); } };
}
