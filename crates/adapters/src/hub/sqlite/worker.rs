//! The one thread that makes commits, one after the other.
//!
//! Its connection may be borrowed while it is idle: it has the pages of the last commits in memory,
//! which a reader's connection forgets whenever somebody else has written.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use rusqlite::Connection;
use syncline_core::error::{ErrorKind, PortError};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The thread and the way to it. Dropping it finishes what was asked for and closes the file.
pub(super) struct Worker {
    connection: Arc<Mutex<Connection>>,
    /// How many jobs were handed in and are not done.
    waiting: Arc<AtomicUsize>,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread, which owns the connection from now on.
    pub(super) fn start(connection: Connection) -> Result<Self, PortError> {
        let connection = Arc::new(Mutex::new(connection));
        let mine = Arc::clone(&connection);
        let waiting = Arc::new(AtomicUsize::new(0));
        let done = Arc::clone(&waiting);
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || {
            while let Ok(job) = queue.recv() {
                job(&mut mine.lock().unwrap_or_else(PoisonError::into_inner));
                done.fetch_sub(1, Ordering::Release);
            }
        };
        let thread =
            std::thread::Builder::new().name("hub".into()).spawn(work).map_err(|error| {
                PortError::new(ErrorKind::Unexpected, "open the hub", error.to_string())
            })?;
        Ok(Self { connection, waiting, jobs: Some(jobs), thread: Some(thread) })
    }

    /// The connection, if no commit is under way, or about to be: whoever reads would keep it waiting.
    pub(super) fn idle(&self) -> Option<MutexGuard<'_, Connection>> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        self.connection.try_lock().ok()
    }

    /// Runs `work` there. `None` if the thread is gone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits any more: the commit was made all the same.
            let _ = answer.send(work(connection));
        });
        self.waiting.fetch_add(1, Ordering::Release);
        self.jobs.as_ref()?.send(job).ok()?;
        answered.await.ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to close.
            let _ = thread.join();
        }
    }
}
