//! The command line: global flags, and one file per command.
//!
//! A command is a function of its flags that gives back an [`Answer`] or a [`Failure`]; showing
//! either is the business of `report`, so `--json`, colours and exit codes are the same for all.

pub(crate) mod apply;
mod ask;
pub(crate) mod audit;
mod backup;
pub(crate) mod causes;
mod check;
mod completions;
mod config;
pub(crate) mod conflicts;
mod demo;
mod discover;
pub(crate) mod doctor;
pub(crate) mod explain;
mod forget;
pub(crate) mod guards;
mod help;
pub(crate) mod history;
pub(crate) mod hooks;
mod init;
mod keys;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod quarantine;
pub(crate) mod refresh;
mod remote;
mod restore;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod rollback;
pub(crate) mod run;
mod serve;
pub(crate) mod status;
mod tail;
mod test;
pub(crate) mod tokens;
pub(crate) mod verify;
mod version;

use std::{ffi::OsString, io::IsTerminal as _, path::PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use syncline_adapters::hub::sqlite::SqliteHub;

use crate::{
    deeds::Deed,
    exit::Exit,
    report::{self, Answer, Failure, Paint},
};

/// Keeps the same business records the same in every system.
#[derive(Debug, Parser)]
#[command(
    name = "syncline",
    version,
    about,
    disable_help_subcommand = true,
    propagate_version = false,
    max_term_width = 100
)]
pub(crate) struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
struct Globals {
    /// The configuration.
    #[arg(short, long, global = true, value_name = "FILE", default_value = "syncline.yaml")]
    config: PathBuf,
    /// An overlay beside it: syncline.NAME.yaml.
    #[arg(short, long, global = true, value_name = "NAME")]
    env: Option<String>,
    /// One JSON envelope on stdout; streaming commands write one object a line.
    #[arg(long, global = true)]
    json: bool,
    /// Rows separated by tabs, without wrapping.
    #[arg(long, global = true, conflicts_with = "json")]
    plain: bool,
    /// Only results and errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// More messages; twice for still more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// No colours (as does the variable `NO_COLOR`).
    #[arg(long, global = true)]
    no_color: bool,
    /// Never ask.
    #[arg(long, global = true)]
    no_input: bool,
    /// Answer yes.
    #[arg(short, long, global = true)]
    yes: bool,
    #[command(flatten)]
    server: remote::Server,
}

/// What every command knows of how it was called.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a command line")]
pub(crate) struct Context {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// The overlay's name.
    pub(crate) env: Option<String>,
    /// One envelope for programs instead of text for people.
    pub(crate) json: bool,
    /// Tab-separated rows instead of tables.
    pub(crate) plain: bool,
    /// Only results and errors.
    pub(crate) quiet: bool,
    /// Colours on stderr.
    pub(crate) paint: Paint,
    /// Colours on stdout.
    pub(crate) paint_out: Paint,
    /// A person can be asked: stdin and stderr are terminals, and `--no-input` was not said.
    pub(crate) interactive: bool,
    /// Progress can be drawn: stderr is a terminal, and neither `-q` nor `--json` was said.
    pub(crate) progress: bool,
    /// Answer yes.
    pub(crate) yes: bool,
    /// The command goes by the configuration: what may be wrong with that matters now.
    pub(crate) warns: bool,
    /// What the command changes, for the books.
    pub(crate) deed: Option<Deed>,
    /// Who asks for it, for the books.
    pub(crate) who: String,
    /// What is decided must still be so: a tag of it.
    pub(crate) tag: Option<String>,
    /// Only what concerns these entities may be changed.
    pub(crate) scope: Option<Vec<String>>,
}

/// Commands that show what the hub remembers: whatever the configuration warns of was said by those that
/// go by it.
const LOOKS: [&str; 9] =
    ["history", "audit", "explain", "conflicts", "quarantine", "guards", "hooks", "tokens", "tail"];

impl Context {
    fn new(globals: &Globals, command: &str, deed: Option<Deed>) -> Self {
        let colours = !globals.no_color
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let paint = |terminal: bool| if terminal && colours { Paint::Ansi } else { Paint::Plain };
        let stderr = std::io::stderr().is_terminal();
        let human = !globals.json && !globals.plain;
        Self {
            config: globals.config.clone(),
            env: globals.env.clone(),
            json: globals.json,
            plain: globals.plain,
            quiet: globals.quiet,
            paint: paint(stderr),
            paint_out: paint(human && std::io::stdout().is_terminal()),
            interactive: !globals.no_input
                && !globals.json
                && stderr
                && std::io::stdin().is_terminal(),
            progress: stderr && !globals.quiet && !globals.json,
            yes: globals.yes,
            warns: !LOOKS.contains(&command),
            deed,
            who: run::who(),
            tag: None,
            scope: None,
        }
    }

    /// What is about to be decided is what was seen, if whoever decides has said what that was.
    ///
    /// # Errors
    /// `server.changed`.
    pub(crate) fn expects(&self, tag: impl FnOnce() -> String) -> Result<(), Failure> {
        match &self.tag {
            Some(seen) if *seen != tag() => {
                Err(Failure::new("server.changed", "it is not what you have seen any more")
                    .cause("somebody decided it, or one of the systems changed it, meanwhile")
                    .done("nothing was changed")
                    .fix("look at it again"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A message on stderr, unless `-q`.
    pub(crate) fn note(&self, line: &str) {
        if !self.quiet {
            report::note(line);
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a first syncline.yaml.
    Init(init::Init),
    /// Look at two systems, and propose what belongs together.
    Discover(discover::Discover),
    /// Look for mistakes in the configuration.
    Check(check::Check),
    /// Test the mapping: your cases, and round trips of every two-way field.
    Test(test::Test),
    /// Examine each system: connection, privileges, clock, marks.
    Doctor(doctor::Doctor),
    /// Show every consequence, write nothing.
    Plan(plan::Plan),
    /// Do exactly what a saved plan says.
    Apply(apply::Apply),
    /// One pass: detect, merge, write.
    Run(run::Run),
    /// Keep everything in step, for as long as it runs.
    Serve(serve::Serve),
    /// Changes as they pass.
    Tail(tail::Tail),
    /// One screen: state, last success, delay, errors, what waits for you.
    Status(status::Status),
    /// Compare all systems completely; `--repair` mends.
    Verify(verify::Verify),
    /// Read again now.
    Refresh(refresh::Refresh),
    /// Guards that tripped: look, apply, dismiss.
    Guards(guards::Guards),
    /// Changes, in order.
    History(history::History),
    /// What people have done, and whether the books are whole.
    Audit(audit::Audit),
    /// Why a field has its value.
    Explain(explain::Explain),
    /// Conflicts that wait for a decision.
    Conflicts(conflicts::Conflicts),
    /// Records that were set aside.
    Quarantine(quarantine::Quarantine),
    /// What systems have sent: look, deal with it again, send one to try.
    Hooks(hooks::Hooks),
    /// Try again what was set aside.
    Retry(retry::Retry),
    /// Who may ask the daemon over HTTP: look, make one, revoke one.
    Tokens(tokens::Tokens),
    /// Take back what a run or a change did, or go back to a time
    Rollback(rollback::Rollback),
    /// A copy of the hub, made while it is used
    Backup(backup::Backup),
    /// Put a copy in the place of the hub, and read everything before anything is written
    Restore(restore::Restore),
    /// Of a record that is gone everywhere, keep nothing
    Forget(forget::Forget),
    /// Change the key that the hub is sealed with
    Keys(keys::Keys),
    /// Stop reading or writing; positions are kept.
    Pause(pause::Pause),
    /// End a pause.
    Resume(resume::Resume),
    /// Three small systems with living traffic; leaves nothing behind.
    Demo(demo::Demo),
    /// Explain an error code, or a command.
    Help(help::Help),
    /// The configuration as it is understood.
    Config(config::Config),
    /// A script that completes commands in your shell.
    Completions(completions::Completions),
    /// The version.
    Version(version::Version),
}

impl Command {
    /// Whether it may lead to something that others are to be told.
    fn tells(&self) -> bool {
        matches!(
            self,
            Self::Run(_)
                | Self::Apply(_)
                | Self::Verify(_)
                | Self::Refresh(_)
                | Self::Guards(_)
                | Self::Conflicts(_)
                | Self::Quarantine(_)
                | Self::Retry(_)
                | Self::Rollback(_)
                | Self::Restore(_)
                | Self::Resume(_)
        )
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Discover(_) => "discover",
            Self::Check(_) => "check",
            Self::Test(_) => "test",
            Self::Doctor(_) => "doctor",
            Self::Plan(_) => "plan",
            Self::Apply(_) => "apply",
            Self::Run(_) => "run",
            Self::Serve(_) => "serve",
            Self::Tail(_) => "tail",
            Self::Status(_) => "status",
            Self::Verify(_) => "verify",
            Self::Refresh(_) => "refresh",
            Self::Guards(_) => "guards",
            Self::History(_) => "history",
            Self::Audit(_) => "audit",
            Self::Explain(_) => "explain",
            Self::Conflicts(_) => "conflicts",
            Self::Quarantine(_) => "quarantine",
            Self::Hooks(_) => "hooks",
            Self::Retry(_) => "retry",
            Self::Tokens(_) => "tokens",
            Self::Rollback(_) => "rollback",
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
            Self::Forget(_) => "forget",
            Self::Keys(_) => "keys",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Demo(_) => "demo",
            Self::Help(_) => "help",
            Self::Config(_) => "config",
            Self::Completions(_) => "completions",
            Self::Version(_) => "version",
        }
    }
}

/// Tells those who are to be told what a command has led to, unless a daemon does.
async fn tell(context: &Context) {
    // What it warns of was said by the command.
    let silent = Context { quiet: true, ..context.clone() };
    let Ok(loaded) = crate::config::load(&silent) else { return };
    if SqliteHub::holder(&loaded.hub_path()).is_some() {
        return;
    }
    if let Err(failure) =
        crate::alerts::after_command(&loaded, crate::session::Session::now()).await
    {
        // The command is over, and went as it went.
        context.note(&failure.render(context.paint));
    }
}

/// Does what the arguments say.
pub(crate) fn main(arguments: impl Iterator<Item = OsString>) -> Exit {
    let arguments: Vec<OsString> = arguments.collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misused(&arguments, &error),
    };
    let words: Vec<String> =
        arguments.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let context =
        Context::new(&cli.globals, cli.command.name(), Deed::of(cli.command.name(), &words));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new("bug.unexpected", "the runtime could not be started")
                .cause(error.to_string());
            return report::show(&context, cli.command.name(), Err(failure));
        }
    };
    let name = cli.command.name();
    let tells = cli.command.tells();
    let outcome = runtime.block_on(async {
        let server = cli.globals.server;
        if server.is_given() {
            // Whoever is to be told of it is told by the daemon.
            return Box::pin(remote::run(&context, &server, cli.command)).await;
        }
        let outcome = Box::pin(dispatch(&context, cli.command)).await;
        if tells {
            tell(&context).await;
        }
        outcome
    });
    let exit = report::show(&context, name, outcome);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    exit
}

async fn dispatch(context: &Context, command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Init(init) => init.run(context).await,
        Command::Discover(discover) => discover.run(context).await,
        Command::Check(check) => check.run(context).await,
        Command::Test(test) => test.run(context).await,
        Command::Doctor(doctor) => doctor.run(context).await,
        Command::Plan(plan) => plan.run(context).await,
        Command::Apply(apply) => apply.run(context).await,
        Command::Run(run) => run.run(context).await,
        Command::Serve(serve) => serve.run(context).await,
        Command::Tail(tail) => tail.run(context).await,
        Command::Status(status) => status.run(context).await,
        Command::Verify(verify) => verify.run(context).await,
        Command::Refresh(refresh) => refresh.run(context).await,
        Command::Guards(guards) => guards.run(context).await,
        Command::History(history) => history.run(context).await,
        Command::Audit(audit) => audit.run(context).await,
        Command::Explain(explain) => explain.run(context).await,
        Command::Conflicts(conflicts) => conflicts.run(context).await,
        Command::Quarantine(quarantine) => quarantine.run(context).await,
        Command::Hooks(hooks) => hooks.run(context).await,
        Command::Retry(retry) => retry.run(context).await,
        Command::Tokens(tokens) => tokens.run(context).await,
        Command::Rollback(rollback) => rollback.run(context).await,
        Command::Backup(backup) => backup.run(context).await,
        Command::Restore(restore) => restore.run(context).await,
        Command::Forget(forget) => forget.run(context).await,
        Command::Keys(keys) => keys.run(context).await,
        Command::Pause(pause) => pause.run(context).await,
        Command::Resume(resume) => resume.run(context).await,
        Command::Demo(demo) => Box::pin(demo.run(context)).await,
        Command::Help(help) => help.run(context),
        Command::Config(config) => config.run(context).await,
        Command::Completions(completions) => completions.run(),
        Command::Version(version) => version.run(),
    }
}

/// Arguments that clap refused, or `--help`.
fn misused(arguments: &[OsString], error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Done;
    }
    if arguments.iter().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        let envelope = serde_json::json!({
            "command": null,
            "ok": false,
            "summary": message,
            "result": null,
            "error": { "code": "usage.arguments", "detail": message, "cause": text.trim() },
        });
        report::say(&envelope.to_string());
    } else {
        // Our own shape of an error: the code comes first.
        let text = error.render().to_string();
        let text = text
            .strip_prefix("error: ")
            .map_or_else(|| text.clone(), |rest| format!("error[usage.arguments]: {rest}"));
        report::note(text.trim_end());
    }
    Exit::Usage
}

/// The command line as clap knows it, for `help` and `completions`.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests;
