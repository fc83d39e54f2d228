// Filters that live in the address, and pages of long lists.

import { h } from "./dom.js";

/** Fields to filter by: `[name, label, choices or null]`. */
export function filters(context, fields) {
  const input = ([name, label, choices]) => h("label", {}, label, " ", choices ?
    h("select", { onchange: (event) => context.filter({ [name]: event.target.value }), value: context.query[name] ?? "" },
      ["", ...choices].map((choice) => h("option", { value: choice, selected: choice === (context.query[name] ?? "") }, choice || "any"))) :
    h("input", { value: context.query[name] ?? "", size: 14, onchange: (event) => context.filter({ [name]: event.target.value.trim() }) }));
  return h("form", { class: "row-of", key: "filters", "aria-label": "Filter", onsubmit: (event) => event.preventDefault() }, fields.map(input));
}

/** To the next page of a list, and back. */
export function pager(context, list) {
  if (!list.next && !context.query.cursor) return null;
  return h("div", { class: "row-of", key: "pager" },
    context.query.cursor && h("button", { "data-back": true, onclick: () => history.back() }, "Back ", h("kbd", {}, "H")),
    list.next && h("button", { "data-next": true, onclick: () => context.filter({ cursor: list.next }) }, "Next page ", h("kbd", {}, "L")));
}
