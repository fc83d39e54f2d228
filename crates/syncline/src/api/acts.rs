//! What is changed: by the function of the command of the same name, with the hub that the daemon lends,
//! one after the other. Who asked may go away meanwhile; what was begun is finished.

use std::{sync::Arc, time::Duration};

use axum::http::{StatusCode, header};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value as Json, json};
use syncline_core::name::RunId;
use syncline_ports::reader::{Reader as _, RunFilter};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    api::{
        PREFIX,
        access::Caller,
        looks::Looks,
        reply::Reply,
        request::{Request, typed},
        table::Route,
    },
    cli::Context,
    deeds::Deed,
    report::{Answer, Failure},
    traces,
};

/// So many may wait for their turn.
const WAITING: usize = 32;
/// How often it is looked whether a run has begun.
const LOOK: Duration = Duration::from_millis(50);

/// How a resource changes something.
pub(super) type Act =
    for<'a> fn(&'a Context, &'a Request) -> LocalBoxFuture<'a, Result<Answer, Failure>>;
/// How a resource puts on record that something begins that takes long and changes nothing.
pub(super) type Begin =
    for<'a> fn(&'a Context, &'a Request) -> LocalBoxFuture<'a, Result<RunId, Failure>>;
/// How it goes on then.
pub(super) type GoOn =
    for<'a> fn(&'a Context, &'a Request, RunId) -> LocalBoxFuture<'a, Result<Answer, Failure>>;

/// Work that takes long.
#[derive(Clone, Copy)]
pub(super) enum Long {
    /// It has the hub, and is a run of this kind.
    Alone(&'static str, Act),
    /// It looks at what is there, beside whatever else is done.
    Beside(Begin, GoOn),
}

/// Whose turn it is.
pub(super) struct Acts {
    context: Context,
    turn: Arc<Mutex<()>>,
    places: Arc<Semaphore>,
}

impl Acts {
    /// `context`: how the daemon was called.
    pub(super) fn new(context: &Context) -> Self {
        let context = Context {
            json: true,
            quiet: true,
            interactive: false,
            progress: false,
            yes: false,
            deed: None,
            ..context.clone()
        };
        let places = Arc::new(Semaphore::new(WAITING));
        Self { context, turn: Arc::default(), places }
    }

    /// Does it, and answers when it is done.
    ///
    /// # Errors
    /// `server.busy`; the command's.
    pub(super) async fn act(
        &self,
        route: &Route,
        caller: &Caller,
        request: Request,
        act: Act,
    ) -> Result<Reply, Failure> {
        let task = self.begin(route, caller, request, act, None)?;
        let answer = task.await.unwrap_or_else(|error| {
            Err(Failure::new("bug.unexpected", "it could not be done").cause(error.to_string()))
        })?;
        Ok(Reply::new(document(&answer)))
    }

    /// The same, but answers as soon as its run has begun; whoever said so waits so long for it to be done.
    ///
    /// # Errors
    /// `server.busy`; the command's, if it was refused before.
    pub(super) async fn begin_run(
        &self,
        route: &Route,
        caller: &Caller,
        looks: &Arc<Looks>,
        request: Request,
        work: Long,
        wait: Duration,
    ) -> Result<Reply, Failure> {
        let until = Instant::now() + wait;
        let (tell, mut told) = tokio::sync::watch::channel(None);
        let watching = Watching { looks: looks.clone(), tell };
        let mut task = match work {
            Long::Alone(_, act) => self.begin(route, caller, request, act, Some(watching))?,
            Long::Beside(begin, go_on) => {
                self.begin_beside(route, caller, request, (begin, go_on), watching)?
            }
        };
        let mut begun = None;
        loop {
            let done = tokio::select! {
                done = &mut task => Some(done),
                () = tokio::time::sleep(LOOK) => None,
            };
            let said: Option<Told> = *told.borrow_and_update();
            match (said, work, &begun) {
                (Some(Told::After(before)), Long::Alone(kind, _), None) => {
                    begun = run_after(looks, kind, before).await?;
                }
                (Some(Told::Begun(run)), _, None) => begun = Some(run.to_string()),
                (Some(_) | None, _, _) => {}
            }
            let done = match done {
                Some(done) => Some(done.unwrap_or_else(|error| {
                    Err(Failure::new("bug.unexpected", "it could not be done")
                        .cause(error.to_string()))
                })?),
                None => None,
            };
            if done.is_none() && (begun.is_none() || Instant::now() < until) {
                continue;
            }
            let is_awaited = done.is_some() && !wait.is_zero();
            let mut body = done.as_ref().map_or_else(|| json!({ "ok": null }), document);
            if let (Some(body), Some(run)) = (body.as_object_mut(), &begun) {
                body.insert("run".to_owned(), json!(run));
            }
            let status = if is_awaited { StatusCode::OK } else { StatusCode::ACCEPTED };
            let reply = Reply { status, ..Reply::new(body) };
            return Ok(match begun {
                Some(run) => reply.with(header::LOCATION, format!("{PREFIX}/runs/{run}")),
                None => reply,
            });
        }
    }

    fn begin(
        &self,
        route: &Route,
        caller: &Caller,
        request: Request,
        act: Act,
        watching: Option<Watching>,
    ) -> Result<tokio::task::JoinHandle<Result<Answer, Failure>>, Failure> {
        let (place, context) = self.place(route, caller, &request)?;
        let (turn, runtime) = (self.turn.clone(), tokio::runtime::Handle::current());
        let trace = traces::current();
        Ok(tokio::task::spawn_blocking(move || {
            runtime.block_on(traces::within(trace, async {
                let _turn = turn.lock().await;
                if let Some(Watching { looks, tell }) = watching {
                    let newest = newest_run(&looks).await?;
                    let _nobody_asks_any_more = tell.send(Some(Told::After(newest)));
                }
                let answer = act(&context, &request).await;
                drop(place);
                answer
            }))
        }))
    }

    /// Only its beginning waits for its turn: others may change something while it looks.
    fn begin_beside(
        &self,
        route: &Route,
        caller: &Caller,
        request: Request,
        (begin, go_on): (Begin, GoOn),
        watching: Watching,
    ) -> Result<tokio::task::JoinHandle<Result<Answer, Failure>>, Failure> {
        let (place, context) = self.place(route, caller, &request)?;
        let (turn, runtime) = (self.turn.clone(), tokio::runtime::Handle::current());
        let trace = traces::current();
        Ok(tokio::task::spawn_blocking(move || {
            runtime.block_on(traces::within(trace, async {
                let run = {
                    let _turn = turn.lock().await;
                    begin(&context, &request).await?
                };
                let _nobody_asks_any_more = watching.tell.send(Some(Told::Begun(run)));
                // What was begun is on the books already.
                let context = Context { deed: None, ..context };
                let answer = go_on(&context, &request, run).await;
                drop(place);
                answer
            }))
        }))
    }

    /// A place among those who wait, and how the command is called.
    fn place(
        &self,
        route: &Route,
        caller: &Caller,
        request: &Request,
    ) -> Result<(OwnedSemaphorePermit, Context), Failure> {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            return Err(Failure::new("server.busy", "too many wait for their turn already")
                .done("nothing was changed")
                .fix("come again in a moment"));
        };
        let context = Context {
            deed: Some(deed(route, request)),
            who: caller.who.clone(),
            scope: caller.entities.clone(),
            tag: request.seen().map(str::to_owned),
            ..self.context.clone()
        };
        Ok((place, context))
    }
}

/// Says which run it is.
struct Watching {
    looks: Arc<Looks>,
    tell: tokio::sync::watch::Sender<Option<Told>>,
}

/// Which run it is.
#[derive(Clone, Copy)]
enum Told {
    /// The first one of its kind after this.
    After(u64),
    /// This one.
    Begun(RunId),
}

/// What it does, for the books, in the words of the command line.
fn deed(route: &Route, request: &Request) -> Deed {
    let words: Vec<&str> = route.path.split('/').filter(|word| !word.is_empty()).collect();
    let first = words.first().copied().unwrap_or_default();
    let last = words.last().copied().unwrap_or_default();
    let last = match (route.method.as_str(), last) {
        ("DELETE", _) => "drop",
        ("PATCH", _) => "edit",
        (_, last) => last,
    };
    let what = match (first, last) {
        ("runs", "runs") => "run".to_owned(),
        ("plans", "plans") => "plan".to_owned(),
        ("plans", "apply") => "apply".to_owned(),
        (_, "retry" | "refresh" | "verify" | "pause" | "resume" | "rollback" | "test") => {
            last.to_owned()
        }
        ("guards", "approve") => "guards.apply".to_owned(),
        (first, last) => format!("{first}.{last}"),
    };
    let target = request.names().next().unwrap_or_default();
    let mut said = Vec::new();
    for (name, value) in request.body() {
        let flag = format!("--{}", name.replace('_', "-"));
        match value {
            Json::Bool(true) => said.push(flag),
            // Each as the command line says it.
            Json::Object(pairs) => {
                for (field, value) in pairs {
                    said.extend([flag.clone(), format!("{field}={}", typed(value))]);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                said.extend([flag, typed(value)]);
            }
        }
    }
    Deed { what, target: target.to_owned(), words: said }
}

/// What the command gave back.
fn document(answer: &Answer) -> Json {
    json!({
        "ok": answer.exit == crate::exit::Exit::Done,
        "exit": answer.exit.code(),
        "summary": answer.summary,
        "result": answer.result,
        "error": answer.error.as_ref().map(Failure::json),
    })
}

async fn newest_run(looks: &Arc<Looks>) -> Result<u64, Failure> {
    looks
        .with(|session| {
            Box::pin(
                async move { Ok(session.hub.runs(1).await?.first().map_or(0, |run| run.id.0)) },
            )
        })
        .await
}

/// The first run of this kind after that one.
async fn run_after(
    looks: &Arc<Looks>,
    kind: &'static str,
    before: u64,
) -> Result<Option<String>, Failure> {
    looks
        .with(move |session| {
            Box::pin(async move {
                let filter =
                    RunFilter { kind: Some(kind.into()), limit: 100, ..RunFilter::default() };
                let runs = session.hub.run_page(&filter).await?;
                let begun = runs.iter().rev().find(|run| run.id.0 > before);
                Ok(begun.map(|run| run.id.to_string()))
            })
        })
        .await
}
