//! The text of a stage and its scenarios, read line by line. A heading stands at the margin, and what
//! belongs to it is indented; `#` begins a remark. See `crates/sim/scenarios/README.md`.

use std::fmt;

use crate::scenario::{
    Cell, Column, Deed, Ended, Fault, Kind, Moment, NAMES, Run, SYSTEMS, Scenario, Step, Table,
};

/// What is wrong with a file of scenarios.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// `scenario.heading`, `scenario.system`, `scenario.table`, `scenario.column`, `scenario.value`,
    /// `scenario.mapping`, `scenario.step`.
    pub code: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// What was not understood.
    pub what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: error[{}]: {}", self.line, self.code, self.what)
    }
}

type Found<T> = Result<T, (&'static str, String)>;

/// Reads a file: its stage, and each scenario on it.
///
/// # Errors
/// The first line that cannot be understood.
pub fn parse(text: &str) -> Result<Vec<Scenario>, Complaint> {
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        let complain = |(code, what)| Complaint { code, line: number, what };
        let said = line.trim();
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        let result = if line.starts_with(' ') {
            reader.inside(number, line, said)
        } else {
            reader.heading(said)
        };
        result.map_err(complain)?;
    }
    Ok(reader.scenarios)
}

/// Under which heading a line stands.
#[derive(Default)]
enum Section {
    #[default]
    None,
    Table,
    Rows(usize),
    Mapping,
    Scenario,
}

#[derive(Default)]
struct Reader {
    section: Section,
    tables: Vec<Table>,
    rows: Vec<(usize, usize, Vec<Cell>)>,
    mapping: String,
    scenarios: Vec<Scenario>,
}

impl Reader {
    fn heading(&mut self, said: &str) -> Found<()> {
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        self.section = match word {
            "table" => {
                self.tables.push(Table { name: rest.into(), columns: Vec::new() });
                Section::Table
            }
            "rows" => Section::Rows(table(&self.tables, rest)?),
            "mapping" => Section::Mapping,
            "scenario" => {
                self.scenarios.push(Scenario {
                    name: rest.into(),
                    tables: self.tables.clone(),
                    rows: self.rows.clone(),
                    mapping: self.mapping.clone(),
                    is_marked: false,
                    refused: Vec::new(),
                    steps: Vec::new(),
                });
                Section::Scenario
            }
            _ => return Err(("scenario.heading", format!("`{word}` begins nothing"))),
        };
        Ok(())
    }

    fn inside(&mut self, number: usize, line: &str, said: &str) -> Found<()> {
        match self.section {
            Section::None => Err(("scenario.heading", "nothing has begun yet".into())),
            Section::Table => {
                let column = self.column(said)?;
                if let Some(table) = self.tables.last_mut() {
                    table.columns.push(column);
                }
                Ok(())
            }
            Section::Rows(at) => {
                let (name, cells) = said.split_once(':').unwrap_or((said, ""));
                let cells: Vec<Cell> = words(cells).into_iter().map(cell).collect();
                let width = self.tables.get(at).map_or(0, |table| table.columns.len());
                if cells.len() != width {
                    return Err(("scenario.value", format!("a row has {width} cells")));
                }
                for system in systems(name)? {
                    self.rows.push((system, at, cells.clone()));
                }
                Ok(())
            }
            Section::Mapping => {
                // Two spaces are the section's own.
                self.mapping.push_str(&expand(line.get(2..).unwrap_or_default()));
                self.mapping.push('\n');
                Ok(())
            }
            Section::Scenario => {
                let Some(scenario) = self.scenarios.last_mut() else { return Ok(()) };
                scenario_line(scenario, number, said)
            }
        }
    }

    /// `email text unique`, `customer refers customer`, `id numbered`.
    fn column(&self, said: &str) -> Found<Column> {
        let words = words(said);
        let mut rest = words.iter().map(String::as_str);
        let name = rest.next().unwrap_or_default().to_owned();
        let mut refers_to = None;
        let kind = match rest.next() {
            Some("numbered") => Kind::Numbered,
            Some("text") => Kind::Text,
            Some("whole") => Kind::Whole,
            Some("moment") => Kind::Moment,
            Some("refers") => {
                refers_to = Some(table(&self.tables, rest.next().unwrap_or_default())?);
                Kind::Whole
            }
            kind => return Err(("scenario.column", format!("{name} holds {kind:?}"))),
        };
        let (mut is_key, mut is_unique) = (kind == Kind::Numbered, false);
        for word in rest {
            match word {
                "key" => is_key = true,
                "unique" => is_unique = true,
                _ => return Err(("scenario.column", format!("{name} is {word}"))),
            }
        }
        Ok(Column { name, kind, is_key, is_unique, refers_to })
    }
}

fn scenario_line(scenario: &mut Scenario, number: usize, said: &str) -> Found<()> {
    let (head, rest) = said.split_once(':').unwrap_or((said, ""));
    let mut head = words(head).into_iter();
    let first = head.next().unwrap_or_default();
    let head: Vec<String> = head.collect();
    let step = match first.as_str() {
        "empty" => {
            scenario.rows.clear();
            return Ok(());
        }
        "marks" => {
            scenario.is_marked = true;
            return Ok(());
        }
        "refuse" => {
            let [who, place, value] = head.as_slice() else {
                return Err(("scenario.step", "refuse SYSTEMS TABLE.COLUMN VALUE".into()));
            };
            let (name, only) = place.split_once('.').unwrap_or((place, ""));
            let at = table(&scenario.tables, name)?;
            let column = column(&scenario.tables, at, only)?;
            for system in systems(who)? {
                scenario.refused.push((system, at, column, value.clone()));
            }
            return Ok(());
        }
        "map" => {
            scenario.mapping = mapped(&scenario.mapping, &head.join(" "), rest.trim())?;
            return Ok(());
        }
        "run" => run(&head, rest)?,
        "approve" | "dismiss" => {
            let number = head.first().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| ("scenario.step", format!("{first} NUMBER")))?;
            if first == "approve" { Step::Approve(number) } else { Step::Dismiss(number) }
        }
        "resolve" => match head.as_slice() {
            [number, by, system] if by == "by" => Step::Resolve {
                number: number.parse().map_err(|_| ("scenario.step", number.clone()))?,
                system: one(system)?,
            },
            _ => return Err(("scenario.step", "resolve NUMBER by SYSTEM".into())),
        },
        "show" => show(&scenario.tables, &head, rest)?,
        "conflicts" => Step::Conflicts(list(rest)),
        "aside" => Step::Aside(list(rest)),
        "told" => Step::Told(words(rest)),
        // Values hold colons.
        _ => deed(&scenario.tables, &words(said))?,
    };
    scenario.steps.push((number, step));
    Ok(())
}

/// `a edit contact r@x phone=P1`.
fn deed(tables: &[Table], words: &[String]) -> Found<Step> {
    let [who, what, place, rest @ ..] = words else {
        return Err(("scenario.step", words.join(" ")));
    };
    let at = table(tables, place)?;
    let cells = |said: &[String]| -> Found<Vec<(usize, Cell)>> {
        said.iter()
            .map(|said| {
                let (name, value) = said.split_once('=').unwrap_or((said, ""));
                Ok((column(tables, at, name)?, cell(value.to_owned())))
            })
            .collect()
    };
    let deed = match (what.as_str(), rest) {
        ("create", values) => Deed::Create(cells(values)?),
        ("edit", [row, values @ ..]) => Deed::Edit(row.clone(), cells(values)?),
        ("delete", [row]) => Deed::Delete(row.clone()),
        _ => return Err(("scenario.step", words.join(" "))),
    };
    Ok(Step::Deed { systems: systems(who)?, table: at, deed })
}

/// `run --full when b is away: exit 3, c 1`, or `run killed before b answers`.
fn run(head: &[String], rest: &str) -> Found<Step> {
    let unknown = || ("scenario.step", format!("run {}", head.join(" ")));
    if let [killed, before, system, moment @ ..] = head
        && (killed.as_str(), before.as_str()) == ("killed", "before")
    {
        let moment = match moment.join(" ").as_str() {
            "is written" => Moment::BeforeWrite,
            "answers" => Moment::BeforeAnswer,
            _ => return Err(unknown()),
        };
        return Ok(Step::Killed { system: one(system)?, moment });
    }
    let when = head.iter().position(|word| word == "when");
    let (arguments, fault) = head.split_at(when.unwrap_or(head.len()));
    let fault = match fault {
        [] => None,
        [_, system, fault @ ..] => {
            let fault = match fault.join(" ").as_str() {
                "is away" => Fault::Away,
                "loses the answer" => Fault::LostAnswer,
                "loses the write" => Fault::LostWrite,
                "dies before the write" => Fault::DiesBefore,
                "dies after the write" => Fault::DiesAfter,
                _ => return Err(unknown()),
            };
            Some((one(system)?, fault))
        }
        [_] => return Err(unknown()),
    };
    if arguments.iter().any(|word| !word.starts_with("--")) {
        return Err(unknown());
    }
    let mut ended = Ended::default();
    for part in rest.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, number) = part.split_once(' ').unwrap_or((part, ""));
        let number: u64 = number.parse().map_err(|_| ("scenario.step", part.to_owned()))?;
        if name == "exit" {
            ended.exit = u8::try_from(number).map_err(|_| ("scenario.step", part.to_owned()))?;
        } else if let Some(writes) = ended.writes.get_mut(one(name)?) {
            *writes = number;
        }
    }
    Ok(Step::Run(Run { arguments: arguments.to_vec(), fault, ended }))
}

/// `show abc contact: r@x N0 P1 S0 / s@x N1 null null`, `show b contact.id: 21`.
fn show(tables: &[Table], head: &[String], rest: &str) -> Found<Step> {
    let [who, place] = head else { return Err(("scenario.step", head.join(" "))) };
    let (name, only) =
        place.split_once('.').map_or((place.as_str(), None), |(name, column)| (name, Some(column)));
    let at = table(tables, name)?;
    let column = only.map(|name| column(tables, at, name)).transpose()?;
    let row = |line: &String| words(line).join("|");
    Ok(Step::Show {
        systems: systems(who)?,
        table: at,
        column,
        rows: list(rest).iter().map(row).collect(),
    })
}

/// Things parted by a slash, or `none`.
fn list(said: &str) -> Vec<String> {
    if said.trim() == "none" {
        return Vec::new();
    }
    said.split(" / ").map(|part| part.trim().to_owned()).collect()
}

/// Adds to the mapping of an entity (`contact`) or of a field (`contact.phone`).
fn mapped(mapping: &str, place: &str, said: &str) -> Found<String> {
    let (entity, field) =
        place.split_once('.').map_or((place, None), |(entity, field)| (entity, Some(field)));
    let mut lines = Vec::new();
    let (mut is_inside, mut is_done) = (false, false);
    for line in mapping.lines() {
        let word = line.trim();
        if line.starts_with("  ") && !line.starts_with("   ") {
            is_inside = word == format!("{entity}:");
        }
        let wanted = field.map(|field| format!("{field}: {{"));
        match &wanted {
            None if is_inside && !is_done => {
                lines.push(line.to_owned());
                lines.push(format!("    {said}"));
                is_done = true;
            }
            Some(wanted) if is_inside && word.starts_with(wanted) => {
                lines.push(line.replacen('{', &format!("{{{said}, "), 1));
                is_done = true;
            }
            Some(_) | None => lines.push(line.to_owned()),
        }
    }
    if is_done {
        return Ok(lines.join("\n") + "\n");
    }
    Err(("scenario.mapping", format!("{place} is not in the mapping")))
}

/// `@name` becomes `a: name, b: name, c: name`.
fn expand(line: &str) -> String {
    let mut parts = line.split('@');
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|sign: char| !(sign.is_alphanumeric() || sign == '_'));
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        let places: Vec<String> = NAMES.iter().map(|system| format!("{system}: {name}")).collect();
        all += &places.join(", ");
        all += rest;
    }
    all
}

fn systems(said: &str) -> Found<Vec<usize>> {
    said.chars().map(|name| one(&name.to_string())).collect()
}

fn one(said: &str) -> Found<usize> {
    let at = NAMES.iter().position(|name| *name == said);
    at.ok_or_else(|| {
        (
            "scenario.system",
            format!("`{said}` is none of the {SYSTEMS} systems {}", NAMES.join(", ")),
        )
    })
}

fn table(tables: &[Table], name: &str) -> Found<usize> {
    let at = tables.iter().position(|table| table.name == name);
    at.ok_or_else(|| ("scenario.table", format!("there is no table `{name}`")))
}

fn column(tables: &[Table], table: usize, name: &str) -> Found<usize> {
    let columns = tables.get(table).map_or(&[][..], |table| table.columns.as_slice());
    let at = columns.iter().position(|column| column.name == name);
    at.ok_or_else(|| ("scenario.column", format!("there is no column `{name}`")))
}

fn cell(word: String) -> Cell {
    (word != "null").then_some(word)
}

/// Words parted by blanks; double quotes hold one together.
fn words(said: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted, mut is_word) =
        (Vec::new(), String::new(), false, false);
    for letter in said.chars() {
        match letter {
            '"' => (is_quoted, is_word) = (!is_quoted, true),
            ' ' if !is_quoted => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            letter => {
                word.push(letter);
                is_word = true;
            }
        }
    }
    if is_word {
        words.push(word);
    }
    words
}
