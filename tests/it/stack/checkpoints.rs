//! Checkpoints of a stack: bit-identical gradients within the promised memory.

use allocation_counter::measure;
use elman::sequence::{self, Input};
use elman::stack::{self, Architecture, Direction, Layer, States};
use elman::{Dropout, Error, Scalar};
use ndarray::{Array2, Array3, Axis, ShapeBuilder, concatenate, s};

use crate::support::numpy::Numpy;
use crate::support::problem::uniform;
use crate::support::results::Results;
use crate::support::stacks::{M, N_Y, Readings, T_X, architectures, is_one_direction, network, parameters};
use crate::support::{Convert, in_pool};

use Direction::Forward;

/// The logits, and the gradients of losses that read the logits, the hidden states and the last states.
fn checkpointed<A: Scalar>(
    p: &stack::Parameters<A>,
    mut run: stack::Checkpointed<'_, A>,
    [hidden, logits]: [&Array3<A>; 2],
    last: &States<A>,
) -> (Results, usize) {
    let mut parts = Vec::new();
    while let Some(segment) = run.next_segment().unwrap() {
        let steps = segment.steps();
        let [hidden, dlogits] = [hidden, logits].map(|array| array.slice(s![.., .., steps.clone()]));
        let upstream = stack::Upstream::hidden(&hidden).with_logits(&dlogits);
        let upstream = if parts.is_empty() { upstream.with_last_states(last) } else { upstream };
        let logits = segment.cache().logits().to_owned();
        parts.push((steps.start, logits, segment.backward(upstream).unwrap().to_owned()));
    }
    let segments = parts.len();
    parts.sort_by_key(|(start, ..)| *start);
    let [mut logits, mut dx] = [Vec::new(), Vec::new()];
    for (_, part, dx_part) in &parts {
        logits.push(part.view());
        dx.push(dx_part.view());
    }
    let (gradients, d_states) = run.into_gradients();
    let mut results = Results::default();
    results.add("logits", &concatenate(Axis(2), &logits).unwrap());
    results.add("gradients", gradients.as_slice());
    results.add("dx", &concatenate(Axis(2), &dx).unwrap());
    for layer in 0..p.architecture().layers().len() {
        results.add("d_states", d_states.get(layer, Forward).unwrap());
    }
    (results, segments)
}

fn checkpoints_of_a_stack<A: Scalar>() {
    let dropout = Dropout::new(5).between_layers(0.3).inputs(0.2).recurrent(0.1);
    let mut most = 0;
    for architecture in architectures().into_iter().filter(is_one_direction) {
        let p = parameters::<A>(&architecture, 1);
        let readings = Readings::draw(1);
        let mut rng = Numpy::seed(5);
        let [mut states, mut last] = [(); 2].map(|()| States::zeros(&architecture, M));
        for (layer, shape) in architecture.layers().iter().enumerate() {
            for states in [&mut states, &mut last] {
                states.get_mut(layer, Forward).unwrap().assign(&uniform(&mut rng, (shape.n_a, M)).mapv(A::narrow));
            }
        }
        let width = architecture.layers().last().unwrap().width();
        let [hidden, dlogits] = [width, N_Y].map(|n| uniform(&mut rng, (n, M, T_X)).mapv(A::narrow));
        for input in readings.inputs().into_iter().flat_map(|input| [input, input.dropout(dropout)]) {
            let cache = stack::forward(&p, input, &states).unwrap();
            let mut back = stack::Backward::with_dx();
            let upstream = stack::Upstream::hidden(&hidden).with_logits(&dlogits).with_last_states(&last);
            stack::backward_into(&p, &cache, upstream, &mut back).unwrap();
            let mut expected = Results::default();
            expected.add("logits", cache.logits());
            expected.add("gradients", back.gradients.as_slice());
            expected.add("dx", &back.dx.unwrap());
            for layer in 0..architecture.layers().len() {
                expected.add("d_states", back.d_states.get(layer, Forward).unwrap());
            }
            let run = stack::Checkpointed::forward(&p, input, &states).unwrap().with_dx();
            let (found, segments) = checkpointed(&p, run, [&hidden, &dlogits], &last);
            found.assert_same(&expected, &architecture);
            most = most.max(segments);
            let run = stack::Checkpointed::forward_within(1 << 30, &p, input, &states).unwrap();
            let (mut found, segments) = checkpointed(&p, run, [&hidden, &dlogits], &last);
            for results in [&mut found, &mut expected] {
                results.arrays.retain(|(name, _)| *name != "dx");
            }
            found.assert_same(&expected, &architecture);
            assert_eq!(segments, 1, "a sequence that fits is not cut");
        }
    }
    assert!(most >= 3, "the largest number of segments is {most}");
}

#[test]
fn checkpoints_of_a_stack_give_a_bit_identical_gradient_for_every_reading() {
    checkpoints_of_a_stack::<f32>();
    checkpoints_of_a_stack::<f64>();
}

/// The gradient that arrives at the last states of a segment is what the segment after it hands back, plus the caller's.
#[test]
fn a_gradient_at_the_last_states_of_every_segment_is_added() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7)], 2), 1);
    let x = uniform(&mut Numpy::seed(1), (3, 4, 31));
    let dlogits = uniform(&mut Numpy::seed(2), (2, 4, 31));
    let mut more = States::zeros(p.architecture(), 4);
    more.get_mut(0, Forward).unwrap().fill(0.25);
    more.get_mut(1, Forward).unwrap().fill(-0.75);

    let mut run = stack::Checkpointed::forward(&p, &x, None).unwrap();
    let (mut segments, mut hand) = (Vec::new(), stack::Backward::default());
    let whole = stack::forward(&p, &x, None).unwrap();
    while let Some(segment) = run.next_segment().unwrap() {
        let steps = segment.steps();
        let part = dlogits.slice(s![.., .., steps.clone()]).to_owned();
        segment.backward(stack::Upstream::logits(&part).with_last_states(&more)).unwrap();

        let mut states = States::zeros(p.architecture(), 4);
        let mut last = more.clone();
        for layer in 0..2 {
            if let Some(before) = steps.start.checked_sub(1) {
                let hidden = whole.hidden(layer, Forward).unwrap();
                states.get_mut(layer, Forward).unwrap().assign(&hidden.index_axis(Axis(2), before));
            }
            if !segments.is_empty() {
                let later = hand.d_states.get(layer, Forward).unwrap();
                last.get_mut(layer, Forward).unwrap().zip_mut_with(&later, |last, later| *last += later);
            }
        }
        let cache = stack::forward(&p, x.slice(s![.., .., steps.clone()]), &states).unwrap();
        let upstream = stack::Upstream::logits(&part).with_last_states(&last);
        stack::backward_into(&p, &cache, upstream, &mut hand).unwrap();
        segments.push(steps);
    }
    assert!(segments.len() > 2, "{segments:?}");
    let (gradients, d_states) = run.into_gradients();
    assert_eq!(gradients, hand.gradients);
    assert_eq!(d_states, hand.d_states);
}

/// The peak memory of one pass with checkpoints, without the input, the targets and the parameters.
fn peak_of_checkpoints<'a>(
    p: &'a stack::Parameters<f64>,
    memory: usize,
    input: Input<'a, f64>,
    dlogits: &Array3<f64>,
) -> usize {
    let pass = || {
        let mut run = stack::Checkpointed::forward_within(memory, p, input, None).unwrap().with_dx();
        while let Some(segment) = run.next_segment().unwrap() {
            let mut part = Array3::zeros(segment.cache().logits().raw_dim().f());
            part.assign(&dlogits.slice(s![.., .., segment.steps()]));
            segment.backward(stack::Upstream::logits(&part)).unwrap();
        }
        std::hint::black_box(run.into_gradients());
    };
    usize::try_from(in_pool(1, || measure(pass)).bytes_max).unwrap()
}

/// Stacks of layers of these widths, with each input in turn: calls `check` with the parameters, the input, the gradient of the
/// logits, and a description.
fn for_each_input(
    sizes: impl IntoIterator<Item = (Vec<usize>, usize, usize, usize, usize)>,
    check: impl for<'p> Fn(&'p stack::Parameters<f64>, Input<'p, f64>, &Array3<f64>, &str),
) {
    let dropout = Dropout::new(1).inputs(0.3).recurrent(0.1).between_layers(0.2);
    for (widths, n_x, n_y, m, t_x) in sizes {
        let layers: Vec<_> = widths.iter().copied().map(Layer::new).collect();
        let p = parameters::<f64>(&Architecture::new(n_x, layers, n_y), 1);
        let ids = Array2::from_shape_fn((m, t_x).f(), |(j, t)| (t * t + j) % n_x);
        let x = Array3::from_elem((n_x, m, t_x).f(), 1.0);
        let dlogits = Array3::from_elem((n_y, m, t_x).f(), 1.0);
        for (reading, input) in [
            ("vectors", Input::vectors(&x)),
            ("without dx", Input::vectors(&x).without_dx()),
            ("tokens", Input::tokens(&ids)),
            ("reversed", Input::vectors(&x).reversed()),
            ("dropout", Input::vectors(&x).dropout(dropout)),
            ("dropout of reversed tokens", Input::tokens(&ids).reversed().dropout(dropout)),
        ] {
            check(&p, input, &dlogits, &format!("{n_x} → {widths:?} → {n_y}, {m} columns, {t_x} steps, {reading}"));
        }
    }
}

#[test]
fn checkpoints_of_a_stack_stay_within_their_memory_and_use_at_least_half_of_it() {
    let sizes = [
        (vec![64, 32], 8, 8, 1, 30_000),
        (vec![17, 33, 5], 5, 33, 31, 2_000),
        (vec![17, 3], 5, 3, 601, 100),
        (vec![33], 5, 3, 7, 9_000),
    ];
    for_each_input(sizes, |p, input, dlogits, description| {
        let memory = 7_500_000;
        let peak = peak_of_checkpoints(p, memory, input, dlogits);
        assert!((memory / 2..=memory).contains(&peak), "{peak} of {memory} bytes for {description}");
    });
}

/// Each stack is large in another dimension, so that another part of the memory is the largest.
#[test]
fn the_least_memory_of_a_stack_is_enough_and_most_of_it_is_used() {
    let sizes = [
        (vec![2, 3], 499, 1, 1, 200),
        (vec![199, 2], 2, 1, 2, 100),
        (vec![2, 199], 2, 1, 1, 100),
        (vec![3, 2], 1, 211, 3, 200),
        (vec![3, 5, 2], 2, 2, 397, 50),
        (vec![1, 1, 1], 1, 1, 1, 5_000),
    ];
    for_each_input(sizes, |p, input, dlogits, description| {
        let refused = stack::Checkpointed::forward_within(0, p, input, None);
        let Err(Error::Memory { expected: least, .. }) = refused else { panic!("no memory is enough") };
        let peak = peak_of_checkpoints(p, least, input, dlogits);
        // All passes share a workspace, which is as large as the largest of each dimension.
        assert!((least / 4 * 3..=least).contains(&peak), "{peak} of {least} bytes for {description}");
    });
}

#[test]
fn checkpoints_ask_for_the_memory_that_the_layers_and_their_dropout_need() {
    fn needed<T>(run: Result<T, Error>) -> usize {
        match run {
            Err(Error::Memory { expected, .. }) => expected,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("one byte is enough"),
        }
    }
    let (x, ids) = (Array3::<f64>::zeros((3, 5, 700)), Array2::zeros((5, 700)));
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(17), Layer::new(7)], 2), 1);
    for input in [Input::vectors(&x), Input::tokens(&ids), Input::vectors(&x).without_dx()] {
        let of = |input| needed(stack::Checkpointed::forward_within(1, &p, input, None));
        assert_eq!(of(input.dropout(Dropout::new(1))), of(input), "a rate of zero");
        let between = of(input.dropout(Dropout::new(1).between_layers(0.1)));
        assert!(between > of(input), "masks and what they leave take memory");
    }
    // A stack of one layer is that layer, but for the structures around it.
    let more = [1, 3, 17, 64].map(|n_x| {
        let x = Array3::<f64>::zeros((n_x, 5, 700));
        let p = parameters::<f64>(&Architecture::new(n_x, [Layer::new(17)], 2), 1);
        let layer = network(&p, 0, Forward);
        [Input::vectors(&x), Input::tokens(&ids).without_dx(), Input::vectors(&x).without_dx()].map(|input| {
            let alone = needed(sequence::Checkpointed::forward_within(1, &layer, input, None));
            needed(stack::Checkpointed::forward_within(1, &p, input, None)) - alone
        })
    });
    let structures = more[0][0];
    assert!(more.iter().flatten().all(|&more| more == structures), "{more:?}");
}

#[test]
fn a_stack_that_checkpoints_cannot_run_is_refused() {
    let x = Array3::<f64>::zeros((3, 4, 6));
    let both = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7).bidirectional()], 2), 1);
    assert!(matches!(stack::Checkpointed::forward(&both, &x, None), Err(Error::Bidirectional { layer: 1 })));
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7)], 2), 1);
    let error = stack::Checkpointed::forward(&p, &x, &States::zeros(p.architecture(), 3)).unwrap_err();
    assert!(matches!(error, Error::States { argument: "states", .. }), "{error}");
    assert!(matches!(stack::Checkpointed::forward_within(9, &p, &x, None), Err(Error::Memory { .. })));
    let run = stack::Checkpointed::forward(&p, &x, None).unwrap();
    let (gradients, d_states) = run.into_gradients();
    assert!(gradients == stack::Parameters::zeros(p.architecture().clone()));
    assert_eq!(d_states, States::zeros(p.architecture(), 4), "no segment has had a backward pass");
}
