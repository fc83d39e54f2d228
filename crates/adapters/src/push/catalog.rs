//! What a system that only tells is found to be: what it has told so far, and what that guarantees.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value as Json;
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
    value::Value,
};
use syncline_ports::catalog::{Catalog, Check, CheckState, Fitness, Privileges, Table};

use crate::{push::told::Told, settings::Path, sql::json};

/// Describes a system that only tells.
pub(super) struct PushCatalog {
    told: Told,
    keys: BTreeMap<Text, Vec<Text>>,
}

impl PushCatalog {
    pub(super) fn new(told: Told, keys: BTreeMap<Text, Vec<Text>>) -> Self {
        Self { told, keys }
    }

    /// How many rows each table was told of.
    fn counts(&self) -> Result<Vec<(Text, u64)>, PortError> {
        let Some(connection) = self.told.look()? else { return Ok(Vec::new()) };
        let count = || {
            let mut statement = connection.prepare(
                "select place, count(*) from told where system = ?1
                 and item is not null group by place order by place",
            )?;
            let rows = statement.query_map([&self.told.system], |row| {
                let (place, count): (String, i64) = (row.get(0)?, row.get(1)?);
                let table = place.split('\n').next().unwrap_or_default();
                Ok((Text::new(table), count.unsigned_abs()))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        count().map_err(|error| self.told.failed(&error))
    }
}

#[async_trait]
impl Catalog for PushCatalog {
    async fn tables(&mut self) -> Result<Vec<Text>, PortError> {
        let mut tables: Vec<Text> = self.counts()?.into_iter().map(|(table, _)| table).collect();
        tables.dedup();
        Ok(tables)
    }

    async fn describe(&mut self, tables: &[Text]) -> Result<Vec<Option<Table>>, PortError> {
        let counts = self.counts()?;
        let describe = |table: &Text| {
            let rows = counts.iter().filter(|(known, _)| known == table).map(|(_, rows)| rows);
            Some(Table {
                name: table.clone(),
                // An item may have members that nobody has told of yet.
                is_open: true,
                is_view: true,
                primary_key: self.keys.get(table).cloned().unwrap_or_default(),
                rows_estimate: rows.sum(),
                privileges: Privileges { select: true, ..Privileges::default() },
                ..Table::default()
            })
        };
        Ok(tables.iter().map(describe).collect())
    }

    async fn examine(&mut self, tables: &[Text]) -> Result<Fitness, PortError> {
        let mut checks = vec![Check {
            name: Text::new("reads"),
            state: CheckState::Warning,
            message: Text::new(
                "it only tells: nothing can be asked of it. What it never sends, or what is lost before it \
                 is answered, nobody notices; a delete counts where a topic says `deleted: true`",
            ),
            fix: vec![Text::new(
                "let it send each row again now and then: what is known already changes nothing",
            )],
        }];
        let counts = self.counts()?;
        for table in tables {
            let rows: u64 =
                counts.iter().filter(|(known, _)| known == table).map(|(_, rows)| rows).sum();
            checks.push(Check {
                name: table.clone(),
                state: CheckState::Passed,
                message: Text::from(format!("{rows} rows were told of")),
                fix: Vec::new(),
            });
        }
        Ok(Fitness {
            product: Text::from(format!("what it has told, in {}", self.told.path().display())),
            is_tested: true,
            has_marks: false,
            clock_ahead_ms: 0,
            checks,
        })
    }

    async fn create_marks(&mut self) -> Result<(), PortError> {
        let action = format!("create the table of marks in \"{}\"", self.told.system);
        Err(PortError::new(ErrorKind::Unsupported, action, "nothing can be written to it"))
    }

    async fn sample(
        &mut self,
        table: &str,
        columns: &[Text],
        limit: usize,
    ) -> Result<Vec<Vec<Value>>, PortError> {
        let Some(connection) = self.told.look()? else { return Ok(Vec::new()) };
        let items = || {
            let mut statement = connection.prepare(
                "select item from told where system = ?1 and item is not null
                 and (place = ?2 or place glob ?2 || char(10) || '*') limit ?3",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let item =
                |row: &rusqlite::Row<'_>| Ok(self.told.opened(row.get(0)?)?.unwrap_or_default());
            let rows =
                statement.query_map(rusqlite::params![self.told.system, table, limit], item)?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        };
        let items = items().map_err(|error| self.told.failed(&error))?;
        let paths: Vec<Option<Path>> = columns.iter().map(|name| Path::parse(name).ok()).collect();
        let row = |text: &String| {
            let item: Json = serde_json::from_str(text).unwrap_or_default();
            let value = |path: &Option<Path>| {
                let found = path.as_ref().and_then(|path| path.at(&item).ok().flatten());
                found.and_then(|found| json::from_json(found.clone()).ok()).unwrap_or(Value::Null)
            };
            paths.iter().map(value).collect()
        };
        Ok(items.iter().map(row).collect())
    }
}
