// Is anything wrong? What needs a person first, then how each entity and each system does.

import { get } from "../api.js";
import { ago, count, h, span, state, table } from "../dom.js";
import { bars } from "../charts.js";

export async function page() {
  const [status, conflicts, quarantine, guards, moved, settled] = await Promise.all([
    get("/status"), get("/conflicts", { limit: 3 }), get("/quarantine", { limit: 3 }), get("/guards", { limit: 3 }),
    series("changes_applied", "system", 3600, 60), series("conflicts", "key", 14 * 86400, 86400),
  ]);
  const entities = status.entities ?? [];
  if (!entities.length) {
    return { title: "Overview", body: [h("p", { class: "empty" }, "Nothing is connected. In a terminal: ", h("code", {}, "syncline init"), ", or see it work: ", h("code", {}, "syncline demo"), ".")] };
  }
  const sum = (name) => entities.reduce((all, entity) => all + (entity[name] ?? 0), 0);
  const records = sum("records"), waits = sum("to_write") + sum("conflicts") + sum("quarantined") + sum("held");
  const last = entities.map((it) => it.last_success).filter(Boolean).sort().at(-1);
  const slow = Math.max(...entities.map((it) => it.p95_delay_ms ?? -1));
  const tile = (name, value) => h("li", { class: "tile" }, h("span", {}, name), h("b", {}, value));
  return {
    title: "Overview",
    body: [
      needs(status, conflicts.items, quarantine.items, guards.items),
      h("ul", { class: "tiles", key: "tiles" },
        tile("records in step", `${count(Math.max(0, records - waits))} of ${count(records)}`), tile("errors in 24 h", count(sum("errors"))),
        tile("p95 delay", slow < 0 ? "-" : span(slow)), tile("last success", ago(last))),
      h("section", { key: "entities" }, table("Entities", ["Entity", "State", "Last success", "Records>", "24 h + ~ ->", "Errors>", "Waiting", "P95 delay>"],
        entities.map((it) => ({
          key: it.entity, go: `entities/${encodeURIComponent(it.entity)}`,
          cells: [h("a", { href: `#/entities/${encodeURIComponent(it.entity)}` }, it.entity), entityState(it), ago(it.last_success), count(it.records),
            it.today ? `${count(it.today.creates)} ${count(it.today.updates)} ${count(it.today.deletes)}` : "-", count(it.errors), it.waiting || "-", span(it.p95_delay_ms)],
        })), "No entity.")),
      h("section", { key: "systems" }, table("Systems", ["System", "State", "Detection", "Behind>", "Last answer"],
        (status.systems ?? []).map((it) => ({
          key: it.system, go: `systems/${encodeURIComponent(it.system)}`,
          cells: [h("a", { href: `#/systems/${encodeURIComponent(it.system)}` }, it.system), systemState(it), it.detection, it.lag_ms === null ? "-" : span(it.lag_ms), ago(it.last_answer)],
        })), "No system has been asked yet.")),
      h("div", { class: "charts", key: "charts" },
        moved && bars("Is it moving? Changes written per minute, by system.", ...moved),
        settled && bars("Are we keeping up? Conflicts per day, opened and settled.", ...settled)),
    ],
  };
}

/** What a chart shows, from the numbers that the server keeps. */
export async function series(name, by, seconds, step, more = {}) {
  const since = new Date(Date.now() - seconds * 1000).toISOString();
  try {
    const kept = await get("/series", { name, by, since, step, ...more });
    const labels = kept.times.map((at) => new Date(at).toLocaleString("en-GB", step >= 86400 ? { day: "2-digit", month: "short" } : { hour: "2-digit", minute: "2-digit" }));
    return [labels, kept.series];
  } catch (problem) {
    if (problem.status === 404) return null;
    throw problem;
  }
}

function needs(status, conflicts, quarantine, guards) {
  const all = [
    ...guards.map((it) => ["Approval", `${it.entity}: ${count(it.count)} rows of ${it.system}, limit ${count(it.max)}`, it.at, `approvals/${it.id}`, "Review"]),
    ...conflicts.map((it) => ["Conflict", `${it.record}: ${it.field}, ${it.candidates.map((one) => one.author).join(" or ")}`, it.opened, `conflicts/${it.id}`, "Decide"]),
    ...quarantine.filter((it) => !it.dropped).map((it) => ["Quarantine", `${it.record ?? it.entity}: ${it.message}`, it.since, `quarantine/${it.id}`, "Look"]),
  ];
  const waiting = status.needs ?? all.length;
  const title = waiting === 0 ? "Nothing waits for you" : waiting === 1 ? "1 thing needs you" : `${count(waiting)} things need you`;
  return h("section", { class: waiting ? "card need" : "card", key: "needs", "aria-labelledby": "needs" },
    h("h2", { id: "needs" }, title),
    all.map(([kind, text, at, to, word]) => h("div", { class: "row-of", key: to }, state("warn", kind), h("span", {}, h("bdi", {}, text)), h("span", { class: "dim" }, ago(at)), h("a", { href: `#/${to}` }, word))));
}

export function entityState(it) {
  const word = it.state ?? "";
  if (/stuck|failed|down/.test(word) || it.guards) return state("bad", word);
  if (/paused|never/.test(word)) return state("off", word);
  return state(it.conflicts || it.quarantined ? "warn" : "ok", word);
}

export function systemState(it) {
  if (it.up === false) return state("bad", `down (${it.failure})`);
  if (it.paused) return state("off", "paused");
  return it.up ? state("ok", "up") : state("off", "not asked yet");
}
