// Makes elements, and makes a page that is shown the same as one that was made anew. Text is only ever
// set as text: nothing that comes from a record is read as markup.

/** An element: attributes, properties that begin with `on`, and children (nothing for `null`). */
export function h(tag, attributes = {}, ...children) {
  const space = SVG.has(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const node = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node[name] = value;
    else if (name === "key") node.dataset.key = value;
    else if (name === "value" || name === "checked") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const SVG = new Set(["svg", "g", "rect", "path", "circle", "line", "polyline", "text", "title"]);
const HANDLERS = ["onclick", "onchange", "oninput", "onsubmit", "onkeydown", "ontoggle"];

/** Makes `old` the same as `fresh`, touching only what differs; what a person is typing stays. */
export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || keyOf(old) !== keyOf(fresh)) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) {
      old.data = fresh.data;
      flash(old.parentElement);
    }
    return;
  }
  if (old.hasAttribute("data-keep")) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(old.nodeName === "DETAILS" && name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const handler of HANDLERS) old[handler] = fresh[handler];
  if ("value" in fresh && document.activeElement !== old && old.value !== fresh.value && old.nodeName !== "LI") {
    old.value = fresh.value;
  }
  const known = new Map();
  for (const child of old.childNodes) if (keyOf(child)) known.set(keyOf(child), child);
  let at = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const match = keyOf(next) ? known.get(keyOf(next)) : at && !keyOf(at) ? at : null;
    if (!match) {
      old.insertBefore(next, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else old.insertBefore(match, at);
    morph(match, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function keyOf(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined;
}

function flash(node) {
  const cell = node?.closest("td, .tile");
  if (!cell) return;
  cell.classList.remove("changed");
  void cell.offsetWidth;
  cell.classList.add("changed");
}

/** So much of a value is shown at first. */
const SHOWN = 200;

/** A value of a record, for people: four things stay four things, and its direction is its own. */
export function value(it) {
  if (it === undefined) return h("span", { class: "nothing" }, "not there");
  if (it === null) return h("span", { class: "nothing" }, "empty");
  if (it === "") return h("span", { class: "nothing" }, "empty text");
  const text = typeof it === "string" ? it : JSON.stringify(it);
  const seen = visible(text.slice(0, SHOWN));
  if (text.length <= SHOWN) return h("bdi", { class: "value" }, seen);
  return h("details", { class: "value" }, h("summary", {}, h("bdi", {}, `${seen}… (${count(text.length)} characters)`)),
    h("bdi", { class: "long" }, visible(text.slice(0, 20_000))));
}

/** Characters that show nothing, or turn the line around, as their pictures. */
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

/** `12,345` */
export function count(number) {
  return number === null || number === undefined ? "-" : Number(number).toLocaleString("en");
}

/** `12 min ago`, with the time itself on hover; it goes on by itself. */
export function ago(text) {
  if (!text) return h("span", { class: "nothing" }, "never");
  const at = new Date(text);
  return h("time", { datetime: text, title: full(at) }, `${span(Date.now() - at)} ago`);
}

/** Renews the times that are shown. */
export function tick(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const text = `${span(Date.now() - new Date(time.dateTime))} ago`;
    if (time.textContent !== text) time.textContent = text;
  }
}

/** With its zone. */
export function full(at) {
  return at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) + " " + ZONE;
}

export const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** `0.3 s`, `12 min`, of milliseconds. */
export function span(ms) {
  if (ms === null || ms === undefined) return "-";
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** A word with a shape and a colour: `ok`, `warn`, `bad`, `off`. */
export function state(kind, word) {
  const shape = { ok: "●", warn: "◐", bad: "✕", off: "○" }[kind];
  return h("span", { class: `state ${kind}` }, h("span", { "aria-hidden": "true" }, shape), " ", word);
}

/** A table: `columns` are headings (`>` at the end: numbers), `rows` are `{key, cells, go}`. */
export function table(caption, columns, rows, empty) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  const head = columns.map((name) => h("th", { scope: "col", class: name.endsWith(">") ? "number" : null }, name.replace(/>$/, "")));
  const body = rows.map(({ key, cells, go }) => h("tr", { key, "data-go": go ?? null, tabindex: go ? "-1" : null, class: go ? "row" : null },
    cells.map((cell, at) => h("td", { class: columns[at].endsWith(">") ? "number" : null, "data-label": columns[at].replace(/>$/, "") }, cell))));
  return h("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" },
    h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)));
}
