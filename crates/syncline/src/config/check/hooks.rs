//! Systems that call us: what their events are about must be bound, and what is signed must be known.

use syncline_adapters::settings::hook::{Piece, Style};

use crate::config::{check::Checker, complaint::Complaint, draft::SystemDraft};

impl Checker<'_> {
    pub(super) fn hooks(&mut self) {
        if let Some(listen) = &self.draft.server.listen
            && !listen.value.ip().is_loopback()
        {
            self.complain(
                Complaint::error(
                    "server.exposed",
                    listen.place,
                    "`serve` listens on this machine alone until tokens exist",
                )
                .fix("listen on 127.0.0.1 and let a reverse proxy pass `/hooks/` on"),
            );
        }
        for system in &self.draft.systems {
            self.hook(system);
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
