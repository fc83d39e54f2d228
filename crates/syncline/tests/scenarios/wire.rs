//! A way to a server that is cut once, at a moment of the scenario's choice.
//!
//! It is no part of the program: it stands where a network would stand, carries bytes both ways,
//! and hangs up on one connection. What comes later goes through.

use std::{
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
}

/// Opens a way to the server on `port`, and gives the port where it begins.
pub(crate) fn way(port: u16, cut: Cut) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().port();
    let armed = Arc::new(AtomicBool::new(true));
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
            let armed = armed.clone();
            thread::spawn(move || carry(&client, &server, cut, &armed));
        }
    });
    here
}

/// Carries one connection until it ends or is cut.
fn carry(client: &TcpStream, server: &TcpStream, cut: Cut, armed: &Arc<AtomicBool>) {
    let cut_off = Arc::new(AtomicBool::new(false));
    let answers = {
        let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (armed, cut_off) = (armed.clone(), cut_off.clone());
        thread::spawn(move || answers(&client, &server, cut, &armed, &cut_off))
    };
    questions(client, server, cut, armed, &cut_off);
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
        if cut_off.load(Ordering::SeqCst) || client.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(Shutdown::Both);
}

fn questions(
    mut client: &TcpStream,
    mut server: &TcpStream,
    cut: Cut,
    armed: &AtomicBool,
    cut_off: &AtomicBool,
) {
    let mut buffer = vec![0; 1 << 16];
    let mut has_written = false;
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let said = &buffer[..count];
        let is_commit = said.ends_with(b"commit") || said.ends_with(b"commit\0");
        let is_here = is_commit && has_written && !matches!(cut, Cut::Answers(_));
        has_written |= ["insert into ", "update ", "delete from "]
            .iter()
            .any(|word| said.windows(word.len()).any(|part| part == word.as_bytes()));
        if is_here && armed.swap(false, Ordering::SeqCst) {
            cut_off.store(true, Ordering::SeqCst);
            if matches!(cut, Cut::BeforeCommit) {
                let _ = server.shutdown(Shutdown::Both);
                return;
            }
            // The server has done it when it has nothing more to say and hangs up.
            let _ = server.write_all(said);
            let _ = server.shutdown(Shutdown::Write);
            return;
        }
        if server.write_all(said).is_err() {
            return;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}
