//! A load of clients that each send a request, wait for the answer, and send the next.
//!
//! Server and clients share this process, so the clients' work is part of the numbers. Every answer is kept, and its
//! bits are compared after the measurement with those of a stepper that runs alone.

use std::time::{Duration, Instant};

use clap::Args;
use elman::cell::{Network, Stepper};
use elman::{Dims, Parameters, init};
use rand::{SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use crate::client::{Client, Inputs, bits, output, request, step};
use crate::local::Local;
use crate::model::Source;
use crate::server::seconds;
use crate::{Result, say};

/// Descriptors that the process needs besides two for each client.
const OTHER_DESCRIPTORS: u64 = 50;

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    source: Source,
    /// Numbers of clients, one measurement each
    #[arg(long, value_name = "NUMBER,…", value_delimiter = ',', default_values_t = [1, 100, 1000])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    clients: Vec<u32>,
    /// Seconds of each measurement
    #[arg(long, default_value = "5", value_parser = seconds)]
    seconds: Duration,
    /// A random network of so many hidden units, with the model's inputs and outputs
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    units: Option<u16>,
}

/// What one client has seen.
struct Record {
    seed: u64,
    latencies: Vec<Duration>,
    /// The values of all answers, one answer after the other.
    outputs: Vec<f32>,
}

#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) requests: usize,
    elapsed: Duration,
    /// From the shortest to the longest.
    latencies: Vec<Duration>,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "far below 2⁵³")]
    fn per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in microseconds that `percent` of the requests do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(rank).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }
}

pub(crate) async fn run(plan: &Plan) -> Result<()> {
    let mut parameters = plan.source.load()?;
    if let Some(units) = plan.units {
        let dims = Dims { n_a: units.into(), ..parameters.dims() };
        parameters = init::torch(dims, &mut StdRng::seed_from_u64(1));
    }
    let most = plan.clients.iter().copied().max().unwrap_or(0);
    check_descriptors(most)?;
    let Dims { n_x, n_a, n_y } = parameters.dims();
    say(format_args!("{n_x} inputs, {n_a} hidden units, {n_y} outputs; {:?} each\n", plan.seconds))?;
    say(format_args!(
        "{:>8} {:>12} {:>10} {:>10} {:>18}",
        "clients", "requests/s", "p50 µs", "p99 µs", "answers checked"
    ))?;
    for &clients in &plan.clients {
        let found = measure(&parameters, clients, plan.seconds).await?;
        let (rate, p50, p99) = (found.per_second(), found.percentile(50), found.percentile(99));
        say(format_args!("{clients:>8} {rate:>12.0} {p50:>10.1} {p99:>10.1} {:>18}", found.requests))?;
    }
    say("\nEvery answer has the bits of a stepper that runs alone on the same inputs.")?;
    Ok(())
}

/// Each client needs a descriptor, and so does its end in the server.
fn check_descriptors(clients: u32) -> Result<()> {
    let needed = 2 * u64::from(clients) + OTHER_DESCRIPTORS;
    // There is no number where it is unlimited, or where there is no such shell.
    let limit = std::process::Command::new("sh").args(["-c", "ulimit -n"]).output();
    let limit = limit.ok().and_then(|limit| String::from_utf8(limit.stdout).ok()?.trim().parse::<u64>().ok());
    match limit {
        Some(limit) if limit < needed => Err(format!(
            "{clients} clients need {needed} file descriptors, and `ulimit -n` is {limit}: raise it, or use fewer clients"
        )
        .into()),
        _ => Ok(()),
    }
}

/// Runs clients for a while, and checks every answer.
pub(crate) async fn measure(parameters: &Parameters<f32>, clients: u32, duration: Duration) -> Result<Measured> {
    let server = Local::start(parameters, Local::limits(clients)).await?;
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(Client::connect(&server.address).await?);
    }
    let start = Instant::now();
    let mut running = JoinSet::new();
    for (seed, client) in (1..).zip(connected) {
        running.spawn(drive(client, seed, parameters.dims().n_x, start + duration));
    }
    let mut records = Vec::new();
    while let Some(record) = running.join_next().await {
        records.push(record??);
    }
    let elapsed = start.elapsed();
    server.stop().await?;

    let network = Network::new(parameters);
    for record in &records {
        check(record, network.stepper(1))?;
    }
    let mut latencies: Vec<Duration> = records.into_iter().flat_map(|record| record.latencies).collect();
    latencies.sort_unstable();
    Ok(Measured { requests: latencies.len(), elapsed, latencies })
}

async fn drive(mut client: Client, seed: u64, n_x: usize, end: Instant) -> Result<Record> {
    let mut inputs = Inputs::new(seed, n_x);
    let mut record = Record { seed, latencies: Vec::new(), outputs: Vec::new() };
    loop {
        let request = request(&inputs.next())?;
        let sent = Instant::now();
        let answer = client.ask(&request).await?;
        record.latencies.push(sent.elapsed());
        record.outputs.extend(output(&answer)?);
        if Instant::now() >= end {
            return Ok(record);
        }
    }
}

/// Compares the answers that a client got with those of a stepper that runs `alone`.
fn check(record: &Record, mut alone: Stepper<f32>) -> Result<()> {
    let Dims { n_x, n_y, .. } = alone.network().dims();
    if record.outputs.len() != n_y * record.latencies.len() {
        return Err(format!("client {}: an answer has other than {n_y} values", record.seed).into());
    }
    let mut inputs = Inputs::new(record.seed, n_x);
    for (number, found) in record.outputs.chunks_exact(n_y).enumerate() {
        let expected = step(&mut alone, inputs.next())?;
        if bits(found) != bits(&expected) {
            let client = record.seed;
            return Err(format!("client {client}, answer {number}: expected {expected:?}, found {found:?}").into());
        }
    }
    Ok(())
}
