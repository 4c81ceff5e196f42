//! Measures what the cost of a step on several ranks consists of, for `docs/scaling.md`.
//!
//! ```text
//! cargo build --release --examples
//! mpirun -n 2 target/release/examples/measure 64 32 64 256 64
//! ```
//!
//! The numbers are T, m, `n_x`, `n_a`, `n_y`; then may follow the number of shards (8) and of steps (40).

use std::env;
use std::error::Error;
use std::time::{Duration, Instant};

use elman::loss::{self, Loss, Reduction};
use elman::ndarray::{Array2, Array3, ShapeBuilder, s};
use elman::optim::{Optimizer, Sgd};
use elman::rand::rngs::Xoshiro256PlusPlus;
use elman::rand::{RngExt, SeedableRng};
use elman::sequence::Input;
use elman::shards::{Part, Shards, Sum};
use elman::{Dims, Upstream, init, sequence};
use elman_mpi::Ranks;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, Destination, Source};

type Memory = (sequence::Cache<f32>, Loss<f32>, sequence::Backward<f32>);

fn main() -> Result<(), Box<dyn Error>> {
    let ranks = Ranks::start(Duration::from_mins(10))?;
    let numbers = env::args().skip(1).map(|argument| argument.parse()).collect::<Result<Vec<usize>, _>>()?;
    let number = |index: usize, default| numbers.get(index).copied().unwrap_or(default);
    let (t_x, m) = (number(0, 64), number(1, 32));
    let dims = Dims { n_x: number(2, 64), n_a: number(3, 256), n_y: number(4, 64) };
    let (shards, steps) = (Shards::new(number(5, 8))?, number(6, 40));

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut p = init::torch::<f32>(dims, &mut rng);
    let x = Array3::from_shape_simple_fn((dims.n_x, m, t_x).f(), || rng.random_range(-1.0..1.0));
    let targets = Array2::from_shape_fn((m, t_x), |(j, t)| (j + t) % dims.n_y);
    let bytes = size_of_val(p.as_slice());
    if ranks.worker().count > 1 {
        link(&ranks, bytes);
    }

    let mut states = vec![(); ranks.shards(shards).len()];
    let (mut sum, mut sgd) = (Sum::<f32, Memory>::default(), Sgd::new(0.1));
    #[expect(clippy::cast_precision_loss, reason = "a count of labels is far below 2⁵³")]
    let mean = Reduction::Scaled(1.0 / (m * t_x) as f64);
    let mut seconds = Vec::new();
    for _ in 0..=steps {
        let start = Instant::now();
        let compute = |shard, (): &mut (), (cache, loss, back): &mut Memory, part: &mut Part<f32>| {
            let columns = shards.columns(shard, m);
            let x = x.slice(s![.., columns.clone(), ..]);
            sequence::forward_into(&p, Input::from(x).without_dx(), None, cache)?;
            loss::cross_entropy_into(&*cache, targets.slice(s![columns, ..]), mean, loss)?;
            back.discard_gradients();
            sequence::backward_into(&p, cache, Upstream::logits(&loss.dlogits), back)?;
            part.set(back.gradients.as_slice(), loss);
            Ok(())
        };
        let total = ranks.sum(&mut sum, shards, &mut states, compute);
        sgd.step(p.as_mut_slice(), &total.gradients)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    if ranks.is_root() {
        let digest = p.as_slice().iter().flat_map(|number| number.to_le_bytes());
        let digest = digest
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        // The first step makes room.
        let step = 1e3 * median(seconds.split_off(1));
        println!(
            "ranks {}  {t_x}·{m}·{}·{}·{}  {bytes} bytes  shards {}  {step:.3} ms a step  parameters {digest:016x}",
            ranks.worker().count,
            dims.n_x,
            dims.n_a,
            dims.n_y,
            shards.count(),
        );
    }
    Ok(())
}

/// Prints the time of a message from rank 0 to rank 1, of one byte and of a gradient: half the time there and back.
fn link(ranks: &Ranks, bytes: usize) {
    const MESSAGES: usize = 101;
    let world = SimpleCommunicator::world();
    let mut times = Vec::new();
    for size in [1, bytes] {
        let mut message = vec![0_u8; size];
        let mut seconds = Vec::new();
        for _ in 0..MESSAGES {
            let start = Instant::now();
            match ranks.worker().index {
                0 => {
                    world.process_at_rank(1).send(&message[..]);
                    world.process_at_rank(1).receive_into(&mut message[..]);
                }
                1 => {
                    world.process_at_rank(0).receive_into(&mut message[..]);
                    world.process_at_rank(0).send(&message[..]);
                }
                _ => {}
            }
            seconds.push(0.5 * start.elapsed().as_secs_f64());
        }
        times.push(median(seconds));
    }
    if ranks.is_root() {
        println!("α = {:.2} µs, a gradient of {bytes} bytes {:.1} µs", 1e6 * times[0], 1e6 * times[1]);
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
