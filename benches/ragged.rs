//! Measures the cost of padding and of one-hot vectors: forward, cross-entropy and backward of the same batch. The
//! cases are: all steps filled; columns of different lengths, spread evenly from none to all, so that half of the steps
//! are padding; half of the columns; reversed; and token ids.
//!
//! Compare with `full` of the same run, on one thread: `RAYON_NUM_THREADS=1 cargo bench --bench ragged`.

#[path = "workload/rates.rs"]
mod rates;
mod workload;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use elman::loss::{Loss, Reduction, cross_entropy_into};
use elman::sequence::{self, Backward, Cache, Input};
use elman::{Scalar, Upstream};
use ndarray::Axis;
use rates::{Rates, criterion, group};
use workload::SIZES;

fn ragged<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = group::<A>(c, "ragged");
    for size in &SIZES[1..4] {
        let (mut p, x, a0, targets) = (size.parameters::<A>(), size.x::<A>(), size.a0::<A>(), size.targets());
        let (m, t_x) = targets.dim();
        let tokens = size.tokens();
        let even: Vec<usize> = (0..m).map(|j| (2 * j + 1) * t_x / (2 * m)).collect();
        let half_x = x.slice_axis(Axis(1), (..m / 2).into());
        // Tokens have no gradient of the input.
        let vectors = Input::from(&x).without_dx();
        let cases = [
            ("full", vectors, m),
            ("half the steps", vectors.lengths(&even), m),
            ("half the columns", Input::from(&half_x).without_dx(), m / 2),
            ("reversed", vectors.reversed(), m),
            ("tokens", Input::tokens(&tokens), m),
            ("half the tokens", Input::tokens(&tokens).lengths(&even), m),
        ];
        for (case, input, m) in cases {
            let a0 = a0.slice_axis(Axis(1), (..m).into());
            let targets = targets.slice_axis(Axis(0), (..m).into());
            let (mut cache, mut loss, mut back) = (Cache::default(), Loss::default(), Backward::default());
            group.bench_function(BenchmarkId::new(case, size), |b| {
                b.iter(|| {
                    // An optimiser changes the weights between two passes, so they are packed again.
                    black_box(p.as_mut_slice());
                    sequence::forward_into(&p, input, a0, &mut cache).unwrap();
                    cross_entropy_into(&cache, targets, Reduction::Mean, &mut loss).unwrap();
                    back.discard_gradients();
                    sequence::backward_into(&p, &cache, Upstream::logits(&loss.dlogits), &mut back).unwrap();
                });
            });
        }
    }
}

fn benchmarks(c: &mut Criterion<Rates>) {
    ragged::<f32>(c);
    ragged::<f64>(c);
}

criterion_group! { name = benches; config = criterion(); targets = benchmarks }
criterion_main!(benches);
