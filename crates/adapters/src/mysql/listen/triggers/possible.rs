//! Whether our user may put triggers and a table of changes into a server: tried with statements that
//! change nothing, as other privileges are, so that roles count too.

use syncline_core::error::{ErrorKind, PortError};

use super::{Triggers, names};
use crate::mysql::{connect::Session, failure::Failure, listen::tables::Name};

/// Creating a trigger asks for `SUPER` where a log is written, unless the server trusts.
const NOT_TRUSTED: u16 = 1419;
/// No such column: the privileges were there, and nothing was created.
const NO_SUCH_COLUMN: u16 = 1054;
/// Somebody works with the table: the privileges were there.
const BUSY: u16 = 1205;

/// What keeps our user from it, and the statements that help.
pub(in crate::mysql) struct Lacking {
    pub(in crate::mysql) message: String,
    pub(in crate::mysql) fix: Vec<String>,
}

/// What keeps us from listening to this table by triggers.
pub(in crate::mysql) async fn refusal(
    session: &mut Session,
    table: &Name,
    database: &str,
    user: &str,
) -> Result<Option<Lacking>, Failure> {
    // Where it can be said, nobody is waited for, and nobody waits for us.
    let at_once =
        if session.server.is_mariadb { "set statement lock_wait_timeout = 0 for " } else { "" };
    let own = (table.0.clone(), "syncline_tries".to_owned());
    let trigger = format!(
        "{at_once}create trigger {} after insert on {} for each row \
         set @syncline = new.`no such column of syncline`",
        names::quoted(&own),
        names::quoted(table)
    );
    match session.run(&trigger).await {
        Ok(()) => {}
        Err(Failure::Server { code: NO_SUCH_COLUMN | BUSY, .. }) => {}
        Err(Failure::Server { code: NOT_TRUSTED, .. }) => return Ok(Some(not_trusted())),
        Err(failure @ Failure::Server { .. }) => {
            let fix = format!("GRANT SELECT, TRIGGER ON {} TO {user};", names::quoted(table));
            return Ok(Some(Lacking { message: failure.detail(), fix: vec![fix] }));
        }
        Err(failure) => return Err(failure),
    }
    // It is there: this asks for the privilege and does nothing.
    let creates = format!("create table if not exists {} (a int)", names::quoted(table));
    match session.run(&creates).await {
        Ok(()) => Ok(None),
        Err(failure @ Failure::Server { .. }) => {
            let fix = format!(
                "GRANT CREATE, ALTER, DROP, SELECT, INSERT, DELETE ON {}.* TO {user};",
                names::name(database)
            );
            Ok(Some(Lacking { message: failure.detail(), fix: vec![fix] }))
        }
        Err(failure) => Err(failure),
    }
}

fn not_trusted() -> Lacking {
    Lacking {
        message: "the server lets only `SUPER` create triggers while it writes a log".to_owned(),
        fix: vec!["SET GLOBAL log_bin_trust_function_creators = 1;".to_owned()],
    }
}

impl Triggers {
    /// Whether what listening needs is there or may be made.
    pub(super) async fn must_be_possible(&mut self) -> Result<(), PortError> {
        let watches = self.watches().await?;
        let database = self.settings.database.clone();
        for table in watches.tables() {
            let session = self.session().await?;
            let lacking = refusal(session, table, &database, "the user of Syncline").await;
            if let Some(lacking) = lacking.map_err(|failure| self.failed(&failure))? {
                return Err(self.forbidden(&lacking));
            }
        }
        Ok(())
    }

    fn forbidden(&self, lacking: &Lacking) -> PortError {
        let detail = format!(
            "{}: run `{}`, or set `detect: {{poll: 30s}}`",
            lacking.message,
            lacking.fix.join(" ").trim_end_matches(';')
        );
        PortError::new(ErrorKind::Forbidden, self.action.clone(), detail)
    }

    /// What kept us from setting up what listening needs.
    pub(super) fn explained(&self, failure: &Failure) -> PortError {
        if failure.code() == Some(NOT_TRUSTED) {
            return self.forbidden(&not_trusted());
        }
        self.failed(failure)
    }
}
