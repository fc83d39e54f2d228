//! A binding and its resource: what an item means as a row, and what a write sends.

use std::sync::Arc;

use serde_json::Value as Json;
use syncline_core::{
    Text,
    change::{Observed, Order, RowKey, Token},
    error::{ErrorKind, PortError},
    name::BindingIndex,
    plan::{Place, Plan},
    value::Value,
};
use syncline_ports::{
    catalog::{Column, NativeKind, Table, Travels},
    source::RefusedRow,
};

use crate::{
    rest::{
        client::{Answer, Client},
        lines,
        payload::{self, Stamp},
    },
    settings::{
        Path, Template,
        api::{Api, Resource, Version},
    },
    sql::{Shape, json},
};

/// A binding and its resource.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) resource: Arc<Resource>,
    /// Members as columns: the columns of [`Shape`] are paths.
    pub(super) shape: Shape,
    /// Where the columns of the shape are in an item.
    pub(super) paths: Vec<Path>,
    /// For a list that items hold: where in them. Its rows are lines as [`crate::rest::lines`] shows them.
    pub(super) within: Option<Path>,
    /// The lists that items of this binding hold.
    pub(super) lists: Vec<Arc<Self>>,
    /// The system's name, for messages.
    system: String,
}

impl Bound {
    /// What this binding needs of its resource.
    ///
    /// # Errors
    /// `SchemaDrift` if the resource is not configured, or a path is none.
    pub(super) fn new(
        plan: &Plan,
        api: &Api,
        system: &str,
        binding: BindingIndex,
    ) -> Result<Self, PortError> {
        let wrong = |detail: String| {
            PortError::new(ErrorKind::SchemaDrift, format!("prepare \"{system}\""), detail)
        };
        let found = plan.binding(binding).ok_or_else(|| wrong("no such binding".into()))?;
        let name = &found.table.table;
        let resource =
            api.resource(name).ok_or_else(|| wrong(format!("it has no resource {name}")))?;
        let spec = &found.table;
        let within =
            spec.within.as_ref().map(|path| Path::parse(path).map_err(wrong)).transpose()?;
        let key: Vec<Text> = match within {
            Some(_) => spec.key.clone(),
            None => resource.key.iter().map(|path| Text::new(path.to_string())).collect(),
        };
        let mut names: Vec<Text> = key.iter().chain(&spec.parent).cloned().collect();
        for cell in found.cells.iter().flatten() {
            match &cell.place {
                Place::Column(name) => names.push(name.clone()),
                Place::Columns(several) => names.extend(several.iter().cloned()),
                Place::Path { column, .. } => names.push(column.clone()),
            }
        }
        names.extend(spec.changed_at.iter().map(|(name, _)| name.clone()));
        names.extend(spec.changed_by.iter().chain(&spec.cursor).cloned());
        // Lines have no version of their own.
        let order = resource.order.as_ref().filter(|_| within.is_none());
        names.extend(order.map(|path| Text::new(path.to_string())));
        for (name, _) in found.soft_delete.iter().flatten() {
            // A name is a field's or a member's.
            let entity = plan.entity(found.entity);
            if entity.is_none_or(|entity| entity.field_named(name).is_none()) {
                names.push(name.clone());
            }
        }
        let mut columns: Vec<Column> = Vec::new();
        for name in names {
            if columns.iter().any(|column| column.name == name) {
                continue;
            }
            columns.push(Column {
                is_identity: key.contains(&name),
                nullable: true,
                type_name: Text::new("json"),
                travels: Travels::Exactly(NativeKind::Json),
                name,
                ..Column::default()
            });
        }
        let table = Table { name: name.clone(), columns, primary_key: key, ..Table::default() };
        let shape = Shape::of(plan, binding, &table)?;
        let path = |column: &Column| {
            if lines::is_of_parent(&column.name) {
                Ok(Path::name(&column.name))
            } else {
                Path::parse(&column.name)
            }
        };
        let paths: Result<Vec<Path>, String> = shape.columns.iter().map(path).collect();
        let (paths, resource) = (paths.map_err(wrong)?, Arc::clone(resource));
        let lists = plan.held_lists(binding).into_iter();
        let lists = lists.map(|list| Self::new(plan, api, system, list).map(Arc::new));
        let lists = lists.collect::<Result<_, _>>()?;
        Ok(Self { resource, shape, paths, within, lists, system: system.to_owned() })
    }

    /// For messages: `list customers of "shop"`.
    pub(super) fn action(&self, what: &str) -> String {
        format!("{what} {} of \"{}\"", self.resource.name, self.system)
    }

    /// What an item of a list, or of an answer about one, is as a row.
    ///
    /// # Errors
    /// An item that cannot be read as configured.
    pub(super) fn observe(&self, item: &Json) -> Result<Observed, RefusedRow> {
        let mut values = Vec::with_capacity(self.paths.len());
        let mut problem = None;
        for (path, column) in self.paths.iter().zip(&self.shape.columns) {
            let value = match path.at(item) {
                Ok(None) => Ok(Value::Null),
                Ok(Some(found)) => json::from_json(found.clone())
                    .map_err(|found| (found.code, format!("{}: {}", column.name, found.message))),
                Err(_) => {
                    let why = "something else than an object is on the way to";
                    Err(("read.json", format!("{why} {}", column.name)))
                }
            };
            values.push(value.unwrap_or_else(|found| {
                problem.get_or_insert(found);
                Value::Null
            }));
        }
        let key = self.shape.key_of(&values);
        let refused =
            |code, reason: String| RefusedRow { key: key.clone(), code, reason: reason.into() };
        if let Some((code, reason)) = problem {
            return Err(refused(code, reason));
        }
        let parts = self.shape.key.iter().filter_map(|at| values.get(*at));
        for part in parts {
            match part {
                Value::List(_) | Value::Map(_) | Value::Set(_) => {
                    return Err(refused(
                        "read.type",
                        "a part of its key is a list or an object".into(),
                    ));
                }
                Value::Null
                | Value::Bool(_)
                | Value::Num(_)
                | Value::Float(_)
                | Value::Text(_)
                | Value::Bytes(_)
                | Value::Uuid(_)
                | Value::Date(_)
                | Value::Time(_)
                | Value::LocalDateTime(..)
                | Value::Instant(..)
                | Value::OffsetDateTime(..)
                | Value::Interval(..)
                | Value::Ref(_) => {}
            }
        }
        if let Some(reason) = self.lists.iter().find_map(|list| list.elements(item).err()) {
            return Err(refused("read.json", reason));
        }
        let mut observed = self.shape.observe(&values)?;
        if self.within.is_none() {
            observed.order = self.order(item);
        }
        if let (Version::Field(path), None) = (&self.resource.version, &self.within) {
            observed.token = path
                .at(item)
                .ok()
                .flatten()
                .filter(|found| !found.is_null())
                .map(|found| Token(found.to_string().into_bytes()));
        }
        Ok(observed)
    }

    /// Where in its history an item is, as one that is read shows it.
    pub(super) fn order(&self, item: &Json) -> Option<Order> {
        let stamp = Stamp::of(self.resource.order.as_ref()?, item)?;
        payload::note(&self.system, &self.resource.name, stamp);
        Some(stamp.order())
    }

    /// An item of a list shows all that is needed. What it lacks could be null, or could be told only
    /// by the item itself.
    pub(super) fn shows_all(&self, item: &Json) -> bool {
        self.resource.absent_is_null || self.holds_all(item)
    }

    /// The answer of a write shows all that is needed. Unlike a list it may be a receipt: what it
    /// lacks says nothing, whatever `absent` means.
    pub(super) fn holds_all(&self, item: &Json) -> bool {
        let lists = self.lists.iter().filter_map(|list| list.within.as_ref());
        self.paths.iter().chain(lists).all(|path| !matches!(path.at(item), Ok(None)))
    }

    /// The item in an answer about one, with the token of its `ETag`.
    ///
    /// # Errors
    /// `Answer` if there is none.
    pub(super) fn item(&self, answer: &Answer, action: &str) -> Result<Item, PortError> {
        let document = answer.json(action)?;
        let found = self.resource.item.at(&document).ok().flatten().filter(|item| item.is_object());
        let item = found.cloned().ok_or_else(|| {
            let detail = format!("there is no item at `{}` in its answer", self.resource.item);
            PortError::new(ErrorKind::Answer, action, detail)
        })?;
        let etag = match self.resource.version {
            Version::Etag => answer.header(&reqwest::header::ETAG),
            Version::None | Version::Field(_) => None,
        };
        let etag = etag.map(|text| Token(text.as_bytes().to_vec()));
        Ok(Item { json: item, etag, document })
    }

    /// What became of this item.
    ///
    /// # Errors
    /// What kept it from being read: nothing is known of it then.
    pub(super) async fn fetch(
        &self,
        client: &Client,
        key: &RowKey,
    ) -> Result<Option<Item>, PortError> {
        self.look(client, key).await.map_err(Unread::into_error)
    }

    /// As [`Bound::fetch`]; what keeps it from being read says whether asking again may help.
    ///
    /// # Errors
    /// Nothing is known of it.
    pub(super) async fn look(&self, client: &Client, key: &RowKey) -> Result<Option<Item>, Unread> {
        let action = self.action("read one of");
        let path = self.filled(&self.resource.get, key).ok_or_else(|| {
            let detail = "its key has another number of parts";
            Unread::Refused(PortError::new(ErrorKind::SchemaDrift, action.clone(), detail))
        })?;
        let url = client.url(&path, &action).map_err(Unread::Refused)?;
        let answer = client.get(url, &action).await.map_err(Unread::Unanswered)?;
        if answer.is_html() {
            // Of a path that does not exist, servers say `404`, too; and a page for people, of a
            // proxy or about maintenance, says nothing of an item.
            let status = answer.status.as_u16();
            let detail = format!("it answered {status} with an HTML page");
            return Err(Unread::Unanswered(PortError::new(ErrorKind::Answer, action, detail)));
        }
        if self.resource.gone.contains(&answer.status.as_u16()) {
            return Ok(None);
        }
        if !answer.status.is_success() {
            let failure = answer.failure(&action);
            return Err(if failure.kind == ErrorKind::Answer {
                Unread::Refused(failure)
            } else {
                Unread::Unanswered(failure)
            });
        }
        self.item(&answer, &action).map(Some).map_err(Unread::Refused)
    }

    /// A template with the parts of a key in its places.
    pub(super) fn filled(&self, template: &Template, key: &RowKey) -> Option<String> {
        let values = key.values();
        if values.len() != self.resource.key.len() {
            return None;
        }
        template.fill(|name| {
            let at = self.resource.key.iter().position(|path| path.to_string() == name)?;
            values.get(at).map(ToString::to_string)
        })
    }
}

/// Why nothing is known of an item.
#[derive(Clone, Debug)]
pub(super) enum Unread {
    /// Nobody said anything of it, or nobody may ask.
    Unanswered(PortError),
    /// This is what the system says of it, each time.
    Refused(PortError),
}

impl Unread {
    fn into_error(self) -> PortError {
        match self {
            Self::Unanswered(error) | Self::Refused(error) => error,
        }
    }
}

/// An item, as an answer about one shows it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) json: Json,
    pub(super) etag: Option<Token>,
    /// All of the answer, for a write that sends it back.
    pub(super) document: Json,
}

impl Item {
    /// The item as a row.
    ///
    /// # Errors
    /// As [`Bound::observe`].
    pub(super) fn observe(&self, bound: &Bound) -> Result<Observed, RefusedRow> {
        let mut observed = bound.observe(&self.json)?;
        if let Some(etag) = &self.etag {
            observed.token = Some(etag.clone());
        }
        Ok(observed)
    }
}
