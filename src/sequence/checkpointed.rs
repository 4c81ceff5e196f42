use std::ops::Range;

use ndarray::ArrayView3;

use super::footprint::Size;
use super::input::PartMemory;
use super::{Input, Recurrent};
use crate::layout::{Bytes, product};
use crate::{Error, Parameters, Scalar};

/// Exact gradients of one layer over a long sequence: see [`CheckpointedOf`].
pub type Checkpointed<'a, A> = CheckpointedOf<'a, A, Parameters<A>>;

/// Exact gradients of a long sequence in little memory: O(√`T_x`) instead of O(`T_x`), for one more forward pass.
///
/// Its two kinds are [`sequence::Checkpointed`](Checkpointed) for one layer, and
/// [`stack::Checkpointed`](crate::stack::Checkpointed). With L steps in a segment, the memory of one layer in elements is
///
/// ```text
/// ⌈T_x/L⌉·n_a·m + L·m·(2·n_x + n_a + 3·n_y)
/// ```
///
/// plus one forward and one backward workspace (see the [module](crate::sequence)). The formula includes the caller's
/// gradient of the logits. For token ids, one `usize` replaces 2·`n_x`. L is the value with the least memory, or the largest
/// value that fits in a given number of bytes.
///
/// The forward pass keeps only the hidden state at the start of each segment. The backward pass recomputes each segment from
/// its state; the last segment is not recomputed. Recomputed values are bit-identical, so the gradients are bit-identical to
/// those of [`backward`](crate::sequence::backward) on the whole sequence.
///
/// This type is gradient checkpointing: it recomputes hidden states. [`io::Checkpoint`](crate::io::Checkpoint) saves a run
/// to a file.
///
/// Source: T. Chen, B. Xu, C. Zhang, C. Guestrin, *Training Deep Nets with Sublinear Memory Cost*, arXiv:1604.06174
/// (2016), section 4.
///
/// # Examples
///
/// ```
/// use elman::sequence::Checkpointed;
/// use elman::{Dims, Parameters, Upstream, loss};
/// use ndarray::{Array2, Array3, s};
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let (x, targets) = (Array3::ones((3, 1, 10_000)), Array2::<usize>::zeros((1, 10_000)));
/// let mut run = Checkpointed::forward(&p, &x, &Array2::zeros((5, 1)))?;
/// let mut nats = 0.0;
/// while let Some(segment) = run.next_segment()? {
///     let targets = targets.slice(s![.., segment.steps()]);
///     let loss = loss::cross_entropy(segment.cache(), &targets, loss::Reduction::Scaled(1e-4))?;
///     nats += loss.value;
///     segment.backward(Upstream::logits(&loss.dlogits))?;
/// }
/// let (gradients, da0) = run.into_gradients();
/// assert!((nats - 2f64.ln()).abs() < 1e-12);
/// assert_eq!((gradients.dims(), da0.dim()), (p.dims(), (5, 1)));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CheckpointedOf<'a, A: Scalar, N: Recurrent<A>> {
    parameters: &'a N,
    input: Input<'a, A>,
    m: usize,
    t_x: usize,
    /// The number of steps in a segment.
    length: usize,
    /// The states before the segments, one after the other.
    states: Vec<A>,
    segments: usize,
    /// The number of segments without a backward pass so far.
    left: usize,
    /// The segment in `cache`.
    cached: usize,
    cache: N::Cache,
    pub(crate) back: N::Backward,
    /// The gradient that the later segments send to the last state of a segment.
    da: N::State,
}

/// Some steps of a [`CheckpointedOf`] sequence.
#[derive(Debug)]
pub struct Segment<'r, 'a, A: Scalar, N: Recurrent<A>> {
    run: &'r mut CheckpointedOf<'a, A, N>,
}

impl<'a, A: Scalar, N: Recurrent<A>> CheckpointedOf<'a, A, N> {
    /// Runs a sequence from the hidden state `a0`, with the segment length that needs the least memory.
    ///
    /// - `x`: (`n_x`, m, `T_x`), or any [`Input`]
    /// - `a0`: (`n_a`, m) for one layer, [`States`](crate::stack::States) for a stack, or `None` for zero
    ///
    /// # Errors
    /// As [`sequence::forward`](crate::sequence::forward) or [`stack::forward`](crate::stack::forward), and
    /// [`Error::Bidirectional`] where a layer of a stack has two directions.
    pub fn forward<'s>(
        parameters: &'a N,
        x: impl Into<Input<'a, A>>,
        a0: impl Into<N::InitialState<'s>>,
    ) -> Result<Self, Error> {
        Self::run(parameters, x.into(), a0.into(), |size| Ok(size.least()))
    }

    /// Runs [`forward`](Self::forward) with the longest segments that fit in `memory`. Where everything fits, no step
    /// is computed twice.
    ///
    /// - `memory`: the number of bytes for everything in the description of the type; the caller's input does not count
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::sequence::Checkpointed;
    /// use elman::{Dims, Parameters};
    /// use ndarray::Array3;
    ///
    /// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let x = Array3::ones((3, 1, 100));
    /// let mut run = Checkpointed::forward_within(64 << 20, &p, &x, None)?;
    /// assert_eq!(run.next_segment()?.map(|segment| segment.steps()), Some(0..100), "all steps fit in 64 MiB");
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and [`Error::Memory`] where `memory` is too small for any segment length.
    pub fn forward_within<'s>(
        memory: usize,
        parameters: &'a N,
        x: impl Into<Input<'a, A>>,
        a0: impl Into<N::InitialState<'s>>,
    ) -> Result<Self, Error> {
        Self::run(parameters, x.into(), a0.into(), |size| {
            let least = size.bytes(size.least());
            if memory < least.0 {
                return Err(Error::Memory { argument: "memory", expected: least.0, found: memory });
            }
            Ok(size.longest(Bytes(memory)))
        })
    }

    fn run(
        parameters: &'a N,
        input: Input<'a, A>,
        a0: N::InitialState<'_>,
        length: impl FnOnce(&Size<A>) -> Result<usize, Error>,
    ) -> Result<Self, Error> {
        let (m, t_x) = input.check(parameters.first_dims()?)?;
        let a0 = N::initial_state(a0, &input)?;
        a0.as_ref().map_or(Ok(()), |a0| parameters.check_state(a0, &input))?;
        let length = length(&Size::new(parameters.footprint(&input)))?;
        // A sequence without steps has one segment without steps.
        let segments = t_x.div_ceil(length).max(1);
        let state = parameters.state_len() * m;
        let mut states = vec![A::zero(); product([segments, state])];
        if let Some(a0) = a0 {
            N::write_state(&a0, &mut states[..state]);
        }
        let (cache, back) = (N::Cache::default(), parameters.zero_gradients(m));
        let da = parameters.read_state(0, &[]);
        let (left, cached) = (segments, 0);
        let mut run =
            CheckpointedOf { parameters, input, m, t_x, length, states, segments, left, cached, cache, back, da };
        let mut last = N::State::default();
        for segment in 0..segments {
            run.read(segment)?;
            if segment + 1 < segments {
                N::copy_state_before(&run.cache, length, &mut last);
                N::write_state(&last, &mut run.states[(segment + 1) * state..][..state]);
            }
        }
        Ok(run)
    }

    /// Returns the last segment without a backward pass so far; `None` where each segment has had one.
    ///
    /// # Errors
    /// As [`forward`](crate::sequence::forward), which has already succeeded for this segment.
    pub fn next_segment(&mut self) -> Result<Option<Segment<'_, 'a, A, N>>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.cached != self.left - 1 {
            self.read(self.left - 1)?;
        }
        Ok(Some(Segment { run: self }))
    }

    /// Returns ∂L/∂θ and the gradient at the initial state, of the segments that have had a backward pass. Without any, both
    /// are zero.
    #[must_use]
    pub fn into_gradients(self) -> (N, N::State) {
        N::into_gradients(self.back)
    }

    fn read(&mut self, segment: usize) -> Result<(), Error> {
        let size = self.parameters.state_len() * self.m;
        let state = self.parameters.read_state(self.m, &self.states[segment * size..][..size]);
        let mut memory = PartMemory::default();
        let part = self.input.part(self.steps(segment), &mut memory);
        self.parameters.forward_into(part, Some(&state), &mut self.cache)?;
        self.cached = segment;
        Ok(())
    }

    fn steps(&self, segment: usize) -> Range<usize> {
        let start = segment * self.length;
        self.input.steps(self.t_x, start..self.t_x.min(start + self.length))
    }
}

impl<'r, A: Scalar, N: Recurrent<A>> Segment<'r, '_, A, N> {
    /// The steps of the segment in the sequence.
    #[must_use]
    pub fn steps(&self) -> Range<usize> {
        self.run.steps(self.run.cached)
    }

    /// The forward pass of the segment.
    #[must_use]
    pub fn cache(&self) -> &N::Cache {
        &self.run.cache
    }

    /// Runs the backward pass of the segment. Returns ∂L/∂x of its steps, (`n_x`, m, steps); (0, m, steps) where the input
    /// is token ids, and for a stack without [`with_dx`](crate::stack::Checkpointed::with_dx).
    ///
    /// - `upstream`: the gradients of the loss at these steps; `last_hidden` or `last_states` is the gradient of the
    ///   segment's last state from the loss itself; this call adds the gradient from the later segments
    ///
    /// # Errors
    /// As [`sequence::backward`](crate::sequence::backward) or [`stack::backward`](crate::stack::backward). After an error,
    /// run the backward pass of this segment again.
    pub fn backward(self, upstream: N::Upstream<'_>) -> Result<ArrayView3<'r, A>, Error> {
        let CheckpointedOf { parameters, left, segments, cache, back, da, .. } = self.run;
        let later = (*left < *segments).then_some(da);
        parameters.backward_into(cache, upstream, later, back)?;
        *left -= 1;
        Ok(N::dx(&self.run.cache, &self.run.back))
    }
}
