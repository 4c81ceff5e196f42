//! The initial hidden state may be left out: it is then zero, in every call that takes one.

use elman::loss::{Reduction, cross_entropy};
use elman::sequence::{self, Backward, Cache, Checkpointed, Input, Truncated};
use elman::{Parameters, Upstream};
use ndarray::Array2;

use crate::support::naive::{Inputs, Shape};
use crate::support::numpy::Numpy;
use crate::support::problem::inputs;

const SHAPE: Shape = Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 11 };

fn problem() -> (Inputs<f64>, Parameters<f64>, Array2<f64>) {
    let inputs = inputs(&mut Numpy::seed(1), SHAPE);
    let parameters = inputs.parameters();
    (inputs, parameters, Array2::zeros((SHAPE.n_a, SHAPE.m)))
}

#[test]
fn none_is_zero_also_in_reused_memory() {
    let (inputs, p, zero) = problem();
    let expected = sequence::forward(&p, &inputs.x, &zero).unwrap();
    assert_eq!(sequence::forward(&p, &inputs.x, None).unwrap(), expected);
    let mut used = sequence::forward(&p, &inputs.x, &inputs.a0).unwrap();
    sequence::forward_into(&p, &inputs.x, None, &mut used).unwrap();
    assert_eq!(used, expected);
    assert_eq!(used.a0(), zero);
}

#[test]
fn none_is_zero_in_every_reading() {
    let (inputs, p, zero) = problem();
    let lengths = [11, 0, 3, 5, 7, 2, 11];
    let input = Input::vectors(&inputs.x).lengths(&lengths).reversed();
    assert_eq!(sequence::forward(&p, input, None).unwrap(), sequence::forward(&p, input, &zero).unwrap());
}

#[test]
fn none_is_zero_in_truncated_and_checkpointed_passes() {
    let (inputs, p, zero) = problem();
    let (mut left_out, mut given) =
        (Truncated::new(&inputs.x, None, 3, 5).unwrap(), Truncated::new(&inputs.x, &zero, 3, 5).unwrap());
    while let Some(window) = given.next_window(&p).unwrap() {
        assert_eq!(left_out.next_window(&p).unwrap(), Some(window));
        assert_eq!(left_out.cache(), given.cache());
    }

    let targets = Array2::<usize>::zeros((SHAPE.m, SHAPE.t_x));
    let gradients = |mut run: Checkpointed<'_, f64>| {
        while let Some(segment) = run.next_segment().unwrap() {
            let targets = targets.slice(ndarray::s![.., segment.steps()]);
            let loss = cross_entropy(segment.cache(), targets, Reduction::Sum).unwrap();
            segment.backward(Upstream::logits(&loss.dlogits)).unwrap();
        }
        run.into_gradients()
    };
    assert_eq!(
        gradients(Checkpointed::forward(&p, &inputs.x, None).unwrap()),
        gradients(Checkpointed::forward(&p, &inputs.x, &zero).unwrap())
    );
}

#[test]
fn zeroed_gradients_are_those_of_one_pass() {
    let (inputs, p, _) = problem();
    let (mut cache, mut back) = (Cache::default(), Backward::default());
    back.discard_gradients();
    let mut first = None;
    for _ in 0..3 {
        sequence::forward_into(&p, &inputs.x, None, &mut cache).unwrap();
        let loss = cross_entropy(&cache, &Array2::<usize>::ones((SHAPE.m, SHAPE.t_x)), Reduction::Mean).unwrap();
        back.discard_gradients();
        sequence::backward_into(&p, &cache, Upstream::logits(&loss.dlogits), &mut back).unwrap();
        assert_eq!(first.get_or_insert_with(|| back.gradients.clone()), &back.gradients);
    }
}
