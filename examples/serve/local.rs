//! A server in this process, on a free port.

use std::time::Duration;

use elman::Parameters;
use elman::cell::Network;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Result;
use crate::listener::Listener;
use crate::server::{Limits, Server};

#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) address: String,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Local {
    /// Limits that no client of a check or a measurement meets by accident.
    pub(crate) fn limits(clients: u32) -> Limits {
        Limits { clients, line: 1 << 16, idle: Duration::from_secs(60), grace: Duration::from_secs(10) }
    }

    pub(crate) async fn start(parameters: &Parameters<f32>, limits: Limits) -> Result<Self> {
        let (_, networks) = watch::channel(Network::new(parameters));
        let listener = Listener::tcp("127.0.0.1:0").await?;
        let (address, stop) = (listener.address()?, CancellationToken::new());
        let serve = Server::new(limits, networks).run(vec![listener], stop.clone().cancelled_owned());
        Ok(Local { address, stop, served: tokio::spawn(serve) })
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.served.await?)
    }
}
