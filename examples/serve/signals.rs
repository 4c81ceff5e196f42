//! Signals: stop the server, reload the model.

use std::io;

use elman::cell::Network;
use tokio::sync::watch;

use crate::model::Source;

/// Completes at the first `SIGTERM` or `SIGINT` after this call.
#[cfg(unix)]
pub(crate) fn stop() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(not(unix))]
pub(crate) fn stop() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without the handler, Ctrl-C ends the program at once.
            std::future::pending().await
        }
    })
}

/// Reads the model again at each `SIGHUP` after this call, and logs the result.
#[cfg(unix)]
pub(crate) fn reload(source: Source, networks: watch::Sender<Network<f32>>) -> io::Result<()> {
    use std::sync::Arc;

    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup())?;
    let shared = Arc::new((source, networks));
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let shared = Arc::clone(&shared);
            match tokio::task::spawn_blocking(move || shared.0.reload(&shared.1)).await {
                Ok(Ok(())) => crate::log("the model was reloaded"),
                Ok(Err(error)) => crate::log(format_args!("the old model stays: {error}")),
                Err(error) => crate::log(format_args!("the old model stays: the reload failed: {error}")),
            }
        }
    });
    Ok(())
}

/// Does nothing: only Unix has `SIGHUP`.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
pub(crate) fn reload(_: Source, _: watch::Sender<Network<f32>>) -> io::Result<()> {
    Ok(())
}
