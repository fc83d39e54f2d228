//! Names of files with places in them: `{file}`, `{date}`, `{date:%Y%m%d}`, `*`.

use jiff::civil::DateTime;

/// A name with places in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    pieces: Vec<Piece>,
}

/// The numbers of the date in a name, the largest unit first; empty where it has none. The newest is
/// the greatest.
pub type Dated = Vec<u32>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// What an entity names.
    File,
    /// Anything.
    Any,
    /// A part of a date, so many digits long.
    Part(Part),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Part {
    const fn digits(self) -> usize {
        match self {
            Self::Year => 4,
            Self::Month | Self::Day | Self::Hour | Self::Minute | Self::Second => 2,
        }
    }

    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'Y' => Self::Year,
            'm' => Self::Month,
            'd' => Self::Day,
            'H' => Self::Hour,
            'M' => Self::Minute,
            'S' => Self::Second,
            _ => return None,
        })
    }

    fn at(self, now: DateTime) -> u32 {
        let number = match self {
            Self::Year => i32::from(now.year()),
            Self::Month => i32::from(now.month()),
            Self::Day => i32::from(now.day()),
            Self::Hour => i32::from(now.hour()),
            Self::Minute => i32::from(now.minute()),
            Self::Second => i32::from(now.second()),
        };
        number.unsigned_abs()
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        if text.contains(['/', '\\', '\0']) {
            return Err("a name is that of a file in the folder, without a path".into());
        }
        if text.is_empty() || text.starts_with('.') {
            return Err("a name begins with a letter or a digit".into());
        }
        while let Some(at) = rest.find(['{', '*']) {
            let (before, after) = rest.split_at(at);
            push_text(&mut pieces, before);
            if let Some(after) = after.strip_prefix('*') {
                pieces.push(Piece::Any);
                rest = after;
                continue;
            }
            let inside = after.trim_start_matches('{');
            let (place, after) = inside.split_once('}').ok_or("a { is not closed")?;
            match place.split_once(':').unwrap_or((place, "%Y-%m-%d")) {
                ("file", _) => pieces.push(Piece::File),
                ("date", format) => date(&mut pieces, format)?,
                _ => return Err(format!("there is no place {{{place}}}: {{file}}, {{date}}, *")),
            }
            rest = after;
        }
        push_text(&mut pieces, rest);
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// What an entity names, with this ending.
    pub fn of_file(ending: &str) -> Self {
        let pieces = vec![Piece::File, Piece::Text(format!(".{ending}"))];
        Self { text: format!("{{file}}.{ending}"), pieces }
    }

    /// As it was said.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// It has a place for what an entity names.
    pub fn names_file(&self) -> bool {
        self.pieces.contains(&Piece::File)
    }

    /// Several files may match.
    pub fn is_open(&self) -> bool {
        self.pieces.contains(&Piece::Any) || self.is_dated()
    }

    /// It has a star.
    pub fn has_star(&self) -> bool {
        self.pieces.contains(&Piece::Any)
    }

    /// It has a date.
    pub fn is_dated(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Part(_)))
    }

    /// The name of this entity's file at this time; a star stands for itself.
    pub fn filled(&self, file: &str, now: DateTime) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::File => file.to_owned(),
            Piece::Any => "*".to_owned(),
            Piece::Part(part) => format!("{:0width$}", part.at(now), width = part.digits()),
        };
        self.pieces.iter().map(piece).collect()
    }

    /// For people: the name of this entity's files, with its date and stars as they were said.
    pub fn shown(&self, file: &str) -> String {
        self.text.replace("{file}", file)
    }

    /// The date in a name, if it is one of this entity's.
    pub fn matches(&self, name: &str, file: &str) -> Option<Dated> {
        let mut found = Vec::new();
        matches(&self.pieces, name, file, &mut found).then(|| {
            found.sort_by_key(|(part, _)| *part);
            found.into_iter().map(|(_, number)| number).collect()
        })
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn date(pieces: &mut Vec<Piece>, format: &str) -> Result<(), String> {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            push_text(pieces, letter.encode_utf8(&mut [0; 4]));
            continue;
        }
        let part = letters.next().and_then(Part::of);
        let wrong = "a date in a name is made of %Y, %m, %d, %H, %M, %S";
        pieces.push(Piece::Part(part.ok_or(wrong)?));
    }
    Ok(())
}

fn matches(pieces: &[Piece], name: &str, file: &str, found: &mut Vec<(Part, u32)>) -> bool {
    let Some((first, rest)) = pieces.split_first() else { return name.is_empty() };
    match first {
        Piece::Text(text) => {
            name.strip_prefix(text.as_str()).is_some_and(|name| matches(rest, name, file, found))
        }
        Piece::File => name.strip_prefix(file).is_some_and(|name| matches(rest, name, file, found)),
        Piece::Part(part) => {
            let Some((digits, after)) = name.split_at_checked(part.digits()) else { return false };
            let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse());
            let Some(Ok(number)) = number else { return false };
            found.push((*part, number));
            matches(rest, after, file, found)
        }
        Piece::Any => {
            let known = found.len();
            name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| {
                found.truncate(known);
                name.get(at..).is_some_and(|name| matches(rest, name, file, found))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn names_are_found_and_made() {
        let daily = Pattern::parse("{file}-{date}.csv").unwrap();
        assert_eq!(
            daily.filled("orders", date(2026, 3, 2).at(1, 2, 3, 0)),
            "orders-2026-03-02.csv"
        );
        assert_eq!(daily.matches("orders-2026-03-02.csv", "orders"), Some(vec![2026, 3, 2]));
        assert_eq!(daily.matches("orders-today.csv", "orders"), None);
        assert_eq!(daily.matches("stock-2026-03-02.csv", "orders"), None);
        let german = Pattern::parse("x{date:%d%m%Y}_*.csv").unwrap();
        assert_eq!(german.matches("x02032026_a_b.csv", ""), Some(vec![2026, 3, 2]));
        assert_eq!(german.matches("x02032026.csv", ""), None);
        assert_eq!(Pattern::parse("*.jsonl").unwrap().matches("a.jsonl", ""), Some(vec![]));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ".hidden", "a/b.csv", "{when}.csv", "{date:%q}.csv", "a{"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
