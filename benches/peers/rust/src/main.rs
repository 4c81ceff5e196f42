//! The Rust peers: `elman-peers NAME` answers measure.py's requests on standard input.

mod problem;

mod peers {
    #[cfg(feature = "burn")]
    pub mod burn;
    pub mod elman;
    pub mod layers;
    pub mod ndarray;
    pub mod peak;
    pub mod rustyml;
}

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use problem::{Pass, Problem, Real};

/// One case, ready to run.
trait Peer {
    fn run(&mut self);

    /// The result of the last run, in the order that measure.py compares: the output, or the loss and the gradients of
    /// wax, waa, wya, ba and by.
    fn result(&self) -> Vec<f64>;

    /// Factor for the measured times.
    fn scale(&self) -> f64 {
        1.0
    }
}

/// The peers in this build.
const NAMES: &[&str] = &[
    "elman",
    "without-dx",
    "peak",
    "layers",
    "ndarray",
    "rustyml",
    #[cfg(feature = "burn")]
    "burn",
];

fn load<A: Real>(name: &str, problem: Problem<A>) -> Option<Box<dyn Peer>> {
    let is_stack = !problem.stack.is_empty();
    // Stacks compute no dx, and a forward pass has none.
    if name == "without-dx" && (is_stack || problem.pass != Pass::Train) {
        return None;
    }
    if (is_stack || problem.pass == Pass::Step) && !matches!(name, "elman" | "peak" | "layers") {
        return None;
    }
    match name {
        "elman" if is_stack => Some(Box::new(peers::elman::Stack::new(problem))),
        "elman" => Some(peers::elman::load(problem, true)),
        "without-dx" => Some(peers::elman::load(problem, false)),
        "layers" => peers::layers::load(problem),
        "ndarray" => Some(Box::new(peers::ndarray::Plain::new(problem))),
        "rustyml" => peers::rustyml::load(problem),
        #[cfg(feature = "burn")]
        "burn" => Some(Box::new(peers::burn::Burn::new(problem))),
        "peak" => Some(Box::new(peers::peak::Peak::new(&problem))),
        _ => unreachable!("{name} is not in NAMES"),
    }
}

/// A sample is the mean over as many calls as take this long, which makes the cost of the clock negligible.
const SAMPLE: Duration = Duration::from_millis(1);

/// Samples in milliseconds over `budget`, at least one.
fn sample(peer: &mut dyn Peer, budget: Duration) -> Vec<f64> {
    let (mut samples, mut calls, start) = (Vec::new(), 1, Instant::now());
    loop {
        let begin = Instant::now();
        (0..calls).for_each(|_| peer.run());
        let elapsed = begin.elapsed();
        if elapsed < SAMPLE {
            calls *= 2;
            continue;
        }
        samples.push(1e3 * elapsed.as_secs_f64() / f64::from(calls) * peer.scale());
        if start.elapsed() >= budget {
            return samples;
        }
    }
}

fn answer<A: Real>(name: &str, words: &[&str]) -> io::Result<Option<Box<dyn Peer>>> {
    let Some(mut peer) = load(name, Problem::<A>::read(words)?) else {
        return Ok(None);
    };
    peer.run();
    let bytes: Vec<u8> = peer.result().into_iter().flat_map(|v| A::of(v).bytes()).collect();
    std::fs::write(words[words.len() - 1], bytes)?;
    Ok(Some(peer))
}

fn main() -> io::Result<()> {
    let name = std::env::args().nth(1).expect("the name of a peer");
    if !NAMES.contains(&name.as_str()) {
        eprintln!("{name} is not in this build");
        std::process::exit(1);
    }
    let mut peer = None;
    // The lock file has the version.
    println!("-");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["load", "f32", ..] => peer = answer::<f32>(&name, &words[2..])?,
            ["load", "f64", ..] => peer = answer::<f64>(&name, &words[2..])?,
            ["time", seconds] => {
                let budget = Duration::from_secs_f64(seconds.parse().expect("seconds"));
                let peer: &mut Box<dyn Peer> = peer.as_mut().expect("a loaded case");
                let samples = sample(peer.as_mut(), budget);
                let samples: Vec<String> = samples.iter().map(f64::to_string).collect();
                println!("{}", samples.join(" "));
                continue;
            }
            _ => panic!("not a request: {line}"),
        }
        println!("{}", if peer.is_some() { "ok" } else { "unsupported" });
        io::stdout().flush()?;
    }
    Ok(())
}
