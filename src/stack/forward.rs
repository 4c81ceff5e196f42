use ndarray::{Array2, ArrayView2, ArrayView3};

use super::{Architecture, Direction, Parameters, States};
use crate::cell::Read;
use crate::dropout::{Mask, Place};
use crate::layout::{fit, sequence_view};
use crate::scalar::{call, compiled};
use crate::sequence::{self, InitialState, Input, Sources, last_steps};
use crate::{Dropout, Error, Scalar};

/// The results of a forward pass, and everything that the backward pass reads.
///
/// [`forward_into`] reuses its memory. It allocates nothing where the cache has had the same stack and size before.
/// [`sequence::Cache`] lists the exceptions.
#[derive(Debug, Clone)]
pub struct Cache<A> {
    pub(super) architecture: Architecture,
    /// One for each layer and direction, in the order of the flat buffer. Only the first has an input, and only the last has
    /// the logits of all directions. One of them has the workspace of the passes.
    passes: Vec<sequence::Cache<A>>,
    /// For each layer: its output as the layer above reads it.
    pub(super) outputs: Vec<Output<A>>,
}

/// The output of a layer, where it is not the hidden states of its one direction: two directions side by side, or dropout.
#[derive(Debug, Clone)]
pub(super) struct Output<A> {
    /// mˡ, (`T_x`, m, width).
    pub(super) mask: Mask,
    /// xˡ, (`T_x`, m, width). Empty where the layer above reads the hidden states themselves.
    values: Vec<A>,
}

impl<A> Default for Output<A> {
    fn default() -> Self {
        Output { mask: Mask::default(), values: Vec::new() }
    }
}

impl<A: Scalar> Output<A> {
    /// values ← mˡ ⊙ [→a; ←a]
    ///
    /// - `shape`: `T_x`, the number of directions, `n_a`
    fn compute(
        &mut self,
        directions: &[sequence::Cache<A>],
        dropout: Option<Dropout>,
        layer: usize,
        shape: [usize; 3],
    ) {
        let Output { mask, values } = self;
        mask.draw_steps(dropout, layer, directions[0].lengths(), shape);
        match directions {
            [forward] => match mask.rows() {
                None => values.clear(),
                Some(mask) => {
                    fit(values, forward.hidden_rows().len());
                    mask.write(values, forward.hidden_rows());
                }
            },
            [forward, reverse] => {
                join(values, forward.hidden_rows(), reverse.hidden_rows(), forward.dims().n_a);
                if let Some(mask) = mask.rows() {
                    mask.apply(values);
                }
            }
            _ => {}
        }
    }
}

impl<A> Default for Cache<A> {
    fn default() -> Self {
        Cache { architecture: Architecture::default(), passes: Vec::new(), outputs: Vec::new() }
    }
}

impl<A: PartialEq> PartialEq for Cache<A> {
    fn eq(&self, other: &Self) -> bool {
        self.architecture == other.architecture && self.passes == other.passes
    }
}

impl<A> Cache<A> {
    /// The shape of the stack that filled this cache.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }
    /// The number of columns, m.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.head().map_or(0, sequence::Cache::columns)
    }
    /// The number of steps, `T_x`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head().map_or(0, sequence::Cache::len)
    }
    /// Whether there are no steps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The number of steps of each column, m numbers.
    #[must_use]
    pub fn lengths(&self) -> &[usize] {
        self.head().map_or(&[], sequence::Cache::lengths)
    }

    /// The hidden states of a layer and direction after every step, (`n_a`, m, `T_x`). `None` where there is no such
    /// layer or direction.
    #[must_use]
    pub fn hidden(&self, layer: usize, direction: Direction) -> Option<ArrayView3<'_, A>> {
        self.pass(layer, direction).map(sequence::Cache::hidden)
    }
    /// The hidden state of a layer and direction before the first step, (`n_a`, m). `None` as for [`hidden`](Self::hidden).
    #[must_use]
    pub fn a0(&self, layer: usize, direction: Direction) -> Option<ArrayView2<'_, A>> {
        self.pass(layer, direction).map(sequence::Cache::a0)
    }
    /// The hidden state of a layer and direction after the last step of each column, in the direction's own order,
    /// (`n_a`, m). `None` as for [`hidden`](Self::hidden).
    #[must_use]
    pub fn last_hidden(&self, layer: usize, direction: Direction) -> Option<ArrayView2<'_, A>> {
        self.pass(layer, direction).map(sequence::Cache::last_hidden)
    }
    /// The logits of every step, (`n_y`, m, `T_x`). A regression reads them.
    #[must_use]
    pub fn logits(&self) -> ArrayView3<'_, A> {
        let [n_y, m, t_x] = self.output_shape();
        sequence_view(n_y, m, t_x, self.head().map_or(&[], sequence::Cache::logit_rows))
    }
    /// The probabilities of every step, softmax(logits), (`n_y`, m, `T_x`).
    #[must_use]
    pub fn output(&self) -> ArrayView3<'_, A> {
        let [n_y, m, t_x] = self.output_shape();
        sequence_view(n_y, m, t_x, self.head().map_or(&[], sequence::Cache::output_rows))
    }

    /// The logits after the last step of each column, (`n_y`, m): the prediction where a sequence has one label. Zero where
    /// a column has no steps. Where time of the input is reversed, the last step is step 0.
    ///
    /// In a bidirectional layer, the reverse direction has read this one step only.
    #[must_use]
    pub fn last_logits(&self) -> Array2<A>
    where
        A: Scalar,
    {
        last_steps(&self.logits(), self.lengths(), self.is_reversed())
    }
    /// The probabilities after the last step of each column, softmax(logits), (`n_y`, m), like
    /// [`last_logits`](Self::last_logits).
    #[must_use]
    pub fn last_output(&self) -> Array2<A>
    where
        A: Scalar,
    {
        last_steps(&self.output(), self.lengths(), self.is_reversed())
    }

    fn output_shape(&self) -> [usize; 3] {
        [self.head().map_or(0, |head| head.dims().n_y), self.columns(), self.len()]
    }

    /// Whether time of the input ran backward.
    #[must_use]
    pub fn is_reversed(&self) -> bool {
        self.passes.first().is_some_and(sequence::Cache::is_reversed)
    }

    /// The last pass, which has the logits of all directions. `None` before the first forward pass.
    pub(crate) fn head(&self) -> Option<&sequence::Cache<A>> {
        self.passes.last()
    }

    fn pass(&self, layer: usize, direction: Direction) -> Option<&sequence::Cache<A>> {
        self.passes().find(|(key, _)| *key == (layer, direction)).map(|(_, pass)| pass)
    }

    /// The passes by layer and direction, in the order of the flat buffer.
    pub(crate) fn passes(&self) -> impl Iterator<Item = ((usize, Direction), &sequence::Cache<A>)> {
        self.architecture.parts().map(|part| (part.layer, part.direction)).zip(&self.passes)
    }

    /// Whether each column ends in this part of its sequence. Empty where all do.
    pub(crate) fn ends(&self) -> &[bool] {
        self.passes.first().map_or(&[], |pass| &pass.ends)
    }

    /// Whether a backward pass may compute the gradient of the input.
    pub(super) fn has_dx(&self) -> bool {
        self.passes.first().is_some_and(|pass| pass.has_dx)
    }

    /// What the passes of a layer read from other passes.
    pub(super) fn sources(&self, layer: usize, direction: Direction) -> Sources<'_, A>
    where
        A: Scalar,
    {
        sources(&self.architecture, &self.passes, &self.outputs, layer, direction)
    }
}

/// Runs a stack over a sequence.
///
/// - `x`: (`n_x`, m, `T_x`), or any [`Input`]
/// - `states`: the initial states of all layers and directions, or `None` for zero
///
/// # Examples
///
/// ```
/// use elman::stack::{self, Architecture, Direction, Layer};
/// use ndarray::Array3;
///
/// let p = stack::Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2));
/// let cache = stack::forward(&p, &Array3::ones((3, 4, 10)), None)?;
/// assert_eq!(cache.hidden(0, Direction::Reverse).unwrap().dim(), (5, 4, 10));
/// assert_eq!(cache.output()[[1, 3, 9]], 0.5);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where `x.dim().0 != n_x`, `lengths.len() != m` or `dropout.columns.len() != m`; [`Error::States`] where a
/// state is missing or not (`n_a`, m); [`Error::StateCount`] where there are more states than layers and directions;
/// [`Error::Token`] where a token id is not below `n_x`; [`Error::Length`] where a length is above `T_x`; [`Error::Range`]
/// where a rate of dropout is not from 0 to below 1; [`Error::NoLayers`] where the stack has no layer.
pub fn forward<'a, 's, A: Scalar>(
    parameters: &Parameters<A>,
    x: impl Into<Input<'a, A>>,
    states: impl Into<Option<&'s States<A>>>,
) -> Result<Cache<A>, Error> {
    let mut cache = Cache::default();
    forward_into(parameters, x, states, &mut cache)?;
    cache.passes.iter_mut().for_each(sequence::Cache::free_workspace);
    Ok(cache)
}

/// Runs [`forward`], and overwrites `cache`. It reuses the memory of `cache`.
///
/// # Examples
///
/// ```
/// use elman::stack::{self, Architecture, Layer};
/// use ndarray::Array3;
///
/// let p = stack::Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(5), Layer::new(7)], 2));
/// let mut cache = stack::Cache::default();
/// for length in [10, 6] {
///     stack::forward_into(&p, &Array3::ones((3, 4, length)), None, &mut cache)?;
///     assert_eq!(cache.output().dim(), (2, 4, length));
/// }
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`forward`]; an error leaves `cache` unchanged.
pub fn forward_into<'a, 's, A: Scalar>(
    parameters: &Parameters<A>,
    x: impl Into<Input<'a, A>>,
    states: impl Into<Option<&'s States<A>>>,
    cache: &mut Cache<A>,
) -> Result<(), Error> {
    let (input, states) = (x.into(), states.into());
    call::<A, CompiledPass>(Call { parameters, input: input.view(), states, cache })
}

/// The arguments of [`forward_into`].
struct Call<'a, A> {
    parameters: &'a Parameters<A>,
    input: Input<'a, A>,
    states: Option<&'a States<A>>,
    cache: &'a mut Cache<A>,
}

compiled!(CompiledPass: Call<'a, A> => Result<(), Error>, pass);

fn pass<A: Scalar>(Call { parameters, input, states, cache }: Call<A>) -> Result<(), Error> {
    let architecture = parameters.architecture();
    let first = architecture.parts().next().ok_or(Error::NoLayers)?;
    let (m, t_x) = input.check(first.dims)?;
    states.map_or(Ok(()), |states| states.check("states", architecture, m))?;

    if cache.architecture != *architecture {
        *cache = Cache { architecture: architecture.clone(), ..std::mem::take(cache) };
    }
    let Cache { passes, outputs, .. } = cache;
    passes.resize_with(architecture.parts().count(), sequence::Cache::default);
    outputs.resize_with(architecture.layers().len(), Output::default);
    // The passes share one workspace: the last one hands it to the first, and each one to the next.
    if let [first, .., last] = &mut passes[..] {
        first.take_workspace(last);
    }
    passes[0].take(first.dims, m, t_x, input);
    for (index, (part, p)) in parameters.views().enumerate() {
        let (before, rest) = passes.split_at_mut(index);
        let pass = &mut rest[0];
        if let [first, ..] = before {
            let reversed = input.reversed != (part.direction == Direction::Reverse);
            pass.follow(part.dims, reversed, first);
            pass.take_workspace(&mut before[index - 1]);
        }
        let a0 = states.and_then(|states| states.arrays.get(index)).map(|(_, state)| &**state);
        let sources = sources(architecture, before, outputs, part.layer, part.direction);
        let place = Place { layer: part.layer, reverse: part.direction == Direction::Reverse };
        let dropout = input.dropout.map(|dropout| (dropout, place));
        sequence::run_forward(p, sources, InitialState::from(a0), dropout, pass);

        let layer = architecture.layers()[part.layer];
        let is_top = part.layer + 1 == architecture.layers().len();
        if layer.directions().last() == Some(&part.direction) && !is_top {
            let directions = &passes[index + 1 - layer.directions().len()..=index];
            let shape = [t_x, directions.len(), layer.n_a];
            outputs[part.layer].compute(directions, input.dropout, part.layer, shape);
        }
    }
    Ok(())
}

/// joined ← the rows of both directions, side by side
fn join<A: Scalar>(joined: &mut Vec<A>, forward: &[A], reverse: &[A], n: usize) {
    fit(joined, 2 * forward.len());
    let rows = forward.chunks_exact(n.max(1)).zip(reverse.chunks_exact(n.max(1)));
    for (joined, (forward, reverse)) in joined.chunks_exact_mut(2 * n.max(1)).zip(rows) {
        joined[..n].copy_from_slice(forward);
        joined[n..].copy_from_slice(reverse);
    }
}

/// What a pass reads from the passes before it.
fn sources<'a, A: Scalar>(
    architecture: &Architecture,
    passes: &'a [sequence::Cache<A>],
    outputs: &'a [Output<A>],
    layer: usize,
    direction: Direction,
) -> Sources<'a, A> {
    let keys = || architecture.parts().map(|part| (part.layer, part.direction));
    let pass = |layer, direction| keys().position(|key| key == (layer, direction)).and_then(|index| passes.get(index));
    let input = match layer.checked_sub(1) {
        // The forward direction has the input.
        None => pass(0, Direction::Forward).map(sequence::Cache::own_input),
        Some(below) => match &outputs[below].values[..] {
            [] => pass(below, Direction::Forward).map(|pass| Read::Vectors(pass.hidden_rows())),
            values => Some(Read::Vectors(values)),
        },
    };
    let partial = if direction == Direction::Reverse { pass(layer, Direction::Forward) } else { None };
    let last = passes.get(keys().count() - 1);
    let is_top = layer + 1 == architecture.layers().len();
    Sources {
        input,
        logits: partial.map(sequence::Cache::logit_rows),
        output: last.filter(|_| is_top).map(sequence::Cache::output_rows),
    }
}
