//! Benchmarks of one step: [`cell::forward`] and [`cell::backward`] pack the weights at every call, above four columns;
//! [`cell::Stepper`] has packed them once.
//!
//! `cargo bench --bench cell`, or with part of a name: `cargo bench --bench cell -- step/f32/stream`.

#[path = "workload/rates.rs"]
mod rates;
mod workload;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use elman::{Scalar, Upstream, cell};
use rates::Rates;
use workload::passes::Step;
use workload::{SIZES, Size};

fn forward<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "cell/forward");
    for size in SIZES.map(Size::one_step) {
        let (p, xt, a_prev) = (size.parameters::<A>(), size.xt(), size.a0());
        group.throughput(size.forward());
        group.bench_function(size.to_string(), |b| {
            b.iter(|| cell::forward(&p, black_box(&xt), &a_prev).expect("the shapes agree"));
        });
    }
}

fn backward<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "cell/backward");
    for size in SIZES.map(Size::one_step) {
        let p = size.parameters::<A>();
        let cache = cell::forward(&p, &size.xt(), &size.a0()).expect("the shapes agree");
        let dlogits = size.dlogits();
        group.throughput(size.backward());
        group.bench_function(size.to_string(), |b| {
            let upstream = Upstream::logits(&dlogits);
            b.iter(|| cell::backward(&p, black_box(&cache), upstream).expect("the shapes agree"));
        });
    }
}

fn step<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "cell/step");
    for size in SIZES.map(Size::one_step) {
        let mut pass = Step::<A>::new(size);
        group.throughput(size.forward());
        group.bench_function(size.to_string(), |b| b.iter(|| pass.run()));
    }
}

/// One column of a small network, with the softmax and without: no other work hides the latency of a step.
fn latency<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = rates::group::<A>(c, "cell/latency");
    for (name, n_a) in [("16", 16), ("32", 32), ("64", 64), ("128", 128)] {
        let size = workload::size(name, 1, 1, [16, n_a, 4]);
        let (stepper, xt) = (cell::Stepper::new(&size.parameters::<A>(), 1), size.xt());
        group.throughput(size.forward());
        for (output, mut stepper) in [("", stepper.clone()), (", logits only", stepper.without_output())] {
            group.bench_function(format!("{size}{output}"), |b| {
                b.iter(|| {
                    stepper.step(black_box(&xt)).expect("the shapes agree");
                    black_box(stepper.logits());
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = rates::criterion();
    targets = forward::<f32>, forward::<f64>, backward::<f32>, backward::<f64>, step::<f32>, step::<f64>,
        latency::<f32>, latency::<f64>
}
criterion_main!(benches);
