//! Where the books end is signed, with the key of this installation: into the hub, and a line each into a file beside it or
//! wherever the configuration says.

use std::{
    fs,
    io::{Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use syncline_adapters::hub::{backup, signer::Signer};
use syncline_core::{
    Text,
    error::{ErrorKind, PortError},
};
use syncline_ports::reader::Kept;

use crate::{config::Loaded, exit::Exit, report::Failure, session::Session};

/// What says where the key is.
const KEY: &str = concat!("hub", ".signing_key");
/// So much of the file of signatures is read: more than a line every ten minutes for a hundred years.
const BYTES_MAX: u64 = 4 << 30;

/// The key of this installation; made beside the hub if there is none, and the configuration names none.
pub(crate) async fn signer(loaded: &Loaded) -> Result<Arc<Signer>, Failure> {
    let signer = match &loaded.draft.books.key {
        Some(reference) => {
            let secret = loaded.secret_at(KEY, reference).await?;
            Signer::of(secret.reveal()).map_err(|error| {
                Failure::new("secret.unresolved", format!("{KEY}: {}", error.detail))
                    .part("place", loaded.line(reference.place))
                    .fix("openssl rand -hex 32 makes one")
            })?
        }
        None => Signer::beside(&loaded.hub_path())?,
    };
    Ok(Arc::new(signer))
}

/// The file of signatures.
pub(crate) fn path(loaded: &Loaded) -> PathBuf {
    match &loaded.draft.books.anchors {
        Some(path) => loaded.folder.join(path),
        None => beside(&loaded.hub_path()),
    }
}

fn beside(hub: &Path) -> PathBuf {
    let mut name = hub.as_os_str().to_owned();
    name.push(".anchors");
    name.into()
}

/// Signs where the books end now, if they have gone on.
pub(crate) async fn seal(session: &Session) -> Result<(), Failure> {
    let (signer, path) = (signer(&session.loaded).await?, path(&session.loaded));
    let last = last_line(&path).map_err(|error| failed("read", &path, &error))?;
    let signed = session.hub.anchor(&signer, Session::now(), last).await;
    let lines = signed.map_err(|error| {
        if error.kind != ErrorKind::HubDamaged {
            return error.into();
        }
        Failure::new("audit.broken", error.detail)
            .cause("somebody wrote to the hub's file, or put another one in its place")
            .done("nothing was signed")
            .fix("syncline audit --verify-chain")
            .with_exit(Exit::Failed)
    })?;
    if lines.is_empty() {
        return Ok(());
    }
    append(&path, &lines).map_err(|error| failed("write", &path, &error))
}

/// The last line of the file; `None`: there is none.
fn last_line(path: &Path) -> std::io::Result<Option<Text>> {
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // A line has some 600 letters.
    let from = file.metadata()?.len().saturating_sub(4096);
    file.seek(std::io::SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(4096).read_to_end(&mut tail)?;
    Ok(String::from_utf8_lossy(&tail).lines().last().map(Text::from))
}

fn append(path: &Path, lines: &[Text]) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let action = format!("{what} the signatures in {}", path.display());
    PortError::new(ErrorKind::HubReadOnly, action, error.to_string()).into()
}

/// What is known of the books from elsewhere: the signatures that were kept, and who may have signed.
pub(crate) async fn kept(loaded: &Loaded, more: &[[u8; 32]]) -> Result<Kept, Failure> {
    let path = path(loaded);
    let mut text = String::new();
    match fs::File::open(&path) {
        Ok(file) => {
            let read = file.take(BYTES_MAX).read_to_string(&mut text);
            read.map_err(|error| failed("read", &path, &error))?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", &path, &error)),
    }
    let own = match &loaded.draft.books.key {
        Some(_) => Some(signer(loaded).await?.public()),
        None => Signer::known(&loaded.hub_path()),
    };
    Ok(Kept {
        hash: None,
        anchors: text.lines().map(Text::from).collect(),
        signers: own.into_iter().chain(more.iter().copied()).collect(),
    })
}

/// After a copy took the place of the hub: what was signed since is of the hub that is put aside.
pub(crate) fn set_aside(loaded: &Loaded) -> Result<(), Failure> {
    let path = path(loaded);
    if !path.exists() {
        return Ok(());
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".before-restore-{}", backup::stamp(Session::now())));
    fs::rename(&path, PathBuf::from(aside)).map_err(|error| failed("put aside", &path, &error))
}
