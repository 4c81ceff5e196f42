//! Calls that reuse memory allocate nothing after their first run.

use allocation_counter::measure;
use elman::loss::{Loss, Reduction, cross_entropy, cross_entropy_into};
use elman::optim::{Adam, Optimizer};
use elman::sequence::{Checkpointed, Input};
use elman::stack::{self, Architecture, Layer};
use elman::{Dropout, Error, Parameters, Scalar, Upstream, cell, init, sequence};
use ndarray::{Array2, Array3, Axis, ShapeBuilder, Slice, arr0};

use crate::support::naive::Shape;
use crate::support::results::{Problem, Workspace};
use crate::support::{in_pool, seeded};

/// Small enough to stay on one thread: only allocations of the calling thread are counted.
const SHAPES: [Shape; 4] = [
    Shape { n_x: 3, n_a: 5, n_y: 2, m: 10, t_x: 4 },
    Shape { n_x: 16, n_a: 64, n_y: 16, m: 1, t_x: 32 },
    Shape { n_x: 17, n_a: 33, n_y: 9, m: 5, t_x: 7 },
    Shape { n_x: 2, n_a: 5, n_y: 3, m: 2, t_x: 300 },
];

#[track_caller]
fn assert_allocates_nothing(what: &str, problem: &dyn std::fmt::Debug, run: impl FnOnce()) {
    let count = measure(run).count_total;
    assert_eq!(count, 0, "{what} allocated {count} times for {problem:?}");
}

#[test]
fn the_allocation_counter_counts() {
    assert_eq!(measure(|| drop(std::hint::black_box(vec![0u8; 100]))).count_total, 1);
    assert_eq!(measure(|| drop(std::hint::black_box(vec![0u8; 100]))).bytes_max, 100);
}

/// `warm_up` runs first and has the same or a larger size; then `problem` runs in its memory.
fn nothing_is_allocated<A: Scalar>(problem: &Problem<A>, warm_up: &Problem<A>) {
    let Problem { shape, parameters, inputs, upstream, targets, reading } = problem;
    let mut workspace = Workspace::default();
    warm_up.run_in(&mut workspace);
    let Workspace { cache, loss, back } = &mut workspace;
    if back.gradients.dims() != shape.dims() {
        back.gradients = elman::Gradients::zeros(shape.dims());
    }
    let mut time_major = problem.clone();
    time_major.inputs.x = Array3::zeros(inputs.x.dim().f());
    time_major.inputs.x.assign(&inputs.x);
    for problem in [problem, &time_major] {
        let what = &(shape, reading);
        assert_allocates_nothing("forward_into", what, || {
            sequence::forward_into(parameters, problem.input(), &inputs.a0, cache).unwrap();
        });
        assert_allocates_nothing("cross_entropy_into", what, || {
            cross_entropy_into(&*cache, targets, Reduction::Mean, loss).unwrap();
        });
        assert_allocates_nothing("backward_into", what, || {
            sequence::backward_into(parameters, cache, upstream.upstream(), back).unwrap();
        });
    }
}

#[test]
fn a_second_pass_of_the_same_size_allocates_nothing() {
    for shape in SHAPES {
        nothing_is_allocated::<f32>(&Problem::draw(1, shape), &Problem::draw(2, shape));
        nothing_is_allocated::<f64>(&Problem::draw(1, shape), &Problem::draw(2, shape));
        let readings = |seed| Problem::<f64>::draw(seed, shape).readings();
        for (problem, warm_up) in readings(1).iter().zip(&readings(2)) {
            nothing_is_allocated(problem, warm_up);
        }
    }
}

#[test]
fn a_pass_after_a_larger_one_allocates_nothing() {
    for shape in SHAPES {
        let larger = Shape { m: 2 * shape.m, t_x: shape.t_x + 3, ..shape };
        nothing_is_allocated::<f32>(&Problem::draw(1, shape), &Problem::draw(2, larger));
        nothing_is_allocated::<f64>(&Problem::draw(1, shape), &Problem::draw(2, larger));
    }
}

fn stepping_allocates_nothing<A: Scalar>() {
    for shape in SHAPES {
        let Problem { parameters, inputs, .. } = Problem::<A>::draw(1, shape);
        let mut stepper = cell::Stepper::new(&parameters, shape.m);
        stepper.step(&inputs.x.index_axis(Axis(2), 0)).unwrap();
        assert_allocates_nothing("Stepper", &shape, || {
            stepper.set_hidden(&inputs.a0).unwrap();
            for xt in inputs.x.axis_iter(Axis(2)) {
                stepper.step(&xt).unwrap();
                std::hint::black_box((stepper.hidden(), stepper.logits(), stepper.output()));
            }
            stepper.reset();
        });
        let tokens = vec![shape.n_x - 1; shape.m];
        assert_allocates_nothing("Stepper with tokens", &shape, || stepper.step_tokens(&tokens).unwrap());
        let columns: Vec<usize> = (0..shape.m).rev().collect();
        stepper.step_columns_tokens(&columns, &tokens).unwrap();
        assert_allocates_nothing("Stepper with some columns", &shape, || {
            stepper.step_columns_tokens(&columns[1..], &tokens[1..]).unwrap();
            stepper.step_columns(&columns, &inputs.x.index_axis(Axis(2), 1)).unwrap();
            stepper.reset_columns(&columns).unwrap();
        });
    }
}

#[test]
fn a_stepper_allocates_nothing_after_its_first_step() {
    stepping_allocates_nothing::<f32>();
    stepping_allocates_nothing::<f64>();
}

#[test]
fn an_error_allocates_nothing() {
    let shape = SHAPES[0];
    let Problem { parameters, inputs, .. } = Problem::<f64>::draw(1, shape);
    let mut cache = inputs.forward();
    let (wrong, mut loss) = (Array2::zeros((4, 10)), Loss::default());
    let targets = Array2::<usize>::zeros((10, 3));
    assert_allocates_nothing("a refused call", &shape, || {
        sequence::forward_into(&parameters, &inputs.x, &wrong, &mut cache).unwrap_err();
        cross_entropy_into(&cache, &targets, Reduction::Sum, &mut loss).unwrap_err();
    });
}

/// The kinds of calls that allocate their results, and those that reuse memory, 10⁶ calls together.
#[test]
fn a_million_calls_leave_no_byte_on_the_heap() {
    const CALLS: usize = 1_000_000 / 8;
    let shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 1, t_x: 2 };
    let Problem { parameters, inputs, upstream, targets, .. } = Problem::<f32>::draw(1, shape);
    let (input, xt) = (Input::from(&inputs.x), inputs.x.index_axis(Axis(2), 0));
    let mut stepper = cell::Stepper::new(&parameters, shape.m);
    let mut sliding = sequence::Sliding::new(shape.m, 3).unwrap();
    let [mut kept, mut optimizer] = [(); 2].map(|()| parameters.clone());
    let mut adam = Adam::new(1e-3);
    let mut calls = || {
        let cache = sequence::forward(&parameters, input, &inputs.a0).unwrap();
        let loss = cross_entropy(&cache, &targets, Reduction::Mean).unwrap();
        let back = sequence::backward(&parameters, &cache, upstream.upstream()).unwrap();
        cell::forward(&parameters, &xt, &inputs.a0).unwrap();
        stepper.step(&xt).unwrap();
        sliding.push(&parameters, &xt).unwrap();
        adam.step(optimizer.as_mut_slice(), back.gradients.as_slice()).unwrap();
        let mut run = Checkpointed::forward(&parameters, input, None).unwrap();
        while let Some(segment) = run.next_segment().unwrap() {
            segment.backward(Upstream::default()).unwrap();
        }
        kept = run.into_gradients().0;
        std::hint::black_box(loss);
    };
    // The sliding window is full after three steps.
    (0..5).for_each(|_| calls());
    let left = measure(|| (0..CALLS).for_each(|_| calls())).bytes_current;
    assert_eq!(left, 0, "{left} bytes after {CALLS} rounds");
    std::hint::black_box(kept);
}

/// The bytes that a call leaves allocated.
fn bytes_kept(run: impl FnOnce()) -> usize {
    usize::try_from(measure(run).bytes_current).unwrap()
}

#[test]
fn a_single_step_of_few_columns_packs_its_weights_where_it_reads_them_again() {
    for (m, t_x, packs_at_once) in [(1, 1, false), (4, 1, false), (5, 1, true), (1, 2, true), (4, 2, true)] {
        let shape = Shape { n_x: 5, n_a: 67, n_y: 3, m, t_x };
        let [first, second] = [1, 5].map(|seed| Problem::<f64>::draw(seed, shape));
        let x = &first.inputs.x;
        let packed = (80 * (5 + 67) + 16 * 67) * size_of::<f64>();
        let mut cache = sequence::Cache::default();
        let mut run = |problem: &Problem<f64>| {
            bytes_kept(|| sequence::forward_into(&problem.parameters, x, None, &mut cache).unwrap())
        };
        assert_eq!(run(&first) > packed, packs_at_once, "{shape:?}");
        assert_eq!(run(&first) > packed, !packs_at_once, "{shape:?}");
        assert_eq!([run(&first), run(&second), run(&second), run(&first)], [0; 4], "{shape:?}");
        assert_eq!(cache, sequence::forward(&first.parameters, x, None).unwrap());
    }
}

/// Structures and the allocator's rounding, besides the arrays.
const STRUCTURES: usize = 2000;

#[test]
fn gradients_are_returned_without_the_workspace_of_their_pass() {
    let shape = Shape { n_x: 17, n_a: 67, n_y: 5, m: 11, t_x: 13 };
    let Problem { parameters, inputs, .. } = Problem::<f64>::draw(1, shape);
    let (cache, dlogits) = (inputs.forward(), Array3::zeros((5, 11, 13).f()));
    let mut back = None;
    let kept = bytes_kept(|| {
        back = Some(sequence::backward(&parameters, &cache, Upstream::logits(&dlogits)).unwrap());
    });
    let results = (shape.dims().len() + 17 * 11 * 13 + 67 * 11) * size_of::<f64>();
    assert!((results..results + STRUCTURES).contains(&kept), "{kept} bytes, expected {results}");

    let architecture = Architecture::new(17, [Layer::new(67), Layer::new(33)], 5);
    let p = init::torch_stack::<f64>(architecture.clone(), &mut seeded(1)).unwrap();
    let cache = stack::forward(&p, &inputs.x, None).unwrap();
    let mut back = None;
    let kept = bytes_kept(|| {
        back = Some(stack::backward(&p, &cache, stack::Upstream::logits(&dlogits)).unwrap());
    });
    let results = (architecture.len() + (67 + 33) * 11) * size_of::<f64>();
    assert!((results..results + STRUCTURES).contains(&kept), "{kept} bytes, expected {results}");
}

#[test]
fn a_backward_pass_packs_only_above_four_rows() {
    for (m, t_x, packs) in [(1, 4, false), (4, 1, false), (2, 2, false), (5, 1, true), (1, 5, true), (3, 2, true)] {
        let shape = Shape { n_x: 5, n_a: 67, n_y: 3, m, t_x };
        let Problem { parameters, inputs, .. } = Problem::<f64>::draw(1, shape);
        let (cache, logits) = (inputs.forward(), Array3::zeros((3, m, t_x).f()));
        let mut back = sequence::Backward::default();
        let kept = bytes_kept(|| {
            sequence::backward_into(&parameters, &cache, Upstream::logits(&logits), &mut back).unwrap();
        });
        let results = shape.dims().len() + 5 * m * t_x + 67 * m;
        let least = (results + 67 * m * t_x) * size_of::<f64>();
        // The packed weights for a pass, and the packed states.
        let packed = (80 * (67 + 3) + 16 * 67 + 80 * m * t_x) * size_of::<f64>();
        let expected = if packs { least + packed..least + 2 * packed } else { least..least + 300 };
        assert!(expected.contains(&kept), "{kept} bytes, expected {expected:?}: {shape:?}");
    }
}

/// The table in the documentation of `sequence`, in bytes, for `forward`, `cross_entropy` and `backward` together.
fn documented_peak<A: Scalar>(shape: Shape) -> usize {
    let Shape { n_x, n_a, n_y, m, t_x } = shape;
    let padded = |n: usize| n.next_multiple_of(16);
    let b = (m * t_x).min((512 / m).max(1) * m);
    let cache = n_x * m * t_x + n_a * m * (t_x + 1) + 2 * n_y * m * t_x;
    let loss = n_y * m * t_x;
    let gradients = shape.dims().len() + n_x * m * t_x + n_a * m;
    let packed = padded(n_x) * n_a + padded(n_a) * (n_a + n_y) + n_a + n_y;
    let block = 2 * n_a * b + n_y * b + padded(n_x) * b + padded(n_a) * (b + m);
    (cache + loss + gradients + packed + block) * size_of::<A>() + m * size_of::<usize>()
}

fn the_peak_is_documented<A: Scalar>() {
    for shape in [
        Shape { n_x: 17, n_a: 67, n_y: 19, m: 31, t_x: 53 },
        Shape { n_x: 3, n_a: 131, n_y: 5, m: 1, t_x: 7 },
        Shape { n_x: 37, n_a: 11, n_y: 41, m: 523, t_x: 3 },
    ] {
        let Problem { parameters, inputs, targets, .. } = Problem::<A>::draw(1, shape);
        // Keep all work on the thread whose allocations are counted.
        let found = in_pool(1, || {
            measure(|| {
                let cache = sequence::forward(&parameters, &inputs.x, &inputs.a0).unwrap();
                let loss = cross_entropy(&cache, &targets, Reduction::Mean).unwrap();
                let back = sequence::backward(&parameters, &cache, Upstream::logits(&loss.dlogits)).unwrap();
                std::hint::black_box(back);
            })
        });
        let (found, documented) = (usize::try_from(found.bytes_max).unwrap(), documented_peak::<A>(shape));
        // Five packed matrices and the gradients are aligned to a cache line, and a vector has room for four lengths.
        assert!(
            (documented..=documented + 6 * 64 + 3 * size_of::<usize>()).contains(&found),
            "{found} bytes, documented {documented}, for {shape:?}"
        );
    }
}

#[test]
fn the_peak_of_f32_is_documented() {
    the_peak_is_documented::<f32>();
}

#[test]
fn the_peak_of_f64_is_documented() {
    the_peak_is_documented::<f64>();
}

const READINGS: [&str; 6] = ["tokens", "vectors", "without dx", "reversed", "dropout", "dropout of reversed tokens"];

/// A sequence for one pass with checkpoints.
struct Sequence<A> {
    parameters: Parameters<A>,
    tokens: Array2<usize>,
    x: Array3<A>,
    targets: Array2<usize>,
    a0: Array2<A>,
}

impl<A: Scalar> Sequence<A> {
    fn new(shape: Shape) -> Self {
        let Shape { n_x, n_a, n_y, m, t_x } = shape;
        Sequence {
            parameters: Problem::draw(1, Shape { t_x: 1, ..shape }).parameters,
            tokens: Array2::from_shape_fn((m, t_x).f(), |(j, t)| (t * t + j) % n_x),
            x: Array3::from_elem((n_x, m, t_x).f(), A::one()),
            targets: Array2::from_shape_fn((m, t_x).f(), |(j, t)| (t * t + t + j) % n_y),
            a0: Array2::zeros((n_a, m)),
        }
    }

    fn checkpoints(&self, memory: Option<usize>, reading: &str) -> Result<Checkpointed<'_, A>, Error> {
        let Sequence { parameters, tokens, x, a0, .. } = self;
        let dropout = Dropout::new(1).inputs(0.3).recurrent(0.1);
        let input = match reading {
            "tokens" => Input::tokens(tokens),
            "vectors" => Input::from(x),
            "dropout" => Input::from(x).dropout(dropout),
            "without dx" => Input::from(x).without_dx(),
            "dropout of reversed tokens" => Input::tokens(tokens).reversed().dropout(dropout),
            _ => Input::from(x).reversed(),
        };
        match memory {
            Some(memory) => Checkpointed::forward_within(memory, parameters, input, a0),
            None => Checkpointed::forward(parameters, input, a0),
        }
    }

    /// The least memory that the pass accepts.
    fn least(&self, reading: &str) -> usize {
        let Err(Error::Memory { expected, .. }) = self.checkpoints(Some(0), reading) else {
            panic!("no memory is enough")
        };
        expected
    }

    /// The peak memory of the pass, without the arrays of this structure.
    fn peak(&self, memory: Option<usize>, reading: &str) -> usize {
        let (n_a, _) = self.a0.dim();
        let (n_y, m, t_x) = (self.parameters.dims().n_y, self.x.dim().1, self.x.dim().2);
        let zero = arr0(A::zero());
        let [dhidden, doutput] = [n_a, n_y].map(|n| zero.broadcast((n, m, t_x)).unwrap());
        let pass = || {
            let mut run = self.checkpoints(memory, reading).unwrap();
            let mut loss = Loss::default();
            while let Some(segment) = run.next_segment().unwrap() {
                let steps = Slice::from(segment.steps());
                let targets = self.targets.slice_axis(Axis(1), steps);
                cross_entropy_into(segment.cache(), targets, Reduction::Sum, &mut loss).unwrap();
                let [dhidden, doutput] = [&dhidden, &doutput].map(|gradient| gradient.slice_axis(Axis(2), steps));
                segment.backward(Upstream::logits(&loss.dlogits).with_hidden(&dhidden).with_output(&doutput)).unwrap();
            }
            std::hint::black_box(run.into_gradients());
        };
        usize::try_from(in_pool(1, || measure(pass)).bytes_max).unwrap()
    }
}

#[test]
fn the_gradient_of_a_million_steps_takes_a_few_megabytes() {
    let shape = Shape { n_x: 8, n_a: 64, n_y: 8, m: 1, t_x: 1_000_000 };
    let peak = Sequence::<f32>::new(shape).peak(None, "tokens");
    // Without checkpoints, the hidden states alone are 256 MB; the tokens and targets here are 16 MB.
    assert!(peak < 4_000_000, "{peak} bytes");
}

#[test]
fn checkpoints_stay_within_their_memory_and_use_at_least_half_of_it() {
    for shape in [
        Shape { n_x: 8, n_a: 64, n_y: 8, m: 1, t_x: 30_000 },
        Shape { n_x: 5, n_a: 17, n_y: 33, m: 31, t_x: 2_000 },
        Shape { n_x: 5, n_a: 17, n_y: 3, m: 601, t_x: 100 },
        Shape { n_x: 1, n_a: 1, n_y: 1, m: 301, t_x: 2_000 },
    ] {
        let sequence = Sequence::<f64>::new(shape);
        let memory = 7_000_000;
        for reading in READINGS {
            let peak = sequence.peak(Some(memory), reading);
            assert!((memory / 2..=memory).contains(&peak), "{peak} of {memory} bytes for {shape:?}, {reading}");
        }
    }
}

/// Each shape is large in another dimension, so that another part of the memory is the largest.
#[test]
fn the_least_memory_is_enough_and_most_of_it_is_used() {
    for shape in [
        Shape { n_x: 997, n_a: 2, n_y: 1, m: 1, t_x: 300 },
        Shape { n_x: 2, n_a: 199, n_y: 1, m: 1, t_x: 300 },
        Shape { n_x: 1, n_a: 2, n_y: 499, m: 3, t_x: 300 },
        Shape { n_x: 2, n_a: 3, n_y: 2, m: 797, t_x: 60 },
        Shape { n_x: 1, n_a: 1, n_y: 1, m: 1, t_x: 10_000 },
        Shape { n_x: 31, n_a: 37, n_y: 29, m: 17, t_x: 100 },
    ] {
        let sequence = Sequence::<f64>::new(shape);
        for reading in READINGS {
            let least = sequence.least(reading);
            let peak = sequence.peak(Some(least), reading);
            // Gathered rows and masks have room for any lengths of the columns.
            let unused = if ["tokens", "vectors", "without dx"].contains(&reading) { least / 50 } else { least / 10 };
            assert!((least - unused..=least).contains(&peak), "{peak} of {least} bytes for {shape:?}, {reading}");
        }
    }
}
