use ndarray::Array2;
use rand::Rng;

use super::through_time::{check_probes, check_threshold, gradient_norms_of, jacobian_norms_of, saturation_of};
use crate::stack::{Cache, Direction, Parameters, Upstream, check_architecture, each_pass};
use crate::{Error, Scalar};

/// A value for each layer and direction: the lowest layer first; within a layer, the forward direction first.
pub type ByLayer<T> = Vec<((usize, Direction), T)>;

/// [`gradient_norms`](super::gradient_norms) of each layer and direction of a stack, (m, `T_x`) each.
///
/// It runs a backward pass, and then that of each layer one column at a time. The gradient at the hidden state of a layer comes from its own later steps, from the layer above, and, in the highest
/// layer, from the loss.
///
/// - `cache`: the result of [`stack::forward`](crate::stack::forward)
/// - `upstream`: the gradient of the loss, as for [`stack::backward`](crate::stack::backward)
///
/// # Examples
///
/// ```
/// use elman::diagnostics::stack_gradient_norms;
/// use elman::init;
/// use elman::stack::{self, Architecture, Layer, Upstream};
/// use ndarray::{Array3, s};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let architecture = Architecture::new(3, [Layer::new(5), Layer::new(7)], 2);
/// let p = init::torch_stack::<f64>(architecture, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// let cache = stack::forward(&p, &Array3::ones((3, 4, 10)), None)?;
/// let mut last_step = Array3::zeros((2, 4, 10));
/// last_step.slice_mut(s![.., .., 9]).fill(1.0);
/// for ((layer, direction), norms) in stack_gradient_norms(&p, &cache, Upstream::logits(&last_step))? {
///     assert!(norms[[0, 0]] < norms[[0, 9]], "layer {layer}, {direction}: the gradient vanishes");
/// }
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`stack::backward`](crate::stack::backward).
pub fn stack_gradient_norms<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A>,
) -> Result<ByLayer<Array2<f64>>, Error> {
    let mut norms = Vec::new();
    each_pass(parameters, cache, upstream, &mut |pass| {
        norms.push((pass.key, gradient_norms_of(pass.p, pass.cache, pass.y, pass.upstream)));
    })?;
    norms.sort_by_key(|(key, _)| *key);
    Ok(norms)
}

/// [`jacobian_norms`](super::jacobian_norms) of each layer and direction of a stack, (m, `T_x`) each.
///
/// The Jacobian is that of a layer's own recurrence: of its last state with respect to its earlier ones. In the reverse
/// direction, the last state is that of step 0.
///
/// # Examples
///
/// ```
/// use elman::diagnostics::stack_jacobian_norms;
/// use elman::stack::{self, Architecture, Layer};
/// use ndarray::Array3;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(4), Layer::new(9)], 2));
/// let cache = stack::forward(&p, &Array3::ones((3, 1, 10)), None)?;
/// let norms = stack_jacobian_norms(&p, &cache, 1, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// let last: Vec<f64> = norms.iter().map(|(_, norms)| norms[[0, 9]]).collect();
/// assert_eq!(last, [2.0, 3.0], "the root of n_a");
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Architecture`] where `cache` belongs to another stack; [`Error::Range`] where `probes` is 0 or more than memory
/// holds.
pub fn stack_jacobian_norms<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    probes: usize,
    rng: &mut (impl Rng + ?Sized),
) -> Result<ByLayer<Array2<f64>>, Error> {
    check_architecture("cache", cache.architecture(), parameters.architecture())?;
    let widest = parameters.architecture().layers().iter().map(|layer| layer.n_a).max().unwrap_or_default();
    check_probes::<A>(probes, widest)?;
    let passes = parameters.views().zip(cache.passes());
    Ok(passes.map(|((_, p), (key, pass))| (key, jacobian_norms_of(p, pass, probes, rng))).collect())
}

/// [`saturation`](super::saturation) of each layer and direction of a stack.
///
/// # Examples
///
/// ```
/// use elman::diagnostics::stack_saturation;
/// use elman::stack::{self, Architecture, Direction, Layer};
/// use ndarray::Array3;
///
/// let mut p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(4), Layer::new(9)], 2));
/// p.ba_mut(0, Direction::Forward).expect("layer 0")[2] = 5.0; // one unit of four
/// let cache = stack::forward(&p, &Array3::zeros((3, 1, 10)), None)?;
/// let shares: Vec<f64> = stack_saturation(&cache, 0.99)?.into_iter().map(|(_, share)| share).collect();
/// assert_eq!(shares, [0.25, 0.0]);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Range`] where `threshold` is below 0, above 1 or NaN.
pub fn stack_saturation<A: Scalar>(cache: &Cache<A>, threshold: f64) -> Result<ByLayer<f64>, Error> {
    check_threshold(threshold)?;
    Ok(cache.passes().map(|(key, pass)| (key, saturation_of(pass, threshold))).collect())
}
