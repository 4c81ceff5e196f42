//! The networks of `fixtures/interop_*.py`, and the layers that read them.

use elman::Activation::Tanh;
use elman::io::{Error, Tensors, flax, keras, onnx, torch};
use elman::{Dims, Parameters, Scalar, sequence};
use ndarray::{Array2, Array3, ArrayD, IxDyn};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::support::Convert;
use crate::support::fixture::Fixture;

/// Rounding of the element type over 11 steps, with margin for the framework's own `tanh`.
pub trait Recorded: Scalar + DeserializeOwned {
    const NAME: &'static str;
    const TOLERANCE: f64;
}

impl Recorded for f32 {
    const NAME: &'static str = "float32";
    const TOLERANCE: f64 = 1e-6;
}

impl Recorded for f64 {
    const NAME: &'static str = "float64";
    const TOLERANCE: f64 = 1e-13;
}

pub fn fixture(framework: &str) -> Fixture {
    Fixture::read(&format!("interop_{framework}.json"))
}

/// The weights of a case, under the framework's names.
pub fn weights<A: Recorded>(fixture: &Fixture, case: &str) -> Tensors<A> {
    let pointer = format!("/{}/{case}/weights", A::NAME);
    let mut tensors = Tensors::new();
    for name in fixture.get::<Map<String, Value>>(&pointer).keys() {
        let escaped = name.replace('/', "~1");
        tensors.insert(name, fixture.array::<A, IxDyn>(&format!("{pointer}/{escaped}")));
    }
    tensors
}

pub fn forward<A: Recorded>(fixture: &Fixture, p: &Parameters<A>) -> [Array3<f64>; 2] {
    let x: Array3<A> = fixture.array(&format!("/{}/x", A::NAME));
    let a0: Array2<A> = fixture.array(&format!("/{}/a0", A::NAME));
    let cache = sequence::forward(p, &x, &a0).unwrap();
    [cache.hidden().mapv(Convert::widen), cache.output().mapv(Convert::widen)]
}

/// Asserts that the network computes the framework's results.
#[track_caller]
pub fn assert_computes<A: Recorded>(fixture: &Fixture, case: &str, p: &Parameters<A>) {
    let [hidden, output] = forward(fixture, p);
    fixture.assert_close(&format!("/{}/{case}/hidden", A::NAME), &hidden, A::TOLERANCE);
    fixture.assert_close(&format!("/{}/{case}/output", A::NAME), &output, A::TOLERANCE);
}

pub fn bits<A: Scalar>(tensors: &Tensors<A>) -> Vec<(String, Vec<usize>, Vec<u64>)> {
    let bits = |array: ndarray::ArrayViewD<'_, A>| array.iter().map(|value| value.widen().to_bits()).collect();
    tensors.arrays().map(|(name, array)| (name.into(), array.shape().to_vec(), bits(array))).collect()
}

pub fn torch_rnn() -> torch::Rnn {
    torch::Rnn::new("encoder.rnn.", Tanh).with_linear("head.")
}

pub fn torch_cell() -> torch::RnnCell {
    torch::RnnCell::new("cell.", Tanh).with_linear("head.")
}

pub fn keras_layers() -> keras::SimpleRnn {
    keras::SimpleRnn::new("sequential/simple_rnn/simple_rnn_cell/", Tanh).with_dense("sequential/dense/")
}

pub fn linen() -> flax::SimpleCell {
    flax::SimpleCell::linen("params/SimpleCell_0/", Tanh).with_dense("params/Dense_0/")
}

pub fn nnx() -> flax::SimpleCell {
    flax::SimpleCell::nnx("rnn.cell.", Tanh).with_separator(".").with_dense("head.")
}

pub fn onnx_rnn() -> onnx::Rnn {
    onnx::Rnn::new("W", "R", "B", Tanh).with_gemm("head.weight", "head.bias", true)
}

/// The common interface of the readers.
#[expect(clippy::wrong_self_convention, reason = "a layer converts tensors, as the readers do")]
pub trait Layers {
    fn from_tensors(&self, tensors: &Tensors<f64>) -> Result<Parameters<f64>, Error>;
    fn to_tensors(&self, p: &Parameters<f64>) -> Result<Tensors<f64>, Error>;
    fn without_bias(self) -> Self;
    fn without_head_bias(self) -> Self;
}

macro_rules! layers {
    ($($layers:ty),*) => {$(
        impl Layers for $layers {
            fn from_tensors(&self, tensors: &Tensors<f64>) -> Result<Parameters<f64>, Error> {
                self.from_tensors(tensors)
            }
            fn to_tensors(&self, p: &Parameters<f64>) -> Result<Tensors<f64>, Error> {
                self.to_tensors(p)
            }
            fn without_bias(self) -> Self {
                self.without_bias()
            }
            fn without_head_bias(self) -> Self {
                self.without_head_bias()
            }
        }
    )*};
}

layers!(torch::Rnn, torch::RnnCell, keras::SimpleRnn, flax::SimpleCell, onnx::Rnn);

/// Every element has different bits: a quiet NaN with its own payload.
pub fn payloads() -> Parameters<f32> {
    let mut p = Parameters::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
    for (bits, value) in (0x7fc0_0001_u32..).zip(p.as_mut_slice()) {
        *value = f32::from_bits(bits);
    }
    p
}

#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

/// A torch network with a change.
pub fn torch_with(change: impl Fn(&mut Tensors<f64>)) -> Result<Parameters<f64>, Error> {
    let mut tensors = weights(&fixture("torch"), "rnn");
    change(&mut tensors);
    torch_rnn().from_tensors(&tensors)
}

pub fn zeros(shape: &[usize]) -> ArrayD<f64> {
    ArrayD::zeros(shape)
}
