//! A stack is bit-identical to its layers run one by one, in every reading. Its gradients agree with differences.

use allocation_counter::measure;
use elman::loss::{Reduction, cross_entropy};
use elman::sequence::{self, Input};
use elman::stack::{self, Architecture, Direction, Layer, States};
use elman::{Activation, Dropout, Error, Parameters, Scalar, Upstream, gradcheck, init};
use ndarray::{Array2, Array3, Axis, ShapeBuilder, concatenate, s};

use crate::support::naive::Shape;
use crate::support::numpy::Numpy;
use crate::support::problem::uniform;
use crate::support::results::{Problem, Results};
use crate::support::{Convert, in_pool, seeded};

use Direction::{Forward, Reverse};

const M: usize = 5;
const T_X: usize = 7;
const N_X: usize = 3;
const N_Y: usize = 2;

/// One to three layers, with every nonlinearity, in one direction and in two.
pub(crate) fn architectures() -> Vec<Architecture> {
    let layer = |n_a, activation| Layer::new(n_a).with_activation(activation);
    let [tanh, relu, sigmoid, identity] = Activation::ALL;
    [
        vec![layer(5, tanh)],
        vec![layer(17, relu).bidirectional()],
        vec![layer(5, tanh), layer(7, relu)],
        vec![layer(5, sigmoid).bidirectional(), layer(16, tanh)],
        vec![layer(3, identity), layer(5, tanh).bidirectional()],
        vec![layer(5, relu).bidirectional(), layer(3, tanh).bidirectional(), layer(7, sigmoid).bidirectional()],
        vec![layer(2, tanh), layer(5, identity), layer(3, relu)],
    ]
    .into_iter()
    .map(|layers| Architecture::new(N_X, layers, N_Y))
    .collect()
}

pub(crate) fn parameters<A: Scalar>(architecture: &Architecture, seed: u64) -> stack::Parameters<A> {
    init::torch_stack(architecture.clone(), &mut seeded(seed)).unwrap()
}

/// Vectors or token ids, with lengths or without, in either direction of time.
struct Readings<A> {
    x: Array3<A>,
    ids: Array2<usize>,
    lengths: Vec<usize>,
}

impl<A: Scalar> Readings<A> {
    fn draw(seed: u32) -> Self {
        let x = uniform(&mut Numpy::seed(seed), (N_X, M, T_X)).mapv(A::narrow);
        let ids = Array2::from_shape_fn((M, T_X), |(j, t)| (3 * j + 5 * t + j * t) % N_X);
        Readings { x, ids, lengths: vec![7, 0, 3, 5, 2] }
    }

    fn inputs(&self) -> Vec<Input<'_, A>> {
        [Input::vectors(&self.x), Input::tokens(&self.ids)]
            .into_iter()
            .flat_map(|input| {
                [input, input.reversed(), input.lengths(&self.lengths), input.lengths(&self.lengths).reversed()]
            })
            .collect()
    }
}

/// The layers, one by one through `sequence`. Of a bidirectional highest layer there is no head.
struct ByHand<A> {
    /// In the order of the flat buffer.
    caches: Vec<sequence::Cache<A>>,
    networks: Vec<Parameters<A>>,
    backs: Vec<sequence::Backward<A>>,
}

fn network<A: Scalar>(p: &stack::Parameters<A>, layer: usize, direction: Direction) -> Parameters<A> {
    let [wax, waa, wya] =
        [p.wax(layer, direction), p.waa(layer, direction), p.wya(layer, direction)].map(Option::unwrap);
    let activation = p.architecture().layers()[layer].activation;
    let with_head = direction == Forward && !wya.is_empty();
    let (wya, by) = if with_head { (wya, p.by()) } else { (wya.slice_move(s![..0, ..]), p.by().slice_move(s![..0])) };
    Parameters::from_arrays(&wax, &waa, &wya, &p.ba(layer, direction).unwrap(), &by)
        .unwrap()
        .with_activation(activation)
}

fn by_hand<A: Scalar>(
    p: &stack::Parameters<A>,
    readings: &Readings<A>,
    index: usize,
    dlogits: &Array3<A>,
) -> ByHand<A> {
    let mut hand = ByHand { caches: Vec::new(), networks: Vec::new(), backs: Vec::new() };
    let layers = p.architecture().layers().to_vec();
    let (ragged, reversed) = ([2, 3, 6, 7].contains(&index), index % 2 == 1);
    let mut below: Option<Array3<A>> = None;
    for (layer, shape) in layers.iter().enumerate() {
        let directions: &[Direction] = if shape.bidirectional { &[Forward, Reverse] } else { &[Forward] };
        let mut outputs = Vec::new();
        for &direction in directions {
            let base = match &below {
                Some(below) => Input::vectors(below),
                None if index < 4 => Input::vectors(&readings.x),
                None => Input::tokens(&readings.ids),
            };
            let base = if ragged { base.lengths(&readings.lengths) } else { base };
            let input = if reversed == (direction == Reverse) { base } else { base.reversed() };
            let network = network(p, layer, direction);
            let cache = sequence::forward(&network, input, None).unwrap();
            outputs.push(cache.hidden().to_owned());
            hand.networks.push(network);
            hand.caches.push(cache);
        }
        let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
        below = Some(concatenate(Axis(0), &views).unwrap());
    }
    // Backward, where the head belongs to one direction.
    if !layers.last().unwrap().bidirectional {
        let mut above: Option<Array3<A>> = None;
        let mut end = hand.caches.len();
        for shape in layers.iter().rev() {
            let start = end - if shape.bidirectional { 2 } else { 1 };
            let mut backs = Vec::new();
            for (direction, index) in (start..end).enumerate() {
                let units = above.as_ref().map(|above| {
                    let first = direction * shape.n_a;
                    above.slice(s![first..first + shape.n_a, .., ..]).to_owned()
                });
                let upstream =
                    units.as_ref().map_or_else(|| Upstream::logits(dlogits), |units| Upstream::hidden(units));
                backs.push(sequence::backward(&hand.networks[index], &hand.caches[index], upstream).unwrap());
            }
            above = Some(backs.iter().skip(1).fold(backs[0].dx.clone(), |sum, back| sum + &back.dx));
            hand.backs.splice(0..0, backs);
            end = start;
        }
    }
    hand
}

fn a_stack_is_its_layers<A: Scalar>() {
    for (seed, architecture) in (1..).zip(architectures()) {
        let p = parameters::<A>(&architecture, seed);
        let readings = Readings::draw(u32::try_from(seed).unwrap());
        let dlogits = uniform(&mut Numpy::seed(9), (N_Y, M, T_X)).mapv(A::narrow);
        for (index, input) in readings.inputs().into_iter().enumerate() {
            let cache = stack::forward(&p, input, None).unwrap();
            let hand = by_hand(&p, &readings, index, &dlogits);
            let mut caches = hand.caches.iter();
            for (layer, shape) in architecture.layers().iter().enumerate() {
                for direction in [Forward, Reverse].into_iter().take(1 + usize::from(shape.bidirectional)) {
                    let expected = caches.next().unwrap();
                    let (mut found, mut right) = (Results::default(), Results::default());
                    found.add("hidden", cache.hidden(layer, direction).unwrap());
                    right.add("hidden", expected.hidden());
                    found.add("last", cache.last_hidden(layer, direction).unwrap());
                    right.add("last", expected.last_hidden());
                    found.assert_same(&right, &(&architecture, index, layer, direction));
                }
            }
            if hand.backs.is_empty() {
                continue;
            }
            assert_eq!(cache.output(), hand.caches.last().unwrap().output());
            let mut back = stack::Backward::with_dx();
            stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
            let (mut found, mut right) = (Results::default(), Results::default());
            found.add("gradients", back.gradients.as_slice());
            right.add("gradients", hand.backs.iter().flat_map(|back| back.gradients.as_slice()));
            found.assert_same(&right, &(&architecture, index));
            let dx = hand.backs.iter().take(1 + usize::from(architecture.layers()[0].bidirectional));
            let dx = dx.map(|back| back.dx.clone()).reduce(|sum, dx| sum + &dx).unwrap();
            assert_eq!(back.dx.as_ref().unwrap(), dx);
            let without = stack::backward(&p, &cache, stack::Upstream::logits(&dlogits)).unwrap();
            assert_eq!((without.gradients, without.dx), (back.gradients, None));
        }
    }
}

#[test]
fn a_stack_is_bit_identical_to_its_layers_in_every_reading() {
    a_stack_is_its_layers::<f32>();
    a_stack_is_its_layers::<f64>();
}

#[test]
fn one_layer_is_bit_identical_to_a_sequence() {
    let problem = Problem::<f32>::draw(1, Shape { n_x: 17, n_a: 33, n_y: 9, m: 13, t_x: 11 });
    for problem in problem.readings().into_iter().chain([problem.clone()]) {
        let p = stack::Parameters::from(&problem.parameters);
        assert_eq!(p.as_slice(), problem.parameters.as_slice());
        let mut states = States::zeros(p.architecture(), 13);
        states.get_mut(0, Forward).unwrap().assign(&problem.inputs.a0);
        let cache = stack::forward(&p, problem.input(), &states).unwrap();
        let alone = problem.forward();
        assert_eq!(cache.hidden(0, Forward).unwrap(), alone.hidden());
        assert_eq!(cache.last_hidden(0, Forward).unwrap(), alone.last_hidden());
        assert_eq!((cache.logits(), cache.output()), (alone.logits(), alone.output()));
        let expected = sequence::backward(&problem.parameters, &alone, problem.upstream.upstream()).unwrap();
        let mut last = States::zeros(p.architecture(), 13);
        last.get_mut(0, Forward).unwrap().assign(problem.upstream.last_hidden.as_ref().unwrap());
        let upstream = stack::Upstream::hidden(problem.upstream.hidden.as_ref().unwrap())
            .with_logits(problem.upstream.logits.as_ref().unwrap())
            .with_output(problem.upstream.output.as_ref().unwrap())
            .with_last_states(&last);
        let mut back = stack::Backward::with_dx();
        stack::backward_into(&p, &cache, upstream, &mut back).unwrap();
        assert_eq!(back.gradients.as_slice(), expected.gradients.as_slice());
        assert_eq!(back.d_states.get(0, Forward).unwrap(), expected.da0);
        if problem.reading.tokens.is_none() {
            assert_eq!(back.dx.unwrap(), expected.dx);
        }
    }
}

/// Covers the head of two directions, which `sequence` does not have. Differences are taken across a kink, so relu is left to
/// the other tests.
#[test]
fn gradients_of_every_stack_agree_with_differences() {
    let smooth = |layer: &Layer| match layer.activation {
        Activation::Relu => layer.with_activation(Activation::Sigmoid),
        _ => *layer,
    };
    for (seed, architecture) in (1..).zip(architectures()) {
        let layers: Vec<Layer> = architecture.layers().iter().map(smooth).collect();
        let architecture = Architecture::new(N_X, layers, N_Y);
        let p = parameters::<f64>(&architecture, seed);
        let readings = Readings::draw(3);
        let mut rng = Numpy::seed(5);
        let mut states = States::zeros(&architecture, M);
        let width = architecture.layers().last().unwrap().width();
        let [hidden, logits, output] = [width, N_Y, N_Y].map(|n| uniform(&mut rng, (n, M, T_X)));
        for (layer, shape) in architecture.layers().iter().enumerate() {
            for direction in [Forward, Reverse].into_iter().take(1 + usize::from(shape.bidirectional)) {
                states.get_mut(layer, direction).unwrap().assign(&uniform(&mut rng, (shape.n_a, M)));
            }
        }
        let layer = architecture.layers().len() - 1;
        let value = |p: &stack::Parameters<f64>, input: Input<'_, f64>, states: &States<f64>| -> Result<f64, Error> {
            let cache = stack::forward(p, input, states)?;
            let directions = [cache.hidden(layer, Forward), cache.hidden(layer, Reverse)];
            let views: Vec<_> = directions.into_iter().flatten().collect();
            let all = concatenate(Axis(0), &views).unwrap();
            Ok((&all * &hidden).sum() + (&cache.logits() * &logits).sum() + (&cache.output() * &output).sum())
        };
        for input in readings.inputs() {
            let cache = stack::forward(&p, input, &states).unwrap();
            let upstream = stack::Upstream::hidden(&hidden).with_logits(&logits).with_output(&output);
            let back = stack::backward(&p, &cache, upstream).unwrap();
            let report = gradcheck::stack_parameters(&p, &back.gradients, |p| value(p, input, &states)).unwrap();
            assert!(report.is_within(1e-7), "{architecture}: {report}");
            let first = states.get(0, Forward).unwrap().to_owned();
            let report = gradcheck::array("a0", &first, &back.d_states.get(0, Forward).unwrap(), |a0| {
                let mut states = states.clone();
                states.get_mut(0, Forward).unwrap().assign(a0);
                value(&p, input, &states)
            });
            assert!(report.as_ref().unwrap().is_within(1e-7), "{architecture}: {}", report.unwrap());
        }
        let mut back = stack::Backward::with_dx();
        let upstream = stack::Upstream::hidden(&hidden).with_logits(&logits).with_output(&output);
        let cache = stack::forward(&p, &readings.x, &states).unwrap();
        stack::backward_into(&p, &cache, upstream, &mut back).unwrap();
        let report =
            gradcheck::array("x", &readings.x, back.dx.as_ref().unwrap(), |x| value(&p, Input::vectors(x), &states));
        assert!(report.as_ref().unwrap().is_within(1e-7), "{architecture}: {}", report.unwrap());
    }
}

#[test]
fn chunks_columns_and_threads_give_bit_identical_results() {
    let architecture = Architecture::new(33, [Layer::new(128), Layer::new(96).with_activation(Activation::Relu)], 17);
    let p = parameters::<f32>(&architecture, 1);
    let (m, t_x) = (31, 41);
    let x = uniform(&mut Numpy::seed(1), (33, m, t_x)).mapv(f32::narrow);
    let dlogits = uniform(&mut Numpy::seed(2), (17, m, t_x)).mapv(f32::narrow);
    let run = |threads| {
        in_pool(threads, || {
            let cache = stack::forward(&p, &x, None).unwrap();
            let back = stack::backward(&p, &cache, stack::Upstream::logits(&dlogits)).unwrap();
            (cache, back)
        })
    };
    let (whole, expected) = run(1);
    for threads in [2, 3] {
        assert!(run(threads) == (whole.clone(), expected.clone()), "{threads} threads");
    }

    let early = stack::forward(&p, x.slice(s![.., .., ..23]), None).unwrap();
    let late = stack::forward(&p, x.slice(s![.., .., 23..]), &States::last(&early)).unwrap();
    assert_eq!(late.output(), whole.output().slice(s![.., .., 23..]));
    let mut back = stack::Backward::default();
    let part = dlogits.slice(s![.., .., 23..]);
    stack::backward_into(&p, &late, stack::Upstream::logits(&part), &mut back).unwrap();
    let (last, part) = (back.d_states.clone(), dlogits.slice(s![.., .., ..23]));
    stack::backward_into(&p, &early, stack::Upstream::logits(&part).with_last_states(&last), &mut back).unwrap();
    assert_eq!((&back.gradients, &back.d_states), (&expected.gradients, &expected.d_states));

    let column = stack::forward(&p, x.slice(s![.., 11..12, ..]), None).unwrap();
    assert_eq!(column.output(), whole.output().slice(s![.., 11..12, ..]));
}

#[test]
fn a_warm_stack_allocates_nothing_for_its_passes() {
    let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7), Layer::new(3)], 2);
    let p = parameters::<f64>(&architecture, 1);
    let x = uniform(&mut Numpy::seed(1), (3, 4, 6));
    let dlogits = Array3::ones((2, 4, 6));
    let (mut cache, mut back) = (stack::Cache::default(), stack::Backward::default());
    let mut run = || {
        stack::forward_into(&p, &x, None, &mut cache).unwrap();
        back.discard_gradients();
        stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
    };
    run();
    assert_eq!(measure(run).count_total, 0);
}

#[test]
fn every_dimension_of_a_stack_may_be_zero() {
    for (n_x, n_a, n_y, m, t_x) in [(0, 5, 2, 3, 4), (3, 0, 2, 3, 4), (3, 5, 0, 3, 4), (3, 5, 2, 0, 4), (3, 5, 2, 3, 0)]
    {
        for layers in [vec![Layer::new(n_a); 2], vec![Layer::new(n_a).bidirectional(); 2]] {
            let p = parameters::<f32>(&Architecture::new(n_x, layers, n_y), 1);
            let cache = stack::forward(&p, &Array3::zeros((n_x, m, t_x)), None).unwrap();
            assert_eq!(cache.output().dim(), (n_y, m, t_x));
            let mut back = stack::Backward::with_dx();
            stack::backward_into(&p, &cache, stack::Upstream::logits(&Array3::ones((n_y, m, t_x))), &mut back).unwrap();
            assert_eq!(back.dx.unwrap().dim(), (n_x, m, t_x));
        }
    }
}

#[test]
fn a_wrong_argument_of_a_stack_is_named() {
    let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2);
    let p = parameters::<f64>(&architecture, 1);
    let x = Array3::zeros((3, 4, 6));
    let message = |error: Error| error.to_string();
    let none = stack::Parameters::<f64>::zeros(Architecture::new(3, [], 2));
    assert_eq!(message(stack::forward(&none, &x, None).unwrap_err()), "the stack has no layer, expected at least 1");
    let error = stack::forward(&p, &Array3::zeros((2, 4, 6)), None).unwrap_err();
    assert_eq!(message(error), "`x` has shape (2, 4, 6), expected (n_x, m, T_x) = (3, _, _)");
    let error = stack::forward(&p, &x, &States::zeros(&architecture, 5)).unwrap_err();
    assert_eq!(message(error), "`states` has shape (5, 5) for layer 0, direction forward, expected (n_a, m) = (5, 4)");
    let fewer = Architecture::new(3, [Layer::new(5), Layer::new(7)], 2);
    let error = stack::forward(&p, &x, &States::zeros(&fewer, 4)).unwrap_err();
    assert_eq!(message(error), "`states` has no state for layer 0, direction reverse, expected (n_a, m) = (5, 4)");

    let other = parameters::<f64>(&fewer, 1);
    let more = States::zeros(&architecture, 4);
    let expected = "`states` has 3 states, expected 2, one for each layer and direction";
    assert_eq!(message(stack::forward(&other, &x, &more).unwrap_err()), expected);
    let mut stepper = stack::Stepper::new(&other, 4).unwrap();
    assert_eq!(message(stepper.set_states(&more).unwrap_err()), expected);
    let cache = stack::forward(&other, &x, None).unwrap();
    let error = stack::backward(&other, &cache, stack::Upstream::last_states(&more)).unwrap_err();
    assert_eq!(message(error), expected.replace("states` has", "upstream.last_states` has"));
    let error = stack::backward(&other, &stack::Cache::default(), stack::Upstream::default()).unwrap_err();
    assert!(matches!(error, Error::Architecture { argument: "cache", .. }), "{error}");

    let cache = stack::forward(&p, &x, None).unwrap();
    let error = stack::backward(&other, &cache, stack::Upstream::default()).unwrap_err();
    let expected =
        "`cache` belongs to a stack 3 → 5 tanh in two directions → 7 tanh → 2, expected 3 → 5 tanh → 7 tanh → 2";
    assert_eq!(message(error), expected);
    let error = stack::backward(&p, &cache, stack::Upstream::hidden(&Array3::zeros((5, 4, 6)))).unwrap_err();
    assert_eq!(message(error), "`upstream.hidden` has shape (5, 4, 6), expected (width, m, T_x) = (7, 4, 6)");
    let huge = Architecture::new(3, [Layer::new(usize::MAX / 4)], 2);
    let error = stack::Parameters::<f32>::try_zeros(huge).unwrap_err();
    assert!(matches!(error, Error::StackTooLarge { .. }), "{error}");
    let huge = Architecture::new(usize::MAX, [Layer::new(usize::MAX).bidirectional(), Layer::new(1)], 2);
    assert_eq!(huge.checked_len(), None);
}

#[test]
fn results_of_a_stack_are_equal_only_where_all_their_parts_are() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7)], 2), 1);
    let [x, other] = [0.5, 0.25].map(|value| Array3::from_elem((3, 4, 6), value));
    let cache = stack::forward(&p, &x, None).unwrap();
    assert_eq!(cache, cache.clone());
    assert_ne!(cache, stack::forward(&p, &other, None).unwrap());
    assert!(!cache.is_empty() && stack::Cache::<f64>::default().is_empty());
    assert!(!p.architecture().is_empty() && Architecture::new(3, [], 2).is_empty());

    let mut back = stack::Backward::with_dx();
    stack::backward_into(&p, &cache, stack::Upstream::logits(&Array3::ones((2, 4, 6))), &mut back).unwrap();
    let edits: [fn(&mut stack::Backward<f64>); 4] = [
        |back| back.gradients.by_mut()[0] += 1.0,
        |back| back.dx.as_mut().unwrap()[[0, 0, 0]] += 1.0,
        |back| back.dx = None,
        |back| back.d_states.get_mut(0, Forward).unwrap()[[0, 0]] += 1.0,
    ];
    assert_eq!(back, back.clone());
    for edit in edits {
        let mut changed = back.clone();
        edit(&mut changed);
        assert_ne!(changed, back);
    }
    // Twice the same gradient adds up, but for a discarded one.
    let once = back.gradients.clone();
    let dlogits = Array3::ones((2, 4, 6));
    back.discard_gradients();
    stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
    assert_eq!(back.gradients, once);
    stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
    assert_eq!(back.gradients.by(), once.by().mapv(|value| 2.0 * value));

    let cache = stack::forward(&p, Input::vectors(&x).without_dx(), None).unwrap();
    stack::backward_into(&p, &cache, stack::Upstream::logits(&Array3::ones((2, 4, 6))), &mut back).unwrap();
    assert_eq!(back.dx.unwrap().dim(), (0, 4, 6), "the input is said to need no gradient");
}

#[test]
fn a_cache_of_a_stack_shows_where_it_started_and_which_way_time_ran() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2), 1);
    let x = uniform(&mut Numpy::seed(1), (3, 4, 6));
    let mut states = States::zeros(p.architecture(), 4);
    for (layer, direction, value) in [(0, Forward, 0.25), (0, Reverse, 0.5), (1, Forward, -0.5)] {
        states.get_mut(layer, direction).unwrap().fill(value);
    }
    for (input, reversed) in [(Input::vectors(&x), false), (Input::vectors(&x).reversed(), true)] {
        let cache = stack::forward(&p, input, &states).unwrap();
        assert_eq!(cache.is_reversed(), reversed);
        for (layer, direction) in [(0, Forward), (0, Reverse), (1, Forward)] {
            assert_eq!(cache.a0(layer, direction).unwrap(), states.get(layer, direction).unwrap());
        }
        assert_eq!((cache.a0(1, Reverse), cache.a0(2, Forward)), (None, None));
    }
}

/// ∂L/∂y of the probabilities is y ⊙ (dy − Σ y·dy) at the logits.
#[test]
fn a_gradient_of_the_output_of_a_stack_goes_through_the_softmax() {
    fn copied<T: Clone>(value: &T) -> T {
        value.clone()
    }
    for layer in [Layer::new(5), Layer::new(5).bidirectional()] {
        let p = parameters::<f64>(&Architecture::new(3, [layer, layer], 4), 1);
        let x = uniform(&mut Numpy::seed(1), (3, 4, 6));
        let dy = uniform(&mut Numpy::seed(2), (4, 4, 6));
        let cache = stack::forward(&p, &x, None).unwrap();
        let mean = (&cache.output() * &dy).sum_axis(Axis(0)).insert_axis(Axis(0));
        let dlogits = &cache.output() * &(&dy - &mean);
        let by_logits = stack::backward(&p, &cache, stack::Upstream::logits(&dlogits)).unwrap().gradients;
        for upstream in [stack::Upstream::output(&dy), copied(&stack::Upstream::output(&dy))] {
            let by_output = stack::backward(&p, &cache, upstream).unwrap().gradients;
            let mut difference = by_output.clone();
            difference.scaled_add(-1.0, &by_logits).unwrap();
            assert!(by_output.norm() > 0.1 && difference.norm() < ROUNDING * by_output.norm(), "{}", difference.norm());
        }
    }
}

/// The rounding of sums over 24 columns and steps.
const ROUNDING: f64 = 1e-13;

#[test]
fn networks_that_do_not_fit_each_other_are_no_stack() {
    let network = |n_x, n_a, n_y| {
        let mut network = Parameters::<f64>::zeros(elman::Dims { n_x, n_a, n_y });
        network.fill(0.5);
        network
    };
    let without_bias = |mut network: Parameters<f64>| {
        network.by_mut().fill(0.0);
        network
    };
    let join = |networks: &[Vec<Parameters<f64>>]| stack::Parameters::from_networks(networks);
    let relu = |network: Parameters<f64>| network.with_activation(Activation::Relu);
    let both = [vec![network(3, 5, 0), network(3, 5, 0)], vec![network(10, 7, 2), without_bias(network(10, 7, 2))]];
    let joined = join(&both).unwrap();
    let layers = [Layer::new(5).bidirectional(), Layer::new(7).bidirectional()];
    assert_eq!(joined.architecture(), &Architecture::new(3, layers, 2));
    assert!(joined.as_slice().iter().all(|value| value.to_bits() == 0.5_f64.to_bits()));

    assert!(matches!(join(&[]), Err(Error::NoLayers)));
    for networks in [&[vec![]][..], &[vec![network(3, 5, 0)], vec![]]] {
        assert!(matches!(join(networks), Err(Error::Range { argument: "networks[..].len()", .. })));
    }
    assert!(matches!(join(&[vec![network(3, 5, 0); 3], vec![network(15, 7, 2)]]), Err(Error::Range { .. })));
    for networks in [
        [vec![network(3, 5, 2)], vec![network(5, 7, 2)]],
        [vec![network(3, 5, 0)], vec![network(4, 7, 2)]],
        [vec![network(3, 5, 0); 2], vec![network(5, 7, 2)]],
        [vec![network(3, 5, 0), network(3, 4, 0)], vec![network(9, 7, 2)]],
        [vec![network(3, 5, 0), network(2, 5, 0)], vec![network(10, 7, 2)]],
        [vec![network(3, 5, 0)], vec![network(5, 7, 2), network(5, 7, 1)]],
    ] {
        assert!(matches!(join(&networks), Err(Error::Network { .. })), "{networks:?}");
    }
    let mixed = [vec![network(3, 5, 0), relu(network(3, 5, 0))], vec![network(10, 7, 2)]];
    assert!(matches!(join(&mixed), Err(Error::Activation { .. })));
    let upper = [vec![network(3, 5, 0)], vec![relu(network(5, 7, 2))]];
    assert_eq!(join(&upper).unwrap().architecture().layers()[1].activation, Activation::Relu);
    let two_biases = [vec![network(3, 5, 2), network(3, 5, 2)]];
    assert!(matches!(join(&two_biases), Err(Error::OutputBias)));
}

#[test]
fn every_element_of_a_stack_has_a_name_and_a_place() {
    let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(2).bidirectional()], 2);
    let mut p = stack::Parameters::<f64>::zeros(architecture.clone());
    assert_eq!(p.as_slice().len(), architecture.len());
    let mut next = 0.0;
    let mut count = || {
        next += 1.0;
        next
    };
    for layer in 0..2 {
        for direction in [Forward, Reverse] {
            p.wax_mut(layer, direction).unwrap().mapv_inplace(|_| count());
            p.waa_mut(layer, direction).unwrap().mapv_inplace(|_| count());
            p.wya_mut(layer, direction).unwrap().mapv_inplace(|_| count());
            p.ba_mut(layer, direction).unwrap().mapv_inplace(|_| count());
            if (layer, direction) == (1, Forward) {
                p.by_mut().mapv_inplace(|_| count());
            }
        }
    }
    let counted: Vec<f64> = (1..=architecture.len()).map(|i| f64::from(u32::try_from(i).unwrap())).collect();
    assert_eq!(p.as_slice(), counted);
    let names: Vec<String> = (0..architecture.len()).map(|i| p.name_of(i).unwrap()).collect();
    assert_eq!((&*names[0], &*names[44]), ("layers[0].forward.wax[0, 0]", "layers[0].forward.ba[4]"));
    assert_eq!(
        (&*names[45], names.iter().filter(|name| name.starts_with("by")).count()),
        ("layers[0].reverse.wax[0, 0]", 2)
    );
    assert_eq!(names.last().unwrap(), "layers[1].reverse.ba[1]");
    assert!(names.iter().collect::<std::collections::HashSet<_>>().len() == names.len());
    assert_eq!(p.name_of(architecture.len()), None);
    assert_eq!((p.wax(2, Forward), p.waa(0, Reverse).map(|waa| waa.dim())), (None, Some((5, 5))));
    let squares: f64 = counted.iter().map(|value| value * value).sum();
    assert!((p.dot(&p).unwrap() - squares).abs() < 1e-6 && (p.norm() - squares.sqrt()).abs() < 1e-9);
    let mut filled = p.clone();
    filled.fill(-0.5);
    filled.as_mut_slice()[7] = 1.5;
    let mut expected = vec![-0.5; architecture.len()];
    expected[7] = 1.5;
    assert_eq!(filled.as_slice(), expected);
    assert_eq!(p.network(1, Reverse).unwrap().waa(), p.waa(1, Reverse).unwrap());
    let mut q = p.clone();
    q.scaled_add(-1.0, &p).unwrap();
    assert!(q.norm().abs() < f64::MIN_POSITIVE && q.dot(&p).unwrap().abs() < f64::MIN_POSITIVE);
    assert_eq!(p.to_f32().to_f64(), p);
}

#[test]
fn a_loss_of_a_stack_is_that_of_its_head() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7).bidirectional()], 2), 1);
    let x = uniform(&mut Numpy::seed(1), (3, 4, 6));
    let targets = Array2::from_shape_fn((4, 6), |(j, t)| (j + t) % 2);
    let cache = stack::forward(&p, &x, None).unwrap();
    let loss = cross_entropy(&cache, &targets, Reduction::Mean).unwrap();
    let output = cache.output().to_owned();
    let expected = targets.indexed_iter().map(|((j, t), &label)| -output[[label, j, t]].ln()).sum::<f64>() / 24.0;
    assert!((loss.value - expected).abs() < 1e-14);
    assert!(cross_entropy(&stack::Cache::<f64>::default(), &targets, Reduction::Mean).is_err());
}

#[test]
fn a_stepper_is_bit_identical_to_the_stack() {
    let layers = [Layer::new(17), Layer::new(5).with_activation(Activation::Relu), Layer::new(33)];
    let p = parameters::<f32>(&Architecture::new(N_X, layers, N_Y), 1);
    let readings = Readings::<f32>::draw(1);
    let mut stepper = stack::Stepper::new(&p, M).unwrap();
    for tokens in [false, true] {
        stepper.reset();
        let input = if tokens { Input::tokens(&readings.ids) } else { Input::vectors(&readings.x) };
        let cache = stack::forward(&p, input, None).unwrap();
        for t in 0..T_X {
            if tokens {
                stepper.step_tokens(&readings.ids.column(t).to_vec()).unwrap();
            } else {
                stepper.step(&readings.x.index_axis(Axis(2), t)).unwrap();
            }
            if t == 3 {
                let saved = stepper.states();
                stepper.reset();
                stepper.set_states(&saved).unwrap();
            }
            for layer in 0..3 {
                let expected = cache.hidden(layer, Forward).unwrap();
                assert_eq!(stepper.hidden(layer).unwrap(), expected.index_axis(Axis(2), t), "step {t}, layer {layer}");
            }
            if t != 3 {
                assert_eq!(stepper.logits(), cache.logits().index_axis(Axis(2), t));
                assert_eq!(stepper.output(), cache.output().index_axis(Axis(2), t));
            }
        }
        assert_eq!(stepper.states(), States::last(&cache));
    }
    let before = stepper.clone();
    assert!(stepper.step(&Array2::zeros((N_X, M + 1))).is_err() && stepper.step_tokens(&[3; M]).is_err());
    assert!(stepper.set_states(&States::zeros(p.architecture(), 2)).is_err());
    assert_eq!(stepper.states(), before.states());
    let both = parameters::<f32>(&Architecture::new(3, [Layer::new(5), Layer::new(7).bidirectional()], 2), 1);
    let error = stack::Stepper::new(&both, 1).unwrap_err().to_string();
    assert_eq!(
        error,
        "layer 1 of the stack has two directions, expected one: a reverse direction needs the whole sequence"
    );
}

const WINDOWS: [(usize, usize); 5] = [(3, 3), (2, 5), (5, 2), (7, 7), (1, usize::MAX)];

#[test]
fn windows_of_a_one_layer_stack_are_those_of_a_sequence() {
    let problem = Problem::<f32>::draw(1, Shape { n_x: 3, n_a: 17, n_y: 5, m: 4, t_x: 11 });
    for problem in problem.readings().into_iter().chain([problem.clone()]) {
        let p = stack::Parameters::from(&problem.parameters);
        let mut states = States::zeros(p.architecture(), 4);
        states.get_mut(0, Forward).unwrap().assign(&problem.inputs.a0);
        for (k1, k2) in WINDOWS {
            let mut expected = sequence::Truncated::new(problem.input(), &problem.inputs.a0, k1, k2).unwrap();
            let mut found = stack::Truncated::new(problem.input(), &states, k1, k2).unwrap();
            while let Some(window) = expected.next_window(&problem.parameters).unwrap() {
                assert_eq!(found.next_window(&p).unwrap().as_ref(), Some(&window));
                assert_eq!(found.cache().hidden(0, Forward).unwrap(), expected.cache().hidden());
                assert_eq!(found.cache().output(), expected.cache().output());
                let targets = || window.targets(&problem.targets);
                let [loss, right] = [
                    cross_entropy(found.cache(), targets(), Reduction::Sum).unwrap(),
                    cross_entropy(expected.cache(), targets(), Reduction::Sum).unwrap(),
                ];
                let upstream = stack::Upstream::logits(&loss.dlogits);
                let gradients = stack::backward(&p, found.cache(), upstream).unwrap().gradients;
                let upstream = Upstream::logits(&right.dlogits);
                let expected = sequence::backward(&problem.parameters, expected.cache(), upstream).unwrap().gradients;
                assert_eq!(gradients.as_slice(), expected.as_slice());
            }
            assert!(found.next_window(&p).unwrap().is_none());
        }
    }
}

#[test]
fn windows_of_a_stack_have_the_hidden_states_of_the_whole_sequence() {
    let mut count = 0;
    for architecture in architectures().into_iter().filter(is_one_direction) {
        let p = parameters::<f64>(&architecture, 1);
        let readings = Readings::draw(1);
        let mut states = States::zeros(&architecture, M);
        states.get_mut(architecture.layers().len() - 1, Forward).unwrap().fill(0.5);
        for input in readings.inputs() {
            let whole = stack::forward(&p, input, &states).unwrap();
            for (k1, k2) in WINDOWS {
                let mut windows = stack::Truncated::new(input, &states, k1, k2).unwrap();
                while let Some(window) = windows.next_window(&p).unwrap() {
                    for layer in 0..architecture.layers().len() {
                        let all = whole.hidden(layer, Forward).unwrap();
                        let part = all.slice(s![.., .., window.steps.clone()]);
                        assert_eq!(windows.cache().hidden(layer, Forward).unwrap(), part, "{architecture}, {window:?}");
                    }
                    count += 1;
                }
                assert_eq!(States::last(windows.cache()), States::last(&whole), "{architecture}");
            }
        }
    }
    assert!(count > 100);
}

fn is_one_direction(architecture: &Architecture) -> bool {
    architecture.layers().iter().all(|layer| !layer.bidirectional)
}

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

#[test]
fn a_stack_that_windows_cannot_run_is_refused() {
    let x = Array3::<f64>::zeros((3, 4, 6));
    let both = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7).bidirectional()], 2), 1);
    let mut windows = stack::Truncated::new(&x, None, 2, 3).unwrap();
    let error = windows.next_window(&both).unwrap_err().to_string();
    assert_eq!(
        error,
        "layer 1 of the stack has two directions, expected one: a reverse direction needs the whole sequence"
    );
    let none = stack::Parameters::zeros(Architecture::new(3, [], 2));
    assert!(matches!(windows.next_window(&none), Err(Error::NoLayers)));
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7)], 2), 1);
    let window = windows.next_window(&p).unwrap().unwrap();
    assert_eq!((window.steps, window.fresh), (0..2, 0..2));
    let wrong = States::zeros(p.architecture(), 3);
    let mut windows = stack::Truncated::new(&x, &wrong, 2, 3).unwrap();
    assert!(matches!(windows.next_window(&p), Err(Error::States { .. })));
    assert!(matches!(stack::Truncated::<f64>::new(&x, None, 0, 3), Err(Error::Range { .. })));
}
