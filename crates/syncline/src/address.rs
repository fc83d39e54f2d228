//! Record addresses: `ENTITY/ID`, where ID is the hub's id (any unique prefix), `SYSTEM:KEY` or
//! `FIELD=VALUE`.

use syncline_adapters::hub::sqlite::SqliteHub;
use syncline_core::{
    change::RowKey,
    commit::Wants,
    decimal::Decimal,
    group::Group,
    name::{BindingIndex, EntityIndex, FieldIndex, RecordId, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::{reader::Reader as _, store::Store as _};

use crate::{report::Failure, session::Session, typed};

/// Finds the group that an address names.
pub(crate) async fn find(session: &Session, address: &str) -> Result<Group, Failure> {
    find_in(session, &session.hub, address).await
}

/// The same in another hub, such as the copy that a plan works on.
pub(crate) async fn find_in(
    session: &Session,
    hub: &SqliteHub,
    address: &str,
) -> Result<Group, Failure> {
    let Some((entity, rest)) = address.split_once('/') else {
        return Err(misread(address));
    };
    let entity = *session.entities(Some(entity))?.first().ok_or_else(|| misread(address))?;
    let record = if let Some((field, value)) = rest.split_once('=') {
        by_field(session, hub, entity, field, value, address).await?
    } else if let Some((system, key)) = rest.split_once(':') {
        by_row(session, hub, entity, system, key, address).await?
    } else {
        by_prefix(hub, rest, address).await?
    };
    match hub.group(record).await? {
        Some(group) if group.entity == entity => Ok(group),
        Some(_) | None => Err(unknown(address)),
    }
}

fn misread(address: &str) -> Failure {
    Failure::new("address.syntax", format!("`{address}` is not a record address"))
        .fix("say ENTITY/ID, ENTITY/SYSTEM:KEY or ENTITY/FIELD=VALUE, as in contacts/crm:8812")
}

fn unknown(address: &str) -> Failure {
    Failure::new("address.unknown", format!("no record is known as {address}"))
        .cause("it does not exist, was never read, or is out of scope")
        .fix(format!("syncline refresh {}", address.split('/').next().unwrap_or(address)))
}

async fn by_prefix(hub: &SqliteHub, prefix: &str, address: &str) -> Result<RecordId, Failure> {
    let Some((first, last)) = RecordId::range(prefix) else { return Err(misread(address)) };
    let found = hub.records_between(first, last).await?;
    match found.as_slice() {
        [record] => Ok(*record),
        [] => Err(unknown(address)),
        _ => Err(Failure::new(
            "address.ambiguous",
            format!("more than one record begins with {prefix}"),
        )
        .fix("give more letters of the id")),
    }
}

async fn by_row(
    session: &Session,
    hub: &SqliteHub,
    entity: EntityIndex,
    system: &str,
    key: &str,
    address: &str,
) -> Result<RecordId, Failure> {
    let system = system_named(session, system)?;
    let binding = session.plan.binding_of(entity, system).ok_or_else(|| unknown(address))?;
    for key in row_keys(&session.plan, binding, key) {
        if let Some(record) = hub.record_of(binding, &key).await? {
            return Ok(record);
        }
    }
    Err(unknown(address))
}

/// The system of this name.
pub(crate) fn system_named(session: &Session, name: &str) -> Result<SystemIndex, Failure> {
    session.plan.system_named(name).ok_or_else(|| {
        let known: Vec<&str> =
            session.plan.systems.iter().map(|system| system.name.as_str()).collect();
        Failure::new("usage.unknown_system", format!("there is no system `{name}`"))
            .cause(format!("the configuration has {}", known.join(", ")))
            .fix("name one of them")
    })
}

/// The keys that a text can mean: the parts of a composite key are separated by `/`; each part is a
/// number or a text.
pub(crate) fn row_keys(plan: &Plan, binding: BindingIndex, text: &str) -> Vec<RowKey> {
    let width = plan.binding(binding).map_or(1, |found| found.table.key.len().max(1));
    let parts: Vec<&str> = if width == 1 { vec![text] } else { text.splitn(width, '/').collect() };
    let mut keys: Vec<Vec<Value>> = vec![Vec::new()];
    for part in parts {
        let mut meanings = Vec::new();
        if let Some(number) = Decimal::parse(part) {
            meanings.push(Value::Num(number));
        }
        if let Some(uuid) = uuid(part) {
            meanings.push(Value::Uuid(uuid));
        }
        meanings.push(Value::text(part));
        keys = keys
            .into_iter()
            .flat_map(|key| {
                meanings.iter().map(move |meaning| {
                    let mut key = key.clone();
                    key.push(meaning.clone());
                    key
                })
            })
            .collect();
    }
    keys.iter().map(RowKey::new).collect()
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|letter| *letter != '-').collect();
    if digits.len() != 32 || text.len() != 36 {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

async fn by_field(
    session: &Session,
    hub: &SqliteHub,
    entity: EntityIndex,
    field: &str,
    value: &str,
    address: &str,
) -> Result<RecordId, Failure> {
    let Some(found) = session.plan.entity(entity) else { return Err(unknown(address)) };
    let Some(field) = found.field_named(field) else {
        return Err(Failure::new(
            "address.unknown",
            format!("{} has no field `{field}`", found.name),
        ));
    };
    if let Some(group) = by_match_key(session, hub, entity, field, value).await? {
        return Ok(group.id);
    }
    let kind = found.field(field).map(|field| field.kind.clone()).unwrap_or_default();
    let typed = typed::golden(value, &kind, value).ok();
    // Where the type is not known, people still see what they type.
    let is_it = |found: &Value| Some(found) == typed.as_ref() || found.to_string() == value;
    search(hub, entity, field, &is_it, address).await
}

/// The record that has this value in a field that alone tells records apart: found by its index, however
/// many there are.
///
/// # Errors
/// The hub's.
pub(crate) async fn by_match_key(
    session: &Session,
    hub: &SqliteHub,
    entity: EntityIndex,
    field: FieldIndex,
    value: &str,
) -> Result<Option<Group>, Failure> {
    let Some(found) = session.plan.entity(entity) else { return Ok(None) };
    let Some(rule) = found.matching.iter().position(|rule| rule.fields == [field]) else {
        return Ok(None);
    };
    let kind = found.field(field).map(|field| field.kind.clone()).unwrap_or_default();
    let Ok(wanted) = typed::golden(value, &kind, value) else { return Ok(None) };
    let key = syncline_core::value::Digest::of(&wanted.encoded());
    let rule = u16::try_from(rule).unwrap_or(u16::MAX);
    let wants = Wants { matches: [(entity, rule, key)].into(), ..Wants::default() };
    let found = hub.load(&wants).await?.matches.into_values().flatten().collect();
    let groups = hub.load(&Wants { records: found, ..Wants::default() }).await?.groups;
    // A record is found by what was written of it, too, while its row is in doubt.
    let has_it = |group: &Group| group.root.cell(field).is_some_and(|cell| cell.value == wanted);
    Ok(groups.into_values().flatten().find(has_it))
}

/// Looks at every record: for fields that no match rule indexes.
async fn search(
    hub: &SqliteHub,
    entity: EntityIndex,
    field: FieldIndex,
    is_it: &(dyn Fn(&Value) -> bool + Sync),
    address: &str,
) -> Result<RecordId, Failure> {
    let (mut after, mut found) = (None, None);
    loop {
        let page = hub.records(entity, after, 2_000).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for group in &page {
            if group.root.cell(field).is_some_and(|cell| is_it(&cell.value))
                && found.replace(group.id).is_some()
            {
                return Err(Failure::new(
                    "address.ambiguous",
                    format!("more than one record has {address}"),
                )
                .fix("name it by its id or by SYSTEM:KEY"));
            }
        }
    }
    found.ok_or_else(|| unknown(address))
}

/// `contacts/crm:8812`, by the first row of the record that people know.
pub(crate) fn of(session: &Session, group: &Group) -> String {
    let entity = session.entity_name(group.entity);
    let row = group.root.links.iter().find(|link| link.is_present()).and_then(|link| {
        link.key.as_ref().map(|key| format!("{}:{key}", session.system_name(link.system)))
    });
    match row {
        Some(row) => format!("{entity}/{row}"),
        None => format!("{entity}/{}", group.id),
    }
}
