//! The nonlinearity φ of the hidden units, and its derivative as a function of the output a = φ(z).
//!
//! | φ | φ(z) | φ′, from a |
//! |---|---|---|
//! | tanh | tanh z | 1 − a² |
//! | relu | max(z, 0) | 1 where a > 0, else 0 |
//! | sigmoid | 1 / (1 + exp(−z)) | a − a² |
//! | identity | z | 1 |
//!
//! A NaN stays NaN in φ, and in φ′ of all but the identity.

use std::fmt;

use pulp::Simd;

use super::{Lanes, math};

/// The nonlinearity φ of the hidden units.
///
/// A network knows its φ: [`Parameters::with_activation`](crate::Parameters::with_activation). The derivative is computed
/// from the hidden state alone.
///
/// # Examples
///
/// ```
/// use elman::{Activation, Dims, Parameters, sequence};
/// use ndarray::Array3;
///
/// let dims = Dims { n_x: 1, n_a: 1, n_y: 0 };
/// let mut p = Parameters::<f64>::zeros(dims).with_activation(Activation::Relu);
/// p.wax_mut().fill(2.0);
/// let hidden = |x| sequence::forward(&p, &Array3::from_elem((1, 1, 1), x), None).map(|cache| cache.hidden()[[0, 0, 0]]);
/// assert_eq!((hidden(3.0)?, hidden(-3.0)?), (6.0, 0.0));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// φ(z) = tanh z, with φ′ = 1 − a². The default here and in `torch.nn.RNN`, Keras's `SimpleRNN`, Flax's `SimpleCell` and
    /// ONNX's `RNN`.
    #[default]
    Tanh,
    /// φ(z) = max(z, 0), with φ′ = 1 where a > 0 and 0 elsewhere, also at z = 0.
    Relu,
    /// φ(z) = 1 / (1 + exp(−z)), with φ′ = a·(1 − a).
    Sigmoid,
    /// φ(z) = z, with φ′ = 1: a linear network.
    Identity,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tanh, Self::Relu, Self::Sigmoid, Self::Identity];

    /// The name in files and messages, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Activation::Tanh => "tanh",
            Activation::Relu => "relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Identity => "identity",
        }
    }

    /// The one of this [`name`](Self::name).
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Activation::ALL.into_iter().find(|activation| activation.name() == name)
    }
}

/// The name in lower case: `tanh`.
impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// φ and its derivative, for one vector.
trait Phi {
    /// φ(z)
    fn value<S: Simd, A: Lanes>(simd: S, z: A::Vector<S>) -> A::Vector<S>;
    /// g · φ′, from a = φ(z).
    fn gradient<S: Simd, A: Lanes>(simd: S, g: A::Vector<S>, a: A::Vector<S>) -> A::Vector<S>;
}

struct Tanh;
struct Relu;
struct Sigmoid;
struct Identity;

impl Phi for Tanh {
    #[inline(always)]
    fn value<S: Simd, A: Lanes>(simd: S, z: A::Vector<S>) -> A::Vector<S> {
        math::tanh::<S, A>(simd, z)
    }
    #[inline(always)]
    fn gradient<S: Simd, A: Lanes>(simd: S, g: A::Vector<S>, a: A::Vector<S>) -> A::Vector<S> {
        A::vmul(simd, g, A::vfnma(simd, a, a, A::splat(simd, A::one())))
    }
}

impl Phi for Relu {
    #[inline(always)]
    fn value<S: Simd, A: Lanes>(simd: S, z: A::Vector<S>) -> A::Vector<S> {
        math::at_least::<S, A>(simd, z, A::zero())
    }
    #[inline(always)]
    fn gradient<S: Simd, A: Lanes>(simd: S, g: A::Vector<S>, a: A::Vector<S>) -> A::Vector<S> {
        // a − a is 0 for a = 0, and NaN for NaN.
        let active = A::less_than(simd, A::splat(simd, A::zero()), a);
        let slope = A::select(simd, active, A::splat(simd, A::one()), A::vsub(simd, a, a));
        A::vmul(simd, g, slope)
    }
}

impl Phi for Sigmoid {
    #[inline(always)]
    fn value<S: Simd, A: Lanes>(simd: S, z: A::Vector<S>) -> A::Vector<S> {
        math::sigmoid::<S, A>(simd, z)
    }
    #[inline(always)]
    fn gradient<S: Simd, A: Lanes>(simd: S, g: A::Vector<S>, a: A::Vector<S>) -> A::Vector<S> {
        A::vmul(simd, g, A::vfnma(simd, a, a, a))
    }
}

impl Phi for Identity {
    #[inline(always)]
    fn value<S: Simd, A: Lanes>(_: S, z: A::Vector<S>) -> A::Vector<S> {
        z
    }
    #[inline(always)]
    fn gradient<S: Simd, A: Lanes>(_: S, g: A::Vector<S>, _: A::Vector<S>) -> A::Vector<S> {
        g
    }
}

/// a ← φ(a)
#[inline(always)]
pub(super) fn activate<S: Simd, A: Lanes>(simd: S, a: &mut [A], activation: Activation) {
    match activation {
        Activation::Tanh => activate_by::<S, A, Tanh>(simd, a),
        Activation::Relu => activate_by::<S, A, Relu>(simd, a),
        Activation::Sigmoid => activate_by::<S, A, Sigmoid>(simd, a),
        Activation::Identity => {}
    }
}

#[inline(always)]
fn activate_by<S: Simd, A: Lanes, P: Phi>(simd: S, a: &mut [A]) {
    let (vectors, rest) = A::vectors_mut::<S>(a);
    for vector in vectors {
        *vector = P::value::<S, A>(simd, *vector);
    }
    if !rest.is_empty() {
        let vector = P::value::<S, A>(simd, A::load(simd, rest));
        A::store(simd, rest, vector);
    }
}

/// dz ← (da + dz) · φ′(a): the gradient before the nonlinearity.
///
/// - `dz`: on entry, the gradient that the step itself receives; on return, the result
/// - `da`: the gradient from later steps
/// - `a`: the hidden state
#[inline(always)]
pub(super) fn activation_gradient<S: Simd, A: Lanes>(simd: S, dz: &mut [A], da: &[A], a: &[A], activation: Activation) {
    match activation {
        Activation::Tanh => gradient_by::<S, A, Tanh>(simd, dz, da, a),
        Activation::Relu => gradient_by::<S, A, Relu>(simd, dz, da, a),
        Activation::Sigmoid => gradient_by::<S, A, Sigmoid>(simd, dz, da, a),
        Activation::Identity => gradient_by::<S, A, Identity>(simd, dz, da, a),
    }
}

#[inline(always)]
fn gradient_by<S: Simd, A: Lanes, P: Phi>(simd: S, dz: &mut [A], da: &[A], a: &[A]) {
    let (dz, dz_rest) = A::vectors_mut::<S>(dz);
    let (da, da_rest) = A::vectors::<S>(da);
    let (a, a_rest) = A::vectors::<S>(a);
    for ((dz, da), a) in dz.iter_mut().zip(da).zip(a) {
        *dz = P::gradient::<S, A>(simd, A::vadd(simd, *da, *dz), *a);
    }
    if !dz_rest.is_empty() {
        let (dz, a) = (A::load(simd, dz_rest), A::load(simd, a_rest));
        let vector = P::gradient::<S, A>(simd, A::vadd(simd, A::load(simd, da_rest), dz), a);
        A::store(simd, dz_rest, vector);
    }
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::super::{Isa, samples};
    use super::*;

    struct Activate<'a, A>(&'a mut [A], Activation);

    impl<A: Lanes> WithSimd for Activate<'_, A> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            activate(simd, self.0, self.1);
        }
    }

    struct Gradient<'a, A> {
        dz: &'a mut [A],
        da: &'a [A],
        a: &'a [A],
        activation: Activation,
    }

    impl<A: Lanes> WithSimd for Gradient<'_, A> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            activation_gradient(simd, self.dz, self.da, self.a, self.activation);
        }
    }

    fn values(seed: u32, length: usize) -> Vec<f32> {
        samples::values(seed, length).into_iter().map(|value| 4.0 * value).collect()
    }

    /// φ′ by its formula, in the order of operations of the kernel.
    fn slope(activation: Activation, a: f32) -> f32 {
        match activation {
            Activation::Tanh => libm::fmaf(-a, a, 1.0),
            Activation::Relu => f32::from(u8::from(a > 0.0)),
            Activation::Sigmoid => libm::fmaf(-a, a, a),
            Activation::Identity => 1.0,
        }
    }

    #[test]
    fn each_name_is_shown_and_read_back() {
        assert_eq!(Activation::ALL.map(Activation::name), ["tanh", "relu", "sigmoid", "identity"]);
        for activation in Activation::ALL {
            assert_eq!(Activation::from_name(activation.name()), Some(activation));
            assert_eq!(format!("{activation:>9}"), format!("{:>9}", activation.name()));
        }
        assert_eq!(Activation::from_name("Tanh"), None);
    }

    #[test]
    fn every_instruction_set_computes_phi_and_its_gradient() {
        for activation in Activation::ALL {
            for n in [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65] {
                let (dz, da, z) = (values(1, n), values(2, n), values(3, n));
                let mut a = z.clone();
                Isa::Scalar.run(Activate(&mut a, activation));
                for (&z, &a) in z.iter().zip(&a) {
                    let z = f64::from(z);
                    let exact = match activation {
                        Activation::Tanh => z.tanh(),
                        Activation::Relu => z.max(0.0),
                        Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
                        Activation::Identity => z,
                    };
                    assert!((f64::from(a) - exact).abs() <= 2e-7 * exact.abs(), "{activation}({z}) is not {a}");
                }
                let expected: Vec<f32> =
                    dz.iter().zip(&da).zip(&a).map(|((dz, da), &a)| (da + dz) * slope(activation, a)).collect();
                for isa in Isa::all() {
                    let mut found = z.clone();
                    isa.run(Activate(&mut found, activation));
                    assert_eq!(found, a, "{isa:?}, {activation} of {n} elements");
                    let mut found = dz.clone();
                    isa.run(Gradient { dz: &mut found, da: &da, a: &a, activation });
                    assert_eq!(found, expected, "{isa:?}, gradient of {activation}, {n} elements");
                }
            }
        }
    }

    #[test]
    fn special_values_are_the_same_on_every_instruction_set() {
        let (infinity, nan) = (f32::INFINITY, f32::NAN);
        for isa in Isa::all() {
            for (activation, expected) in [
                (Activation::Tanh, [-1.0, 1.0, 0.0]),
                (Activation::Relu, [0.0, infinity, 0.0]),
                (Activation::Sigmoid, [0.0, 1.0, 0.5]),
                (Activation::Identity, [-infinity, infinity, 0.0]),
            ] {
                let mut a = [-infinity, infinity, 0.0, nan];
                isa.run(Activate(&mut a, activation));
                assert_eq!(a[..3], expected, "{isa:?}, {activation}");
                assert!(a[3].is_nan(), "{isa:?}, {activation}");
                let mut dz = [1.0; 4];
                isa.run(Gradient { dz: &mut dz, da: &[0.0; 4], a: &[1.0, 0.0, 0.5, nan], activation });
                assert!(activation == Activation::Identity || dz[3].is_nan(), "{isa:?}, {activation}");
            }
        }
    }
}
