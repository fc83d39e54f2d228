//! A way to a server that breaks once, at a moment of the scenario's choice.
//!
//! It is no part of the program: it stands where a network would stand, carries bytes both ways,
//! and hangs up on one connection, or keeps it waiting. What comes later goes through.

use std::{
    fmt,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// When the connection breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// The server has said so much in one connection.
    Answers(usize),
    /// Something was written, and the server is asked to commit: it never hears it.
    BeforeCommit,
    /// Something was written and is committed: nobody hears the answer.
    AfterCommit,
    /// The first write never arrives, and the connection stays open.
    HoldWrite,
    /// Something was written and is committed; the answer never arrives, the connection stays.
    HoldAnswer,
    /// As [`Self::BeforeCommit`], and the server dies.
    DieBeforeCommit,
    /// As [`Self::AfterCommit`], and the server dies before anybody can ask it.
    DieAfterCommit,
}

impl Cut {
    /// Who asked does not notice by the server's silence.
    fn is_silent(self) -> bool {
        !matches!(self, Self::Answers(_) | Self::BeforeCommit | Self::AfterCommit)
    }
}

/// What happens at the moment itself, before the connection breaks: how a server dies.
#[derive(Clone)]
pub(crate) struct Act(Arc<dyn Fn() + Send + Sync>);

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an act")
    }
}

impl Act {
    pub(crate) fn of(act: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(act))
    }

    /// Nothing more.
    pub(crate) fn nothing() -> Self {
        Self::of(|| {})
    }
}

/// A way to a server.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// Where it begins.
    pub(crate) port: u16,
    armed: Arc<AtomicBool>,
}

impl Way {
    /// Whether the moment has come.
    pub(crate) fn is_broken(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

/// Opens a way to the server on `port`.
pub(crate) fn way(port: u16, cut: Cut, act: Act) -> Way {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().port();
    let armed = Arc::new(AtomicBool::new(true));
    let way = Way { port: here, armed: armed.clone() };
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
            let (armed, act) = (armed.clone(), act.clone());
            thread::spawn(move || carry(&client, &server, cut, &armed, &act));
        }
    });
    way
}

/// Carries one connection until it ends or is cut.
fn carry(client: &TcpStream, server: &TcpStream, cut: Cut, armed: &Arc<AtomicBool>, act: &Act) {
    let cut_off = Arc::new(AtomicBool::new(false));
    let answers = {
        let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (armed, cut_off) = (armed.clone(), cut_off.clone());
        thread::spawn(move || answers(&client, &server, cut, &armed, &cut_off))
    };
    questions(client, server, cut, armed, &cut_off, act);
    answers.join().unwrap();
}

fn answers(
    mut client: &TcpStream,
    mut server: &TcpStream,
    cut: Cut,
    armed: &AtomicBool,
    cut_off: &AtomicBool,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut carried = 0;
    while let Ok(count @ 1..) = server.read(&mut buffer) {
        carried += count;
        let is_enough = matches!(cut, Cut::Answers(limit) if carried > limit);
        if is_enough && armed.swap(false, Ordering::SeqCst) {
            let _ = server.shutdown(Shutdown::Both);
            break;
        }
        if cut_off.load(Ordering::SeqCst) {
            if cut.is_silent() {
                continue;
            }
            break;
        }
        if client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    if !(cut.is_silent() && cut_off.load(Ordering::SeqCst)) {
        let _ = client.shutdown(Shutdown::Both);
    }
}

fn questions(
    mut client: &TcpStream,
    mut server: &TcpStream,
    cut: Cut,
    armed: &AtomicBool,
    cut_off: &AtomicBool,
    act: &Act,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut has_written = false;
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let said = &buffer[..count];
        let is_commit = said.ends_with(b"commit") || said.ends_with(b"commit\0");
        let commits = is_commit && has_written;
        has_written |= writes(said);
        let is_here = match cut {
            Cut::Answers(_) => false,
            Cut::HoldWrite => has_written,
            Cut::BeforeCommit
            | Cut::AfterCommit
            | Cut::HoldAnswer
            | Cut::DieBeforeCommit
            | Cut::DieAfterCommit => commits,
        };
        if is_here && armed.load(Ordering::SeqCst) {
            cut_off.store(true, Ordering::SeqCst);
            if matches!(cut, Cut::AfterCommit | Cut::HoldAnswer | Cut::DieAfterCommit) {
                // The server has done it when it has nothing more to say and hangs up.
                let _ = server.write_all(said);
                let _ = server.shutdown(Shutdown::Write);
            } else {
                let _ = server.shutdown(Shutdown::Both);
            }
            if matches!(cut, Cut::HoldAnswer | Cut::DieAfterCommit) {
                while let Ok(1..) = server.read(&mut buffer) {}
            }
            (act.0)();
            armed.store(false, Ordering::SeqCst);
            if matches!(cut, Cut::DieBeforeCommit | Cut::DieAfterCommit) {
                let _ = client.shutdown(Shutdown::Both);
            }
            if matches!(cut, Cut::HoldAnswer | Cut::HoldWrite) {
                while let Ok(1..) = client.read(&mut buffer) {}
            }
            return;
        }
        if server.write_all(said).is_err() {
            return;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}

/// Whether this is about writing, and does it.
fn writes(said: &[u8]) -> bool {
    let says = |word: &str| said.windows(word.len()).any(|part| part == word.as_bytes());
    ["insert into ", "update ", "delete from "].into_iter().any(says) && !says("explain ")
}
