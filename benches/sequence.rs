//! Benchmarks of a sequence: the forward pass, and a training step without the optimiser (forward, cross-entropy and
//! all gradients). Memory is reused, as in a training loop.
//!
//! `cargo bench --bench sequence`, or with part of a name: `cargo bench --bench sequence -- train/f32/charlm`.

mod workload;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use elman::loss::{self, Loss, Reduction};
use elman::{Scalar, Upstream, sequence};
use workload::{Rates, SIZES};

fn forward<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = workload::group::<A>(c, "sequence/forward");
    for size in SIZES {
        let (p, x, a0) = (size.parameters::<A>(), size.x(), size.a0());
        let mut cache = sequence::Cache::default();
        group.throughput(size.forward());
        group.bench_function(size.to_string(), |b| {
            b.iter(|| {
                sequence::forward_into(&p, black_box(&x), &a0, &mut cache).expect("the shapes agree");
                black_box(cache.output());
            });
        });
    }
}

fn train<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = workload::group::<A>(c, "sequence/train");
    for size in SIZES {
        let (mut p, x, a0, targets) = (size.parameters::<A>(), size.x(), size.a0(), size.targets());
        let (mut cache, mut loss, mut back) =
            (sequence::Cache::default(), Loss::default(), sequence::Backward::default());
        group.throughput(size.train());
        group.bench_function(size.to_string(), |b| {
            b.iter(|| {
                // An optimiser changes the weights between two passes, so they are packed again.
                black_box(p.as_mut_slice());
                sequence::forward_into(&p, black_box(&x), &a0, &mut cache).expect("the shapes agree");
                loss::cross_entropy_into(&cache, &targets, Reduction::Mean, &mut loss).expect("the labels are classes");
                back.gradients.fill(A::zero());
                let upstream = Upstream::logits(&loss.dlogits);
                sequence::backward_into(&p, &cache, upstream, &mut back).expect("the shapes agree");
                black_box(&back);
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = workload::criterion();
    targets = forward::<f32>, forward::<f64>, train::<f32>, train::<f64>
}
criterion_main!(benches);
