//! What a history came to, or which promise it broke.

/// A history that broke a promise.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The guarantee, as `docs/guarantees.md` names it.
    pub guarantee: &'static str,
    /// What was seen.
    pub detail: String,
}

/// What a history came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Deeds of people.
    pub deeds: usize,
    /// Rows written by the hub.
    pub writes: u64,
    /// Processes that died.
    pub crashes: usize,
}
