//! What a system tells of an item by calling us, where that may stand for reading it: all that is bound of it
//! must be there, with a number or a time that tells which of two states is the newer one.
//!
//! It is compared with those of the items that are read. Numbers and times do not compare, so what is told counts
//! only after an item of its resource was read in this process, and bore the same kind.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value as Json;
use syncline_core::{
    change::{Observed, Order},
    error::PortError,
    name::{BindingIndex, SystemIndex},
    plan::Plan,
    value::Value,
};

use crate::{
    rest::{bound::Bound, poll::moment},
    settings::{Path, Settings},
};

/// What tells the age of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// A number that grows with every change.
    Number(u64),
    /// Nanoseconds since 1970.
    Time(u128),
}

/// Of which kind the stamps are that items of a resource bear, by system and resource.
static KINDS: Mutex<BTreeMap<(String, String), Kind>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Time,
}

impl Stamp {
    /// The stamp of an item, if it bears one that compares.
    #[expect(clippy::wildcard_enum_match_arm, reason = "of texts nothing else is a time")]
    pub(super) fn of(path: &Path, item: &Json) -> Option<Self> {
        match path.at(item).ok().flatten()? {
            Json::Number(number) => number.as_u64().map(Self::Number),
            Json::String(text) => match text.parse() {
                Ok(number) => Some(Self::Number(number)),
                Err(_) => match moment(&Value::Text(text.as_str().into())) {
                    Value::Instant(seconds, nanos) => {
                        let seconds = u128::from(u64::try_from(seconds).ok()?);
                        Some(Self::Time(seconds * 1_000_000_000 + u128::from(nanos)))
                    }
                    _ => None,
                },
            },
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// As the core compares it.
    pub(super) fn order(self) -> Order {
        match self {
            Self::Number(number) => Order::Version(u128::from(number)),
            Self::Time(nanos) => Order::Version(nanos),
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Number(_) => Kind::Number,
            Self::Time(_) => Kind::Time,
        }
    }
}

/// An item of this resource was read, and bears this stamp.
pub(super) fn note(system: &str, resource: &str, stamp: Stamp) {
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    let place = (system.to_owned(), resource.to_owned());
    kinds.insert(place, stamp.kind());
}

/// The bindings of one system of which payloads count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payloads {
    system: String,
    bound: BTreeMap<BindingIndex, Arc<Bound>>,
}

impl Payloads {
    /// Of a system whose payloads are believed; of any other it knows none.
    ///
    /// # Errors
    /// As with opening the system.
    pub(crate) fn of(
        settings: &Settings,
        plan: &Plan,
        system: SystemIndex,
    ) -> Result<Self, PortError> {
        let mut bound = BTreeMap::new();
        let api = settings.api.as_ref();
        let trusts = api.filter(|api| api.resources.iter().any(|it| it.order.is_some()));
        if let Some(api) = trusts {
            for (at, found) in plan.bindings.iter().enumerate() {
                if found.system != system || found.table.within.is_some() {
                    continue;
                }
                let at = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
                let of = Bound::new(plan, api, &settings.name, at)?;
                // The lines of an item are read with it: a time that they do not move says nothing of them.
                if of.resource.order.is_some() && of.lists.is_empty() {
                    bound.insert(at, Arc::new(of));
                }
            }
        }
        Ok(Self { system: settings.name.clone(), bound })
    }

    /// The row that an item is, if it may count.
    pub(crate) fn row(&self, binding: BindingIndex, item: &Json) -> Option<Observed> {
        let bound = self.bound.get(&binding)?;
        let resource = &bound.resource;
        let stamp = Stamp::of(resource.order.as_ref()?, item)?;
        let known = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (self.system.clone(), resource.name.to_string());
        let is_known = known.get(&place) == Some(&stamp.kind());
        drop(known);
        // What changed alone, or what is marked as deleted, is read.
        let is_whole = is_known && item.is_object() && bound.holds_all(item);
        bound.observe(item).ok().filter(|row| is_whole && row.row.is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stamp(value: &Json) -> Option<Stamp> {
        Stamp::of(&Path::parse("meta.at").unwrap(), &json!({ "meta": { "at": value } }))
    }

    #[test]
    fn numbers_and_times_in_any_zone_compare_and_nothing_else_does() {
        assert_eq!(stamp(&json!(17)), Some(Stamp::Number(17)));
        assert_eq!(stamp(&json!("17")), Some(Stamp::Number(17)));
        let utc = stamp(&json!("2026-03-01T10:00:00.250Z"));
        assert_eq!(utc, stamp(&json!("2026-03-01T11:00:00.25+01:00")));
        let order = |it: Option<Stamp>| it.unwrap().order().version();
        assert!(order(utc) < order(stamp(&json!("2026-03-01T10:00:00.251Z"))));
        for none in [json!(null), json!(true), json!(1.5), json!(-1), json!("b3f1"), json!([1])] {
            assert_eq!(stamp(&none), None, "{none}");
        }
        assert_eq!(stamp(&json!("2026-03-01T10:00:00")), None, "nobody knows in which zone");
    }
}
