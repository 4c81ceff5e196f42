//! Memory of all threads: checkpoints keep within their stated memory, and warm passes allocate nothing.

#[path = "it/support/mod.rs"]
#[allow(dead_code, reason = "this test program uses only a part of it")]
mod support;

use std::sync::{Mutex, PoisonError};

use elman::loss::{Loss, Reduction, cross_entropy_into};
use elman::sequence::{self, Checkpointed, Input};
use elman::{Dims, Error, Gradients, Parameters, Scalar, Upstream};
use ndarray::{Array2, Array3, Axis, ShapeBuilder};
use peak_alloc::PeakAlloc;
use support::naive::Shape;
use support::results::{Problem, Workspace};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One test at a time: memory is counted for the whole process.
static ONE: Mutex<()> = Mutex::new(());

/// The peak number of bytes that a run allocates. The test harness sometimes allocates too, so the smallest of several
/// runs counts.
fn peak(mut run: impl FnMut()) -> usize {
    let measure = |()| {
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        run();
        ALLOCATOR.peak_usage() - before
    };
    [(); 2].map(measure).into_iter().min().unwrap()
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    Tokens,
    Vectors,
    Reversed,
    Ragged,
    RaggedTokens,
}

const READINGS: [Reading; 5] =
    [Reading::Tokens, Reading::Vectors, Reading::Reversed, Reading::Ragged, Reading::RaggedTokens];

/// A sequence, its targets, and a gradient of the probabilities. Their memory is not counted.
struct Job<A> {
    parameters: Parameters<A>,
    x: Array3<A>,
    tokens: Array2<usize>,
    lengths: Vec<usize>,
    a0: Array2<A>,
    targets: Array2<usize>,
    output: Array3<A>,
}

impl<A: Scalar> Job<A> {
    fn new(Shape { n_x, n_a, n_y, m, t_x }: Shape, reading: Reading) -> Self {
        let n_dx = if matches!(reading, Reading::Tokens | Reading::RaggedTokens) { 0 } else { n_x };
        Job {
            parameters: Parameters::zeros(Dims { n_x, n_a, n_y }),
            x: Array3::zeros((n_dx, m, t_x).f()),
            tokens: Array2::from_shape_fn((m, t_x).f(), |(j, t)| (t * t + j) % n_x),
            lengths: (0..m).map(|j| if j == 0 { t_x } else { (j * 7919) % (t_x + 1) }).collect(),
            a0: Array2::zeros((n_a, m)),
            targets: Array2::from_shape_fn((m, t_x).f(), |(j, t)| (t * t + t + j) % n_y),
            output: Array3::zeros((n_y, m, t_x).f()),
        }
    }

    fn run(&self, memory: usize, reading: Reading) -> Result<(), Error> {
        let input = match reading {
            Reading::Tokens => Input::tokens(&self.tokens),
            Reading::Vectors => Input::from(&self.x),
            Reading::Reversed => Input::from(&self.x).reversed(),
            Reading::Ragged => Input::from(&self.x).lengths(&self.lengths),
            Reading::RaggedTokens => Input::tokens(&self.tokens).lengths(&self.lengths),
        };
        let mut run = Checkpointed::forward_within(memory, &self.parameters, input, &self.a0)?;
        let mut loss = Loss::default();
        while let Some(segment) = run.next_segment()? {
            let targets = self.targets.slice_axis(Axis(1), segment.steps().into());
            let output = self.output.slice_axis(Axis(2), segment.steps().into());
            cross_entropy_into(segment.cache(), targets, Reduction::Sum, &mut loss)?;
            segment.backward(Upstream::logits(&loss.dlogits).with_output(&output))?;
        }
        std::hint::black_box(run.into_gradients());
        Ok(())
    }

    fn least(&self, reading: Reading) -> usize {
        match self.run(1, reading) {
            Err(Error::Memory { argument: "memory", expected, found: 1 }) => expected,
            other => panic!("{other:?}"),
        }
    }
}

/// At the least memory, almost all of it is used; on several threads three quarters, because columns may not divide
/// evenly. Twice the least memory is only an upper bound: less is used if the whole sequence fits.
fn the_estimate_holds<A: Scalar>(shape: Shape, threads: usize) {
    let pool = pool(threads);
    for reading in READINGS {
        let job = Job::<A>::new(shape, reading);
        let least = pool.install(|| job.least(reading));
        for (memory, at_least) in [(least, if threads == 1 { 85 } else { 75 }), (2 * least, 0)] {
            let found = peak(|| pool.install(|| job.run(memory, reading)).unwrap());
            let used = 100 * found / memory;
            assert!(
                found <= memory && used >= at_least,
                "{found} of {memory} bytes used, {used} %: {shape:?}, {threads} threads, {reading:?}"
            );
        }
    }
}

#[test]
fn checkpoints_use_at_most_their_stated_memory_and_most_of_it() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    for shape in [
        Shape { n_x: 2003, n_a: 67, n_y: 2011, m: 1, t_x: 101 },
        Shape { n_x: 3, n_a: 257, n_y: 2, m: 1, t_x: 503 },
        Shape { n_x: 1, n_a: 1, n_y: 1009, m: 3, t_x: 211 },
        Shape { n_x: 1009, n_a: 5, n_y: 2, m: 31, t_x: 53 },
        Shape { n_x: 7, n_a: 131, n_y: 11, m: 601, t_x: 41 },
    ] {
        the_estimate_holds::<f32>(shape, 1);
        the_estimate_holds::<f64>(shape, 3);
    }
}

#[test]
fn a_wide_head_and_a_large_vocabulary_count_once() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let shape = Shape { n_x: 5000, n_a: 64, n_y: 5000, m: 1, t_x: 10_000 };
    let least = Job::<f32>::new(Shape { t_x: 1, ..shape }, Reading::Tokens);
    let job = Job { tokens: Array2::zeros((1, shape.t_x)), ..least };
    let least = job.least(Reading::Tokens);
    assert!((7_000_000..8_500_000).contains(&least), "{least} bytes");
}

/// On a pool thread nothing is allocated. Calls from outside sometimes allocate a block for rayon's queue.
#[test]
fn warm_passes_on_the_threads_of_a_pool_allocate_nothing() {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let shape = Shape { n_x: 33, n_a: 131, n_y: 17, m: 23, t_x: 67 };
    let pool = pool(3);
    for problem in [vec![Problem::<f32>::draw(1, shape)], Problem::<f32>::draw(1, shape).readings()].concat() {
        let Problem { parameters, inputs, upstream, targets, .. } = &problem;
        let mut workspace = Workspace::default();
        pool.install(|| {
            problem.run_in(&mut workspace);
            let Workspace { cache, loss, back } = &mut workspace;
            back.gradients = Gradients::zeros(parameters.dims());
            let mut pass = || {
                sequence::forward_into(parameters, problem.input(), &inputs.a0, cache).unwrap();
                cross_entropy_into(&*cache, targets, Reduction::Mean, loss).unwrap();
                sequence::backward_into(parameters, cache, upstream.upstream(), back).unwrap();
            };
            pass();
            assert_eq!(peak(|| (0..20).for_each(|_| pass())), 0, "{:?}", problem.reading);
        });
    }
}
