//! Which rows an item that was sent is about: the keys that it shows, as the system's own rows have
//! them.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use syncline_core::{
    Text,
    change::RowKey,
    decimal::Decimal,
    error::{ErrorKind, PortError},
    name::{BindingIndex, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::catalog::{NativeKind, Travels};

use crate::{
    push,
    settings::{Kind, Path, Settings},
    sql::{Shape, json},
};

/// The keys of all bindings of one system.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    bound: Vec<Bound>,
}

/// A binding, and where its key is in an item.
#[derive(Clone, Debug)]
struct Bound {
    binding: BindingIndex,
    resource: Text,
    /// Of a system that only tells: whose rows they are in what it has told.
    place: String,
    parts: Vec<(Path, NativeKind)>,
}

impl Keys {
    /// Of tables, the kinds of the key columns are asked for; of a REST system the file says all.
    pub(super) async fn of(
        settings: &Settings,
        plan: &Plan,
        system: SystemIndex,
    ) -> Result<Self, PortError> {
        let mut names: BTreeMap<BindingIndex, Text> = BTreeMap::new();
        for (at, found) in plan.bindings.iter().enumerate() {
            // Lists that items hold are read with them.
            if found.system == system && found.table.within.is_none() {
                let at = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
                names.insert(at, found.table.table.clone());
            }
        }
        let action = || format!("listen to \"{}\"", settings.name);
        let wrong = |detail: String| PortError::new(ErrorKind::SchemaDrift, action(), detail);
        let mut bound = Vec::with_capacity(names.len());
        if settings.kind == Kind::Rest {
            for (binding, resource) in names {
                let found = settings.api.as_ref().and_then(|api| api.resource(&resource));
                let found = found.ok_or_else(|| wrong(format!("it has no resource {resource}")))?;
                let parts = found.key.iter().map(|path| (path.clone(), NativeKind::Json));
                let (parts, place) = (parts.collect(), String::new());
                bound.push(Bound { binding, resource, place, parts });
            }
            return Ok(Self { bound });
        }
        if settings.kind == Kind::Push {
            for (binding, resource) in names {
                let key = plan.binding(binding).map(|found| found.table.key.as_slice());
                let key = key.unwrap_or_default();
                let parts =
                    key.iter().map(|name| Some((Path::parse(name).ok()?, NativeKind::Json)));
                let parts: Option<Vec<_>> = parts.collect();
                let parts =
                    parts.ok_or_else(|| wrong(format!("the key of {resource} is no path")))?;
                let place = push::place(&resource, key);
                bound.push(Bound { binding, resource, place, parts });
            }
            return Ok(Self { bound });
        }
        let mut catalog = crate::catalog(settings).await?;
        let tables: Vec<Text> = names.values().cloned().collect();
        let described = catalog.describe(&tables).await?;
        for ((binding, resource), table) in names.into_iter().zip(described) {
            let table = table.ok_or_else(|| wrong(format!("there is no table {resource}")))?;
            let shape = Shape::of(plan, binding, &table)?;
            let part = |at: &usize| {
                let column = shape.columns.get(*at)?;
                let kind = match &column.travels {
                    Travels::Exactly(kind) | Travels::Converted(kind, _) => *kind,
                    Travels::Refused => return None,
                };
                // A name, not a path: columns may have dots in theirs.
                Some((Path::name(&column.name), kind))
            };
            let parts: Option<Vec<_>> = shape.key.iter().map(part).collect();
            let parts = parts.ok_or_else(|| wrong(format!("{resource} has no key to hear of")))?;
            bound.push(Bound { binding, resource, place: String::new(), parts });
        }
        Ok(Self { bound })
    }

    /// The tables and resources that are bound.
    pub(super) fn known(&self) -> Vec<Text> {
        let mut known: Vec<Text> = self.bound.iter().map(|it| it.resource.clone()).collect();
        known.sort_unstable();
        known.dedup();
        known
    }

    /// The bindings of a table or resource; of all of them, if none is named.
    pub(super) fn bindings(&self, resource: Option<&Text>) -> impl Iterator<Item = BindingIndex> {
        let meant = move |it: &&Bound| resource.is_none_or(|name| *name == it.resource);
        let found: Vec<BindingIndex> =
            self.bound.iter().filter(meant).map(|it| it.binding).collect();
        found.into_iter()
    }

    /// Whose rows those of a binding are, in what a system that only tells has told.
    pub(super) fn place(&self, binding: BindingIndex) -> &str {
        self.bound.iter().find(|it| it.binding == binding).map_or("", |it| it.place.as_str())
    }

    /// The row that an item is about. `paths`: where the parts of the key are, if not as in the item
    /// itself. `None`: the item does not show its key.
    ///
    /// A number that was sent as text may be a number in the item: `twin` gives that one.
    pub(super) fn row(
        &self,
        binding: BindingIndex,
        item: &Json,
        paths: &[Path],
        twin: Twin,
    ) -> Option<RowKey> {
        let bound = self.bound.iter().find(|it| it.binding == binding)?;
        if !paths.is_empty() && paths.len() != bound.parts.len() {
            return None;
        }
        let mut values = Vec::with_capacity(bound.parts.len());
        for (at, (path, kind)) in bound.parts.iter().enumerate() {
            let path = paths.get(at).unwrap_or(path);
            let found = path.at(item).ok().flatten()?;
            values.push(value(found, *kind, twin)?);
        }
        (!values.is_empty()).then(|| RowKey::new(&values))
    }
}

/// How a number is taken that could be text, or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twin {
    /// As it was sent.
    AsSent,
    /// As the other.
    Other,
}

/// A part of a key as the system's own rows have it.
fn value(found: &Json, kind: NativeKind, twin: Twin) -> Option<Value> {
    let text = match found {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.to_string(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    let number = || Decimal::parse(&text).map(Value::Num);
    match kind {
        NativeKind::Num => number(),
        NativeKind::Text => Some(Value::Text(Text::from(text))),
        NativeKind::Uuid => {
            let digits: String = text.chars().filter(|it| *it != '-').collect();
            let number = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32);
            number.map(|number| Value::Uuid(number.to_be_bytes()))
        }
        NativeKind::Json if twin == Twin::Other => {
            if found.is_string() {
                number()
            } else {
                Some(Value::Text(Text::from(text)))
            }
        }
        NativeKind::Json => json::from_json(found.clone()).ok(),
        // Such keys are not written in one way: a poll finds the row.
        NativeKind::Bool
        | NativeKind::Float
        | NativeKind::Bytes
        | NativeKind::Date
        | NativeKind::Time
        | NativeKind::LocalDateTime
        | NativeKind::Instant
        | NativeKind::Interval
        | NativeKind::List => None,
    }
}
