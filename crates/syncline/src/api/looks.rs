//! Looks into the hub, several at once. Each has a reader of its own that stays open between requests,
//! because opening one compiles the configuration; all of them stand beside the daemon and never in its way.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::LocalBoxFuture;
use tokio::sync::Semaphore;

use crate::{
    api::{reply::Reply, request::Request},
    cli::Context,
    config::Loaded,
    report::Failure,
    session::{Reach, Session, Use},
};

/// So many look at once; more than there are cores only wait for each other.
const AT_ONCE: usize = 8;
/// Whoever waits longer than this for a turn is asked to come again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a resource does with a reader.
pub(super) type Look =
    for<'a> fn(&'a Session, &'a Request) -> LocalBoxFuture<'a, Result<Reply, Failure>>;

/// Readers of the hub.
pub(super) struct Looks {
    context: Context,
    loaded: RwLock<Arc<Loaded>>,
    /// Counts configurations: a reader of an earlier one is not used again.
    generation: AtomicU64,
    idle: Mutex<Vec<Idle>>,
    places: Arc<Semaphore>,
}

/// A reader that nobody uses just now.
struct Idle {
    generation: u64,
    file: Option<FileId>,
    session: Session,
}

/// Which file the hub is: after a restore it is another one of the same name.
type FileId = (u64, u64);

impl Looks {
    /// By this configuration.
    pub(super) fn new(context: &Context, loaded: &Loaded) -> Arc<Self> {
        Arc::new(Self {
            context: Context { json: true, quiet: true, deed: None, ..context.clone() },
            loaded: RwLock::new(Arc::new(loaded.clone())),
            generation: AtomicU64::new(0),
            idle: Mutex::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// The configuration was read anew.
    pub(super) fn update(&self, loaded: &Loaded) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded.clone());
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The configuration as it stands.
    pub(super) fn loaded(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers a request.
    ///
    /// # Errors
    /// `server.busy`; the hub's; the resource's.
    pub(super) async fn ask(
        self: &Arc<Self>,
        request: Request,
        look: Look,
    ) -> Result<Reply, Failure> {
        self.with(move |session| Box::pin(async move { look(session, &request).await })).await
    }

    /// Looks, on a thread that may wait for the disk.
    ///
    /// # Errors
    /// `server.busy`; the hub's; the work's.
    pub(super) async fn with<T, F>(self: &Arc<Self>, work: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a Session) -> LocalBoxFuture<'a, Result<T, Failure>> + Send + 'static,
    {
        let place = tokio::time::timeout(PATIENCE, self.places.clone().acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(Failure::new("server.busy", "too many requests at once")
                .done("nothing was looked up")
                .fix("come again in a moment"));
        };
        let (looks, runtime) = (self.clone(), tokio::runtime::Handle::current());
        let asked = move || {
            runtime.block_on(async {
                let reader = looks.reader().await?;
                let reply = work(&reader.session).await;
                // One that could not read may have lost its file.
                if reply.is_ok() {
                    looks.give_back(reader);
                }
                drop(place);
                reply
            })
        };
        tokio::task::spawn_blocking(asked).await.unwrap_or_else(|error| {
            Err(Failure::new("bug.unexpected", "the request could not be answered")
                .cause(error.to_string()))
        })
    }

    async fn reader(&self) -> Result<Idle, Failure> {
        let generation = self.generation.load(Ordering::Relaxed);
        let loaded = self.loaded();
        let file = file_id(&loaded.hub_path());
        {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(found) = idle.pop() {
                if found.generation == generation && found.file == file {
                    return Ok(found);
                }
            }
        }
        let session =
            Session::of(Loaded::clone(&loaded), &self.context, Use::Look, Reach::Hub).await?;
        Ok(Idle { generation, file, session })
    }

    fn give_back(&self, reader: Idle) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
    }
}

fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
