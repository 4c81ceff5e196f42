//! Trains the character model of the crate's example `char_rnn` on any number of ranks. Every number gives the same bits.
//!
//! ```text
//! cargo build --release --example char_rnn
//! mpirun -n 4 target/release/examples/char_rnn --steps 200 --save run.json
//! mpirun -n 3 target/release/examples/char_rnn --resume run.json
//! ```
//!
//! It prints a digest of the parameters, of the loss curve and of a sampled text. Run it from this folder.

#![allow(dead_code, reason = "the modules of the crate's example hold more than this one uses")]

mod arguments;
#[path = "../../../examples/char_rnn/checkpoint.rs"]
mod checkpoint;
#[path = "../../../examples/char_rnn/continuation.rs"]
mod continuation;
#[path = "../../../examples/char_rnn/curves.rs"]
mod curves;
mod digest;
#[path = "../../../examples/char_rnn/model.rs"]
mod model;
#[path = "../../../examples/char_rnn/reading.rs"]
mod reading;
#[path = "../../../examples/char_rnn/seeds.rs"]
mod seeds;
mod states;
#[path = "../../../examples/char_rnn/text.rs"]
mod text;
#[path = "../../../examples/char_rnn/training.rs"]
mod training;

use std::error::Error;
use std::process;
use std::time::{Duration, Instant};

use arguments::Arguments;
use clap::Parser;
use elman::sampling::Sampler;
use elman::shards::{Part, Shards, Sum};
use elman::stack::States;
use elman_mpi::Ranks;
use text::{Text, Vocabulary};
use training::{Columns, Memory, Run};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Number of sampled characters.
const SAMPLE: usize = 200;

fn main() {
    let arguments = Arguments::parse();
    let ranks = Ranks::start(Duration::from_secs(arguments.limit)).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        process::exit(1);
    });
    run(&arguments, &ranks).unwrap_or_else(|error| ranks.fail(&error));
}

fn run(arguments: &Arguments, ranks: &Ranks) -> Result<()> {
    let shards = Shards::new(arguments.shards)?;
    let source = text::built_in();
    let mut run = start(arguments, ranks, &source)?;
    let text = Text::new(&source, &run.model.vocabulary)?;
    if text.fingerprint != run.fingerprint {
        return Err("--resume: the run has read another text".into());
    }
    let before = run.steps_done();
    let started = Instant::now();
    train(&mut run, &text, shards, arguments, ranks)?;
    let seconds = started.elapsed().as_secs_f64();
    if ranks.is_root() {
        report(&run, ranks.worker().count, seconds / f64::from(u32::try_from(run.steps_done() - before)?.max(1)))?;
    }
    Ok(())
}

/// Starts a run, or continues one that the root reads from its file.
fn start(arguments: &Arguments, ranks: &Ranks, source: &str) -> Result<Run> {
    let Some(path) = &arguments.resume else {
        let vocabulary = Vocabulary::of(source)?;
        let text = Text::new(source, &vocabulary)?;
        return Run::new(arguments.settings(), &arguments.hidden(), vocabulary, &text);
    };
    let mut content = if ranks.is_root() { text::read(path)?.into_bytes() } else { Vec::new() };
    ranks.broadcast(&mut content);
    let mut run = checkpoint::of_content(&String::from_utf8(content)?, path)?;
    if let Some(steps) = arguments.steps {
        run.settings.steps = u64::from(steps).max(run.steps_done());
    }
    Ok(run)
}

/// Trains for the remaining steps. Each rank reads its own columns of the text.
fn train(run: &mut Run, text: &Text, shards: Shards, arguments: &Arguments, ranks: &Ranks) -> Result<()> {
    let batch = run.settings.batch;
    let mut own: Vec<(Columns<'_>, States<f32>)> = Vec::new();
    for shard in ranks.shards(shards) {
        let columns = shards.columns(shard, batch);
        let states = states::of_columns(&run.states, run.model.parameters.architecture(), columns.clone())?;
        own.push((Columns::new(run.settings, text, columns, run.place)?, states));
    }
    let mut sum = Sum::<f32, Memory>::default();
    while !run.is_complete() {
        let parameters = &run.model.parameters;
        let compute = |_, (columns, states): &mut (Columns<'_>, _), memory: &mut Memory, part: &mut Part<f32>| {
            columns.next_gradient(parameters, states, memory)?;
            part.set(memory.back.gradients.as_slice(), &memory.reader.loss);
            Ok(())
        };
        let Part { gradients, loss, count, .. } = ranks.sum(&mut sum, shards, &mut own, compute);
        run.update(gradients, *loss, *count)?;
        let step = run.steps_done();
        if arguments.fails_at(ranks.worker().index, step) {
            return Err(format!("--fail: stopped after step {step}").into());
        }
        if run.is_complete() || step.is_multiple_of(u64::from(arguments.every)) {
            save(run, &own, shards, arguments, ranks)?;
        }
    }
    Ok(())
}

/// Collects the hidden states of all columns, and saves the run on the root.
fn save(
    run: &mut Run,
    own: &[(Columns<'_>, States<f32>)],
    shards: Shards,
    arguments: &Arguments,
    ranks: &Ranks,
) -> Result<()> {
    let flat: Vec<f32> = own.iter().flat_map(|(_, states)| checkpoint::numbers_of(states)).collect();
    // The root has the first shard.
    let (Some(all), Some((columns, _))) = (ranks.gather(&flat), own.first()) else { return Ok(()) };
    run.place = columns.place;
    let flat = all.concat();
    let mut rest = &flat[..];
    for shard in 0..shards.count() {
        let columns = shards.columns(shard, run.settings.batch);
        rest = states::write_columns(&mut run.states, run.model.parameters.architecture(), columns, rest)?;
    }
    let held_out = run.average.unwrap_or_default();
    eprintln!("step {:<6} {held_out:.3} bits per character", run.steps_done());
    arguments.save.as_ref().map_or(Ok(()), |path| checkpoint::save(path, run))
}

/// Prints the digests of the run, and the time of a step.
fn report(run: &Run, ranks: usize, seconds: f64) -> Result<()> {
    let start = vec![run.model.vocabulary.encode("\n").unwrap_or_else(|_| vec![0])];
    let sampled = continuation::continue_all(&run.model, &start, SAMPLE, &Sampler::new(), run.settings.seed)?;
    let sampled = run.model.vocabulary.decode(&sampled[0]);
    println!(
        "ranks {ranks}  steps {}  parameters {:016x}  curve {:016x}  sample {:016x}  {:.2} ms a step",
        run.steps_done(),
        digest::of_numbers(run.model.parameters.as_slice()),
        digest::of_curve(&run.curves.training),
        digest::of_bytes(sampled.bytes()),
        1e3 * seconds,
    );
    Ok(())
}
