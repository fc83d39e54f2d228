//! What a REST system is found to be: its resources are those of the configuration, and how far it
//! keeps what is said of them is tried with one page of each.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::Value as Json;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    value::Value,
};
use syncline_ports::{
    catalog::{Catalog, Check, CheckState, Fitness, Privileges, Table},
    clock::Clock as _,
};

use crate::{
    clock::SystemClock,
    rest::{System, pages::Pages},
    settings::{
        Path,
        api::{Create, Resource, Version},
    },
    sql::json,
};

/// Describes a REST system.
pub(super) struct RestCatalog {
    system: Arc<System>,
}

impl RestCatalog {
    pub(super) fn new(system: Arc<System>) -> Self {
        Self { system }
    }

    fn resource(&self, name: &str) -> Result<&Arc<Resource>, PortError> {
        self.system.api.resource(name).ok_or_else(|| {
            let action = format!("look at {name} of \"{}\"", self.system.name);
            PortError::new(ErrorKind::SchemaDrift, action, "it is not among its `resources`")
        })
    }

    /// The first page of a list, and how far the server's clock is ahead, in milliseconds.
    async fn first_page(&self, resource: &Resource) -> Result<(Vec<Json>, i64), PortError> {
        let action = format!("list {} of \"{}\"", resource.name, self.system.name);
        let client = &self.system.client;
        let path = resource.path.fill(|_| None).unwrap_or_default();
        let answer = client.get(client.url(&path, &action)?, &action).await?;
        if !answer.status.is_success() {
            return Err(answer.failure(&action));
        }
        let ahead = answer.time().ms() - SystemClock.now().ms();
        let document = answer.json(&action)?;
        match resource.items.at(&document) {
            Ok(Some(Json::Array(items))) => Ok((items.clone(), ahead)),
            Ok(
                Some(
                    Json::Null
                    | Json::Bool(_)
                    | Json::Number(_)
                    | Json::String(_)
                    | Json::Object(_),
                )
                | None,
            )
            | Err(_) => {
                let detail = format!("there is no list at `{}` in its answer", resource.items);
                Err(PortError::new(ErrorKind::Answer, action, detail))
            }
        }
    }

    /// Whether one item, read by itself, is what the configuration says; and how long that `took`.
    async fn one(
        &self,
        resource: &Resource,
        items: &[Json],
        took: &mut Option<Duration>,
    ) -> Result<Option<Check>, PortError> {
        let Some(item) = items.first() else { return Ok(None) };
        let name = format!("{}: read one", resource.name);
        let action = format!("read one of {} of \"{}\"", resource.name, self.system.name);
        let part = |name: &str| {
            let path = resource.key.iter().find(|path| path.to_string() == name)?;
            match path.at(item).ok().flatten()? {
                Json::String(text) => Some(text.clone()),
                Json::Number(number) => Some(number.to_string()),
                Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
            }
        };
        let Some(path) = resource.get.fill(part) else {
            let keys: Vec<String> = resource.key.iter().map(Path::to_string).collect();
            let message = format!("its items have no {}", keys.join(", "));
            return Ok(Some(check(&name, CheckState::Failed, message)));
        };
        let client = &self.system.client;
        let begun = Instant::now();
        let answer = client.get(client.url(&path, &action)?, &action).await?;
        *took = Some(begun.elapsed());
        if !answer.status.is_success() {
            return Err(answer.failure(&action));
        }
        let document = answer.json(&action)?;
        let found = resource.item.at(&document).ok().flatten().filter(|found| found.is_object());
        let Some(found) = found else {
            let message = format!("there is no item at `{}` in its answer", resource.item);
            return Ok(Some(check(&name, CheckState::Failed, message)));
        };
        let has_version = match &resource.version {
            Version::None => true,
            Version::Etag => answer.headers.contains_key(reqwest::header::ETAG),
            Version::Field(path) => matches!(path.at(found), Ok(Some(_))),
        };
        if !has_version {
            let message =
                "it sends no version: nothing can be written, `version:` says that it does";
            return Ok(Some(check(&name, CheckState::Failed, message)));
        }
        Ok(Some(check(&name, CheckState::Passed, "as configured")))
    }
}

#[async_trait]
impl Catalog for RestCatalog {
    async fn tables(&mut self) -> Result<Vec<Text>, PortError> {
        Ok(self.system.api.resources.iter().map(|resource| resource.name.clone()).collect())
    }

    async fn describe(&mut self, tables: &[Text]) -> Result<Vec<Option<Table>>, PortError> {
        let table = |name: &Text| {
            let resource = self.system.api.resource(name)?;
            Some(Table {
                name: name.clone(),
                primary_key: resource.key.iter().map(|path| Text::new(path.to_string())).collect(),
                is_open: true,
                has_triggers: true,
                privileges: Privileges {
                    select: true,
                    insert: resource.create.is_some(),
                    update: resource.update.is_some(),
                    delete: resource.delete.is_some(),
                },
                ..Table::default()
            })
        };
        Ok(tables.iter().map(table).collect())
    }

    async fn examine(&mut self, tables: &[Text]) -> Result<Fitness, PortError> {
        let (mut checks, mut ahead) = (Vec::new(), 0);
        for (at, table) in tables.iter().enumerate() {
            let resource = Arc::clone(self.resource(table)?);
            // Of one that cannot be reached at all, no resource needs to be tried.
            let first = self.first_page(&resource).await;
            let (items, clock) = match first {
                Ok(found) => found,
                Err(error) if at == 0 && error.kind != ErrorKind::SchemaDrift => return Err(error),
                Err(error) => {
                    let name = format!("{}: list", resource.name);
                    checks.push(check(&name, CheckState::Failed, error.to_string()));
                    continue;
                }
            };
            ahead = clock;
            let message = format!("{} items on the first page", items.len());
            checks.push(check(&format!("{}: list", resource.name), CheckState::Passed, message));
            let mut took = None;
            match self.one(&resource, &items, &mut took).await {
                Ok(found) => checks.extend(found),
                Err(error) => {
                    let name = format!("{}: read one", resource.name);
                    checks.push(check(&name, CheckState::Failed, error.to_string()));
                }
            }
            checks.extend(promises(&resource, took));
        }
        Ok(Fitness {
            product: Text::new("REST API"),
            is_tested: true,
            has_marks: false,
            clock_ahead_ms: ahead,
            checks,
        })
    }

    async fn create_marks(&mut self) -> Result<(), PortError> {
        let action = format!("create the table of marks in \"{}\"", self.system.name);
        Err(PortError::new(ErrorKind::Unsupported, action, "a REST system has no tables"))
    }

    async fn sample(
        &mut self,
        table: &str,
        columns: &[Text],
        limit: usize,
    ) -> Result<Vec<Vec<Value>>, PortError> {
        let resource = Arc::clone(self.resource(table)?);
        let action = format!("list {} of \"{}\"", resource.name, self.system.name);
        let mut pages = Pages::new(&self.system.client, &resource, action, None)?;
        let paths: Vec<Option<Path>> =
            columns.iter().map(|column| Path::parse(column).ok()).collect();
        let value = |item: &Json, path: &Option<Path>| {
            let found = path.as_ref()?.at(item).ok().flatten()?;
            json::from_json(found.clone()).ok()
        };
        let mut rows = Vec::new();
        for _ in 0..PAGES_MAX {
            let Some(page) = pages.read(&self.system.client, &resource).await? else { break };
            let items = page.items.iter().take(limit - rows.len());
            rows.extend(items.map(|item| -> Vec<Value> {
                paths.iter().map(|path| value(item, path).unwrap_or_default()).collect()
            }));
            if rows.len() >= limit {
                break;
            }
        }
        Ok(rows)
    }
}

/// So many pages of a list are a sample of it.
const PAGES_MAX: usize = 50;

/// What is guaranteed of writes to a resource of which one item took so long to read, and what is not.
fn promises(resource: &Resource, took: Option<Duration>) -> Vec<Check> {
    let mut checks = Vec::new();
    let named = |what: &str| format!("{}: {what}", resource.name);
    if resource.update.is_some() || resource.delete.is_some() {
        checks.push(match &resource.version {
            Version::Etag => check(
                &named("changes"),
                CheckState::Passed,
                "If-Match: the server refuses a write to what somebody else has changed",
            ),
            Version::Field(path) => check(
                &named("changes"),
                CheckState::Passed,
                format!(
                    "`{path}` is sent as it was read; guaranteed as far as the server compares it"
                ),
            ),
            Version::None => {
                let window = took.map_or_else(String::new, |took| {
                    format!(" (about {} ms at present)", took.as_millis().max(1))
                });
                let mut found = check(
                    &named("changes"),
                    CheckState::Warning,
                    format!(
                        "read, compared, then written: an edit between the two{window} is lost \
                         without trace"
                    ),
                );
                let fix = "if the server knows ETags or versions, say `version: etag` or \
                           `version: {field: …}`";
                found.fix.push(fix.into());
                found
            }
        });
    }
    if let Some(Create { idempotency, external_id, find, .. }) = &resource.create {
        checks.push(match (idempotency, external_id, find) {
            (Some(header), _, _) => check(
                &named("creates"),
                CheckState::Passed,
                format!("sent again with the same {header} if the answer is lost"),
            ),
            (None, Some(path), _) => check(
                &named("creates"),
                CheckState::Passed,
                format!("found again by `{path}` if the answer is lost"),
            ),
            (None, None, Some(query)) => check(
                &named("creates"),
                CheckState::Passed,
                format!("looked for by `{query}` before one is created"),
            ),
            (None, None, None) => {
                let mut found = check(
                    &named("creates"),
                    CheckState::Warning,
                    "if the answer is lost, it is waited for: five minutes after no list has shown \
                     the item, it is created again",
                );
                let fix = "say how a create is found again: `create: {find: \"email={email}\"}`, \
                           `external_id:` or `idempotency:`";
                found.fix.push(fix.into());
                found
            }
        });
    }
    checks
}

fn check(name: &str, state: CheckState, message: impl AsRef<str>) -> Check {
    Check { name: Text::new(name), state, message: Text::new(message), fix: Vec::new() }
}
