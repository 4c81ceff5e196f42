//! A sliding window over a live stream is truncated back-propagation with an update at each step.

use allocation_counter::measure;
use elman::loss::{Loss, Reduction, Targets, cross_entropy, cross_entropy_into};
use elman::sequence::{self, Backward, Input, Sliding, Truncated};
use elman::stack::{self, Architecture, Layer, States};
use elman::{Error, Parameters, Scalar, Upstream};
use ndarray::{Array2, Array3, Axis};

use crate::support::Convert;
use crate::support::naive::Shape;
use crate::support::results::Problem;

const SHAPE: Shape = Shape { n_x: 3, n_a: 17, n_y: 5, m: 2, t_x: 23 };
const WINDOWS: [usize; 5] = [1, 2, 5, 23, 1000];

/// Learns at each step from a window of k steps, once by each way, and compares all results.
fn a_window_has_the_bits_of_truncated_gradients<A: Scalar>(problem: &Problem<A>, k: usize) {
    let Problem { parameters, inputs, targets, reading, .. } = problem;
    let [mut p, mut q] = [(); 2].map(|()| parameters.clone());
    let mut truncated = Truncated::new(problem.input(), &inputs.a0, 1, k).unwrap();
    let mut sliding = Sliding::new(SHAPE.m, k).unwrap().with_state(inputs.a0.clone());
    assert_eq!((sliding.columns(), sliding.len(), sliding.is_empty()), (SHAPE.m, 0, true));
    let rate = A::narrow(-0.1);
    for t in 0..SHAPE.t_x {
        let window = truncated.next_window(&p).unwrap().unwrap();
        let loss = cross_entropy(truncated.cache(), window.targets(targets), Reduction::Sum).unwrap();
        let expected = sequence::backward(&p, truncated.cache(), Upstream::logits(&loss.dlogits)).unwrap();

        let cache = match &reading.tokens {
            Some(tokens) => sliding.push_tokens(&q, &tokens.column(t).to_vec()).unwrap(),
            None => sliding.push(&q, &inputs.x.index_axis(Axis(2), t)).unwrap(),
        };
        assert_eq!(cache, truncated.cache(), "step {t} of k = {k}");
        let labels = targets.column(t).to_vec();
        let newest = cross_entropy(cache, Targets::last_labels(&labels), Reduction::Sum).unwrap();
        assert_eq!(newest, loss);
        let found = sequence::backward(&q, cache, Upstream::logits(&newest.dlogits)).unwrap();
        assert_eq!(found, expected);
        p.scaled_add(rate, &expected.gradients).unwrap();
        q.scaled_add(rate, &found.gradients).unwrap();
        assert_eq!((sliding.len(), sliding.is_empty()), (k.min(t + 1), false));
    }
    assert_eq!(p, q);
    assert_ne!(&p, parameters);
}

#[test]
fn each_window_has_the_bits_of_truncated_gradients() {
    for k in WINDOWS {
        let (single, double) = (Problem::<f32>::draw(1, SHAPE), Problem::<f64>::draw(2, SHAPE));
        a_window_has_the_bits_of_truncated_gradients(&single, k);
        a_window_has_the_bits_of_truncated_gradients(&double, k);
        a_window_has_the_bits_of_truncated_gradients(&double.readings()[0], k);
    }
}

#[test]
fn a_window_over_a_stack_has_the_bits_of_truncated_gradients() {
    let problem = Problem::<f64>::draw(1, SHAPE);
    let mut p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(17)], 5));
    for (i, value) in (0_u32..).zip(p.as_mut_slice()) {
        *value = f64::from(i % 13) / 20.0 - 0.3;
    }
    let mut states = States::zeros(p.architecture(), SHAPE.m);
    states.get_mut(1, stack::Direction::Forward).unwrap().fill(0.5);
    for k in WINDOWS {
        let mut truncated = stack::Truncated::new(problem.input(), &states, 1, k).unwrap();
        let mut sliding = stack::Sliding::new(SHAPE.m, k).unwrap().with_state(states.clone());
        for xt in problem.inputs.x.axis_iter(Axis(2)) {
            truncated.next_window(&p).unwrap().unwrap();
            assert_eq!(sliding.push(&p, &xt).unwrap(), truncated.cache());
        }
    }
}

fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

#[test]
fn a_full_window_allocates_nothing() {
    let problem = Problem::<f32>::draw(1, SHAPE);
    let Problem { parameters, inputs, targets, .. } = &problem;
    let labels: Vec<usize> = targets.column(0).to_vec();
    let (mut window, mut tokens) = (Sliding::new(SHAPE.m, 5).unwrap(), Sliding::new(SHAPE.m, 5).unwrap());
    let (mut loss, mut back) = (Loss::default(), Backward::default());
    let mut step = |t: usize| {
        tokens.push_tokens(parameters, &[t % 3, 0]).unwrap();
        let cache = window.push(parameters, &inputs.x.index_axis(Axis(2), t)).unwrap();
        cross_entropy_into(cache, Targets::last_labels(&labels), Reduction::Sum, &mut loss).unwrap();
        sequence::backward_into(parameters, cache, Upstream::logits(&loss.dlogits), &mut back).unwrap();
        back.discard_gradients();
    };
    (0..6).for_each(&mut step);
    assert_eq!(allocations(|| (6..SHAPE.t_x).for_each(step)), 0);
}

#[test]
fn a_window_of_a_long_sequence_allocates_nothing() {
    let problem = Problem::<f64>::draw(1, SHAPE);
    let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(17)], 5));
    for problem in problem.readings() {
        for (k1, k2) in [(1, 4), (3, 3), (2, 1)] {
            let mut windows = Truncated::new(problem.input(), &problem.inputs.a0, k1, k2).unwrap();
            let mut of_stack = stack::Truncated::new(problem.input(), None, k1, k2).unwrap();
            let mut next = || {
                let window = windows.next_window(&problem.parameters).unwrap();
                of_stack.next_window(&p).unwrap();
                window.is_some()
            };
            // The first windows are shorter than k2, and ragged ones differ.
            (0..5).for_each(|_| assert!(next()));
            if problem.reading.lengths.is_none() {
                assert_eq!(allocations(|| while next() {}), 0, "{:?}, k1 = {k1}, k2 = {k2}", problem.reading);
            }
        }
    }
}

#[test]
fn a_refused_step_leaves_the_window_unchanged() {
    let problem = Problem::<f64>::draw(1, SHAPE);
    let (p, x) = (&problem.parameters, &problem.inputs.x);
    let xt = |t: usize| x.index_axis(Axis(2), t);
    assert_eq!(Sliding::<f64>::new(2, 0).unwrap_err().to_string(), "`k` is 0, expected at least 1");
    for steps in [1, 4, 9] {
        let mut window = Sliding::new(SHAPE.m, 4).unwrap();
        (0..steps).for_each(|t| assert_eq!(window.push(p, &xt(t)).unwrap().columns(), 2));
        let before = window.clone();
        let narrow = Parameters::zeros(elman::Dims { n_x: 2, n_a: 17, n_y: 5 });
        let wide = Parameters::zeros(elman::Dims { n_x: 3, n_a: 16, n_y: 5 });
        let mut errors = vec![
            window.push(p, &Array2::zeros((3, 3))).unwrap_err().to_string(),
            window.push_tokens(p, &[0, 1]).unwrap_err().to_string(),
            window.push_tokens(p, &[0, 3]).unwrap_err().to_string(),
            window.push(&narrow, &Array2::zeros((2, 2))).unwrap_err().to_string(),
        ];
        let mut expected = vec![
            "`xt` has shape (3, 3), expected (n_x, m) = (3, 2)",
            "`tokens` holds token ids below 3, but the window holds vectors of 3 values",
            "`tokens` holds token 3 at column 1, step 0, expected one below 3",
            "`xt` holds vectors of 2 values, but the window holds vectors of 3 values",
        ];
        if steps >= 4 {
            errors.push(window.push(&wide, &xt(0)).unwrap_err().to_string());
            expected.push("`a0` has shape (17, 2), expected (n_a, m) = (16, 2)");
        }
        assert_eq!(errors, expected);
        let (mut left, mut right) = (window, before);
        assert_eq!(left.push(p, &xt(10)).unwrap(), right.push(p, &xt(10)).unwrap());
    }
    let both = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5).bidirectional()], 2));
    let mut window = stack::Sliding::new(2, 4).unwrap();
    assert!(matches!(window.push(&both, &xt(0)), Err(Error::Bidirectional { layer: 0 })));
    assert!(window.is_empty());
}

#[test]
fn a_refused_token_of_a_smaller_vocabulary_leaves_the_window_unchanged() {
    let problem = Problem::<f64>::draw(1, SHAPE);
    let p = &problem.parameters;
    let small = Parameters::zeros(elman::Dims { n_x: 2, n_a: 17, n_y: 5 });
    for steps in [2, 4, 7] {
        let mut window = Sliding::new(SHAPE.m, 4).unwrap();
        (0..steps).for_each(|t| assert_eq!(window.push_tokens(p, &[t % 3, 2]).unwrap().columns(), 2));
        let mut expected = window.clone();
        let error = window.push_tokens(&small, &[0, 1]).unwrap_err().to_string();
        assert_eq!(error, "`tokens` holds token ids below 2, but the window holds token ids below 3");
        assert_eq!(window.len(), expected.len());
        assert_eq!(window.push_tokens(p, &[1, 0]).unwrap(), expected.push_tokens(p, &[1, 0]).unwrap());
        // A window that starts again is a new one.
        window.clear();
        let (mut again, mut fresh) =
            (window.clone().with_state(problem.inputs.a0.clone()), Sliding::new(SHAPE.m, 4).unwrap());
        assert_eq!(window.push_tokens(p, &[1, 0]).unwrap(), fresh.push_tokens(p, &[1, 0]).unwrap());
        let mut fresh = Sliding::new(SHAPE.m, 4).unwrap().with_state(problem.inputs.a0.clone());
        assert_eq!(again.push_tokens(p, &[1, 0]).unwrap(), fresh.push_tokens(p, &[1, 0]).unwrap());
        let mut wrong = Sliding::new(SHAPE.m, 4).unwrap().with_state(Array2::zeros((16, 2)));
        assert!(wrong.push_tokens(p, &[1, 0]).is_err() && wrong.is_empty());
    }
}

#[test]
fn a_window_without_inputs_columns_or_units_is_pushed() {
    for shape in SHAPE.with_zeros() {
        let p = Parameters::<f32>::zeros(shape.dims());
        let mut window = Sliding::new(shape.m, 2).unwrap();
        for _ in 0..3 {
            window.push(&p, &Array2::zeros((shape.n_x, shape.m))).unwrap();
        }
        let whole = sequence::forward(&p, Input::vectors(&Array3::zeros((shape.n_x, shape.m, 2))), None).unwrap();
        assert_eq!(window.cache().output(), whole.output());
    }
}
