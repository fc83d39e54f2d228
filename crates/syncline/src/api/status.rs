//! `/status`: one screen.

use crate::{
    api::{reply::Reply, request::Request},
    cli::status,
    report::Failure,
    session::Session,
};

/// All at once.
pub(super) async fn all(session: &Session, _request: &Request) -> Result<Reply, Failure> {
    Ok(Reply::new(status::json(session, None).await?))
}
