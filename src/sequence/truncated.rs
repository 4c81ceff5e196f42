use std::ops::Range;

use super::input::PartMemory;
use super::{Input, Recurrent};
use crate::error::check_count;
use crate::{Error, Parameters, Scalar};

/// Truncated back-propagation through one layer: see [`TruncatedOf`].
pub type Truncated<'a, A> = TruncatedOf<'a, A, Parameters<A>>;

/// Truncated back-propagation through time, TBPTT(k₁, k₂): an update every k₁ steps, with the gradient of the last k₂ steps.
///
/// The hidden state continues from window to window, gradients do not. Parameters may change between windows. A window
/// allocates nothing where an earlier one had as many steps. Its two kinds
/// are [`sequence::Truncated`](Truncated) and [`stack::Truncated`](crate::stack::Truncated).
///
/// - k₁ = k₂: the windows are consecutive chunks of the sequence.
/// - k₁ < k₂: the windows overlap. A gradient reaches k₂ − k₁ steps further back than the steps with a new loss.
/// - k₁ > k₂: the first k₁ − k₂ steps only continue the hidden state.
///
/// Source: R. J. Williams, J. Peng, *An efficient gradient-based algorithm for on-line training of recurrent network
/// trajectories*, Neural Computation 2 (1990) 490–501, there BPTT(h; h′) with h = k₂ and h′ = k₁.
///
/// # Examples
///
/// ```
/// use elman::sequence::{self, Truncated};
/// use elman::{Dims, Parameters, Upstream, loss};
/// use ndarray::{Array2, Array3};
///
/// let dims = Dims { n_x: 3, n_a: 5, n_y: 2 };
/// let mut p = Parameters::<f64>::zeros(dims);
/// let (x, targets) = (Array3::ones((3, 10, 100)), Array2::<usize>::zeros((10, 100)));
/// let mut chunks = Truncated::new(&x, &Array2::zeros((5, 10)), 20, 30)?;
/// let mut back = sequence::Backward::default();
/// while let Some(window) = chunks.next_window(&p)? {
///     let loss = loss::cross_entropy(chunks.cache(), window.targets(&targets), loss::Reduction::Mean)?;
///     back.discard_gradients();
///     sequence::backward_into(&p, chunks.cache(), Upstream::logits(&loss.dlogits), &mut back)?;
///     p.scaled_add(-0.1, &back.gradients)?;
/// }
/// assert!(p.by()[0] > 0.0, "the class of the targets became more probable");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TruncatedOf<'a, A: Scalar, N: Recurrent<A>> {
    input: Input<'a, A>,
    t_x: usize,
    k1: usize,
    k2: usize,
    /// The positions of the last window, the one in `cache`.
    window: Range<usize>,
    /// The state before the first step; `None` is zero.
    a0: Option<N::State>,
    /// The state before the steps of `cache`.
    state: N::State,
    part: PartMemory,
    cache: N::Cache,
}

/// The steps of one update.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// The steps that gradients run through: the steps of the cache.
    pub steps: Range<usize>,
    /// The steps that no earlier window contained.
    pub fresh: Range<usize>,
}

impl Window {
    /// The [`fresh`](Self::fresh) steps, as indices of the cache's steps.
    #[must_use]
    pub fn fresh_in_cache(&self) -> Range<usize> {
        let [start, end] = [self.fresh.start, self.fresh.end].map(|step| step.saturating_sub(self.steps.start));
        start..end
    }
}

impl<'a, A: Scalar, N: Recurrent<A>> TruncatedOf<'a, A, N> {
    /// Makes windows over a sequence, from the hidden state `a0`.
    ///
    /// - `x`: (`n_x`, m, `T_x`), or any [`Input`]
    /// - `a0`: of one layer an array (`n_a`, m); of a stack its [`States`](crate::stack::States), which the first
    ///   [`next_window`](Self::next_window) checks; `None` is zero
    /// - `k1`: the number of steps from one update to the next, at least 1
    /// - `k2`: the number of steps that a gradient goes back, at least 1
    ///
    /// # Errors
    /// [`Error::Range`] where `k1` or `k2` is 0; [`Error::Columns`] where `a0.ncols() != m`; [`Error::Shape`] where
    /// `lengths.len() != m`; [`Error::Length`] where a length is above `T_x`. [`next_window`](Self::next_window) checks the
    /// rest.
    pub fn new<'s>(
        x: impl Into<Input<'a, A>>,
        a0: impl Into<N::InitialState<'s>>,
        k1: usize,
        k2: usize,
    ) -> Result<Self, Error> {
        let input = x.into();
        let (_, t_x) = input.size();
        check_count("k1", k1, "at least 1", k1 > 0)?;
        check_count("k2", k2, "at least 1", k2 > 0)?;
        let a0 = N::initial_state(a0.into(), &input)?;
        input.check_lengths()?;
        let (state, part, cache) = (N::State::default(), PartMemory::default(), N::Cache::default());
        Ok(TruncatedOf { input, t_x, k1, k2, window: 0..0, a0, state, part, cache })
    }

    /// Runs the forward pass of the next window; `None` at the end of the sequence.
    ///
    /// # Errors
    /// As [`sequence::forward`](crate::sequence::forward) or [`stack::forward`](crate::stack::forward), and
    /// [`Error::Bidirectional`] where a layer of a stack has two directions. After an error, the next call runs the same
    /// window.
    pub fn next_window(&mut self, parameters: &N) -> Result<Option<Window>, Error> {
        let before = self.window.end;
        if before == self.t_x {
            return Ok(None);
        }
        let end = self.t_x.min(before.saturating_add(self.k1));
        let start = end.saturating_sub(self.k2);
        // Check all steps before reading the first.
        self.input.check_values(parameters.first_dims()?, &self.steps(start.min(before)..end))?;
        if before > 0 {
            N::copy_state_before(&self.cache, start.min(before) - self.window.start, &mut self.state);
        }
        if start > before {
            self.read(parameters, before..start)?;
            N::copy_state_before(&self.cache, start - before, &mut self.state);
        }
        self.read(parameters, start..end)?;
        self.window = start..end;
        Ok(Some(Window { steps: self.steps(start..end), fresh: self.steps(start.max(before)..end) }))
    }

    /// The forward pass of the last window.
    #[must_use]
    pub fn cache(&self) -> &N::Cache {
        &self.cache
    }

    /// Runs the forward pass of these positions from `state`, or from `a0` at the start of the sequence.
    fn read(&mut self, parameters: &N, positions: Range<usize>) -> Result<(), Error> {
        let state = if positions.start == 0 { self.a0.as_ref() } else { Some(&self.state) };
        let part = self.input.part(self.input.steps(self.t_x, positions), &mut self.part);
        parameters.forward_into(part, state, &mut self.cache)
    }

    fn steps(&self, positions: Range<usize>) -> Range<usize> {
        self.input.steps(self.t_x, positions)
    }
}
