// How this Syncline is set up: read only, for the file is the only source of truth.

import { act, get } from "../api.js";
import { ago, h, table } from "../dom.js";

export async function page(context) {
  const [config, tokens] = await Promise.all([get("/config"), context.me?.role === "admin" && context.me.token ? get("/tokens") : null]);
  const text = JSON.stringify(config.configuration ?? config, null, 2);
  const me = context.me ?? {};
  return {
    title: "Settings",
    body: [
      h("section", { key: "me" }, h("h2", {}, "You"), h("dl", {}, h("dt", {}, "name"), h("dd", {}, me.who ?? "whoever is at this machine"), h("dt", {}, "role"), h("dd", {}, me.role ?? "-"), me.entities?.length && [h("dt", {}, "entities"), h("dd", {}, me.entities.join(", "))]),
        me.token && h("button", { onclick: async () => { await act("DELETE", "/session"); location.reload(); } }, "Sign out")),
      tokens && h("section", { key: "tokens" }, table("Tokens", ["Name", "Role", "Entities", "Expires", "Last use"], (tokens.items ?? []).map((it) => ({ key: it.name, cells: [it.name, it.role, (it.entities ?? []).join(", ") || "all", it.expires ?? "never", it.last_used ? ago(it.last_used) : "never"] })), "No token: whoever is at this machine may do everything. syncline tokens new NAME --role steward")),
      h("section", { key: "config" }, h("h2", {}, "Configuration as loaded (secrets are references)"), h("pre", { tabindex: "0" }, text)),
    ],
  };
}
