// Who did what with Syncline.

import { get } from "../api.js";
import { ago, h, table } from "../dom.js";
import { filters, pager } from "../lists.js";

export async function page(context) {
  const { actor, since, cursor } = context.query;
  const found = await get("/audit", { actor, since, cursor, limit: 50 });
  const csv = () => {
    const cell = (text) => `"${String(text ?? "").replaceAll('"', '""').replace(/^[=+\-@\t\r]/, "'$&")}"`;
    const text = ["at,who,what,on,how", ...found.items.map((it) => [it.at, it.who, it.what, it.on, it.how].map(cell).join(","))].join("\r\n");
    const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "audit.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return {
    title: "Audit",
    body: [
      filters(context, [["actor", "Who", null], ["since", "Since (7d, or a time)", null]]),
      table("What people and programs have done", ["When", "Who", "What", "On", "How"], found.items.map((it) => ({ key: String(it.action), cells: [ago(it.at), h("bdi", {}, it.who), it.what, h("bdi", {}, it.on), h("bdi", {}, it.how)] })), "Nobody has done anything yet."),
      pager(context, found),
      found.items.length > 0 && h("div", { class: "row-of", key: "export" }, h("button", { onclick: csv }, "This page as CSV"), h("span", { class: "dim" }, "All of it, and whether the chain is whole: "), h("code", {}, "syncline audit --export csv"), h("code", {}, "syncline audit --verify-chain")),
    ],
  };
}
