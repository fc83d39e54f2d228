//! One process writes a hub. While `serve` works on it, commands that write are lent it: they ask at
//! a socket beside the hub, the daemon finishes what is in flight, closes the hub and stands still
//! until the command is gone, however that goes. So every command is the same with a daemon as
//! without, and there is no second way to change anything.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};

use crate::{
    cli::Context,
    report::{Failure, note},
};

/// What the daemon says when the hub is closed.
const GRANTED: &str = "yours";
/// How long a command waits for that.
const PATIENCE: Duration = Duration::from_secs(120);
/// Asks the daemon to read the configuration again, and what it says when it has.
const ANEW: &str = "the configuration anew";
const READ: &str = "read";
/// A request longer than this is none.
const REQUEST_MAX: u64 = 1_000;
/// Paths of sockets may be about a hundred bytes long; longer ones are cut down to a digest.
const PATH_MAX: usize = 100;

/// A hub that was lent to this process; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    _stream: UnixStream,
}

/// The socket of the daemon that works on this hub.
fn socket(hub: &Path) -> PathBuf {
    let hub = std::path::absolute(hub).unwrap_or_else(|_| hub.to_path_buf());
    let mut name = hub.clone().into_os_string();
    name.push(".sock");
    if name.len() <= PATH_MAX {
        return name.into();
    }
    let digest = syncline_core::value::Digest::of(hub.as_os_str().as_encoded_bytes());
    let short: String = crate::words::hex(&digest).chars().take(16).collect();
    std::env::temp_dir().join(format!("syncline-{short}.sock"))
}

/// Asks the daemon that works on this hub to lend it. `None`: no daemon works on it.
///
/// # Errors
/// `hub.in_use` if there is one and it does not hand over.
pub(crate) async fn ask(hub: &Path, context: &Context) -> Result<Option<Lent>, Failure> {
    // Nobody listens: then nobody works on it either, or somebody who lends nothing; the lock says.
    let Ok(mut stream) = UnixStream::connect(socket(hub)).await else { return Ok(None) };
    let request = format!("hub for process {}\n", std::process::id());
    let answer = async {
        stream.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        BufReader::new((&mut stream).take(REQUEST_MAX)).read_line(&mut line).await?;
        io::Result::Ok(line)
    };
    let refused = |cause: String| {
        Err(Failure::new("hub.in_use", format!("{} is used by `syncline serve`", hub.display()))
            .cause(cause)
            .done("nothing was changed")
            .fix("try again, or stop the daemon"))
    };
    let told = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        if !context.quiet && !context.json {
            note("waiting for `syncline serve` to hand over the hub");
        }
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        answer = tokio::time::timeout(PATIENCE, answer) => answer,
        () = told => return Ok(None),
    };
    match answer {
        Ok(Ok(line)) if line.trim() == GRANTED => Ok(Some(Lent { _stream: stream })),
        // It went away meanwhile: whoever comes first may have the hub.
        Ok(Ok(line)) if line.is_empty() => Ok(None),
        Ok(Ok(line)) => refused(line.trim().to_owned()),
        Ok(Err(_)) => Ok(None),
        Err(_) => refused(format!("it did not hand over within {} s", PATIENCE.as_secs())),
    }
}

/// Has the daemon that works on this hub read the configuration again, with the secrets that it refers to. Whether
/// one does.
///
/// # Errors
/// `hub.key_wrong` if it cannot work with what the configuration says now.
pub(crate) async fn read_anew(hub: &Path) -> Result<bool, Failure> {
    let Ok(mut stream) = UnixStream::connect(socket(hub)).await else { return Ok(false) };
    let answer = async {
        stream.write_all(format!("{ANEW}\n").as_bytes()).await?;
        let mut line = String::new();
        BufReader::new((&mut stream).take(REQUEST_MAX)).read_line(&mut line).await?;
        io::Result::Ok(line)
    };
    let why = match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(line)) if line.trim() == READ => return Ok(true),
        // It went away meanwhile.
        Ok(Ok(line)) if line.is_empty() => return Ok(false),
        Ok(Ok(line)) => line.trim().to_owned(),
        Ok(Err(_)) => return Ok(false),
        Err(_) => format!("it did not answer within {} s", PATIENCE.as_secs()),
    };
    let message =
        "`syncline serve` works on this hub, and cannot take the keys that the file names now";
    Err(Failure::new("hub.key_wrong", message)
        .cause(why)
        .done("no key was changed")
        .fix("give the daemon what the file refers to, or stop it; then syncline keys rotate"))
}

/// What somebody asks at the desk.
#[derive(Debug)]
pub(crate) enum Asked {
    /// For the hub.
    Hub(Borrower),
    /// That the configuration is read again.
    Anew(Asker),
}

/// Somebody who waits until the configuration was read again.
#[derive(Debug)]
pub(crate) struct Asker {
    stream: UnixStream,
}

impl Asker {
    /// Says what came of it.
    pub(crate) async fn answer(mut self, read: Result<(), Failure>) {
        let line = match read {
            Ok(()) => READ.to_owned(),
            Err(failure) => format!("{}: {}", failure.code, failure.message),
        };
        let line = line.replace('\n', " ");
        // Whoever is gone meanwhile asks again.
        let _gone = self.stream.write_all(format!("{line}\n").as_bytes()).await;
    }
}

/// Where the daemon is asked.
#[derive(Debug)]
pub(crate) struct Desk {
    listener: UnixListener,
    path: PathBuf,
}

/// Somebody who asks for the hub.
#[derive(Debug)]
pub(crate) struct Borrower {
    stream: UnixStream,
    /// As it names itself, for people.
    pub(crate) name: String,
}

impl Desk {
    /// Opens the desk. Whoever holds the hub's lock may: a socket that was left behind is nobody's.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn open(hub: &Path) -> io::Result<Self> {
        let path = socket(hub);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&path)?;
        only_ours(&path)?;
        Ok(Self { listener, path })
    }

    /// The next who asks. May be dropped while it waits.
    pub(crate) async fn next(&self) -> Asked {
        loop {
            let Ok((mut stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let mut line = String::new();
            let request = async {
                BufReader::new((&mut stream).take(REQUEST_MAX)).read_line(&mut line).await
            };
            let asked = tokio::time::timeout(Duration::from_secs(1), request).await;
            if !matches!(asked, Ok(Ok(_))) {
                continue;
            }
            if line.trim() == ANEW {
                return Asked::Anew(Asker { stream });
            }
            if let Some(name) = line.trim().strip_prefix("hub for ") {
                let name = name.to_owned();
                return Asked::Hub(Borrower { stream, name });
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // Left behind, it would be removed by the next daemon.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Borrower {
    /// Says that the hub is closed, and waits until the borrower is gone.
    pub(crate) async fn lend(mut self) {
        if self.stream.write_all(format!("{GRANTED}\n").as_bytes()).await.is_err() {
            return;
        }
        let mut rest = [0; 16];
        while matches!(self.stream.read(&mut rest).await, Ok(count) if count > 0) {}
    }
}

fn only_ours(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}
