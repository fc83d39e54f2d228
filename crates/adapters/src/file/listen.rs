//! Watches a folder: which files of which entity there are, how large they are and when they were changed,
//! looked at a few times a second. What changed is told once it has settled; what we wrote ourselves is not.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use syncline_core::{
    Text,
    change::Position,
    error::PortError,
    name::{BindingIndex, SystemIndex},
    plan::Plan,
    value::Digest,
};
use syncline_ports::listener::{Changed, Heard, Hint, Listener, Retained};

use crate::file::{
    System, blocking,
    place::{self, Identity},
};

/// How often the folder is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So long nothing is waited for in one go.
const WAIT: Duration = Duration::from_secs(3);

/// The files of each binding, and what tells whether they are the same.
type Sight = BTreeMap<BindingIndex, BTreeMap<PathBuf, Identity>>;

/// Watches a folder.
pub(super) struct Watch {
    system: Arc<System>,
    /// What each binding calls its file.
    files: Vec<(BindingIndex, Text)>,
    /// What was told of.
    told: Sight,
    /// What has changed since, and may not have settled yet.
    last: Sight,
    /// What was there when it began is not known to be dealt with.
    is_new: bool,
}

impl Watch {
    pub(super) fn new(system: Arc<System>, plan: &Plan, index: SystemIndex) -> Self {
        let mut files = Vec::new();
        for (at, binding) in plan.bindings.iter().enumerate() {
            if binding.system == index {
                let number = BindingIndex(u16::try_from(at).unwrap_or(u16::MAX));
                files.push((number, binding.table.table.clone()));
            }
        }
        Self { system, files, told: Sight::new(), last: Sight::new(), is_new: true }
    }

    async fn look(&self) -> Result<Sight, PortError> {
        let (system, files) = (Arc::clone(&self.system), self.files.clone());
        let action = format!("watch the folder of \"{}\"", self.system.name);
        blocking(&action, move || {
            let mut sight = Sight::new();
            for (binding, file) in files {
                let all = place::all(&system, &file)?;
                let identities = all.into_iter().filter_map(|(_, path)| {
                    let identity = Identity::at(&path)?;
                    Some((path, identity))
                });
                sight.insert(binding, identities.collect());
            }
            Ok(sight)
        })
        .await
    }

    /// A digest of all that was told of.
    fn position(&self) -> Position {
        let mut out = Vec::new();
        for (binding, files) in &self.told {
            out.extend(binding.0.to_be_bytes());
            for (path, identity) in files {
                out.extend(path.as_os_str().as_encoded_bytes());
                out.extend(identity.digest());
            }
        }
        let Digest(digest) = Digest::of(&out);
        Position(digest.to_vec())
    }

    /// What changed in one binding since it was told of, by others than us.
    fn changed(&self, binding: BindingIndex, now: &Sight) -> Option<Text> {
        let (before, now) = (self.told.get(&binding)?, now.get(&binding)?);
        let news = now.iter().find(|(path, identity)| {
            before.get(*path) != Some(identity) && !place::is_own(path, **identity)
        });
        let gone = before.keys().find(|path| !now.contains_key(*path));
        let (path, what) = match (news, gone) {
            (Some((path, _)), _) => (path, "changed"),
            (None, Some(path)) => (path, "is gone"),
            (None, None) => return None,
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Some(Text::from(format!("{name} {what}")))
    }
}

#[async_trait]
impl Listener for Watch {
    fn word(&self) -> &'static str {
        "watch"
    }

    async fn begin(&mut self, from: Option<&Position>) -> Result<Position, PortError> {
        self.told = self.look().await?;
        self.last = self.told.clone();
        let position = self.position();
        self.is_new = from.is_some_and(|from| *from != position);
        Ok(position)
    }

    async fn hear(&mut self, _rows: usize) -> Result<Heard, PortError> {
        if std::mem::take(&mut self.is_new) {
            let why = || Changed::Somewhere(Text::new("files changed while nobody looked"));
            let hints = self.files.iter().map(|(binding, _)| *binding);
            let hints = hints.map(|binding| Hint { binding, what: why(), at: None }).collect();
            return Ok(Heard { hints, upto: self.position(), more: false });
        }
        let until = tokio::time::Instant::now() + WAIT;
        let mut quiet_since = tokio::time::Instant::now();
        loop {
            let now = self.look().await?;
            if now != self.last {
                quiet_since = tokio::time::Instant::now();
                self.last.clone_from(&now);
            }
            let mut hints = Vec::new();
            for (binding, _) in &self.files {
                if let Some(why) = self.changed(*binding, &now) {
                    hints.push(Hint { binding: *binding, what: Changed::Somewhere(why), at: None });
                }
            }
            // What has not settled would not be read yet.
            let is_settled = quiet_since.elapsed() >= self.system.folder.settle;
            let is_quiet = hints.is_empty();
            if is_settled || is_quiet {
                self.told.clone_from(&now);
            }
            if is_settled && !is_quiet {
                return Ok(Heard { hints, upto: self.position(), more: false });
            }
            if is_quiet && tokio::time::Instant::now() >= until {
                return Ok(Heard { hints: Vec::new(), upto: self.position(), more: false });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn ack(&mut self, _upto: &Position) -> Result<(), PortError> {
        Ok(())
    }

    async fn retained(&mut self) -> Result<Retained, PortError> {
        Ok(Retained::default())
    }

    async fn remove(&mut self) -> Result<(), PortError> {
        Ok(())
    }
}
