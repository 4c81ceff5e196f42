//! The equations of the network as plain loops, for any number type: real numbers for values, complex and dual numbers
//! for derivatives. Shares no code with the crate.

use std::ops::{Add, Div, Mul, Sub};

use elman::Activation;
use ndarray::{Array, Array1, Array2, Array3, Dimension, IntoDimension};
use num_complex::Complex64;
use num_dual::{Dual64, DualNum};

/// The operations that the equations need.
pub trait Number:
    Copy + From<f64> + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    fn real(self) -> f64;
    fn tanh(self) -> Self;
    fn exp(self) -> Self;
    fn ln(self) -> Self;
}

macro_rules! number {
    ($type:ty, $real:expr, $tanh:expr, $exp:expr, $ln:expr) => {
        impl Number for $type {
            fn real(self) -> f64 {
                $real(self)
            }
            fn tanh(self) -> Self {
                $tanh(self)
            }
            fn exp(self) -> Self {
                $exp(self)
            }
            fn ln(self) -> Self {
                $ln(self)
            }
        }
    };
}

number!(f64, |v| v, f64::tanh, f64::exp, f64::ln);
number!(Complex64, |v: Complex64| v.re, Complex64::tanh, Complex64::exp, Complex64::ln);
number!(Dual64, |v: Dual64| v.re, |v| DualNum::tanh(&v), |v| DualNum::exp(&v), |v| DualNum::ln(&v));

/// φ(z). At the kink of relu it is the branch for negative z.
fn phi<N: Number>(activation: Activation, z: N) -> N {
    match activation {
        Activation::Tanh => z.tanh(),
        Activation::Relu => {
            if z.real() > 0.0 {
                z
            } else {
                N::from(0.0)
            }
        }
        Activation::Sigmoid => N::from(1.0) / (N::from(1.0) + (N::from(0.0) - z).exp()),
        Activation::Identity => z,
        other => panic!("{other} has no oracle"),
    }
}

/// The dimensions of a network and of its input sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    pub n_x: usize,
    pub n_a: usize,
    pub n_y: usize,
    pub m: usize,
    pub t_x: usize,
}

/// The inputs of a forward pass.
#[derive(Clone, Debug)]
pub struct Inputs<N> {
    pub wax: Array2<N>,
    pub waa: Array2<N>,
    pub wya: Array2<N>,
    pub ba: Array1<N>,
    pub by: Array1<N>,
    pub x: Array3<N>,
    pub a0: Array2<N>,
    pub activation: Activation,
}

impl<N: Copy> Inputs<N> {
    /// Calls `next` for every element of `wax`, `waa`, `wya`, `ba`, `by`, `x` and `a0` in turn, each in C order.
    pub fn from_fn(shape: Shape, mut next: impl FnMut() -> N) -> Self {
        fn array<N, I: IntoDimension>(shape: I, next: &mut impl FnMut() -> N) -> Array<N, I::Dim>
        where
            I::Dim: Dimension,
        {
            Array::from_shape_simple_fn(shape.into_dimension(), next)
        }
        let Shape { n_x, n_a, n_y, m, t_x } = shape;
        Inputs {
            wax: array((n_a, n_x), &mut next),
            waa: array((n_a, n_a), &mut next),
            wya: array((n_y, n_a), &mut next),
            ba: array(n_a, &mut next),
            by: array(n_y, &mut next),
            x: array((n_x, m, t_x), &mut next),
            a0: array((n_a, m), &mut next),
            activation: Activation::Tanh,
        }
    }
}

/// The outputs of a forward pass.
#[derive(Clone, Debug)]
pub struct Outputs<N> {
    pub hidden: Array3<N>,
    pub logits: Array3<N>,
    pub output: Array3<N>,
    pub last_hidden: Array2<N>,
}

/// a = φ(ba + Wax·x + Waa·a) and y = softmax(by + Wya·a), for every column and step.
pub fn forward<N: Number>(inputs: &Inputs<N>) -> Outputs<N> {
    let Inputs { wax, waa, wya, ba, by, x, a0, activation } = inputs;
    let (n_x, m, t_x) = x.dim();
    let (n_y, n_a) = wya.dim();
    let mut hidden = Array3::from_elem((n_a, m, t_x), N::from(0.0));
    let mut logits = Array3::from_elem((n_y, m, t_x), N::from(0.0));
    let mut output = logits.clone();
    let mut last_hidden = a0.clone();
    for t in 0..t_x {
        for j in 0..m {
            for i in 0..n_a {
                let mut z = ba[i];
                for k in 0..n_x {
                    z = z + wax[[i, k]] * x[[k, j, t]];
                }
                for k in 0..n_a {
                    z = z + waa[[i, k]] * last_hidden[[k, j]];
                }
                hidden[[i, j, t]] = phi(*activation, z);
            }
            for i in 0..n_a {
                last_hidden[[i, j]] = hidden[[i, j, t]];
            }
            let mut largest = f64::NEG_INFINITY;
            for c in 0..n_y {
                let mut z = by[c];
                for k in 0..n_a {
                    z = z + wya[[c, k]] * last_hidden[[k, j]];
                }
                logits[[c, j, t]] = z;
                largest = largest.max(z.real());
            }
            let mut sum = N::from(0.0);
            for c in 0..n_y {
                output[[c, j, t]] = (logits[[c, j, t]] - N::from(largest)).exp();
                sum = sum + output[[c, j, t]];
            }
            for c in 0..n_y {
                output[[c, j, t]] = output[[c, j, t]] / sum;
            }
        }
    }
    Outputs { hidden, logits, output, last_hidden }
}
