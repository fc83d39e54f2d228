// How is it set up, and how does it flow? Each entity: its systems, its mapping, its rules.

import { get } from "../api.js";
import { ago, count, h, span, state, table } from "../dom.js";
import { bars, flow as picture, lines } from "../charts.js";
import { entityState, series } from "./overview.js";

export async function page(context) {
  return context.params[0] ? one(context, context.params[0]) : list();
}

async function list() {
  const status = await get("/status");
  return {
    title: "Entities",
    body: [table("Entities", ["Entity", "State", "Records>", "Last success"], (status.entities ?? []).map((it) => ({ key: it.entity, go: `entities/${encodeURIComponent(it.entity)}`, cells: [h("a", { href: `#/entities/${encodeURIComponent(it.entity)}` }, it.entity), entityState(it), count(it.records), ago(it.last_success)] })), "The configuration names no entity.")],
  };
}

async function one(context, name) {
  const to = `/entities/${encodeURIComponent(name)}`;
  const [it, status, kinds, delays, errors] = await Promise.all([get(to), get("/status"),
    series("changes_applied", "key", 86400, 3600, { entity: name }), series("delay", "key", 86400, 3600, { entity: name }), series("write_errors", "key", 86400, 3600, { entity: name })]);
  const now = (status.entities ?? []).find((entity) => entity.entity === name) ?? it.status ?? it;
  const paused = /paused/.test(now.state ?? "");
  const seconds = (n) => span(n * 1000);
  return {
    title: name,
    body: [
      h("p", { key: "facts" }, entityState(now), `, ${count(now.records)} records, last success `, ago(now.last_success)),
      h("div", { class: "row-of", key: "do" },
        h("button", { onclick: () => context.act("POST", `${to}/refresh`, {}, { said: "It is read again." }) }, "Refresh"),
        h("button", { onclick: () => context.act("POST", `${to}/verify`, {}, { said: (answer) => `It is being compared: run ${answer.run ?? ""} says what is found.` }) }, "Verify"),
        h("button", { onclick: () => context.act("POST", `${to}/${paused ? "resume" : "pause"}`, {}, { said: paused ? "It goes on." : "It is paused." }) }, paused ? "Resume" : "Pause")),
      h("section", { key: "flow" }, flow(now)),
      it.mapping?.when && h("p", { key: "when" }, "Only records where ", h("code", {}, it.mapping.when)),
      it.mapping && h("section", { key: "mapping" }, mapping(it.mapping, "Mapping (the configuration file is the only place to change it)")),
      (it.lists ?? []).map((list) => h("section", { key: list.entity }, mapping(list, `Lines: ${list.entity}`))),
      it.configuration && h("details", { key: "yaml" }, h("summary", {}, "As the file says it"), h("pre", { tabindex: "0" }, JSON.stringify(it.configuration, null, 2))),
      h("div", { class: "charts", key: "charts" },
        kinds && bars("What kind? Rows written per hour.", ...kinds), delays && lines("Fast enough? Delay per hour.", ...delays, seconds), errors && bars("What breaks? Refused writes per hour, by code.", ...errors)),
    ],
  };
}

const LINK = { bad: "stuck", warn: "writing", ok: "in step" };

/** Every system around the hub, with what goes to it: as a picture, and as a list. */
function flow(now) {
  const links = (now.links ?? []).map((it) => ({ ...it, kind: it.stuck ? "bad" : it.backlog ? "warn" : "ok" }));
  const said = (it) => [it.backlog > 0 && `${count(it.backlog)} waiting`, it.p95_delay_ms !== null && `p95 ${span(it.p95_delay_ms)}`].filter(Boolean);
  return [links.length > 0 && picture(links.map((it) => ({ name: it.system, state: it.kind, lines: said(it) }))),
    table("Flow between the hub and each system", ["System", "Linked rows>", "Waiting>", "Delay p50>", "Delay p95>", "Last write", "Compared", "State"], links.map((it) => ({
      key: it.system, go: `systems/${encodeURIComponent(it.system)}`,
      cells: [h("a", { href: `#/systems/${encodeURIComponent(it.system)}` }, it.system), count(it.linked), count(it.backlog), span(it.p50_delay_ms), span(it.p95_delay_ms), ago(it.last_write), ago(it.last_full_compare), state(it.kind, LINK[it.kind])],
    })), "Not synchronised yet.")];
}

/** One row per field, one cell per system. */
function mapping(it, caption) {
  const systems = it.systems.map((one) => one.system);
  const cell = (field, system) => {
    const shown = field.cells[system];
    if (!shown) return h("span", { class: "dim" }, "-");
    const values = shown.values ? ` ${Object.entries(shown.values).map(([hub, native]) => `${hub}=${[native].flat().join("|")}`).join(", ")}` : "";
    return [h("code", {}, shown.column), h("span", { class: "dim" }, values || (shown.as_it_is ? "" : " converted"))];
  };
  const ways = (field) => [field.computed && "computed", field.from && `from ${field.from.join(", ")}`, field.to && `to ${field.to.join(", ")}`].filter(Boolean).join("; ");
  return table(caption, ["Field", "Type", ...systems, "Direction", "Policy"], it.fields.map((field) => ({
    key: field.field, cells: [field.field, field.type, ...systems.map((system) => cell(field, system)), ways(field) || "both ways", [field.policy, field.said && h("span", { class: "dim" }, ` ${field.said}`)]],
  })), "No field.");
}
