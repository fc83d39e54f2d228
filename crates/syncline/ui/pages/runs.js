// What happened when: each run, what it looked at, what it wrote.

import { get } from "../api.js";
import { ago, count, full, h, span, state, table } from "../dom.js";
import { lines, waterfall } from "../charts.js";
import { filters, pager } from "../lists.js";

export async function page(context) {
  return context.params[0] ? one(context, context.params[0]) : list(context);
}

const KIND = { ok: "ok", partial: "warn", failed: "bad", refused: "bad", stopped: "off" };

export function outcome(it) {
  return it.ended ? state(KIND[it.outcome] ?? "off", it.outcome) : state("warn", "under way");
}

function wrote(it) {
  return (it.writes ?? []).map((one) => `${one.system} +${count(one.creates)} ~${count(one.updates)} -${count(one.deletes)}`).join(", ");
}

async function list(context) {
  const { entity, kind, trigger, outcome: ended, cursor } = context.query;
  const [found, status] = await Promise.all([get("/runs", { entity, kind, trigger, outcome: ended, cursor, limit: 50 }), get("/status")]);
  const shown = [...found.items].reverse();
  return {
    title: "Runs",
    body: [
      filters(context, [["entity", "Entity", (status.entities ?? []).map((it) => it.entity)], ["kind", "What", null], ["trigger", "Set going by", ["live", "poll", "hook", "schedule", "person"]], ["outcome", "Outcome", ["ok", "partial", "failed", "refused", "stopped"]]]),
      table("Runs, the newest first", ["Run", "What", "Set going by", "Entity", "Began", "Took>", "Outcome", "Wrote"], found.items.map((it) => ({
        key: it.run, go: `runs/${it.run}`,
        cells: [h("a", { href: `#/runs/${it.run}` }, it.run), it.kind, it.trigger ?? "-", it.entity ?? "-", ago(it.started), it.took_ms === null ? "-" : span(it.took_ms), outcome(it), wrote(it) || "-"],
      })), "No run yet."),
      pager(context, found),
      shown.length > 1 && lines("How long do runs take? Seconds, of the runs on this page.", shown.map((it) => it.run), [{ name: "seconds", values: shown.map((it) => (it.took_ms ?? 0) / 1000) }], (n) => `${Number(n).toFixed(1)} s`),
    ],
  };
}

async function one(context, id) {
  const [it, changes] = await Promise.all([get(`/runs/${id}`), get(`/runs/${id}/changes`, { limit: 50, cursor: context.query.cursor })]);
  const run = it.run && typeof it.run === "object" ? it.run : it;
  return {
    title: `Run ${run.run ?? id}`,
    body: [
      h("p", { key: "facts" }, outcome(run), ` ${run.kind}${run.trigger ? ` (${run.trigger})` : ""} ${run.entity ?? ""}, began ${run.started ? full(new Date(run.started)) : "-"}, took ${span(run.took_ms)}`),
      run.message && h("pre", { key: "said", tabindex: "0" }, run.message),
      h("div", { class: "row-of", key: "do" }, h("button", { class: "danger", onclick: () => rollBack(context, run.run ?? id) }, "Roll this run back…")),
      run.found && table("What was compared", ["System", "In scope>", "Matched>", "Differs>", "Missing>", "Extra>"], run.found.bindings.map((it) => ({ key: `${it.system} ${it.entity}`, cells: [it.system, ...[it.in_scope, it.matched, it.differs, it.missing, it.extra].map(count)] })), "Nothing was compared."),
      run.spans?.length > 0 && waterfall("What did it spend its time on?", run.took_ms, run.spans.map((it) => ({ name: [it.work, it.system].filter(Boolean).join(" "), from: it.from_ms, to: it.to_ms, busy: it.busy_ms })), span),
      h("section", { key: "books" }, table("What was looked at, and what became of it", ["System", "Books"], (run.systems ?? []).map((page, at) => ({ key: String(at), cells: [page.system ?? "-", Object.entries(page.books ?? {}).filter(([, n]) => n > 0).map(([name, n]) => `${name.replaceAll("_", " ")} ${count(n)}`).join(", ")] })), "Nothing was observed."),
        run.writes?.length > 0 && h("p", {}, "Wrote: ", wrote(run))),
      h("section", { key: "changes" }, table("Changes", ["Change", "When", "What", "Who"], changes.items.map((entry) => ({ key: entry.change, go: `records/${encodeURIComponent(entry.record)}`, cells: [entry.change, ago(entry.at), h("bdi", {}, entry.what), h("bdi", {}, entry.actor ?? "")] })), "This run changed nothing.")),
      pager(context, changes),
    ],
  };
}

async function rollBack(context, id) {
  const plan = await context.act("POST", `/runs/${id}/rollback`, {}, { said: "This is what would be done; nothing was changed." });
  if (!plan) return;
  const dialog = h("dialog", { "aria-label": "Roll back" }, h("h2", {}, `Roll ${id} back?`), h("p", {}, plan.summary ?? JSON.stringify(plan).slice(0, 2000)),
    h("div", { class: "row-of" }, h("button", { class: "main danger", onclick: () => { dialog.close(); context.act("POST", `/runs/${id}/rollback`, { yes: true }, { said: (answer) => answer.summary ?? "Rolled back." }); } }, "Roll back"), h("button", { onclick: () => dialog.close() }, "Leave it")));
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}
