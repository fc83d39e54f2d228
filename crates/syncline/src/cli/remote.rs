//! `--server`: the same commands, asked of a daemon elsewhere over its API. What it answers is shown as the
//! command itself would show it to programs, and for people drawn from that. No hub is opened here, and no
//! configuration read.

mod acts;
mod looks;
mod shown;

use std::{io::Read as _, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value as Json};
use syncline_adapters::remote::{Question, Remote};
use syncline_core::error::{ErrorKind, PortError};
use tokio::time::Instant;

use crate::{
    cli::{Command, Context},
    exit::Exit,
    report::{Answer, Failure},
};

/// So long a look may take.
const LOOK: Duration = Duration::from_secs(60);
/// So long one connection waits for something to be done; whoever loses it asks again.
const HOLD: Duration = Duration::from_secs(600);
/// So long is waited in all.
const DONE: Duration = Duration::from_secs(86_400);
/// How long after an answer that says that it is still being done it is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// A line that broke later than this was one on which something was being done.
const TAKEN: Duration = Duration::from_secs(5);
/// So often in a row it is asked again where nobody answers.
const LOST_MAX: u32 = 30;
/// No token is longer.
const TOKEN_MAX: u64 = 4_096;

/// Which daemon.
#[derive(Clone, Debug, Args)]
pub(super) struct Server {
    /// Ask the daemon at this URL instead of opening the hub.
    #[arg(long = "server", global = true, value_name = "URL")]
    pub(super) url: Option<String>,
    /// With --server: the file that holds the token.
    #[arg(long, global = true, value_name = "F")]
    pub(super) token_file: Option<PathBuf>,
}

impl Server {
    /// Whether another daemon is meant.
    pub(super) fn is_given(&self) -> bool {
        self.url.is_some() || self.token_file.is_some()
    }
}

/// The daemon that is asked.
struct Daemon {
    remote: Remote,
}

/// Does the command there.
pub(super) async fn run(
    context: &Context,
    server: &Server,
    command: Command,
) -> Result<Answer, Failure> {
    let daemon = Daemon::of(server).await?;
    match command {
        Command::Status(it) => looks::status(&daemon, it).await,
        Command::Conflicts(it) => acts::conflicts(&daemon, it).await,
        Command::Quarantine(it) => acts::quarantine(&daemon, it).await,
        Command::Retry(it) => acts::retry(&daemon, it).await,
        Command::Guards(it) => acts::guards(&daemon, context, it).await,
        Command::History(it) => looks::history(&daemon, it).await,
        Command::Audit(it) => looks::audit(&daemon, it).await,
        Command::Explain(it) => looks::explain(&daemon, it).await,
        Command::Pause(it) => acts::pause(&daemon, it).await,
        Command::Resume(it) => acts::resume(&daemon, it).await,
        Command::Refresh(it) => acts::refresh(&daemon, it).await,
        Command::Run(it) => acts::run(&daemon, it).await,
        Command::Verify(it) => acts::verify(&daemon, it).await,
        other @ (Command::Init(_)
        | Command::Discover(_)
        | Command::Check(_)
        | Command::Test(_)
        | Command::Doctor(_)
        | Command::Plan(_)
        | Command::Apply(_)
        | Command::Serve(_)
        | Command::Tail(_)
        | Command::Hooks(_)
        | Command::Tokens(_)
        | Command::Rollback(_)
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Forget(_)
        | Command::Keys(_)
        | Command::Demo(_)
        | Command::Help(_)
        | Command::Config(_)
        | Command::Completions(_)
        | Command::Version(_)) => Err(no_form(&format!("syncline {}", other.name()))),
    }
}

/// What is only done where the hub is.
fn no_form(what: &str) -> Failure {
    Failure::new("usage.remote", format!("`{what}` is not done over the network"))
        .done("nothing was asked of the daemon")
        .fix("call it where the daemon runs, without --server")
}

/// A server that is not asked.
fn unfit(cause: impl Into<String>) -> Failure {
    Failure::new("usage.server", "the daemon of --server cannot be asked so")
        .cause(cause)
        .done("nothing was sent")
        .fix("--server https://sync.example --token-file FILE; http only on this machine")
}

impl Daemon {
    async fn of(server: &Server) -> Result<Self, Failure> {
        let Some(url) = server.url.as_deref() else {
            return Err(unfit("there is a token and no --server"));
        };
        let token = match &server.token_file {
            None => None,
            Some(path) => {
                let unread = |cause: String| unfit(format!("{}: {cause}", path.display()));
                let file = std::fs::File::open(path).map_err(|error| unread(error.to_string()))?;
                let mut text = String::new();
                file.take(TOKEN_MAX + 1)
                    .read_to_string(&mut text)
                    .map_err(|error| unread(error.to_string()))?;
                let token = text.trim().to_owned();
                if token.is_empty() || token.len() as u64 > TOKEN_MAX {
                    return Err(unread("it holds no token".to_owned()));
                }
                Some(token)
            }
        };
        let remote = Remote::new(url, token.as_deref()).await.map_err(unfit)?;
        Ok(Self { remote })
    }

    /// A document.
    async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Json, Failure> {
        let (method, headers) = ("GET", &[]);
        let question = Question { method, path, query, body: None, headers, patience: LOOK };
        let (status, text) = self.remote.ask(&question).await.map_err(|it| it.error)?;
        read(status, &text)
    }

    /// Does something, once, however often the line is lost; and answers when it is done.
    async fn act(
        &self,
        method: &str,
        path: &[&str],
        body: Map<String, Json>,
    ) -> Result<Answer, Failure> {
        let headers = [("idempotency-key", key()?), ("prefer", format!("wait={}", DONE.as_secs()))];
        let body = Some(Json::Object(body).to_string());
        let question =
            Question { method, path, query: &[], body, headers: &headers, patience: HOLD };
        let until = Instant::now() + DONE;
        let (mut was_taken, mut was_sent, mut lost) = (false, false, 0);
        loop {
            let asked = Instant::now();
            let answered = match self.remote.ask(&question).await {
                Ok((status, text)) => {
                    was_sent = true;
                    read(status, &text)
                }
                Err(unanswered) => {
                    was_sent |= unanswered.was_sent;
                    Err(unanswered.error.into())
                }
            };
            let failure = match answered {
                Ok(document) => return outcome(document),
                Err(failure) => failure,
            };
            let is_running = failure.code == "server.key_running";
            was_taken |= is_running || asked.elapsed() > TAKEN;
            lost = if is_running { 0 } else { lost + 1 };
            // The same key: what was done is not done again, and its answer is given.
            let is_lost = failure.code.starts_with("connect.") && was_taken && lost <= LOST_MAX;
            if !(is_running || is_lost) || Instant::now() > until {
                let done = if was_sent {
                    "it may have been done: look before you do it again"
                } else {
                    "nothing: nobody was reached"
                };
                let is_known = !failure.code.starts_with("connect.");
                return Err(if is_known { failure } else { failure.part("done", done) });
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// What no other request is called.
fn key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Failure::new("bug.unexpected", "there is no randomness on this machine"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The document, or the refusal it is.
fn read(status: u16, text: &str) -> Result<Json, Failure> {
    let document = serde_json::from_str::<Json>(text);
    match document {
        Ok(document) if (200..300).contains(&status) => Ok(document),
        Ok(problem) if problem.get("code").is_some_and(Json::is_string) => Err(refusal(&problem)),
        Ok(_) | Err(_) => {
            let detail = format!("it answered {status}, and not as a daemon of Syncline does");
            Err(PortError::new(ErrorKind::Answer, "ask the daemon", detail).into())
        }
    }
}

/// A refusal as the command itself would have said it.
fn refusal(problem: &Json) -> Failure {
    let text = |name: &str| problem.get(name).and_then(Json::as_str).map(str::to_owned);
    let message = text("detail").or_else(|| text("title")).unwrap_or_default();
    let mut failure = Failure::new(text("code").unwrap_or_default(), message);
    for label in ["seen", "path", "also", "cause", "done", "fix"] {
        if let Some(text) = text(label) {
            failure = failure.part(label, text);
        }
    }
    let more = problem.get("errors").or_else(|| problem.get("more"));
    failure.more = more.cloned().unwrap_or_default();
    failure
}

/// What a command did there.
fn outcome(mut document: Json) -> Result<Answer, Failure> {
    let mut take = |name: &str| document.get_mut(name).map(Json::take).unwrap_or_default();
    let exit = take("exit").as_u64().and_then(Exit::of_number);
    let (summary, result, error, run) =
        (take("summary"), take("result"), take("error"), take("run"));
    let Some(exit) = exit else {
        let run = run.as_str().unwrap_or("it");
        return Err(Failure::new("connect.timeout", format!("{run} is still under way"))
            .done("it goes on")
            .fix(format!("syncline history run {run}")));
    };
    let summary = summary.as_str().unwrap_or_default().to_owned();
    let drawn = shown::text(&result);
    let text = if drawn.is_empty() { String::new() } else { format!("{summary}\n{drawn}") };
    let mut answer = Answer::new(summary).with_text(text).with_plain(shown::plain(&result));
    answer.result = result;
    if error.is_object() {
        answer.error = Some(refusal(&error));
    }
    Ok(answer.with_exit(exit))
}
