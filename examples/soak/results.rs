//! All results of a forward pass, a loss and a backward pass.

use elman::loss::{Loss, Reduction, cross_entropy_into};
use elman::stack::{self, Backward, Cache, States};
use elman::{Error, Scalar};
use ndarray::{Array3, Axis, concatenate};

use crate::problem::Problem;
use crate::{Result, directions};

#[derive(Debug, Clone)]
pub(crate) struct Results<A> {
    /// Of all layers and directions, one below the other.
    pub(crate) hidden: Array3<A>,
    pub(crate) logits: Array3<A>,
    pub(crate) output: Array3<A>,
    pub(crate) dlogits: Array3<A>,
    pub(crate) dx: Array3<A>,
    pub(crate) last_states: States<A>,
    pub(crate) d_states: States<A>,
    pub(crate) gradients: Vec<A>,
}

/// Memory that passes of any size may reuse.
#[derive(Debug)]
pub(crate) struct Workspace<A> {
    pub(crate) cache: Cache<A>,
    pub(crate) loss: Loss<A>,
    pub(crate) back: Backward<A>,
}

impl<A: Scalar> Default for Workspace<A> {
    fn default() -> Self {
        Workspace { cache: Cache::default(), loss: Loss::default(), back: Backward::with_dx() }
    }
}

impl<A: Scalar> Workspace<A> {
    /// Runs everything.
    pub(crate) fn run(&mut self, problem: &Problem<A>) -> std::result::Result<Results<A>, Error> {
        let Workspace { cache, loss, back } = self;
        stack::forward_into(&problem.parameters, problem.input(), &problem.states, cache)?;
        cross_entropy_into(&*cache, &problem.labels, Reduction::Sum, loss)?;
        back.gradients = stack::Gradients::zeros(problem.parameters.architecture().clone());
        let upstream = problem.upstream(problem.last_states.as_ref());
        stack::backward_into(&problem.parameters, cache, upstream, back)?;
        Ok(Results::of(cache, loss, back))
    }
}

impl<A: Scalar> Results<A> {
    pub(crate) fn of(cache: &Cache<A>, loss: &Loss<A>, back: &Backward<A>) -> Self {
        Results {
            hidden: hidden(cache),
            logits: cache.logits().to_owned(),
            output: cache.output().to_owned(),
            dlogits: loss.dlogits.clone(),
            dx: back.dx.clone().unwrap_or_default(),
            last_states: States::last(cache),
            d_states: back.d_states.clone(),
            gradients: back.gradients.as_slice().to_vec(),
        }
    }

    /// The results of these columns. The gradients stay those of all columns.
    pub(crate) fn of_columns(&self, problem: &Problem<A>, columns: &[usize]) -> Self {
        let pick = |array: &Array3<A>| array.select(Axis(1), columns);
        Results {
            hidden: pick(&self.hidden),
            logits: pick(&self.logits),
            output: pick(&self.output),
            dlogits: pick(&self.dlogits),
            dx: pick(&self.dx),
            last_states: problem.states_of(&self.last_states, columns),
            d_states: problem.states_of(&self.d_states, columns),
            gradients: self.gradients.clone(),
        }
    }

    /// Compares everything except the gradients of the parameters. Returns the number of elements.
    pub(crate) fn compare_columns(&self, expected: &Self, problem: &Problem<A>) -> Result<u64> {
        let mut count = 0;
        for (name, found, expected) in [
            ("hidden", &self.hidden, &expected.hidden),
            ("logits", &self.logits, &expected.logits),
            ("output", &self.output, &expected.output),
            ("dlogits", &self.dlogits, &expected.dlogits),
            ("dx", &self.dx, &expected.dx),
        ] {
            count += compare(name, found, expected)?;
        }
        for (layer, direction) in directions(problem.parameters.architecture()) {
            let state =
                |states: &States<A>| states.get(layer, direction).map(|state| state.to_owned()).unwrap_or_default();
            count += compare("last state", &state(&self.last_states), &state(&expected.last_states))?;
            count += compare("d_states", &state(&self.d_states), &state(&expected.d_states))?;
        }
        Ok(count)
    }

    /// Compares everything. Returns the number of elements.
    pub(crate) fn compare(&self, expected: &Self, problem: &Problem<A>) -> Result<u64> {
        Ok(self.compare_columns(expected, problem)? + compare("gradients", &self.gradients, &expected.gradients)?)
    }
}

/// The hidden states of all layers and directions, one below the other.
pub(crate) fn hidden<A: Scalar>(cache: &Cache<A>) -> Array3<A> {
    let all = directions(cache.architecture()).filter_map(|(layer, direction)| cache.hidden(layer, direction));
    concatenate(Axis(0), &all.collect::<Vec<_>>()).unwrap_or_default()
}

/// Compares the bits of all elements. Returns their number. No result of a problem is NaN.
pub(crate) fn compare<'a, A: Scalar, I: IntoIterator<Item = &'a A, IntoIter: ExactSizeIterator>>(
    name: &str,
    found: I,
    expected: I,
) -> Result<u64> {
    let (found, expected) = (found.into_iter(), expected.into_iter());
    let count = expected.len();
    if found.len() != count {
        return Err(format!("{name} has {} elements, not {count}", found.len()).into());
    }
    for (index, (found, expected)) in found.zip(expected).enumerate() {
        // Every float of single precision has one bit pattern in double precision.
        let [bits, right] = [found, expected].map(|value| value.to_f64().map(f64::to_bits));
        if bits != right || found.is_nan() {
            return Err(format!("{name}, element {index}, is {found:e}, not bit-identical to {expected:e}").into());
        }
    }
    Ok(count as u64)
}
