//! `/config`: the configuration as it is understood; secrets are left out.

use serde_json::json;

use crate::{
    api::{reply::Reply, request::Request},
    config,
    report::Failure,
    session::Session,
};

/// The configuration.
pub(super) async fn show(session: &Session, _request: &Request) -> Result<Reply, Failure> {
    Ok(Reply::new(json!({
        "path": session.loaded.path.file_name().map(|name| name.to_string_lossy()),
        "configuration": config::json(&session.loaded),
        "yaml": config::yaml(&session.loaded),
    })))
}
