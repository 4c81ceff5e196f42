use ndarray::{Array2, ArrayView2, ArrayView3, Axis, ShapeBuilder};

use super::Extent;
use super::columns::ForwardWorkspace;
use super::extent::Reads;
use super::input::{Input, Values};
use super::masks::Masks;
use super::schedule::Schedule;
use crate::dropout::MaskRows;
use crate::layout::{
    Bytes, copy_time_major, fit, product, reshape_time_major, sequence_view, step_view, time_major_mut,
};
use crate::{Activation, Dims, Scalar, cell};
use cell::{Read, Weights};

/// The result of a forward pass: its outputs, and all data that the backward pass reads.
///
/// It owns its memory, including a copy of the input. [`forward_into`](crate::sequence::forward_into) refills it. A refill
/// allocates nothing where the cache has had this size before and does not change between vectors and token ids. This holds
/// for one thread, and on the threads of a rayon pool. A call from outside a pool goes through rayon's queue, which
/// sometimes allocates a block. Two caches are equal where their values are equal.
#[derive(Debug, Clone)]
pub struct Cache<A> {
    pub(crate) dims: Dims,
    pub(crate) activation: Activation,
    pub(crate) m: usize,
    pub(crate) t_x: usize,
    /// Empty where the input is token ids.
    pub(crate) x: Vec<A>,
    /// (`T_x`, m)
    pub(crate) tokens: Option<Vec<usize>>,
    /// m lengths, even where all are `T_x`.
    pub(crate) lengths: Vec<usize>,
    pub(crate) reversed: bool,
    /// Whether each column ends in this part of its sequence. Empty where all do.
    pub(crate) ends: Vec<bool>,
    /// Whether a backward pass computes the gradient of the input.
    pub(crate) has_dx: bool,
    /// `a0`, then the hidden state after each step.
    pub(crate) states: Vec<A>,
    pub(crate) logits: Vec<A>,
    pub(crate) output: Vec<A>,
    pub(super) masks: Masks<A>,
    /// The hidden state after each column's own last step, where this is not the last of `states`.
    pub(super) last: Vec<A>,
    pub(crate) weights: Weights<A>,
    pub(super) workspace: ForwardWorkspace<A>,
}

impl<A> Default for Cache<A> {
    fn default() -> Self {
        Cache {
            dims: Dims::default(),
            activation: Activation::default(),
            m: 0,
            t_x: 0,
            x: Vec::new(),
            tokens: None,
            lengths: Vec::new(),
            reversed: false,
            ends: Vec::new(),
            has_dx: true,
            states: Vec::new(),
            logits: Vec::new(),
            output: Vec::new(),
            masks: Masks::default(),
            last: Vec::new(),
            weights: Weights::default(),
            workspace: ForwardWorkspace::default(),
        }
    }
}

impl<A: PartialEq> PartialEq for Cache<A> {
    fn eq(&self, other: &Self) -> bool {
        (self.dims, self.activation) == (other.dims, other.activation)
            && (self.m, self.t_x) == (other.m, other.t_x)
            && (self.reversed, &self.lengths, &self.tokens) == (other.reversed, &other.lengths, &other.tokens)
            && self.x == other.x
            && self.states == other.states
            && self.logits == other.logits
            && self.output == other.output
            && self.masks == other.masks
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
    pub fn columns(&self) -> usize {
        self.m
    }
    /// The number of steps, `T_x`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.t_x
    }
    /// Whether the sequence has no steps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.t_x == 0
    }

    /// The number of steps of each column, m numbers.
    #[must_use]
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }
    /// Whether time ran backward.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.reversed
    }

    /// The input, (`n_x`, m, `T_x`), zero in the padding; (0, m, `T_x`) where it is token ids.
    #[must_use]
    pub fn x(&self) -> ArrayView3<'_, A> {
        let n_x = if self.tokens.is_some() { 0 } else { self.dims.n_x };
        sequence_view(n_x, self.m, self.t_x, &self.x)
    }
    /// The token ids, (m, `T_x`), 0 in the padding; `None` where the input is vectors.
    #[must_use]
    pub fn tokens(&self) -> Option<ArrayView2<'_, usize>> {
        self.tokens.as_ref().map(|tokens| step_view(self.m, self.t_x, tokens))
    }
    /// The hidden state before the first step, (`n_a`, m).
    #[must_use]
    pub fn a0(&self) -> ArrayView2<'_, A> {
        step_view(self.dims.n_a, self.m, self.state(0))
    }
    /// The hidden state after each step, (`n_a`, m, `T_x`).
    #[must_use]
    pub fn hidden(&self) -> ArrayView3<'_, A> {
        let first = self.state(0).len();
        sequence_view(self.dims.n_a, self.m, self.t_x, &self.states[first..])
    }
    /// The hidden state after the last step of each column, (`n_a`, m); `a0` where a column has no steps.
    #[must_use]
    pub fn last_hidden(&self) -> ArrayView2<'_, A> {
        let last = if self.schedule().is_plain() { self.state(self.t_x) } else { &self.last };
        step_view(self.dims.n_a, self.m, last)
    }
    /// Wya·a + by of each step, (`n_y`, m, `T_x`).
    ///
    /// A regression reads the logits, not [`output`](Self::output). With one output, the softmax is always 1, so its
    /// gradient is zero.
    #[must_use]
    pub fn logits(&self) -> ArrayView3<'_, A> {
        sequence_view(self.dims.n_y, self.m, self.t_x, &self.logits)
    }
    /// The probabilities of each step, softmax(logits), (`n_y`, m, `T_x`).
    ///
    /// A regression reads [`logits`](Self::logits), for example through [`squared_error`](crate::loss::squared_error). With
    /// one output, the softmax is always 1, so its gradient is zero.
    #[must_use]
    pub fn output(&self) -> ArrayView3<'_, A> {
        sequence_view(self.dims.n_y, self.m, self.t_x, &self.output)
    }

    /// The logits after the last step of each column, (`n_y`, m): the prediction where a sequence has one label. Zero where
    /// a column has no steps. Where time is reversed, the last step is step 0. Allocates the result.
    #[must_use]
    pub fn last_logits(&self) -> Array2<A>
    where
        A: Scalar,
    {
        last_steps(&self.logits(), &self.lengths, self.reversed)
    }
    /// The probabilities after the last step of each column, softmax(logits), (`n_y`, m), like
    /// [`last_logits`](Self::last_logits).
    #[must_use]
    pub fn last_output(&self) -> Array2<A>
    where
        A: Scalar,
    {
        last_steps(&self.output(), &self.lengths, self.reversed)
    }

    /// In forward time, returns the m rows of the hidden state before step `t`, that is, after step `t − 1`.
    fn state(&self, t: usize) -> &[A] {
        let size = self.m * self.dims.n_a;
        &self.states[t * size..][..size]
    }

    /// Returns a column's state before a position of the [`Schedule`]: the state after the column's last step before it.
    pub(super) fn state_before(&self, position: usize, column: usize) -> &[A] {
        let (n_a, length) = (self.dims.n_a, self.lengths[column]);
        let previous = if self.reversed {
            // Steps length − 1 … 0 are at the positions T_x − length … T_x − 1.
            (position + length > self.t_x).then(|| self.t_x - position)
        } else {
            position.min(length).checked_sub(1)
        };
        &self.states[self.row_after(previous, column) * n_a..][..n_a]
    }

    /// states ← the state of each column before a position, (`n_a`, m)
    pub(crate) fn copy_states_before(&self, position: usize, states: &mut Array2<A>)
    where
        A: Scalar,
    {
        let n_a = self.dims.n_a;
        let states = reshape_time_major(states, (n_a, self.m));
        for (column, state) in states.chunks_exact_mut(n_a.max(1)).enumerate() {
            state.copy_from_slice(self.state_before(position, column));
        }
    }

    /// The logits of all steps, (`T_x`, m, `n_y`).
    pub(crate) fn logit_rows(&self) -> &[A] {
        &self.logits
    }

    /// The probabilities of all steps, (`T_x`, m, `n_y`).
    pub(crate) fn output_rows(&self) -> &[A] {
        &self.output
    }

    pub(super) fn schedule(&self) -> Schedule<'_> {
        Schedule { t_x: self.t_x, lengths: &self.lengths, first: 0, reversed: self.reversed }
    }

    /// Returns ma of a column; `None` without dropout of the states.
    pub(crate) fn recurrent_mask(&self, column: usize) -> Option<MaskRows<'_, A>>
    where
        A: Scalar,
    {
        self.masks.recurrent().map(|mask| mask.row(column))
    }

    /// Returns the row of `states` that a column's step starts from.
    pub(super) fn row_before(&self, step: usize, column: usize) -> usize {
        let previous = if self.reversed {
            Some(step + 1).filter(|&step| step < self.lengths[column])
        } else {
            step.checked_sub(1)
        };
        self.row_after(previous, column)
    }

    /// Returns the row of `states` after a column's step, or the row of `a0` for `None`. `a0` comes first in `states`.
    fn row_after(&self, step: Option<usize>, column: usize) -> usize {
        step.map_or(0, |step| step + 1) * self.m + column
    }
}

/// The values of each column's last step, (n, m); zero where a column has no steps.
pub(crate) fn last_steps<A: Scalar>(values: &ArrayView3<'_, A>, lengths: &[usize], reversed: bool) -> Array2<A> {
    let (n, m, _) = values.dim();
    let mut last = Array2::zeros((n, m).f());
    for (column, (mut last, &length)) in last.columns_mut().into_iter().zip(lengths).enumerate() {
        if let Some(step) = length.checked_sub(1) {
            let step = if reversed { 0 } else { step };
            last.assign(&values.index_axis(Axis(2), step).index_axis(Axis(1), column));
        }
    }
    last
}

/// What a pass reads instead of its own memory. A layer of a stack reads other layers' memory without a copy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a, A> {
    /// The input: the hidden states of the layer below, or the input of the other direction.
    pub(crate) input: Option<Read<'a, A>>,
    /// The other direction's share of the logits, to which this direction adds its own.
    pub(crate) logits: Option<&'a [A]>,
    /// The probabilities of both directions together.
    pub(crate) output: Option<&'a [A]>,
}

impl<A> Default for Sources<'_, A> {
    fn default() -> Self {
        Sources { input: None, logits: None, output: None }
    }
}

/// The input of a pass: that of its sources, or else that of its cache.
pub(super) fn input<'a, A: Copy>(sources: Sources<'a, A>, tokens: Option<&'a [usize]>, x: &'a [A]) -> Read<'a, A> {
    sources.input.unwrap_or(tokens.map_or(Read::Vectors(x), Read::Tokens))
}

impl<A: Scalar> Cache<A> {
    /// Returns the memory of a cache of this extent, without its workspace.
    pub(super) fn bytes(extent: Extent) -> Bytes {
        let Extent { dims: Dims { n_x, n_a, n_y }, m, steps, .. } = extent;
        let x = match extent.reads {
            Reads::Vectors => Bytes::of::<A>([n_x, m, steps]),
            Reads::Tokens => Bytes::of::<usize>([m, steps]),
            Reads::Others => Bytes::default(),
        };
        let last = usize::from(!extent.is_in_place());
        let states = Bytes::of::<A>([n_a, m, steps + 1 + last]);
        let columns = Bytes::of_list::<usize>(m) + Bytes::of_list::<bool>(m.max(8));
        x + states + Bytes::of::<A>([2, n_y, m, steps]) + columns + Masks::<A>::bytes(extent)
    }

    /// Copies step `t` to a [`cell::Cache`]; `None` where some column has no step `t`, or where the pass had dropout, which
    /// [`cell`](crate::cell) does not support.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{sequence, Dims, Parameters};
    /// use ndarray::Array3;
    ///
    /// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let cache = sequence::forward(&p, &Array3::ones((3, 10, 4)), None)?;
    /// let step = cache.step(3).expect("each column has four steps");
    /// assert_eq!(step.hidden(), cache.last_hidden());
    /// # Ok::<(), elman::Error>(())
    /// ```
    #[must_use]
    pub fn step(&self, t: usize) -> Option<cell::Cache<A>> {
        let dropout = self.masks.input().is_some() || self.masks.recurrent().is_some();
        if dropout || t >= self.t_x || self.lengths.iter().any(|&length| length <= t) {
            return None;
        }
        let m = self.m;
        let at = |flat: &[A], n: usize| flat[t * n * m..][..n * m].to_vec();
        let Dims { n_x, n_a, n_y } = self.dims;
        let xt = match &self.tokens {
            None => at(&self.x, n_x),
            Some(tokens) => {
                let mut one_hot = vec![A::zero(); n_x * m];
                for (column, token) in tokens[t * m..][..m].iter().enumerate() {
                    one_hot[column * n_x + token] = A::one();
                }
                one_hot
            }
        };
        let before = (0..m).map(|column| self.row_before(t, column)).chain((t + 1) * m..(t + 2) * m);
        let states = before.flat_map(|row| &self.states[row * n_a..][..n_a]).copied().collect();
        let (dims, activation) = (self.dims, self.activation);
        Some(cell::Cache { dims, activation, m, xt, states, logits: at(&self.logits, n_y), y: at(&self.output, n_y) })
    }

    /// Copies the input and fits the memory of the results. The values of the results are unspecified.
    pub(crate) fn take(&mut self, dims: Dims, m: usize, t_x: usize, input: Input<A>) {
        (self.dims, self.m, self.t_x, self.reversed) = (dims, m, t_x, input.reversed);
        self.has_dx = input.has_dx();
        self.ends.clear();
        self.ends.extend_from_slice(input.ends);
        self.lengths.clear();
        match input.lengths {
            Some(lengths) => self.lengths.extend_from_slice(lengths),
            None => self.lengths.resize(m, t_x),
        }
        let schedule = Schedule { t_x, lengths: &self.lengths, first: 0, reversed: input.reversed };
        match input.values {
            Values::Vectors(x) => {
                self.tokens = None;
                fit(&mut self.x, dims.n_x * m * t_x);
                copy_time_major(&mut self.x, &x);
                schedule.fill_padding(&mut time_major_mut(dims.n_x, m, t_x, &mut self.x), A::zero());
            }
            Values::Tokens(ids) => {
                self.x.clear();
                let tokens = self.tokens.get_or_insert_default();
                fit(tokens, m * t_x);
                copy_time_major(tokens, &ids);
                schedule.fill_padding(&mut time_major_mut(1, m, t_x, tokens), 0);
            }
        }
        self.fit_results(dims, m, t_x);
    }

    /// Prepares for another layer or direction of the batch of `other`. [`Sources`] then say what the input is.
    pub(crate) fn follow(&mut self, dims: Dims, reversed: bool, other: &Cache<A>) {
        (self.dims, self.m, self.t_x, self.reversed) = (dims, other.m, other.t_x, reversed);
        self.has_dx = true;
        self.lengths.clone_from(&other.lengths);
        self.x.clear();
        self.tokens = None;
        self.fit_results(dims, other.m, other.t_x);
    }

    /// Makes room for the results, whose contents are unspecified.
    fn fit_results(&mut self, Dims { n_a, n_y, .. }: Dims, m: usize, t_x: usize) {
        // The input may be smaller or empty, so these products may overflow a `usize`.
        fit(&mut self.states, product([n_a, m, t_x + 1]));
        fit(&mut self.logits, product([n_y, m, t_x]));
        fit(&mut self.output, product([n_y, m, t_x]));
    }

    /// The input in this cache, for the other direction to read.
    pub(crate) fn own_input(&self) -> Read<'_, A> {
        input(Sources::default(), self.tokens.as_deref(), &self.x)
    }

    /// Takes the workspace of another pass, which runs before or later.
    pub(crate) fn take_workspace(&mut self, other: &mut Cache<A>) {
        std::mem::swap(&mut self.workspace, &mut other.workspace);
    }

    /// Frees what the results do not need: the packed weights and the workspace.
    pub(crate) fn free_workspace(&mut self) {
        (self.weights, self.workspace) = Default::default();
    }

    /// The hidden states after all steps, (`T_x`, m, `n_a`).
    pub(crate) fn hidden_rows(&self) -> &[A] {
        &self.states[self.m * self.dims.n_a..]
    }
}
