//! Steppers: shared weights, pools of clients, threads, and memory.

use std::thread;

use allocation_counter::measure;
use elman::cell::{self, Network};
use elman::stack::{self, Architecture, Direction, Layer};
use elman::{Activation, Dims, Error, Parameters, Scalar};
use ndarray::{Array2, Array3, ArrayView2, Axis, ShapeBuilder};

use crate::support::Convert;
use crate::support::naive::Shape;
use crate::support::numpy::Numpy;
use crate::support::problem::{below, uniform};
use crate::support::results::Problem;

const SHAPE: Shape = Shape { n_x: 3, n_a: 17, n_y: 5, m: 11, t_x: 40 };

/// Some of the columns, in random order.
fn draw_columns(rng: &mut Numpy) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..SHAPE.m).collect();
    for i in (1..columns.len()).rev() {
        columns.swap(i, below(rng, i + 1));
    }
    columns.truncate(below(rng, SHAPE.m + 1));
    columns
}

fn picked<A: Scalar>(all: &ArrayView2<'_, A>, columns: &[usize]) -> Array2<A> {
    all.select(Axis(1), columns)
}

#[test]
fn a_stepper_without_output_computes_the_same_logits_and_states() {
    let Problem { parameters, inputs, .. } = Problem::<f32>::draw(3, SHAPE);
    let network = Network::new(&parameters);
    let (mut full, mut short) = (network.stepper(SHAPE.m), network.stepper(SHAPE.m).without_output());
    for (t, xt) in inputs.x.axis_iter(Axis(2)).enumerate() {
        let columns = [5, 0, 7];
        let step = |stepper: &mut cell::Stepper<f32>| match t % 3 {
            0 => stepper.step_columns(&columns, &picked(&xt, &columns)),
            1 => stepper.reset_columns(&columns),
            _ => stepper.step(&xt),
        };
        step(&mut full).unwrap();
        step(&mut short).unwrap();
        assert_eq!((short.logits(), short.hidden()), (full.logits(), full.hidden()));
        assert_eq!(short.output().dim(), (0, SHAPE.m));
    }
    short.resize(2);
    short.reset();
    assert_eq!((short.logits().dim(), short.output().dim()), ((SHAPE.n_y, 2), (0, 2)));
}

fn clients_of_a_pool_have_the_bits_of_each_alone<A: Scalar>() {
    let Problem { parameters, inputs, .. } = Problem::<A>::draw(2, SHAPE);
    let network = Network::new(&parameters);
    let (mut pool, mut rng) = (network.stepper(SHAPE.m), Numpy::seed(5));
    let mut alone: Vec<_> = (0..SHAPE.m).map(|_| network.stepper(1)).collect();
    for xt in inputs.x.axis_iter(Axis(2)) {
        let columns = draw_columns(&mut rng);
        let as_tokens = below(&mut rng, 2) == 1;
        let tokens: Vec<usize> = columns.iter().map(|_| below(&mut rng, SHAPE.n_x)).collect();
        if as_tokens {
            pool.step_columns_tokens(&columns, &tokens).unwrap();
        } else {
            pool.step_columns(&columns, &picked(&xt, &columns)).unwrap();
        }
        for (column, token) in columns.iter().zip(&tokens) {
            if as_tokens {
                alone[*column].step_tokens(&[*token]).unwrap();
            } else {
                alone[*column].step(&picked(&xt, &[*column])).unwrap();
            }
        }
        let forgotten = draw_columns(&mut rng);
        if forgotten.len() < 3 {
            pool.reset_columns(&forgotten).unwrap();
            for column in forgotten {
                alone[column].reset();
            }
        }
        for (j, alone) in alone.iter().enumerate() {
            assert_eq!(pool.hidden().column(j), alone.hidden().column(0));
            assert_eq!(pool.logits().column(j), alone.logits().column(0));
            assert_eq!(pool.output().column(j), alone.output().column(0));
        }
    }
}

#[test]
fn clients_that_step_together_have_the_bits_of_each_alone() {
    clients_of_a_pool_have_the_bits_of_each_alone::<f32>();
    clients_of_a_pool_have_the_bits_of_each_alone::<f64>();
}

#[test]
fn clients_of_a_stack_that_step_together_have_the_bits_of_each_alone() {
    let layers = [Layer::new(17), Layer::new(5).with_activation(Activation::Relu), Layer::new(33)];
    let mut p = stack::Parameters::<f32>::zeros(Architecture::new(3, layers, 4));
    let mut rng = Numpy::seed(1);
    p.as_mut_slice().iter_mut().for_each(|value| *value = f32::narrow(rng.uniform() - 0.5));
    let network = stack::Network::new(&p).unwrap();
    let mut pool = network.stepper(SHAPE.m);
    let mut alone: Vec<_> = (0..SHAPE.m).map(|_| network.stepper(1)).collect();
    for _ in 0..30 {
        let columns = draw_columns(&mut rng);
        let xt = uniform(&mut rng, (3, columns.len()).f()).mapv(f32::narrow);
        pool.step_columns(&columns, &xt).unwrap();
        for (column, xt) in columns.iter().zip(xt.axis_chunks_iter(Axis(1), 1)) {
            alone[*column].step(&xt).unwrap();
        }
        for (j, alone) in alone.iter().enumerate() {
            for layer in 0..3 {
                assert_eq!(pool.hidden(layer).unwrap().column(j), alone.hidden(layer).unwrap().column(0));
            }
            assert_eq!(pool.output().column(j), alone.output().column(0));
        }
    }
    assert_eq!(pool.states().get(1, Direction::Forward).unwrap(), pool.hidden(1).unwrap());
    pool.hidden_mut(2).unwrap().column_mut(7).fill(0.25);
    assert_eq!(pool.states().get(2, Direction::Forward).unwrap().column(7), ndarray::Array1::from_elem(33, 0.25));
    assert!(pool.hidden(3).is_none() && pool.hidden_mut(3).is_none());
    let other = stack::Parameters::zeros(Architecture::new(3, [Layer::new(17)], 4));
    let error = pool.set_network(stack::Network::new(&other).unwrap()).unwrap_err();
    assert!(matches!(&error, Error::Architecture { argument: "network", .. }), "{error}");
}

#[test]
fn steppers_on_many_threads_share_a_network() {
    struct Model {
        network: Network<f32>,
        sessions: Vec<cell::Stepper<f32>>,
    }
    fn assert_movable<T: Send + Sync + Clone + 'static>(_: &T) {}
    let Problem { parameters, inputs, .. } = Problem::<f32>::draw(1, SHAPE);
    let network = Network::new(&parameters);
    let sessions = (0..8).map(|_| network.stepper(SHAPE.m)).collect();
    let mut model = Model { network, sessions };
    assert_movable(&model.network);
    assert_movable(&model.sessions);
    let x: &Array3<f32> = &inputs.x;
    thread::scope(|scope| {
        for session in &mut model.sessions {
            scope.spawn(move || x.axis_iter(Axis(2)).for_each(|xt| session.step(&xt).unwrap()));
        }
    });
    let cache = elman::sequence::forward(&parameters, x, None).unwrap();
    for session in model.sessions {
        assert_eq!(session.hidden(), cache.last_hidden());
        assert_eq!(session.output(), cache.output().index_axis(Axis(2), SHAPE.t_x - 1));
    }
}

/// The bytes that a call leaves allocated.
fn bytes_kept<T>(make: impl FnOnce() -> T) -> (T, i64) {
    let mut made = None;
    let bytes = measure(|| made = Some(make())).bytes_current;
    (made.unwrap(), bytes)
}

#[test]
fn another_client_costs_its_state_and_no_weights() {
    let dims = Dims { n_x: 64, n_a: 256, n_y: 64 };
    let (network, weights) = bytes_kept(|| Network::new(&Parameters::<f32>::zeros(dims)));
    assert!(weights > 4 * (64 * 256 + 256 * 256 + 64 * 256), "the counter counts: {weights} bytes");
    // The state, the logits and the probabilities.
    let state = 4 * (256 + 2 * 64);
    let (clone, bytes) = bytes_kept(|| network.clone());
    assert_eq!(bytes, 0);
    let (session, bytes) = bytes_kept(|| clone.stepper(1));
    assert!((state..state + 300).contains(&bytes), "{bytes} bytes");
    let (mut pool, bytes) = bytes_kept(|| clone.stepper(1000));
    assert!((1000 * state..1000 * (state + 1) + 300).contains(&bytes), "{bytes} bytes for 1000 clients");
    let ((), bytes) = bytes_kept(|| pool.step_columns_tokens(&[17, 3], &[1, 2]).unwrap());
    assert!(bytes <= 2 * (state + 4 * 256) + 100, "{bytes} bytes for a step of two of them");
    let (_, bytes) = bytes_kept(|| session.clone());
    assert!((state..state + 300).contains(&bytes), "{bytes} bytes for a clone");
}

#[test]
fn a_resized_stepper_keeps_the_states_of_its_columns() {
    let Problem { parameters, inputs, .. } = Problem::<f64>::draw(1, SHAPE);
    let mut stepper = cell::Stepper::new(&parameters, SHAPE.m);
    let xt = |t: usize| inputs.x.index_axis(Axis(2), t);
    stepper.step(&xt(0)).unwrap();
    let before = stepper.clone();
    for m in [SHAPE.m + 6, 3, 0, 3] {
        stepper.resize(m);
        assert_eq!((stepper.columns(), stepper.hidden().dim(), stepper.output().dim()), (m, (17, m), (5, m)));
    }
    assert!(stepper.hidden().iter().all(|a| *a == 0.0), "a column that was removed is new");
    assert!(matches!(stepper.reset_columns(&[5]), Err(Error::NoColumn { expected: 3, found: 5, .. })));
    stepper = before.clone();
    stepper.resize(SHAPE.m + 6);
    assert_eq!(stepper.hidden().slice(ndarray::s![.., ..SHAPE.m]), before.hidden());
    assert_eq!(stepper.output().slice(ndarray::s![.., ..SHAPE.m]), before.output());
    stepper.step_columns(&(0..SHAPE.m).collect::<Vec<_>>(), &xt(1)).unwrap();
    let mut expected = before;
    expected.step(&xt(1)).unwrap();
    assert_eq!(stepper.hidden().slice(ndarray::s![.., ..SHAPE.m]), expected.hidden());
}

#[test]
fn a_stepper_continues_with_other_weights_from_its_state() {
    let [first, second] = [1, 5].map(|seed| Problem::<f64>::draw(seed, SHAPE));
    let mut stepper = cell::Stepper::new(&first.parameters, SHAPE.m);
    stepper.step(&first.inputs.x.index_axis(Axis(2), 0)).unwrap();
    let state = stepper.hidden().to_owned();
    stepper.set_network(Network::new(&second.parameters)).unwrap();
    assert_eq!(stepper.hidden(), state);
    let mut expected = cell::Stepper::new(&second.parameters, SHAPE.m);
    expected.set_hidden(&state).unwrap();
    for stepper in [&mut stepper, &mut expected] {
        stepper.step(&first.inputs.x.index_axis(Axis(2), 1)).unwrap();
    }
    assert_eq!(stepper.output(), expected.output());
    let error = stepper.set_network(Network::new(&Parameters::zeros(Dims { n_x: 3, n_a: 16, n_y: 5 }))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`network` belongs to a network of (n_x, n_a, n_y) = (3, 16, 5), expected (3, 17, 5)"
    );
    assert_eq!(stepper.network().dims(), SHAPE.dims());
}

#[test]
fn a_refused_step_of_some_columns_changes_nothing() {
    let Problem { parameters, inputs, .. } = Problem::<f64>::draw(1, SHAPE);
    let mut stepper = cell::Stepper::new(&parameters, SHAPE.m);
    stepper.step(&inputs.x.index_axis(Axis(2), 0)).unwrap();
    let before = stepper.clone();
    let xt = Array2::zeros((3, 2));
    for (result, expected) in [
        (stepper.step_columns(&[3, 11], &xt), "`columns` holds column 11, expected one below 11"),
        (stepper.step_columns(&[3, 3], &xt), "`columns` holds column 3 twice, expected each column once at most"),
        (stepper.step_columns(&[3], &xt), "`xt` has shape (3, 2), expected (n_x, m) = (3, 1)"),
        (stepper.step_columns_tokens(&[7], &[3]), "`tokens` holds token 3 at column 7, step 0, expected one below 3"),
        (
            stepper.step_columns_tokens(&[3, 4], &[0, 3]),
            "`tokens` holds token 3 at column 4, step 0, expected one below 3",
        ),
        (stepper.step_columns_tokens(&[3], &[]), "`tokens` has shape (0,), expected (m,) = (1,)"),
        (stepper.step_columns_tokens(&[usize::MAX], &[0]), "column 18446744073709551615, expected one below 11"),
        (stepper.reset_columns(&[0, 10, 0]), "`columns` holds column 0 twice, expected each column once at most"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    assert_eq!([stepper.hidden(), stepper.output()], [before.hidden(), before.output()]);
    // A refused list leaves no mark: its columns may be named again.
    stepper.step_columns(&[3, 0], &xt).unwrap();
    stepper.step_columns(&[], &Array2::zeros((3, 0))).unwrap();
}

#[test]
fn a_stepper_without_columns_units_or_outputs_steps() {
    for shape in SHAPE.with_zeros() {
        let mut stepper = cell::Stepper::new(&Parameters::<f32>::zeros(shape.dims()), shape.m);
        let columns: Vec<usize> = (0..shape.m).step_by(2).collect();
        stepper.step_columns(&columns, &Array2::zeros((shape.n_x, columns.len()))).unwrap();
        stepper.reset_columns(&columns).unwrap();
        stepper.resize(shape.m + 1);
        assert_eq!(stepper.output().dim(), (shape.n_y, shape.m + 1));
    }
}
