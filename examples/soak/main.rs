//! Random problems for minutes or days: each is computed along several routes, which must agree to the last bit.
//!
//! ```text
//! cargo run --release --all-features --example soak -- --minutes 60
//! cargo run --release --all-features --example soak -- --seed 8317 --problems 1
//! ```
//!
//! A problem is a network of one to three layers, in `f32` or `f64`, with an input of random sizes, strides and reading:
//! vectors or token ids, columns of different lengths, reversed time, dropout. The routes are
//!
//! - the whole batch on one thread in new memory, on several threads in used memory, and on a pool inside a pool;
//! - shuffled groups of columns, and chunks of steps;
//! - one step at a time through `cell::forward`, layer by layer, for single columns;
//! - one step at a time through a stepper whose columns end one after the other;
//! - `Checkpointed` with random memory, and `sequence` where there is one layer.
//!
//! Gradients of groups of columns must add up to the gradient of the batch, and the derivative along a random direction
//! must be that of central differences. Networks and checkpoints must survive every file format, and a damaged file must
//! be an error or a network. The features decide which formats there are.
//!
//! A failure prints the seed of its problem and the command that repeats it.

mod files;
mod gradients;
mod problem;
#[path = "../support/progress.rs"]
mod progress;
mod results;
mod routes;

use std::any::Any;
use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use elman::Scalar;
use elman::stack::Direction;
use problem::Problem;
use progress::progress_bar;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Generator = Xoshiro256PlusPlus;

/// Compares many ways to compute the same random problems.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stops after so many minutes
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Stops after so many problems
    #[arg(long)]
    problems: Option<u64>,
    /// Seed of the first problem; the next problems have the next seeds. Drawn from the clock if not given
    #[arg(long)]
    seed: Option<u64>,
    /// Runs a few problems, as a check
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let limit = Duration::try_from_secs_f64(60.0 * arguments.minutes)?;
    let problems = if arguments.quick { Some(60) } else { arguments.problems };
    let first = match arguments.seed {
        Some(seed) => seed,
        None if arguments.quick => 1,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    let bar =
        problems.map_or_else(|| progress_bar(limit.as_secs(), "seconds"), |count| progress_bar(count, "problems"));
    let (start, mut total) = (Instant::now(), Tally::default());
    while start.elapsed() < limit && problems.is_none_or(|count| total.problems < count) {
        let seed = first.wrapping_add(total.problems);
        let found = panic::catch_unwind(AssertUnwindSafe(|| check(seed)));
        total.add(&found.unwrap_or_else(|panic| Err(message(&*panic).into())).map_err(|error| {
            bar.abandon();
            format!(
                "{error}\nrepeat with: cargo run --release --all-features --example soak -- --seed {seed} --problems 1"
            )
        })?);
        bar.set_position(problems.map_or(start.elapsed().as_secs(), |_| total.problems));
        bar.set_message(format!("{} problems", total.problems));
    }
    bar.finish_and_clear();
    println!(
        "{} problems from seed {first} in {:.1} minutes on {}, without a difference",
        total.problems,
        start.elapsed().as_secs_f64() / 60.0,
        elman::instruction_set()
    );
    println!("  {} results compared bit by bit along {} routes", total.results, total.routes);
    println!("  {} files read back, {} damaged files read", total.files, total.damaged);
    println!(
        "  gradients of groups of columns: the sum is off by at most {:.1e} of the allowed error",
        total.worst_sum
    );
    let (derivatives, worst) = (total.derivatives, total.worst_derivative);
    println!("  {derivatives} directional derivatives: off by at most {worst:.1e} of the allowed error");
    Ok(())
}

/// What the checks of a problem, or of many, have compared.
#[derive(Debug, Default)]
struct Tally {
    problems: u64,
    routes: u64,
    results: u64,
    files: u64,
    damaged: u64,
    derivatives: u64,
    /// The largest error of a sum of gradients, and of a directional derivative, as shares of their bounds.
    worst_sum: f64,
    worst_derivative: f64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.problems += other.problems;
        self.routes += other.routes;
        self.results += other.results;
        self.files += other.files;
        self.damaged += other.damaged;
        self.derivatives += other.derivatives;
        self.worst_sum = self.worst_sum.max(other.worst_sum);
        self.worst_derivative = self.worst_derivative.max(other.worst_derivative);
    }
}

/// Checks the problem of a seed.
fn check(seed: u64) -> Result<Tally> {
    let mut rng = Generator::seed_from_u64(seed);
    if rng.random() { check_in::<f32>(&mut rng) } else { check_in::<f64>(&mut rng) }
}

fn check_in<A: Scalar>(rng: &mut Generator) -> Result<Tally> {
    let problem = Problem::<A>::draw(rng);
    let mut tally = Tally { problems: 1, ..Tally::default() };
    routes::check(&problem, rng, &mut tally).map_err(|error| format!("{problem}: {error}"))?;
    gradients::check(&problem, rng, &mut tally).map_err(|error| format!("{problem}: {error}"))?;
    files::check(&problem, rng, &mut tally).map_err(|error| format!("{problem}: {error}"))?;
    Ok(tally)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("without a message"))
}

/// The layers and directions of a stack, in the order of its parameters.
fn directions(architecture: &elman::stack::Architecture) -> impl Iterator<Item = (usize, Direction)> {
    architecture.layers().iter().enumerate().flat_map(|(layer, shape)| {
        [Direction::Forward, Direction::Reverse]
            .into_iter()
            .take(1 + usize::from(shape.bidirectional))
            .map(move |direction| (layer, direction))
    })
}

/// A number in the element type.
fn number<A: Scalar>(value: f64) -> A {
    A::from(value).expect("every float has a nearest one of another precision")
}
