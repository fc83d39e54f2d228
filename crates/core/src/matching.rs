//! Which record an unlinked row belongs to.
//!
//! A match rule names fields; a row and a record match by it if all these fields are equal in the
//! hub's terms and none is null. Rules only link: once linked, a row stays with its record whatever
//! becomes of these fields (I6).

use crate::{
    commit::MatchKey,
    group::Part,
    plan::{Entity, MatchRule},
    value::{Digest, Value},
};

/// The match key of these golden values; `None` if one of them is null or not known.
pub fn key_of<'a>(values: impl IntoIterator<Item = Option<&'a Value>>) -> Option<MatchKey> {
    let mut out = Vec::with_capacity(48);
    for value in values {
        let value = value.filter(|value| !value.is_null())?;
        value.encode(&mut out);
    }
    (!out.is_empty()).then(|| Digest::of(&out))
}

/// The match key of a record by this rule.
pub fn part_key(rule: &MatchRule, part: &Part) -> Option<MatchKey> {
    key_of(rule.fields.iter().map(|field| part.cell(*field).map(|cell| &cell.value)))
}

/// All match keys of a record, each with the number of its rule.
pub fn part_keys(entity: &Entity, part: &Part) -> Vec<(u16, MatchKey)> {
    let numbered = entity.matching.iter().zip(0u16..);
    numbered.filter_map(|(rule, number)| Some((number, part_key(rule, part)?))).collect()
}
