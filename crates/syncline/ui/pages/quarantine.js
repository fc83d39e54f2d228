// What was set aside, and why: mend it and send it again, or let go of it with a reason.

import { get, look, Problem } from "../api.js";
import { ago, count, h, table, value } from "../dom.js";
import { filters, pager } from "../lists.js";

export async function page(context) {
  return context.params[0] ? one(context, context.params[0]) : list(context);
}

async function list(context) {
  const { entity, code, cursor } = context.query;
  const [found, status] = await Promise.all([get("/quarantine", { entity, code, cursor, limit: 50 }), get("/status")]);
  const items = found.items.filter((it) => !it.dropped);
  const codes = [...new Set(items.map((it) => it.code))].sort();
  const groups = codes.map((name) => h("span", { key: name }, h("a", { href: `#/quarantine?code=${encodeURIComponent(name)}` }, name), ` (${items.filter((it) => it.code === name).length}${found.next ? "+" : ""})`));
  return {
    title: "Quarantine",
    body: [
      filters(context, [["entity", "Entity", (status.entities ?? []).map((it) => it.entity)], ["code", "Cause", codes.length ? codes : null]]),
      items.length > 0 && h("p", { class: "row-of", key: "groups" }, groups),
      table("Set aside", ["Id>", "Record", "Way", "Cause", "Tried>", "Since"], items.map((it) => ({
        key: String(it.id), go: `quarantine/${it.id}`,
        cells: [h("a", { href: `#/quarantine/${it.id}` }, String(it.id)), h("bdi", {}, it.record ?? it.entity), it.route, [h("code", {}, it.code), " ", h("bdi", {}, it.message)], count(it.tries), ago(it.since)],
      })), "Nothing is held back."),
      pager(context, found),
      items.length > 0 && h("div", { class: "row-of", key: "all" }, h("button", { onclick: () => context.act("POST", "/quarantine/retry", code ? { code } : { all: true }, { said: "Tried again." }) }, code ? `Try all of ${code} again` : "Try all again")),
    ],
  };
}

async function one(context, id) {
  let seen;
  try {
    seen = await look(`/quarantine/${id}`);
  } catch (problem) {
    if (problem instanceof Problem && problem.status === 404) {
      return { title: "Quarantine", body: [h("p", { class: "empty" }, `Entry ${id} is not there any more: it was taken, or the cause is gone. `, h("a", { href: "#/quarantine" }, "What is set aside"))] };
    }
    throw problem;
  }
  const { body: it, etag } = seen;
  const to = `/quarantine/${id}`;
  const has = it.record && it.record !== "-";
  const record = has ? await get(`/records/${encodeURIComponent(it.record)}`).catch(() => null) : null;
  const fields = Object.entries(record?.values ?? {});
  const inputs = new Map();
  const reason = h("input", { id: "reason", size: 40, maxlength: 500 });
  const edit = () => {
    const set = {};
    for (const [name, { input, was }] of inputs) if (input.value !== was) set[name] = input.value;
    if (Object.keys(set).length) context.act("PATCH", to, { set }, { etag, said: "Corrected, and sent again." });
  };
  return {
    title: `Set aside: ${has ? it.record : it.entity}`,
    body: [
      h("div", { class: "card need", key: "why" }, h("p", {}, h("code", {}, it.code), " ", h("bdi", {}, it.message)), h("p", { class: "dim" }, `${it.route}, tried ${count(it.tries)} times, `, ago(it.since)),
        it.fix && h("p", {}, "Next: ", h("code", {}, it.fix))),
      h("div", { class: "row-of", key: "do" }, h("button", { class: "main", onclick: () => context.act("POST", `${to}/retry`, {}, { etag, said: "Tried again." }) }, "Try again"),
        record && h("a", { href: `#/records/${encodeURIComponent(record.id)}` }, "The record")),
      it.row && h("details", { key: "row" }, h("summary", {}, "The row as it was shown"), h("dl", {}, Object.entries(it.row).map(([name, shown]) => [h("dt", {}, name), h("dd", {}, value(shown))]))),
      fields.length > 0 && h("section", { "data-keep": "", key: "edit" }, h("h2", {}, "Correct the record and send it again"),
        fields.map(([name, shown]) => {
          const text = shown === null ? "" : typeof shown === "string" ? shown : JSON.stringify(shown);
          const input = h("input", { value: text, id: `f-${name}`, size: 32 });
          inputs.set(name, { input, was: text });
          return h("div", { class: "row-of" }, h("label", { for: `f-${name}` }, name), input);
        }), h("button", { onclick: edit }, "Correct and send again")),
      h("section", { "data-keep": "", key: "drop" }, h("h2", {}, "Let go of it"), h("div", { class: "row-of" }, h("label", { for: "reason" }, "Reason"), reason,
        h("button", { class: "danger", onclick: () => reason.value.trim() ? context.act("DELETE", to, { reason: reason.value.trim() }, { etag, said: "Let go; the row's next version is taken again.", then: () => context.go("quarantine") }) : reason.focus() }, "Drop"))),
      it.related?.length > 0 && h("p", { key: "related" }, "Waits for, or looks like: ", it.related.map((record) => [h("a", { href: `#/records/${encodeURIComponent(record)}` }, value(record)), " "])),
    ],
  };
}
