//! A stack is bit-identical to its layers run one by one, in every reading. Its gradients agree with differences.

use allocation_counter::measure;
use elman::loss::{Reduction, cross_entropy};
use elman::sequence::{self, Input};
use elman::stack::{self, Architecture, Direction, Layer, States};
use elman::{Activation, Error, Parameters, Scalar, Upstream, gradcheck};
use ndarray::{Array2, Array3, Axis, concatenate, s};

use crate::support::naive::Shape;
use crate::support::numpy::Numpy;
use crate::support::problem::uniform;
use crate::support::results::{Problem, Results};
use crate::support::stacks::{M, N_X, N_Y, Readings, T_X, architectures, network, parameters};
use crate::support::{Convert, in_pool};

use Direction::{Forward, Reverse};

/// The rounding of sums over 24 columns and steps.
const ROUNDING: f64 = 1e-13;
/// Gradients agree with differences far better than this.
const DIFFERENCES: f64 = 1e-7;

/// The layers, one by one through `sequence`. Of a bidirectional highest layer there is no head.
struct ByHand<A> {
    /// In the order of the flat buffer.
    caches: Vec<sequence::Cache<A>>,
    networks: Vec<Parameters<A>>,
    backs: Vec<sequence::Backward<A>>,
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
            assert!(report.is_within(DIFFERENCES), "{architecture}: {report}");
            let first = states.get(0, Forward).unwrap().to_owned();
            let report = gradcheck::array("a0", &first, &back.d_states.get(0, Forward).unwrap(), |a0| {
                let mut states = states.clone();
                states.get_mut(0, Forward).unwrap().assign(a0);
                value(&p, input, &states)
            });
            assert!(report.as_ref().unwrap().is_within(DIFFERENCES), "{architecture}: {}", report.unwrap());
        }
        let mut back = stack::Backward::with_dx();
        let upstream = stack::Upstream::hidden(&hidden).with_logits(&logits).with_output(&output);
        let cache = stack::forward(&p, &readings.x, &states).unwrap();
        stack::backward_into(&p, &cache, upstream, &mut back).unwrap();
        let report =
            gradcheck::array("x", &readings.x, back.dx.as_ref().unwrap(), |x| value(&p, Input::vectors(x), &states));
        assert!(report.as_ref().unwrap().is_within(DIFFERENCES), "{architecture}: {}", report.unwrap());
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

#[test]
fn a_loss_of_a_stack_is_that_of_its_head() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7).bidirectional()], 2), 1);
    let x = uniform(&mut Numpy::seed(1), (3, 4, 6));
    let targets = Array2::from_shape_fn((4, 6), |(j, t)| (j + t) % 2);
    let cache = stack::forward(&p, &x, None).unwrap();
    let loss = cross_entropy(&cache, &targets, Reduction::Mean).unwrap();
    let output = cache.output().to_owned();
    let expected = targets.indexed_iter().map(|((j, t), &label)| -output[[label, j, t]].ln()).sum::<f64>() / 24.0;
    assert!((loss.value - expected).abs() < ROUNDING);
    assert!(cross_entropy(&stack::Cache::<f64>::default(), &targets, Reduction::Mean).is_err());
}
