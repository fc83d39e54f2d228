// What do the systems disagree about? One at a time, side by side, with one key per system.

import { get, look, Problem } from "../api.js";
import { ago, count, h, table, value } from "../dom.js";
import { filters, pager } from "../lists.js";

export async function page(context) {
  return context.params[0] ? one(context, context.params[0]) : list(context);
}

async function list(context) {
  const { entity, field, system, cursor } = context.query;
  const [found, status] = await Promise.all([get("/conflicts", { entity, field, system, cursor, limit: 50 }), get("/status")]);
  const rows = found.items.map((it) => ({
    key: String(it.id), go: `conflicts/${it.id}?${new URLSearchParams(context.query)}`,
    cells: [h("a", { href: `#/conflicts/${it.id}` }, String(it.id)), h("bdi", {}, it.record), it.field,
      it.candidates.map((one) => h("div", {}, one.author, ": ", value(one.value))), ago(it.opened)],
  }));
  const names = (status.entities ?? []).map((it) => it.entity);
  const systems = (status.systems ?? []).map((it) => it.system);
  return {
    title: "Conflicts",
    body: [
      filters(context, [["entity", "Entity", names], ["field", "Field", null], ["system", "System", systems]]),
      table("Open conflicts, the newest first", ["Id>", "Record", "Field", "Values", "Since"], rows,
        entity || field || system ? "No open conflict fits this filter." : "No conflict is open: what systems disagree about is settled by rule, or they agree. What was settled is in Audit."),
      pager(context, found),
      rows.length > 1 && bulk(context, systems),
    ],
  };
}

/** All that fit the filter, in one decision: what would be done is shown first. */
function bulk(context, systems) {
  const { entity, field, system } = context.query;
  const where = { ...(entity && { entity }), ...(field && { field }), ...(system && { system }) };
  const words = Object.entries(where).map(([name, it]) => `${name}=${it}`).join(" ");
  const take = h("select", { "aria-label": "Whose value" }, systems.concat("newest").map((name) => h("option", { value: name }, name)));
  const shown = h("div", { "aria-live": "polite" });
  const preview = async () => {
    shown.replaceChildren("Looking…");
    try {
      const would = await context.act("POST", "/conflicts/resolve", { where: words, take: take.value, dry_run: true }, { said: "This is what would be done; nothing was changed." });
      if (!would) return shown.replaceChildren();
      const many = would.result?.would?.length ?? would.would?.length ?? 0;
      shown.replaceChildren(h("p", {}, `${count(many)} conflicts would take the value of ${take.value}.`),
        h("button", { class: "main danger", onclick: () => context.act("POST", "/conflicts/resolve", { where: words, take: take.value }, { said: `Settled: ${take.value} was taken.` }) }, `Settle ${count(many)}`));
    } catch (problem) {
      shown.replaceChildren(String(problem.message));
    }
  };
  return h("section", { class: "card", "data-keep": "", key: `bulk-${words}` }, h("h2", {}, words ? `All of this filter (${words})` : "All open conflicts"),
    h("div", { class: "row-of" }, h("label", {}, "Take ", take), h("button", { onclick: preview }, "Preview")), shown);
}

async function one(context, id) {
  let seen;
  try {
    seen = await look(`/conflicts/${id}`);
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 404) {
      return { title: "Conflicts", body: [h("p", { class: "empty" }, `There is no conflict ${id}. `, h("a", { href: "#/conflicts" }, "All that are open"))] };
    }
    throw problem;
  }
  const it = seen.body, etag = seen.etag;
  const near = await neighbours(context, it.id);
  const next = () => near.after && context.go(`conflicts/${near.after}`, context.query);
  const back = () => near.before && context.go(`conflicts/${near.before}`, context.query);
  if (it.settled) {
    return {
      title: `Conflict ${it.id} is settled`, keys: (key) => (key === "j" ? (next(), true) : key === "k" ? (back(), true) : false),
      body: [
        h("p", {}, h("bdi", {}, it.record), ": ", it.field, " was settled by ", it.settled.rule, it.settled.who ? ` (${it.settled.who})` : "", ", ", ago(it.settled.at), "."),
        it.settled.note && h("p", {}, "Note: ", it.settled.note),
        sides(it, null, () => {}),
        h("p", {}, h("a", { href: `#/records/${encodeURIComponent(it.record_id)}` }, "The record"), " · ", h("a", { href: "#/conflicts" }, "Other conflicts")),
      ],
    };
  }
  const chosen = { side: null };
  const note = h("input", { id: "note", size: 36, maxlength: 500 });
  const remember = h("input", { type: "checkbox" });
  const typed = h("input", { id: "typed", size: 24 });
  const choices = it.candidates;
  const pick = (number) => {
    chosen.side = number;
    document.querySelectorAll(".sides .card").forEach((card) => {
      const is = card.dataset.side === String(number);
      card.classList.toggle("chosen", is);
      card.querySelector("button")?.setAttribute("aria-pressed", String(is));
    });
    document.getElementById("result")?.replaceChildren(number === null ? "choose a value" : number === 0 ? value(it.base) : value(choices[number - 1]?.value));
  };
  const apply = () => {
    const said = { ...(note.value.trim() && { note: note.value.trim() }), ...(remember.checked && { remember: true }) };
    const decision = typed.value !== "" ? { value: typed.value } : chosen.side === null ? null : chosen.side === 0 ? { keep_base: true } : { take: choices[chosen.side - 1].author };
    if (!decision) return pick(null);
    // The decision alone: what has happened to the record since stays.
    const undo = async () => {
      const line = await get(`/records/${encodeURIComponent(it.record_id)}/timeline`, { limit: 100 });
      const settled = line.items.find((entry) => entry.kind === "conflict_settled" && entry.field === it.field);
      if (!settled) return null;
      return context.act("POST", `/changes/${settled.change}/rollback`, { yes: true }, { said: (answer) => `Undone. ${answer?.summary ?? ""}` });
    };
    return context.act("POST", `/conflicts/${it.id}/resolve`, { ...decision, ...said }, {
      etag, undo: context.me?.role === "admin" ? undo : null,
      said: (answer) => answer?.summary ?? `Settled: ${it.record} ${it.field}.`,
      then: () => context.go(near.after ? `conflicts/${near.after}` : "conflicts", context.query),
    });
  };
  return {
    title: `Conflict ${it.id}`,
    keys: (key) => {
      if (/^[0-9]$/.test(key) && Number(key) <= choices.length) return pick(Number(key)), true;
      if (key === "Enter" && (chosen.side !== null || typed.value !== "")) return apply(), true;
      if (key === "j" || key === "s") return next(), true;
      if (key === "k") return back(), true;
      return false;
    },
    body: [
      h("p", { key: "of" }, h("a", { href: `#/records/${encodeURIComponent(it.record_id)}` }, h("bdi", {}, it.record)), ", ", h("strong", {}, it.field), ", opened ", ago(it.opened), it.policy && `, policy ${it.policy}`, it.ambiguous && ". Perhaps nobody else changed it: it cannot be told."),
      sides(it, chosen, pick),
      h("section", { class: "card", "data-keep": "", key: `decide-${it.id}` },
        h("p", {}, "Result: ", h("span", { id: "result", "aria-live": "polite" }, "choose a value")),
        h("div", { class: "row-of" }, h("label", { for: "typed" }, "or another value"), typed, h("label", { for: "note" }, "note"), note),
        h("div", { class: "row-of" }, h("label", {}, remember, " propose a rule for next time")),
        h("div", { class: "row-of" },
          h("button", { class: "main", onclick: apply }, "Apply ", h("kbd", {}, "⏎")), h("button", { onclick: () => { pick(0); apply(); } }, "Keep what was agreed ", h("kbd", {}, "0")),
          h("button", { onclick: next, disabled: !near.after }, "Skip ", h("kbd", {}, "S")), h("button", { onclick: back, disabled: !near.before }, "Previous ", h("kbd", {}, "K"))),
        others(it),
        h("p", { class: "dim" }, "Until it is decided, the field stays in every system as it is there; the record's other fields go on.")),
    ],
  };
}

/** The record's other fields, for whoever wants to know whom this is about. */
function others(it) {
  if (!it.others?.length) return null;
  return h("details", { key: "others" }, h("summary", {}, `${it.others.length} other fields ${it.others.every((one) => one.systems?.every((side) => side.agrees !== false)) ? "agree" : ""}`),
    h("dl", {}, it.others.map((one) => [h("dt", {}, one.field), h("dd", {}, value(one.value))])));
}

function sides(it, chosen, pick) {
  const card = (number, name, shown, facts) => h("div", { class: "card", "data-side": String(number), key: `side-${number}` },
    h("h2", {}, name), h("div", { class: "big" }, value(shown)), h("div", { class: "dim" }, facts),
    chosen && h("button", { "aria-pressed": "false", onclick: () => pick(number) }, number === 0 ? "Keep this " : "Take this ", h("kbd", {}, String(number))));
  return h("div", { class: "sides", key: "sides", "data-keep": "" }, card(0, "agreed before", it.base, ""),
    it.candidates.map((one, at) => card(at + 1, one.author, one.value, [one.actor && [h("bdi", {}, one.actor), " "], one.at && ago(one.at), sameAs(it, at)])));
}

function sameAs(it, at) {
  const same = JSON.stringify(it.candidates[at].value) === JSON.stringify(it.base);
  return same ? " unchanged" : h("span", {}, " changed");
}

async function neighbours(context, id) {
  const { entity, field, system } = context.query;
  const found = await get("/conflicts", { entity, field, system, limit: 200 });
  const ids = found.items.map((it) => it.id);
  const at = ids.indexOf(id);
  return at < 0 ? { after: ids[0] ?? null, before: null } : { after: ids[at + 1] ?? null, before: ids[at - 1] ?? null };
}
