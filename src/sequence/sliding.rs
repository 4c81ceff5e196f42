use ndarray::{ArrayRef2, Axis};

use super::{Input, Recurrent};
use crate::cell::check_tokens;
use crate::error::{X, check_count, check_shape};
use crate::layout::{copy_time_major, product, sequence_view, step_view};
use crate::{Error, Parameters, Scalar};

/// A sliding window over a live stream, for one layer: see [`SlidingOf`].
pub type Sliding<A> = SlidingOf<A, Parameters<A>>;

/// Learning online: a window over the last k steps of a live stream, for truncated back-propagation at each step.
///
/// Each step of the stream is pushed when it arrives. The window then has the forward pass of the last k steps, for a loss at
/// the newest one. The gradient reaches k steps back. Parameters may change between steps. Its two kinds are
/// [`sequence::Sliding`](Sliding) and [`stack::Sliding`](crate::stack::Sliding).
///
/// The results are bit-identical to those of TBPTT(1, k), [`TruncatedOf`](super::TruncatedOf) with k₁ = 1 and k₂ = k, which
/// needs the whole sequence. Once the window is full, a step allocates nothing. Its time is a forward pass of k steps; use a
/// [`Stepper`](crate::cell::Stepper) where nothing is learned.
///
/// Source: R. J. Williams, J. Peng, *An efficient gradient-based algorithm for on-line training of recurrent network
/// trajectories*, Neural Computation 2 (1990) 490–501, there BPTT(h).
///
/// # Examples
///
/// A forecast of the next number, learned from each number as it arrives:
///
/// ```
/// use elman::loss::{self, Reduction, Targets};
/// use elman::optim::{Optimizer, Sgd};
/// use elman::sequence::{self, Sliding};
/// use elman::{Dims, Upstream, init};
/// use ndarray::Array2;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut p = init::torch::<f64>(Dims { n_x: 1, n_a: 16, n_y: 1 }, &mut Xoshiro256PlusPlus::seed_from_u64(1));
/// let (mut sgd, mut window) = (Sgd::new(0.03), Sliding::new(1, 20)?);
/// let (mut loss, mut back) = (loss::Loss::default(), sequence::Backward::default());
/// let number = |t: u32| Array2::from_elem((1, 1), (0.3 * f64::from(t)).sin());
/// for t in 0..1000 {
///     let cache = window.push(&p, &number(t))?;
///     loss::squared_error_into(cache, Targets::last_values(&number(t + 1)), Reduction::Sum, &mut loss)?;
///     sequence::backward_into(&p, cache, Upstream::logits(&loss.dlogits), &mut back)?;
///     sgd.step(p.as_mut_slice(), back.gradients.as_slice())?;
///     back.zero_gradients();
/// }
/// assert!(loss.value < 1e-3, "the variance of the numbers is 0.5");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SlidingOf<A: Scalar, N: Recurrent<A>> {
    m: usize,
    k: usize,
    steps: Steps<A>,
    /// The number of steps in the window.
    length: usize,
    /// The state before the first step of the next window; `None` is zero.
    state: Option<N::State>,
    cache: N::Cache,
}

/// The inputs of the window, one step after the other.
#[derive(Debug, Clone)]
enum Steps<A> {
    None,
    Vectors { n_x: usize, x: Vec<A> },
    Tokens(Vec<usize>),
}

impl<A: Scalar, N: Recurrent<A>> SlidingOf<A, N> {
    /// Makes an empty window of at most `k` steps of `m` columns. The hidden state before the first step is zero.
    ///
    /// # Errors
    /// [`Error::Range`] where `k` is 0.
    pub fn new(m: usize, k: usize) -> Result<Self, Error> {
        check_count("k", k, "at least 1", k > 0)?;
        Ok(SlidingOf { m, k, steps: Steps::None, length: 0, state: None, cache: N::Cache::default() })
    }

    /// Starts from this hidden state: (`n_a`, m) for one layer, [`States`](crate::stack::States) for a stack. Steps that the
    /// window holds are dropped.
    ///
    /// The next step checks the state.
    #[must_use]
    pub fn with_state(self, state: N::State) -> Self {
        SlidingOf { steps: Steps::None, length: 0, state: Some(state), ..self }
    }

    /// Adds the newest step of the stream, and runs the forward pass of the window. A full window drops its oldest step.
    ///
    /// - `xt`: (`n_x`, m)
    /// - result: the cache of the last steps, at most k; the newest is the last one
    ///
    /// # Errors
    /// [`Error::Shape`] where `xt.dim() != (n_x, m)`, or the state is not (`n_a`, m); [`Error::States`] and
    /// [`Error::StateCount`] for the states of a stack; [`Error::Inputs`] where the window holds token ids or vectors of
    /// another length; [`Error::Bidirectional`] where a layer of a stack has two directions. An error leaves the window
    /// unchanged.
    pub fn push(&mut self, parameters: &N, xt: &ArrayRef2<A>) -> Result<&N::Cache, Error> {
        let n_x = parameters.first_dims()?.n_x;
        check_shape("xt", xt, &X[..2], [n_x, self.m])?;
        self.check_state(parameters, xt.view().insert_axis(Axis(2)).into())?;
        if self.length == 0 {
            self.steps = Steps::Vectors { n_x, x: Vec::new() };
        }
        match &mut self.steps {
            Steps::Vectors { n_x: held, x } if *held == n_x => {
                let step = product([n_x, self.m]);
                let newest = slide(x, self.length == self.k, step, A::zero());
                copy_time_major(newest, xt);
            }
            _ => return Err(Error::Inputs { argument: "xt" }),
        }
        self.forward(parameters)
    }

    /// Adds the newest step of the stream, a token id for each column: see [`push`](Self::push).
    ///
    /// - `tokens`: m token ids, each below `n_x`
    ///
    /// # Errors
    /// As [`push`](Self::push); [`Error::Token`] where an id is not below `n_x`.
    pub fn push_tokens(&mut self, parameters: &N, tokens: &[usize]) -> Result<&N::Cache, Error> {
        check_tokens(tokens, self.m, parameters.first_dims()?.n_x)?;
        self.check_state(parameters, Input::tokens(&step_view(self.m, 1, tokens)))?;
        if self.length == 0 {
            self.steps = Steps::Tokens(Vec::new());
        }
        match &mut self.steps {
            Steps::Tokens(ids) => slide(ids, self.length == self.k, self.m, 0).copy_from_slice(tokens),
            _ => return Err(Error::Inputs { argument: "tokens" }),
        }
        self.forward(parameters)
    }

    /// The forward pass of the window.
    #[must_use]
    pub fn cache(&self) -> &N::Cache {
        &self.cache
    }

    /// The number of steps in the window, at most k.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether no step has been pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn check_state(&self, parameters: &N, input: Input<A>) -> Result<(), Error> {
        self.state.as_ref().map_or(Ok(()), |state| parameters.check_state(state, &input))
    }

    /// Runs the forward pass of a window that has its newest step.
    fn forward(&mut self, parameters: &N) -> Result<&N::Cache, Error> {
        self.length = self.k.min(self.length + 1);
        let ids;
        let input = match &self.steps {
            Steps::Tokens(tokens) => {
                ids = step_view(self.m, self.length, tokens);
                Input::tokens(&ids)
            }
            Steps::Vectors { n_x, x } => sequence_view(*n_x, self.m, self.length, x).into(),
            Steps::None => return Ok(&self.cache),
        };
        parameters.forward_into(input, self.state.as_ref(), &mut self.cache)?;
        if self.length == self.k {
            N::copy_state_before(&self.cache, 1, self.state.get_or_insert_default());
        }
        Ok(&self.cache)
    }
}

/// Drops the oldest step where the window is full, and returns the place of the newest one.
fn slide<T: Copy>(steps: &mut Vec<T>, is_full: bool, step: usize, zero: T) -> &mut [T] {
    if is_full {
        steps.copy_within(step.., 0);
    } else {
        steps.resize(steps.len().saturating_add(step), zero);
    }
    let oldest = steps.len() - step;
    &mut steps[oldest..]
}
