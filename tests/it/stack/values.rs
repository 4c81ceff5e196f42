//! The parameters, results and errors of a stack.

use elman::sequence::Input;
use elman::stack::{self, Architecture, Direction, Layer, States};
use elman::{Activation, Error, Parameters};
use ndarray::Array3;

use crate::support::numpy::Numpy;
use crate::support::problem::uniform;
use crate::support::stacks::parameters;

use Direction::{Forward, Reverse};

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
}

#[test]
fn gradients_of_a_stack_add_up_until_they_are_discarded() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7)], 2), 1);
    let cache = stack::forward(&p, &Array3::from_elem((3, 4, 6), 0.5), None).unwrap();
    let dlogits = Array3::ones((2, 4, 6));
    let once = stack::backward(&p, &cache, stack::Upstream::logits(&dlogits)).unwrap().gradients;
    let mut back = stack::Backward::default();
    stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
    back.discard_gradients();
    stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
    assert_eq!(back.gradients, once);
    stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
    assert_eq!(back.gradients.by(), once.by().mapv(|value| 2.0 * value));
}

#[test]
fn a_stack_computes_no_gradient_of_an_input_that_needs_none() {
    let p = parameters::<f64>(&Architecture::new(3, [Layer::new(5), Layer::new(7)], 2), 1);
    let x = Array3::ones((3, 4, 6));
    let cache = stack::forward(&p, Input::vectors(&x).without_dx(), None).unwrap();
    let mut back = stack::Backward::with_dx();
    stack::backward_into(&p, &cache, stack::Upstream::logits(&Array3::ones((2, 4, 6))), &mut back).unwrap();
    assert_eq!(back.dx.unwrap().dim(), (0, 4, 6));
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

/// Two layers of two directions, and their parameters, which are zero.
fn both_directions() -> (Architecture, stack::Parameters<f64>) {
    let architecture = Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(2).bidirectional()], 2);
    (architecture.clone(), stack::Parameters::zeros(architecture))
}

#[test]
fn every_element_of_a_stack_has_a_name_and_a_place() {
    let (architecture, mut p) = both_directions();
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
}

#[test]
fn parameters_of_a_stack_are_vectors_and_can_be_converted() {
    let (architecture, mut p) = both_directions();
    let counted: Vec<f64> = (1..=architecture.len()).map(|i| f64::from(u32::try_from(i).unwrap())).collect();
    p.as_mut_slice().copy_from_slice(&counted);
    let squares: f64 = counted.iter().map(|value| value * value).sum();
    // Sums of whole numbers are exact.
    assert_eq!((p.dot(&p), p.norm().to_bits()), (Ok(squares), squares.sqrt().to_bits()));
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
