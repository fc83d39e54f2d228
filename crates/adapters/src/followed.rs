//! Which trace a request to a system belongs to: whoever follows changes says so, in the words of the header
//! `traceparent` (<https://www.w3.org/TR/trace-context/>). Where nobody follows any, requests say nothing of it.

use std::sync::OnceLock;

use reqwest::header::HeaderValue;
use syncline_core::name::RecordId;

/// What stands in the header of a request to this system, which is made for this record, or for none. `None`: nobody
/// follows changes now.
pub type Says = fn(&str, Option<RecordId>) -> Option<String>;

/// The name of the header.
pub(crate) const TRACEPARENT: &str = "traceparent";

static SAYS: OnceLock<Says> = OnceLock::new();

tokio::task_local! {
    static RECORD: RecordId;
}

/// From now on this is asked for each request. Whoever says so first is asked.
pub fn ask(says: Says) {
    let _first = SAYS.set(says);
}

/// Requests that this makes are made for this record.
pub(crate) async fn made_for<T>(record: RecordId, work: impl Future<Output = T>) -> T {
    RECORD.scope(record, work).await
}

/// What a request to this system says now of the trace that it belongs to.
pub(crate) fn header(system: &str) -> Option<HeaderValue> {
    let says = SAYS.get()?;
    let record = RECORD.try_with(|record| *record).ok();
    HeaderValue::from_str(&says(system, record)?).ok()
}
