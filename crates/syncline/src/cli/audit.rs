//! `syncline audit`: what people and programs have done with Syncline, and whether the books are whole.

use clap::Args;
use serde_json::{Value as Json, json};
use syncline_adapters::hub::signer::{hex, unhex};
use syncline_ports::reader::{
    Action, ActionFilter, Chain, HistoryFilter, Kept, Reader as _, Rebuilt,
};

use crate::{
    cli::{Context, history, run},
    exit::Exit,
    report::{self, Answer, Failure},
    seals,
    session::{Reach, Session, Use},
    words::{self, Table},
};

/// Flags of `audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Not before: `7d`, `2026-03-01T22:10`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// By this person.
    #[arg(long, value_name = "ACTOR")]
    pub(crate) actor: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,
    /// Read all of it, and say whether anything was altered, dropped or moved.
    #[arg(long)]
    pub(crate) verify_chain: bool,
    /// With `--verify-chain`: how a hash begins that was kept elsewhere.
    #[arg(long, value_name = "HASH", requires = "verify_chain")]
    pub(crate) kept: Option<String>,
    /// With `--verify-chain`: who else may have signed where the books ended; again for each.
    #[arg(long, value_name = "KEY", requires = "verify_chain")]
    pub(crate) signer: Vec<String>,
    /// Rebuild every record from the books, and compare it with the hub.
    #[arg(long, conflicts_with = "verify_chain")]
    pub(crate) rebuild: bool,
    /// Everything, the oldest first: changes and actions, a line each.
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["verify_chain", "rebuild"])]
    pub(crate) export: Option<Format>,
}

/// How everything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// JSON Lines.
    Jsonl,
    /// Comma-separated values, with a head.
    Csv,
}

/// So many are exported at once.
const PAGE: usize = 5_000;

impl Audit {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let session = Session::open(context, Use::Look, Reach::Hub).await?;
        if let Some(format) = self.export {
            return export(&session, format, self.since()?).await;
        }
        if self.verify_chain {
            return verify(&session, self.kept.as_deref(), &self.signer).await;
        }
        if self.rebuild {
            return rebuild(&session).await;
        }
        let filter = ActionFilter {
            since: self.since()?,
            who: self.actor.as_deref().map(Into::into),
            below: None,
            limit: self.limit,
        };
        let actions = session.hub.actions(&filter).await?;
        let mut table = Table::new(&["TIME", "WHO", "WHAT", "ON", "HOW"]);
        for action in &actions {
            table.row([
                words::time(action.at),
                action.who.to_string(),
                action.what.to_string(),
                action.target.to_string(),
                action.detail.to_string(),
            ]);
        }
        let summary = words::counted(actions.len() as u64, "action");
        let text = if table.is_empty() { "no action".to_owned() } else { table.text() };
        let rows: Vec<Json> = actions.iter().map(json_of).collect();
        Ok(Answer::new(summary).with_text(text).with_plain(table.plain()).with_result(json!(rows)))
    }

    fn since(&self) -> Result<Option<syncline_core::name::Timestamp>, Failure> {
        let parse = |text: &String| {
            words::parse_time(text, Session::now()).ok_or_else(|| run::bad_time(text))
        };
        self.since.as_ref().map(parse).transpose()
    }
}

/// An action for programs.
pub(crate) fn json_of(action: &Action) -> Json {
    json!({
        "action": action.number,
        "at": words::time(action.at),
        "who": action.who.as_str(),
        "what": action.what.as_str(),
        "on": action.target.as_str(),
        "how": action.detail.as_str(),
    })
}

/// Who may have signed, as it was said.
fn signers(said: &[String]) -> Result<Vec<[u8; 32]>, Failure> {
    let read = |text: &String| {
        let key = unhex(text).and_then(|key| <[u8; 32]>::try_from(key).ok());
        key.ok_or_else(|| {
            Failure::new("usage.arguments", format!("`{text}` is nobody who signs"))
                .cause("who signs is written in 64 digits, 0 to 9 and a to f")
                .done("nothing was looked at")
                .fix("syncline audit --verify-chain")
        })
    };
    said.iter().map(read).collect()
}

/// Rebuilds the records, and says which are not what the hub holds.
async fn rebuild(session: &Session) -> Result<Answer, Failure> {
    let Rebuilt { is_possible, commits, records, different, named } = session.hub.rebuild().await?;
    let names: Vec<String> = named.iter().map(ToString::to_string).collect();
    let result = json!({
        "commits": commits,
        "records": records,
        "different": different,
        "named": names,
    });
    if !is_possible {
        return Err(Failure::new("hub.version", "an earlier version of Syncline wrote this hub")
            .cause("it did not keep what records are rebuilt from")
            .done("nothing was changed")
            .fix("syncline run opens it with this version, which does from then on"));
    }
    if different > 0 {
        let message = format!(
            "{} of {} are not what the books say",
            different,
            words::counted(records, "record")
        );
        let failure = Failure::new("audit.incomplete", message)
            .part("seen", names.join(", "))
            .cause("somebody wrote to the hub's file, or the disk is damaged")
            .done("nothing was changed")
            .fix("syncline audit --verify-chain");
        return Ok(Answer::new("the books do not say what the hub holds")
            .with_result(result)
            .with_error(failure.with_exit(Exit::Failed)));
    }
    let summary = format!(
        "{} rebuilt from {}: all as the hub holds them",
        words::counted(records, "record"),
        words::counted(commits, "commit")
    );
    Ok(Answer::new(summary.clone()).with_text(summary).with_result(result))
}

async fn verify(session: &Session, hash: Option<&str>, said: &[String]) -> Result<Answer, Failure> {
    let said = signers(said)?;
    if let Some(kept) = hash
        && (kept.is_empty() || !kept.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return Err(Failure::new("usage.arguments", format!("`{kept}` is no hash"))
            .cause("a hash is written in the digits 0 to 9 and a to f")
            .done("nothing was looked at")
            .fix("syncline audit --verify-chain"));
    }
    let kept = seals::kept(&session.loaded, &said).await?;
    let signers = kept.signers.clone();
    let chain = session.hub.verify_chain(&Kept { hash: hash.map(Into::into), ..kept }).await?;
    let Chain {
        changes,
        unchained,
        compacted,
        actions,
        moves,
        changes_head,
        actions_head,
        moves_head,
        anchors,
        anchored,
        broken,
    } = chain;
    let result = json!({
        "changes": changes,
        "older_than_the_chain": unchained,
        "compacted": compacted,
        "actions": actions,
        "moves": moves,
        "signatures": anchors,
        "signed_at": anchored.map(words::time),
        "signers": signers.iter().map(|signer| hex(signer)).collect::<Vec<_>>(),
        "moves_head": moves_head.as_str(),
        "changes_head": changes_head.as_str(),
        "actions_head": actions_head.as_str(),
        "broken": broken.as_ref().map(|place| place.as_str()),
    });
    if let Some(place) = broken {
        let failure = Failure::new("audit.broken", "the audit is not what was written")
            .part("seen", place.to_string())
            .cause("somebody wrote to the hub's file, or the disk is damaged")
            .done("nothing was changed")
            .fix("syncline help audit.broken");
        return Ok(Answer::new("the chain is broken")
            .with_result(result)
            .with_error(failure.with_exit(Exit::Failed)));
    }
    let compacted = match compacted {
        0 => String::new(),
        old => format!("; up to c-{old} what they came to"),
    };
    let older = match unchained {
        0 => String::new(),
        older => format!("; {} are older than the chain", words::counted(older, "change")),
    };
    let summary = format!(
        "chain ok ({}, {}{older}{compacted})",
        words::counted(changes, "change"),
        words::counted(actions, "action")
    );
    let signed = match anchored {
        None => "not yet".to_owned(),
        Some(at) => {
            let who: Vec<String> = signers.iter().map(|signer| hex(signer)).collect();
            format!(
                "{}, last {}, by {}",
                words::counted(anchors, "time"),
                words::time(at),
                who.join(", ")
            )
        }
    };
    let text = format!(
        "{summary}\n  changes  {changes_head}\n  actions  {actions_head}\n  moves    {moves_head}\n  signed   {signed}\nKeep these elsewhere: syncline audit --verify-chain --kept HASH finds whether they are still in it."
    );
    Ok(Answer::new(summary).with_text(text).with_result(result))
}

/// Writes all changes and actions, a page at a time, and says how many.
async fn export(
    session: &Session,
    format: Format,
    since: Option<syncline_core::name::Timestamp>,
) -> Result<Answer, Failure> {
    const HEAD: [&str; 12] = [
        "kind", "number", "at", "run", "entity", "record", "field", "what", "system", "before",
        "after", "who",
    ];
    if format == Format::Csv {
        report::say(&HEAD.join(","));
    }
    let mut from = 0;
    let newest = HistoryFilter { limit: 1, ..HistoryFilter::default() };
    let last = session.hub.history(&newest).await?.first().map_or(0, |entry| entry.number);
    while from < last && session.stopped().is_none() {
        // Pages are asked for from behind: those just below this number.
        let below = (from + PAGE as u64 + 1).min(last + 1);
        let filter = HistoryFilter {
            since,
            below: Some(below),
            limit: (below - from - 1) as usize,
            ..HistoryFilter::default()
        };
        let mut page = session.hub.history(&filter).await?;
        page.retain(|entry| entry.number > from);
        for entry in page.iter().rev() {
            let mut row = history::json_of(session, entry);
            match format {
                Format::Jsonl => {
                    if let Some(object) = row.as_object_mut() {
                        object.insert("type".into(), json!("change"));
                    }
                    report::say(&row.to_string());
                }
                Format::Csv => {
                    let cell = |key: &str| csv(row.get(key).unwrap_or(&Json::Null));
                    let cells = [
                        "change", "at", "run", "entity", "record", "field", "kind", "system",
                        "before", "after", "actor",
                    ];
                    let cells: Vec<String> =
                        std::iter::once("change".to_owned()).chain(cells.map(cell)).collect();
                    report::say(&cells.join(","));
                }
            }
        }
        from = below - 1;
    }
    let all = ActionFilter { since, who: None, below: None, limit: usize::MAX };
    let actions = session.hub.actions(&all).await?;
    for action in actions.iter().rev() {
        let mut row = json_of(action);
        match format {
            Format::Jsonl => {
                if let Some(object) = row.as_object_mut() {
                    object.insert("type".into(), json!("action"));
                }
                report::say(&row.to_string());
            }
            Format::Csv => {
                let cell = |key: &str| csv(row.get(key).unwrap_or(&Json::Null));
                let empty = String::new;
                let cells = [
                    "action".into(),
                    cell("action"),
                    cell("at"),
                    empty(),
                    empty(),
                    cell("on"),
                    empty(),
                    cell("what"),
                    empty(),
                    empty(),
                    cell("how"),
                    cell("who"),
                ];
                report::say(&cells.join(","));
            }
        }
    }
    if let Some(exit) = session.stopped() {
        std::process::exit(i32::from(exit.code()));
    }
    // The lines were the answer.
    std::process::exit(i32::from(Exit::Done.code()));
}

/// A cell: quoted where it must be, and never taken for a formula by who opens it.
fn csv(value: &Json) -> String {
    let text = match value {
        Json::Null => return String::new(),
        Json::String(text) => text.clone(),
        other @ (Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
            other.to_string()
        }
    };
    let is_formula = text.starts_with(['=', '+', '-', '@']) && text.parse::<f64>().is_err();
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
