//! `/status`: one screen.

use serde_json::{Value as Json, json};

use crate::{
    api::{reply::Reply, request::Request},
    cli::status,
    report::Failure,
    session::Session,
};

/// All at once.
pub(super) async fn all(session: &Session, request: &Request) -> Result<Reply, Failure> {
    let mut status = status::json(session, None).await?;
    let rows = status.get_mut("entities").and_then(Json::as_array_mut);
    if let (Some(scope), Some(rows)) = (request.scope(), rows) {
        rows.retain(|row| scope.iter().any(|name| row.get("entity") == Some(&json!(name))));
    }
    Ok(Reply::new(status))
}
