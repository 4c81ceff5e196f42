//! Shows at which size a second thread starts to pay: passes below and above that size, on one and two threads.
//!
//! `cargo bench --bench threads`, and for `train` also with `RAYON_NUM_THREADS=1`

#[path = "workload/rates.rs"]
mod rates;
mod workload;

use criterion::{Criterion, criterion_group, criterion_main};
use elman::Scalar;
use rates::Rates;
use rayon::ThreadPoolBuilder;
use workload::passes::{Forward, Reads, Train};
use workload::{Size, size};

/// From three million multiply-adds on. A pass is split from 8.4 million on.
const SIZES: [Size; 7] = [
    size("small", 32, 16, [16, 64, 16]),
    size("double", 64, 16, [16, 64, 16]),
    size("quadruple", 64, 32, [16, 64, 16]),
    size("eightfold", 128, 32, [16, 64, 16]),
    size("columns", 64, 4, [64, 256, 64]),
    size("column", 64, 2, [64, 256, 64]),
    size("charlm", 64, 32, [64, 256, 64]),
];

fn forward<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "threads/forward");
    for size in SIZES {
        let mut pass = Forward::<A>::new(size, Reads::Vectors(size.x()));
        group.throughput(size.forward());
        for threads in [1, 2] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("two threads can be started");
            group.bench_function(format!("{size} on {threads}"), |b| {
                pool.install(|| b.iter(|| pass.run()));
            });
        }
    }
}

/// A training step that is called from outside of the pool: each of its two passes wakes the threads.
fn train<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "threads/train");
    for size in SIZES {
        let mut pass = Train::<A>::new(size, Reads::Vectors(size.x()));
        group.throughput(size.train());
        group.bench_function(size.to_string(), |b| b.iter(|| pass.run()));
    }
}

criterion_group! {
    name = benches;
    config = rates::criterion();
    targets = forward::<f32>, forward::<f64>, train::<f32>, train::<f64>
}
criterion_main!(benches);
