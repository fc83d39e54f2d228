//! What must hold of a record.

use syncline_core::validate::Rule;

use crate::config::{compile::Compiler, draft::EntityDraft};

impl Compiler<'_> {
    pub(super) fn rules(&mut self, entity: &EntityDraft, fields: &[&str]) -> Vec<Rule> {
        let variables: Vec<&str> =
            fields.iter().copied().chain(entity.lines.as_ref().map(|_| "lines")).collect();
        let rules = entity.validate.iter();
        let rules = rules.filter_map(|rule| {
            let check = self.expr(Some(&rule.check), &variables)?;
            let message = rule.message.clone();
            let message = message.unwrap_or_else(|| format!("not so: {}", check.text()).into());
            Some(Rule { check, message, otherwise: rule.otherwise })
        });
        rules.collect()
    }
}
