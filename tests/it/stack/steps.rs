//! A stack one step at a time, and in windows.

use elman::loss::{Reduction, cross_entropy};
use elman::sequence::{self, Input};
use elman::stack::{self, Architecture, Direction, Layer, States};
use elman::{Activation, Error, Upstream};
use ndarray::{Array2, Array3, Axis, s};

use crate::support::naive::Shape;
use crate::support::results::Problem;
use crate::support::stacks::{M, N_X, N_Y, Readings, T_X, architectures, is_one_direction, parameters};

use Direction::Forward;

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
