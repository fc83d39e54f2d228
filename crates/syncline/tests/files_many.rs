//! Files of more rows than are written at once: one pass is one new file, whatever happens to the process.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt as _,
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::world::{MARKS, World};

/// More than two batches, and so more than two portions.
const MANY: usize = 9_000;

/// People of a CRM, and a file of them.
fn people(files: &str) -> World {
    let world = World::with(&format!(
        "version: 1\nsystems:\n  crm: {{url: \"sqlite:crm.db\"}}\n  hr:\n    url: \"file:exports/\"\n    {files}\n\
         entities:\n  people:\n    in: {{crm: people, hr: {{file: people}}}}\n    match: code\n    fields:\n      \
         code: {{crm: code, hr: Code}}\n      name: {{crm: name, hr: Name}}\n"
    ));
    world.sql(
        "crm",
        &format!(
            "create table people(id integer primary key, code text not null unique, name text);
             with recursive n(i) as (select 1 union all select i + 1 from n where i < {MANY})
             insert into people(code, name) select 'p' || i, 'Person ' || i from n"
        ),
    );
    fs::create_dir(world.path("exports")).unwrap();
    world
}

/// Runs once, and counts how many files have stood there while it ran, beside the one before.
fn replaced(world: &World, arguments: &[&str]) -> usize {
    let path = world.path("exports/people.csv");
    let inode = || fs::metadata(&path).ok().map(|found| found.ino());
    let (before, is_over) = (inode(), AtomicBool::new(false));
    thread::scope(|scope| {
        let watched = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                seen.extend(inode());
                thread::sleep(Duration::from_millis(1));
            }
            seen.extend(inode());
            seen.retain(|inode| Some(*inode) != before);
            seen.len()
        });
        world.run(arguments).ends(0, &[]);
        is_over.store(true, Ordering::Relaxed);
        watched.join().unwrap()
    })
}

fn lines(world: &World) -> BTreeSet<String> {
    let text = fs::read_to_string(world.path("exports/people.csv")).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

fn rows(world: &World) -> BTreeSet<String> {
    let all = world.value("crm", "select group_concat(code || ',' || name, '|') from people");
    all.split('|').map(str::to_owned).collect()
}

#[test]
fn all_that_a_pass_writes_to_a_file_is_one_new_file() {
    let world = people("write: {format: csv}");
    assert_eq!(replaced(&world, &["run", "--yes"]), 1);
    assert_eq!(lines(&world), rows(&world));
    // Everybody has another name, some go, and two of batches far from each other exchange their codes.
    world.sql(
        "crm",
        "update people set name = name || '!'; delete from people where id % 300 = 0;
         update people set code = 't' where id = 10; update people set code = 'p10' where id = 8999;
         update people set code = 'p8999' where id = 10",
    );
    let both = ["run", "--allow", "updates", "--allow", "deletes"];
    assert!(
        replaced(&world, &both) <= 3,
        "at most one for what stays, what goes, and what was in its way"
    );
    assert_eq!(lines(&world), rows(&world));
    world.agrees();
    assert_eq!(
        fs::read_dir(world.path("exports")).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn a_pass_that_is_killed_has_written_nothing_or_all_and_the_next_one_goes_on() {
    let world = people("read: {format: csv, settle: 1ms}\n    write: {format: csv}");
    fs::write(world.path("exports/people.csv"), "Code,Name\nq1,Only here\n").unwrap();
    // Who takes over learns from them at once whether a killed run has written the one row to the database.
    world.sql("crm", MARKS);
    for after in [300, 700, 1_100, 1_500, 1_900, 2_300] {
        let mut command = world.command(&["run", "--yes"]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(after));
        run.kill().unwrap();
        run.wait().unwrap();
        let count = lines(&world).len();
        assert!(count == 1 || count == MANY + 1, "a file of {count} rows, killed after {after} ms");
    }
    world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(lines(&world), rows(&world));
    assert_eq!(lines(&world).len(), MANY + 1);
    world.agrees();
    let left: Vec<_> = fs::read_dir(world.path("exports")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
