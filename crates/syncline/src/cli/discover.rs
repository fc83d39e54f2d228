//! `syncline discover`: looks at two systems, and proposes what belongs together. Writes nothing
//! unless it is asked to, and then only what `check --online` would pass.

mod fit;
mod sample;
mod show;

use clap::Args;

use crate::{
    cli::Context,
    config::{self, Loaded, Severity, similar},
    discover::{self, Proposal, Wish, write},
    report::{Answer, Failure},
};

/// Flags of `discover`.
#[derive(Debug, Args)]
pub(crate) struct Discover {
    /// A system of the configuration.
    a: String,
    /// Another one.
    b: String,
    /// Only this table, of either system; may be repeated.
    #[arg(long, value_name = "TABLE")]
    table: Vec<String>,
    /// So many rows of each table are read.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sample: u32,
    /// Add what is proposed to the configuration, marked `# proposed`.
    #[arg(long)]
    write: bool,
    /// Propose what is at least so certain, from 0 to 1.
    #[arg(long, value_name = "CONFIDENCE", default_value_t = 0.7, value_parser = share)]
    min: f64,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err("a number from 0 to 1".to_owned()),
    }
}

impl Discover {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let loaded = config::read(&context.config, context.env.as_deref())?;
        refuse_broken(&loaded, context)?;
        self.refuse_unknown_systems(&loaded)?;
        let wish = Wish {
            timezone: loaded.draft.timezone.as_ref().map(|zone| zone.value.to_string()),
            min: self.min,
        };
        let limits = sample::Limits { rows: self.sample as usize, only: &self.table };
        let (left, right) = futures_util::future::join(
            sample::side(&loaded, &self.a, limits),
            sample::side(&loaded, &self.b, limits),
        )
        .await;
        let (mut left, mut right) = (left?, right?);
        if !self.table.is_empty() {
            sample::narrow(&mut left, &mut right, &self.table)?;
        }
        let sampled = [&left, &right].map(sample::Sampled::rows_max);
        let tables = [&left, &right].map(|side| side.all);
        let known = fit::known(&loaded, &mut left.side, &mut right.side);
        let sides = [&left.side, &right.side];
        let proposal = {
            let (left, right) = (left.side.clone(), right.side.clone());
            // Much arithmetic: others may go on meanwhile.
            tokio::task::spawn_blocking(move || discover::propose(&left, &right, &wish))
                .await
                .map_err(|error| {
                    Failure::new("bug.unexpected", "the comparison broke off")
                        .cause(error.to_string())
                })?
        };
        let fitted = fit::fit(&loaded, context.env.as_deref(), proposal, sides).await?;
        let mut summary = show::Summary {
            systems: [&self.a, &self.b],
            tables,
            sampled,
            skipped: [left.skipped, right.skipped].concat(),
            known,
            written: None,
        };
        if self.write && !fitted.proposal.pairs.is_empty() {
            let (path, text) = (&context.config, &fitted.text);
            config::replace(path, text)?;
            summary.written = Some(path.display().to_string());
        }
        Ok(show::answer(&summary, &fitted.proposal, self.min))
    }

    fn refuse_unknown_systems(&self, loaded: &Loaded) -> Result<(), Failure> {
        let known: Vec<&str> = loaded.systems().collect();
        for name in [&self.a, &self.b] {
            if known.contains(&name.as_str()) {
                continue;
            }
            let near = similar::nearest(name, known.iter().copied());
            let fix = match near {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the configuration has {}", known.join(", ")),
            };
            return Err(Failure::new(
                "usage.unknown_system",
                format!("there is no system `{name}`"),
            )
            .done("nothing was contacted")
            .fix(fix));
        }
        if self.a == self.b {
            return Err(Failure::new("usage.arguments", "a system is compared with another one")
                .done("nothing was contacted")
                .fix(format!("the configuration has {}", known.join(", "))));
        }
        Ok(())
    }
}

/// A file that says no entity yet is what `init` writes; anything else must be in order.
fn refuse_broken(loaded: &Loaded, context: &Context) -> Result<(), Failure> {
    let wrong: Vec<_> = loaded
        .complaints
        .iter()
        .filter(|found| found.severity == Severity::Error && !is_about_no_entities(loaded, found))
        .cloned()
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(loaded.failure(&wrong, context.paint)) }
}

fn is_about_no_entities(loaded: &Loaded, found: &config::Complaint) -> bool {
    let entities = loaded.root.as_ref().and_then(|root| root.get("entities"));
    entities.is_none_or(|it| it.is_null()) && found.message.contains("entities")
}

/// What is proposed, and the file as it would be with it.
struct Fitted {
    proposal: Proposal,
    text: String,
}

/// Lines of all entities, in the order of the file.
fn lines_of(shapes: &[write::Shape<'_>]) -> Vec<(usize, write::Line)> {
    let mut all = Vec::new();
    for (at, shape) in shapes.iter().enumerate() {
        all.extend(write::lines(*shape).into_iter().map(|line| (at, line)));
    }
    all
}
