// What a guard has stopped: apply it, put the origin back as it was, or do nothing.

import { get, look } from "../api.js";
import { ago, count, h, state, table, value } from "../dom.js";

export async function page(context) {
  return context.params[0] ? one(context, context.params[0]) : list(context);
}

const percent = (it) => (it.linked ? `${((100 * it.count) / it.linked).toFixed(1)} %` : "-");

async function list(context) {
  const found = await get("/guards", { limit: 100, state: context.query.state });
  return {
    title: "Approvals",
    body: [table("Guards that wait for a person", ["Id>", "Entity", "System", "What", "Rows>", "Of linked>", "Limit>", "Since"], found.items.map((it) => ({
      key: String(it.id), go: `approvals/${it.id}`,
      cells: [h("a", { href: `#/approvals/${it.id}` }, String(it.id)), it.entity, it.system, h("code", {}, it.code), count(it.count), percent(it), count(it.max), ago(it.at)],
    })), "No guard waits. Mass changes, mass deletes and empty sources stop here first.")],
  };
}

async function one(context, id) {
  const { body: it, etag } = await look(`/guards/${id}`);
  const word = it.digest?.slice(0, 6) ?? String(it.id);
  const typed = h("input", { id: "typed", size: 10, autocomplete: "off" });
  const open = it.state === "open";
  const may = () => typed.value.trim() === word || (typed.focus(), false);
  const doing = (verb, said) => () => may() && context.act("POST", `/guards/${id}/${verb}`, {}, { etag, said, then: () => context.go("approvals") });
  return {
    title: `${it.entity}: ${count(it.count)} rows of ${it.system}`,
    keys: (key) => open && ["a", "r", "n"].includes(key) ? (document.getElementById(`do-${key}`)?.focus(), true) : false,
    body: [
      h("p", { key: "facts" }, open ? state("bad", "waits") : state("off", it.state), " ", h("code", {}, it.code), ` ${count(it.count)} of ${count(it.linked)} linked rows (${percent(it)}), limit ${count(it.max)}, `, ago(it.at)),
      h("section", { key: "samples" }, h("h2", {}, "Some of them"), h("ul", {}, (it.samples ?? []).map((sample) => h("li", {}, value(typeof sample === "string" ? sample : JSON.stringify(sample)))))),
      open && h("section", { class: "card", "data-keep": "", key: "decide" },
        h("p", {}, h("label", { for: "typed" }, "Type ", h("code", {}, word), " first: "), typed),
        h("div", { class: "row-of" },
          h("button", { id: "do-a", class: "main", onclick: doing("apply", "Applied.") }, "Apply it ", h("kbd", {}, "A")),
          h("button", { id: "do-r", class: "danger", onclick: doing("reverse", "The origin was put back as it was.") }, "Reverse: put the origin back ", h("kbd", {}, "R")),
          h("button", { id: "do-n", onclick: doing("dismiss", "Nothing was done; it trips again if it comes again.") }, "Do nothing ", h("kbd", {}, "N")))),
      h("p", { class: "dim", key: "terminal" }, "In a terminal: ", h("code", {}, `syncline guards show ${id}`)),
    ],
  };
}
