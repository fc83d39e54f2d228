//! Sends what is in the outbox, until it is taken. Each channel is served by itself: one that is down or
//! slow keeps nobody else waiting.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;
use syncline_adapters::{
    hub::outbox::{Change, Draft, Fared, Message, Outbox},
    notify::{self, Sent},
    settings::channel::{Channel, Kind},
};
use syncline_core::name::Timestamp;

use crate::{
    alerts::words::{line, payload},
    measure,
    report::Failure,
    session::Session,
};

/// How long after each try the next one is made: the schedule of Standard Webhooks.
const SCHEDULE_MS: [i64; 9] = {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    [5_000, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
};
/// So many messages are taken out together.
const TOGETHER: usize = 200;
/// So many lines one message to people has at most.
const LINES: usize = 50;

/// What became of a round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Messages that were taken, by channel.
    pub(crate) sent: u64,
    /// Channels that did not take what was sent, and why.
    pub(crate) failed: Vec<(String, String)>,
    /// Channels to which nothing is sent any more, and why.
    pub(crate) disabled: Vec<(String, String)>,
}

/// Sends what is due.
///
/// # Errors
/// The outbox's.
pub(crate) async fn once(
    hub: &Path,
    channels: &[Channel],
    sender: &str,
    now: Timestamp,
) -> Result<Round, Failure> {
    let due = with(hub, move |outbox| Ok(outbox.due(now, TOGETHER)?)).await?;
    let mut by_channel: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for message in due {
        by_channel.entry(message.channel.clone()).or_default().push(message);
    }
    let rounds = by_channel.into_iter().map(|(name, messages)| async move {
        match channels.iter().find(|channel| channel.name == name) {
            Some(channel) => serve(channel, messages, sender, now).await,
            // The file names it no more: nobody is there to be told.
            None => {
                let why = || Fared::GivenUp("the configuration has no such channel".into());
                let fared = messages.iter().map(|message| (message.number, why())).collect();
                Served { fared, ..Served::default() }
            }
        }
    });
    let served = futures_util::future::join_all(rounds).await;
    let mut round = Round::default();
    let mut fared = Vec::new();
    for one in served {
        round.sent += one.fared.iter().filter(|(_, it)| *it == Fared::Sent).count() as u64;
        round.failed.extend(one.failed);
        round.disabled.extend(one.disabled);
        fared.extend(one.fared);
    }
    if fared.is_empty() {
        return Ok(round);
    }
    let disabled = round.disabled.clone();
    let mails: Vec<String> = channels
        .iter()
        .filter(|channel| matches!(channel.kind, Kind::Email(..)))
        .map(|channel| channel.name.clone())
        .collect();
    with(hub, move |outbox| {
        outbox.fared(&fared)?;
        for (channel, why) in &disabled {
            outbox.disable(channel, why, now)?;
            let drafts = mails.iter().filter(|mail| *mail != channel);
            let drafts = drafts.map(|mail| lost(mail, channel, why, now)).collect();
            outbox.change(&Change { drafts, ..Change::default() })?;
        }
        Ok(())
    })
    .await?;
    Ok(round)
}

/// That nothing is sent to a channel any more, for those who read mail.
fn lost(mail: &str, channel: &str, why: &str, now: Timestamp) -> Draft {
    let text = format!("alerts are no longer sent to {channel}: {why}");
    let fix = "mend it, then syncline serve is to read its configuration anew (SIGHUP)";
    Draft {
        channel: mail.to_owned(),
        topic: format!("channel|{channel}"),
        event: "channel.disabled".into(),
        body: json!({ "text": text, "fix": fix, "severity": "error" }).to_string(),
        count: 1,
        at: now,
        due: now,
        undoes: None,
    }
}

#[derive(Debug, Default)]
struct Served {
    fared: Vec<(i64, Fared)>,
    failed: Option<(String, String)>,
    disabled: Option<(String, String)>,
}

/// Sends to one channel; what follows a message that was not taken waits for the next round.
async fn serve(channel: &Channel, messages: Vec<Message>, sender: &str, now: Timestamp) -> Served {
    let mut served = Served::default();
    for letter in letters(channel, &messages, sender) {
        let sent = notify::send(channel, &letter.message, now).await;
        let fared = match &sent {
            Sent::Taken => Fared::Sent,
            Sent::Later(why) => match SCHEDULE_MS.get(letter.tries as usize) {
                Some(wait) => Fared::Again(now.plus_ms(*wait), why.clone()),
                None => Fared::GivenUp(why.clone()),
            },
            Sent::Never(why) => Fared::GivenUp(why.clone()),
            // What waits is kept until somebody wants it again.
            Sent::Gone => Fared::Again(now, "it answered 410".into()),
        };
        let is_over = matches!((&sent, &fared), (Sent::Later(_), Fared::GivenUp(_)));
        if let Some(measures) = measure::here() {
            let outcome = if fared == Fared::Sent { "sent" } else { "failed" };
            measures.notified(&channel.name, outcome, letter.numbers.len() as u64);
        }
        served.fared.extend(letter.numbers.iter().map(|number| (*number, fared.clone())));
        match sent {
            Sent::Taken => {}
            Sent::Never(why) => served.failed = Some((channel.name.clone(), why)),
            Sent::Later(why) if is_over && matches!(channel.kind, Kind::Webhook(..)) => {
                served.disabled = Some((channel.name.clone(), why));
                break;
            }
            Sent::Later(why) => {
                served.failed = Some((channel.name.clone(), why));
                break;
            }
            Sent::Gone => {
                served.disabled = Some((channel.name.clone(), "it answered 410 (gone)".into()));
                break;
            }
        }
    }
    served
}

/// One message to be sent, and those of the outbox that it tells.
struct Letter {
    numbers: Vec<i64>,
    tries: u32,
    message: notify::Message,
}

/// What is sent to a channel: to people all of it in one, to programs each by itself.
fn letters(channel: &Channel, messages: &[Message], sender: &str) -> Vec<Letter> {
    let id = |number: i64| format!("{sender}-{number}");
    match &channel.kind {
        Kind::Slack(_) | Kind::Email(..) => {
            let Some(first) = messages.first() else { return Vec::new() };
            let mut lines: Vec<String> = messages.iter().map(line).take(LINES).collect();
            if messages.len() > LINES {
                lines.push(format!("and {} more", messages.len() - LINES));
            }
            let subject = match lines.as_slice() {
                [only] => format!("Syncline: {only}"),
                lines => format!("Syncline: {} messages", lines.len()),
            };
            let subject: String = subject.chars().filter(|it| !it.is_control()).take(150).collect();
            let body = match &channel.kind {
                Kind::Slack(_) => json!({ "text": escaped(&lines.join("\n")) }).to_string(),
                Kind::Email(..) | Kind::Pagerduty(..) | Kind::Webhook(..) => {
                    format!("{}\n", lines.join("\n"))
                }
            };
            let tries = messages.iter().map(|message| message.tries).max().unwrap_or(0);
            let message = notify::Message { id: id(first.number), subject, body };
            vec![Letter { numbers: messages.iter().map(|it| it.number).collect(), tries, message }]
        }
        Kind::Pagerduty(..) | Kind::Webhook(..) => messages
            .iter()
            .map(|message| Letter {
                numbers: vec![message.number],
                tries: message.tries,
                message: notify::Message {
                    id: id(message.number),
                    subject: line(message),
                    body: payload(&channel.kind, message, sender, &id(message.number)),
                },
            })
            .collect(),
    }
}

/// What Slack takes for the beginning of something is only text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Works with the outbox, where nobody is kept waiting.
async fn with<T: Send + 'static>(
    hub: &Path,
    work: impl FnOnce(&mut Outbox) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let hub: PathBuf = hub.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&mut Outbox::open(&hub)?)).await;
    done.unwrap_or_else(|error| Err(Failure::new("bug.unexpected", error.to_string())))
}

/// Between two rounds.
const EVERY: Duration = Duration::from_secs(1);
/// What was sent is kept as long as logs; what is older is looked for this often.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// Sends for as long as it is let; `tell` hears what did not go as it should.
pub(crate) async fn work(
    hub: PathBuf,
    channels: Vec<Channel>,
    sender: String,
    logs_ms: i64,
    tell: impl Fn(&Round),
) {
    let mut forgot: Option<tokio::time::Instant> = None;
    loop {
        let now = Session::now();
        match once(&hub, &channels, &sender, now).await {
            Ok(round) => tell(&round),
            // What cannot be read or put on record now is tried again.
            Err(failure) => tell(&Round {
                failed: vec![("outbox".into(), failure.message)],
                ..Round::default()
            }),
        }
        if forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            forgot = Some(tokio::time::Instant::now());
            let _later = with(&hub, move |outbox| Ok(outbox.forget(now.plus_ms(-logs_ms))?)).await;
        }
        tokio::time::sleep(EVERY).await;
    }
}
