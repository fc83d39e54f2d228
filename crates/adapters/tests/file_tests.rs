//! File systems: as much of the shared suites as files can pass. The tables of the suites are JSON Lines, since
//! those have numbers; the other user replaces files as programs do.
//!
//! What is left out needs what no file has: keys that the system makes, triggers, constraints, a cursor,
//! locks that a user holds, child rows.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};
use syncline_adapters::settings::{
    Kind, Marks, Settings, Tls,
    folder::{Folder, Form, Holds, Pattern},
};
use syncline_core::{
    change::{ReadResult, RowKey},
    name::{BindingIndex, OperationId, SystemIndex},
    plan::Plan,
    value::Value,
};
use syncline_ports::{
    source::{KeyAnswer, KeyRead, Limit, ReadRequest, Source},
    suite::bench::{Bench, Columns, Edit},
    target::Target,
};

/// A folder, and a user of it.
struct FileBench {
    directory: tempfile::TempDir,
}

type Row = Map<String, Json>;

fn json(value: &Value) -> Json {
    if let Value::Text(text) = value {
        return Json::String(text.to_string());
    }
    // `null`, and numbers with all their digits.
    serde_json::from_str(&value.to_string()).unwrap()
}

fn is_one(row: &Row, find: &Columns) -> bool {
    let holds = |name: &str| row.get(name).cloned().unwrap_or(Json::Null);
    find.iter().all(|(name, value)| holds(name) == json(value))
}

impl FileBench {
    fn path(&self, table: &str) -> PathBuf {
        self.directory.path().join(format!("{table}.jsonl"))
    }

    fn rows(&self, table: &str) -> Vec<Row> {
        let text = fs::read_to_string(self.path(table)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn replace(&self, table: &str, rows: Vec<Row>) {
        let lines: String =
            rows.into_iter().map(|row| format!("{}\n", Json::Object(row))).collect();
        let new = self.directory.path().join(".new");
        fs::write(&new, lines).unwrap();
        fs::rename(new, self.path(table)).unwrap();
    }
}

#[async_trait]
impl Bench for FileBench {
    async fn open(
        &mut self,
        mut plan: Plan,
        timeout: Duration,
    ) -> (Box<dyn Source>, Box<dyn Target>) {
        // A file is read whole.
        for binding in &mut plan.bindings {
            binding.table.cursor = None;
        }
        let folder = Folder {
            path: self.directory.path().to_owned(),
            name: Pattern::of_file("jsonl"),
            form: Form::JsonLines,
            reads: true,
            writes: true,
            holds: Holds::All,
            settle: Duration::ZERO,
            last_line_open: false,
            max_bytes: 1 << 30,
            keys: std::collections::BTreeMap::new(),
            zone: TimeZone::UTC,
        };
        let settings = Settings {
            name: "bench".into(),
            kind: Kind::File,
            host: String::new(),
            port: 0,
            user: String::new(),
            database: self.directory.path().display().to_string(),
            password: None,
            tls: Tls::Off,
            tls_ca: None,
            connect_timeout: timeout,
            statement_timeout: timeout,
            marks: Marks::None,
            api: None,
            folder: Some(Arc::new(folder)),
            keys: std::collections::BTreeMap::new(),
            envelope: None,
            ways: Vec::new(),
        };
        let open =
            syncline_adapters::open(&settings, Arc::new(plan), SystemIndex(0)).await.unwrap();
        (open.source, open.target)
    }

    async fn edit(&mut self, edit: &Edit) {
        let (Edit::Insert { table, .. } | Edit::Update { table, .. } | Edit::Delete { table, .. }) =
            edit;
        let mut rows = self.rows(table);
        match edit {
            Edit::Insert { row, .. } => {
                let mut new = Row::new();
                if *table != "stock" {
                    new.insert("id".into(), Json::from(rows.len() + 1));
                }
                new.extend(row.iter().map(|(name, value)| ((*name).to_owned(), json(value))));
                rows.push(new);
            }
            Edit::Update { find, set, .. } => {
                for row in rows.iter_mut().filter(|row| is_one(row, find)) {
                    row.extend(set.iter().map(|(name, value)| ((*name).to_owned(), json(value))));
                }
            }
            Edit::Delete { find, .. } => rows.retain(|row| !is_one(row, find)),
        }
        self.replace(table, rows);
    }

    async fn hold(&mut self, _edit: &Edit) {
        panic!("files have no transactions");
    }

    async fn release(&mut self) {}

    async fn count(&mut self, table: &'static str, values: &Columns) -> u64 {
        self.rows(table).iter().filter(|row| is_one(row, values)).count() as u64
    }

    fn has_marks(&self) -> bool {
        false
    }
}

mod json_lines {
    use super::FileBench;

    fn bench() -> std::future::Ready<FileBench> {
        std::future::ready(FileBench { directory: tempfile::tempdir().unwrap() })
    }

    crate::suites::each! { bench, source,
        scan_is_one_snapshot, scan_given_up_is_incomplete, scan_that_cannot_go_on_begins_anew,
        keys_are_found_or_absent, composite_keys_are_exact, large_texts_are_read_in_bounded_batches,
    }
    crate::suites::each! { bench, target,
        changed_rows_are_not_overwritten, deletes_are_conditional, composite_keys_are_written,
    }
}

/// How many bytes this process has read so far, from whatever it reads.
#[cfg(target_os = "linux")]
fn bytes_read() -> u64 {
    let counted = fs::read_to_string("/proc/self/io").unwrap();
    let line = counted.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
    line.parse().unwrap()
}

/// Asks for all rows of a file by their keys, as after a crash: how many bytes that reads.
#[cfg(target_os = "linux")]
async fn asked_for_all(count: usize) -> (u64, u64) {
    const AT_ONCE: usize = 500;
    let directory = tempfile::tempdir().unwrap();
    let mut bench = FileBench { directory };
    let line = |at: usize| format!("{{\"sku\":\"S{at}\",\"site\":\"lyon\",\"qty\":{at}}}\n");
    let text: String = (0..count).map(line).collect();
    fs::write(bench.path("stock"), &text).unwrap();
    let plan = syncline_ports::suite::bench::plan();
    let at = plan.bindings.iter().position(|it| it.table.table == "stock").unwrap();
    let binding = BindingIndex(at as u16);
    let (mut source, _) = bench.open(plan, Duration::from_secs(10)).await;
    let key = |at: usize| {
        RowKey::new(&[Value::Text(format!("S{at}").as_str().into()), Value::Text("lyon".into())])
    };
    let before = bytes_read();
    for from in (0..count).step_by(AT_ONCE) {
        let keys = (from..from + AT_ONCE).map(|at| KeyRead {
            key: key(at),
            operation: OperationId(1),
            in_doubt: Vec::new(),
        });
        let request = ReadRequest::Keys { binding, keys: keys.collect() };
        let limit = Limit { rows: AT_ONCE, bytes: usize::MAX };
        let batch = source.read(&request, limit).await.unwrap();
        let there = |it: &KeyAnswer| matches!(it.result, ReadResult::Found(_));
        assert_eq!(batch.answers.iter().filter(|it| there(it)).count(), AT_ONCE);
    }
    (bytes_read() - before, text.len() as u64)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn rows_that_are_asked_for_after_a_crash_are_not_each_a_way_through_the_file() {
    for count in [4_000, 16_000, 64_000] {
        let (read, size) = asked_for_all(count).await;
        // Once for the first who ask, once for all others, and each row once where it was put aside.
        assert!(read < 5 * size, "{count} rows: {read} bytes of a file of {size}");
    }
}
