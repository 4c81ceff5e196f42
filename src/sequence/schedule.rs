//! Determines which columns are active at each step.
//!
//! A position u counts the steps in the order of computation. It is step u or, in reversed time, step `T_x` − 1 − u. Each
//! column is active at one range of positions: it starts at the first position in forward time, and ends at the last
//! position in reversed time. Between two positions at which a column begins or ends, the batch is rectangular: a [`Run`].

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut3, Axis};

use super::BLOCK_ROWS;
use crate::dropout::MaskRows;
use crate::layout::fit;

/// All columns of a batch, or some of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule<'a> {
    pub(super) t_x: usize,
    pub(super) lengths: &'a [usize],
    /// The number of columns of the batch before these.
    pub(super) first: usize,
    pub(super) reversed: bool,
}

/// Positions at which the same columns are active. Gathered rows of a run are its steps one after the other, without the
/// inactive columns.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) positions: Range<usize>,
    /// The number of active columns: the rows of each step.
    pub(super) width: usize,
}

impl Run {
    pub(super) fn rows(&self) -> usize {
        self.positions.len() * self.width
    }
}

impl<'a> Schedule<'a> {
    /// Whether all columns have all steps, and time runs forward.
    pub(super) fn is_plain(self) -> bool {
        !self.reversed && self.lengths.iter().all(|&length| length == self.t_x)
    }

    /// The total number of steps of all columns.
    pub(super) fn steps(self) -> usize {
        self.lengths.iter().sum()
    }

    /// The step at a position.
    pub(super) fn step(self, position: usize) -> usize {
        if self.reversed { self.t_x - 1 - position } else { position }
    }

    /// The positions at which a column of this length is active.
    fn active(self, length: usize) -> Range<usize> {
        if self.reversed { self.t_x - length..self.t_x } else { 0..length }
    }

    /// The columns that are active at a position, ascending.
    pub(super) fn active_at(self, position: usize) -> impl Iterator<Item = usize> + 'a {
        let step = self.step(position);
        self.lengths.iter().enumerate().filter_map(move |(column, &length)| (length > step).then_some(column))
    }

    /// The columns of a run, ascending.
    pub(super) fn columns(self, run: &Run) -> impl Iterator<Item = usize> + 'a {
        self.active_at(run.positions.start)
    }

    /// The total number of rows at these positions.
    pub(super) fn rows(self, positions: &Range<usize>) -> usize {
        let shared = |&length: &usize| {
            let active = self.active(length);
            active.end.min(positions.end).saturating_sub(active.start.max(positions.start))
        };
        self.lengths.iter().map(shared).sum()
    }

    /// Splits these positions into runs; omits runs without a column.
    fn runs(self, positions: Range<usize>) -> impl Iterator<Item = Run> + 'a {
        let mut start = positions.start;
        std::iter::from_fn(move || {
            while start < positions.end {
                let changes = self.lengths.iter().flat_map(|&length| {
                    let active = self.active(length);
                    [active.start, active.end]
                });
                let end = changes.filter(|&change| change > start).fold(positions.end, usize::min);
                let run = Run { positions: start..end, width: self.active_at(start).count() };
                start = end;
                if run.width > 0 {
                    return Some(run);
                }
            }
            None
        })
    }

    /// [`runs`](Self::runs) as a list.
    pub(super) fn list_runs(self, positions: Range<usize>, runs: &mut Vec<Run>) {
        runs.clear();
        runs.extend(self.runs(positions));
    }

    /// The block boundaries. A block has up to [`BLOCK_ROWS`] rows, or a single position.
    pub(super) fn cut(self, cuts: &mut Vec<usize>) {
        cuts.clear();
        cuts.push(0);
        let mut room = BLOCK_ROWS;
        for Run { positions, width } in self.runs(0..self.t_x) {
            let mut start = positions.start;
            while start < positions.end {
                let last = cuts.last().copied().unwrap_or(0);
                let fitting = (room / width).max(usize::from(last == start));
                if fitting == 0 {
                    cuts.push(start);
                    room = BLOCK_ROWS;
                    continue;
                }
                let taken = fitting.min(positions.end - start);
                start += taken;
                room = room.saturating_sub(taken * width);
            }
        }
        cuts.push(self.t_x);
    }

    /// Divides the columns into `parts` shares of about equally many steps. `bounds` gets `parts` + 1 ascending column
    /// indices, from 0 to the number of columns.
    pub(super) fn share(self, parts: usize, bounds: &mut Vec<usize>) {
        bounds.clear();
        bounds.push(0);
        let (steps, mut before) = (self.steps(), 0);
        for (column, length) in self.lengths.iter().enumerate() {
            // A column belongs to the share that contains its middle.
            while bounds.len() < parts && (2 * before + length) * parts >= 2 * steps * bounds.len() {
                bounds.push(column);
            }
            before += length;
        }
        bounds.resize(parts, self.lengths.len());
        bounds.push(self.lengths.len());
    }

    /// A range of the columns.
    pub(super) fn part(self, columns: Range<usize>) -> Self {
        Schedule { lengths: &self.lengths[columns.clone()], first: self.first + columns.start, ..self }
    }

    /// Splits off the first `column` columns.
    pub(super) fn split_at(self, column: usize) -> [Self; 2] {
        [self.part(0..column), self.part(column..self.lengths.len())]
    }
}

/// Copies between gathered rows and a sequence.
impl Schedule<'_> {
    /// packed ← the rows of these runs, one run after the other
    ///
    /// - `sequence`: the whole batch, (`T_x`, m, n)
    pub(super) fn gather<A: Copy>(self, runs: &[Run], sequence: &ArrayView3<A>, mut packed: &mut [A]) {
        let n = sequence.len_of(Axis(2));
        let columns = self.first..self.first + self.lengths.len();
        let sequence = sequence.slice_axis(Axis(1), columns.into());
        for (run, position) in each_position(runs) {
            let (rows, rest) = packed.split_at_mut(run.width * n);
            packed = rest;
            let step = sequence.index_axis(Axis(0), self.step(position));
            match step.to_slice() {
                Some(step) => self.gather_step(run, step, rows),
                None => {
                    for (row, column) in rows.chunks_exact_mut(n.max(1)).zip(self.columns(run)) {
                        row.iter_mut().zip(step.row(column)).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        }
    }

    /// The rows of these runs ← packed
    ///
    /// - `sequence`: these columns only, (`T_x`, columns, n)
    pub(super) fn scatter<A: Copy>(self, runs: &[Run], mut packed: &[A], sequence: &mut ArrayViewMut3<A>) {
        let n = sequence.len_of(Axis(2));
        for (run, position) in each_position(runs) {
            let (rows, rest) = packed.split_at(run.width * n);
            packed = rest;
            let mut step = sequence.index_axis_mut(Axis(0), self.step(position));
            self.scatter_step(run, rows, step.as_slice_mut().expect("the columns of a step are neighbours"));
        }
    }

    /// packed ← the rows of the run's columns, from the rows of all columns
    pub(super) fn gather_step<A: Copy>(self, run: &Run, step: &[A], packed: &mut [A]) {
        if packed.len() == step.len() {
            return packed.copy_from_slice(step);
        }
        let n = packed.len() / run.width;
        for (row, column) in packed.chunks_exact_mut(n).zip(self.columns(run)) {
            row.copy_from_slice(&step[column * n..][..n]);
        }
    }

    /// The rows of the run's columns, of a mask for the whole batch.
    pub(super) fn gather_mask<'a, A>(
        self,
        run: &Run,
        mask: MaskRows<'a, A>,
        packed: &'a mut Vec<bool>,
    ) -> MaskRows<'a, A> {
        let MaskRows { kept, factor, n } = mask;
        fit(packed, run.width * n);
        self.gather_step(run, &kept[self.first * n..][..self.lengths.len() * n], packed);
        MaskRows { kept: packed, factor, n }
    }

    /// The rows of the run's columns, among the rows of all columns ← packed
    pub(super) fn scatter_step<A: Copy>(self, run: &Run, packed: &[A], step: &mut [A]) {
        if packed.len() == step.len() {
            return step.copy_from_slice(packed);
        }
        let n = packed.len() / run.width;
        for (row, column) in packed.chunks_exact(n).zip(self.columns(run)) {
            step[column * n..][..n].copy_from_slice(row);
        }
    }

    /// Fills the padding after the end of each column.
    pub(super) fn fill_padding<A: Copy>(self, sequence: &mut ArrayViewMut3<A>, value: A) {
        for (mut column, &length) in sequence.axis_iter_mut(Axis(1)).zip(self.lengths) {
            if length < self.t_x {
                column.slice_axis_mut(Axis(0), (length..).into()).fill(value);
            }
        }
    }
}

fn each_position(runs: &[Run]) -> impl Iterator<Item = (&Run, usize)> {
    runs.iter().flat_map(|run| run.positions.clone().map(move |position| (run, position)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `T_x` and the lengths of batches, in both directions of time.
    fn batches() -> impl Iterator<Item = (usize, Vec<usize>, bool)> {
        let ragged = |m: usize, t_x: usize| (0..m).map(|column| column * column * 7 % (t_x + 1)).collect();
        [
            (1000, vec![1000]),
            (300, vec![300; 7]),
            (31, ragged(97, 31)),
            (700, ragged(5, 700)),
            (40, vec![3, 39, 0, 0, 11, 11]),
            (5, vec![5; 513]),
            (9, vec![2, 1, 0]),
            (4, vec![]),
            (0, vec![0; 3]),
        ]
        .into_iter()
        .flat_map(|(t_x, lengths)| [false, true].map(|reversed| (t_x, lengths.clone(), reversed)))
    }

    #[test]
    fn a_block_is_as_long_as_its_rows_fit_or_a_single_position() {
        for (t_x, lengths, reversed) in batches() {
            let (schedule, mut cuts) = (Schedule { t_x, lengths: &lengths, first: 0, reversed }, Vec::new());
            schedule.cut(&mut cuts);
            assert_eq!((cuts.first(), cuts.last()), (Some(&0), Some(&t_x)), "{schedule:?}");
            for block in cuts.windows(2) {
                let [start, end] = *block else { unreachable!() };
                assert!(start < end || t_x == 0, "{cuts:?} of {schedule:?}");
                assert!(end <= start + 1 || schedule.rows(&(start..end)) <= BLOCK_ROWS, "{cuts:?} of {schedule:?}");
                assert!(end == t_x || schedule.rows(&(start..end + 1)) > BLOCK_ROWS, "{cuts:?} of {schedule:?}");
            }
        }
    }

    #[test]
    fn shares_have_about_equally_many_steps() {
        for (t_x, lengths, reversed) in batches() {
            let schedule = Schedule { t_x, lengths: &lengths, first: 0, reversed };
            for parts in [1, 2, 3, 5, 8] {
                let mut bounds = Vec::new();
                schedule.share(parts, &mut bounds);
                assert_eq!((bounds.len(), bounds[0], bounds[parts]), (parts + 1, 0, lengths.len()));
                for share in bounds.windows(2) {
                    let steps = lengths[share[0]..share[1]].iter().sum::<usize>();
                    // The columns at both ends belong to it by half or less.
                    let longest = lengths.iter().max().unwrap_or(&0);
                    let difference = (steps * parts).abs_diff(schedule.steps());
                    assert!(difference <= longest * parts, "{bounds:?} of {schedule:?}");
                }
            }
        }
    }
}
