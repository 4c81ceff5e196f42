//! The hidden states of all layers between two passes.

use ndarray::{Array2, ArrayView2, ArrayViewMut2};

use super::{Architecture, Cache, Direction};
use crate::error::Error;
use crate::scalar::Scalar;

/// One hidden state, (`n_a`, m), for each layer and direction: what one chunk of a sequence hands to the next.
///
/// # Examples
///
/// ```
/// use elman::stack::{self, Architecture, Direction, Layer, States};
/// use ndarray::{Array3, s};
///
/// let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(7)], 2));
/// let x = Array3::ones((3, 4, 10));
/// let early = stack::forward(&p, &x.slice(s![.., .., ..6]), None)?;
/// let late = stack::forward(&p, &x.slice(s![.., .., 6..]), &States::last(&early))?;
/// assert_eq!(late.hidden(1, Direction::Forward).unwrap().dim(), (7, 4, 4));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct States<A> {
    /// In the order of the flat buffer.
    pub(super) arrays: Vec<State<A>>,
}

/// The layer, the direction, and their state: (`n_a`, m).
pub(super) type State<A> = ((usize, Direction), Array2<A>);

impl<A> Default for States<A> {
    fn default() -> Self {
        States { arrays: Vec::new() }
    }
}

impl<A: Scalar> States<A> {
    /// Zero states for m columns.
    ///
    /// # Panics
    /// Where the states do not fit in memory, as for `vec!`.
    #[must_use]
    pub fn zeros(architecture: &Architecture, m: usize) -> Self {
        let state = |part: super::architecture::Part| {
            ((part.layer, part.direction), Array2::zeros(ndarray::ShapeBuilder::f((part.dims.n_a, m))))
        };
        States { arrays: architecture.parts().map(state).collect() }
    }

    /// The states after the last step of every column. Copies.
    #[must_use]
    pub fn last(cache: &Cache<A>) -> Self {
        let state =
            |(key, cache): ((usize, Direction), &crate::sequence::Cache<A>)| (key, cache.last_hidden().to_owned());
        States { arrays: cache.passes().map(state).collect() }
    }

    /// The state of a layer and direction, (`n_a`, m); `None` where there is no such layer or direction.
    #[must_use]
    pub fn get(&self, layer: usize, direction: Direction) -> Option<ArrayView2<'_, A>> {
        self.arrays.iter().find(|(key, _)| *key == (layer, direction)).map(|(_, state)| state.view())
    }

    /// The same, for writing.
    pub fn get_mut(&mut self, layer: usize, direction: Direction) -> Option<ArrayViewMut2<'_, A>> {
        self.arrays.iter_mut().find(|(key, _)| *key == (layer, direction)).map(|(_, state)| state.view_mut())
    }

    /// Checks that there is exactly one state (`n_a`, m) for each layer and direction, in their order.
    pub(super) fn check(&self, argument: &'static str, architecture: &Architecture, m: usize) -> Result<(), Error> {
        for part in architecture.parts() {
            let (layer, direction) = (part.layer, part.direction.name());
            let expected = [part.dims.n_a, m];
            let state = self.get(part.layer, part.direction);
            let found = state.map(|state| [state.nrows(), state.ncols()]);
            if found != Some(expected) {
                return Err(Error::States { argument, layer, direction, expected, found });
            }
        }
        let (found, expected) = (self.arrays.len(), architecture.parts().count());
        if found != expected {
            return Err(Error::StateCount { argument, expected, found });
        }
        Ok(())
    }
}
