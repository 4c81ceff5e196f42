//! One sequence of a million steps: its exact gradient in little memory, and how close truncated gradients come to it.
//!
//! ```text
//! cargo run --release --example long_sequence
//! cargo run --release --example long_sequence -- --plot long_sequence.svg
//! ```
//!
//! Stored whole, the hidden states of a million steps of 64 units take 256 MB in single precision, and the gradient
//! needs all of them. Checkpoints give the bit-identical gradient in a fraction of that memory, for one more forward
//! pass. Truncated back-propagation needs neither, but does not give the exact gradient. The program prints the cosine
//! of the angle between the two gradients, for windows of several lengths.

#[path = "../support/chart.rs"]
mod chart;
#[path = "../support/files.rs"]
mod files;
#[path = "../support/run.rs"]
mod run;

use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use chart::{Curve, Panel};
use clap::Parser;
use elman::loss::{Loss, Reduction, cross_entropy_into};
use elman::optim::{Adam, Optimizer};
use elman::sequence::{Backward, Checkpointed, Input, Truncated, backward_into};
use elman::{Dims, Gradients, Parameters, Upstream, init};
use files::Files;
use ndarray::{Array2, ArrayView2, ShapeBuilder, s};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use run::progress_bar;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SYMBOLS: usize = 8;
const DIMS: Dims = Dims { n_x: SYMBOLS, n_a: 64, n_y: SYMBOLS };
/// Window lengths of truncated back-propagation.
const WINDOWS: [usize; 5] = [3, 10, 30, 100, 300];
/// Memory limit of the whole program, in megabytes.
const MEMORY: f64 = 200.0;

/// Trains a network on one long sequence with its exact gradient, and compares truncated gradients with it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Number of steps of the sequence
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1000..))]
    length: u32,
    /// Megabytes for the states, gradients and everything else that the exact gradient needs
    #[arg(long, default_value_t = 20)]
    memory: usize,
    /// Number of updates with the exact gradient
    #[arg(long, default_value_t = 5)]
    updates: usize,
    /// Seed of the sequence and of the weights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Uses a short sequence, as a check
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    files: Files,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    arguments.files.check()?;
    let t_x = if arguments.quick { 20_000 } else { usize::try_from(arguments.length)? };
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let mut symbols = vec![0; t_x + 1];
    for t in 10..symbols.len() {
        // Every symbol repeats the one ten steps before; one in ten is drawn again.
        symbols[t] = if rng.random_bool(0.1) { rng.random_range(0..SYMBOLS) } else { symbols[t - 10] };
    }
    let symbols = Array2::from_shape_vec((1, t_x + 1).f(), symbols)?;
    let task = Task { read: symbols.slice(s![.., ..t_x]), next: symbols.slice(s![.., 1..]) };

    let mut p = init::keras::<f32>(DIMS, &mut rng);
    let mut adam = Adam::new(0.01);
    let bytes = arguments.memory.saturating_mul(1_000_000);
    println!("{t_x} steps, {} parameters, at most {} MB for the gradient:", DIMS.len(), arguments.memory);
    for update in 0..arguments.updates {
        let start = Instant::now();
        let (nats, gradients, segments) = task.exact_gradient(&p, bytes)?;
        adam.step(p.as_mut_slice(), gradients.as_slice())?;
        let seconds = start.elapsed().as_secs_f64();
        println!("  update {update}: {nats:.4} nats a step, {segments} segments, {seconds:.2} s");
    }

    let (_, exact, _) = task.exact_gradient(&p, bytes)?;
    println!("the gradient of TBPTT(k, k), summed over the sequence, compared with the exact one:");
    let mut cosines = Vec::new();
    for k in WINDOWS {
        let truncated = task.truncated_gradient(&p, k)?;
        let cosine = exact.dot(&truncated)? / (exact.norm() * truncated.norm());
        println!("  k = {k:<5} cosine {cosine:.4}, norm {:.3} of the exact one", truncated.norm() / exact.norm());
        cosines.push(cosine);
    }
    arguments.files.write(&[panel(&cosines)])?;
    if let Some(peak) = peak_memory() {
        println!("the program used at most {peak:.0} MB");
        if arguments.memory <= 100 && arguments.length <= 1_000_000 && peak > MEMORY {
            return Err(format!("{peak:.0} MB are more than the limit of {MEMORY} MB").into());
        }
    }
    if cosines.is_sorted() { Ok(()) } else { Err("longer windows are not closer to the exact gradient".into()) }
}

/// The cosines by the length of the window.
#[expect(clippy::cast_precision_loss, reason = "a window is far shorter than 2⁵³")]
fn panel(cosines: &[f64]) -> Panel<'static> {
    let points = WINDOWS.iter().zip(cosines).map(|(&k, &cosine)| ((k as f64).log10(), cosine)).collect();
    Panel {
        title: "How close a truncated gradient comes to the exact one",
        x: "log₁₀ of the window's steps",
        y: "cosine of the angle",
        curves: vec![Curve { label: "TBPTT(k, k)", points, dots: true }],
        ..Panel::default()
    }
}

/// The input symbols, and the next symbol for each: (1, `T_x`) each.
struct Task<'a> {
    read: ArrayView2<'a, usize>,
    next: ArrayView2<'a, usize>,
}

impl Task<'_> {
    /// The mean loss, its gradient, and the number of segments of the sequence.
    fn exact_gradient(&self, p: &Parameters<f32>, bytes: usize) -> Result<(f64, Gradients<f32>, usize)> {
        let (mut nats, mut segments, mut loss) = (0.0, 0, Loss::default());
        let input = Input::tokens(&self.read);
        let mut run = Checkpointed::forward_within(bytes, p, input, None)?;
        while let Some(segment) = run.next_segment()? {
            let targets = self.next.slice(s![.., segment.steps()]);
            cross_entropy_into(segment.cache(), targets, self.mean(), &mut loss)?;
            segment.backward(Upstream::logits(&loss.dlogits))?;
            nats += f64::from(loss.value);
            segments += 1;
        }
        Ok((nats, run.into_gradients().0, segments))
    }

    /// The gradient of the mean loss, truncated every `k` steps.
    fn truncated_gradient(&self, p: &Parameters<f32>, k: usize) -> Result<Gradients<f32>> {
        let mut windows = Truncated::new(Input::tokens(&self.read), None, k, k)?;
        let (mut loss, mut back) = (Loss::default(), Backward::default());
        let bar = progress_bar(self.read.ncols() as u64, &format!("steps with k = {k}"));
        while let Some(window) = windows.next_window(p)? {
            cross_entropy_into(windows.cache(), window.targets(&self.next), self.mean(), &mut loss)?;
            backward_into(p, windows.cache(), Upstream::logits(&loss.dlogits), &mut back)?;
            bar.set_position(window.steps.end as u64);
        }
        Ok(back.gradients)
    }

    fn mean(&self) -> Reduction {
        #[expect(clippy::cast_precision_loss, reason = "a count of steps is far below 2⁵³")]
        Reduction::Scaled(1.0 / self.next.len() as f64)
    }
}

/// The peak memory of this process in megabytes, if the system reports it.
fn peak_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    kilobytes.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kilobytes| kilobytes / 1e3)
}
