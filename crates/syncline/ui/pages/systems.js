// Does each system answer, how is it heard, and what does it keep for us?

import { get } from "../api.js";
import { ago, count, h, span, table, value } from "../dom.js";
import { bars, lines } from "../charts.js";
import { series, systemState } from "./overview.js";

export async function page(context) {
  return context.params[0] ? one(context, context.params[0]) : list();
}

async function list() {
  const status = await get("/status");
  return {
    title: "Systems",
    body: [table("Systems", ["System", "State", "Detection", "Behind>", "Keeps for us>", "Last answer"], (status.systems ?? []).map((it) => ({ key: it.system, go: `systems/${encodeURIComponent(it.system)}`, cells: [h("a", { href: `#/systems/${encodeURIComponent(it.system)}` }, it.system), systemState(it), it.detection, it.lag_ms === null ? "-" : span(it.lag_ms), bytes(it.retained_bytes), ago(it.last_answer)] })), "The configuration names no system.")],
  };
}

function bytes(number) {
  if (number === null || number === undefined) return "-";
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) if (number >= size) return `${(number / size).toFixed(1)} ${unit}`;
  return `${count(number)} B`;
}

async function one(context, name) {
  const to = `/systems/${encodeURIComponent(name)}`;
  const [it, requests, lag, status] = await Promise.all([get(to), series("requests", "key", 86400, 3600, { system: name }), series("delay", "key", 86400, 3600, { system: name }), get("/status")]);
  const now = (status.systems ?? []).find((system) => system.system === name) ?? it;
  const waits = (status.entities ?? []).flatMap((entity) => (entity.links ?? []).filter((link) => link.system === name && link.backlog > 0).map((link) => link.backlog)).reduce((a, b) => a + b, 0);
  const shown = { detection: now.detection, position: now.position, "keeps for us": bytes(now.retained_bytes), "rows at once": now.batch, "last webhook": now.last_hook, "last answer": now.last_answer, "last full compare": now.last_full_compare };
  return {
    title: name,
    body: [
      h("p", { key: "facts" }, systemState(now)),
      now.up === false && h("p", { class: "card need", key: "down" }, `${name} cannot be reached (${now.failure}). ${count(waits)} changes wait and will be written in order. `, h("code", {}, `syncline doctor ${name}`)),
      h("div", { class: "row-of", key: "do" },
        h("button", { onclick: () => context.act("POST", `${to}/test`, {}, { said: (answer) => answer.summary ?? "It answers." }) }, "Test"),
        h("button", { onclick: () => context.act("POST", `${to}/${now.paused ? "resume" : "pause"}`, now.paused ? {} : { writes_only: true }, { said: now.paused ? "It goes on." : "Nothing is written there until it is resumed." }) }, now.paused ? "Resume" : "Pause writes")),
      h("dl", { key: "more" }, Object.entries(shown).filter(([, text]) => text !== null && text !== undefined).map(([label, text]) => [h("dt", {}, label), h("dd", {}, /^(last )/.test(label) ? ago(text) : value(text))])),
      it.holds?.length > 0 && h("section", { key: "holds" }, table("What it holds", ["Entity", "Table or resource", "Read", "Written"], it.holds.map((one) => ({ key: one.entity + one.table, cells: [h("a", { href: `#/entities/${encodeURIComponent(one.entity)}` }, one.entity), h("code", {}, one.table), one.reads ? "yes" : "no", one.writes ? "yes" : "no"] })), "Nothing.")),
      it.configuration && h("details", { key: "yaml" }, h("summary", {}, "As the file says it"), h("pre", { tabindex: "0" }, JSON.stringify(it.configuration, null, 2))),
      now.reading?.length > 0 && h("p", { key: "reading" }, "Reading: ", now.reading.map((scan) => `${scan.entity} ${count(scan.rows)}${scan.about ? ` of about ${count(scan.about)}` : ""} rows `)),
      h("div", { class: "charts", key: "charts" }, requests && bars("How much is asked? Requests per hour, by operation.", ...requests), lag && lines("How long do changes take to get here? Per hour.", ...lag, (n) => span(n * 1000))),
    ],
  };
}
