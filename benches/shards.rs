//! The cost of shards: a training step of the whole batch, and the same step in V shards, in turns. Prints the medians and
//! their ratio.
//!
//! `cargo bench --bench shards`, or `cargo bench --bench shards -- charlm` for one size.

mod workload;

use std::env;
use std::hint::black_box;
use std::time::Instant;

use elman::loss::{self, Loss, Reduction};
use elman::shards::{Part, Shards, Sum};
use elman::{Parameters, Upstream, sequence};
use ndarray::{Array2, Array3, s};
use rayon::ThreadPoolBuilder;
use workload::{SIZES, Size};

type Memory = (sequence::Cache<f32>, Loss<f32>, sequence::Backward<f32>);

const SHARDS: [usize; 4] = [1, 2, 4, 8];
const ROUNDS: usize = 31;

/// A training step without the optimiser: forward, cross-entropy and all gradients.
struct Step {
    size: Size,
    p: Parameters<f32>,
    x: Array3<f32>,
    targets: Array2<usize>,
}

impl Step {
    /// Computes some columns of the batch, and their part of the mean loss.
    fn run(&self, columns: std::ops::Range<usize>, (cache, loss, back): &mut Memory) -> Result<(), elman::Error> {
        let x = self.x.slice(s![.., columns.clone(), ..]);
        sequence::forward_into(&self.p, sequence::Input::from(x).without_dx(), None, cache)?;
        #[expect(clippy::cast_precision_loss, reason = "a count of labels is far below 2⁵³")]
        let mean = Reduction::Scaled(1.0 / (self.size.m * self.size.t_x) as f64);
        loss::cross_entropy_into(&*cache, self.targets.slice(s![columns, ..]), mean, loss)?;
        back.discard_gradients();
        sequence::backward_into(&self.p, cache, Upstream::logits(&loss.dlogits), back)
    }
}

fn measure(size: Size, shards: usize, threads: usize) -> Result<(), elman::Error> {
    let mut step = Step { size, p: size.parameters(), x: size.x(), targets: size.targets() };
    let shards = Shards::new(shards)?;
    let (mut plain, mut sum) = (Memory::default(), Sum::<f32, Memory>::default());
    let mut states = vec![(); shards.count()];
    let [mut whole, mut parts] = [const { Vec::new() }; 2];
    // The first round of each makes room.
    for _ in 0..=ROUNDS {
        // An optimiser changes the weights between two steps, so they are packed again.
        black_box(step.p.as_mut_slice());
        let start = Instant::now();
        step.run(0..size.m, &mut plain)?;
        black_box(&plain);
        whole.push(start.elapsed().as_secs_f64());

        black_box(step.p.as_mut_slice());
        let start = Instant::now();
        let compute = |shard, (): &mut (), memory: &mut Memory, part: &mut Part<f32>| {
            step.run(shards.columns(shard, size.m), memory)?;
            part.set(memory.2.gradients.as_slice(), &memory.1);
            Ok::<(), elman::Error>(())
        };
        black_box(sum.run(shards, &mut states, compute)?);
        parts.push(start.elapsed().as_secs_f64());
    }
    let [whole, parts] = [whole, parts].map(|mut seconds| {
        seconds.remove(0);
        seconds.sort_unstable_by(f64::total_cmp);
        1e3 * seconds[ROUNDS / 2]
    });
    let v = shards.count();
    println!("{size}, V = {v}, threads {threads}: {whole:.3} ms whole, {parts:.3} ms in shards, {:.3}", parts / whole);
    Ok(())
}

fn main() -> Result<(), elman::Error> {
    // Cargo adds `--bench`, and `cargo test --benches` adds nothing: then one small size is enough.
    let arguments: Vec<String> = env::args().skip(1).collect();
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let has = |option| arguments.iter().any(|argument| argument == option);
    let quick = has("--quick") || !has("--bench");
    let sizes = if quick { &SIZES[..1] } else { &SIZES[1..5] };
    for size in
        sizes.iter().filter(|size| names.is_empty() || names.iter().any(|name| size.to_string().contains(*name)))
    {
        for threads in [1, 2] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("two threads can be started");
            SHARDS.iter().try_for_each(|&shards| pool.install(|| measure(*size, shards, threads)))?;
        }
    }
    Ok(())
}
