use super::Extent;
use crate::cell::{Dropped, Read};
use crate::dropout::{Mask, MaskRows, Place, Site};
use crate::layout::{Bytes, fit, product};
use crate::{Dims, Dropout, Scalar};

/// The dropout of one pass: its masks, and what the pass reads through them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Masks<A> {
    /// mx, (m, `n_x`).
    input: Mask,
    /// ma, (m, `n_a`).
    recurrent: Mask,
    /// mx ⊙ x, (`T_x`, m, `n_x`). For token ids the value of each one-hot vector at its token, (`T_x`, m).
    x: Vec<A>,
    /// ma ⊙ the state before each step, (`T_x`, m, `n_a`).
    pub(super) a_prev: Vec<A>,
}

/// Where dropout acts on a pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drops {
    pub(super) inputs: bool,
    pub(super) states: bool,
}

impl Drops {
    pub(super) fn of(dropout: Option<Dropout>) -> Self {
        let [inputs, states] =
            [Site::Inputs, Site::Recurrent].map(|site| dropout.is_some_and(|dropout| dropout.rate(site) > 0.0));
        Drops { inputs, states }
    }
}

impl<A> Default for Masks<A> {
    fn default() -> Self {
        Masks { input: Mask::default(), recurrent: Mask::default(), x: Vec::new(), a_prev: Vec::new() }
    }
}

impl<A: Scalar> Masks<A> {
    /// The memory of the masks of a pass.
    pub(super) fn bytes(extent: Extent) -> Bytes {
        let Extent { dims: Dims { n_x, n_a, .. }, m, steps, .. } = extent;
        let input = Mask::bytes(m, n_x) + Bytes::of::<A>([m, steps, if extent.tokens() { 1 } else { n_x }]);
        let recurrent = Mask::bytes(m, n_a) + Bytes::of::<A>([m, steps, n_a]);
        input * usize::from(extent.drops.inputs) + recurrent * usize::from(extent.drops.states)
    }

    /// Draws the masks of a pass, applies that of the input to `x`, and makes room for the states.
    pub(super) fn begin(
        &mut self,
        dropout: Option<(Dropout, Place)>,
        Dims { n_x, n_a, .. }: Dims,
        [m, t_x]: [usize; 2],
        x: Read<A>,
    ) {
        let (dropout, place) = dropout.unzip();
        let place = place.unwrap_or_default();
        self.input.draw_columns(dropout, Site::Inputs, place, m, n_x);
        self.recurrent.draw_columns(dropout, Site::Recurrent, place, m, n_a);
        let states = if self.recurrent().is_some() { product([t_x, m, n_a]) } else { 0 };
        fit(&mut self.a_prev, states);
        match (self.input.rows(), x) {
            (None, _) => self.x.clear(),
            (Some(mask), Read::Vectors(x)) => {
                fit(&mut self.x, x.len());
                mask.write(&mut self.x, x);
            }
            // The tokens of an input have no values before this mask.
            (Some(mask), Read::Tokens(tokens) | Read::Scaled(tokens, _)) => {
                fit(&mut self.x, tokens.len());
                for (values, tokens) in self.x.chunks_exact_mut(m).zip(tokens.chunks_exact(m)) {
                    for (column, (value, &token)) in values.iter_mut().zip(tokens).enumerate() {
                        *value = mask.factor(column * n_x + token);
                    }
                }
            }
        }
    }

    /// What the forward pass reads instead of `x`, and the dropout of its recurrence.
    pub(super) fn forward<'a>(&'a mut self, x: Read<'a, A>) -> (Read<'a, A>, Option<Dropped<'a, A>>) {
        let Masks { input, recurrent, x: own, a_prev } = self;
        (through(input, own, x), recurrent.rows().map(|mask| Dropped { mask, a_prev }))
    }

    /// What the backward pass reads instead of `x`.
    pub(super) fn read<'a>(&'a self, x: Read<'a, A>) -> Read<'a, A> {
        through(&self.input, &self.x, x)
    }

    /// mx, or `None` without dropout of the inputs.
    pub(super) fn input(&self) -> Option<MaskRows<'_, A>> {
        self.input.rows()
    }

    /// ma, or `None` without dropout of the states.
    pub(super) fn recurrent(&self) -> Option<MaskRows<'_, A>> {
        self.recurrent.rows()
    }
}

/// `x`, or what the mask of the input made of it.
fn through<'a, A: Scalar>(mask: &Mask, own: &'a [A], x: Read<'a, A>) -> Read<'a, A> {
    match (mask.rows::<A>(), x) {
        (None, _) => x,
        (Some(_), Read::Vectors(_)) => Read::Vectors(own),
        (Some(_), Read::Tokens(tokens) | Read::Scaled(tokens, _)) => Read::Scaled(tokens, own),
    }
}
