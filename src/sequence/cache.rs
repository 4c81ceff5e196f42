use ndarray::{ArrayView2, ArrayView3};

use crate::layout::{sequence_view, step_view};
use crate::weights::Weights;
use crate::{Dims, Scalar, cell};

/// What a forward pass leaves behind: its outputs, and all that the backward pass reads.
///
/// It owns its memory, a copy of the input included, and is refilled by
/// [`forward_into`](crate::sequence::forward_into) without allocating once it has been as large. Two caches are equal
/// where their values are.
#[derive(Debug, Clone)]
pub struct Cache<A> {
    pub(crate) dims: Dims,
    pub(crate) m: usize,
    pub(crate) t_x: usize,
    pub(crate) x: Vec<A>,
    /// `a0`, then the hidden state after every step.
    pub(crate) states: Vec<A>,
    pub(crate) logits: Vec<A>,
    pub(crate) output: Vec<A>,
    pub(super) weights: Weights<A>,
}

impl<A> Default for Cache<A> {
    fn default() -> Self {
        Cache {
            dims: Dims::default(),
            m: 0,
            t_x: 0,
            x: Vec::new(),
            states: Vec::new(),
            logits: Vec::new(),
            output: Vec::new(),
            weights: Weights::default(),
        }
    }
}

impl<A: PartialEq> PartialEq for Cache<A> {
    fn eq(&self, other: &Self) -> bool {
        (self.dims, self.m, self.t_x) == (other.dims, other.m, other.t_x)
            && self.x == other.x
            && self.states == other.states
            && self.logits == other.logits
            && self.output == other.output
    }
}

impl<A> Cache<A> {
    /// The dimensions of the network that filled this cache.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.dims
    }
    /// The number of columns, m.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.m
    }
    /// The number of steps, `T_x`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.t_x
    }
    /// Whether there is no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.t_x == 0
    }

    /// The input, (`n_x`, m, `T_x`).
    #[must_use]
    pub fn x(&self) -> ArrayView3<'_, A> {
        sequence_view(self.dims.n_x, self.m, self.t_x, &self.x)
    }
    /// The hidden state before the first step, (`n_a`, m).
    #[must_use]
    pub fn a0(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_a, self.m, self.state(0))
    }
    /// The hidden state after every step, (`n_a`, m, `T_x`).
    #[must_use]
    pub fn hidden(&self) -> ArrayView3<'_, A> {
        let first = self.state(0).len();
        sequence_view(self.dims.n_a, self.m, self.t_x, &self.states[first..])
    }
    /// The hidden state after the last step, (`n_a`, m); `a0` where there is none.
    #[must_use]
    pub fn last_hidden(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_a, self.m, self.state(self.t_x))
    }
    /// Wya·a + by of every step, (`n_y`, m, `T_x`).
    #[must_use]
    pub fn logits(&self) -> ArrayView3<'_, A> {
        sequence_view(self.dims.n_y, self.m, self.t_x, &self.logits)
    }
    /// The probabilities of every step, softmax(logits), (`n_y`, m, `T_x`).
    #[must_use]
    pub fn output(&self) -> ArrayView3<'_, A> {
        sequence_view(self.dims.n_y, self.m, self.t_x, &self.output)
    }

    /// The m rows of the hidden state before step `t`, that is after step `t − 1`.
    pub(crate) fn state(&self, t: usize) -> &[A] {
        let size = self.m * self.dims.n_a;
        &self.states[t * size..][..size]
    }
}

impl<A: Scalar> Cache<A> {
    /// A copy of step `t` as the cell would have left it; `None` where `t >= len()`.
    #[must_use]
    pub fn step(&self, t: usize) -> Option<cell::Cache<A>> {
        if t >= self.t_x {
            return None;
        }
        let at = |flat: &[A], n: usize| flat[t * n * self.m..][..n * self.m].to_vec();
        let Dims { n_x, n_a, n_y } = self.dims;
        Some(cell::Cache {
            dims: self.dims,
            m: self.m,
            xt: at(&self.x, n_x),
            states: self.states[t * n_a * self.m..][..2 * n_a * self.m].to_vec(),
            logits: at(&self.logits, n_y),
            y: at(&self.output, n_y),
        })
    }

    /// Makes room; the contents are unspecified.
    pub(super) fn reshape(&mut self, dims: Dims, m: usize, t_x: usize) {
        (self.dims, self.m, self.t_x) = (dims, m, t_x);
        self.x.resize(dims.n_x * m * t_x, A::zero());
        self.states.resize(dims.n_a * m * (t_x + 1), A::zero());
        self.logits.resize(dims.n_y * m * t_x, A::zero());
        self.output.resize(dims.n_y * m * t_x, A::zero());
    }
}
