//! Clients for the checks and the load.

use std::collections::VecDeque;
use std::time::Duration;

use elman::Parameters;
use elman::cell::Stepper;
use futures_util::{SinkExt, StreamExt};
use ndarray::Array2;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::codec::{Framed, LinesCodec};

use crate::Result;
use crate::listener::Stream;

/// A server that takes longer than this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    lines: Framed<Box<dyn Stream>, LinesCodec>,
}

#[derive(Serialize)]
struct Request<'a> {
    x: &'a [f32],
}

#[derive(Deserialize)]
struct Answer {
    output: Vec<f32>,
}

/// The line of a request.
pub(crate) fn request(x: &[f32]) -> Result<String> {
    Ok(serde_json::to_string(&Request { x })?)
}

/// The output in the line of an answer.
pub(crate) fn output(answer: &str) -> Result<Vec<f32>> {
    let read: std::result::Result<Answer, _> = serde_json::from_str(answer);
    Ok(read.map_err(|error| format!("expected an output, found `{answer}`: {error}"))?.output)
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client::over(stream))
    }

    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Client { lines: Framed::new(Box::new(stream), LinesCodec::new()) }
    }

    pub(crate) async fn send(&mut self, line: &str) -> Result<()> {
        Ok(self.lines.send(line).await?)
    }

    /// Sends bytes as they are, without a line's end.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.lines.get_mut().write_all(bytes).await?)
    }

    /// The next line, or `None` where the server has closed the connection.
    pub(crate) async fn receive(&mut self) -> Result<Option<String>> {
        let line = timeout(PATIENCE, self.lines.next()).await.map_err(|_| "the server does not answer")?;
        Ok(line.transpose()?)
    }

    pub(crate) async fn ask(&mut self, line: &str) -> Result<String> {
        self.send(line).await?;
        Ok(self.receive().await?.ok_or("the server closed the connection instead of an answer")?)
    }

    /// Checks that the server's last line is this error, if any, and that it then closes the connection.
    pub(crate) async fn expect_end(&mut self, error: Option<&str>) -> Result<()> {
        let expected = error.map(|error| format!(r#"{{"error":"{error}"}}"#));
        let found = self.receive().await?;
        if found != expected || (found.is_some() && self.receive().await?.is_some()) {
            return Err(format!("expected {expected:?} and the end, found {found:?}").into());
        }
        Ok(())
    }
}

/// Random inputs from a seed.
pub(crate) struct Inputs {
    random: StdRng,
    n_x: usize,
}

impl Inputs {
    pub(crate) fn new(seed: u64, n_x: usize) -> Self {
        Inputs { random: StdRng::seed_from_u64(seed), n_x }
    }

    pub(crate) fn next(&mut self) -> Vec<f32> {
        (0..self.n_x).map(|_| self.random.random_range(-1.0..1.0)).collect()
    }
}

/// Takes one step, and returns the output.
pub(crate) fn step(stepper: &mut Stepper<f32>, x: Vec<f32>) -> Result<Vec<f32>> {
    stepper.step(&Array2::from_shape_vec((x.len(), 1), x)?)?;
    Ok(stepper.output().iter().copied().collect())
}

/// A client with random inputs that compares the bits of each answer with those of a stepper that runs alone.
pub(crate) struct Good {
    pub(crate) client: Client,
    /// What the server should compute.
    pub(crate) alone: Stepper<f32>,
    inputs: Inputs,
    expected: VecDeque<Vec<f32>>,
}

impl Good {
    pub(crate) async fn connect(address: &str, parameters: &Parameters<f32>, seed: u64) -> Result<Self> {
        Ok(Good::new(Client::connect(address).await?, parameters, seed))
    }

    pub(crate) fn new(client: Client, parameters: &Parameters<f32>, seed: u64) -> Self {
        let inputs = Inputs::new(seed, parameters.dims().n_x);
        Good { client, alone: Stepper::new(parameters, 1), inputs, expected: VecDeque::new() }
    }

    /// Sends requests without waiting for their answers.
    pub(crate) async fn send(&mut self, count: usize) -> Result<()> {
        let mut lines = String::new();
        for _ in 0..count {
            let x = self.inputs.next();
            lines += &(request(&x)? + "\n");
            self.expected.push_back(step(&mut self.alone, x)?);
        }
        self.client.send_bytes(lines.as_bytes()).await
    }

    /// Receives the answer to the first request that has none yet.
    pub(crate) async fn receive(&mut self) -> Result<()> {
        let answer = self.client.receive().await?.ok_or("a request got no answer")?;
        let expected = self.expected.pop_front().ok_or("there is no request")?;
        if bits(&output(&answer)?) != bits(&expected) {
            return Err(format!("expected {expected:?}, found {answer}").into());
        }
        Ok(())
    }

    pub(crate) async fn step(&mut self) -> Result<()> {
        self.send(1).await?;
        self.receive().await
    }

    pub(crate) async fn steps(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.step().await?;
        }
        Ok(())
    }
}
