//! TCP and Unix sockets behind one type.

use std::io;
#[cfg(unix)]
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;

use crate::Result;

/// A connection in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// The socket and its path.
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

impl Listener {
    pub(crate) async fn tcp(address: &str) -> Result<Self> {
        let bound = TcpListener::bind(address).await;
        Ok(Listener::Tcp(bound.map_err(|error| format!("cannot listen on {address}: {error}"))?))
    }

    /// Makes a Unix socket. The path must not exist.
    #[cfg(unix)]
    pub(crate) fn unix(path: PathBuf) -> Result<Self> {
        let bound = UnixListener::bind(&path);
        let bound = bound.map_err(|error| format!("cannot listen on {}: {error}", path.display()))?;
        Ok(Listener::Unix(bound, path))
    }

    pub(crate) fn address(&self) -> io::Result<String> {
        match self {
            Listener::Tcp(listener) => Ok(listener.local_addr()?.to_string()),
            #[cfg(unix)]
            Listener::Unix(_, path) => Ok(path.display().to_string()),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // An answer does not wait for more bytes. A client that has left already cannot be told so.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Listener::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

#[cfg(unix)]
impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // The file may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}
