use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{Array2, ArrayView3, Ix3};

use super::backward::Workspace;
use super::columns::ForwardWorkspace;
use super::input::Values;
use super::masks::Drops;
use super::{Backward, Cache, Extent, InitialState, Input, backward_into, forward_into};
use crate::layout::{Bytes, copy_time_major, product, step_view};
use crate::upstream::check_last_hidden;
use crate::{Dims, Error, Gradients, Parameters, Scalar, Upstream};

/// Exact gradients of a long sequence in little memory: O(√`T_x`) instead of O(`T_x`), for one more forward pass.
///
/// With L steps in a segment, the memory in elements is
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
/// let (x, targets) = (Array3::ones((3, 1, 10_000)), Array2::zeros((1, 10_000)));
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
pub struct Checkpointed<'a, A> {
    parameters: &'a Parameters<A>,
    input: Input<'a, A>,
    m: usize,
    t_x: usize,
    /// The number of steps in a segment.
    length: usize,
    /// The states before the segments, m rows of `n_a` each.
    states: Vec<A>,
    segments: usize,
    /// The number of segments without a backward pass so far.
    left: usize,
    /// The segment in `cache`.
    cached: usize,
    cache: Cache<A>,
    back: Backward<A>,
    /// The gradient that the later segments send to the last state of a segment.
    da: Array2<A>,
}

/// Some steps of a [`Checkpointed`] sequence.
#[derive(Debug)]
pub struct Segment<'r, 'a, A> {
    run: &'r mut Checkpointed<'a, A>,
}

impl<'a, A: Scalar> Checkpointed<'a, A> {
    /// Runs a sequence from the hidden state `a0`, with the segment length that needs the least memory.
    ///
    /// - `x`: (`n_x`, m, `T_x`), or any [`Input`]
    /// - `a0`: (`n_a`, m), or `None` for zero
    ///
    /// # Errors
    /// As [`forward`](crate::sequence::forward).
    pub fn forward<'s>(
        parameters: &'a Parameters<A>,
        x: impl Into<Input<'a, A>>,
        a0: impl Into<InitialState<'s, A>>,
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
        parameters: &'a Parameters<A>,
        x: impl Into<Input<'a, A>>,
        a0: impl Into<InitialState<'s, A>>,
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
        parameters: &'a Parameters<A>,
        input: Input<'a, A>,
        a0: InitialState<'_, A>,
        length: impl FnOnce(Size<A>) -> Result<usize, Error>,
    ) -> Result<Self, Error> {
        let dims = parameters.dims();
        let (m, t_x) = input.check(dims)?;
        a0.check(dims.n_a, &input)?;
        let length = length(Size::new(dims, &input))?;
        // A sequence without steps has one segment without steps.
        let segments = t_x.div_ceil(length).max(1);
        let mut states = vec![A::zero(); product([segments, dims.n_a, m])];
        a0.write_to(&mut states[..dims.n_a * m]);
        let (cache, back) = (Cache::default(), Backward::default());
        let (da, left, cached) = (Array2::default([0; 2]), segments, 0);
        let mut run =
            Checkpointed { parameters, input, m, t_x, length, states, segments, left, cached, cache, back, da };
        run.back.gradients = Gradients::zeros(dims);
        run.back.da0 = Array2::zeros((dims.n_a, m));
        for segment in 0..segments {
            run.read(segment)?;
            if segment + 1 < segments {
                let state = &mut run.states[(segment + 1) * dims.n_a * m..][..dims.n_a * m];
                copy_time_major(state, &run.cache.last_hidden());
            }
        }
        Ok(run)
    }

    /// Returns the last segment without a backward pass so far; `None` where each segment has had one.
    ///
    /// # Errors
    /// As [`forward`](crate::sequence::forward), which has already succeeded for this segment.
    pub fn next_segment(&mut self) -> Result<Option<Segment<'_, 'a, A>>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.cached != self.left - 1 {
            self.read(self.left - 1)?;
        }
        Ok(Some(Segment { run: self }))
    }

    /// Returns ∂L/∂(wax, waa, wya, ba, by) and ∂L/∂a0, (`n_a`, m), of the segments that have had a backward pass. Without
    /// any, both are zero.
    #[must_use]
    pub fn into_gradients(self) -> (Gradients<A>, Array2<A>) {
        let Backward { gradients, da0, .. } = self.back;
        (gradients, da0)
    }

    fn read(&mut self, segment: usize) -> Result<(), Error> {
        let size = self.parameters.dims().n_a * self.m;
        let a0 = step_view(self.parameters.dims().n_a, self.m, &self.states[segment * size..][..size]);
        let part = self.input.part(self.steps(segment));
        forward_into(self.parameters, part.input(), a0, &mut self.cache)?;
        self.cached = segment;
        Ok(())
    }

    fn steps(&self, segment: usize) -> Range<usize> {
        let start = segment * self.length;
        self.input.steps(self.t_x, start..self.t_x.min(start + self.length))
    }
}

impl<'r, A: Scalar> Segment<'r, '_, A> {
    /// The steps of the segment in the sequence.
    #[must_use]
    pub fn steps(&self) -> Range<usize> {
        self.run.steps(self.run.cached)
    }

    /// The forward pass of the segment.
    #[must_use]
    pub fn cache(&self) -> &Cache<A> {
        &self.run.cache
    }

    /// Runs the backward pass of the segment. Returns ∂L/∂x of its steps, (`n_x`, m, steps); (0, m, steps) where the input
    /// is token ids.
    ///
    /// - `upstream`: the gradients of the loss at these steps; `last_hidden` is the gradient of the segment's last state
    ///   from the loss itself; this call adds the gradient from the later segments
    ///
    /// # Errors
    /// As [`backward`](crate::sequence::backward). After an error, run the backward pass of this segment again.
    pub fn backward(self, upstream: Upstream<'_, A, Ix3>) -> Result<ArrayView3<'r, A>, Error> {
        let Checkpointed { parameters, left, segments, cache, back, da, .. } = self.run;
        if *left == *segments {
            backward_into(parameters, cache, upstream, back)?;
        } else {
            da.clone_from(&back.da0);
            if let Some(last_hidden) = upstream.last_hidden {
                check_last_hidden(last_hidden, [da.nrows(), da.ncols()])?;
                da.zip_mut_with(last_hidden, |da, &last| *da += last);
            }
            backward_into(parameters, cache, upstream.with_last_hidden(da), back)?;
        }
        *left -= 1;
        Ok(self.run.back.dx.view())
    }
}

/// The quantities that determine the memory of a [`Checkpointed`] sequence.
#[derive(Debug, Clone, Copy)]
struct Size<A> {
    /// The extent of the whole sequence.
    whole: Extent,
    element: PhantomData<A>,
}

impl<A: Scalar> Size<A> {
    fn new(dims: Dims, input: &Input<'_, A>) -> Self {
        let (m, steps) = input.size();
        let rectangular = input.lengths.is_none();
        let tokens = matches!(input.values, Values::Tokens(_));
        let plain = rectangular && !input.reversed;
        let drops = Drops::of(input.dropout);
        let whole = Extent { dims, m, steps, tokens, drops, plain, rectangular, threads: 1 };
        Size { whole, element: PhantomData }
    }

    /// Returns the segment length that takes the least memory.
    ///
    /// It is at most the length at which the states of all segments take as much memory as the steps of one. It is smaller
    /// where a shorter segment has smaller blocks.
    fn least(self) -> usize {
        let Extent { dims, m, steps, .. } = self.whole;
        let (state, step) = (Bytes::of::<A>([m, dims.n_a]), self.step());
        let balance = ((state * steps).0 / step.0.max(1)).isqrt().clamp(1, steps.max(1));
        (1..=balance).min_by_key(|&length| self.bytes(length)).unwrap_or(1)
    }

    /// Returns the greatest length that fits in `memory`, which must be enough for the least memory.
    fn longest(self, memory: Bytes) -> usize {
        let (mut fits, mut above) = (self.least(), self.whole.steps.max(1) + 1);
        while above - fits > 1 {
            let middle = fits.midpoint(above);
            if self.bytes(middle) <= memory {
                fits = middle;
            } else {
                above = middle;
            }
        }
        fits
    }

    /// Returns the memory of one step of a segment: in the cache, in the caller's gradient of the logits, and in `dx`.
    fn step(self) -> Bytes {
        let of = |steps| Cache::<A>::bytes(self.whole.with_steps(steps));
        let Dims { n_x, n_y, .. } = self.whole.dims;
        let dx = if self.whole.tokens { 0 } else { n_x };
        Bytes(of(1).0.saturating_sub(of(0).0)) + Bytes::of::<A>([self.whole.m, n_y.saturating_add(dx)])
    }

    /// Returns the maximum memory with segments of this length.
    fn bytes(self, length: usize) -> Bytes {
        let segment = self.whole.with_steps(length);
        let Extent { dims: Dims { n_x, n_a, n_y }, m, steps, tokens, .. } = self.whole;
        let dx = if tokens { 0 } else { n_x };
        // The states before the segments, `da0` and `da`.
        let states = Bytes::of::<A>([n_a, m, steps.div_ceil(length).saturating_add(2)]);
        let gradients = Bytes::of::<A>([self.whole.dims.len()]) + Bytes::of::<A>([dx, m, length]);
        let dlogits = Bytes::of::<A>([n_y, m, length]);
        let lengths = Bytes::of_list::<usize>(m);
        let forward = Cache::<A>::bytes(segment) + ForwardWorkspace::<A>::bytes(segment);
        states + gradients + dlogits + lengths + forward + Workspace::<A>::bytes(segment)
    }
}
