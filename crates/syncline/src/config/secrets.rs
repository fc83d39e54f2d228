//! Secrets by reference: the file names where a secret is, never what it is.
//!
//! `env:NAME` is an environment variable, `file:PATH` a file relative to the configuration (one
//! final line break does not count), `exec:COMMAND` a program whose first lines are the secret,
//! again without the final line break. A command is split at blanks and run without a shell;
//! quotes group words. It has [`COMMAND_SECONDS`] seconds and may answer [`BYTES_MAX`] bytes.
//! References are resolved late, and only for systems that are really contacted.

use std::{path::Path, process::Stdio, time::Duration};

use syncline_adapters::settings::Secret;
use tokio::io::AsyncReadExt as _;

/// How long a command may take.
pub(crate) const COMMAND_SECONDS: u64 = 20;
/// How long a secret may be.
pub(crate) const BYTES_MAX: usize = 64 * 1024;

/// Where a secret is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(String),
    /// In what this command prints.
    Exec(Vec<String>),
    /// Here, in the open (with a warning).
    Literal(String),
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Ok(Self::Literal(text.to_owned()));
        };
        match scheme {
            "env" if rest.is_empty() => Err("env: needs the name of a variable".to_owned()),
            "env" if rest.contains(|letter: char| letter.is_whitespace() || letter == '=') => {
                Err("env: needs the name of a variable, without blanks".to_owned())
            }
            "env" => Ok(Self::Env(rest.to_owned())),
            "file" if rest.is_empty() => Err("file: needs a path".to_owned()),
            "file" => Ok(Self::File(rest.to_owned())),
            "exec" => match words(rest) {
                Some(words) if !words.is_empty() => Ok(Self::Exec(words)),
                Some(_) => Err("exec: needs a command".to_owned()),
                None => Err("a quote of the command is not closed".to_owned()),
            },
            _ => Ok(Self::Literal(text.to_owned())),
        }
    }

    /// As it may be shown: a literal is not.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Env(name) => format!("env:{name}"),
            Self::File(path) => format!("file:{path}"),
            Self::Exec(words) => format!("exec:{}", words.join(" ")),
            Self::Literal(_) => "(secret)".to_owned(),
        }
    }

    /// Finds the secret. `folder` is that of the configuration.
    ///
    /// # Errors
    /// Why it cannot be found, without a word of what was found.
    pub(crate) async fn resolve(&self, folder: &Path) -> Result<Secret, String> {
        let text = match self {
            Self::Literal(text) => return Ok(Secret::new(text.clone())),
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => text,
                Err(std::env::VarError::NotPresent) => {
                    return Err(format!("environment variable {name} is not set"));
                }
                Err(std::env::VarError::NotUnicode(_)) => {
                    return Err(format!("environment variable {name} is not UTF-8"));
                }
            },
            Self::File(path) => read_file(&folder.join(path)).await?,
            Self::Exec(words) => run(words, folder).await?,
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(format!("{} gives an empty secret", self.shown()));
        }
        Ok(Secret::new(text))
    }
}

async fn read_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let file = tokio::fs::File::open(path)
        .await
        .map_err(|error| format!("file {shown} cannot be read: {error}"))?;
    read_bounded(file, &format!("file {shown}")).await
}

async fn read_bounded(
    input: impl tokio::io::AsyncRead + Unpin,
    what: &str,
) -> Result<String, String> {
    let mut bytes = Vec::new();
    input
        .take(BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|error| format!("{what} cannot be read: {error}"))?;
    if bytes.len() > BYTES_MAX {
        return Err(format!("{what} holds more than {BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| format!("{what} is not UTF-8"))
}

async fn run(words: &[String], folder: &Path) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("no command".to_owned());
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("command {program} cannot be run: {error}"))?;
    let Some(stdout) = child.stdout.take() else {
        return Err(format!("command {program} gives no output"));
    };
    let what = format!("the output of {program}");
    let work = async {
        let text = read_bounded(stdout, &what).await?;
        let status = child.wait().await.map_err(|error| format!("{program}: {error}"))?;
        if status.success() { Ok(text) } else { Err(format!("command {program} failed: {status}")) }
    };
    match tokio::time::timeout(Duration::from_secs(COMMAND_SECONDS), work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("command {program} took longer than {COMMAND_SECONDS} s")),
    }
}

/// A command line as words: blanks part them, quotes keep them together, a backslash takes the
/// next letter as it is (not within single quotes). `None` if a quote is not closed.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(letters.next()?),
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Whether others than the owner may read this file.
#[cfg(unix)]
pub(crate) fn is_world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

/// Whether others than the owner may read this file; not known here.
#[cfg(not(unix))]
pub(crate) fn is_world_readable(_path: &Path) -> bool {
    false
}
