//! What of the configuration was approved, kept readable in the hub, so that `config diff` can say what
//! became different. The hash of the meaning decides; this text only explains. It holds no secrets:
//! an entity has none.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use syncline_core::{name::EntityIndex, value::Digest};
use syncline_ports::reader::Reader as _;

use crate::{
    config::{self, Loaded, numbering},
    report::Failure,
    session::Session,
    words,
};

/// The names of all entities that were ever approved here.
const NAMES: &str = "approved";

/// What was said of an entity, and who approved that.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Approved {
    /// Who approved it, and when; nothing if an earlier version did not note it.
    pub(crate) by: Json,
    /// The entity, as the file said it.
    pub(crate) entity: Json,
    /// The defaults that it followed.
    pub(crate) defaults: Json,
    /// The tables of values that it looked up, by a digest.
    pub(crate) lookups: Json,
}

impl Approved {
    /// What the file says now.
    pub(crate) fn said(loaded: &Loaded, name: &str) -> Self {
        let whole = config::json(loaded);
        let part = |value: Option<&Json>| value.cloned().unwrap_or_default();
        Self {
            by: Json::Null,
            entity: part(whole.get("entities").and_then(|all| all.get(name))),
            defaults: part(whole.get("defaults")),
            lookups: json!(lookups(loaded, name)),
        }
    }

    fn text(&self) -> String {
        let Self { by, entity, defaults, lookups } = self;
        json!({ "by": by, "entity": entity, "defaults": defaults, "lookups": lookups }).to_string()
    }

    fn of_text(text: &str) -> Option<Self> {
        let whole: Json = serde_json::from_str(text).ok()?;
        let part = |key: &str| whole.get(key).cloned();
        Some(Self {
            by: part("by")?,
            entity: part("entity")?,
            defaults: part("defaults")?,
            lookups: part("lookups")?,
        })
    }
}

/// Approves an entity as the file says it now.
pub(crate) async fn approve(session: &Session, entity: EntityIndex) -> Result<(), Failure> {
    approve_as(session, entity, &session.who).await
}

/// The same in somebody's name.
pub(crate) async fn approve_as(
    session: &Session,
    entity: EntityIndex,
    who: &str,
) -> Result<(), Failure> {
    let Some(found) = session.plan.entity(entity) else { return Ok(()) };
    let at = Session::now();
    session.hub.approve(&found.name, found.meaning, who, at).await?;
    numbering::remember(session).await?;
    let by = json!({ "who": who, "at": words::time(at) });
    let said = Approved { by, ..Approved::said(&session.loaded, &found.name) };
    session.hub.set_note(&note(&found.name), &said.text()).await?;
    let mut names = names(session).await?;
    if !names.iter().any(|name| *name == found.name.as_str()) {
        names.push(found.name.to_string());
        session.hub.set_note(NAMES, &json!(names).to_string()).await?;
    }
    Ok(())
}

/// What an approved entity is worked with now: policies and guards may have changed since, which
/// needs no approval. Of one that an earlier version approved, too: it means the same, so this is
/// what was approved.
pub(crate) async fn remember(session: &Session, entity: EntityIndex) -> Result<(), Failure> {
    let Some(found) = session.plan.entity(entity) else { return Ok(()) };
    numbering::remember(session).await?;
    let known = known(session, &found.name).await?;
    let by = known.as_ref().map(|known| known.by.clone()).unwrap_or_default();
    let said = Approved { by, ..Approved::said(&session.loaded, &found.name) };
    if known.as_ref() != Some(&said) {
        session.hub.set_note(&note(&found.name), &said.text()).await?;
    }
    Ok(())
}

/// What was approved, if it is known.
pub(crate) async fn known(session: &Session, name: &str) -> Result<Option<Approved>, Failure> {
    let text = session.hub.note(&note(name)).await?;
    Ok(text.and_then(|text| Approved::of_text(&text)))
}

/// Entities that were ever approved here, as far as it was noted.
pub(crate) async fn names(session: &Session) -> Result<Vec<String>, Failure> {
    let text = session.hub.note(NAMES).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

fn lookups(loaded: &Loaded, name: &str) -> BTreeMap<String, String> {
    let roots = loaded.draft.entities.iter().filter(|entity| entity.name == name);
    let all = roots.flat_map(|root| std::iter::once(root).chain(root.lines.as_deref()));
    let fields = all.flat_map(|entity| &entity.fields);
    let cells = fields.flat_map(|field| field.cells.iter().map(move |cell| (field, cell)));
    cells
        .filter_map(|(field, cell)| {
            cell.lookup.as_ref()?;
            let mut text = String::new();
            for (golden, natives) in cell.values.iter().flat_map(|values| &values.value) {
                let natives: Vec<&str> = natives.iter().map(|atom| atom.text.as_str()).collect();
                text.push_str(&format!("{:?} {natives:?}\n", golden.value));
            }
            let digest = words::hex(&Digest::of(text.as_bytes()));
            Some((format!("{}.{}", field.name.value, cell.system.value), digest))
        })
        .collect()
}

fn note(name: &str) -> String {
    format!("approved:{name}")
}
