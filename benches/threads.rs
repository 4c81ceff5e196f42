//! Shows at which size a second thread starts to pay: forward passes below and above that size, on one and two threads.
//!
//! `cargo bench --bench threads`

mod workload;

use criterion::{Criterion, criterion_group, criterion_main};
use elman::Scalar;
use rayon::ThreadPoolBuilder;
use workload::passes::{Forward, Reads};
use workload::{Rates, Size, size};

const SIZES: [Size; 7] = [
    size("quarter", 8, 16, [16, 64, 16]),
    size("half", 16, 16, [16, 64, 16]),
    size("small", 32, 16, [16, 64, 16]),
    size("double", 64, 16, [16, 64, 16]),
    size("columns", 64, 4, [64, 256, 64]),
    size("column", 64, 2, [64, 256, 64]),
    size("charlm", 64, 32, [64, 256, 64]),
];

fn forward<A: Scalar>(c: &mut Criterion<Rates>) {
    let mut group = workload::group::<A>(c, "threads/forward");
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

criterion_group! {
    name = benches;
    config = workload::criterion();
    targets = forward::<f32>, forward::<f64>
}
criterion_main!(benches);
