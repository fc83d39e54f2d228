//! What a logged statement means for who listens to rows.
//!
//! Rows are logged as rows; a statement in the log is about tables themselves, or was logged by a
//! session that logs statements, whose rows nobody can name.

/// What a logged statement means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// No row and no table is touched.
    Nothing,
    /// The transaction is complete.
    End,
    /// A transaction of this name begins.
    Begins(String),
    /// The transaction of this name, prepared before, is committed now.
    Commits(String),
    /// The transaction of this name, prepared before, is given up.
    GivesUp(String),
    /// Tables that it names are another: made, altered, emptied, gone.
    Tables,
    /// It may have changed rows anywhere.
    Anything,
}

/// What a statement means.
pub(super) fn meaning(sql: &str) -> Meaning {
    let words: Vec<String> = words(sql).take(6).collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let names_tables =
        || words.iter().any(|word| matches!(word.as_str(), "table" | "database" | "schema"));
    match word(0) {
        "commit" | "rollback" if word(1) != "to" && word(2) != "to" => Meaning::End,
        "xa" if matches!(word(1), "start" | "begin") => Meaning::Begins(transaction(sql)),
        "xa" if word(1) == "commit" => Meaning::Commits(transaction(sql)),
        "xa" if word(1) == "rollback" => Meaning::GivesUp(transaction(sql)),
        "alter" | "create" | "drop" if names_tables() => Meaning::Tables,
        "truncate" | "rename" => Meaning::Tables,
        "set" if word(1) == "statement" => Meaning::Anything,
        "" | "alter" | "create" | "drop" | "begin" | "start" | "rollback" | "savepoint"
        | "release" | "xa" | "grant" | "revoke" | "set" | "flush" | "analyze" | "optimize"
        | "repair" | "check" | "purge" | "reset" | "install" | "uninstall" | "use" => {
            Meaning::Nothing
        }
        _ => Meaning::Anything,
    }
}

/// The name of a transaction: what follows `xa start`, `xa commit`.
fn transaction(sql: &str) -> String {
    sql.split_whitespace().skip(2).collect()
}

/// Whether a statement names this table or database, in whatever case.
pub(super) fn names(sql: &str, name: &str) -> bool {
    let (sql, name) = (sql.to_lowercase(), name.to_lowercase().replace('`', "``"));
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '$';
    sql.match_indices(&name).any(|(at, found)| {
        let before = sql.get(..at).and_then(|front| front.chars().next_back());
        let after = sql.get(at + found.len()..).and_then(|rest| rest.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// The words of a statement in lower case, without comments; what stands in a comment that the
/// server executes counts.
fn words(sql: &str) -> impl Iterator<Item = String> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|letter: char| {
                letter.is_whitespace() || matches!(letter, '(' | ')' | ';' | ',')
            });
            if let Some(inside) = rest.strip_prefix("/*!").or_else(|| rest.strip_prefix("/*M!")) {
                rest = inside.trim_start_matches(|letter: char| letter.is_ascii_digit());
            } else if let Some(inside) = rest.strip_prefix("*/") {
                rest = inside;
            } else if rest.starts_with("/*") {
                rest = rest.split_once("*/").map_or("", |(_, after)| after);
            } else if rest.starts_with('#') || rest.starts_with("-- ") {
                rest = rest.split_once('\n').map_or("", |(_, after)| after);
            } else if rest.is_empty() {
                return None;
            } else {
                let is_end = |letter: char| {
                    letter.is_whitespace() || matches!(letter, '(' | ')' | ';' | ',' | '/' | '*')
                };
                // What begins with a sign that ends words is a word of its own.
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let end = rest.find(is_end).unwrap_or(rest.len()).max(first);
                let (word, after) = rest.split_at_checked(end)?;
                rest = after;
                return Some(word.to_lowercase());
            }
        }
    })
}
