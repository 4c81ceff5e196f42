//! Accepts clients within the limits, and drains at the end.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use elman::cell::Network;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection;
use crate::listener::Listener;
use crate::protocol::Session;

/// How many clients too many are told so at a time. Others are closed at once.
const REFUSALS: usize = 64;
/// The pause after a failure to accept a client, for example when all file descriptors are in use.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// How long requests that are on their way at a shutdown may take to arrive.
const ARRIVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Limits {
    /// Clients at a time
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) clients: u32,
    /// Bytes of a request's line
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 16)]
    pub(crate) line: usize,
    /// Seconds that a client may take to send a request, or to read an answer
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub(crate) idle: Duration,
    /// Seconds at a shutdown to answer the requests that have arrived
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) grace: Duration,
}

/// Reads a positive number of seconds.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|seconds| !seconds.is_zero()).ok_or_else(|| "expected a positive number of seconds".into())
}

#[derive(Debug)]
pub(crate) struct Server {
    limits: Limits,
    networks: watch::Receiver<Network<f32>>,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    connections: TaskTracker,
    /// Connections close when they have answered what has arrived.
    closing: CancellationToken,
    /// Connections end at once.
    cut: CancellationToken,
}

impl Server {
    pub(crate) fn new(limits: Limits, networks: watch::Receiver<Network<f32>>) -> Self {
        Server {
            limits,
            networks,
            places: Arc::new(Semaphore::new(limits.clients as usize)),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            connections: TaskTracker::new(),
            closing: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Serves until `stop` completes. Then no client is accepted, requests that have arrived are answered, and what is
    /// left after the grace period is cut off.
    pub(crate) async fn run(self, listeners: Vec<Listener>, stop: impl Future<Output = ()>) {
        let server = Arc::new(self);
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(Arc::clone(&server).accept(listener));
        }
        stop.await;
        accepting.shutdown().await;
        sleep(ARRIVAL).await;
        server.closing.cancel();
        server.connections.close();
        if timeout(server.limits.grace, server.connections.wait()).await.is_err() {
            crate::log(format_args!("cut off connections: {}", server.connections.len()));
            server.cut.cancel();
            server.connections.wait().await;
        }
    }

    async fn accept(self: Arc<Self>, listener: Listener) {
        loop {
            let stream = match listener.accept().await {
                Ok(stream) => stream,
                // The client has left already.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    crate::log(format_args!("cannot accept a client: {error}"));
                    sleep(AFTER_FAILURE).await;
                    continue;
                }
            };
            if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                let session = Session::new(self.networks.clone());
                let connection = connection::serve(stream, session, self.limits, self.closing.clone());
                self.spawn(async move { (connection.await, place) });
            } else if let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() {
                let error = format!("too many clients: at most {} at a time", self.limits.clients);
                self.spawn(async move { (connection::refuse(stream, error).await, place) });
            }
        }
    }

    /// Runs a connection until it ends or is cut off.
    fn spawn<T: Send + 'static>(&self, connection: impl Future<Output = T> + Send + 'static) {
        self.connections.spawn(self.cut.clone().run_until_cancelled_owned(connection));
    }
}
