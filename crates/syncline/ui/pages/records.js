// What happened to this record, and why does a field have its value?

import { get } from "../api.js";
import { ago, full, h, table, value } from "../dom.js";
import { filters, pager } from "../lists.js";

export async function page(context) {
  return context.params[0] ? one(context, context.params[0]) : list(context);
}

async function list(context) {
  const { entity, q, system, key, cursor } = context.query;
  const [first, status] = await Promise.all([get("/records", { entity, q, system, key, cursor, limit: 50 }), get("/status")]);
  let found = first;
  // A search among very many ends a page early rather than let anybody wait: it goes on until it finds something.
  for (let more = 0; more < 100 && !found.items.length && found.next; more++) {
    found = await get("/records", { entity, q, system, key, cursor: found.next, limit: 50 });
  }
  return {
    title: q ? `Records: ${q}` : "Records",
    body: [
      filters(context, [["entity", "Entity", (status.entities ?? []).map((it) => it.entity)], ["q", "Text", null], ["system", "System", (status.systems ?? []).map((it) => it.system)], ["key", "Key there", null]]),
      table("Records", ["Record", "Entity", "In", "Values"], found.items.map((it) => ({
        key: it.id, go: `records/${encodeURIComponent(it.id)}`,
        cells: [h("a", { href: `#/records/${encodeURIComponent(it.id)}` }, h("bdi", {}, it.record ?? it.name ?? it.id)), it.entity, links(it), preview(it)],
      })), q || key ? "No record matches. Out of scope? Rows that `when:` leaves out are in no system but their own." : "No record yet: nothing has been synchronised."),
      pager(context, found),
    ],
  };
}

function links(it) {
  return (it.rows ?? []).map((row) => [h("code", {}, `${row.system}:${row.key}`), row.present ? " " : " (gone) "]);
}

function preview(it) {
  return Object.entries(it.values ?? {}).slice(0, 4).map(([name, shown]) => h("span", {}, h("span", { class: "dim" }, `${name} `), value(shown), "  "));
}

async function one(context, id) {
  const at = context.query.at;
  const to = `/records/${encodeURIComponent(id)}`;
  const [now, line, then] = await Promise.all([get(to), get(`${to}/timeline`, { limit: 50, cursor: context.query.cursor }),
    at || context.query.field ? get(`${to}/explain`, { at, field: context.query.field }) : null]);
  const it = at ? { ...now, ...then, fields: then.fields } : now;
  const why = context.query.field && then?.fields?.[0];
  return {
    title: now.record,
    body: [
      h("p", { key: "links" }, now.entity, now.alive ? ": " : ", deleted: ", links(now)),
      (now.open_conflicts ?? []).map((number) => h("p", { key: `conflict-${number}`, class: "card need" }, "An open conflict: ", h("a", { href: `#/conflicts/${number.id ?? number}` }, `decide ${number.id ?? number}`))),
      h("div", { class: "row-of", key: "do" },
        h("button", { onclick: () => context.act("POST", `${to}/refresh`, {}, { said: "Read again in every system." }) }, "Read again"),
        (it.fields ?? []).some((field) => field.hidden) && h("button", { onclick: () => reveal(context, to) }, "Show hidden values"),
        at && h("button", { onclick: () => context.filter({ at: "" }) }, "As it is now")),
      at && h("p", { class: "card need", key: "at" }, `As it was on ${full(new Date(at))}. `, h("button", { class: "danger", onclick: () => rollBack(context, to, at) }, "Roll the record back to then")),
      why && h("section", { class: "card", key: "why" }, h("h2", {}, `Why ${why.field} is so`), h("p", {}, value(why.value), ` because ${why.why}; policy ${why.policy}`), h("p", { class: "code" }, why.map),
        h("ol", { class: "line" }, (why.chain ?? []).map((step) => h("li", {}, value(typeof step === "string" ? step : step.what ?? JSON.stringify(step)))))),
      h("section", { key: "fields" }, fieldsTable(context, it, now)),
      Object.entries(now.lines ?? {}).map(([name, rows]) => h("section", { key: `lines-${name}` }, lineTable(name, rows))),
      h("section", { key: "line" }, h("h2", {}, "Timeline"), h("ol", { class: "line" }, line.items.map((entry) => h("li", { key: entry.change },
        ago(entry.at), " ", h("bdi", {}, entry.what), entry.actor && [" ", h("span", { class: "dim" }, h("bdi", {}, entry.actor))], " ",
        h("a", { href: `#/records/${encodeURIComponent(id)}?at=${encodeURIComponent(entry.instant ?? entry.at)}` }, "as it was then"), " ",
        h("a", { href: `#/runs/${encodeURIComponent(entry.run)}` }, entry.run)))),
        line.items.length === 0 && h("p", { class: "empty" }, "Nothing has changed in the time that is kept.")),
      pager(context, line),
    ],
  };
}

/** One row per field, one column per system. */
function fieldsTable(context, it, now) {
  const systems = [...new Set((it.fields ?? []).flatMap((field) => (field.systems ?? []).map((one) => one.system)))];
  return table("Fields", ["Field", "Hub", ...systems, "Why"], (it.fields ?? []).map((field) => ({
    key: field.field,
    cells: [field.field, value(field.value),
      ...systems.map((system) => side((field.systems ?? []).find((one) => one.system === system))),
      [field.why, " ", h("a", { href: `#/records/${encodeURIComponent(now.id)}?${new URLSearchParams({ ...context.query, field: field.field })}`, "aria-label": `explain ${field.field}` }, "explain")]],
  })), "No field.");
}

function side(one) {
  if (!one) return h("span", { class: "dim" }, "-");
  if (one.agreed) return h("span", {}, "✓ ", value(one.native));
  return [h("strong", {}, one.agreed === false ? "differs " : ""), value(one.native)];
}

function lineTable(name, rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row.values ?? row)))];
  return table(name, columns, rows.map((row, number) => ({ key: String(number), cells: columns.map((column) => value((row.values ?? row)[column])) })), "No line.");
}

/** What is hidden, for as long as somebody looks: who asked is on the books. */
async function reveal(context, to) {
  const answer = await context.act("POST", `${to}/reveal`, {}, { said: "That you looked is on the books." });
  const values = Object.entries(answer?.result?.values ?? {});
  if (!answer) return;
  const systems = [...new Set(values.flatMap(([, it]) => Object.keys(it.systems ?? {})))];
  const dialog = h("dialog", { "aria-label": "Hidden values" }, h("h2", {}, "Hidden values"), h("p", { class: "dim" }, "That you looked is on the books."),
    table("Hidden values", ["Field", "Hub", ...systems], values.map(([name, it]) => ({ key: name, cells: [name, value(it.value), ...systems.map((system) => value(it.systems?.[system]))] })), "Nothing is hidden."),
    h("button", { class: "main", onclick: () => dialog.close() }, "Close"));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}

async function rollBack(context, to, at) {
  const plan = await context.act("POST", `${to}/rollback`, { to: at }, { said: "This is what would be done; nothing was changed." });
  if (!plan) return;
  const text = plan.summary ?? JSON.stringify(plan);
  const dialog = h("dialog", { "aria-label": "Roll back" }, h("h2", {}, "Roll the record back?"), h("p", {}, text),
    h("div", { class: "row-of" }, h("button", { class: "main danger", onclick: () => { dialog.close(); context.act("POST", `${to}/rollback`, { to: at, yes: true }, { said: (answer) => answer.summary ?? "Rolled back.", then: () => context.filter({ at: "" }) }); } }, "Roll back"), h("button", { onclick: () => dialog.close() }, "Leave it")));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}
