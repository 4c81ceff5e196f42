//! burn's tensors on its flex backend, with its autodiff and its cross-entropy.
//!
//! `burn::nn::Rnn` copies the whole sequence at every step, so this peer has its own loop.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use crate::Peer;
use crate::problem::{Pass, Problem, Real, wide};

pub struct Burn {
    train: bool,
    /// wax, waa and wya.
    weights: [Tensor<2>; 3],
    biases: [Tensor<1>; 2],
    /// Rows of (T_x · m, n_x).
    x: Tensor<2>,
    a0: Tensor<2>,
    targets: Tensor<1, Int>,
    cross_entropy: CrossEntropyLoss,
    result: Vec<TensorData>,
}

impl Burn {
    pub fn new<A: Real>(problem: Problem<A>) -> Self {
        let train = problem.pass == Pass::Train;
        let dtype = if size_of::<A>() == 8 { DType::F64 } else { DType::F32 };
        let plain = Device::flex();
        let device = if train { plain.clone().autodiff() } else { plain };
        let matrix = |numbers: Vec<f64>, columns: usize| {
            let rows = numbers.len() / columns;
            Tensor::<2>::from_data(TensorData::new(numbers, [rows, columns]), (&device, dtype))
        };
        let learned = |w: Tensor<2>| if train { w.require_grad() } else { w };
        let weights = [&problem.wax, &problem.waa, &problem.wya].map(|w| learned(matrix(wide(w), w.ncols())));
        let biases = [&problem.ba, &problem.by].map(|b| {
            let b = Tensor::<1>::from_data(TensorData::new(wide(b), [b.len()]), (&device, dtype));
            if train { b.require_grad() } else { b }
        });
        let targets: Vec<i64> = problem.targets().iter().map(|&class| class as i64).collect();
        let rows = targets.len();
        Self {
            train,
            weights,
            biases,
            x: matrix(wide(&problem.x), problem.n_x),
            a0: matrix(vec![0.0; problem.m * problem.n_a], problem.n_a),
            targets: Tensor::from_data(TensorData::new(targets, [rows]), &device),
            cross_entropy: CrossEntropyLossConfig::new().init(&device),
            result: Vec::new(),
        }
    }

    fn logits(&self) -> Tensor<2> {
        let [wax, waa, wya] = self.weights.clone().map(Tensor::transpose);
        let [ba, by] = self.biases.clone().map(|b| b.unsqueeze::<2>());
        let m = self.a0.dims()[0];
        // In autodiff every slice of a sequence costs as much as the whole sequence, so only the forward pass takes the
        // projection out of the loop.
        let project = |x: Tensor<2>| x.matmul(wax.clone()) + ba.clone();
        let x = if self.train { self.x.clone() } else { project(self.x.clone()) };
        let mut a = self.a0.clone();
        let hidden = x.split(m, 0).into_iter().map(|x| {
            let z = if self.train { project(x) } else { x };
            a = (z + a.clone().matmul(waa.clone())).tanh();
            a.clone()
        });
        Tensor::cat(hidden.collect(), 0).matmul(wya) + by
    }
}

impl Peer for Burn {
    fn run(&mut self) {
        self.result = if self.train {
            let loss = self.cross_entropy.forward(self.logits(), self.targets.clone());
            let gradients = loss.backward();
            let weights = self.weights.iter().map(|w| w.grad(&gradients).expect("a gradient").into_data());
            let biases = self.biases.iter().map(|b| b.grad(&gradients).expect("a gradient").into_data());
            [loss.into_data()].into_iter().chain(weights).chain(biases).collect()
        } else {
            vec![softmax(self.logits(), 1).into_data()]
        };
    }

    fn result(&self) -> Vec<f64> {
        self.result.iter().flat_map(|data| data.iter::<f64>().collect::<Vec<_>>()).collect()
    }
}
