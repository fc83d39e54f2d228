//! The hub knows systems, entities, fields and bindings by number. A number is given once and means the same
//! for ever, wherever the name stands in the file later: what is known keeps its number, what is new gets the
//! next one, and the number of what is gone stays empty. Without this a field put in the middle, or a
//! system put before another, would give the values of one to the next.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value as Json, json};
use syncline_adapters::hub::{news, sqlite::SqliteHub};
use syncline_core::{
    Text,
    name::{BindingIndex, EntityIndex, FieldIndex, RunId, SystemIndex},
    plan::{Binding, Entity, Plan, TableSpec},
};
use syncline_engine::{
    desk::{Desk, Unwatched},
    renew::renew,
};
use syncline_ports::reader::Reader as _;

use crate::{
    config::draft::{Draft, EntityDraft, FieldDraft, Name, Spanned},
    report::Failure,
    session::Session,
};

/// Where the hub keeps it.
const NOTE: &str = "numbering";

/// Names in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbering {
    /// Systems.
    pub(crate) systems: Vec<Text>,
    /// Entities and child lists, with their fields.
    pub(crate) entities: Vec<(Text, Vec<Text>)>,
    /// Bindings: an entity in a system.
    pub(crate) bindings: Vec<(Text, Text)>,
    /// By which fields the rows of each entity are matched, rule by rule: rules are known by their place.
    rules: BTreeMap<Text, Vec<Vec<Text>>>,
}

impl Numbering {
    /// What this plan numbers how. Numbers that stand for nothing have no name.
    fn of(plan: &Plan) -> Self {
        let fields =
            |entity: &Entity| entity.fields.iter().map(|field| field.name.clone()).collect();
        let entities = plan.entities.iter().map(|it| (it.name.clone(), fields(it))).collect();
        let bindings = plan.bindings.iter().map(|it| {
            let entity = plan.entity(it.entity).map(|it| it.name.clone()).unwrap_or_default();
            let system = plan.system(it.system).map(|it| it.name.clone()).unwrap_or_default();
            (entity, system)
        });
        let rules = plan.entities.iter().map(|it| (it.name.clone(), rules(it)));
        Self {
            systems: plan.systems.iter().map(|system| system.name.clone()).collect(),
            entities,
            bindings: bindings.collect(),
            rules: rules.collect(),
        }
    }

    /// What is known, and after it what is new.
    fn learn(&mut self, now: &Self) {
        learn(&mut self.systems, &now.systems);
        for (name, fields) in &now.entities {
            match self.entities.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => learn(known, fields),
                None => self.entities.push((name.clone(), fields.clone())),
            }
        }
        let named = now.bindings.iter().filter(|(entity, _)| !entity.is_empty());
        let named: Vec<_> = named.cloned().collect();
        learn(&mut self.bindings, &named);
        self.rules.extend(now.rules.iter().map(|(name, rules)| (name.clone(), rules.clone())));
    }

    /// Whether every number means the same here and there, as far as both know it.
    fn agrees(&self, now: &Self) -> bool {
        let same = |known: &[Text], now: &[Text]| known.iter().zip(now).all(|(a, b)| a == b);
        let pairs = |known: &[(Text, Text)], now: &[(Text, Text)]| {
            known.iter().zip(now).all(|(a, b)| a == b || b.0.is_empty())
        };
        same(&self.systems, &now.systems)
            && self.entities.iter().zip(&now.entities).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1))
            && pairs(&self.bindings, &now.bindings)
    }

    fn text(&self) -> String {
        let texts = |all: &[Text]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let entities: Vec<Json> = self
            .entities
            .iter()
            .map(|(name, fields)| json!([name.as_str(), texts(fields)]))
            .collect();
        let bindings: Vec<Json> = self
            .bindings
            .iter()
            .map(|(entity, system)| json!([entity.as_str(), system.as_str()]))
            .collect();
        let rules: Vec<Json> = self
            .rules
            .iter()
            .map(|(name, rules)| {
                let rules: Vec<_> = rules.iter().map(|rule| texts(rule)).collect();
                json!([name.as_str(), rules])
            })
            .collect();
        json!({
            "systems": texts(&self.systems), "entities": entities, "bindings": bindings, "rules": rules,
        })
        .to_string()
    }

    fn parse(text: &str) -> Option<Self> {
        let whole: Json = serde_json::from_str(text).ok()?;
        let text = |json: &Json| json.as_str().map(Text::new);
        let texts = |json: &Json| json.as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
        let entity = |json: &Json| Some((text(json.get(0)?)?, texts(json.get(1)?)?));
        let binding = |json: &Json| Some((text(json.get(0)?)?, text(json.get(1)?)?));
        let rule = |json: &Json| {
            let rules = json.get(1)?.as_array()?.iter().map(texts).collect::<Option<_>>()?;
            Some((text(json.get(0)?)?, rules))
        };
        let rules = whole.get("rules").and_then(Json::as_array);
        Some(Self {
            rules: rules.into_iter().flatten().map(rule).collect::<Option<_>>()?,
            systems: texts(whole.get("systems")?)?,
            entities: whole
                .get("entities")?
                .as_array()?
                .iter()
                .map(entity)
                .collect::<Option<_>>()?,
            bindings: whole
                .get("bindings")?
                .as_array()?
                .iter()
                .map(binding)
                .collect::<Option<_>>()?,
        })
    }
}

/// By which fields rows are matched.
fn rules(entity: &Entity) -> Vec<Vec<Text>> {
    let name = |field: &FieldIndex| entity.field(*field).map(|field| field.name.clone());
    let rules = entity.matching.iter();
    rules.map(|rule| rule.fields.iter().filter_map(name).collect()).collect()
}

fn learn<T: Clone + PartialEq>(known: &mut Vec<T>, now: &[T]) {
    for name in now {
        if !known.contains(name) {
            known.push(name.clone());
        }
    }
}

/// What the hub at this path knows; `None`: it knows nothing yet, or it is none.
///
/// # Errors
/// A hub that cannot be read now: nothing may be done to it by a numbering that is only guessed.
pub(super) fn known(hub: &Path) -> Result<Option<Numbering>, Failure> {
    let text = news::note(hub, NOTE)?;
    Ok(text.as_deref().and_then(Numbering::parse))
}

/// Puts what the file says into the order of what is known. Gives the systems and entities that are gone and
/// whose numbers would be given to others.
pub(super) fn settle(draft: &mut Draft, known: &Numbering) -> Vec<String> {
    draft.file_order = draft.systems.iter().map(|system| system.name.value.clone()).collect();
    let mut gone = Vec::new();
    sort_by(&mut draft.systems, &known.systems, |system| system.name.value.clone());
    let is_new = |name: &Text| !known.systems.contains(name);
    let has_new = draft.systems.iter().any(|system| is_new(&system.name.value));
    let missing = |name: &Text| draft.systems.iter().all(|system| system.name.value != *name);
    gone.extend(holes(&known.systems, missing, has_new).map(|name| format!("system {name}")));
    let now: Vec<Text> = draft
        .entities
        .iter()
        .flat_map(|entity| std::iter::once(entity).chain(entity.lines.as_deref()))
        .map(|entity| entity.name.clone())
        .collect();
    let names: Vec<Text> = known.entities.iter().map(|(name, _)| name.clone()).collect();
    let has_new = now.iter().any(|name| !names.contains(name));
    let missing = |name: &Text| !now.contains(name);
    gone.extend(holes(&names, missing, has_new).map(|name| format!("entity {name}")));
    for entity in &mut draft.entities {
        settle_fields(entity, known);
        if let Some(lines) = &mut entity.lines {
            settle_fields(lines, known);
        }
    }
    draft.numbering = Some(known.clone());
    gone
}

/// Names that are gone and have others after them.
fn holes<'a>(
    known: &'a [Text],
    missing: impl Fn(&Text) -> bool + 'a,
    has_new: bool,
) -> impl Iterator<Item = &'a Text> {
    let last = known.iter().rposition(|name| !missing(name));
    let end = if has_new { known.len() } else { last.map_or(0, |at| at + 1) };
    known.iter().take(end).filter(move |name| missing(name))
}

fn settle_fields(entity: &mut EntityDraft, known: &Numbering) {
    let found = known.entities.iter().find(|(name, _)| *name == entity.name);
    let Some((_, fields)) = found else { return };
    for name in fields {
        if entity.fields.iter().all(|field| field.name.value != *name) {
            // Its number stays empty: a field that lives nowhere.
            let name: Name = Spanned { value: name.clone(), place: entity.place };
            entity.fields.push(FieldDraft::nowhere(name));
        }
    }
    sort_by(&mut entity.fields, fields, |field| field.name.value.clone());
}

/// What is known in its order, then the rest as it was.
fn sort_by<T>(all: &mut [T], known: &[Text], name: impl Fn(&T) -> Text) {
    all.sort_by_key(|one| {
        let name = name(one);
        known.iter().position(|known| *known == name).unwrap_or(usize::MAX)
    });
}

/// The order in which entities and child lists are numbered.
pub(super) fn rank(known: Option<&Numbering>, name: &Text) -> usize {
    let entities = known.map(|known| known.entities.as_slice()).unwrap_or_default();
    entities.iter().position(|(entity, _)| entity == name).unwrap_or(usize::MAX)
}

/// Gives the bindings of a plan the numbers that are known.
pub(super) fn number_bindings(plan: &mut Plan, known: &Numbering) {
    let names = Numbering::of(plan).bindings;
    let natural = std::mem::take(&mut plan.bindings);
    let mut new_of = vec![BindingIndex(u16::MAX); natural.len()];
    let mut numbered = Vec::with_capacity(natural.len());
    let mut natural: Vec<Option<Binding>> = natural.into_iter().map(Some).collect();
    let later = names.iter().filter(|name| !known.bindings.contains(name));
    for name in known.bindings.iter().chain(later) {
        let at = names.iter().position(|own| own == name);
        let found = at.and_then(|at| {
            *new_of.get_mut(at)? = BindingIndex(u16::try_from(numbered.len()).ok()?);
            natural.get_mut(at)?.take()
        });
        numbered.push(found.unwrap_or_else(nothing));
    }
    plan.bindings = numbered;
    for entity in &mut plan.entities {
        for binding in &mut entity.bindings {
            *binding = new_of.get(binding.at()).copied().unwrap_or(*binding);
        }
    }
}

/// The binding of an entity that lives in a system no more: of no entity and no system.
fn nothing() -> Binding {
    Binding {
        entity: EntityIndex(u16::MAX),
        system: SystemIndex(u16::MAX),
        table: TableSpec::default(),
        cells: Vec::new(),
        when: None,
        on_leave: syncline_core::plan::OnLeave::default(),
        reads: false,
        writes: false,
        soft_delete: None,
        per_user: None,
        rank: 0,
    }
}

/// Refuses to work with a plan whose numbers mean something else than those of the hub.
///
/// # Errors
/// `config.removed`.
pub(crate) async fn check(session: &Session) -> Result<(), Failure> {
    let known = session.hub.note(NOTE).await?;
    let known = known.as_deref().and_then(Numbering::parse).unwrap_or_default();
    let gone = &session.loaded.gone;
    if gone.is_empty() && known.agrees(&Numbering::of(&session.plan)) {
        return Ok(());
    }
    let what = if gone.is_empty() { "it".to_owned() } else { gone.join(", ") };
    Err(Failure::new("config.removed", format!("the hub still knows {what}"))
        .cause("what follows in the hub is known by its number, and something else has that number in the file")
        .done("nothing was read or written")
        .fix("put it back into the file and pause it, or begin with a new hub: `hub: {path: …}`"))
}

/// Remembers the numbers of what is worked with from now on.
///
/// # Errors
/// The hub's.
pub(crate) async fn remember(session: &Session) -> Result<(), Failure> {
    let before = session.hub.note(NOTE).await?;
    let mut known = before.as_deref().and_then(Numbering::parse).unwrap_or_default();
    let young = young(&session.plan, &known);
    known.learn(&Numbering::of(&session.plan));
    let text = known.text();
    if before.as_deref() == Some(text.as_str()) {
        return Ok(());
    }
    let (plan, hub, stop) = (&session.plan, &session.hub, &session.stop);
    let desk = Session::desk(plan, hub, &Unwatched, stop, RunId::default());
    for (entity, system) in young {
        renew(&desk, &**hub, entity, system).await?;
    }
    session.hub.set_note(NOTE, &text).await?;
    Ok(())
}

/// The systems that are new to entities which the hub knows, on a desk that works on a copy of it.
///
/// # Errors
/// The copy's.
pub(crate) async fn rehearse(
    session: &Session,
    desk: &Desk<'_>,
    copy: &SqliteHub,
) -> Result<(), Failure> {
    let known = session.hub.note(NOTE).await?;
    let Some(known) = known.as_deref().and_then(Numbering::parse) else { return Ok(()) };
    for (entity, system) in young(&session.plan, &known) {
        renew(desk, copy, entity, system).await?;
    }
    Ok(())
}

/// Entities that are known, with the systems in which they were not known to live; without a system, those
/// whose rows were matched by other rules.
fn young(plan: &Plan, known: &Numbering) -> Vec<(EntityIndex, Option<SystemIndex>)> {
    let named = Numbering::of(plan).bindings;
    let young = plan.bindings.iter().zip(&named).filter(|(_, name)| {
        let is_known = known.bindings.iter().any(|(entity, _)| *entity == name.0);
        !name.0.is_empty() && is_known && !known.bindings.contains(name)
    });
    let roots = young.filter(|(binding, _)| {
        plan.entity(binding.entity).is_some_and(|entity| entity.parent.is_none())
    });
    let mut young: Vec<_> =
        roots.map(|(binding, _)| (binding.entity, Some(binding.system))).collect();
    for (at, entity) in plan.entities.iter().zip(0..).map(|(entity, at)| (EntityIndex(at), entity))
    {
        let was = known.rules.get(&entity.name);
        if was.is_some_and(|was| *was != rules(entity)) {
            young.push((at, None));
        }
    }
    young
}
