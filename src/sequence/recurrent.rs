use std::fmt::Debug;

use ndarray::{Array2, ArrayView3, Ix3};

use super::footprint::Footprint;
use super::{Backward, Cache, InitialState, Input, backward_into, forward_into};
use crate::layout::{Bytes, copy_time_major, step_view};
use crate::upstream::check_last_hidden;
use crate::{Dims, Error, Gradients, Parameters, Scalar, Upstream};

/// A network that [`TruncatedOf`](super::TruncatedOf), [`SlidingOf`](super::SlidingOf) and
/// [`CheckpointedOf`](super::CheckpointedOf) run: one layer or a stack. No other type implements it.
pub trait Recurrent<A: Scalar>: Sized {
    /// The result of a forward pass.
    type Cache: Clone + Debug + Default;
    /// The gradients, and the memory of the backward pass.
    type Backward: Clone + Debug;
    /// The hidden states between two passes, and the gradients at them.
    type State: Clone + Debug + Default;
    /// The argument for the state before the first step.
    type InitialState<'s>;
    /// The gradients of a loss with respect to the results.
    type Upstream<'u>;

    /// Copies the state before the first step; `None` for zero.
    fn initial_state(state: Self::InitialState<'_>, input: &Input<'_, A>) -> Result<Option<Self::State>, Error>;
    /// The dimensions of the layer that reads the input. An error where the network cannot run chunk by chunk.
    fn first_dims(&self) -> Result<Dims, Error>;
    /// Checks the state for m columns.
    fn check_state(&self, state: &Self::State, input: &Input<'_, A>) -> Result<(), Error>;
    fn forward_into(
        &self,
        input: Input<'_, A>,
        state: Option<&Self::State>,
        cache: &mut Self::Cache,
    ) -> Result<(), Error>;
    /// state ← the state of each column before a position of the cache.
    fn copy_state_before(cache: &Self::Cache, position: usize, state: &mut Self::State);

    /// The number of values in the state of one column.
    fn state_len(&self) -> usize;
    /// flat ← the state of all columns
    fn write_state(state: &Self::State, flat: &mut [A]);
    /// The state of m columns from `flat`.
    fn read_state(&self, m: usize, flat: &[A]) -> Self::State;

    /// Zero gradients, for m columns.
    fn zero_gradients(&self, m: usize) -> Self::Backward;
    /// Runs the backward pass of a segment. `later` is memory for the gradient from the segments after it, which is in
    /// `back`; `None` where there are none.
    fn backward_into(
        &self,
        cache: &Self::Cache,
        upstream: Self::Upstream<'_>,
        later: Option<&mut Self::State>,
        back: &mut Self::Backward,
    ) -> Result<(), Error>;
    /// ∂L/∂x of the segment; (0, m, steps) where it is not computed.
    fn dx<'b>(cache: &Self::Cache, back: &'b Self::Backward) -> ArrayView3<'b, A>;
    /// ∂L/∂θ, and the gradients at the initial state.
    fn into_gradients(back: Self::Backward) -> (Self, Self::State);

    /// What determines the memory of the passes.
    fn footprint(&self, input: &Input<'_, A>) -> Footprint;
}

impl<A: Scalar> Recurrent<A> for Parameters<A> {
    type Cache = Cache<A>;
    type Backward = Backward<A>;
    type State = Array2<A>;
    type InitialState<'s> = InitialState<'s, A>;
    type Upstream<'u> = Upstream<'u, A, Ix3>;

    fn initial_state(state: InitialState<'_, A>, input: &Input<'_, A>) -> Result<Option<Array2<A>>, Error> {
        state.check(None, input)?;
        Ok(state.to_owned())
    }

    fn first_dims(&self) -> Result<Dims, Error> {
        Ok(self.dims())
    }

    fn check_state(&self, state: &Array2<A>, input: &Input<'_, A>) -> Result<(), Error> {
        InitialState::from(state).check(self.dims().n_a, input)
    }

    fn forward_into(&self, input: Input<'_, A>, state: Option<&Array2<A>>, cache: &mut Cache<A>) -> Result<(), Error> {
        forward_into(self, input, state.map(|state| &**state), cache)
    }

    fn copy_state_before(cache: &Cache<A>, position: usize, state: &mut Array2<A>) {
        cache.copy_states_before(position, state);
    }

    fn state_len(&self) -> usize {
        self.dims().n_a
    }

    fn write_state(state: &Array2<A>, flat: &mut [A]) {
        copy_time_major(flat, state);
    }

    fn read_state(&self, m: usize, flat: &[A]) -> Array2<A> {
        step_view(self.dims().n_a, m, flat).to_owned()
    }

    fn zero_gradients(&self, m: usize) -> Backward<A> {
        let dims = self.dims();
        Backward::new(Gradients::zeros(dims), Array2::zeros((dims.n_a, m)))
    }

    fn backward_into(
        &self,
        cache: &Cache<A>,
        upstream: Upstream<'_, A, Ix3>,
        later: Option<&mut Array2<A>>,
        back: &mut Backward<A>,
    ) -> Result<(), Error> {
        let Some(da) = later else { return backward_into(self, cache, upstream, back) };
        da.clone_from(&back.da0);
        if let Some(last_hidden) = upstream.last_hidden {
            check_last_hidden(last_hidden, [da.nrows(), da.ncols()])?;
            da.zip_mut_with(last_hidden, |da, &last| *da += last);
        }
        backward_into(self, cache, upstream.with_last_hidden(da), back)
    }

    fn dx<'b>(_: &Cache<A>, back: &'b Backward<A>) -> ArrayView3<'b, A> {
        back.dx.view()
    }

    fn into_gradients(back: Backward<A>) -> (Gradients<A>, Array2<A>) {
        (back.gradients, back.da0)
    }

    fn footprint(&self, input: &Input<'_, A>) -> Footprint {
        let Dims { n_x, n_y, .. } = self.dims();
        let pass = input.extent(self.dims());
        let dx = if input.has_dx() { n_x } else { 0 };
        let parameters = self.dims().len();
        Footprint {
            passes: vec![pass],
            parameters,
            masks: 0,
            outputs: 0,
            gradients: dx,
            n_y,
            structures: Bytes::default(),
        }
    }
}
