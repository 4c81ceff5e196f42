//! A server of predictions: each client has a hidden state of its own, and all share one network.
//!
//! ```text
//! cargo run --release --features safetensors --example serve -- --model model.safetensors
//! printf '{"x":[1,0,0]}\n{"token":1,"id":7}\n{"reset":true}\n' | nc -N 127.0.0.1 7878
//! cargo run --release --features safetensors --example serve -- load --clients 1,100,1000
//! ```
//!
//! `protocol.rs` describes the requests, `server.rs` the limits. For a server of your own, take `model`, `server`, `connection`,
//! `listener`, `protocol` and `signals`. `check`, `client`, `load`, `local`, `process` and `trials` test them. A network with
//! layers is a `stack::Network` in `model.rs` and `protocol.rs`.
//!
//! - `SIGHUP` reads the model file again. A network of the same dimensions replaces the old one for all clients, which
//!   keep their hidden states. Otherwise the old network stays, and the reason is on standard error.
//! - `SIGTERM` and `SIGINT` answer the requests that have arrived, close the connections and end the program.
//!
//! The model holds the float32 weights of a tanh network under the names of this crate or of PyTorch. The default is
//! the small network of `tests/fixtures/interop_torch.py`, with three inputs and five classes.

mod check;
mod client;
mod connection;
mod listener;
mod load;
mod local;
mod model;
#[cfg(unix)]
mod process;
mod protocol;
mod server;
mod signals;
mod trials;

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use elman::cell::Network;
use listener::Listener;
use model::Source;
use server::{Limits, Server};
use tokio::runtime::Builder;
use tokio::sync::watch;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Serves predictions to many clients: one JSON object a line.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Address to serve over TCP
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7878")]
    listen: String,
    /// Path of a Unix socket to serve, too
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    unix: Option<std::path::PathBuf>,
    #[command(flatten)]
    limits: Limits,
    /// Checks answers, limits, reload and shutdown, and ends
    #[arg(long)]
    quick: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures a server under load, and checks the bits of every answer
    Load(load::Plan),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log(format_args!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    // With tokio's default, connections that do not fit in a thread's own queue wait many times as long as the others.
    let runtime = Builder::new_multi_thread().enable_all().global_queue_interval(2).build()?;
    let result = match &arguments.command {
        _ if arguments.quick => runtime.block_on(check::run()),
        Some(Command::Load(plan)) => runtime.block_on(load::run(plan)),
        None => runtime.block_on(serve(arguments)),
    };
    // A model file that is still being read does not delay the end.
    runtime.shutdown_background();
    result
}

async fn serve(arguments: Arguments) -> Result<()> {
    let (publish, networks) = watch::channel(Network::new(&arguments.source.load()?));
    // Signals count from here on: before the address is printed.
    let stop = signals::stop()?;
    signals::reload(arguments.source, publish)?;
    let mut listeners = vec![Listener::tcp(&arguments.listen).await?];
    #[cfg(unix)]
    if let Some(path) = arguments.unix {
        listeners.push(Listener::unix(path)?);
    }
    for listener in &listeners {
        say(format_args!("listening on {}", listener.address()?))?;
    }
    Server::new(arguments.limits, networks).run(listeners, stop).await;
    Ok(())
}

/// Writes a line to standard error. The server goes on if that is closed.
fn log(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn say(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
