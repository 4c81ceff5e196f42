//! One step of some columns through all layers of a network, and the states that it leaves.

use super::forward::{Head, Read, Step};
use super::weights::Weights;
use crate::error::Error;
use crate::kernel::Kernel;
use crate::layout::fit;
use crate::{Dims, Scalar};

/// The hidden states and the results of m columns, and the memory of a step.
#[derive(Debug, Clone)]
pub(crate) struct Memory<A> {
    pub(super) m: usize,
    /// The lowest layer first.
    pub(super) layers: Vec<Layer<A>>,
    /// m rows of `n_y` values.
    pub(super) logits: Vec<A>,
    /// Empty where the probabilities are not computed.
    pub(super) output: Vec<A>,
    pub(super) has_output: bool,
    picked: Picked<A>,
}

/// The states of one layer.
#[derive(Debug, Clone)]
pub(super) struct Layer<A> {
    /// m rows of `n_a` values.
    pub(super) hidden: Vec<A>,
    /// The states that a step computes.
    next: Vec<A>,
}

/// The rows of the columns that a step picks.
#[derive(Debug, Clone)]
struct Picked<A> {
    a_prev: Vec<A>,
    logits: Vec<A>,
    output: Vec<A>,
    /// For each of the m columns, whether a list names it.
    named: Vec<bool>,
}

impl<A: Scalar> Memory<A> {
    /// Zero states of m columns.
    pub(super) fn new(weights: &[Weights<A>], m: usize) -> Self {
        let layers = weights.iter().map(|_| Layer { hidden: Vec::new(), next: Vec::new() }).collect();
        let picked = Picked { a_prev: Vec::new(), logits: Vec::new(), output: Vec::new(), named: Vec::new() };
        let (logits, output) = (Vec::new(), Vec::new());
        let mut memory = Memory { m, layers, logits, output, has_output: true, picked };
        memory.resize(weights, m);
        memory
    }

    /// Adds columns with zero states, or removes the last ones.
    pub(super) fn resize(&mut self, weights: &[Weights<A>], m: usize) {
        for (layer, weights) in self.layers.iter_mut().zip(weights) {
            layer.hidden.resize(m.saturating_mul(weights.dims.n_a), A::zero());
        }
        let n_y = weights.last().map_or(0, |top| top.dims.n_y);
        self.logits.resize(m.saturating_mul(n_y), A::zero());
        self.output.resize(if self.has_output { m.saturating_mul(n_y) } else { 0 }, A::zero());
        self.picked.named.resize(m, false);
        self.m = m;
    }

    /// Checks that a list names columns, each once at most.
    pub(super) fn check(&mut self, columns: &[usize]) -> Result<(), Error> {
        let named = &mut self.picked.named;
        let checked = columns.iter().try_for_each(|&found| match named.get_mut(found) {
            None => Err(Error::NoColumn { argument: "columns", expected: self.m, found }),
            Some(true) => Err(Error::RepeatedColumn { argument: "columns", found }),
            Some(named) => {
                *named = true;
                Ok(())
            }
        });
        for &column in columns {
            if let Some(named) = named.get_mut(column) {
                *named = false;
            }
        }
        checked
    }

    /// Runs one step of all columns, or of the listed ones.
    pub(super) fn step(&mut self, weights: &[Weights<A>], x: Read<A>, columns: Option<&[usize]>) {
        let rows = columns.map_or(self.m, <[usize]>::len);
        let Picked { a_prev, logits: picked_logits, output: picked_output, .. } = &mut self.picked;
        let top = weights.len().saturating_sub(1);
        for (index, weights) in weights.iter().enumerate() {
            let weights = &weights.factors();
            let (below, above) = self.layers.split_at_mut(index);
            let Layer { hidden, next } = &mut above[0];
            let Dims { n_a, n_y, .. } = weights.dims;
            fit(next, rows * n_a);
            let x = match below.last() {
                None => x,
                Some(below) => Read::Vectors(if columns.is_some() { &below.next } else { &below.hidden }),
            };
            let a_prev = match columns {
                None => &hidden[..],
                Some(columns) => gather(a_prev, hidden, columns, n_a),
            };
            let head = if index < top {
                None
            } else if columns.is_none() {
                Some(Head { logits: &mut self.logits, y: self.has_output.then_some(&mut self.output) })
            } else {
                fit(picked_logits, rows * n_y);
                fit(picked_output, if self.has_output { rows * n_y } else { 0 });
                Some(Head { logits: picked_logits, y: self.has_output.then_some(picked_output) })
            };
            Step { a: next, x, a_prev, head, weights }.dispatch();
            match columns {
                None => std::mem::swap(hidden, next),
                Some(columns) => scatter(hidden, next, columns, n_a),
            }
        }
        if let (Some(columns), Some(weights)) = (columns, weights.last()) {
            scatter(&mut self.logits, picked_logits, columns, weights.dims.n_y);
            scatter(&mut self.output, picked_output, columns, weights.dims.n_y);
        }
    }

    /// Sets the states and the results of the listed columns to zero.
    pub(super) fn reset(&mut self, columns: &[usize]) {
        let hidden = self.layers.iter_mut().map(|layer| &mut layer.hidden);
        for values in hidden.chain([&mut self.logits, &mut self.output]) {
            let n = values.len() / self.m.max(1);
            for column in columns {
                values[column * n..][..n].fill(A::zero());
            }
        }
    }

    /// Sets the states and the results of all columns to zero.
    pub(super) fn reset_all(&mut self) {
        let hidden = self.layers.iter_mut().map(|layer| &mut layer.hidden);
        hidden.chain([&mut self.logits, &mut self.output]).for_each(|values| values.fill(A::zero()));
    }
}

/// rows ← the listed rows of `all`
fn gather<'r, A: Scalar>(rows: &'r mut Vec<A>, all: &[A], picks: &[usize], n: usize) -> &'r [A] {
    fit(rows, picks.len() * n);
    for (row, pick) in rows.chunks_exact_mut(n.max(1)).zip(picks) {
        row.copy_from_slice(&all[pick * n..][..n]);
    }
    rows
}

/// The listed rows of `all` ← rows
fn scatter<A: Copy>(all: &mut [A], rows: &[A], picks: &[usize], n: usize) {
    for (pick, row) in picks.iter().zip(rows.chunks_exact(n.max(1))) {
        all[pick * n..][..n].copy_from_slice(row);
    }
}
