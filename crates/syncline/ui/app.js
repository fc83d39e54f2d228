// The frame around every page: where we are, what waits, whether it is live, and the keyboard.

import { act, events, get, Problem } from "./api.js";
import { h, morph, state, tick, full } from "./dom.js";
import * as overview from "./pages/overview.js";
import * as conflicts from "./pages/conflicts.js";
import * as quarantine from "./pages/quarantine.js";
import * as approvals from "./pages/approvals.js";
import * as records from "./pages/records.js";
import * as runs from "./pages/runs.js";
import * as audit from "./pages/audit.js";
import * as entities from "./pages/entities.js";
import * as systems from "./pages/systems.js";
import * as settings from "./pages/settings.js";

/** The pages: address, name, key after `G`. */
const PAGES = [
  ["overview", "Overview", "o", overview],
  ["conflicts", "Conflicts", "c", conflicts],
  ["quarantine", "Quarantine", "q", quarantine],
  ["approvals", "Approvals", "p", approvals],
  ["records", "Records", "r", records],
  ["runs", "Runs", "u", runs],
  ["audit", "Audit", "a", audit],
  ["entities", "Entities", "e", entities],
  ["systems", "Systems", "s", systems],
  ["settings", "Settings", "t", settings],
];

const shell = {
  me: null, status: null, isLive: false, isFrozen: false, heardAt: new Date(),
  page: null, serial: 0, due: null, undo: null,
};

/** Where the address says we are: `#/conflicts/318?entity=contacts`. */
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").map(decode);
  const found = PAGES.find(([id]) => id === name) ?? PAGES[0];
  return { found, params: rest.filter(Boolean), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Goes to an address in here. */
export function go(path, query = {}) {
  const said = Object.entries(query).filter(([, it]) => it !== undefined && it !== null && it !== "");
  const text = new URLSearchParams(said).toString();
  const hash = `#/${path}${text ? `?${text}` : ""}`;
  if (location.hash === hash) show();
  else location.hash = hash;
}

/** Looks the page up and shows it; `fresh`: another page than before. */
async function show(fresh = true) {
  const serial = ++shell.serial;
  const here = place();
  const context = { params: here.params, query: here.query, go, act: decide, me: shell.me, refresh: () => show(false), filter: (more) => go([here.found[0], ...here.params.map(encodeURIComponent)].join("/"), { ...here.query, cursor: "", ...more }) };
  let made;
  try {
    made = await here.found[3].page(context);
  } catch (problem) {
    if (problem.status === 401) return signIn();
    if (problem.status === 0 && !fresh) return frame();
    made = { title: here.found[1], body: [failed(problem)] };
  }
  if (serial !== shell.serial) return;
  shell.page = made;
  document.title = `${made.title} · Syncline`;
  const body = h("main", { id: "main", tabindex: "-1", key: `${here.found[0]}/${here.params.join("/")}` }, h("h1", { key: "title" }, made.title), made.body);
  if (fresh || !document.getElementById("main")) {
    frame(body);
    if (shell.moved) document.getElementById("main").focus({ preventScroll: false });
    shell.moved = true;
  } else {
    frame();
    morph(document.getElementById("main"), body);
  }
}

/** What went wrong, with the cause and the next step. */
export function failed(problem) {
  if (!(problem instanceof Problem)) console.error(problem);
  return h("div", { class: "problem", role: "alert", key: "problem" },
    h("p", {}, h("strong", {}, problem.title ?? problem.message ?? "This page has a fault"), problem.code && [" ", h("code", {}, problem.code)]),
    problem.detail && problem.detail !== problem.title && h("p", {}, problem.detail),
    problem.cause && h("p", {}, "Cause: ", problem.cause),
    problem.done && h("p", {}, "Done: ", problem.done),
    problem.fix && h("p", {}, "Next: ", h("code", {}, problem.fix)));
}

/** Does something that a person has decided, says what came of it, and looks again. */
async function decide(method, path, body, { etag = null, said = "Done.", undo = null, then = null } = {}) {
  notice("Applying…");
  try {
    const answer = await act(method, path, body, etag);
    if (answer.error) throw new Problem(200, answer.error);
    notice(typeof said === "function" ? said(answer) : said, undo);
    if (then) then(answer);
    await Promise.all([lookAround(), show(false)]);
    return answer;
  } catch (problem) {
    if (problem.status === 401) return signIn();
    notice(null);
    document.querySelector("#main .problem")?.remove();
    const told = failed(problem.status === 412 ? Object.assign(problem, { detail: `${problem.detail ?? ""} Somebody else has decided or it has changed meanwhile: the page shows it as it is now.` }) : problem);
    document.getElementById("main").prepend(told);
    told.scrollIntoView({ block: "nearest" });
    await show(false);
    document.getElementById("main").prepend(told);
    return null;
  }
}

/** How long a decision can be undone here; later it can from the record. */
const UNDO_MS = 600_000;

function notice(text, undo = null) {
  shell.undo = undo;
  if (undo) setTimeout(() => shell.undo === undo && notice(text), UNDO_MS);
  const old = document.getElementById("notice");
  const fresh = h("div", { id: "notice", role: "status", class: text ? "notice" : null },
    text && h("span", {}, text), text && undo && h("button", { onclick: () => shell.undo?.() }, "Undo ", h("kbd", {}, "U")),
    text && h("button", { onclick: () => notice(null) }, "Close"));
  old?.replaceWith(fresh);
}

/** The numbers in the frame. */
async function lookAround() {
  try {
    shell.status = await get("/status");
    shell.heardAt = new Date();
  } catch (problem) {
    if (problem.status === 401) signIn();
  }
}

/** Draws the frame, and the page in it if one is given. */
function frame(body) {
  const here = place();
  const open = needs();
  const link = ([id, name, key]) => h("li", {}, h("a", { href: `#/${id}`, "aria-current": here.found[0] === id ? "page" : null, title: `G ${key.toUpperCase()}` }, name,
    open[id] ? [" ", h("span", { class: "badge", "aria-label": `${open[id]} wait` }, String(open[id]))] : null));
  const live = shell.isFrozen ? state("off", "frozen") : shell.isLive ? state("ok", "live") :
    state("warn", `reconnecting, data as of ${shell.heardAt.toLocaleTimeString("en-GB")}`);
  const header = h("header", { class: "top", key: "top" },
    h("button", { class: "skip", onclick: () => document.getElementById("main").focus() }, "Skip to the page"),
    h("a", { class: "brand", href: "#/overview" }, "Syncline"),
    h("nav", { "aria-label": "Pages" }, h("ul", {}, PAGES.map(link))),
    h("form", { role: "search", onsubmit: search, "data-keep": "" }, h("input", { id: "search", type: "search", placeholder: "Search a record  /", "aria-label": "Search a record", autocomplete: "off" })),
    h("span", { "aria-live": "polite" }, live),
    h("button", { onclick: freeze, "aria-pressed": String(shell.isFrozen) }, shell.isFrozen ? "Go on" : "Freeze"),
    h("button", { onclick: theme, "aria-label": "Dark or light" }, "◑"),
    h("button", { onclick: help, "aria-label": "Help: the keyboard" }, "?"));
  const app = document.getElementById("app");
  if (!app.querySelector("header.top")) {
    app.replaceChildren(header, body ?? h("main", { id: "main" }), h("div", { id: "notice", role: "status" }));
    return;
  }
  morph(app.querySelector("header.top"), header);
  if (body) document.getElementById("main").replaceWith(body);
}

function needs() {
  const sum = (name) => (shell.status?.entities ?? []).reduce((all, entity) => all + (entity[name] ?? 0), 0);
  return { conflicts: sum("conflicts"), quarantine: sum("quarantined"), approvals: sum("guards") };
}

function search(event) {
  event.preventDefault();
  const text = document.getElementById("search").value.trim();
  if (text) go("records", { q: text });
}

function freeze() {
  shell.isFrozen = !shell.isFrozen;
  frame();
  if (!shell.isFrozen) show(false);
}

function theme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
}

/** Something happened: soon, once for many, the page is looked up again. */
function heard() {
  shell.heardAt = new Date();
  if (shell.isFrozen || shell.due || document.hidden) return;
  shell.due = setTimeout(async () => {
    shell.due = null;
    if (shell.isFrozen) return;
    await lookAround();
    await show(false);
  }, 700);
}

function signIn() {
  shell.serial++;
  document.title = "Sign in · Syncline";
  const problem = h("div", { role: "alert" });
  const token = h("input", { type: "password", autocomplete: "current-password", required: true, id: "token" });
  const submit = async (event) => {
    event.preventDefault();
    try {
      await act("POST", "/session", { token: token.value });
      start();
    } catch (refused) {
      problem.replaceChildren(failed(refused));
    }
  };
  document.getElementById("app").replaceChildren(h("main", { id: "main" }, h("h1", {}, "Sign in"),
    h("form", { onsubmit: submit }, h("p", {}, h("label", { for: "token" }, "Access token"), h("br", {}), token), h("button", { class: "main" }, "Sign in")),
    problem, h("p", { class: "dim" }, "Whoever administers Syncline makes one: ", h("code", {}, "syncline tokens new NAME --role steward"))));
  token.focus();
}

const KEYS = [["/", "search a record"], ["G then O C Q P R U A E S T", "go to a page"], ["J K", "next and previous row, or conflict"], ["H L", "previous and next page of a list"],
  ["Enter", "open a row, apply a decision"], ["1 … 9", "take a system's value"], ["0", "keep what was agreed"], ["S", "skip this conflict"], ["U", "undo"], ["F", "freeze, go on"], ["?", "this help"]];

function help() {
  const off = localStorage.getItem("keys") === "off";
  const dialog = h("dialog", { "aria-label": "The keyboard", onclick: null },
    h("h2", {}, "The keyboard"),
    h("dl", {}, KEYS.flatMap(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("p", {}, h("label", {}, h("input", { type: "checkbox", checked: !off, onchange: (event) => localStorage.setItem("keys", event.target.checked ? "on" : "off") }), " Single keys do something")),
    h("p", { class: "dim" }, `Times are in ${Intl.DateTimeFormat().resolvedOptions().timeZone}; now ${full(new Date())}.`),
    h("button", { class: "main", onclick: () => dialog.close() }, "Close"));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}

let prefix = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.nodeName);
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (localStorage.getItem("keys") === "off" && event.key !== "?" && event.key !== "Enter") return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const page = prefix && PAGES.find(([, , letter]) => letter === key);
  const was = prefix;
  prefix = false;
  if (page) return go(page[0]);
  if (was) return;
  if (shell.page?.keys?.(key, event)) return event.preventDefault();
  if (key === "g") prefix = true;
  else if (key === "/") { event.preventDefault(); document.getElementById("search")?.focus(); }
  else if (key === "?") help();
  else if (key === "f") freeze();
  else if (key === "u" && shell.undo) shell.undo();
  else if (key === "j" || key === "k") rows(key === "j" ? 1 : -1);
  else if (key === "h") document.querySelector("[data-back]")?.click();
  else if (key === "l") document.querySelector("[data-next]")?.click();
  else if (key === "Enter" && event.target.dataset?.go) go(event.target.dataset.go);
  else return;
});

/** The next row, or the one before, has the focus. */
function rows(step) {
  const all = [...document.querySelectorAll("tr.row")];
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  all[Math.min(all.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step))].focus();
}

document.addEventListener("click", (event) => {
  const row = event.target.closest("tr.row");
  if (row && !event.target.closest("a, button, input, select, label, summary") && !String(getSelection())) go(row.dataset.go);
});

async function start() {
  try {
    shell.me = await get("/me");
  } catch (problem) {
    if (problem.status === 401) return signIn();
  }
  await lookAround();
  await show();
  shell.source?.close();
  shell.source = events(heard, (isLive) => {
    const was = shell.isLive;
    shell.isLive = isLive;
    frame();
    // What was missed meanwhile is looked up.
    if (isLive && !was) heard();
  });
}

window.addEventListener("hashchange", () => show());
document.addEventListener("visibilitychange", () => { if (!document.hidden) heard(); });
setInterval(() => { if (!shell.isFrozen) tick(document); }, 1000);
start();
