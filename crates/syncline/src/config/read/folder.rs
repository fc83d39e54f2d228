//! `read:` and `write:` of a file system, and what its entities have from them.

use std::collections::BTreeMap;

use syncline_adapters::settings::folder::{
    Csv, Encoding, Form, Formulas, Holds, Pattern, UTF_8, encoding, is_bytewise, is_wide,
};
use syncline_core::Text;

use crate::config::{
    complaint::Complaint,
    draft::{EntityDraft, Name, folder::FolderDraft},
    keys,
    read::{Entries, Reader},
    source::Place,
};

/// A file that nothing has changed for so long is whole, unless said otherwise.
const SETTLE_MS: i64 = 1_000;
/// Larger files are not read, unless said otherwise.
const MAX_BYTES: u64 = 1 << 30;

/// What `read` or `write` says of both ways.
#[derive(Default)]
struct Said {
    format: Option<(&'static str, Place)>,
    name: Option<Name>,
    separator: Option<(u8, Place)>,
    decimal: Option<(char, Place)>,
    encoding: Option<Name>,
    header: Option<(Vec<Text>, Place)>,
    sheet: Option<Name>,
}

/// Which ways rows go in a system where not both do.
struct Way {
    reads: bool,
    writes: bool,
    /// Of a folder: what is said of its files.
    folder: Option<FolderDraft>,
}

impl Reader<'_> {
    /// What is said of a file system alone.
    pub(super) fn folder(&mut self, entries: &Entries<'_>) -> FolderDraft {
        let read = entries
            .get("read")
            .and_then(|node| self.entries(node, &keys::file::READ, "`read`", &[]));
        let write = entries
            .get("write")
            .and_then(|node| self.entries(node, &keys::file::WRITE, "`write`", &[]));
        if entries.key("read").is_none() && entries.key("write").is_none() {
            self.wrong(entries.place, "a file system needs `read`, `write`, or both");
        }
        let first = read.as_ref().map(|entries| self.said(entries)).unwrap_or_default();
        let second = write.as_ref().map(|entries| self.said(entries)).unwrap_or_default();
        let said = self.same_files(first, second);
        let place = entries.key("read").or(entries.key("write")).unwrap_or(entries.place);
        let bom = write.as_ref().and_then(|write| self.bool_of(write, "bom")) == Some(true);
        let formulas = write.as_ref().and_then(|write| {
            self.word_of(write, "formulas", &["keep", "refuse"]).map(|word| match word {
                "refuse" => Formulas::Refuse,
                _ => Formulas::Keep,
            })
        });
        let writes = write.is_some();
        let decimal = said.decimal.map(|(sign, _)| sign);
        let (form, name) = self.form(said, writes, bom, formulas.unwrap_or_default(), place);
        let mut folder = FolderDraft {
            name,
            form,
            reads: read.is_some(),
            writes,
            holds: Holds::All,
            settle_ms: SETTLE_MS,
            last_line_open: false,
            max_bytes: MAX_BYTES,
            decimal,
        };
        if let Some(read) = &read {
            self.reading(read, &mut folder);
        }
        self.fits_together(&folder, place);
        folder
    }

    fn reading(&mut self, read: &Entries<'_>, folder: &mut FolderDraft) {
        if self.word_of(read, "kind", &["full", "delta"]) == Some("delta") {
            folder.holds = Holds::Changes;
        }
        if let Some(ms) = self.duration_of(read, "settle") {
            folder.settle_ms = ms;
        }
        folder.last_line_open = self.word_of(read, "last_line", &["ended", "open"]) == Some("open");
        if let Some(bytes) = self.size_of(read, "max_bytes") {
            folder.max_bytes = bytes;
        }
    }

    /// What cannot be meant.
    fn fits_together(&mut self, folder: &FolderDraft, place: Place) {
        if folder.writes && folder.name.has_star() {
            self.wrong(place, "a file that is written needs a whole name: `*` stands for anything");
        }
        if folder.writes && folder.reads && folder.name.is_dated() {
            let why = "a file that is read and written has one name, without a date";
            self.complain(
                Complaint::error("config.contradiction", place, why)
                    .fix("make two systems of it: one that is read, one that is written"),
            );
        }
        if folder.writes && folder.holds == Holds::Changes {
            let why = "files that hold changes are only read";
            self.complain(
                Complaint::error("config.contradiction", place, why)
                    .fix("make two systems of it: one that is read, one that is written"),
            );
        }
    }

    fn said(&mut self, entries: &Entries<'_>) -> Said {
        let place = |key: &str| entries.key(key).unwrap_or(entries.place);
        let format = self.word_of(entries, "format", &["csv", "jsonl", "xlsx"]);
        let separator = self.text_of(entries, "separator").and_then(|text| self.separator(&text));
        let header = self.texts_of(entries, "header");
        Said {
            format: format.map(|word| (word, place("format"))),
            name: self.text_of(entries, "name"),
            separator: separator.map(|sign| (sign, place("separator"))),
            decimal: self.sign_of(entries, "decimal").map(|sign| (sign, place("decimal"))),
            encoding: self.text_of(entries, "encoding"),
            header: header
                .map(|names| (names.into_iter().map(|name| name.value).collect(), place("header"))),
            sheet: self.text_of(entries, "sheet"),
        }
    }

    fn separator(&mut self, text: &Name) -> Option<u8> {
        let found = match text.value.as_bytes() {
            b"tab" => Some(b'\t'),
            [sign] if !sign.is_ascii_alphanumeric() && !b"\"\r\n -.".contains(sign) => Some(*sign),
            _ => None,
        };
        if found.is_none() {
            self.wrong(text.place, "`separator` takes one sign, such as \";\", or `tab`");
        }
        found
    }

    /// One file is read and written: what is said in both places must be the same.
    fn same_files(&mut self, read: Said, write: Said) -> Said {
        let mut twice = |key: &str, place: Place| {
            self.complain(
                Complaint::error(
                    "config.contradiction",
                    place,
                    format!("the same files are read and written: `{key}` says two things of them"),
                )
                .fix("say it once, or make two systems of it"),
            );
        };
        macro_rules! either {
            ($key:ident, $same:expr, $place:expr) => {{
                if let (Some(one), Some(other)) = (&read.$key, &write.$key)
                    && !$same(one, other)
                {
                    twice(stringify!($key), $place(other));
                }
                read.$key.or(write.$key)
            }};
        }
        let same = |one: &Name, other: &Name| one.value == other.value;
        let of = |name: &Name| name.place;
        Said {
            format: either!(
                format,
                |a: &(&str, Place), b: &(&str, Place)| a.0 == b.0,
                |it: &(&str, Place)| it.1
            ),
            name: either!(name, same, of),
            separator: either!(
                separator,
                |a: &(u8, Place), b: &(u8, Place)| a.0 == b.0,
                |it: &(u8, Place)| it.1
            ),
            decimal: either!(
                decimal,
                |a: &(char, Place), b: &(char, Place)| a.0 == b.0,
                |it: &(char, Place)| it.1
            ),
            encoding: either!(encoding, same, of),
            header: either!(
                header,
                |a: &(Vec<Text>, Place), b: &(Vec<Text>, Place)| a.0 == b.0,
                |it: &(Vec<Text>, Place)| it.1
            ),
            sheet: either!(sheet, same, of),
        }
    }

    fn form(
        &mut self,
        said: Said,
        writes: bool,
        bom: bool,
        formulas: Formulas,
        place: Place,
    ) -> (Form, Pattern) {
        let ending = |name: &Name| {
            ["csv", "jsonl", "xlsx"]
                .into_iter()
                .find(|end| name.value.ends_with(&format!(".{end}")))
        };
        let format = said.format.map(|(word, _)| word);
        let format = format.or_else(|| said.name.as_ref().and_then(ending)).unwrap_or("csv");
        let name = match &said.name {
            Some(name) => match Pattern::parse(&name.value) {
                Ok(pattern) => pattern,
                Err(why) => {
                    self.wrong(name.place, format!("`name`: {why}"));
                    Pattern::default()
                }
            },
            None => Pattern::of_file(format),
        };
        let alien = |place: Place, key: &str, whose: &str| {
            Complaint::error("config.value", place, format!("`{key}` is for {whose}"))
        };
        if format != "csv" {
            let places = [
                ("separator", said.separator.map(|it| it.1)),
                ("decimal", said.decimal.map(|it| it.1)),
                ("encoding", said.encoding.as_ref().map(|it| it.place)),
                ("header", said.header.as_ref().map(|it| it.1)),
                ("bom", bom.then_some(place)),
                ("formulas", (formulas == Formulas::Refuse).then_some(place)),
            ];
            for (key, place) in places {
                if let Some(place) = place {
                    self.complain(alien(place, key, "CSV"));
                }
            }
        }
        if let (Some(sheet), true) = (&said.sheet, format != "xlsx") {
            self.complain(alien(sheet.place, "sheet", "workbooks"));
        }
        let form = match format {
            "jsonl" => Form::JsonLines,
            "xlsx" => Form::Xlsx { sheet: said.sheet.map(|sheet| sheet.value) },
            _ => Form::Csv(Csv {
                separator: said.separator.map_or(b',', |(sign, _)| sign),
                encoding: self.letters(said.encoding.as_ref(), writes),
                bom,
                header: said.header.map(|(names, _)| names),
                formulas,
            }),
        };
        (form, name)
    }

    fn letters(&mut self, said: Option<&Name>, writes: bool) -> &'static Encoding {
        let Some(name) = said else { return UTF_8 };
        let Some(found) = encoding(&name.value) else {
            self.complain(
                Complaint::error(
                    "config.value",
                    name.place,
                    format!("`{}` is no encoding that is known", name.value),
                )
                .fix("utf-8, windows-1252, iso-8859-15, utf-16le …"),
            );
            return UTF_8;
        };
        if writes && !is_bytewise(found) && !is_wide(found) {
            self.complain(
                Complaint::error(
                    "config.unsupported",
                    name.place,
                    format!("this version cannot write `{}`", name.value),
                )
                .fix("write utf-8, utf-16, or an encoding with one byte for each letter"),
            );
        }
        found
    }

    /// What an entity has from the file systems it lives in, and those that only tell: what is only read
    /// is not written, edits in what is only written do not count, and a row's key is what it is
    /// matched by.
    pub(super) fn in_files(&mut self, entity: &mut EntityDraft) {
        let way = |system: &Name| {
            let folder = self.files.get(&system.value).cloned();
            let tells = Way { reads: true, writes: false, folder: None };
            let of_folder =
                |it: FolderDraft| Way { reads: it.reads, writes: it.writes, folder: Some(it) };
            folder.map(of_folder).or_else(|| self.pushes.contains(&system.value).then_some(tells))
        };
        let ways: Vec<(Name, Way)> = entity
            .bindings
            .iter()
            .filter_map(|it| Some((it.system.clone(), way(&it.system)?)))
            .collect();
        if ways.is_empty() {
            return;
        }
        let all: Vec<Name> = entity.bindings.iter().map(|it| it.system.clone()).collect();
        let without = |said: Option<Vec<Name>>, is_out: &dyn Fn(&Way) -> bool| {
            let out = |name: &Name| {
                ways.iter().any(|(system, it)| system.value == name.value && is_out(it))
            };
            if all.iter().any(out) {
                let said = said.unwrap_or_else(|| all.clone());
                let (gone, kept): (Vec<Name>, Vec<Name>) = said.into_iter().partition(out);
                (Some(kept), gone)
            } else {
                (said, Vec::new())
            }
        };
        let (from_said, to_said) = (entity.from.is_some(), entity.to.is_some());
        let (from, silent) = without(entity.from.take(), &|it| !it.reads);
        let (to, unwritten) = without(entity.to.take(), &|it| !it.writes);
        (entity.from, entity.to) = (from, to);
        let blamed = silent.iter().filter(|_| from_said).map(|name| (name, "from", "read"));
        let blamed =
            blamed.chain(unwritten.iter().filter(|_| to_said).map(|name| (name, "to", "write")));
        for (name, key, missing) in blamed.collect::<Vec<_>>() {
            let message = if self.pushes.contains(&name.value) {
                format!("`{key}` names {}, which only tells", name.value)
            } else {
                format!("`{key}` names {}, which has no `{missing}`", name.value)
            };
            self.wrong(name.place, message);
        }
        for (system, way) in ways {
            self.key_of_file(entity, &system, way.folder.as_ref());
        }
    }

    /// Two entities that write one file would undo what the other has written.
    pub(super) fn one_file_each(&mut self, entities: &[EntityDraft]) {
        let mut taken: BTreeMap<(Text, String), &Text> = BTreeMap::new();
        for entity in entities {
            for binding in &entity.bindings {
                let system = &binding.system.value;
                let Some(folder) = self.files.get(system).filter(|folder| folder.writes) else {
                    continue;
                };
                let file = (system.clone(), folder.name.shown(&binding.table.value));
                let name = file.1.clone();
                if let Some(other) = taken.insert(file, &entity.name) {
                    let message = format!("{name} of {system} is the file of `{other}` already");
                    let fix = "put {file} into the `name` of its files";
                    let place = binding.table.place;
                    self.complain(Complaint::error("config.value", place, message).fix(fix));
                }
            }
        }
    }

    fn key_of_file(
        &mut self,
        entity: &mut EntityDraft,
        system: &Name,
        folder: Option<&FolderDraft>,
    ) {
        let columns: Option<Vec<Name>> = entity.matching.first().and_then(|rule| {
            let column = |field: &Name| {
                let cell = entity.field(&field.value)?.cell(&system.value)?;
                match cell.columns.as_slice() {
                    [only] if cell.path.is_none() => Some(only.clone()),
                    _ => None,
                }
            };
            rule.value.iter().map(column).collect()
        });
        let Some(binding) = entity.bindings.iter_mut().find(|it| it.system.value == system.value)
        else {
            return;
        };
        if binding.key.is_empty() {
            binding.key = columns.unwrap_or_default();
        }
        let (place, is_missing) = (binding.table.place, binding.key.is_empty());
        let file = binding.table.value.clone();
        let (word, part) = if folder.is_some() { ("file", "COLUMN") } else { ("table", "MEMBER") };
        if is_missing {
            self.complain(
                Complaint::error(
                    "config.missing_key",
                    place,
                    format!("nothing tells the rows of {} in {} apart", file, system.value),
                )
                .fix(format!("in: {{{}: {{{word}: {file}, key: {part}}}}}", system.value)),
            );
        }
        let Some(folder) = folder else { return };
        if file.contains(['/', '\\']) || file.ends_with(&format!(".{}", folder.form.word())) {
            self.complain(
                Complaint::error(
                    "config.value",
                    place,
                    "`file` is what stands for {file} in `name`",
                )
                .fix("without a folder, and without what `name` adds"),
            );
        }
    }
}
