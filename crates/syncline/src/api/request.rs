//! What is asked: the words of the path and the parameters behind it, each of them known and well formed
//! before anything is looked up.

use std::collections::BTreeMap;

use axum::{extract::Query, http::Uri};
use serde_json::{Map, Value as Json};
use syncline_core::name::{EntityIndex, SystemIndex, Timestamp};

use crate::{
    address,
    api::table::{Kind, Parameter, Route},
    report::Failure,
    session::Session,
    words,
};

/// A parameter is not longer than this.
const LENGTH_MAX: usize = 2_000;

/// A request that is well formed.
#[derive(Clone, Debug)]
pub(super) struct Request {
    names: Vec<(String, String)>,
    query: BTreeMap<String, String>,
    body: Map<String, Json>,
    seen: Option<String>,
    scope: Option<Vec<String>>,
}

impl Request {
    /// Reads a request for this route.
    ///
    /// # Errors
    /// `usage.parameter`: one that is not known, twice there, or not what it should be.
    pub(super) fn new(
        route: &'static Route,
        names: Vec<(String, String)>,
        uri: &Uri,
    ) -> Result<Self, Failure> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| refused("the parameters cannot be read", error.to_string()))?;
        let mut query = BTreeMap::new();
        for (name, value) in pairs {
            let Some(known) = route.parameters().find(|known| known.name == name) else {
                let known: Vec<&str> = route.parameters().map(|known| known.name).collect();
                let known = match known.as_slice() {
                    [] => "it takes none".to_owned(),
                    known => format!("it takes {}", known.join(", ")),
                };
                return Err(refused(&format!("there is no parameter `{name}` here"), known));
            };
            check(known, &value)?;
            if query.insert(name.clone(), value).is_some() {
                return Err(refused(&format!("`{name}` is said twice"), "which one counts?"));
            }
        }
        if let Some((name, _)) = names.iter().find(|(_, value)| value.len() > LENGTH_MAX) {
            return Err(refused(&format!("`{name}` is too long"), "no name is that long"));
        }
        Ok(Self { names, query, body: Map::new(), seen: None, scope: None })
    }

    /// The same with its body, and with the tag of what whoever asks has seen.
    pub(super) fn with(mut self, body: Map<String, Json>, seen: Option<String>) -> Self {
        (self.body, self.seen) = (body, seen);
        self
    }

    /// The same for these entities only.
    pub(super) fn within(mut self, scope: Option<Vec<String>>) -> Self {
        self.scope = scope;
        self
    }

    /// Whether not all entities are asked about.
    pub(super) fn limits(&self) -> bool {
        self.scope.is_some() || self.text("entity").is_some()
    }

    /// For these entities only, if whoever asks is limited to some.
    pub(super) fn scope(&self) -> Option<&[String]> {
        self.scope.as_deref()
    }

    /// Whether whoever asks may know of this entity.
    ///
    /// # Errors
    /// `server.role`.
    pub(super) fn permits(&self, session: &Session, entity: EntityIndex) -> Result<(), Failure> {
        session.permits(self.scope(), entity)
    }

    /// The words of the path.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(_, value)| value.as_str())
    }

    /// The tag of what is to be decided, as whoever asks has seen it.
    pub(super) fn seen(&self) -> Option<&str> {
        self.seen.as_deref()
    }

    /// The body; what it says is null is not said.
    pub(super) fn body(&self) -> &Map<String, Json> {
        &self.body
    }

    /// A text of the body.
    pub(super) fn said(&self, name: &str) -> Option<String> {
        self.body.get(name).and_then(Json::as_str).map(str::to_owned)
    }

    /// A number of the body.
    pub(super) fn said_number(&self, name: &str) -> Option<u64> {
        self.body.get(name).and_then(Json::as_u64)
    }

    /// Something that the body says is so.
    pub(super) fn says(&self, name: &str) -> bool {
        self.body.get(name).and_then(Json::as_bool) == Some(true)
    }

    /// Texts of the body.
    pub(super) fn said_all(&self, name: &str) -> Vec<String> {
        let all = self.body.get(name).and_then(Json::as_array);
        all.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    /// A word of the path.
    pub(super) fn name(&self, name: &str) -> &str {
        self.names.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A number of the path, of such a thing.
    ///
    /// # Errors
    /// `usage.unknown_number`.
    pub(super) fn number(&self, what: &str, prefix: &str) -> Result<u64, Failure> {
        let text = self.name("id");
        let digits = text.strip_prefix(prefix).unwrap_or(text);
        let number = digits.parse::<u64>().ok().filter(|it| i64::try_from(*it).is_ok());
        number.ok_or_else(|| {
            Failure::new("usage.unknown_number", format!("there is no {what} `{text}`"))
                .cause("it is no number")
                .fix("take one from the list")
        })
    }

    /// A parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A parameter that is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A parameter that is a time.
    pub(super) fn time(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(|text| words::parse_time(text, Session::now()))
    }

    /// All parameters.
    pub(super) fn query(&self) -> &BTreeMap<String, String> {
        &self.query
    }

    /// The entity that the parameter names.
    ///
    /// # Errors
    /// `usage.unknown_entity`.
    pub(super) fn entity(&self, session: &Session) -> Result<Option<EntityIndex>, Failure> {
        let Some(name) = self.text("entity") else { return Ok(None) };
        let found = session.entities(Some(name))?.first().copied();
        found.map(|entity| self.permits(session, entity)).transpose()?;
        Ok(found)
    }

    /// The entities that are asked about: one, or all that whoever asks may know of.
    ///
    /// # Errors
    /// `usage.unknown_entity`, `server.role`.
    pub(super) fn roots(&self, session: &Session) -> Result<Vec<EntityIndex>, Failure> {
        if let Some(entity) = self.entity(session)? {
            return Ok(vec![entity]);
        }
        let mut all = session.entities(None)?;
        all.retain(|entity| self.permits(session, *entity).is_ok());
        Ok(all)
    }

    /// The same with its child lists.
    ///
    /// # Errors
    /// `usage.unknown_entity`.
    pub(super) fn entities(&self, session: &Session) -> Result<Option<Vec<EntityIndex>>, Failure> {
        if self.text("entity").is_none() && self.scope.is_none() {
            return Ok(None);
        }
        let roots = self.roots(session)?;
        let all = session.plan.entities.iter().zip(0u16..).map(|(_, index)| EntityIndex(index));
        Ok(Some(all.filter(|entity| roots.contains(&session.plan.root_of(*entity))).collect()))
    }

    /// The system that the parameter names.
    ///
    /// # Errors
    /// `usage.unknown_system`.
    pub(super) fn system(&self, session: &Session) -> Result<Option<SystemIndex>, Failure> {
        self.text("system").map(|name| address::system_named(session, name)).transpose()
    }
}

/// A parameter is what it should be.
fn check(known: &Parameter, value: &str) -> Result<(), Failure> {
    let name = known.name;
    if value.len() > LENGTH_MAX {
        return Err(refused(&format!("`{name}` is too long"), "no value is that long"));
    }
    let wrong = |form: &str| Err(refused(&format!("`{name}` is {form}"), format!("not {value:?}")));
    match known.kind {
        Kind::Text => Ok(()),
        Kind::Number => match value.parse::<u64>() {
            Ok(_) => Ok(()),
            Err(_) => wrong("a whole number"),
        },
        Kind::Flag if matches!(value, "true" | "false") => Ok(()),
        Kind::Flag => wrong("true or false"),
        Kind::Time if words::parse_time(value, Session::now()).is_some() => Ok(()),
        Kind::Time => wrong("a time, as in 2026-03-01T22:10:00Z, or how long ago, as in 7d"),
        // These stand in bodies.
        Kind::Value | Kind::Values | Kind::Texts => Ok(()),
        Kind::Choice(all) if all.contains(&value) => Ok(()),
        Kind::Choice(all) => wrong(&format!("one of {}", all.join(", "))),
    }
}

/// A parameter that is not taken.
pub(super) fn refused(message: &str, cause: impl Into<String>) -> Failure {
    Failure::new("usage.parameter", message)
        .cause(cause)
        .done("nothing was looked up")
        .fix("GET /api/v1/openapi.json lists what each resource takes")
}

/// A value as it would be typed on the command line.
pub(super) fn typed(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::String(text) => text.clone(),
        other @ (Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            other.to_string()
        }
    }
}
