//! Connections of those who call: bounded in number, and in how long they may take to say what they
//! want; when the door closes, whoever is inside is answered.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use syncline_adapters::tls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// So many connections at once; more wait in the line of the operating system.
const CONNECTIONS: usize = 1_000;
/// What is shown to whoever calls, as the configuration stands; `None`: nothing is encrypted here.
pub(super) type Shown = Arc<RwLock<Option<Arc<ServerConfig>>>>;

/// The two must have agreed on how they encrypt within so long.
const GREETING_TIME: Duration = Duration::from_secs(10);
/// The head of a request must have come within so long; a connection that asks nothing is closed then.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The head of a request, in bytes.
const HEAD_MAX: usize = 64 << 10;
/// So long those who are inside have to be answered when the door closes.
const CLOSING: Duration = Duration::from_secs(5);

/// What bytes come and go through, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A listener with its connections. Ends when it is dropped.
pub(super) struct Connections {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Connections {
    /// Begins to accept.
    pub(super) fn accept(listener: TcpListener, routes: Router, shown: Shown) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(work(listener, routes, shown, stopped));
        Self { stop: Some(stop), task }
    }

    /// Accepts nobody any more, and waits until those who are inside are answered.
    pub(super) async fn close(mut self) {
        drop(self.stop.take());
        let _ended = tokio::time::timeout(CLOSING, &mut self.task).await;
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn work(
    listener: TcpListener,
    routes: Router,
    shown: Shown,
    mut stopped: oneshot::Receiver<()>,
) {
    let (inside, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            _ = &mut stopped => break,
        };
        let Ok((stream, peer)) = accepted else {
            // Too many open files, most likely: whoever is inside leaves some time.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (routes, watcher) = (routes.clone(), inside.watcher());
        let tls = shown.read().unwrap_or_else(PoisonError::into_inner).clone();
        tokio::spawn(async move {
            let routes = routes.map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request.map(Body::new)
            });
            let stream: Box<dyn Stream> = match tls {
                None => Box::new(stream),
                Some(config) => {
                    let greeting = TlsAcceptor::from(config).accept(stream);
                    // Whoever does not speak TLS, or believes another authority, is gone.
                    match tokio::time::timeout(GREETING_TIME, greeting).await {
                        Ok(Ok(stream)) => Box::new(stream),
                        Ok(Err(_)) | Err(_) => return,
                    }
                }
            };
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIME)
                .max_buf_size(HEAD_MAX)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
            // A connection that breaks is the caller's affair.
            let _broken = watcher.watch(connection).await;
            drop(place);
        });
    }
    drop(listener);
    inside.shutdown().await;
}
