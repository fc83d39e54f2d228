//! What is noted in the server: what of it was handed out and dealt with, how much it is, and how it
//! goes again.

use std::collections::{BTreeSet, VecDeque};

use syncline_core::error::{ErrorKind, PortError};

use super::{At, MICROS, NO_SUCH_TABLE, Triggers, names::ROW_BYTES, number, watches};
use crate::mysql::{describe, failure::Failure, literal::cell_text};

/// Notes removed at once.
const TRIM_ROWS: usize = 500;

/// Notes that were handed out and are still there.
#[derive(Debug)]
pub(super) struct Kept {
    /// The note that was dealt with last: it stays.
    pub(super) witness: At,
    given: BTreeSet<u64>,
    /// What was handed out and not dealt with.
    portions: VecDeque<(At, Vec<u64>)>,
    /// What is to be removed, in this order: first what makes an earlier position hold, so that none
    /// holds after which something is missing.
    done: VecDeque<u64>,
}

impl Kept {
    pub(super) fn after(witness: At) -> Self {
        let given = BTreeSet::from([witness.number]);
        Self { witness, given, portions: VecDeque::new(), done: VecDeque::new() }
    }

    pub(super) fn given(&self) -> &BTreeSet<u64> {
        &self.given
    }

    pub(super) fn hand_out(&mut self, upto: At, numbers: Vec<u64>) {
        self.given.extend(&numbers);
        self.portions.push_back((upto, numbers));
    }

    /// Everything that was handed out up to here is dealt with.
    pub(super) fn deal_with(&mut self, upto: At) {
        let Some(last) = self.portions.iter().position(|(at, _)| *at == upto) else { return };
        self.done.push_back(self.witness.number);
        for (_, numbers) in self.portions.drain(..=last) {
            self.done.extend(numbers.into_iter().filter(|number| *number != upto.number));
        }
        self.witness = upto;
    }

    fn next_to_remove(&self) -> Vec<u64> {
        self.done.iter().take(TRIM_ROWS).copied().collect()
    }

    fn removed(&mut self, numbers: &[u64]) {
        self.done.drain(..numbers.len().min(self.done.len()));
        for number in numbers {
            self.given.remove(number);
        }
    }
}

impl Triggers {
    /// Removes what was dealt with, by its numbers: nothing else is touched or waited for.
    pub(super) async fn trim(&mut self) -> Result<(), PortError> {
        loop {
            let numbers = self.begun()?.kept.next_to_remove();
            if numbers.is_empty() {
                return Ok(());
            }
            self.session().await?;
            match self.delete(&numbers).await {
                Ok(()) => self.begun()?.kept.removed(&numbers),
                // Somebody else has it: the next time.
                Err(Failure::Server { code: 1205 | 1213, .. }) => return Ok(()),
                Err(failure) => return Err(self.failed(&failure)),
            }
        }
    }

    /// Removes these notes, all or none. Each by a statement of its own, all in one round trip: of a
    /// list of numbers the server makes what it likes, and a look through the whole table would wait
    /// for what others have not committed.
    async fn delete(&mut self, numbers: &[u64]) -> Result<(), Failure> {
        let changes = self.names.changes();
        let mut sql = String::from("start transaction");
        for number in numbers {
            sql += &format!("; delete from {changes} where seq = {number}");
        }
        sql += "; commit";
        let Some(session) = &mut self.session else {
            return Err(Failure::Lost("the connection was given up".to_owned()));
        };
        let (_, done) = session.run_many(sql.as_bytes()).await;
        if done.is_err() && session.is_usable() {
            session.run("rollback").await?;
        }
        done
    }

    /// About how many bytes are noted. Numbers have gaps, so that it is rather less.
    pub(super) async fn noted(&mut self) -> Result<u64, PortError> {
        let changes = self.names.changes();
        let range = format!("select max(seq) - min(seq) from {changes}");
        let range = match self.session().await?.rows(&range).await {
            Ok(range) => range,
            Err(failure) if failure.code() == Some(NO_SUCH_TABLE) => return Ok(0),
            Err(failure) => return Err(self.failed(&failure)),
        };
        let mut rows = range.into_iter().flatten().next().and_then(number).unwrap_or(0);
        let sample = format!("select * from {changes} order by seq desc limit 20");
        let sample = self.rows(&sample).await?;
        let (seen, keys) =
            (sample.len() as u64, sample.into_iter().flatten().filter_map(cell_text));
        let bytes: usize = keys.map(|cell| cell.len()).sum();
        let each = ROW_BYTES + (bytes as u64).checked_div(seen).unwrap_or(0);
        if rows.saturating_mul(each) > self.max_retained {
            // Before it is given up they are counted, as far as it matters.
            let most = self.max_retained / each + 1;
            let count = format!(
                "select count(*) from (select 1 from {changes} limit {}) some",
                most.saturating_add(1)
            );
            let counted = self.rows(&count).await?;
            rows = rows.min(counted.into_iter().flatten().next().and_then(number).unwrap_or(rows));
        }
        Ok(rows.saturating_mul(each))
    }

    /// Whether more is noted than may be: then everything is removed, and that is the answer.
    pub(super) async fn must_have_room(&mut self) -> Result<(), PortError> {
        if self.noted().await? <= self.max_retained {
            return Ok(());
        }
        self.remove_all().await?;
        let detail = "the table of changes and its triggers were removed";
        Err(PortError::new(ErrorKind::Retained, self.action.clone(), detail))
    }

    /// Takes the triggers away, then what they note into.
    pub(super) async fn remove_all(&mut self) -> Result<(), PortError> {
        let names = self.names.clone();
        let found = watches::triggers(self.session().await?, &names, None).await;
        for trigger in found.map_err(|failure| self.failed(&failure))? {
            self.run(&trigger.drop()).await?;
        }
        self.run(&format!("drop table if exists {}", names.changes())).await
    }

    /// Makes sure that the table of changes is there, with columns for the longest key.
    pub(super) async fn make_changes(&mut self, key_columns: usize) -> Result<(), PortError> {
        let place = self.names.changes_name();
        let place = describe::place(describe::TABLE, &place.0, &place.1);
        let sql = format!(
            "select column_name from information_schema.columns where {place} \
             and column_name like 'k%'"
        );
        let there = self.rows(&sql).await?;
        let there: BTreeSet<String> = there.into_iter().flatten().filter_map(cell_text).collect();
        let changes = self.names.changes();
        let mut made = vec![];
        if there.is_empty() {
            made.push(self.names.create_changes(key_columns));
        } else {
            let missing = (1..=key_columns).map(|at| format!("k{at}"));
            made.extend(
                missing
                    .filter(|column| !there.contains(column))
                    .map(|column| format!("alter table {changes} add column {column} longblob")),
            );
        }
        for sql in made {
            let done = self.session().await?.run(&sql).await;
            done.map_err(|failure| self.explained(&failure))?;
        }
        Ok(())
    }

    /// Removes everything that was noted so far.
    pub(super) async fn forget_all(&mut self) -> Result<(), PortError> {
        let changes = self.names.changes();
        let last =
            match self.session().await?.rows(&format!("select max(seq) from {changes}")).await {
                Ok(last) => last.into_iter().flatten().next().and_then(number),
                Err(failure) if failure.code() == Some(NO_SUCH_TABLE) => None,
                Err(failure) => return Err(self.failed(&failure)),
            };
        let Some(last) = last else { return Ok(()) };
        loop {
            let some = format!(
                "select seq from {changes} where seq <= {last} order by seq limit {TRIM_ROWS}"
            );
            let some = self.rows(&some).await?;
            let numbers: Vec<u64> = some.into_iter().flatten().filter_map(number).collect();
            if numbers.is_empty() {
                return Ok(());
            }
            self.delete(&numbers).await.map_err(|failure| self.failed(&failure))?;
        }
    }

    /// A first note, which stays until another one was dealt with.
    pub(super) async fn note_beginning(&mut self) -> Result<At, PortError> {
        let changes = self.names.changes();
        self.run(&format!("insert into {changes} (watch) values (0)")).await?;
        let sql = format!("select seq, {MICROS} from {changes} where seq = last_insert_id()");
        let made = self.rows(&sql).await?;
        let mut cells = made.into_iter().flatten();
        let made = cells.next().and_then(number).zip(cells.next().and_then(number));
        let made = made.map(|(number, micros)| At { number, micros });
        made.ok_or_else(|| self.lost("the table of changes was emptied meanwhile"))
    }
}

#[cfg(test)]
mod tests {
    use super::{At, Kept};

    fn at(number: u64) -> At {
        At { number, micros: 7 }
    }

    #[test]
    fn what_makes_an_earlier_position_hold_goes_first_and_the_last_note_stays() {
        let mut kept = Kept::after(at(5));
        kept.hand_out(at(9), vec![7, 9]);
        kept.hand_out(at(8), vec![6, 8]);
        kept.hand_out(at(12), vec![11, 12]);

        kept.deal_with(at(8));

        assert_eq!(kept.next_to_remove(), [5, 7, 9, 6]);
        assert_eq!(kept.witness, at(8));
        kept.removed(&[5, 7, 9, 6]);
        assert_eq!(kept.given().iter().copied().collect::<Vec<_>>(), [8, 11, 12]);
    }

    #[test]
    fn what_was_handed_out_before_it_began_is_dealt_with_already() {
        let mut kept = Kept::after(at(5));
        kept.hand_out(at(9), vec![9]);
        kept.deal_with(at(5));
        assert_eq!(kept.next_to_remove(), [0; 0]);
    }
}
