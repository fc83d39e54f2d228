//! Writes to a file system: those of a pass are held back, and made together when it ends, in one new file that
//! takes the place of the old one.
//!
//! What is not changed is copied byte by byte. A lock on the folder keeps two of ours apart; other programs
//! are kept apart by nothing, so that what one of them saves between the last look and the rename is lost.

use std::{
    fs::{File, TryLockError},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use syncline_core::{
    change::{Outcome, WriteGroup},
    error::{ErrorKind, PortError},
    name::{BindingIndex, IntentId},
    plan::Plan,
};
use syncline_ports::target::{Finished, Target};

use crate::{
    file::{
        System, blocking, failed,
        held::Held,
        replace::{Made, Replaced, replace},
        source::Bindings,
    },
    sql::{invalid, put_off},
};

/// How long another of ours is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often a file is read again because somebody saved it meanwhile.
const TRIES: u32 = 3;

/// Writes to a file system.
pub(super) struct FileTarget {
    bindings: Bindings,
    /// By file, what is held back.
    held: Vec<(BindingIndex, Held)>,
    /// What was made and not told yet.
    made: Option<Made>,
}

impl FileTarget {
    pub(super) fn new(system: Arc<System>, plan: Arc<Plan>) -> Self {
        Self { bindings: Bindings::new(system, plan), held: Vec::new(), made: None }
    }

    fn hold(&mut self, binding: BindingIndex, group: &WriteGroup) -> Result<(), Outcome> {
        if group.writes.iter().any(|write| write.binding != binding) {
            return Err(invalid("write.type", "two files cannot be replaced as one"));
        }
        let bound = self.bindings.get(binding);
        let bound = bound.map_err(|error| put_off(error.kind, &error.detail))?;
        if !bound.system.folder.writes {
            return Err(invalid("write.refused", "its files are not written"));
        }
        let action = bound.action("write");
        let at = self.held.iter().position(|(known, _)| *known == binding);
        let at = at.unwrap_or_else(|| {
            self.held.push((binding, Held::new(bound)));
            self.held.len() - 1
        });
        let Some((_, held)) = self.held.get_mut(at) else { return Ok(()) };
        held.push(group).map_err(|error| {
            let error = failed(&action, &error);
            put_off(error.kind, &error.detail)
        })
    }
}

#[async_trait]
impl Target for FileTarget {
    async fn apply(&mut self, groups: &[WriteGroup]) -> Vec<(IntentId, Outcome)> {
        let mut answers = Vec::new();
        for group in groups {
            let Some(binding) = group.writes.first().map(|write| write.binding) else { continue };
            if let Err(outcome) = self.hold(binding, group) {
                answers.extend(group.writes.iter().map(|write| (write.intent, outcome.clone())));
            }
        }
        answers
    }

    fn holds_back(&self) -> bool {
        true
    }

    async fn finish(&mut self) -> Option<Finished> {
        loop {
            if let Some(finished) = self.made.as_mut().and_then(Made::next) {
                return Some(finished);
            }
            let (_, held) = self.held.pop()?;
            let action = held.bound.action("write");
            // Should that fail, nothing is answered, and what is not answered is asked for.
            self.made = blocking(&action, move || Ok(locked(held))).await.ok();
        }
    }

    fn forget(&mut self) {
        self.held.clear();
        self.made = None;
    }
}

/// Writes while no other of ours does.
fn locked(held: Held) -> Made {
    let folder = &held.bound.system.folder;
    let lock = match lock(&folder.path, &held.bound.action("lock the folder of")) {
        Ok(lock) => lock,
        Err(error) => return Made::none(held, put_off(error.kind, &error.detail)),
    };
    for _ in 0..TRIES {
        match replace(&held) {
            Ok(Replaced::Done { refused, shown }) => return Made::new(held, refused, shown),
            Ok(Replaced::Meanwhile) => {}
            Err(error) => return Made::none(held, put_off(error.kind, &error.detail)),
        }
    }
    drop(lock);
    Made::none(held, put_off(ErrorKind::TimedOut, "somebody keeps saving the file"))
}

fn lock(folder: &Path, action: &str) -> Result<Option<File>, PortError> {
    // Where folders cannot be opened or locked, two of ours are kept apart by nothing.
    let Ok(file) = File::open(folder) else { return Ok(None) };
    let until = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(_)) => return Ok(None),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                let detail = "another process of ours is writing there";
                return Err(PortError::new(ErrorKind::TimedOut, action, detail));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}
