use std::mem;

use ndarray::{Array3, ArrayRef3, ArrayView3, Axis, Ix3, Slice};

use super::architecture::check_architecture;
use super::{Cache, Direction, Gradients, Parameters, States, Upstream};
use crate::cell::Weights;
use crate::error::Error;
use crate::layout::reshape_time_major;
use crate::parameters::View;
use crate::scalar::{Scalar, call, compiled};
use crate::sequence::{self, Results};
use crate::upstream::Upstream as LayerUpstream;

/// The gradients of a stack, and the workspace of the backward pass.
///
/// Start [`backward_into`] with `Backward::default()`, or with [`Backward::with_dx`] to compute ∂L/∂x, too.
#[derive(Debug, Clone)]
pub struct Backward<A> {
    /// ∂L/∂θ. [`backward_into`] adds to it, or overwrites it after [`discard_gradients`](Self::discard_gradients).
    pub gradients: Gradients<A>,
    /// ∂L/∂x, (`n_x`, m, `T_x`), where it is `Some`; (0, m, `T_x`) for token ids. [`backward_into`] overwrites it.
    pub dx: Option<Array3<A>>,
    /// The gradients at the initial states. [`backward_into`] overwrites them.
    pub d_states: States<A>,
    /// Whether the next pass overwrites `gradients`.
    discarded: bool,
    workspace: Workspace<A>,
}

/// The memory of a backward pass.
#[derive(Debug, Clone)]
struct Workspace<A> {
    /// One for each layer and direction, in the order of the flat buffer.
    weights: Vec<Weights<A>>,
    /// Of all passes, one after the other.
    pass: sequence::BackwardWorkspace<A>,
    /// The gradients at the inputs of layers, (`n_x`, m, `T_x`): of the even layers, then of the odd ones.
    inputs: [Array3<A>; 2],
    /// The same, of a layer's reverse direction.
    reverse: Array3<A>,
}

impl<A: Scalar> Default for Workspace<A> {
    fn default() -> Self {
        let [even, odd, reverse] = [(); 3].map(|()| Array3::default([0; 3]));
        let pass = sequence::BackwardWorkspace::default();
        Workspace { weights: Vec::new(), pass, inputs: [even, odd], reverse }
    }
}

impl<A: Scalar> Default for Backward<A> {
    fn default() -> Self {
        let (gradients, d_states) = Default::default();
        Backward { gradients, dx: None, d_states, discarded: false, workspace: Workspace::default() }
    }
}

impl<A: PartialEq> PartialEq for Backward<A> {
    fn eq(&self, other: &Self) -> bool {
        self.gradients == other.gradients && self.dx == other.dx && self.d_states == other.d_states
    }
}

impl<A: Scalar> Backward<A> {
    /// Starts from these gradients.
    pub(super) fn new(gradients: Gradients<A>, d_states: States<A>) -> Self {
        Backward { gradients, d_states, ..Backward::default() }
    }

    /// An empty start that also computes ∂L/∂x.
    #[must_use]
    pub fn with_dx() -> Self {
        Backward { dx: Some(Array3::default([0; 3])), ..Backward::default() }
    }

    /// Discards `gradients`: the next [`backward_into`] overwrites them instead of adding to them. Call it once before the
    /// [`backward_into`] calls of every update.
    ///
    /// It writes nothing, so `gradients` have their old values until that pass: an optimiser must not read them before it. The
    /// result is bit-identical to a sum that starts from zero.
    pub fn discard_gradients(&mut self) {
        self.discarded = true;
    }
}

/// Computes the gradients of a stack by back-propagation through time, without that of the input.
///
/// # Examples
///
/// ```
/// use elman::stack::{self, Architecture, Layer, Upstream};
/// use ndarray::Array3;
///
/// let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(7)], 2));
/// let cache = stack::forward(&p, &Array3::ones((3, 4, 10)), None)?;
/// let back = stack::backward(&p, &cache, Upstream::logits(&Array3::ones((2, 4, 10))))?;
/// assert_eq!(back.gradients.by()[0], 40.0);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Architecture`] where `cache` belongs to another stack; [`Error::Shape`] where a gradient has another shape than
/// its array; [`Error::States`] where a gradient of a state is missing or not (`n_a`, m); [`Error::StateCount`] where there
/// are more than layers and directions.
pub fn backward<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A>,
) -> Result<Backward<A>, Error> {
    let mut back = Backward::default();
    backward_into(parameters, cache, upstream, &mut back)?;
    back.workspace = Workspace::default();
    Ok(back)
}

/// Runs [`backward`], *adds* to `back.gradients`, and overwrites the rest of `back`. It reuses the memory of `back`. After
/// [`Backward::discard_gradients`] it overwrites `back.gradients`, too.
///
/// # Examples
///
/// ```
/// use elman::stack::{self, Architecture, Layer, Upstream};
/// use ndarray::Array3;
///
/// let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(7)], 2));
/// let cache = stack::forward(&p, &Array3::ones((3, 4, 10)), None)?;
/// let mut back = stack::Backward::default();
/// for _ in 0..2 {
///     stack::backward_into(&p, &cache, Upstream::logits(&Array3::ones((2, 4, 10))), &mut back)?;
/// }
/// assert_eq!(back.gradients.by()[0], 80.0, "the gradients of two calls, accumulated");
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`backward`], and [`Error::Architecture`] where `back.gradients` belongs to another stack; an error leaves `back`
/// unchanged.
pub fn backward_into<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A>,
    back: &mut Backward<A>,
) -> Result<(), Error> {
    call::<A, CompiledPass>(Call { parameters, cache, upstream, back, visit: &mut |_| () })
}

/// Runs [`backward`], and calls `visit` before the pass of each layer and direction, the highest layer first.
pub(crate) fn each_pass<A: Scalar>(
    parameters: &Parameters<A>,
    cache: &Cache<A>,
    upstream: Upstream<'_, A>,
    visit: &mut dyn FnMut(Pass<'_, A>),
) -> Result<(), Error> {
    let mut back = Backward::default();
    call::<A, CompiledPass>(Call { parameters, cache, upstream, back: &mut back, visit })
}

/// The backward pass of one layer and direction.
pub(crate) struct Pass<'a, A> {
    pub(crate) key: (usize, Direction),
    pub(crate) p: View<'a, A>,
    pub(crate) cache: &'a sequence::Cache<A>,
    /// The probabilities that the gradient of the output belongs to.
    pub(crate) y: &'a [A],
    pub(crate) upstream: LayerUpstream<'a, A, Ix3>,
}

/// The arguments of [`backward_into`].
struct Call<'a, A> {
    parameters: &'a Parameters<A>,
    cache: &'a Cache<A>,
    upstream: Upstream<'a, A>,
    back: &'a mut Backward<A>,
    visit: &'a mut dyn FnMut(Pass<'_, A>),
}

compiled!(CompiledPass: Call<'a, A> => Result<(), Error>, pass);

fn pass<A: Scalar>(Call { parameters, cache, upstream, back, visit }: Call<A>) -> Result<(), Error> {
    let architecture = parameters.architecture();
    check_architecture("cache", cache.architecture(), architecture)?;
    let (m, t_x) = (cache.columns(), cache.len());
    upstream.check(architecture, m, t_x)?;
    if back.gradients.architecture().layers().is_empty() {
        back.gradients = Gradients::try_zeros(architecture.clone())?;
    }
    check_architecture("back.gradients", back.gradients.architecture(), architecture)?;

    let Backward { gradients, dx, d_states, discarded, workspace } = back;
    let overwrite = mem::take(discarded);
    let Workspace { weights, pass: workspace, inputs: [even, odd], reverse } = workspace;
    weights.resize_with(cache.passes().count(), Weights::default);
    d_states.arrays.resize_with(cache.passes().count(), || ((0, Direction::Forward), ndarray::Array2::default([0; 2])));
    let wanted = dx.is_some() && cache.has_dx();
    // The highest layer first, and of a layer the forward direction first.
    for layer in (0..architecture.layers().len()).rev() {
        let is_top = layer + 1 == architecture.layers().len();
        let (above, below) = if layer % 2 == 0 { (&*odd, &mut *even) } else { (&*even, &mut *odd) };
        let below = if layer == 0 { dx.as_mut().unwrap_or(below) } else { below };
        let passes = parameters.views().zip(cache.passes()).enumerate();
        for (index, ((part, p), (key, cache_of_pass))) in passes.filter(|(_, ((part, _), _))| part.layer == layer) {
            let hidden = if is_top { upstream.hidden } else { Some(&**above) };
            let hidden = hidden.map(|hidden| units(hidden, part.direction, part.dims.n_a));
            let last = upstream.last_states.and_then(|states| states.arrays.get(index)).map(|(_, state)| &**state);
            let upstream = LayerUpstream {
                hidden: hidden.as_deref(),
                logits: upstream.logits.filter(|_| is_top),
                output: upstream.output.filter(|_| is_top),
                last_hidden: last,
            };
            let sources = cache.sources(layer, part.direction);
            let y = sources.output.unwrap_or(cache_of_pass.output_rows());
            visit(Pass { key, p, cache: cache_of_pass, y, upstream });
            let n_dx = if layer > 0 || wanted { part.dims.n_x } else { 0 };
            let state = &mut d_states.arrays[index];
            state.0 = key;
            let input = if part.direction == Direction::Forward { &mut *below } else { &mut *reverse };
            let results = Results {
                gradients: gradients.view_mut(part),
                overwrite,
                dx: reshape_time_major(input, (n_dx, m, t_x)),
                da0: reshape_time_major(&mut state.1, (part.dims.n_a, m)),
            };
            let weights = &mut weights[index];
            sequence::run_backward(p, (cache_of_pass, sources), upstream, results, weights, workspace);
        }
        if architecture.layers()[layer].bidirectional {
            *below += &*reverse;
        }
        let mask = layer.checked_sub(1).and_then(|below| cache.outputs[below].mask.rows());
        if let Some(mask) = mask {
            mask.apply(below.as_slice_memory_order_mut().expect("the workspace has no gaps"));
        }
    }
    Ok(())
}

/// A direction's units of a gradient at a layer's output.
fn units<A>(gradient: &ArrayRef3<A>, direction: Direction, n_a: usize) -> ArrayView3<'_, A> {
    let units = match direction {
        Direction::Forward => Slice::from(..n_a),
        Direction::Reverse => Slice::from(n_a..),
    };
    gradient.slice_axis(Axis(0), units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Architecture, Layer, forward_into};

    #[test]
    fn every_layer_keeps_its_packed_weights_until_the_parameters_change() {
        let layers = [Layer::new(5), Layer::new(5).bidirectional(), Layer::new(7)];
        let mut p = Parameters::<f32>::zeros(Architecture::new(5, layers, 3));
        let (mut cache, mut back) = (Cache::default(), Backward::default());
        let (x, dlogits) = (Array3::zeros((5, 2, 11)), Array3::zeros((3, 2, 11)));
        forward_into(&p, &x, None, &mut cache).expect("the shapes agree");
        backward_into(&p, &cache, Upstream::logits(&dlogits), &mut back).expect("the shapes agree");
        let packed = |p: &Parameters<f32>| {
            let mut packed = Vec::new();
            for (index, (_, view)) in p.views().enumerate() {
                let forward = cache.passes().nth(index).map(|(_, pass)| &pass.weights);
                packed.extend(
                    [forward, back.workspace.weights.get(index)]
                        .map(|weights| weights.is_some_and(|weights| weights.are_packed(view))),
                );
            }
            packed
        };
        assert_eq!(packed(&p), [true; 8]);
        p.fill(0.5);
        assert_eq!(packed(&p), [false; 8]);
    }
}
