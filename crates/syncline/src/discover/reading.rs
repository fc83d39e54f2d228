//! The ways in which the values of one column can be read: as text, numbers, dates of some format,
//! addresses. Two columns say the same in a row if two of their readings agree there.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use syncline_core::{
    lens::{self, CellSpec, FieldType, NativeKind, Unit},
    value::Value,
};

/// What a reading takes values for. Readings of the same meaning can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Code points.
    Text,
    /// Letters without their case, blanks taken together.
    Folded,
    /// An exact number.
    Number,
    /// A day.
    Date,
    /// A point in time.
    Instant,
    /// What a clock shows.
    Local,
    /// An e-mail address.
    Email,
    /// The last digits of a telephone number.
    Phone,
    /// A UUID.
    Uuid,
    /// Whatever the column holds.
    Exactly,
}

/// One way to read a column.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// As what.
    pub(crate) meaning: Meaning,
    /// Settings of the cell that reads so, as the file writes them.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// What each row says, in short; nothing where it says nothing.
    pub(crate) marks: Vec<Option<u64>>,
    /// How often each is said.
    pub(crate) counts: HashMap<u64, u32>,
    filled: usize,
    repeated: usize,
}

/// Formats of dates in texts, the unmistakable first.
const DATES: [&str; 12] = [
    "%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%d/%m/%y",
    "%m/%d/%y", "%d.%m.%y", "%d %b %Y", "%d%m%Y",
];

/// Formats of moments in texts.
const MOMENTS: [&str; 4] =
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S"];

/// Of values that are read, one in fifty may be something else: dirt, not another format.
const DIRT: usize = 50;

/// All ways in which a column of these values can be read; the plainest first.
pub(crate) fn all(native: NativeKind, values: &[&Value], zone: Option<&str>) -> Vec<Reading> {
    let reader = Reader { native, values, zone: zone.unwrap_or("UTC") };
    let mut found = Vec::new();
    match native {
        NativeKind::Text => {
            found.push(reader.plain(Meaning::Text, |value| Some(mark(value))));
            found.push(reader.plain(Meaning::Folded, folded));
            found.extend(reader.through(Meaning::Email, &FieldType::Email, Vec::new()));
            found.extend(reader.phone());
            found.extend(reader.through(Meaning::Uuid, &FieldType::Uuid, Vec::new()));
            found.extend(reader.numbers_in_text());
            found.extend(reader.dates(&DATES));
            found.extend(reader.moments(&MOMENTS));
        }
        NativeKind::Num | NativeKind::Float => {
            found.extend(reader.through(Meaning::Number, &FieldType::Decimal, Vec::new()));
            if native == NativeKind::Num && values.iter().all(|value| is_whole(value)) {
                found.push(reader.plain(Meaning::Text, |value| Some(mark(&printed(value)?))));
                found.extend(reader.hundredths());
                found.extend(reader.dates(&["%Y%m%d"]));
                found.extend(reader.seconds());
            }
        }
        NativeKind::Date => {
            found.extend(reader.through(Meaning::Date, &FieldType::Date, Vec::new()));
        }
        NativeKind::LocalDateTime => {
            found.extend(reader.through(Meaning::Local, &FieldType::LocalTimestamp, Vec::new()));
            found.extend(reader.through(Meaning::Date, &FieldType::Date, Vec::new()));
            found.extend(reader.zoned());
        }
        NativeKind::Instant | NativeKind::OffsetDateTime => {
            found.extend(reader.through(Meaning::Instant, &FieldType::Timestamp, Vec::new()));
        }
        NativeKind::Uuid => {
            found.extend(reader.through(Meaning::Uuid, &FieldType::Uuid, Vec::new()));
        }
        NativeKind::Json
        | NativeKind::Bool
        | NativeKind::Bytes
        | NativeKind::Time
        | NativeKind::Interval
        | NativeKind::List => {
            found.push(reader.plain(Meaning::Exactly, |value| Some(mark(value))));
        }
    }
    found
}

/// What members of items are: nothing says so but they themselves.
pub(crate) fn shown(values: &[&Value]) -> NativeKind {
    let are = |test: fn(&Value) -> bool| !values.is_empty() && values.iter().all(|it| test(it));
    if are(|value| matches!(value, Value::Text(_))) {
        NativeKind::Text
    } else if are(|value| matches!(value, Value::Num(_))) {
        NativeKind::Num
    } else if are(|value| matches!(value, Value::Bool(_))) {
        NativeKind::Bool
    } else {
        NativeKind::Json
    }
}

/// What a value says, in short.
fn mark(value: &Value) -> u64 {
    hash(&value.encoded())
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// The text of a value, if it is a text or a number.
pub(crate) fn printed(value: &Value) -> Option<Value> {
    if let Value::Text(_) = value {
        return Some(value.clone());
    }
    if let Value::Num(_) = value { Some(Value::text(value.to_string())) } else { None }
}

fn folded(value: &Value) -> Option<u64> {
    let Value::Text(text) = value else { return None };
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    (!words.is_empty()).then(|| hash(words.join(" ").as_bytes()))
}

fn is_whole(value: &Value) -> bool {
    value.is_null() || whole(value).is_some()
}

/// The number, if it is a whole one.
pub(crate) fn whole(value: &Value) -> Option<i128> {
    if let Value::Num(number) = value { number.to_i128() } else { None }
}

/// The digits that stay the same however a number is written: without country and leading zeros.
fn last_digits(value: &Value) -> Option<u64> {
    const KEPT: usize = 8;
    let text = printed(value)?.to_string();
    let is_number =
        text.chars().all(|letter| letter.is_ascii_digit() || " +-./()\u{a0}".contains(letter));
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_digit).collect();
    if !is_number || !(6..=17).contains(&digits.len()) {
        return None;
    }
    let from = digits.len().saturating_sub(KEPT);
    digits.get(from..).map(hash)
}

/// A text as the file writes it, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Reader<'a> {
    native: NativeKind,
    values: &'a [&'a Value],
    zone: &'a str,
}

impl Reader<'_> {
    fn plain(&self, meaning: Meaning, say: impl Fn(&Value) -> Option<u64>) -> Reading {
        let marks = self
            .values
            .iter()
            .map(|value| if value.is_null() { None } else { say(value) })
            .collect();
        Reading::of(meaning, Vec::new(), marks)
    }

    /// What a lens reads, if it reads nearly all.
    fn through(
        &self,
        meaning: Meaning,
        kind: &FieldType,
        settings: Vec<(&'static str, String)>,
    ) -> Option<Reading> {
        let format = settings.iter().find(|(key, _)| *key == "format").map(|(_, text)| text);
        let spec = CellSpec {
            native: Some(self.native),
            format: format.map(|text| text.trim_matches('"').into()),
            zone: settings.iter().find(|(key, _)| *key == "tz").map(|(_, zone)| zone.into()),
            ..CellSpec::default()
        };
        self.read(meaning, kind, &spec, settings)
    }

    fn read(
        &self,
        meaning: Meaning,
        kind: &FieldType,
        spec: &CellSpec,
        settings: Vec<(&'static str, String)>,
    ) -> Option<Reading> {
        let lens = lens::compile(kind, spec, Some(self.zone)).ok()?;
        let filled = self.values.iter().filter(|value| !value.is_null()).count();
        let mut refused = 0;
        let mut marks = Vec::with_capacity(self.values.len());
        for value in self.values {
            let read = if value.is_null() { None } else { lens.get0(value).ok() };
            if read.is_none() && !value.is_null() {
                refused += 1;
                if refused * DIRT > filled {
                    return None;
                }
            }
            marks.push(read.map(|value| mark(&value)));
        }
        (filled > 0).then(|| Reading::of(meaning, settings, marks))
    }

    fn phone(&self) -> Option<Reading> {
        let found = self.plain(Meaning::Phone, last_digits);
        let filled = self.values.iter().filter(|value| !value.is_null()).count();
        let read = found.marks.iter().flatten().count();
        (filled > 0 && read * 10 >= filled * 8).then_some(found)
    }

    /// Numbers in a text column, with as many digits after the point as all of them have.
    fn numbers_in_text(&self) -> Option<Reading> {
        let scales: Vec<usize> = self
            .values
            .iter()
            .filter_map(|value| {
                let Value::Text(text) = value else { return None };
                Some(text.split_once('.').map_or(0, |(_, rest)| rest.len()))
            })
            .collect();
        let first = scales.first().copied().unwrap_or_default();
        let same = scales.iter().all(|scale| *scale == first);
        let settings = match (same, first) {
            (true, 1..) => vec![("scale", first.to_string())],
            (_, _) => Vec::new(),
        };
        self.through(Meaning::Number, &FieldType::Decimal, settings)
    }

    /// Cents, per cent, grams: whole numbers that mean a hundredth or a thousandth.
    fn hundredths(&self) -> Vec<Reading> {
        let units = [100i64, 1000].map(|factor| {
            let unit =
                Unit::Linear { multiply: factor.into(), divide: 1i64.into(), offset: 0i64.into() };
            let spec =
                CellSpec { native: Some(self.native), unit: Some(unit), ..CellSpec::default() };
            let settings = vec![("unit", format!("{{multiply: {factor}}}"))];
            self.read(Meaning::Number, &FieldType::Decimal, &spec, settings)
        });
        units.into_iter().flatten().collect()
    }

    fn dates(&self, formats: &[&str]) -> Vec<Reading> {
        let one = |format: &&str| {
            self.through(Meaning::Date, &FieldType::Date, vec![("format", quoted(format))])
        };
        formats.iter().filter_map(one).collect()
    }

    fn moments(&self, formats: &[&str]) -> Vec<Reading> {
        let one = |format: &&str| {
            let settings = vec![("format", quoted(format))];
            self.through(Meaning::Local, &FieldType::LocalTimestamp, settings)
        };
        let mut found: Vec<Reading> = formats.iter().filter_map(one).collect();
        // With an offset or a Z they are moments by themselves.
        let says_offset = |value: &&&Value| matches!(value, Value::Text(text) if text.ends_with('Z') || text.contains('+'));
        if found.is_empty() && self.values.iter().any(|value| says_offset(&value)) {
            found.extend(self.through(Meaning::Instant, &FieldType::Timestamp, Vec::new()));
        }
        found
    }

    fn zoned(&self) -> Option<Reading> {
        let settings = vec![("tz", self.zone.to_owned()), ("ambiguous", "earlier".to_owned())];
        let spec = CellSpec {
            native: Some(self.native),
            zone: Some(self.zone.into()),
            ambiguous: Some(lens::Ambiguous::Earlier),
            ..CellSpec::default()
        };
        self.read(Meaning::Instant, &FieldType::Timestamp, &spec, settings)
    }

    /// Whole seconds since 1970, of the years that people write about.
    fn seconds(&self) -> Option<Reading> {
        let is_recent = |value: &Value| {
            value.is_null()
                || whole(value).is_some_and(|it| (500_000_000..4_000_000_000).contains(&it))
        };
        if !self.values.iter().all(|value| is_recent(value)) {
            return None;
        }
        self.through(Meaning::Instant, &FieldType::Timestamp, vec![("format", quoted("%s"))])
    }
}

impl Reading {
    /// From what each row says.
    pub(crate) fn of(
        meaning: Meaning,
        settings: Vec<(&'static str, String)>,
        marks: Vec<Option<u64>>,
    ) -> Self {
        let mut counts = HashMap::new();
        for mark in marks.iter().flatten() {
            *counts.entry(*mark).or_insert(0) += 1;
        }
        // Asked for again and again: counted once.
        let filled = counts.values().map(|count| *count as usize).sum();
        let repeated = counts.values().filter(|count| **count > 1).count();
        Self { meaning, settings, marks, counts, filled, repeated }
    }

    /// How many of its values the other knows, too.
    pub(crate) fn shared(&self, other: &Self) -> usize {
        // Columns that share nothing are the rule, and are known by a part.
        const TRIED: usize = 1_000;
        let (less, more) =
            if self.counts.len() <= other.counts.len() { (self, other) } else { (other, self) };
        let is_shared = |mark: &&u64| more.counts.contains_key(mark);
        if !less.counts.keys().take(TRIED).any(|mark| is_shared(&mark)) {
            return 0;
        }
        less.counts.keys().filter(is_shared).count()
    }

    /// How many rows say something.
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    /// No value twice.
    pub(crate) fn is_unique(&self) -> bool {
        !self.counts.is_empty() && self.repeated == 0
    }

    /// How many values occur more than once.
    pub(crate) fn repeated(&self) -> usize {
        self.repeated
    }
}
