//! What the process asks of the system it runs on, for itself, before it does anything else.

/// No core dump, and nobody of the same user may look into its memory: secrets are there, and values that
/// never leave it. No huge pages: a hub's worth of small things takes a fifth more memory in them, and more
/// time to clear them than they save.
///
/// A system that refuses any of it is worked on all the same: these are precautions.
#[cfg(target_os = "linux")]
pub(crate) fn settle() {
    use rustix::{
        process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit},
        thread::disable_transparent_huge_pages,
    };
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _refused = setrlimit(Resource::Core, none);
    let _refused = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _refused = disable_transparent_huge_pages(true);
}

/// Elsewhere nothing is asked for.
#[cfg(not(target_os = "linux"))]
pub(crate) fn settle() {}
