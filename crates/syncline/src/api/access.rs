//! Who asks: by a token in the head, by the same token in a cookie of the dashboard, or, where the
//! configuration says nothing of tokens, whoever is on this machine.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use axum::http::{HeaderMap, header};
use syncline_adapters::hub::calls::Calls;

use crate::{
    api::table::Route,
    cli,
    config::Loaded,
    report::Failure,
    session::Session,
    tokens::{self, Role, Token},
};

/// What the cookie of a browser is called.
pub(super) const COOKIE: &str = "syncline_session";
/// So many requests of one caller are answered at once.
const AT_ONCE: usize = 32;
/// So many wrong tokens from one address in a minute; then it is only said that it was too much.
const WRONG: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
/// So many addresses are remembered.
const ADDRESSES: usize = 10_000;

/// Somebody who asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// As the books name them.
    pub(super) who: String,
    pub(super) role: Role,
    /// For which entities; `None`: for all.
    pub(super) entities: Option<Vec<String>>,
    /// The token, without its hash, for programs.
    pub(super) token: Option<serde_json::Value>,
}

impl Caller {
    /// Whether they may do it.
    ///
    /// # Errors
    /// `server.role`.
    pub(super) fn may(&self, route: &Route) -> Result<(), Failure> {
        if self.role < route.role {
            let (own, needed) = (self.role.word(), route.role.word());
            return Err(forbidden(format!("{} is {own}, and this needs {needed}", self.who))
                .fix(format!("ask with a token of the role {needed}")));
        }
        match &self.entities {
            Some(entities) if route.spans() => {
                let message = format!("{} is for {} only", self.who, entities.join(", "));
                Err(forbidden(message).fix("ask with a token for all entities"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What somebody may not do.
pub(crate) fn forbidden(message: String) -> Failure {
    Failure::new("server.role", message).done("nothing was read or changed")
}

/// Who is let in.
pub(super) struct Access {
    known: Mutex<Option<Known>>,
    running: Arc<Mutex<BTreeMap<String, usize>>>,
    wrong: Mutex<BTreeMap<IpAddr, (Instant, u32)>>,
    used: Mutex<BTreeMap<String, Instant>>,
    /// A token that no file has: it holds where the configuration says nothing of tokens.
    passing: Option<Arc<Vec<Token>>>,
}

/// The file of tokens, as it was read last.
struct Known {
    path: PathBuf,
    stamp: Option<(SystemTime, u64)>,
    tokens: Arc<Vec<Token>>,
}

impl Access {
    pub(super) fn new(passing: Option<Token>) -> Self {
        Self {
            passing: passing.map(|token| Arc::new(vec![token])),
            known: Mutex::default(),
            running: Arc::default(),
            wrong: Mutex::default(),
            used: Mutex::default(),
        }
    }

    /// The tokens as they stand in the file now; `None`: the configuration says nothing of tokens.
    ///
    /// # Errors
    /// `server.tokens_file`.
    pub(super) fn tokens(&self, loaded: &Loaded) -> Result<Option<Arc<Vec<Token>>>, Failure> {
        if loaded.draft.server.tokens.is_none() {
            return Ok(self.passing.clone());
        }
        let path = tokens::path(loaded)?;
        let found = std::fs::metadata(&path).ok();
        let stamp = found.and_then(|found| Some((found.modified().ok()?, found.len())));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(it) if it.path == path && it.stamp == stamp => Ok(Some(it.tokens.clone())),
            Some(_) | None => {
                let tokens = Arc::new(tokens::read(&path)?);
                *known = Some(Known { path, stamp, tokens: tokens.clone() });
                Ok(Some(tokens))
            }
        }
    }

    /// Who asks.
    ///
    /// # Errors
    /// `server.token`, `server.busy`.
    pub(super) fn caller(
        &self,
        tokens: Option<&[Token]>,
        headers: &HeaderMap,
        peer: IpAddr,
        calls: &Arc<Calls>,
    ) -> Result<Caller, Failure> {
        let Some(tokens) = tokens else {
            let who = cli::run::who();
            return Ok(Caller { who, role: Role::Admin, entities: None, token: None });
        };
        let secret = secret(headers).ok_or_else(|| unknown("no token was sent"))?;
        let token = self.token(tokens, secret, peer)?;
        self.note_use(&token.name, calls);
        Ok(Caller {
            who: format!("token:{}", token.name),
            role: token.role,
            entities: token.entities.clone(),
            token: Some(token.json(Some(Session::now()))),
        })
    }

    /// The token that this is.
    ///
    /// # Errors
    /// `server.token`, `server.busy`.
    pub(super) fn token<'a>(
        &self,
        tokens: &'a [Token],
        secret: &str,
        peer: IpAddr,
    ) -> Result<&'a Token, Failure> {
        let found = tokens::find(tokens, secret);
        match found {
            Some(token) if token.holds(Session::now()) => Ok(token),
            Some(token) => {
                self.is_wrong(peer)?;
                Err(unknown(&format!("the token {} has expired", token.name)))
            }
            None => {
                self.is_wrong(peer)?;
                Err(unknown("it is no token of this server, or was revoked"))
            }
        }
    }

    /// Counts wrong tokens.
    fn is_wrong(&self, peer: IpAddr) -> Result<(), Failure> {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= ADDRESSES {
            wrong.retain(|_, (since, _)| since.elapsed() < MINUTE);
            if wrong.len() >= ADDRESSES {
                wrong.clear();
            }
        }
        let (since, count) = wrong.entry(peer).or_insert_with(|| (Instant::now(), 0));
        if since.elapsed() > MINUTE {
            (*since, *count) = (Instant::now(), 0);
        }
        *count += 1;
        if *count > WRONG {
            return Err(Failure::new("server.busy", "too many wrong tokens from this address")
                .done("nothing was read or changed")
                .fix("come again in a minute, with a token that holds"));
        }
        Ok(())
    }

    /// Once a minute is enough for people.
    fn note_use(&self, name: &str, calls: &Arc<Calls>) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.get(name).is_some_and(|last| last.elapsed() < MINUTE) {
            return;
        }
        used.insert(name.to_owned(), Instant::now());
        let (calls, name) = (calls.clone(), name.to_owned());
        // Whether or not that can be noted, the request is answered.
        tokio::task::spawn_blocking(move || calls.note_use(&name, Session::now()));
    }

    /// A place among the requests of one caller.
    ///
    /// # Errors
    /// `server.busy`.
    pub(super) fn place(&self, caller: &Caller) -> Result<Place, Failure> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(caller.who.clone()).or_default();
        if *count >= AT_ONCE {
            return Err(Failure::new(
                "server.busy",
                format!("{} asks too much at once", caller.who),
            )
            .done("nothing was read or changed")
            .fix("wait for answers before asking more"));
        }
        *count += 1;
        Ok(Place { running: self.running.clone(), who: caller.who.clone() })
    }
}

/// Given back when it is dropped.
pub(super) struct Place {
    running: Arc<Mutex<BTreeMap<String, usize>>>,
    who: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.who) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                running.remove(&self.who);
            }
        }
    }
}

/// What was sent to prove who asks.
pub(super) fn secret(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim());
    }
    headers.get_all(header::COOKIE).iter().find_map(|value| {
        value.to_str().ok()?.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE).then_some(value)
        })
    })
}

fn unknown(cause: &str) -> Failure {
    Failure::new("server.token", "whoever asks is not known")
        .cause(cause)
        .done("nothing was read or changed")
        .fix("send Authorization: Bearer syn_…; syncline tokens new NAME --role ROLE makes one")
}
