//! A folder of files beside a CRM in SQLite: what is read from files, and what is written to them.

use std::{fs, path::PathBuf};

use crate::world::World;

/// People of a CRM and of a file.
fn people(files: &str, cells: &str) -> World {
    let world = World::with(&format!(
        "version: 1\nsystems:\n  crm: {{url: \"sqlite:crm.db\"}}\n  hr:\n    url: \"file:exports/\"\n{files}\
         entities:\n  people:\n    in: {{crm: people, hr: {{file: people}}}}\n    match: email\n    fields:\n{cells}"
    ));
    world.sql(
        "crm",
        "create table people(id integer primary key, email text not null unique, name text, salary numeric, born text)",
    );
    fs::create_dir(world.path("exports")).unwrap();
    world
}

const CELLS: &str = r#"      email: {crm: email, hr: Mail}
      name: {type: text, crm: name, hr: Name}
      salary: {type: decimal, crm: salary, hr: Salary}
      born: {type: date, crm: born, hr: {column: Born, format: "%d/%m/%Y"}}
"#;

const READ: &str = "    read: {format: csv, name: \"{file}-*.csv\", separator: \";\", decimal: \",\", encoding: windows-1252, settle: 50ms}\n";

impl World {
    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path("exports").join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn people(&self) -> String {
        let sql = "select coalesce(group_concat(email || ' ' || coalesce(name, '-') || ' ' || coalesce(salary, '-') || ' ' || coalesce(born, '-'), ', '), '') from (select * from people order by email)";
        self.value("crm", sql)
    }
}

const THREE: &[u8] = b"Name;Mail;Salary;Born;Other\r\nGarc\xeda;a@x;1234,50;02/03/1990;\r\n\"Smith; \"\"Bob\"\"\";b@x;;;y\r\nC;c@x;0,10;31/12/1999;\r\n";

#[test]
fn a_full_export_is_read_with_its_signs_and_letters() {
    let world = people(READ, CELLS);
    world.put("people-2026-03-01.csv", THREE);
    world.put("other.csv", b"x");
    world.run(&["check", "--online"]).ends(0, &[]);
    world.run(&["run", "--yes"]).ends(0, &["3 changed"]);
    let all = "a@x Garc\u{ed}a 1234.5 1990-03-02, b@x Smith; \"Bob\" - -, c@x C 0.1 1999-12-31";
    assert_eq!(world.people(), all);
    world.run(&["run"]).ends(0, &["nothing changed"]);
    // Absence from a whole file is a delete; the newest file counts.
    world.put("people-2026-03-02.csv", &THREE[..THREE.len() - 24]);
    world.run(&["run"]).ends(0, &[]);
    assert!(!world.people().contains("c@x"), "{}", world.people());
    let said = world.run(&["doctor", "hr"]).ends(0, &["class E: blind", "people-2026-03-02.csv"]);
    assert!(said.said().contains("complete scan"), "{}", said.said());
}

#[test]
fn a_file_that_is_cut_broken_or_empty_deletes_nobody() {
    let world = people(READ, CELLS);
    let file = "people-1.csv";
    world.put(file, THREE);
    world.run(&["run", "--yes"]).ends(0, &[]);
    let whole = world.people();
    for (bytes, words) in [
        (&THREE[..THREE.len() - 23], "does not end"),
        (&b"Name;Mail;Salary;Born\nX\"Y;a@x;;\n"[..], "people-1.csv:2"),
        (
            &b"Name;Mail;Salary;Born\n\"Z;a@x;;\nGarc\xeda;a@x;1234,50;02/03/1990\n"[..],
            "people-1.csv:2",
        ),
        (&b"Name;Mail;Salary;Born\nX;a@x\n"[..], "people-1.csv:2: it has 2 cells, the header 4"),
        (&b"Name;Mail;Salary;Born\nGarc\xeda;;1;\n"[..], "people-1.csv:2: a key column is empty"),
        (b"", "it has no header"),
        (b"Name;Mail;Salary;Born\n", "guard.empty_source"),
        (b"Name;Mail;Salary;Born;Name\nX;a@x;;;\n", "two columns are called"),
        (b"Name;Mail;Born\nX;a@x;\n", "Salary"),
    ] {
        world.put(file, bytes);
        let done = world.run(&["run"]);
        assert_ne!(done.code, 0, "{words}: {}", done.said());
        assert!(done.said().contains(words), "{words}: {}", done.said());
        assert_eq!(world.people(), whole, "{words}");
    }
    fs::remove_file(world.path("exports").join(file)).unwrap();
    world.run(&["run"]).ends(1, &["there is no file people-*.csv"]);
    assert_eq!(world.people(), whole);
    world.put(file, THREE);
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(world.people(), whole);
}

#[test]
fn a_row_that_cannot_be_read_is_set_aside_with_its_place_and_its_neighbours_go_on() {
    let utf8 = READ.replace("windows-1252", "utf-8");
    let world = people(&utf8, CELLS);
    let rows = b"Name;Mail;Salary;Born\nA;a@x;1;\nGarc\xeda;b@x;2;\nC;c@x;three;\nD;d@x;4;\nD2;d@x;5;\nE;e@x;6;\n";
    world.put("people-1.csv", rows);
    let said = world.run(&["run", "--yes"]).ends(4, &["set aside"]).said();
    assert_eq!(world.people(), "a@x A 1 -, e@x E 6 -", "{said}");
    let words = ["people-1.csv:3, column \"Name\"", "read.encoding", "read.duplicate_key"];
    world.run(&["quarantine", "list"]).ends(0, &words);
}

#[test]
fn a_file_that_is_still_being_written_is_not_read() {
    let world = people(&READ.replace("50ms", "1h"), CELLS);
    let path = world.put("people-1.csv", THREE);
    let hour = std::time::SystemTime::now() - std::time::Duration::from_secs(7_200);
    let aged = |file: &fs::File| file.set_modified(hour).unwrap();
    aged(&fs::File::options().write(true).open(&path).unwrap());
    world.put("people-2.csv.part", b"Name;Mail");
    world.run(&["run", "--yes"]).ends(0, &["3 changed"]);
    let held = fs::File::options().write(true).open(&path).unwrap();
    held.lock().unwrap();
    world.run(&["run"]).ends(1, &["people-1.csv is locked by another program"]);
    held.unlock().unwrap();
    world.run(&["run"]).ends(0, &["nothing changed"]);
}

#[test]
fn json_lines_are_read_exactly() {
    let cells = "      email: {crm: email, hr: mail}\n      name: {type: text, crm: name, hr: {column: who, path: name.first}}\n      salary: {type: decimal, crm: salary, hr: salary}\n";
    let world = people("    read: {format: jsonl, settle: 50ms}\n", cells);
    world.put(
        "people.jsonl",
        b"{\"mail\": \"a@x\", \"who\": {\"name\": {\"first\": \"Ada\"}}, \"salary\": 0.10}\n\n{\"mail\": \"b@x\", \"salary\": 1234567.25}\n{\"mail\": \"c@x\"",
    );
    world.run(&["run", "--yes"]).ends(1, &["people.jsonl:4: it is no JSON object"]);
    let rows =
        "select group_concat(email || coalesce(name, '-') || typeof(salary), ' ') from people";
    assert_eq!(world.value("crm", rows), "a@xAdareal b@x-real");
}

#[test]
fn what_is_wrong_with_a_folder_is_said_with_its_place() {
    let world = people(READ, CELLS);
    world.run(&["check"]).ends(0, &[]);
    for (from, to, words) in [
        ("separator: \";\"", "separator: \";;\"", "`separator` takes one sign"),
        ("windows-1252", "windows-1259", "is no encoding that is known"),
        ("{file}-*.csv", "../x.csv", "without a path"),
        ("format: csv", "format: jsonl", "is for CSV"),
        ("file: people", "table: people", "needs `file`"),
        ("settle: 50ms", "sheet: x", "`sheet` is for workbooks"),
        ("settle: 50ms", "settles: 50ms", "did you mean `settle`?"),
        ("    match: email\n", "    to: hr\n    match: email\n", "which has no `write`"),
        (
            "    url: \"file:exports/\"",
            "    url: \"file:exports/\"\n    auth: {bearer: env:X}",
            "is for REST systems",
        ),
    ] {
        let file = fs::read_to_string(world.path("syncline.yaml")).unwrap();
        world.edit(from, to);
        world.run(&["check"]).ends(2, &[words, "syncline.yaml:"]);
        world.file("syncline.yaml", &file);
    }
    fs::remove_dir_all(world.path("exports")).unwrap();
    world.run(&["doctor", "hr"]).ends(3, &["there is no folder"]);
}

const WRITE: &str = "    write: {format: csv, name: \"people-{date}.csv\", separator: \";\", decimal: \",\", encoding: windows-1252}\n";

impl World {
    /// The one file of the folder.
    fn only(&self) -> (String, Vec<u8>) {
        let entries = fs::read_dir(self.path("exports")).unwrap();
        let mut names: Vec<String> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), 1, "{names:?}");
        let bytes = fs::read(self.path("exports").join(&names[0])).unwrap();
        (names.remove(0), bytes)
    }
}

#[test]
fn an_export_holds_all_records_with_its_signs_and_letters() {
    let world = people(WRITE, CELLS);
    world.sql("crm", "insert into people(email, name, salary, born) values ('a@x', 'García', 1234.5, '1990-03-02'), ('b@x', 'Smith; \"Bob\"', null, null)");
    world.run(&["run", "--yes"]).ends(0, &["hr 2"]);
    let (name, bytes) = world.only();
    let dated = name.strip_prefix("people-20").and_then(|it| it.strip_suffix(".csv"));
    assert_eq!(dated.map(str::len), Some(8), "{name}");
    let header = b"Mail;Name;Salary;Born\r\n".to_vec();
    let rows = b"a@x;Garc\xeda;1234,5;02/03/1990\r\nb@x;\"Smith; \"\"Bob\"\"\";;\r\n".to_vec();
    assert_eq!(bytes, [header, rows].concat(), "{}", String::from_utf8_lossy(&bytes));
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.run(&["verify"]).ends(0, &["no difference"]);
    world.sql("crm", "update people set salary = 7 where email = 'b@x'; delete from people where email = 'a@x'; insert into people(email, name) values ('c@x', 'Łukasz')");
    world.run(&["run"]).ends(4, &[]);
    let (_, bytes) = world.only();
    assert_eq!(
        bytes,
        b"Mail;Name;Salary;Born\r\nb@x;\"Smith; \"\"Bob\"\"\";7;\r\n",
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    world.run(&["quarantine", "list"]).ends(0, &["write.encoding", "has no letter"]);
    // Whoever fetches the file may take it away: the next run makes it anew, whole.
    world.sql("crm", "update people set name = 'Lukasz' where email = 'c@x'");
    fs::remove_file(world.path("exports").join(&name)).unwrap();
    world.run(&["run", "--allow-partial"]).ends(0, &[]);
    let (_, bytes) = world.only();
    assert!(
        bytes.ends_with(b"b@x;\"Smith; \"\"Bob\"\"\";7;\r\nc@x;Lukasz;;\r\n"),
        "{}",
        String::from_utf8_lossy(&bytes)
    );
    world.run(&["run"]).ends(0, &["nothing changed"]);
}

const BOTH: &str = "    read: {format: csv, settle: 20ms}\n    write: {format: csv}\n";

#[test]
fn a_file_is_kept_the_same_both_ways_and_what_is_not_ours_stays_as_it_is() {
    let world = people(BOTH, CELLS);
    let file = "people.csv";
    world
        .put(file, b"Note,Mail,Name,Salary,Born\n\"x, \"\"y\"\"\",a@x,\"Ada\",01.50,\n,b@x,B,2,\n");
    world.sql("crm", "insert into people(email, name) values ('c@x', 'C')");
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(world.people(), "a@x Ada 1.5 -, b@x B 2 -, c@x C - -");
    world.sql("crm", "update people set name = 'Bea' where email = 'b@x'");
    world.run(&["run"]).ends(0, &["hr 1"]);
    let text = || fs::read_to_string(world.path("exports").join(file)).unwrap();
    assert_eq!(
        text(),
        "Note,Mail,Name,Salary,Born\n\"x, \"\"y\"\"\",a@x,\"Ada\",01.50,\n,b@x,Bea,2,\n,c@x,C,,\n"
    );
    world.run(&["run"]).ends(0, &["nothing changed"]);
    // Both sides change the same row: their fields are merged, and a person's file is not lost.
    world.sql(
        "crm",
        "update people set salary = 9 where email = 'a@x'; delete from people where email = 'b@x'",
    );
    world.put(file, text().replace("\"Ada\"", "Ada Lovelace").as_bytes());
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(world.people(), "a@x Ada Lovelace 9 -, c@x C - -");
    assert_eq!(
        text(),
        "Note,Mail,Name,Salary,Born\n\"x, \"\"y\"\"\",a@x,Ada Lovelace,9,\n,c@x,C,,\n"
    );
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.run(&["verify"]).ends(0, &["no difference"]);
    // Somebody has it open: it is left alone, and written when they have closed it.
    world.put(".~lock.people.csv#", b"");
    world.sql("crm", "update people set salary = 8 where email = 'a@x'");
    world.run(&["run"]).ends(1, &["open in an office program"]);
    fs::remove_file(world.path("exports/.~lock.people.csv#")).unwrap();
    world.run(&["run"]).ends(0, &["hr 1"]);
    assert!(text().contains("Ada Lovelace,8"), "{}", text());
}

#[test]
fn keys_that_are_exchanged_and_broken_neighbours_are_written_right() {
    let world = people(&BOTH.replace("csv", "jsonl"), &CELLS.replace(", format: \"%d/%m/%Y\"", ""));
    world.sql("crm", "insert into people(id, email, name, salary, born) values (1, 'a@x', 'A', 0.1, '2001-02-03'), (2, 'b@x', 'B', null, null)");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let text = || fs::read_to_string(world.path("exports/people.jsonl")).unwrap();
    assert_eq!(
        text(),
        "{\"Mail\":\"a@x\",\"Name\":\"A\",\"Salary\":0.1,\"Born\":\"2001-02-03\"}\n{\"Mail\":\"b@x\",\"Name\":\"B\"}\n"
    );
    world.sql("crm", "update people set email = 't' where id = 1; update people set email = 'a@x' where id = 2; update people set email = 'b@x' where id = 1");
    world.run(&["run"]).ends(0, &[]);
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.run(&["verify"]).ends(0, &["no difference"]);
    world.put("people.jsonl", format!("{}oops\n", text()).as_bytes());
    world.sql("crm", "update people set name = 'BB' where id = 2");
    world.run(&["run"]).ends(1, &["people.jsonl:3"]);
    assert!(text().contains("\"BB\"") && text().ends_with("oops\n"), "{}", text());
}

#[test]
fn files_of_changes_are_read_once_in_the_order_of_their_names() {
    let delta = "    read: {kind: delta, name: \"{file}-*.csv\", settle: 20ms}\n";
    let world = people(
        delta,
        "      email: {crm: email, hr: Mail}\n      name: {type: text, crm: name, hr: Name}\n",
    );
    let names = || {
        world.value("crm", "select coalesce(group_concat(email || ' ' || name, ', '), '') from (select * from people order by email)")
    };
    world.put("people-2.csv", b"Mail,Name\na@x,A2\nc@x,C\n");
    world.put("people-1.csv", b"Mail,Name\na@x,A1\nb@x,B\n");
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(names(), "a@x A2, b@x B, c@x C");
    // Read once: what the CRM makes of it since is not undone, and absence says nothing.
    world.sql("crm", "update people set name = 'mine' where email = 'b@x'");
    world.run(&["run"]).ends(0, &[]);
    world.put("people-1.csv", b"Mail,Name\na@x,A1\nb@x,B\n");
    world.run(&["run"]).ends(0, &["nothing changed"]);
    assert_eq!(names(), "a@x A2, b@x mine, c@x C");
    // One that has grown is read on; what is broken is named until it is corrected, and its neighbours go on.
    world.put("people-2.csv", b"Mail,Name\na@x,A2\nc@x,C\nc@x,C3\n");
    world.put("people-3.csv", b"Mail,Name\nd@x,D\n\"e@x,E\nf@x,F\n");
    world.put("people-4.csv", b"Mail,Name\nd@x,D4\n");
    world.run(&["run"]).ends(1, &["people-3.csv:3: a quote is not closed"]);
    assert_eq!(names(), "a@x A2, b@x mine, c@x C3, d@x D4, f@x F");
    world.run(&["run"]).ends(1, &["people-3.csv:3: a quote is not closed"]);
    world.put("people-3.csv", b"Mail,Name\ne@x,E\n");
    world.run(&["run"]).ends(0, &[]);
    world.run(&["refresh", "people", "--full"]).ends(0, &[]);
    assert_eq!(names(), "a@x A2, b@x mine, c@x C3, d@x D4, e@x E, f@x F");
    // A file that is fetched away takes nothing with it.
    fs::remove_file(world.path("exports/people-1.csv")).unwrap();
    world.run(&["run"]).ends(0, &["nothing changed"]);
    world.run(&["doctor", "hr"]).ends(0, &["is read once"]);
}

#[test]
fn a_folder_is_watched_both_ways() {
    let world = people(&BOTH.replace("20ms", "100ms"), CELLS);
    world.put("people.csv", b"Mail,Name,Salary,Born\na@x,Ada,1.5,\n");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let daemon = crate::serve::Daemon::start(&world.path(""), &[]);
    daemon.says("watch");
    let began = std::time::Instant::now();
    world.put("people.csv", b"Mail,Name,Salary,Born\na@x,Ada,1.5,\nb@x,Bo,2,\n");
    let arrived = || world.people() == "a@x Ada 1.5 -, b@x Bo 2 -";
    crate::serve::eventually("the new row arrives", arrived, || daemon.log());
    // Polls are every 30 s.
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    world.sql("crm", "update people set salary = 3 where email = 'b@x'");
    let text = || fs::read_to_string(world.path("exports/people.csv")).unwrap();
    crate::serve::eventually(
        "the edit is written",
        || text().contains("b@x,Bo,3"),
        || daemon.log(),
    );
    daemon.stop().ends(143, &[]);
    world.agrees();
    assert_eq!(text(), "Mail,Name,Salary,Born\na@x,Ada,1.5,\nb@x,Bo,3,\n");
}

const CELLS_OF_A_SHEET: &str = "      email: {crm: email, hr: Mail}\n      name: {type: text, crm: name, hr: Code}\n      salary: {type: decimal, crm: salary, hr: Salary}\n      born: {type: date, crm: born, hr: Born}\n";

/// A workbook with people, as Excel would write it: a number that is a code, a sum, a date.
fn workbook(path: &std::path::Path, with_formula: bool) {
    let mut book = rust_xlsxwriter::Workbook::new();
    let date = rust_xlsxwriter::Format::new().set_num_format("dd/mm/yyyy");
    let sheet = book.add_worksheet().set_name("Staff").unwrap();
    for (column, name) in (0..).zip(["Note", "Mail", "Code", "Salary", "Born"]) {
        sheet.write_string(1, column, name).unwrap();
    }
    let born = rust_xlsxwriter::ExcelDateTime::from_ymd(1990, 3, 2).unwrap();
    sheet.write_string(2, 1, "a@x").unwrap();
    sheet.write_number(2, 2, 1007.0).unwrap();
    sheet.write_number(2, 3, 0.1 + 0.2).unwrap();
    sheet.write_datetime_with_format(2, 4, &born, &date).unwrap();
    sheet.write_string(3, 0, "kept").unwrap();
    sheet.write_string(3, 1, "b@x").unwrap();
    sheet.write_string(3, 2, "B").unwrap();
    if with_formula {
        let formula = rust_xlsxwriter::Formula::new("1000*1.5").set_result("1500");
        sheet.write_formula(3, 3, formula).unwrap();
    } else {
        sheet.write_number(3, 3, 19.99).unwrap();
    }
    book.save(path).unwrap();
}

/// The rows of a workbook, as people see them.
fn rows(path: &std::path::Path) -> String {
    use calamine::Reader as _;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(path).unwrap();
    let sheet = book.worksheet_range_at(0).unwrap().unwrap();
    let row =
        |row: &[calamine::Data]| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    sheet.rows().map(row).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_workbook_is_read_with_its_numbers_dates_and_formulas() {
    let world = people("    read: {format: xlsx, sheet: Staff, settle: 20ms}\n", CELLS_OF_A_SHEET);
    let path = world.path("exports/people.xlsx");
    workbook(&path, true);
    world.run(&["check", "--online"]).ends(0, &[]);
    world.run(&["run", "--yes"]).ends(0, &[]);
    let all = "a@x 1007 0.3 1990-03-02, b@x B 1500 -";
    assert_eq!(world.people().replace("0.30000000000000004", "0.3"), all);
    world.run(&["run"]).ends(0, &["nothing changed"]);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    world.run(&["run"]).ends(1, &["people.xlsx: it is no whole workbook"]);
    world.edit("sheet: Staff", "sheet: Stuff");
    fs::write(&path, &whole).unwrap();
    world.run(&["run"]).ends(1, &["it has no sheet \"Stuff\"; it has Staff"]);
}

#[test]
fn a_workbook_that_memory_would_not_hold_is_refused_and_deletes_nobody() {
    let world = people("    read: {format: xlsx, settle: 20ms}\n", CELLS_OF_A_SHEET);
    let path = world.path("exports/people.xlsx");
    workbook(&path, false);
    world.run(&["run", "--yes"]).ends(0, &[]);
    let before = world.people();
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Mail").unwrap();
    sheet.write(1_048_575, 16_383, "far away").unwrap();
    book.save(&path).unwrap();
    let said = ["read.too_large", "people.xlsx: its sheet spans 1048576 rows", "CSV"];
    world.run(&["run"]).ends(3, &said);
    assert_eq!(world.people(), before);
    workbook(&path, false);
    world.run(&["run"]).ends(0, &[]);
}

#[test]
fn a_workbook_is_written_and_kept_the_same_both_ways() {
    let both = "    read: {format: xlsx, settle: 20ms}\n    write: {format: xlsx}\n";
    let world = people(both, CELLS_OF_A_SHEET);
    let path = world.path("exports/people.xlsx");
    world.sql("crm", "insert into people(email, name, salary, born) values ('a@x', '=1+1', 19.99, '1990-03-02'), ('b@x', 'B', 12345678901234567, null)");
    let said = world.run(&["run", "--yes"]).ends(4, &[]).said();
    assert_eq!(rows(&path), "Mail,Code,Salary,Born\na@x,=1+1,19.99,32934", "{said}");
    world.run(&["quarantine", "list"]).ends(0, &["about 15 digits"]);
    world.sql("crm", "update people set salary = 7 where email = 'b@x'");
    world.run(&["run", "--allow-partial"]).ends(0, &[]);
    world.run(&["verify"]).ends(0, &["no difference"]);
    assert_eq!(rows(&path), "Mail,Code,Salary,Born\na@x,=1+1,19.99,32934\nb@x,B,7,");
    workbook(&path, false);
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(
        world.people().replace("0.30000000000000004", "0.3"),
        "a@x 1007 0.3 1990-03-02, b@x B 19.99 -"
    );
    world.sql("crm", "update people set name = 'C' where email = 'b@x'");
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(
        rows(&path).replace("0.30000000000000004", "0.3"),
        "Note,Mail,Code,Salary,Born\n,a@x,1007,0.3,32934\nkept,b@x,C,19.99,"
    );
    world.agrees();
    // What a new workbook would lose is not written over.
    workbook(&path, true);
    world.run(&["run"]).ends(0, &[]);
    world.sql("crm", "update people set name = 'D' where email = 'b@x'");
    let said = world.run(&["run"]);
    assert_ne!(said.code, 0);
    assert!(said.said().contains("people.xlsx has formulas"), "{}", said.said());
}

/// People whose file is written at times of its own, beside an ERP that has them at once.
fn scheduled(schedule: &str) -> World {
    let world = people(BOTH, CELLS);
    world.sql("erp", "create table people(id integer primary key, email text, name text)");
    world.edit("  hr:\n", "  erp: {url: \"sqlite:erp.db\"}\n  hr:\n");
    let to = format!("erp: people, hr: {{file: people, schedule: {{{schedule}}}}}");
    world.edit("hr: {file: people}", &to);
    world.edit("email: {crm: email, hr", "email: {crm: email, erp: email, hr");
    world.edit("crm: name, hr", "crm: name, erp: name, hr");
    world.sql("crm", "insert into people(email, name) values ('a@x', 'Ada'), ('b@x', 'Bo')");
    // Whoever runs it wants it now.
    world.run(&["run", "--yes"]).ends(0, &[]);
    world
}

/// Changes a name three times, each as soon as the ERP has the one before; nothing of it is in the file.
fn rename_thrice(world: &World, daemon: &crate::serve::Daemon) {
    let file = world.path("exports/people.csv");
    let before = fs::read(&file).unwrap();
    for name in ["One", "Two", "Three"] {
        world.sql("crm", &format!("update people set name = '{name}' where email = 'a@x'"));
        let in_erp = || world.value("erp", "select name from people where email = 'a@x'") == name;
        crate::serve::eventually("the ERP has it", in_erp, || daemon.log());
        assert_eq!(fs::read(&file).unwrap(), before, "{name}");
    }
}

#[test]
fn p11_what_changes_before_its_time_is_one_write_after_it() {
    let world = scheduled("every: 12s");
    let daemon = crate::serve::Daemon::start(&world.path(""), &[]);
    daemon.says("serve.ready");
    // The first time is at once, and there was nothing to write.
    let noted =
        || world.value("syncline.hub", "select count(*) from note where name like 'scheduled:%'");
    crate::serve::eventually("it was looked at", || noted() == "1", || daemon.log());
    rename_thrice(&world, &daemon);
    let text = || fs::read_to_string(world.path("exports/people.csv")).unwrap();
    crate::serve::eventually(
        "the last one is written",
        || text().contains("a@x,Three"),
        || daemon.log(),
    );
    daemon.stop().ends(143, &[]);
    let history = world.run(&["history"]).said();
    assert_eq!(history.matches("written to erp:1  (updated)").count(), 3, "{history}");
    assert_eq!(history.matches("written to hr:a@x  (updated)").count(), 1, "{history}");
    world.agrees();
}

#[test]
fn a_time_to_write_what_is_never_written_is_refused() {
    let world = people(READ, CELLS);
    world.edit("hr: {file: people}", "hr: {file: people, schedule: {every: 1h}}");
    world.run(&["check"]).ends(2, &["config.contradiction", "`people` is never written to hr"]);
}

#[test]
fn p11_a_night_that_nobody_was_there_for_is_made_up_for() {
    let world = scheduled("cron: \"0 2 1 1 *\"");
    let daemon = crate::serve::Daemon::start(&world.path(""), &[]);
    daemon.says("serve.ready");
    rename_thrice(&world, &daemon);
    std::thread::sleep(std::time::Duration::from_secs(6));
    let text = || fs::read_to_string(world.path("exports/people.csv")).unwrap();
    assert!(text().contains("a@x,Ada"), "{}", text());
    world.run(&["status"]).ends(0, &["to write"]);
    daemon.stop().ends(143, &[]);
    // As if it had stood still for two years.
    world.sql(
        "syncline.hub",
        "update note set value = value - 63072000000000 where name like 'scheduled:%'",
    );
    let daemon = crate::serve::Daemon::start(&world.path(""), &[]);
    crate::serve::eventually("it is written", || text().contains("a@x,Three"), || daemon.log());
    daemon.stop().ends(143, &[]);
    world.agrees();
}

#[test]
fn f13_columns_are_found_by_name_and_another_encoding_is_set_aside_row_by_row() {
    let utf8 = READ.replace("windows-1252", "utf-8").replace("{file}-*.csv", "{file}.csv");
    let world = people(&utf8, CELLS);
    world.put(
        "people.csv",
        "Name;Mail;Salary;Born\nGarc\u{ed}a;a@x;1,5;02/03/1990\nB;b@x;;\n".as_bytes(),
    );
    world.run(&["run", "--yes"]).ends(0, &[]);
    let before = world.people();
    // Somebody has put the columns in another order, and one between them.
    world.put(
        "people.csv",
        "Born;Salary;New;Mail;Name\n02/03/1990;1,5;x;a@x;Garc\u{ed}a\n;;;b@x;B\n".as_bytes(),
    );
    world.run(&["run"]).ends(0, &["nothing changed"]);
    assert_eq!(world.people(), before);
    // It is written as another program writes it now: what cannot be read waits, the others go on.
    world.put("people.csv", b"Name;Mail;Salary;Born\nGarc\xeda;a@x;9;02/03/1990\nBo;b@x;2;\n");
    world.run(&["run"]).ends(4, &["set aside"]);
    world.run(&["quarantine", "list"]).ends(0, &["read.encoding", "people.csv:2, column \"Name\""]);
    assert_eq!(world.people(), "a@x Garc\u{ed}a 1.5 1990-03-02, b@x Bo 2 -");
    // One half of a file is not read for what it lacks.
    world.put("people.csv", "Name;Mail;Salary;Born\nGarc\u{ed}a;a@x;3;02/0".as_bytes());
    let half = world.run(&["run"]);
    assert_ne!(half.code, 0, "{}", half.said());
    assert!(world.people().contains("b@x Bo 2 -"), "{}", world.people());
}

/// UTF-16, little end first unless said.
fn utf16(text: &str, is_big: bool) -> Vec<u8> {
    let bytes = |unit: u16| if is_big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn files_in_utf_16_are_kept_the_same_both_ways_as_they_are_written() {
    let files = BOTH.replace("format: csv", "format: csv, separator: tab, encoding: utf-16");
    let world = people(&files, CELLS);
    // Big end first, as its mark says; a letter beyond the first 65536, and a column that is not ours.
    let before =
        "\u{feff}Mail\tName\tSalary\tBorn\tNote\r\na@x\t\u{141}ukasz \u{1f600}\t1.5\t\t\u{442}\r\n";
    world.put("people.csv", &utf16(before, true));
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(world.people(), "a@x \u{141}ukasz \u{1f600} 1.5 -");
    world.sql(
        "crm",
        "update people set salary = 2.5; insert into people(email, name) values ('b@x', 'B\u{e9}')",
    );
    world.run(&["run"]).ends(0, &[]);
    let after = "\u{feff}Mail\tName\tSalary\tBorn\tNote\r\na@x\t\u{141}ukasz \u{1f600}\t2.5\t\t\u{442}\r\nb@x\tB\u{e9}\t\t\t\r\n";
    let is = fs::read(world.path("exports/people.csv")).unwrap();
    assert_eq!(
        String::from_utf16_lossy(
            &is.chunks(2).map(|it| u16::from_be_bytes([it[0], it[1]])).collect::<Vec<_>>()
        ),
        after
    );
    world.agrees();
    // One half of a letter: that row waits, and nothing is written over it.
    let broken =
        [utf16(before, true), b"\0c\0@\0x\0\t\xd8\0\0\t\0\t\0\t\0\r\0\n".to_vec()].concat();
    world.put("people.csv", &broken);
    world.run(&["run", "--allow-partial"]);
    world.run(&["quarantine", "list"]).ends(0, &["read.encoding", "people.csv:3, column \"Name\""]);
    world.sql("crm", "update people set salary = 9 where email = 'a@x'");
    let said = world.run(&["run"]).said();
    assert!(said.contains("no UTF-16"), "{said}");
    assert_eq!(fs::read(world.path("exports/people.csv")).unwrap(), broken);
}

#[test]
fn a_new_file_in_utf_16_begins_with_a_mark_and_one_without_is_read_as_said() {
    let world = people(&WRITE.replace("windows-1252", "utf-16be"), CELLS);
    world.sql("crm", "insert into people(email, name) values ('a@x', '\u{141}')");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let (_, bytes) = world.only();
    assert_eq!(bytes, utf16("\u{feff}Mail;Name;Salary;Born\r\na@x;\u{141};;\r\n", true));

    let read = READ.replace("windows-1252", "utf-16le");
    let world = people(&read, CELLS);
    world.put("people-1.csv", &utf16("Name;Mail;Salary;Born\r\n\u{141};a@x;;\r\n", false));
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(world.people(), "a@x \u{141} - -");
    // What says that it is UTF-8 is.
    world.put("people-1.csv", "\u{feff}Name;Mail;Salary;Born\r\n\u{142};a@x;;\r\n".as_bytes());
    world.run(&["run"]).ends(0, &[]);
    assert_eq!(world.people(), "a@x \u{142} - -");
}

#[test]
fn what_a_spreadsheet_would_take_for_a_formula_is_not_written_where_the_file_says_so() {
    let world = people(&WRITE.replace("windows-1252", "utf-8, formulas: refuse"), CELLS);
    world.sql("crm", "insert into people(email, name, salary) values ('a@x', '=HYPERLINK(\"x\")', 1), ('b@x', '@SUM(A1)', 1), ('c@x', 'Ann', -5)");
    world.run(&["run", "--yes"]).ends(4, &["set aside"]);
    world.run(&["quarantine", "list"]).ends(0, &["write.formula"]);
    let (_, bytes) = world.only();
    assert_eq!(String::from_utf8(bytes).unwrap(), "Mail;Name;Salary;Born\r\nc@x;Ann;-5;\r\n");
}
