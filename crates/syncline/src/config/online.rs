//! Looking at the systems' schemas.

use syncline_core::{Text, plan::Plan};

use crate::{
    config::{
        compile::{Live, LiveSystem},
        complaint::Complaint,
        load::Loaded,
    },
    exit::Exit,
    report::Failure,
};

mod compare;

/// What was seen of the systems.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The schemas of those that answered.
    pub(crate) live: Live,
    /// Why the others did not: the first failure, the rest named in it.
    pub(crate) failure: Option<Failure>,
}

/// Asks every system for the tables that the file names. Systems that do not answer are left out.
pub(crate) async fn look(loaded: &Loaded) -> Seen {
    let mut seen = Seen::default();
    for system in loaded.systems() {
        match look_at(loaded, system).await {
            Ok(found) => {
                seen.live.insert(Text::new(system), found);
            }
            Err(failure) => match &mut seen.failure {
                None => seen.failure = Some(failure.with_exit(Exit::Environment)),
                Some(first) => {
                    first.parts.push(("also", format!("{system}: {}", failure.message)));
                }
            },
        }
    }
    seen
}

/// Asks one system.
pub(crate) async fn look_at(loaded: &Loaded, system: &str) -> Result<LiveSystem, Failure> {
    let settings = loaded.settings(system).await?;
    let mut catalog = syncline_adapters::catalog(&settings).await?;
    let tables = loaded.tables(system);
    let described = catalog.describe(&tables).await?;
    let fitness = catalog.examine(&tables).await?;
    Ok(LiveSystem {
        tables: tables.into_iter().zip(described).collect(),
        has_marks: fitness.has_marks,
    })
}

impl Loaded {
    /// Columns that hold less than others of their field.
    pub(crate) fn narrow(&self, plan: &Plan, live: &Live) -> Vec<Complaint> {
        let found = self.unfit(plan, live);
        found.into_iter().filter(|found| found.code == "schema.narrow").collect()
    }

    /// Where the tables that were seen do not fit the file.
    pub(crate) fn unfit(&self, plan: &Plan, live: &Live) -> Vec<Complaint> {
        compare::compare(&self.draft, plan, live)
    }

    /// Compares the file with what was seen.
    pub(crate) fn compare(&self, seen: &Seen) -> Vec<Complaint> {
        let (plan, mut complaints) = self.compile(Some(&seen.live));
        complaints.extend(self.unfit(&plan, &seen.live));
        complaints
    }
}
