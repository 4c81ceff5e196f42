use ndarray::{Array2, Array3, ArrayView3};

use super::architecture::Part;
use super::forward::Output;
use super::states::State;
use super::{Backward, Cache, Gradients, Layer, Parameters, States, Upstream, backward_into, forward_into};
use crate::cell::Weights;
use crate::dropout::Site;
use crate::layout::{Bytes, copy_time_major, sequence_view, step_view};
use crate::sequence::{self, CheckpointedOf, Footprint, Input, Recurrent, SlidingOf, TruncatedOf};
use crate::{Dims, Error, Scalar};

/// Truncated back-propagation through a stack with layers of one direction: see [`TruncatedOf`].
///
/// # Examples
///
/// ```
/// use elman::stack::{self, Architecture, Layer, Truncated, Upstream};
/// use elman::{init, loss};
/// use ndarray::{Array2, Array3};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let architecture = Architecture::new(3, [Layer::new(5), Layer::new(7)], 2);
/// let mut p = init::torch_stack::<f64>(architecture, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// let (x, targets) = (Array3::ones((3, 10, 100)), Array2::<usize>::zeros((10, 100)));
/// let (mut windows, mut back) = (Truncated::new(&x, None, 20, 30)?, stack::Backward::default());
/// while let Some(window) = windows.next_window(&p)? {
///     let loss = loss::cross_entropy(windows.cache(), window.targets(&targets), loss::Reduction::Mean)?;
///     back.discard_gradients();
///     stack::backward_into(&p, windows.cache(), Upstream::logits(&loss.dlogits), &mut back)?;
///     p.scaled_add(-0.1, &back.gradients)?;
/// }
/// # Ok::<(), elman::Error>(())
/// ```
pub type Truncated<'a, A> = TruncatedOf<'a, A, Parameters<A>>;

/// A sliding window over a live stream, for a stack with layers of one direction: see [`SlidingOf`].
///
/// # Examples
///
/// ```
/// use elman::stack::{Architecture, Layer, Parameters, Sliding};
///
/// let p = Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(7)], 2));
/// let mut window = Sliding::new(1, 20)?;
/// for token in [2, 0, 1] {
///     assert_eq!(window.push_tokens(&p, &[token])?.last_output()[[0, 0]], 0.5);
/// }
/// assert_eq!(window.len(), 3);
/// # Ok::<(), elman::Error>(())
/// ```
pub type Sliding<A> = SlidingOf<A, Parameters<A>>;

/// Exact gradients of a stack with layers of one direction, over a long sequence: see [`CheckpointedOf`].
///
/// The memory in elements is that of its layers. With L steps in a segment, n the widest input of an upper layer, and Σ over
/// the layers, it is
///
/// ```text
/// ⌈T_x/L⌉·m·Σn_a + L·m·(2·n_x + Σn_a + 3·n_y + 2·n)
/// ```
///
/// plus one forward and one backward workspace, and for each layer its weights, packed twice, and 2 kB. Dropout between layers takes L·m·Σn elements and as
/// many bytes more, with n the inputs of each upper layer.
///
/// # Examples
///
/// ```
/// use elman::loss::{self, Reduction};
/// use elman::stack::{Architecture, Checkpointed, Layer, Parameters, Upstream};
/// use ndarray::{Array2, Array3, s};
///
/// let p = Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(7)], 2));
/// let (x, targets) = (Array3::ones((3, 1, 10_000)), Array2::<usize>::zeros((1, 10_000)));
/// let mut run = Checkpointed::forward(&p, &x, None)?;
/// while let Some(segment) = run.next_segment()? {
///     let targets = targets.slice(s![.., segment.steps()]);
///     let loss = loss::cross_entropy(segment.cache(), &targets, Reduction::Scaled(1e-4))?;
///     segment.backward(Upstream::logits(&loss.dlogits))?;
/// }
/// let (gradients, d_states) = run.into_gradients();
/// assert_eq!(gradients.architecture(), p.architecture());
/// # Ok::<(), elman::Error>(())
/// ```
pub type Checkpointed<'a, A> = CheckpointedOf<'a, A, Parameters<A>>;

impl<A: Scalar> Checkpointed<'_, A> {
    /// Also computes ∂L/∂x, which [`Segment::backward`](crate::sequence::Segment::backward) then returns.
    #[must_use]
    pub fn with_dx(mut self) -> Self {
        self.back.dx = Some(Array3::default([0; 3]));
        self
    }
}

/// Returns the bytes of the structures of `layers` layers, without the arrays that they hold: of the caches, the outputs,
/// the packed weights, four states and three shapes.
fn structures<A: Scalar>(layers: usize) -> Bytes {
    Bytes::of_list::<sequence::Cache<A>>(layers)
        + Bytes::of_list::<Output<A>>(layers)
        + Bytes::of_list::<Weights<A>>(layers)
        + Bytes::of_list::<State<A>>(layers) * 4
        + Bytes::of_list::<Layer>(layers) * 3
}

impl<A: Scalar> Recurrent<A> for Parameters<A> {
    type Cache = Cache<A>;
    type Backward = Backward<A>;
    type State = States<A>;
    type InitialState<'s> = Option<&'s States<A>>;
    type Upstream<'u> = Upstream<'u, A>;

    /// The first window checks the states, when the layers are known.
    fn initial_state(state: Option<&States<A>>, _: &Input<'_, A>) -> Result<Option<States<A>>, Error> {
        Ok(state.cloned())
    }

    fn first_dims(&self) -> Result<Dims, Error> {
        self.architecture().check_one_direction()
    }

    fn check_state(&self, state: &States<A>, input: &Input<'_, A>) -> Result<(), Error> {
        state.check("states", self.architecture(), input.size().0)
    }

    fn forward_into(&self, input: Input<'_, A>, state: Option<&States<A>>, cache: &mut Cache<A>) -> Result<(), Error> {
        forward_into(self, input, state, cache)
    }

    fn copy_state_before(cache: &Cache<A>, position: usize, state: &mut States<A>) {
        let missing = cache.passes().skip(state.arrays.len()).map(|(key, _)| (key, Array2::default([0; 2])));
        state.arrays.extend(missing);
        for ((_, state), (_, pass)) in state.arrays.iter_mut().zip(cache.passes()) {
            pass.copy_states_before(position, state);
        }
    }

    fn state_len(&self) -> usize {
        self.architecture().parts().map(|part| part.dims.n_a).sum()
    }

    fn write_state(state: &States<A>, mut flat: &mut [A]) {
        for (_, state) in &state.arrays {
            let (layer, rest) = flat.split_at_mut(state.len());
            copy_time_major(layer, state);
            flat = rest;
        }
    }

    fn read_state(&self, m: usize, mut flat: &[A]) -> States<A> {
        let mut states = States::zeros(self.architecture(), m);
        for (_, state) in &mut states.arrays {
            let (layer, rest) = flat.split_at(state.len());
            let n_a = state.nrows();
            state.assign(&step_view(n_a, m, layer));
            flat = rest;
        }
        states
    }

    fn zero_gradients(&self, m: usize) -> Backward<A> {
        let architecture = self.architecture();
        Backward::new(Gradients::zeros(architecture.clone()), States::zeros(architecture, m))
    }

    fn backward_into(
        &self,
        cache: &Cache<A>,
        upstream: Upstream<'_, A>,
        later: Option<&mut States<A>>,
        back: &mut Backward<A>,
    ) -> Result<(), Error> {
        let Some(da) = later else { return backward_into(self, cache, upstream, back) };
        da.clone_from(&back.d_states);
        if let Some(last_states) = upstream.last_states {
            last_states.check("upstream.last_states", self.architecture(), cache.columns())?;
            for ((_, da), (_, last)) in da.arrays.iter_mut().zip(&last_states.arrays) {
                da.zip_mut_with(last, |da, &last| *da += last);
            }
        }
        backward_into(self, cache, upstream.with_last_states(da), back)
    }

    fn dx<'b>(cache: &Cache<A>, back: &'b Backward<A>) -> ArrayView3<'b, A> {
        back.dx.as_ref().map_or_else(|| sequence_view(0, cache.columns(), cache.len(), &[]), |dx| dx.view())
    }

    fn into_gradients(back: Backward<A>) -> (Gradients<A>, States<A>) {
        (back.gradients, back.d_states)
    }

    fn footprint(&self, input: &Input<'_, A>) -> Footprint {
        let architecture = self.architecture();
        let pass = |part: Part| match (part.layer, input.extent(part.dims)) {
            (0, extent) => extent,
            (_, extent) => extent.above(),
        };
        let upper = || architecture.parts().filter(|part| part.layer > 0).map(|part| part.dims.n_x);
        let drops = input.dropout.is_some_and(|dropout| dropout.rate(Site::BetweenLayers) > 0.0);
        // The output of every layer but the highest is the input of the next one.
        let outputs = if drops { upper().sum() } else { 0 };
        let dx = if input.has_dx() { architecture.n_x() } else { 0 };
        Footprint {
            passes: architecture.parts().map(pass).collect(),
            parameters: architecture.len(),
            masks: outputs,
            outputs,
            gradients: upper().max().unwrap_or(0).saturating_mul(2).saturating_add(dx),
            n_y: architecture.n_y(),
            structures: structures::<A>(architecture.layers().len()),
        }
    }
}
