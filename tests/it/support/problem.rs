//! Random networks, sequences and losses from a seed, and their gradients.

use std::ops::{Add, Mul, Range};

use elman::{Dims, Parameters, Scalar, Upstream, cell, sequence};
use ndarray::{Array, Array2, Array3, Axis, Dimension, Ix2, Ix3};

use super::Convert;
use super::naive::{Inputs, Outputs, Shape};
use super::numpy::Numpy;

/// `n_x`, `n_a`, `n_y`, m, `T_x`.
pub type Sizes = (usize, usize, usize, usize, usize);

impl From<Sizes> for Shape {
    fn from((n_x, n_a, n_y, m, t_x): Sizes) -> Self {
        Shape { n_x, n_a, n_y, m, t_x }
    }
}

impl Shape {
    pub fn new(n_x: usize, n_a: usize, n_y: usize, m: usize, t_x: usize) -> Self {
        Shape { n_x, n_a, n_y, m, t_x }
    }

    /// Each dimension zero in turn, and then all of them.
    pub fn with_zeros(self) -> [Self; 6] {
        [
            Shape { n_x: 0, ..self },
            Shape { n_a: 0, ..self },
            Shape { n_y: 0, ..self },
            Shape { m: 0, ..self },
            Shape { t_x: 0, ..self },
            Shape::new(0, 0, 0, 0, 0),
        ]
    }

    pub fn dims(self) -> Dims {
        Dims { n_x: self.n_x, n_a: self.n_a, n_y: self.n_y }
    }

    /// The elements of `wax`, `waa`, `wya`, `ba`, `by`, `x` and `a0` together.
    pub fn len(self) -> usize {
        self.dims().len() + self.n_x * self.m * self.t_x + self.n_a * self.m
    }

    /// The range of each array among all elements.
    pub fn arrays(self) -> Vec<Range<usize>> {
        let Shape { n_x, n_a, n_y, m, t_x } = self;
        let mut end = 0;
        [n_a * n_x, n_a * n_a, n_y * n_a, n_a, n_y, n_x * m * t_x, n_a * m]
            .map(|length| {
                end += length;
                end - length..end
            })
            .to_vec()
    }

    /// The name of an element, such as `waa[3, 1]`, `x[17]` or `a0[2]`, from its index among all elements.
    pub fn name_of(self, index: usize) -> String {
        let parameters = Parameters::<f64>::zeros(self.dims());
        parameters.name_of(index).unwrap_or_else(|| {
            let (index, x) = (index - self.dims().len(), self.n_x * self.m * self.t_x);
            if index < x { format!("x[{index}]") } else { format!("a0[{}]", index - x) }
        })
    }
}

/// Uniform numbers use no logarithm and no cosine, so they have the same bits on every machine.
pub fn uniform<D: Dimension>(rng: &mut Numpy, shape: impl ndarray::ShapeBuilder<Dim = D>) -> Array<f64, D> {
    Array::from_shape_simple_fn(shape, || 2.0 * rng.uniform() - 1.0)
}

/// A random whole number below `n`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a small number, cut off on purpose"
)]
pub fn below(rng: &mut Numpy, n: usize) -> usize {
    (rng.uniform() * n as f64) as usize
}

/// Weights that keep the chain long, and the hidden state away from ±1, where every gradient would vanish.
pub fn inputs(rng: &mut Numpy, shape: Shape) -> Inputs<f64> {
    let mut inputs = Inputs::from_fn(shape, || 2.0 * rng.uniform() - 1.0);
    let fan = |n: usize| 1.5 / f64::from(u32::try_from(n.max(1)).expect("a small network")).sqrt();
    inputs.wax *= fan(shape.n_x);
    inputs.waa *= fan(shape.n_a);
    inputs.wya *= fan(shape.n_a);
    inputs
}

impl Inputs<f64> {
    /// Every element, in the order of [`Inputs::from_fn`].
    pub fn flat(&self) -> Vec<f64> {
        let Inputs { wax, waa, wya, ba, by, x, a0, .. } = self;
        wax.iter().chain(waa).chain(wya).chain(ba).chain(by).chain(x).chain(a0).copied().collect()
    }
}

impl<M: Copy> Inputs<M> {
    /// The same numbers in another type.
    pub fn map<N: Copy>(&self, convert: impl Fn(M) -> N) -> Inputs<N> {
        Inputs {
            wax: self.wax.mapv(&convert),
            waa: self.waa.mapv(&convert),
            wya: self.wya.mapv(&convert),
            ba: self.ba.mapv(&convert),
            by: self.by.mapv(&convert),
            x: self.x.mapv(&convert),
            a0: self.a0.mapv(&convert),
            activation: self.activation,
        }
    }
}

impl<A: Scalar> Inputs<A> {
    pub fn parameters(&self) -> Parameters<A> {
        let parameters = Parameters::from_arrays(&self.wax, &self.waa, &self.wya, &self.ba, &self.by).unwrap();
        parameters.with_activation(self.activation)
    }

    pub fn forward(&self) -> sequence::Cache<A> {
        sequence::forward(&self.parameters(), &self.x, &self.a0).unwrap()
    }
}

/// The result of the crate, in the form of the oracle.
impl<A: Scalar> From<&sequence::Cache<A>> for Outputs<f64> {
    fn from(cache: &sequence::Cache<A>) -> Self {
        Outputs {
            hidden: cache.hidden().mapv(Convert::widen),
            logits: cache.logits().mapv(Convert::widen),
            output: cache.output().mapv(Convert::widen),
            last_hidden: cache.last_hidden().mapv(Convert::widen),
        }
    }
}

/// A loss that is linear in the outputs of a forward pass: L = Σ upstream · outputs, over the given gradients.
#[derive(Clone, Debug, Default)]
pub struct Linear<A> {
    pub hidden: Option<Array3<A>>,
    pub logits: Option<Array3<A>>,
    pub output: Option<Array3<A>>,
    pub last_hidden: Option<Array2<A>>,
}

impl Linear<f64> {
    /// Random gradients of all outputs.
    pub fn draw(rng: &mut Numpy, Shape { n_a, n_y, m, t_x, .. }: Shape) -> Self {
        Linear {
            hidden: Some(uniform(rng, (n_a, m, t_x))),
            logits: Some(uniform(rng, (n_y, m, t_x))),
            output: Some(uniform(rng, (n_y, m, t_x))),
            last_hidden: Some(uniform(rng, (n_a, m))),
        }
    }

    /// The loss L, of values or of derivatives.
    pub fn of<N: Copy + From<f64> + Add<Output = N> + Mul<Output = N>>(&self, outputs: &Outputs<N>) -> N {
        fn sum<N: Copy + From<f64> + Add<Output = N> + Mul<Output = N>, D: Dimension>(
            upstream: Option<&Array<f64, D>>,
            outputs: &Array<N, D>,
        ) -> N {
            let upstream = upstream.into_iter().flatten();
            upstream.zip(outputs).fold(N::from(0.0), |sum, (&u, &o)| sum + N::from(u) * o)
        }
        sum(self.hidden.as_ref(), &outputs.hidden)
            + sum(self.logits.as_ref(), &outputs.logits)
            + sum(self.output.as_ref(), &outputs.output)
            + sum(self.last_hidden.as_ref(), &outputs.last_hidden)
    }

    pub fn map<A>(&self, convert: impl Fn(f64) -> A) -> Linear<A> {
        Linear {
            hidden: self.hidden.as_ref().map(|array| array.mapv(&convert)),
            logits: self.logits.as_ref().map(|array| array.mapv(&convert)),
            output: self.output.as_ref().map(|array| array.mapv(&convert)),
            last_hidden: self.last_hidden.as_ref().map(|array| array.mapv(&convert)),
        }
    }
}

impl<A: Scalar> Linear<A> {
    /// The gradient in the form that [`sequence::backward`] takes.
    pub fn upstream(&self) -> Upstream<'_, A, Ix3> {
        let mut upstream = Upstream::default();
        if let Some(hidden) = &self.hidden {
            upstream = upstream.with_hidden(hidden);
        }
        if let Some(logits) = &self.logits {
            upstream = upstream.with_logits(logits);
        }
        if let Some(output) = &self.output {
            upstream = upstream.with_output(output);
        }
        if let Some(last_hidden) = &self.last_hidden {
            upstream = upstream.with_last_hidden(last_hidden);
        }
        upstream
    }

    /// The gradient with respect to every element of `inputs`, in their order, from a sequence.
    pub fn gradient(&self, inputs: &Inputs<A>) -> Vec<A> {
        let back = sequence::backward(&inputs.parameters(), &inputs.forward(), self.upstream()).unwrap();
        back.gradients.as_slice().iter().chain(&back.dx).chain(&back.da0).copied().collect()
    }

    /// The gradient with respect to every element of `inputs`, in their order, from the cell: one step, no last
    /// state.
    pub fn gradient_of_cell(&self, inputs: &Inputs<A>) -> Vec<A> {
        let step = |array: &Option<Array3<A>>| array.as_ref().map(|array| array.index_axis(Axis(2), 0).to_owned());
        let [hidden, logits, output] = [&self.hidden, &self.logits, &self.output].map(step);
        let mut upstream: Upstream<'_, A, Ix2> = Upstream::default();
        if let Some(hidden) = &hidden {
            upstream = upstream.with_hidden(hidden);
        }
        if let Some(logits) = &logits {
            upstream = upstream.with_logits(logits);
        }
        if let Some(output) = &output {
            upstream = upstream.with_output(output);
        }
        let parameters = inputs.parameters();
        let cache = cell::forward(&parameters, &inputs.x.index_axis(Axis(2), 0), &inputs.a0).unwrap();
        let back = cell::backward(&parameters, &cache, upstream).unwrap();
        back.gradients.as_slice().iter().chain(&back.dxt).chain(&back.da_prev).copied().collect()
    }
}
