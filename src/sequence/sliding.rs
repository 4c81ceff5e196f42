use std::fmt;

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
///     back.discard_gradients();
/// }
/// assert!(loss.value < 1e-3, "the variance of the numbers is 0.5");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SlidingOf<A: Scalar, N: Recurrent<A>> {
    m: usize,
    k: usize,
    held: Held,
    /// The inputs of the window, one step after the other: vectors or token ids.
    x: Vec<A>,
    tokens: Vec<usize>,
    /// The number of steps in the window.
    length: usize,
    /// The state before the first step of the next window; `None` is zero.
    state: Option<N::State>,
    cache: N::Cache,
}

/// The kind of the steps in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Vectors of this number of values.
    Vectors(usize),
    /// Token ids below this number.
    Tokens(usize),
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Held::Vectors(n_x) => write!(f, "vectors of {n_x} values"),
            Held::Tokens(n_x) => write!(f, "token ids below {n_x}"),
        }
    }
}

impl<A: Scalar, N: Recurrent<A>> SlidingOf<A, N> {
    /// Makes an empty window of at most `k` steps of `m` columns. The hidden state before the first step is zero.
    ///
    /// # Errors
    /// [`Error::Range`] where `k` is 0.
    pub fn new(m: usize, k: usize) -> Result<Self, Error> {
        check_count("k", k, "at least 1", k > 0)?;
        let (x, tokens) = (Vec::new(), Vec::new());
        Ok(SlidingOf { m, k, held: Held::Vectors(0), x, tokens, length: 0, state: None, cache: N::Cache::default() })
    }

    /// Starts from this hidden state: (`n_a`, m) for one layer, [`States`](crate::stack::States) for a stack. Steps that the
    /// window holds are dropped.
    ///
    /// The next step checks the state.
    #[must_use]
    pub fn with_state(mut self, state: N::State) -> Self {
        self.clear();
        SlidingOf { state: Some(state), ..self }
    }

    /// Drops all steps. The hidden state before the next one is zero. The memory is kept.
    pub fn clear(&mut self) {
        (self.length, self.state) = (0, None);
    }

    /// Adds the newest step of the stream, and runs the forward pass of the window. A full window drops its oldest step.
    ///
    /// - `xt`: (`n_x`, m)
    /// - result: the cache of the last steps, at most k; the newest is the last one
    ///
    /// # Errors
    /// [`Error::Shape`] where `xt.dim() != (n_x, m)`, or the state is not (`n_a`, m); [`Error::States`] and
    /// [`Error::StateCount`] for the states of a stack; [`Error::Inputs`] where the window holds token ids, or steps of a
    /// network with another `n_x`; [`Error::Bidirectional`] where a layer of a stack has two directions. An error leaves the
    /// window unchanged.
    pub fn push(&mut self, parameters: &N, xt: &ArrayRef2<A>) -> Result<&N::Cache, Error> {
        let n_x = parameters.first_dims()?.n_x;
        check_shape("xt", xt, &X[..2], [n_x, self.m])?;
        self.check(parameters, "xt", Held::Vectors(n_x), xt.view().insert_axis(Axis(2)).into())?;
        let (size, steps) = (product([n_x, self.m]), self.k.min(self.length + 1));
        copy_time_major(slide(&mut self.x, steps, self.length, size), xt);
        let input = sequence_view(n_x, self.m, steps, &self.x);
        parameters.forward_into(input.into(), self.state.as_ref(), &mut self.cache)?;
        Ok(self.finish(Held::Vectors(n_x), steps))
    }

    /// Adds the newest step of the stream, a token id for each column: see [`push`](Self::push).
    ///
    /// - `tokens`: m token ids, each below `n_x`
    ///
    /// # Errors
    /// As [`push`](Self::push); [`Error::Token`] where an id is not below `n_x`.
    pub fn push_tokens(&mut self, parameters: &N, tokens: &[usize]) -> Result<&N::Cache, Error> {
        let n_x = parameters.first_dims()?.n_x;
        check_tokens(tokens, self.m, n_x, |position| position)?;
        self.check(parameters, "tokens", Held::Tokens(n_x), Input::tokens(&step_view(self.m, 1, tokens)))?;
        let steps = self.k.min(self.length + 1);
        slide(&mut self.tokens, steps, self.length, self.m).copy_from_slice(tokens);
        let ids = step_view(self.m, steps, &self.tokens);
        parameters.forward_into(Input::tokens(&ids), self.state.as_ref(), &mut self.cache)?;
        Ok(self.finish(Held::Tokens(n_x), steps))
    }

    /// The forward pass of the window.
    #[must_use]
    pub fn cache(&self) -> &N::Cache {
        &self.cache
    }

    /// The number of columns, m.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.m
    }

    /// The number of steps in the window, at most k.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the window has no step.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Checks the state and the kind of a step. After this, the forward pass of the window cannot fail.
    fn check(&self, parameters: &N, argument: &'static str, found: Held, input: Input<A>) -> Result<(), Error> {
        if self.length > 0 && found != self.held {
            let [expected, found] = [self.held, found].map(|held| held.to_string().into());
            return Err(Error::Inputs { argument, expected, found });
        }
        self.state.as_ref().map_or(Ok(()), |state| parameters.check_state(state, &input))
    }

    /// Notes the steps of a forward pass, and the state before the next window.
    fn finish(&mut self, held: Held, steps: usize) -> &N::Cache {
        (self.held, self.length) = (held, steps);
        if steps == self.k {
            N::copy_state_before(&self.cache, 1, self.state.get_or_insert_default());
        }
        &self.cache
    }
}

/// Makes room for `steps` steps of this size, and returns that of the newest one. A window that had as many steps drops its
/// oldest one.
fn slide<T: Copy + Default>(values: &mut Vec<T>, steps: usize, before: usize, size: usize) -> &mut [T] {
    if steps == before {
        values.copy_within(size.., 0);
    } else {
        values.resize(product([steps, size]), T::default());
    }
    let newest = values.len() - size;
    &mut values[newest..]
}
