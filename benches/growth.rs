//! Measures how the time of a pass grows with `n_a`, m, `T_x` and the vocabulary, on one thread. Prints where it grows most
//! beyond its multiply-adds. The peak of the multiply-adds is measured in the same run.
//!
//! ```text
//! cargo bench --features avx512 --bench growth -- --json docs/benchmarks/growth/MACHINE.json
//! cargo run --release --example benchmarks      draws the chart in docs/benchmarks.md
//! cargo bench --bench growth -- --quick         small sizes, once each
//! ```

#[path = "../examples/benchmarks/measurements.rs"]
#[allow(dead_code, reason = "the example `benchmarks` uses the rest")]
mod measurements;
#[path = "workload/peak.rs"]
mod peak;
#[path = "../examples/benchmarks/growth/places.rs"]
mod places;
mod workload;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs, thread};

use clap::Parser;
use elman::{Dims, Scalar};
use measurements::{Case, Machine};
use rayon::ThreadPoolBuilder;
use workload::passes::{Reads, Train};
use workload::{Size, size};

/// Measures how the time of a pass grows with its sizes.
#[derive(Debug, Parser)]
struct Arguments {
    /// File to write the measurements to
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// Measure f64 instead of f32
    #[arg(long)]
    f64: bool,
    /// Run small sizes, once each
    #[arg(long)]
    quick: bool,
    /// What `cargo bench` passes; without it, the run is a quick one
    #[arg(long, hide = true)]
    bench: bool,
}

/// One dimension that grows, in powers of two.
struct Axis {
    values: std::ops::RangeInclusive<u32>,
    size: fn(usize) -> Size,
    tokens: bool,
}

const AXES: [Axis; 4] = [
    Axis { values: 4..=12, size: |n_a| size("n_a", 16, 32, [64, n_a, 64]), tokens: false },
    Axis { values: 0..=10, size: |m| size("m", 16, m, [64, 256, 64]), tokens: false },
    Axis { values: 0..=17, size: |t_x| size("T_x", t_x, 1, [64, 256, 64]), tokens: false },
    Axis { values: 7..=17, size: |n_y| size("vocabulary", 16, 16, [n_y, 128, n_y]), tokens: true },
];

/// The most bytes that a case may take.
const MEMORY: usize = 4 << 30;
const VERSION: &str = env!("CARGO_PKG_VERSION");
const FEATURES: &str = if cfg!(feature = "avx512") { " --features avx512" } else { "" };
/// A case is measured for this time, and at least three times.
const SECONDS: f64 = 0.1;
const PEAK_SECONDS: f64 = 0.005;
/// A sample takes at least this long: several passes where one is shorter.
const SAMPLE_SECONDS: f64 = 1e-4;
/// The multiply-adds of the largest case of a quick run.
const QUICK: usize = 1 << 23;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let quick = arguments.quick || !arguments.bench;
    let one_thread = ThreadPoolBuilder::new().num_threads(1).build()?;
    let cases =
        one_thread.install(|| if arguments.f64 { measure::<f64>("f64", quick) } else { measure::<f32>("f32", quick) });
    let machine = Machine {
        name: machine_name()?,
        file: String::new(),
        date: output("date", &["-u", "+%F"])?.trim().to_owned(),
        command: format!(
            "cargo bench{FEATURES} --bench growth -- {}",
            env::args().skip(1).filter(|word| word != "--bench").collect::<Vec<_>>().join(" ")
        ),
        rounds: 1,
        seconds: if quick { 0.0 } else { SECONDS },
        versions: BTreeMap::from([("elman".to_owned(), format!("{VERSION} on {}", elman::instruction_set()))]),
        cases,
    };
    println!("\nThe largest growth beyond the multiply-adds, from one size to twice the size:");
    for place in places::worst(&machine.cases).iter().take(12) {
        println!("{place}");
    }
    match &arguments.json {
        Some(path) => Ok(fs::write(path, serde_json::to_string_pretty(&machine)? + "\n")?),
        None => Ok(()),
    }
}

/// Measures all cases in one precision. Quick ones are small and run once.
fn measure<A: Scalar>(dtype: &str, quick: bool) -> Vec<Case> {
    let (mut peaks, mut measured) = (Vec::new(), Vec::new());
    let seconds = if quick { 0.0 } else { SECONDS };
    for Axis { values, size, tokens } in AXES {
        for size in values.map(|power| size(1 << power)) {
            let multiply_adds =
                size.multiply_adds() - if tokens { size.t_x * size.m * size.dims.n_a * size.dims.n_x } else { 0 };
            if quick && multiply_adds > QUICK {
                continue;
            }
            if bytes::<A>(size, tokens) > MEMORY {
                println!("skipped, because it takes more than {} GiB: {dtype} {size}", MEMORY >> 30);
                continue;
            }
            peaks.push(peak_time::<A>());
            let reads = if tokens { Reads::Tokens(size.tokens()) } else { Reads::Vectors(size.x()) };
            let mut train = Train::<A>::new(size, reads);
            // The first pass allocates the memory of both.
            let time = median(seconds, || train.run());
            measured.push((size, "train", 3 * multiply_adds, time));
            measured.push((size, "forward", multiply_adds, median(seconds, || train.forward.run())));
        }
    }
    peaks.sort_by(f64::total_cmp);
    let peak = peaks[peaks.len() / 2];
    println!("{dtype}: {:.1} thousand million multiply-adds a second at the peak", 1e-9 / peak);
    let cases = measured
        .into_iter()
        .map(|(size, pass, multiply_adds, time)| case(dtype, size, pass, time, real(multiply_adds) * peak));
    cases.collect()
}

/// Prints a case and returns it. Times are in seconds.
fn case(dtype: &str, size: Size, pass: &str, time: f64, peak: f64) -> Case {
    println!("{dtype} {pass:>8} {:>10.4} ms {:>4.0} % of the peak  {size}", 1e3 * time, 100.0 * peak / time);
    let Dims { n_x, n_a, n_y } = size.dims;
    let milliseconds = [("elman", time), ("peak", peak)].map(|(name, time)| (name.to_owned(), 1e3 * time));
    Case {
        threads: 1,
        dtype: dtype.to_owned(),
        size: size.name.to_owned(),
        dims: [size.t_x, size.m, n_x, n_a, n_y],
        pass: pass.to_owned(),
        layers: 1,
        directions: 1,
        ragged: 0,
        milliseconds: BTreeMap::from(milliseconds),
    }
}

/// An upper estimate of the memory of a training pass: the weights, their gradient and two packed copies; of each row the
/// input and its gradient, the states, logits, probabilities, the gradient of the logits, and copies of a block.
fn bytes<A>(size: Size, tokens: bool) -> usize {
    let Dims { n_x, n_a, n_y } = size.dims;
    let row = if tokens { 0 } else { 3 * n_x } + 2 * n_a + 4 * n_y;
    size_of::<A>() * (4 * n_a * (n_x + n_a + n_y) + size.t_x * size.m * row)
}

/// The median time of one call, in seconds. The first call is not counted.
fn median(seconds: f64, mut pass: impl FnMut()) -> f64 {
    let mut time = |calls: u32| {
        let start = Instant::now();
        (0..calls).for_each(|_| pass());
        start.elapsed().as_secs_f64() / f64::from(calls)
    };
    time(1);
    let (mut calls, mut first) = (1, time(1));
    while seconds > 0.0 && first * f64::from(calls) < SAMPLE_SECONDS {
        calls *= 2;
        first = time(calls);
    }
    let (start, mut samples) = (Instant::now(), vec![first]);
    while seconds > 0.0 && (samples.len() < 3 || start.elapsed().as_secs_f64() < seconds) {
        samples.push(time(calls));
    }
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// The time of one multiply-add at the peak, in seconds.
fn peak_time<A>() -> f64 {
    let double = size_of::<A>() == 8;
    median(PEAK_SECONDS, || peak::run(double)) / real(peak::multiply_adds(double))
}

#[expect(clippy::cast_precision_loss, reason = "a count of multiply-adds is far below 2⁵³")]
fn real(count: usize) -> f64 {
    count as f64
}

/// The processor and its vector instructions, as `benches/peers/measure.py` writes them.
fn machine_name() -> Result<String, Box<dyn Error>> {
    let lscpu = output("lscpu", &[])?;
    let field = |name: &str| {
        let values = lscpu.lines().filter_map(|line| line.split_once(':'));
        values.into_iter().find(|(key, _)| key.trim() == name).map_or("", |(_, value)| value.trim())
    };
    let has = |flag: &&str| field("Flags").split(' ').any(|found| found == *flag);
    let flags = ["avx2", "fma", "avx512f"].into_iter().filter(has).collect::<Vec<_>>().join(" ");
    let (model, family, number) = (field("Model name"), field("CPU family"), field("Model"));
    Ok(format!("{model} (family {family}, model {number}), {flags}, {} cores", thread::available_parallelism()?))
}

/// What a program prints.
fn output(program: &str, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let run = Command::new(program).args(arguments).env("LC_ALL", "C").output();
    Ok(String::from_utf8(run.map_err(|error| format!("cannot run {program}: {error}"))?.stdout)?)
}
