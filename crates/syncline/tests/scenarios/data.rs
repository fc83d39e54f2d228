//! Every scenario of `crates/sim/scenarios` on PostgreSQL, MariaDB and SQLite, each kind at each place,
//! through the real program. `src/scenarios.rs` plays the same in the simulator.

use syncline_sim::scenario::{
    self, Cell, Column, Deed, Ended, Fault, House, Kind as Holds, Moment, NAMES, Run, Scenario,
    Step, Table,
};

use super::{
    crashes::run_killed,
    stage::{ARRANGEMENTS, Given, Kind, Stage, conserves, written},
    wire::{Act, Cut},
};
use crate::servers::{Server, mariadb, postgres, private_mariadb, private_postgres};

macro_rules! tests {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            play(stringify!($name));
        }
    )*};
}

syncline_sim::scenarios!(tests);

/// Plays a scenario in all arrangements in which it is possible.
#[track_caller]
fn play(name: &str) {
    let scenario = scenario::named(name).unwrap();
    let (first, second) = (postgres().database("scene"), mariadb().database("scene"));
    let mut is_used = false;
    for kinds in ARRANGEMENTS {
        // Nothing lies between the program and a file in which an answer could be lost.
        let is_possible = |(_, step): &(usize, Step)| {
            let Step::Run(Run { fault: Some((at, fault)), .. }) = step else { return true };
            *fault == Fault::Away || kinds[*at] != Kind::Sqlite
        };
        if !scenario.steps.iter().all(is_possible) {
            continue;
        }
        let mortal = scenario.steps.iter().find_map(|(_, step)| {
            let Step::Run(Run { fault: Some((at, fault)), .. }) = step else { return None };
            matches!(fault, Fault::DiesBefore | Fault::DiesAfter).then_some(kinds[*at])
        });
        // Their watcher stops them when this process has ended.
        let own: Option<&Server> = mortal.map(|kind| match kind {
            Kind::Postgres => &*Box::leak(Box::new(private_postgres())),
            Kind::MariaDb | Kind::Sqlite => &*Box::leak(Box::new(private_mariadb())),
        });
        let fresh = own.map(|own| own.database("scene"));
        let [first, second] = match (&fresh, mortal) {
            (Some(fresh), Some(Kind::Postgres)) => [fresh, &second],
            (Some(fresh), _) => [&first, fresh],
            (None, _) => [&first, &second],
        };
        let mut house = Real::open([first, second], kinds, &scenario, is_used, own);
        is_used = true;
        if let Err(found) = scenario::play(&scenario, &mut house) {
            panic!("{kinds:?}: {found}");
        }
    }
    assert!(is_used, "no arrangement in which it is possible");
}

/// Three databases, and the program in a folder.
struct Real<'a> {
    stage: Stage,
    scenario: &'a Scenario,
}

impl<'a> Real<'a> {
    fn open(
        databases: [&str; 2],
        kinds: [Kind; 3],
        scenario: &'a Scenario,
        is_used: bool,
        own: Option<&'static Server>,
    ) -> Self {
        let rows = [0, 1, 2].map(|at| {
            let tables = (0..scenario.tables.len()).map(|table| create(scenario, at, table));
            let own = scenario.rows.iter().filter(|(system, ..)| *system == at);
            let inserts = own.map(|(_, table, cells)| {
                let cells: Vec<(usize, Cell)> = cells.iter().cloned().enumerate().collect();
                insert(&scenario.tables[*table], &cells)
            });
            tables.chain(inserts).collect::<String>()
        });
        let given = Given {
            tables: "",
            rows: [&rows[0], &rows[1], &rows[2]],
            mapping: &scenario.mapping,
            show: "",
        };
        let stage = Stage::set(databases, kinds, &given, &[], is_used, own);
        if scenario.is_marked {
            stage.expect(0, &["doctor", "--fix", "--yes"]);
        }
        Self { stage, scenario }
    }

    /// Everything that a system shows.
    fn all(&self, at: usize) -> Vec<String> {
        let tables = self.scenario.tables.iter();
        tables.flat_map(|it| self.stage.sql(at, &format!("select * from {}", it.name))).collect()
    }
}

impl House for Real<'_> {
    fn act(&mut self, system: usize, table: &Table, deed: &Deed) -> Result<(), String> {
        let row = |row: &str| {
            let naming = &table.columns[table.naming().unwrap()];
            format!("where {} = {}", naming.name, literal(naming, &Some(row.to_owned())))
        };
        let name = &table.name;
        let sql = match deed {
            Deed::Create(cells) => insert(table, cells),
            Deed::Edit(named, cells) => {
                let sets = cells.iter().map(|(at, cell)| {
                    let column = &table.columns[*at];
                    format!("{} = {}", column.name, literal(column, cell))
                });
                let sets = sets.collect::<Vec<_>>().join(", ");
                format!("update {name} set {sets} {}", row(named))
            }
            Deed::Delete(named) => format!("delete from {name} {}", row(named)),
        };
        self.stage.sql(system, &sql);
        Ok(())
    }

    fn run(&mut self, run: &Run) -> Result<Ended, String> {
        let mut words = vec!["run", "--yes", "--json"];
        words.extend(run.arguments.iter().map(String::as_str));
        let way = run.fault.and_then(|(at, fault)| match fault {
            Fault::Away => {
                self.stage.leave(at);
                None
            }
            Fault::LostAnswer => Some(self.stage.cut(at, Cut::AfterCommit)),
            Fault::LostWrite => Some(self.stage.cut(at, Cut::BeforeCommit)),
            Fault::DiesBefore | Fault::DiesAfter => {
                let server = self.stage.server(at);
                let is_after = fault == Fault::DiesAfter;
                let cut = if is_after { Cut::DieAfterCommit } else { Cut::DieBeforeCommit };
                Some(self.stage.cut_and(at, cut, Act::of(|| server.kill())))
            }
        });
        let done = self.stage.syncline(&words);
        if let Some((at, fault)) = run.fault {
            if matches!(fault, Fault::DiesBefore | Fault::DiesAfter) {
                self.stage.server(at).restart();
            }
            self.stage.come_back(at);
        }
        if way.is_some_and(|way| !way.is_broken()) {
            return Err("nothing was written there, so nothing went wrong".into());
        }
        let envelope = done.json();
        conserves(&envelope, "a run");
        if done.code == 3 && run.fault.is_none() {
            return Err(format!("nothing is wrong, and yet: {}", envelope["error"]));
        }
        let exit = u8::try_from(done.code).unwrap();
        Ok(Ended { exit, writes: written(&envelope) })
    }

    fn kill(&mut self, system: usize, moment: Moment) -> Result<(), String> {
        let before = self.all(system);
        run_killed(&self.stage, system, moment, &|| self.all(system) != before);
        Ok(())
    }

    fn resolve(&mut self, number: usize, system: usize) -> Result<(), String> {
        let number = number.to_string();
        let line = ["conflicts", "resolve", &number, "--take", NAMES[system], "--note", "credit"];
        self.stage.expect(0, &line);
        let is_told = self.told().iter().any(|line| line.contains("(steward1: credit)"));
        if is_told { Ok(()) } else { Err("nobody says who decided, and why".into()) }
    }

    fn approve(&mut self, number: usize) -> Result<(), String> {
        self.stage.expect(0, &["guards", "apply", &number.to_string(), "--yes"]);
        Ok(())
    }

    fn dismiss(&mut self, number: usize) -> Result<(), String> {
        self.stage.expect(0, &["guards", "dismiss", &number.to_string()]);
        Ok(())
    }

    fn rows(&mut self, system: usize, table: &Table, columns: &[usize]) -> Vec<String> {
        let names: Vec<&str> = columns.iter().map(|at| table.columns[*at].name.as_str()).collect();
        let rows =
            self.stage.sql(system, &format!("select {} from {}", names.join(", "), table.name));
        let cell = |cell: &str| if cell == "NULL" { "null".to_owned() } else { cell.to_owned() };
        rows.iter().map(|row| row.split('|').map(cell).collect::<Vec<_>>().join("|")).collect()
    }

    fn conflicts(&mut self) -> Vec<String> {
        self.stage.conflicts()
    }

    fn aside(&mut self) -> Vec<String> {
        self.stage.aside()
    }

    fn told(&mut self) -> Vec<String> {
        self.stage.history()
    }

    fn unexplained(&mut self) -> Result<u64, String> {
        let done = self.stage.syncline(&["verify"]);
        if done.code == 0 { Ok(0) } else { Err(done.said()) }
    }
}

/// A table in words that [`Kind::speak`] knows.
fn create(scenario: &Scenario, system: usize, at: usize) -> String {
    let table = &scenario.tables[at];
    let mut parts = Vec::new();
    for (place, column) in table.columns.iter().enumerate() {
        let holds = match column.kind {
            Holds::Numbered => "{id}",
            Holds::Text => "{text}",
            Holds::Whole => "{big}",
            Holds::Moment => "{moment}",
        };
        let is_named = column.is_key && column.kind != Holds::Numbered;
        let says = if is_named {
            " not null primary key"
        } else if column.is_unique {
            " not null unique"
        } else {
            ""
        };
        let refused = scenario.refused.iter().filter(|(in_system, in_table, in_column, _)| {
            (*in_system, *in_table, *in_column) == (system, at, place)
        });
        let checks: String = refused
            .map(|(.., value)| {
                let value = literal(column, &Some(value.clone()));
                format!(" check ({} <> {value})", column.name)
            })
            .collect();
        parts.push(format!("{} {holds}{says}{checks}", column.name));
        if let Some(to) = column.refers_to {
            let to = &scenario.tables[to];
            let key = to.columns.iter().find(|column| column.is_key).unwrap();
            let refers = format!("references {} ({})", to.name, key.name);
            parts.push(format!("foreign key ({}) {refers}", column.name));
        }
    }
    // SQLite wants constraints behind the columns.
    parts.sort_by_key(|part| part.starts_with("foreign key"));
    format!("create table {} ({});", table.name, parts.join(", "))
}

fn insert(table: &Table, cells: &[(usize, Cell)]) -> String {
    let columns: Vec<&str> = cells.iter().map(|(at, _)| table.columns[*at].name.as_str()).collect();
    let values: Vec<String> =
        cells.iter().map(|(at, cell)| literal(&table.columns[*at], cell)).collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    format!("insert into {} ({columns}) values ({values});", table.name)
}

fn literal(column: &Column, cell: &Cell) -> String {
    let Some(typed) = cell else { return "null".into() };
    match (column.kind, typed.as_str()) {
        (Holds::Numbered | Holds::Whole, number) => number.to_owned(),
        (Holds::Moment, "now") => "{now}".into(),
        (Holds::Moment, "later") => "{later}".into(),
        (Holds::Moment | Holds::Text, text) => format!("'{}'", text.replace('\'', "''")),
    }
}
