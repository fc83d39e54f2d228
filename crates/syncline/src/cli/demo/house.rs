//! The demo's dashboard, and whose turn it is: the story, whoever decides on the dashboard, and commands
//! from a second terminal have the hub one after the other.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{
    cli::Context,
    config, loan, measure,
    report::Failure,
    serve::{door::Door, journal::Journal},
};

/// Where the dashboard is if nobody else is there.
const PORT: u16 = 7_700;

/// Open for as long as it is kept.
pub(super) struct House {
    /// The address of the dashboard.
    pub(super) url: String,
    door: Door,
    lending: tokio::task::JoinHandle<()>,
}

impl House {
    /// Opens it.
    ///
    /// # Errors
    /// `server.address`; the configuration's.
    pub(super) async fn open(context: &Context) -> Result<Option<Self>, Failure> {
        measure::begin();
        let loaded = config::load(context)?;
        let journal = Journal::new(context);
        let at = |port| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let door = match Door::open(context, &loaded, at(PORT), &journal).await {
            Err(failure) if failure.code == "server.address" => {
                Door::open(context, &loaded, at(0), &journal).await?
            }
            other => other?,
        };
        let Some(door) = door else { return Ok(None) };
        let url = format!("http://{}/", door.address());
        let desk = loan::Desk::open(&loaded.hub_path()).map_err(|error| {
            Failure::new("hub.path", "the demo could not open its desk").cause(error.to_string())
        })?;
        let lending = tokio::spawn(async move {
            loop {
                match desk.next().await {
                    loan::Asked::Hub(borrower) => borrower.lend().await,
                    // Its file is read by every command.
                    loan::Asked::Anew(asker) => asker.answer(Ok(())).await,
                }
            }
        });
        Ok(Some(Self { url, door, lending }))
    }

    /// Closes it.
    pub(super) async fn close(self) {
        self.lending.abort();
        self.door.close().await;
    }
}
