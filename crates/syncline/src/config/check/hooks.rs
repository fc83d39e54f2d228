//! Who calls us and who is told: what events are about must be bound, what is signed must be known, and
//! rules name what exists.

use syncline_adapters::settings::hook::{Piece, Style};

use crate::config::{
    check::{Checker, unknown},
    complaint::Complaint,
    draft::{SystemDraft, webhook::HookDraft},
};

impl Checker<'_> {
    pub(super) fn hooks(&mut self) {
        let server = &self.draft.server;
        if let Some(listen) = &server.listen
            && !listen.value.ip().is_loopback()
        {
            let missing = match (server.tokens.is_some(), server.is_encrypted()) {
                (true, true) => None,
                (false, _) => Some((
                    "`serve` listens on this machine alone where it asks nobody for a token",
                    "say `server: {tokens: \"file:secrets/tokens.yaml\"}`, or listen on 127.0.0.1",
                )),
                (true, false) => Some((
                    "tokens would go over the network in the open",
                    "say `server.tls`, or let a reverse proxy speak TLS and say its `public_url`",
                )),
            };
            if let Some((message, fix)) = missing {
                let complaint = Complaint::error("server.exposed", listen.place, message);
                self.complain(complaint.fix(fix));
            }
        }
        for system in &self.draft.systems {
            self.hook(system);
        }
        let entities: Vec<&str> = self.draft.entities.iter().map(|it| it.name.as_str()).collect();
        let systems: Vec<&str> =
            self.draft.systems.iter().map(|it| it.name.value.as_str()).collect();
        let rules = &self.draft.alerts.rules;
        let named = [
            ("config.unknown_entity", "entity", &entities),
            ("config.unknown_system", "system", &systems),
        ];
        for (code, what, known) in named {
            for rule in rules {
                let names = if what == "entity" { &rule.entities } else { &rule.systems };
                for name in names.iter().filter(|name| !known.contains(&name.value.as_str())) {
                    self.complain(unknown(code, what, name, known.iter().copied()));
                }
            }
        }
    }

    /// Payloads of a REST system may count where one can tell which of two states is the newer one.
    fn payloads(&mut self, system: &SystemDraft, webhook: &HookDraft, bound: &[&str]) {
        let Some(rest) = &system.rest else { return };
        if webhook.hook.topics.iter().any(|topic| topic.deleted) {
            let complaint = Complaint::error(
                "config.value",
                webhook.place,
                "`deleted` is for systems that only tell: whether an item is gone, this one is asked",
            );
            self.complain(complaint.fix("leave `deleted` out"));
        }
        let bound = |name: &str| bound.contains(&name);
        for resource in rest.resources.iter().filter(|it| bound(it.name.as_str())) {
            let name = &resource.name;
            let message = match webhook.orders(resource).len() {
                1 => continue,
                0 => format!(
                    "`trust: payload`: nothing says which of two states of `{name}` is the newer one"
                ),
                _ => format!("`trust: payload`: `{name}` has several versions"),
            };
            let complaint = Complaint::error("config.value", webhook.place, message);
            self.complain(complaint.fix(format!(
                "say where its items show a number or a time that every change moves, as in `topics: \
                 {{\"{name}/*\": {{resource: {name}, version: updated_at}}}}`, or leave `trust` out"
            )));
        }
    }

    fn hook(&mut self, system: &SystemDraft) {
        let Some(webhook) = &system.detect.webhook else { return };
        let name = system.name.value.as_str();
        let signs_url = match &webhook.hook.style {
            Style::Hubspot => true,
            Style::Custom(custom) => custom.signed.contains(&Piece::Url),
            Style::Standard
            | Style::Github
            | Style::Stripe
            | Style::Shopify
            | Style::Bearer(..)
            | Style::Path
            | Style::None => false,
        };
        if signs_url && self.draft.server.public_url.is_none() {
            self.complain(
                Complaint::error(
                    "config.value",
                    webhook.place,
                    "the address that is called is signed, and nobody says what that is",
                )
                .fix("say `server: {public_url: \"https://sync.example\"}`"),
            );
        }
        let all = self.draft.entities.iter();
        let all = all.flat_map(|entity| std::iter::once(entity).chain(entity.lines.as_deref()));
        let bound: Vec<&str> = all
            .filter_map(|entity| entity.binding(&system.name.value))
            .map(|binding| binding.table.value.as_str())
            .collect();
        if webhook.hook.trusts {
            self.payloads(system, webhook, &bound);
        }
        for topic in &webhook.hook.topics {
            if !bound.contains(&topic.resource.as_str()) {
                let message = format!(
                    "`{}` is about `{}`, and no entity lives there in {name}",
                    topic.pattern, topic.resource
                );
                self.complain(
                    Complaint::error("config.value", webhook.place, message)
                        .fix(format!("entities live in: {}", bound.join(", "))),
                );
            }
        }
    }
}
