//! What `doctor` says about listening: what is missing, and the statements that mend it.
//!
//! Where it is missing, changes are polled: nothing here is more than a warning.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::{Text, error::PortError};
use syncline_ports::catalog::{Check, CheckState};
use tokio_postgres::{Row, types::Type};

use crate::postgres::{
    catalog::{check, passed},
    connect::Session,
    failure::port_error,
    listen::sql,
    sql::{qualified, quoted},
    table::Known,
};

/// Looks at everything that listening needs.
///
/// # Errors
/// What happened to the connection.
pub(in crate::postgres) async fn checks(
    session: &Session,
    system: &str,
    known: &[(Text, Option<Known>)],
) -> Result<Vec<Check>, PortError> {
    let failed = |error| port_error("look at what listening needs", &error);
    let client = &session.client;
    let rows = client.query_typed(sql::NEEDS, &[]).await.map_err(failed)?;
    let Some(row) = rows.first() else { return Ok(Vec::new()) };
    let (level, is_bounded, may_read, user): (&str, bool, bool, &str) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    if level != "logical" {
        let message = format!("is `{level}`; capture from WAL needs `logical`: changes are polled");
        let fix = vec![
            "ALTER SYSTEM SET wal_level = 'logical'; -- then restart PostgreSQL".to_owned(),
            format!("or systems.{system}.detect: {{poll: 30s}}"),
        ];
        return Ok(vec![check("wal_level", CheckState::Warning, message, fix)]);
    }
    let mut checks = vec![passed("wal_level", "logical".to_owned())];
    checks.push(if may_read {
        passed("replication", "our user may read the log".to_owned())
    } else {
        let message = "our user may not read the log: changes are polled".to_owned();
        let fix = vec![format!("ALTER ROLE {} REPLICATION;", quoted(user))];
        check("replication", CheckState::Warning, message, fix)
    });
    checks.push(if is_bounded {
        passed("slot_retention", "max_slot_wal_keep_size is set".to_owned())
    } else {
        let message =
            "max_slot_wal_keep_size is unlimited: a stopped daemon could fill this disk".to_owned();
        let fix = vec!["ALTER SYSTEM SET max_slot_wal_keep_size = '4GB';".to_owned()];
        check("slot_retention", CheckState::Warning, message, fix)
    });
    let tables: Vec<&Known> = known
        .iter()
        .filter_map(|(_, known)| known.as_ref())
        .filter(|known| known.is_plain)
        .collect();
    if !tables.is_empty() {
        let oids: Vec<u32> = tables.iter().map(|known| known.oid).collect();
        let by_oids = (&oids as &(dyn tokio_postgres::types::ToSql + Sync), Type::OID_ARRAY);
        let parts =
            client.query_typed(sql::PARTS, std::slice::from_ref(&by_oids)).await.map_err(failed)?;
        let nameless: BTreeMap<u32, String> = parts
            .iter()
            .filter(|row| row.get::<_, &str>(4) != "f" && row.get::<_, Vec<&str>>(7).is_empty())
            .map(|row| (row.get(1), qualified(row.get(5), row.get(6))))
            .collect();
        checks.push(identities(&nameless));
        let strange = client.query_typed(sql::NOT_OURS, &[by_oids]).await.map_err(failed)?;
        let strange: BTreeSet<&str> = strange.iter().map(|row| row.get(0)).collect();
        if !strange.is_empty() {
            let names = strange.into_iter().collect::<Vec<_>>().join(", ");
            let message =
                format!("the owner of {names} has to publish it: `syncline serve` says how");
            checks.push(check("publication", CheckState::Warning, message, Vec::new()));
        }
        let may_filter = client.query_typed(sql::MAY_FILTER, &[]).await.map_err(failed)?;
        if may_filter.first().is_some_and(|row| row.get(0)) {
            let ours: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 1] =
                [(&"syncline%", Type::TEXT)];
            let filtered = client.query_typed(sql::FILTERED, &ours).await.map_err(failed)?;
            checks.extend(filtered.iter().filter_map(|row| left_out(row, &tables)));
        }
    }
    Ok(checks)
}

/// What a publication leaves out of a table of ours, and whether that does harm.
fn left_out(row: &Row, tables: &[&Known]) -> Option<Check> {
    let (oid, table, publication): (u32, &str, &str) = (row.get(0), row.get(1), row.get(2));
    let known = tables.iter().find(|known| known.oid == oid)?;
    let columns: Vec<&str> = row.get(4);
    let key = &known.table.primary_key;
    let what = if row.get(3) {
        format!("{publication} tells only of some rows of {table}")
    } else if let Some(lacking) = key.iter().find(|name| !columns.contains(&name.as_str())) {
        format!("{publication} tells of {table} without {lacking}, which its rows are known by")
    } else {
        let message = format!(
            "{publication} tells of {table} only {}: that is enough, changed rows are read from the table",
            columns.join(", ")
        );
        return Some(passed("publication", message));
    };
    let fix = vec![format!("DROP PUBLICATION {}; -- it is made anew", quoted(publication))];
    let message = format!("{what}: changes are polled");
    Some(check("publication", CheckState::Warning, message, fix))
}

/// Tables that do not say which row an update or a delete was about.
fn identities(nameless: &BTreeMap<u32, String>) -> Check {
    if nameless.is_empty() {
        let message = "updates and deletes log which row they are about".to_owned();
        return passed("replica_identity", message);
    }
    let names: Vec<&str> = nameless.values().map(String::as_str).collect();
    let message = format!(
        "updates and deletes of {} do not log which row they are about: changes are polled",
        names.join(", ")
    );
    let fix =
        names.iter().map(|name| format!("ALTER TABLE {name} REPLICA IDENTITY FULL;")).collect();
    check("replica_identity", CheckState::Warning, message, fix)
}
