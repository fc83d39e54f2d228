//! `validate:`: what must hold of a record.

use syncline_core::validate::Otherwise;

use crate::config::{
    draft::RuleDraft,
    keys,
    read::Reader,
    tree::{Kind, Node},
};

impl Reader<'_> {
    /// The rules of an entity.
    pub(super) fn validate(&mut self, node: &Node) -> Vec<RuleDraft> {
        let Kind::List(rules) = &node.kind else {
            self.wrong(node.place, "`validate` takes a list of rules");
            return Vec::new();
        };
        rules.iter().filter_map(|rule| self.must_hold(rule)).collect()
    }

    fn must_hold(&mut self, node: &Node) -> Option<RuleDraft> {
        let entries = self.entries(node, &keys::entity::VALIDATE, "a rule", &[])?;
        let check = self.text_of(&entries, "check")?;
        let message = self.text_of(&entries, "message").map(|text| text.value);
        let otherwise = match self.word_of(&entries, "else", &keys::entity::OTHERWISE) {
            Some("reject") => Otherwise::Reject,
            Some("warn") => Otherwise::Warn,
            Some(_) | None => Otherwise::Quarantine,
        };
        Some(RuleDraft { check, message, otherwise })
    }
}
