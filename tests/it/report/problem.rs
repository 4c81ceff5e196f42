//! Seeded networks and sequences, and the ways to read a sequence.

use elman::loss::IGNORE;
use elman::ndarray::{Array, Array2, Array3, Axis, Dimension, ShapeBuilder, Slice};
use elman::rand::rngs::Xoshiro256PlusPlus;
use elman::rand::{RngExt, SeedableRng};
use elman::sequence::Input;
use elman::{Activation, Dropout, Error, Parameters, Scalar, Upstream};

/// `n_x`, `n_a`, `n_y`, m, `T_x`.
pub(super) type Sizes = [usize; 5];

/// Small primes, and sizes around the vector lengths (4, 8, 16), the tile heights, and the blocks of rows and of chains.
pub(super) const SMALL: [Sizes; 17] = [
    [1, 1, 1, 1, 1],
    [3, 5, 2, 10, 4],
    [15, 16, 17, 4, 5],
    [17, 15, 16, 3, 6],
    [33, 31, 63, 5, 4],
    [7, 65, 9, 13, 3],
    [64, 63, 65, 2, 5],
    [8, 24, 40, 25, 3],
    [5, 33, 4, 1, 9],
    [9, 129, 130, 1, 4],
    [300, 9, 5, 6, 3],
    [4, 270, 3, 3, 3],
    [6, 5, 290, 4, 3],
    [3, 17, 5, 7, 90],
    [2, 8, 3, 600, 2],
    [5, 16, 6, 1, 530],
    [4, 7, 3, 12, 17],
];

/// Large enough to be split over threads, with many columns and with few.
pub(super) const LARGE: [Sizes; 5] =
    [[33, 65, 17, 23, 53], [17, 130, 33, 9, 40], [31, 255, 63, 2, 67], [64, 256, 64, 1, 70], [7, 33, 9, 513, 10]];

pub(super) fn seeded(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

pub(super) fn narrow<A: Scalar>(value: f64) -> A {
    A::from(value).expect("every f64 converts")
}

/// Uniform on [−scale, scale).
pub(super) fn uniform<A: Scalar, Sh: ShapeBuilder>(
    rng: &mut Xoshiro256PlusPlus,
    scale: f64,
    shape: Sh,
) -> Array<A, Sh::Dim> {
    Array::from_shape_simple_fn(shape, || narrow(scale * (2.0 * rng.random::<f64>() - 1.0)))
}

/// How a sequence is read.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are combined freely")]
pub(super) struct Reading {
    pub(super) name: &'static str,
    tokens: bool,
    ragged: bool,
    reversed: bool,
    dropout: bool,
}

const PLAIN: Reading = Reading { name: "plain", tokens: false, ragged: false, reversed: false, dropout: false };
pub(super) const EVERYTHING: Reading =
    Reading { name: "tokens ragged reversed dropout", tokens: true, ragged: true, reversed: true, dropout: true };

pub(super) const READINGS: [Reading; 9] = [
    PLAIN,
    Reading { name: "tokens", tokens: true, ..PLAIN },
    Reading { name: "ragged", ragged: true, ..PLAIN },
    Reading { name: "reversed", reversed: true, ..PLAIN },
    Reading { name: "dropout", dropout: true, ..PLAIN },
    Reading { name: "ragged reversed", ragged: true, reversed: true, ..PLAIN },
    Reading { name: "tokens ragged", tokens: true, ragged: true, ..PLAIN },
    Reading { name: "ragged dropout", ragged: true, dropout: true, ..PLAIN },
    EVERYTHING,
];

/// A sequence in all forms.
pub(super) struct Sequence<A> {
    pub(super) x: Array3<A>,
    pub(super) tokens: Array2<usize>,
    pub(super) lengths: Vec<usize>,
    columns: Vec<u64>,
}

impl<A: Scalar> Sequence<A> {
    pub(super) fn draw(rng: &mut Xoshiro256PlusPlus, n_x: usize, m: usize, t_x: usize) -> Self {
        Sequence {
            x: uniform(rng, 1.0, (n_x, m, t_x)),
            tokens: Array2::from_shape_simple_fn((m, t_x), || rng.random_range(0..n_x)),
            // From zero to all steps, in no order; one column has all.
            lengths: (0..m).map(|j| if j == m / 2 { t_x } else { rng.random_range(0..=t_x) }).collect(),
            columns: (0..m as u64).map(|j| j * j + 7).collect(),
        }
    }

    pub(super) fn input(&self, reading: Reading) -> Input<'_, A> {
        let Reading { tokens, ragged, reversed, dropout, .. } = reading;
        let mut input = if tokens { Input::tokens(&self.tokens) } else { Input::vectors(&self.x) };
        if ragged {
            input = input.lengths(&self.lengths);
        }
        if dropout {
            let rates = Dropout::new(9).between_layers(0.25).inputs(0.3).recurrent(0.2);
            input = input.dropout(rates.columns(&self.columns).first_step(1 << 33));
        }
        if reversed { input.reversed() } else { input }
    }
}

/// A network of one layer, a sequence, gradients of all outputs, and labels.
pub(super) struct Problem<A> {
    pub(super) name: String,
    pub(super) p: Parameters<A>,
    pub(super) sequence: Sequence<A>,
    pub(super) a0: Array2<A>,
    pub(super) hidden: Array3<A>,
    pub(super) logits: Array3<A>,
    pub(super) output: Array3<A>,
    pub(super) last_hidden: Array2<A>,
    pub(super) labels: Array2<usize>,
}

impl<A: Scalar> Problem<A> {
    /// The weights keep the chain long, and the hidden state bounded and away from ±1, where every gradient would vanish.
    pub(super) fn draw([n_x, n_a, n_y, m, t_x]: Sizes, activation: Activation) -> Result<Self, Error> {
        let rng = &mut seeded([n_x, n_a, n_y, m, t_x].iter().fold(0, |seed, size| 1009 * seed + *size as u64));
        let fan = |n: usize| 1.2 / f64::from(u32::try_from(n).expect("a small network")).sqrt();
        let p = Parameters::from_arrays(
            &uniform(rng, fan(n_x), (n_a, n_x)),
            &uniform(rng, fan(n_a), (n_a, n_a)),
            &uniform(rng, fan(n_a), (n_y, n_a)),
            &uniform(rng, 1.0, n_a),
            &uniform(rng, 1.0, n_y),
        )?;
        Ok(Problem {
            name: format!("{n_x}x{n_a}x{n_y}x{m}x{t_x} {activation}"),
            p: p.with_activation(activation),
            sequence: Sequence::draw(rng, n_x, m, t_x),
            a0: uniform(rng, 1.0, (n_a, m)),
            hidden: uniform(rng, 1.0, (n_a, m, t_x)),
            logits: uniform(rng, 1.0, (n_y, m, t_x)),
            output: uniform(rng, 1.0, (n_y, m, t_x)),
            last_hidden: uniform(rng, 1.0, (n_a, m)),
            labels: labels(rng, n_y, m, t_x),
        })
    }

    /// All gradients that a loss can send back.
    pub(super) fn upstream(&self) -> Upstream<'_, A, elman::ndarray::Ix3> {
        let upstream = Upstream::hidden(&self.hidden).with_logits(&self.logits).with_output(&self.output);
        upstream.with_last_hidden(&self.last_hidden)
    }
}

/// Random labels, of which every seventh does not count.
pub(super) fn labels(rng: &mut Xoshiro256PlusPlus, n_y: usize, m: usize, t_x: usize) -> Array2<usize> {
    let label = || if rng.random_range(0..7) == 0 { IGNORE } else { rng.random_range(0..n_y) };
    Array2::from_shape_simple_fn((m, t_x), label)
}

/// Some steps of an array whose last axis is time.
pub(super) fn steps<T: Clone, D: Dimension + elman::ndarray::RemoveAxis>(
    array: &Array<T, D>,
    steps: std::ops::Range<usize>,
) -> Array<T, D> {
    array.slice_axis(Axis(array.ndim() - 1), Slice::from(steps)).to_owned()
}
