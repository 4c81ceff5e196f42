//! Benchmarks of a sequence: the forward pass, and a training step without the optimiser (forward, cross-entropy and
//! all gradients). Memory is reused, as in a training loop.
//!
//! `cargo bench --bench sequence`, or with part of a name: `cargo bench --bench sequence -- train/f32/charlm`.

#[path = "workload/rates.rs"]
mod rates;
mod workload;

use criterion::{Criterion, criterion_group, criterion_main};
use elman::Scalar;
use rates::Rates;
use workload::SIZES;
use workload::passes::{Forward, Reads, Train};

fn forward<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "sequence/forward");
    for size in SIZES {
        let mut pass = Forward::<A>::new(size, Reads::Vectors(size.x()));
        group.throughput(size.forward());
        group.bench_function(size.to_string(), |b| b.iter(|| pass.run()));
    }
}

fn train<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "sequence/train");
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
