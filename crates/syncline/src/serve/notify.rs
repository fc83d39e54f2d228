//! Tells the service manager how the daemon is: `sd_notify(3)`, a datagram to the socket that it
//! names. Without one, nothing is told.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Tells the service manager.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notify {
    place: Option<SocketAddr>,
    /// Counts what the daemon does: as long as it moves, the daemon is alive.
    beats: Arc<AtomicU64>,
}

impl Notify {
    /// As the environment says.
    pub(crate) fn new() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
        let bytes = name.as_encoded_bytes();
        let place = match bytes.split_first() {
            Some((b'@', rest)) => SocketAddr::from_abstract_name(rest).ok(),
            Some((b'/', _)) => SocketAddr::from_pathname(&name).ok(),
            Some(_) | None => None,
        };
        Self { place, beats: Arc::default() }
    }

    /// Tells it this. What cannot be told is not told: the daemon does not depend on it.
    pub(crate) fn tell(&self, what: &str) {
        if let (Some(place), Ok(socket)) = (&self.place, UnixDatagram::unbound()) {
            let _ = socket.send_to_addr(what.as_bytes(), place);
        }
    }

    /// The daemon did something.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Tells the service manager that the daemon is alive, as often as it asks for, unless nothing
    /// has happened for longer than anything may take.
    pub(crate) async fn watch(self, longest: Duration) {
        let asked = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse::<u64>().ok());
        let Some(span) = asked.filter(|span| *span > 0).map(Duration::from_micros) else { return };
        let (mut seen, mut since) = (0, tokio::time::Instant::now());
        loop {
            let now = self.beats.load(Ordering::Relaxed);
            if now != seen {
                (seen, since) = (now, tokio::time::Instant::now());
            }
            if since.elapsed() < longest {
                self.tell("WATCHDOG=1");
            }
            tokio::time::sleep(span / 3).await;
        }
    }
}
