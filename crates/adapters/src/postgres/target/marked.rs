//! The marks of a set's writes: left first, and told the keys that tables have made.

use tokio_postgres::types::Type;

use crate::{
    postgres::target::{
        planned::Planned,
        set::{Failure, Set},
    },
    sql::marks,
};

impl<'a> Set<'a> {
    /// Leaves the mark of every write, before anything else is done.
    pub(super) async fn mark(&mut self, planned: &[Planned<'a>]) -> Result<(), Failure> {
        const MARK: &str = "insert into syncline_applied (intent_id, state, at) \
            select id, 'applied', (extract(epoch from clock_timestamp()) * 1000)::int8 \
            from unnest($1) as u(id)";
        if !self.has_marks {
            return Ok(());
        }
        let ids: Vec<String> = planned
            .iter()
            .filter(|item| item.verdict.is_none())
            .map(|item| marks::id(item.write.intent))
            .collect();
        let mark = self.session.prepare(MARK, &[Type::BPCHAR_ARRAY]).await?;
        self.session.client.execute(&mark, &[&ids]).await?;
        Ok(())
    }

    /// The marks learn the keys that tables have made.
    pub(super) async fn name(&mut self, planned: &[Planned<'a>]) -> Result<(), Failure> {
        const NAME: &str = "update syncline_applied m set row_key = u.row_key \
            from unnest($1, $2) as u(id, row_key) where m.intent_id = u.id";
        let is_new = |item: &&Planned<'a>| {
            self.has_marks && item.verdict.is_none() && item.bound.shape.makes_its_key(item.write)
        };
        let (ids, keys): (Vec<String>, Vec<String>) = planned
            .iter()
            .filter(is_new)
            .filter_map(|item| {
                Some((marks::id(item.write.intent), marks::key_text(item.key.as_ref()?)?))
            })
            .unzip();
        if ids.is_empty() {
            return Ok(());
        }
        let name = self.session.prepare(NAME, &[Type::BPCHAR_ARRAY, Type::TEXT_ARRAY]).await?;
        self.session.client.execute(&name, &[&ids, &keys]).await?;
        Ok(())
    }
}
