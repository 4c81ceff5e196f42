//! Checks of signals, with servers in processes of their own.

use std::ffi::OsStr;
use std::process::Stdio;

use elman::cell::Network;
use elman::io::{Tensors, safetensors};
use elman::{Dims, Parameters};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::client::{Client, Good, PATIENCE};
use crate::{Result, say};

/// This program as a server in a process of its own, which ends with this value.
struct Process {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    log: Lines<BufReader<ChildStderr>>,
    address: String,
}

impl Process {
    async fn start(options: &[&OsStr]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--listen", "127.0.0.1:0"]).args(options).kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
        let log = BufReader::new(child.stderr.take().ok_or("no standard error")?).lines();
        let mut process = Process { child, output, log, address: String::new() };
        process.address = process.listening().await?;
        Ok(process)
    }

    /// The next address that the server prints.
    async fn listening(&mut self) -> Result<String> {
        let line = next_line(&mut self.output).await?;
        Ok(line.strip_prefix("listening on ").ok_or_else(|| format!("no address in `{line}`"))?.into())
    }

    async fn signal(&self, name: &str) -> Result<()> {
        let process = self.child.id().ok_or("the server has ended")?;
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().await?;
        if status.success() { Ok(()) } else { Err(format!("kill: {status}").into()) }
    }

    /// Checks the next line of the log.
    async fn logs(&mut self, expected: &str) -> Result<()> {
        let line = next_line(&mut self.log).await?;
        if line.contains(expected) { Ok(()) } else { Err(format!("expected `{expected}` in `{line}`").into()) }
    }

    /// Checks that the server ends with 0.
    async fn ends(mut self) -> Result<()> {
        let status = timeout(PATIENCE, self.child.wait()).await.map_err(|_| "the server does not end")??;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

async fn next_line(lines: &mut Lines<impl AsyncRead + AsyncBufReadExt + Unpin>) -> Result<String> {
    let line = timeout(PATIENCE, lines.next_line()).await.map_err(|_| "the server prints nothing")??;
    Ok(line.ok_or("the server has ended")?)
}

/// Replaces the model file by a good one and by bad ones.
pub(crate) async fn reload(first: &Parameters<f32>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.safetensors");
    let save =
        |parameters: &Parameters<f32>| -> Result<()> { Ok(safetensors::save(&path, &Tensors::from(parameters))?) };
    let mut second = first.clone();
    second.as_mut_slice().iter_mut().for_each(|weight| *weight *= 0.5);
    let mut infinite = first.clone();
    infinite.by_mut()[0] = f32::INFINITY;
    let larger = Parameters::zeros(Dims { n_a: first.dims().n_a + 1, ..first.dims() });

    save(first)?;
    let mut server = Process::start(&["--model".as_ref(), path.as_os_str()]).await?;
    let mut good = Good::connect(&server.address, first, 1).await?;
    good.steps(3).await?;
    save(&second)?;
    server.signal("HUP").await?;
    server.logs("the model was reloaded").await?;
    // The hidden state of the old network, and the weights of the new one.
    good.alone.set_network(Network::new(&second))?;
    good.steps(3).await?;
    Good::connect(&server.address, &second, 2).await?.steps(3).await?;

    save(&infinite)?;
    server.signal("HUP").await?;
    server.logs("the old model stays: the model's by[0] is inf").await?;
    good.step().await?;
    save(&larger)?;
    server.signal("HUP").await?;
    server.logs("the old model stays: the file holds a network of").await?;
    good.step().await?;
    std::fs::write(&path, "no safetensors")?;
    server.signal("HUP").await?;
    server.logs("the old model stays: ").await?;
    good.step().await?;
    say("reload: a good file changes the answers and keeps the hidden states; three bad files are refused")?;
    Ok(())
}

/// Stops a server while requests wait: over TCP, and over a Unix socket.
pub(crate) async fn drain(parameters: &Parameters<f32>) -> Result<()> {
    // A Unix socket holds fewer answers than this, so the server still has requests to answer when it closes.
    const REQUESTS: usize = 1000;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("socket");
    let mut server = Process::start(&["--unix".as_ref(), path.as_os_str()]).await?;
    server.listening().await?;
    let mut waiting = Good::connect(&server.address, parameters, 1).await?;
    let mut local = Good::new(Client::over(UnixStream::connect(&path).await?), parameters, 2);
    let mut silent = Good::connect(&server.address, parameters, 3).await?;
    // A client that has an answer is accepted.
    for client in [&mut waiting, &mut local, &mut silent] {
        client.step().await?;
    }
    silent.client.send_bytes(br#"{"x":[1,0"#).await?;
    waiting.send(REQUESTS).await?;
    local.send(REQUESTS).await?;
    server.signal("TERM").await?;
    // The server has begun to close connections when this one ends.
    silent.client.expect_end(None).await?;
    drop(silent);
    for client in [&mut waiting, &mut local] {
        for _ in 0..REQUESTS {
            client.receive().await?;
        }
    }
    for mut client in [waiting, local] {
        client.client.expect_end(None).await?;
    }
    server.ends().await?;
    if path.exists() {
        return Err("the Unix socket is still there".into());
    }
    say(format_args!(
        "SIGTERM: {REQUESTS} requests that waited are answered, over TCP and a Unix socket; exit code 0"
    ))?;
    Ok(())
}

/// Stops a server while a client neither reads nor leaves.
pub(crate) async fn cut(parameters: &Parameters<f32>) -> Result<()> {
    let mut server = Process::start(&["--grace".as_ref(), "0.1".as_ref()]).await?;
    let mut client = Good::connect(&server.address, parameters, 1).await?;
    client.step().await?;
    server.signal("INT").await?;
    server.logs("cut off connections: 1").await?;
    server.ends().await?;
    say("SIGINT: a client that stays is cut off after the grace period; exit code 0")?;
    Ok(())
}
