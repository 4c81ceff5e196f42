use super::{Cache, Parameters, States, forward_into};
use crate::sequence::{Input, Recurrent, TruncatedOf};
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
/// let (x, targets) = (Array3::ones((3, 10, 100)), Array2::zeros((10, 100)));
/// let (mut windows, mut back) = (Truncated::new(&x, None, 20, 30)?, stack::Backward::default());
/// while let Some(window) = windows.next_window(&p)? {
///     let loss = loss::cross_entropy(windows.cache(), &window.targets(&targets), loss::Reduction::Mean)?;
///     back.zero_gradients();
///     stack::backward_into(&p, windows.cache(), Upstream::logits(&loss.dlogits), &mut back)?;
///     p.scaled_add(-0.1, &back.gradients)?;
/// }
/// # Ok::<(), elman::Error>(())
/// ```
pub type Truncated<'a, A> = TruncatedOf<'a, A, Parameters<A>>;

impl<A: Scalar> Recurrent<A> for Parameters<A> {
    type Cache = Cache<A>;
    type State = States<A>;
    type InitialState<'s> = Option<&'s States<A>>;

    /// The first window checks the states, when the layers are known.
    fn initial_state(state: Option<&States<A>>, _: &Input<'_, A>) -> Result<Option<States<A>>, Error> {
        Ok(state.cloned())
    }

    fn first_dims(&self) -> Result<Dims, Error> {
        self.architecture().check_one_direction()
    }

    fn forward_into(&self, input: Input<'_, A>, state: Option<&States<A>>, cache: &mut Cache<A>) -> Result<(), Error> {
        forward_into(self, input, state, cache)
    }

    fn state_before(cache: &Cache<A>, position: usize) -> States<A> {
        States { arrays: cache.passes().map(|(key, pass)| (key, pass.states_before(position))).collect() }
    }
}
