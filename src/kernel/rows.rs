//! The order in which rows are visited.

use std::slice::ChunksExact;

/// Rows of a sequence: the steps as they lie in memory, or the last step first. Within a step, columns ascend.
#[derive(Debug, Clone)]
pub(crate) struct Rows<'a, A> {
    /// Steps that have not begun.
    steps: &'a [A],
    /// Elements of one step.
    size: usize,
    /// Elements of one row.
    n: usize,
    /// What is left of the present step.
    step: ChunksExact<'a, A>,
}

impl<'a, A> Rows<'a, A> {
    /// Rows of `n` elements, one after the other.
    pub(crate) fn ascending(flat: &'a [A], n: usize) -> Self {
        let n = n.max(1);
        Rows { steps: &[], size: 0, n, step: flat.chunks_exact(n) }
    }

    /// Steps of `m` rows of `n` elements, the last step first.
    pub(crate) fn descending(flat: &'a [A], m: usize, n: usize) -> Self {
        let n = n.max(1);
        Rows { steps: flat, size: m * n, n, step: [].chunks_exact(n) }
    }
}

impl<'a, A> Iterator for Rows<'a, A> {
    type Item = &'a [A];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [A]> {
        if let Some(row) = self.step.next() {
            return Some(row);
        }
        if self.steps.is_empty() {
            return None;
        }
        let (earlier, step) = self.steps.split_at(self.steps.len() - self.size);
        (self.steps, self.step) = (earlier, step.chunks_exact(self.n));
        self.step.next()
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
        assert_eq!(Rows::<u32>::descending(&[], 3, 0).count(), 0);
        assert_eq!(Rows::<u32>::ascending(&[], 0).count(), 0);
    }
}
