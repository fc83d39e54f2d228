//! Sends spans to the collector, many at a time, until it is told to end. A collector that does not answer
//! is tried again later and later; what finds no room meanwhile is lost, and how much is said.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use syncline_adapters::{followed, notify::Sent, otlp::Collector};
use syncline_engine::backoff;
use tokio::sync::watch;

use super::{HERE, Tracer, outgoing, queue::TOGETHER, span::body};
use crate::{
    serve::journal::{Journal, Level},
    words,
};

/// Few spans wait no longer than this.
const EVERY: Duration = Duration::from_secs(1);
/// Nobody waits longer for what is left when the process ends.
const LAST: Duration = Duration::from_secs(3);

/// Follows changes from now on, and sends what comes of it, until `over`. `instance`: what tells this
/// installation from others.
pub(crate) async fn work(
    collector: Arc<Collector>,
    instance: String,
    journal: Journal,
    mut over: watch::Receiver<bool>,
) {
    let tracer = HERE.get_or_init(Tracer::default);
    tracer.queue.open(true);
    followed::ask(outgoing);
    let mut failures = 0;
    loop {
        let is_over = tokio::select! {
            () = tokio::time::sleep(EVERY) => false,
            () = tracer.queue.many.notified() => false,
            _ = over.wait_for(|is_over| *is_over) => true,
        };
        if is_over {
            let all = send_all(tracer, &collector, &instance, &journal, &mut failures);
            // What does not go out now is lost: nobody is to wait for it.
            let _late = tokio::time::timeout(LAST, all).await;
            break;
        }
        if !send_all(tracer, &collector, &instance, &journal, &mut failures).await {
            let wait = Duration::from_millis(backoff::wait_ms(failures, 0).min(60_000));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = over.wait_for(|is_over| *is_over) => break,
            }
        }
    }
    tracer.queue.open(false);
}

/// Sends what waits. Whether all of it went.
async fn send_all(
    tracer: &Tracer,
    collector: &Collector,
    instance: &str,
    journal: &Journal,
    failures: &mut u32,
) -> bool {
    loop {
        let spans = tracer.queue.take();
        if spans.is_empty() {
            return true;
        }
        match collector.send(body(&spans, instance)).await {
            Sent::Taken => {
                if *failures > 0 {
                    *failures = 0;
                    journal.say(Level::Info, "traces.sent", "traces are sent again", json!({}));
                }
                let lost = tracer.queue.lost();
                if lost > 0 {
                    let message =
                        format!("{} spans found no room and are lost", words::count(lost));
                    journal.say(Level::Warn, "traces.lost", &message, json!({ "lost": lost }));
                }
            }
            Sent::Later(why) | Sent::Never(why) => {
                fails(tracer, journal, failures, spans.len(), &why);
                return false;
            }
            Sent::Gone => {
                fails(tracer, journal, failures, spans.len(), "it wants no more");
                return false;
            }
        }
        if spans.len() < TOGETHER {
            return true;
        }
    }
}

/// The collector took nothing. What was sent to it is not sent twice: it may have been taken after all.
fn fails(tracer: &Tracer, journal: &Journal, failures: &mut u32, spans: usize, why: &str) {
    tracer.queue.lose(spans as u64);
    *failures += 1;
    if *failures == 1 {
        let message = format!("traces cannot be sent: {why}; changes go on as ever");
        journal.say(Level::Warn, "traces.wait", &message, json!({ "cause": why }));
    }
}
