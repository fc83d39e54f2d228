//! Lists that items hold: their lines as rows.
//!
//! A line is told apart by the key of the item that holds it and by its own key within the list. So that
//! a line is read like any other item, the parts of its item's key are shown in it, under names that no
//! path can have: `..id`.

use serde_json::{Map, Value as Json};
use syncline_core::change::{Observed, RowKey};
use syncline_ports::source::{HeldList, RefusedRow};

use crate::rest::bound::Bound;

/// What the name of a part of the item's key begins with.
const OF_PARENT: &str = "..";

/// Whether a column of a line is a part of the key of the item that holds it.
pub(super) fn is_of_parent(column: &str) -> bool {
    column.starts_with(OF_PARENT)
}

/// Takes out of a line what is not its own.
pub(super) fn own(line: &mut Json) {
    if let Json::Object(members) = line {
        members.retain(|name, _| !is_of_parent(name));
    }
}

impl Bound {
    /// The lines in an item. `None`: it says nothing of them.
    ///
    /// # Errors
    /// What is there instead of a list of lines.
    pub(super) fn elements<'a>(&self, item: &'a Json) -> Result<Option<&'a [Json]>, String> {
        let Some(within) = &self.within else { return Ok(None) };
        let found = within.at(item);
        let wrong = |what: &str| Err(format!("{within}: {what}"));
        match found {
            Ok(None) => Ok(self.resource.absent_is_null.then_some(&[])),
            Ok(Some(Json::Null)) => Ok(Some(&[])),
            Ok(Some(Json::Array(lines))) if lines.iter().all(Json::is_object) => Ok(Some(lines)),
            Ok(Some(Json::Array(_))) => wrong("a line is no object"),
            Ok(Some(Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_))) => {
                wrong("there is something else than a list")
            }
            Err(_) => wrong("something else than an object is on the way to it"),
        }
    }

    /// A line of this item, with its item's key.
    pub(super) fn line(&self, item: &Json, element: &Json) -> Json {
        let mut line = element.as_object().cloned().unwrap_or_else(Map::new);
        for path in &self.resource.key {
            let part = path.at(item).ok().flatten().cloned();
            line.insert(format!("{OF_PARENT}{path}"), part.unwrap_or(Json::Null));
        }
        Json::Object(line)
    }

    /// The lines of an item; those that share a key are set aside. `None`: it says nothing of them.
    pub(super) fn held(&self, item: &Json, parent: &RowKey) -> Option<HeldList> {
        let elements = self.elements(item).ok().flatten()?;
        // A line is as new as its item: what lags behind is no news of it.
        let order = self.order(item);
        let mut seen: Vec<Result<Observed, RefusedRow>> = Vec::with_capacity(elements.len());
        let mut keys = std::collections::BTreeMap::<RowKey, u32>::new();
        for element in elements {
            let observed = self.observe(&self.line(item, element));
            let observed = observed.map(|observed| Observed { order, ..observed });
            let key = match &observed {
                Ok(observed) => &observed.key,
                Err(refused) => &refused.key,
            };
            *keys.entry(key.clone()).or_default() += 1;
            seen.push(observed);
        }
        let (binding, parent) = (self.shape.binding, parent.clone());
        let mut list = HeldList { binding, parent, rows: Vec::new(), refused: Vec::new() };
        for observed in seen {
            match observed {
                Ok(observed) if keys.get(&observed.key).is_some_and(|count| *count > 1) => {
                    if !list.refused.iter().any(|other| other.key == observed.key) {
                        let reason = "several lines of one list share it".into();
                        let (key, code) = (observed.key, "read.duplicate_key");
                        list.refused.push(RefusedRow { key, code, reason });
                    }
                }
                Ok(observed) => list.rows.push(observed),
                Err(refused) => list.refused.push(refused),
            }
        }
        Some(list)
    }

    /// All lists that an item of this binding holds, as far as it says anything of them.
    pub(super) fn all_held(&self, item: &Json, parent: &RowKey) -> Vec<HeldList> {
        self.lists.iter().filter_map(|list| list.held(item, parent)).collect()
    }

    /// The key of the item that holds the line of this key.
    pub(super) fn holder_of(&self, line: &RowKey) -> RowKey {
        RowKey::new(line.values().iter().take(self.resource.key.len()))
    }
}
