//! Iterates over rows in a given order.

use std::slice::{ChunksExact, Iter};

/// The number of rows that are packed at once.
pub(super) const PACK_ROWS: usize = 16;

/// Rows of a sequence: in memory order, by step with the last step first (columns ascend within a step), or from a list.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a, A> {
    /// Elements of one row.
    n: usize,
    order: Order<'a, A>,
}

#[derive(Debug, Clone)]
enum Order<'a, A> {
    Steps {
        /// Steps not yet started.
        steps: &'a [A],
        /// Elements of one step.
        size: usize,
        /// Remaining rows of the current step.
        step: ChunksExact<'a, A>,
    },
    Picked {
        flat: &'a [A],
        picks: Iter<'a, usize>,
    },
}

impl<'a, A> Rows<'a, A> {
    /// Rows of `n` elements, one after the other.
    pub(crate) fn ascending(flat: &'a [A], n: usize) -> Self {
        let n = n.max(1);
        Rows { n, order: Order::Steps { steps: &[], size: 0, step: flat.chunks_exact(n) } }
    }

    /// Steps of `m` rows of `n` elements, the last step first.
    pub(crate) fn descending(flat: &'a [A], m: usize, n: usize) -> Self {
        let size = m * n;
        let n = n.max(1);
        Rows { n, order: Order::Steps { steps: flat, size, step: [].chunks_exact(n) } }
    }

    /// The listed rows, of rows of `n` elements.
    pub(crate) fn picked(flat: &'a [A], n: usize, picks: &'a [usize]) -> Self {
        Rows { n, order: Order::Picked { flat, picks: picks.iter() } }
    }

    /// The next [`PACK_ROWS`] rows, or those that are left, and their number. What is packed from them fills whole cache lines.
    #[inline(always)]
    pub(super) fn next_block(&mut self) -> ([&'a [A]; PACK_ROWS], usize) {
        let (mut block, mut height) = ([&[][..]; PACK_ROWS], 0);
        for (slot, row) in block.iter_mut().zip(&mut *self) {
            *slot = row;
            height += 1;
        }
        (block, height)
    }
}

impl<'a, A> Iterator for Rows<'a, A> {
    type Item = &'a [A];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [A]> {
        match &mut self.order {
            Order::Steps { steps, size, step } => {
                if let Some(row) = step.next() {
                    return Some(row);
                }
                if steps.is_empty() {
                    return None;
                }
                let (earlier, last) = steps.split_at(steps.len() - *size);
                (*steps, *step) = (earlier, last.chunks_exact(self.n));
                step.next()
            }
            Order::Picked { flat, picks } => picks.next().map(|row| &flat[row * self.n..][..self.n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descending_reverses_steps_and_keeps_their_columns_in_order() {
        let flat: Vec<u32> = (0..12).collect();
        let rows: Vec<_> = Rows::descending(&flat, 2, 2).collect();
        assert_eq!(rows, [[8, 9], [10, 11], [4, 5], [6, 7], [0, 1], [2, 3]]);
        assert!(Rows::ascending(&flat, 4).eq([&flat[..4], &flat[4..8], &flat[8..]]));
        assert!(Rows::picked(&flat, 3, &[2, 0]).eq([&flat[6..9], &flat[..3]]));
        assert_eq!(Rows::<u32>::descending(&[], 3, 0).count(), 0);
        assert_eq!(Rows::<u32>::ascending(&[], 0).count(), 0);
    }
}
