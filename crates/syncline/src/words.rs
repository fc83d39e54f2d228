//! Numbers, times and tables as people read them.

use syncline_core::{
    name::Timestamp,
    value::{Digest, Value},
};

/// A digest as people and files write it: 32 hexadecimal digits.
pub(crate) fn hex(digest: &Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A short word for a state: another state has another one.
pub(crate) fn tag(state: &str) -> String {
    hex(&Digest::of(state.as_bytes())).chars().take(16).collect()
}

/// A value of a system, as it would be typed: texts in quotes.
pub(crate) fn quoted(value: &Value) -> String {
    if let Value::Text(text) = value { format!("{text:?}") } else { value.to_string() }
}

/// A value for programs: its text, or null. Numbers too are text, so that none is rounded.
pub(crate) fn json(value: &Value) -> serde_json::Value {
    if value.is_null() { serde_json::Value::Null } else { value.to_string().into() }
}

/// `ConflictSettled` as programs read it: `conflict_settled`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// `18 MiB`, with as much as people need.
pub(crate) fn bytes(count: u64) -> String {
    if count < 1_024 {
        return format!("{count} B");
    }
    let (mut whole, mut unit) = (count / 1_024, "KiB");
    for next in ["MiB", "GiB", "TiB"] {
        if whole < 1_024 {
            break;
        }
        (whole, unit) = (whole / 1_024, next);
    }
    format!("{whole} {unit}")
}

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 conflict`, `2 conflicts`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    several(number, noun, &format!("{noun}s"))
}

/// `1 entry waits`, `2 entries wait`: one of two forms.
pub(crate) fn several(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A span since `then`, in its largest unit: `4 s`, `12 min`, `9 h`, `3 d`.
pub(crate) fn age(now: Timestamp, then: Timestamp) -> String {
    span((now.0.saturating_sub(then.0)).max(0) / 1_000)
}

/// Milliseconds, in the largest unit: `0.8 s`, `12 min`.
pub(crate) fn span(milliseconds: i64) -> String {
    match milliseconds {
        ..10_000 => format!("{:.1} s", milliseconds as f64 / 1_000.0),
        10_000..120_000 => format!("{} s", milliseconds / 1_000),
        120_000..7_200_000 => format!("{} min", milliseconds / 60_000),
        7_200_000..172_800_000 => format!("{} h", milliseconds / 3_600_000),
        _ => format!("{} d", milliseconds / 86_400_000),
    }
}

/// A point in time, to the second, in UTC: `2026-03-02T10:26:03Z`.
pub(crate) fn time(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0)
        .map_or_else(|_| "?".to_owned(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The same as exactly as it is known.
pub(crate) fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| "?".to_owned(), |time| time.to_string())
}

/// A point in time as one reads it beside others, in UTC: `10:26` if it was on this day, else
/// `2026-03-02`.
pub(crate) fn moment(now: Timestamp, at: Timestamp) -> String {
    let (today, then) = (time(now), time(at));
    match (then.get(..10), then.get(11..16)) {
        (Some(day), Some(clock)) if today.starts_with(day) => clock.to_owned(),
        (Some(day), _) => day.to_owned(),
        (None, _) => then,
    }
}

/// Reads `7d`, `2h`, `30s`, `10m` as so long ago, or a point in time: `2026-03-01`,
/// `2026-03-01T22:10`, `2026-03-01T22:10:00Z` (UTC if it says nothing else).
pub(crate) fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(milliseconds) = parse_span(text) {
        return Some(now.plus_ms(-milliseconds));
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(time.as_microsecond()));
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    let zoned = civil.in_tz("UTC").ok()?;
    Some(Timestamp(zoned.timestamp().as_microsecond()))
}

/// Reads `30s`, `10m`, `2h`, `7d` as milliseconds.
pub(crate) fn parse_span(text: &str) -> Option<i64> {
    let at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let number: i64 = number.parse().ok()?;
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Which way a column leans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lean {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a header, aligned for people.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    header: Vec<(String, Lean)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table; a header that ends in `>` leans to the right.
    pub(crate) fn new(header: &[&str]) -> Self {
        let lean = |name: &&str| match name.strip_suffix('>') {
            Some(name) => (name.to_owned(), Lean::Right),
            None => ((*name).to_owned(), Lean::Left),
        };
        Self { header: header.iter().map(lean).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// For people: aligned, two spaces between columns, no trailing blanks.
    pub(crate) fn text(&self) -> String {
        let widths: Vec<usize> = self
            .header
            .iter()
            .enumerate()
            .map(|(column, (name, _))| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                cells
                    .map(|cell| cell.chars().count())
                    .chain([name.chars().count()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let line = |cells: Vec<&str>| {
            let mut out = String::new();
            for ((cell, width), (_, lean)) in cells.iter().zip(&widths).zip(&self.header) {
                let pad = " ".repeat(width.saturating_sub(cell.chars().count()));
                match lean {
                    Lean::Left => out.push_str(&format!("{cell}{pad}  ")),
                    Lean::Right => out.push_str(&format!("{pad}{cell}  ")),
                }
            }
            out.truncate(out.trim_end().len());
            out
        };
        let mut out = line(self.header.iter().map(|(name, _)| name.as_str()).collect());
        for row in &self.rows {
            out.push('\n');
            out.push_str(&line(row.iter().map(String::as_str).collect()));
        }
        out
    }

    /// For `--plain`: cells separated by tabs, no header.
    pub(crate) fn plain(&self) -> String {
        let clean = |cell: &String| cell.replace(['\t', '\n', '\r'], " ");
        let rows = self.rows.iter().map(|row| row.iter().map(clean).collect::<Vec<_>>().join("\t"));
        rows.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests;
