//! Where traces go: a collector that takes OTLP over HTTP. One body, one try; who makes it, and what becomes
//! of what was not taken, is decided elsewhere.

use std::sync::{Mutex, PoisonError};

use crate::{
    notify::{Called, Sent, reach},
    settings::Secret,
};

/// A collector.
#[derive(Debug)]
pub struct Collector {
    url: String,
    headers: Vec<(String, Secret)>,
    /// Kept from one body to the next, as long as it is reached.
    called: Mutex<Option<Called>>,
}

impl Collector {
    /// The collector at this URL. `headers`: by which it knows who sends.
    pub fn new(url: String, headers: Vec<(String, Secret)>) -> Self {
        Self { url, headers, called: Mutex::default() }
    }

    /// Sends spans, as OTLP writes them in JSON. What is said of a failure holds neither URL nor headers.
    pub async fn send(&self, body: String) -> Sent {
        let known = self.called.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let called = match known {
            Some(called) => called,
            None => match reach(&self.url).await {
                Ok(called) => called,
                Err(why) => return Sent::Later(why),
            },
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.reveal()));
        let sent = called.post("application/json", headers, body).await;
        // Whoever does not answer may be at another address by now.
        let known = (sent == Sent::Taken).then_some(called);
        *self.called.lock().unwrap_or_else(PoisonError::into_inner) = known;
        sent
    }
}
