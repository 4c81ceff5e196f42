//! Stacks of layers, and inputs that they read.

use elman::sequence::Input;
use elman::stack::{self, Architecture, Direction, Layer};
use elman::{Activation, Parameters, Scalar, init};
use ndarray::{Array2, Array3, s};

use crate::support::numpy::Numpy;
use crate::support::problem::uniform;
use crate::support::{Convert, seeded};

use Direction::Forward;

pub const M: usize = 5;
pub const T_X: usize = 7;
pub const N_X: usize = 3;
pub const N_Y: usize = 2;

/// One to three layers, with every nonlinearity, in one direction and in two.
pub fn architectures() -> Vec<Architecture> {
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

pub fn parameters<A: Scalar>(architecture: &Architecture, seed: u64) -> stack::Parameters<A> {
    init::torch_stack(architecture.clone(), &mut seeded(seed)).unwrap()
}

/// Vectors or token ids, with lengths or without, in either direction of time.
pub struct Readings<A> {
    pub x: Array3<A>,
    pub ids: Array2<usize>,
    pub lengths: Vec<usize>,
}

impl<A: Scalar> Readings<A> {
    pub fn draw(seed: u32) -> Self {
        let x = uniform(&mut Numpy::seed(seed), (N_X, M, T_X)).mapv(A::narrow);
        let ids = Array2::from_shape_fn((M, T_X), |(j, t)| (3 * j + 5 * t + j * t) % N_X);
        Readings { x, ids, lengths: vec![7, 0, 3, 5, 2] }
    }

    pub fn inputs(&self) -> Vec<Input<'_, A>> {
        [Input::vectors(&self.x), Input::tokens(&self.ids)]
            .into_iter()
            .flat_map(|input| {
                [input, input.reversed(), input.lengths(&self.lengths), input.lengths(&self.lengths).reversed()]
            })
            .collect()
    }
}

pub fn network<A: Scalar>(p: &stack::Parameters<A>, layer: usize, direction: Direction) -> Parameters<A> {
    let [wax, waa, wya] =
        [p.wax(layer, direction), p.waa(layer, direction), p.wya(layer, direction)].map(Option::unwrap);
    let activation = p.architecture().layers()[layer].activation;
    let with_head = direction == Forward && !wya.is_empty();
    let (wya, by) = if with_head { (wya, p.by()) } else { (wya.slice_move(s![..0, ..]), p.by().slice_move(s![..0])) };
    Parameters::from_arrays(&wax, &waa, &wya, &p.ba(layer, direction).unwrap(), &by)
        .unwrap()
        .with_activation(activation)
}

pub fn is_one_direction(architecture: &Architecture) -> bool {
    architecture.layers().iter().all(|layer| !layer.bidirectional)
}
