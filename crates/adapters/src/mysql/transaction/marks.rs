//! The marks of a transaction's writes: left first, taken back from who was refused, and told the keys
//! that tables have made.

use std::collections::BTreeSet;

use syncline_core::{Text, change::Outcome};

use super::Transaction;
use crate::{
    mysql::{
        connect::Session,
        failure::Failure,
        literal::cell_text,
        statements::{keys_sql, marks_sql},
        target::Answers,
    },
    sql::marks,
};

impl Transaction<'_> {
    /// Leaves the mark of every intent, before anything else.
    pub(super) async fn mark(
        &mut self,
        session: &mut Session,
        answers: &mut Answers<'_>,
    ) -> Result<(), Failure> {
        if !self.target.has_marks {
            return Ok(());
        }
        loop {
            let open: Vec<_> =
                self.writes().filter(|(group, ..)| answers.is_open(*group)).collect();
            let Some(sql) = marks_sql(open.iter().map(|(.., write)| *write)) else { return Ok(()) };
            let failure = match session.run(&sql).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.code() == Some(1062) => failure,
                Err(failure) => return Err(failure),
            };
            // Some id is taken: that intent was voided, or has been applied before.
            let mut sql = format!("select intent_id from {} where intent_id in (", marks::TABLE);
            for (at, (.., write)) in open.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                sql.push_str(&format!("{comma}'{}'", marks::id(write.intent)));
            }
            sql.push_str(") for update");
            let rows = session.rows(&sql).await?;
            let taken: BTreeSet<String> =
                rows.into_iter().flatten().filter_map(cell_text).collect();
            if taken.is_empty() {
                return Err(failure);
            }
            let taken: Vec<usize> = open
                .iter()
                .filter(|(.., write)| taken.contains(&marks::id(write.intent)))
                .map(|(group, ..)| *group)
                .collect();
            let reason = Text::new("its mark is taken: it was voided, or applied before");
            answers.refuse_all(&taken, &Outcome::Unknown { reason });
        }
    }

    /// Takes the marks of refused groups away.
    pub(super) async fn unmark(
        &mut self,
        session: &mut Session,
        answers: &Answers<'_>,
    ) -> Result<(), Failure> {
        let refused: Vec<String> = self
            .writes()
            .filter(|(group, ..)| !answers.is_open(*group))
            .filter(|(group, index, _)| !answers.is_unknown(*group, *index))
            .map(|(.., write)| format!("'{}'", marks::id(write.intent)))
            .collect();
        if !self.target.has_marks || refused.is_empty() {
            return Ok(());
        }
        let ids = refused.join(",");
        session.run(&format!("delete from {} where intent_id in ({ids})", marks::TABLE)).await
    }

    /// The marks learn the keys that tables have made.
    pub(super) async fn name(
        &self,
        session: &mut Session,
        answers: &Answers<'_>,
    ) -> Result<(), Failure> {
        if !self.target.has_marks {
            return Ok(());
        }
        let named = self.writes().filter_map(|(group, index, write)| {
            let bound = self.bindings.get(&write.binding)?;
            let written = self.written.get(&(group, index)).filter(|_| answers.is_open(group))?;
            let text = marks::key_text(&written.key)?;
            bound.shape.makes_its_key(write).then_some((write.intent, text))
        });
        match keys_sql(named) {
            Some(sql) => session.run(&sql).await,
            None => Ok(()),
        }
    }
}
