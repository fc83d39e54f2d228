//! What `serve` tells the person who starts it by hand: where the dashboard is, and the first token.
//!
//! A token is said to a terminal and nowhere else: what a service manager collects is kept for years.

use std::{
    io::IsTerminal as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use crate::{
    cli::{self, Context},
    config::Loaded,
    report::{self, Failure},
    tokens::{self, Role, Token},
};

/// Where the door is, unless said otherwise.
pub(super) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7_700);

/// A token that was just made.
#[derive(Default)]
pub(super) struct Greeting {
    secret: Option<String>,
    /// It is in no file, and holds as long as the process.
    pub(super) passing: Option<Token>,
}

/// Whether a person watches.
pub(super) fn is_watched(context: &Context) -> bool {
    !context.json && !context.quiet && std::io::stdout().is_terminal() && context.interactive
}

impl Greeting {
    /// Makes the first token: in the file, where that names one and it is empty; else, where the file says
    /// nothing of who may ask and only the person at the terminal wants the door (`for_person`), for as long
    /// as this process lives.
    ///
    /// # Errors
    /// Those of the file of tokens and of the hub.
    pub(super) async fn prepare(
        context: &Context,
        loaded: &Loaded,
        for_person: bool,
    ) -> Result<Self, Failure> {
        if !is_watched(context) {
            return Ok(Self::default());
        }
        if loaded.draft.server.tokens.is_some() {
            let is_first = tokens::read(&tokens::path(loaded)?)?.is_empty();
            let secret = if is_first {
                Some(Box::pin(cli::tokens::first(context, loaded)).await?)
            } else {
                None
            };
            return Ok(Self { secret, passing: None });
        }
        if !for_person {
            return Ok(Self::default());
        }
        let (secret, token) =
            Token::new(cli::tokens::FIRST, Role::Admin, None, None, &context.who)?;
        Ok(Self { secret: Some(secret), passing: Some(token) })
    }

    /// Says it, once.
    pub(super) fn say(&mut self, context: &Context, url: &str) {
        if !is_watched(context) {
            return;
        }
        let token = match (self.secret.take(), &self.passing) {
            (Some(secret), None) => format!("   first token (shown once): {secret}"),
            (Some(secret), Some(_)) => {
                format!("   token (shown once, holds until this ends): {secret}")
            }
            (None, _) => String::new(),
        };
        report::say(&format!("dashboard {url}/{token}"));
    }
}
