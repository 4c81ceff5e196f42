//! Batches of token ids for a recurrent network: from one long stream, or from sequences of unequal length.
//!
//! A token id is a `usize`. A batch of them is (m, T), time-major like all sequences of this crate, with one length per
//! column. After a column's length there is padding: token id 0 in the inputs, [`IGNORE`] in the targets. The network does
//! not read this padding if it gets the lengths, and the loss ignores it.
//!
//! - [`Stream`]: one long text. Each batch continues from the hidden state of the previous one.
//! - [`buckets`], then [`Batch::from_sequences`]: sequences that predict their own next token.
//! - [`buckets`], then [`pad`]: sequences with separate labels.

use std::iter::FusedIterator;
use std::ops::Range;

use ndarray::Array2;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::Error;
use crate::error::check_count;
use crate::layout::{reshape_time_major, share};
use crate::loss::IGNORE;

/// The input token id after the end of a column.
const PADDING: usize = 0;

/// Input token ids and target token ids.
///
/// In column j, at step t < `lengths[j]`, the network reads `inputs[[j, t]]` and should predict `targets[[j, t]]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Batch {
    /// (m, T); 0 after a column's length.
    pub inputs: Array2<usize>,
    /// (m, T); [`IGNORE`] after a column's length.
    pub targets: Array2<usize>,
    /// The number of steps of each column, at most T.
    pub lengths: Vec<usize>,
    /// Whether the hidden state starts anew. Otherwise each column continues from the previous batch.
    pub first: bool,
}

impl Batch {
    /// A batch of whole sequences that predict their own next token.
    ///
    /// - `sequences`: m slices; column j reads all but the last token of slice j, and predicts all but the first
    /// - result: T is one less than the longest length; a slice of one token or none has length 0
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::batches::Batch;
    /// use elman::loss::IGNORE;
    /// use ndarray::array;
    ///
    /// let batch = Batch::from_sequences(&[vec![1, 2, 3, 4], vec![5, 6]]);
    /// assert_eq!(batch.inputs, array![[1, 2, 3], [5, 0, 0]]);
    /// assert_eq!(batch.targets, array![[2, 3, 4], [6, IGNORE, IGNORE]]);
    /// assert_eq!(batch.lengths, [3, 1]);
    /// ```
    #[must_use]
    pub fn from_sequences(sequences: &[impl AsRef<[usize]>]) -> Self {
        let mut batch = Batch { first: true, ..Batch::default() };
        batch.write(sequences.iter().map(AsRef::as_ref));
        batch
    }

    /// Writes one column per slice: the inputs are all but the last token, the targets all but the first.
    fn write<'t>(&mut self, columns: impl Iterator<Item = &'t [usize]> + Clone) {
        self.lengths.clear();
        self.lengths.extend(columns.clone().map(|tokens| tokens.len().saturating_sub(1)));
        write_columns(&mut self.inputs, &self.lengths, columns.clone(), PADDING);
        write_columns(&mut self.targets, &self.lengths, columns.map(|tokens| tokens.get(1..).unwrap_or(&[])), IGNORE);
    }
}

/// One long sequence of token ids, read at m places in parallel.
///
/// The n tokens give n − 1 predictions: the network reads token i and predicts token i + 1. The stream is cut into m
/// consecutive segments whose lengths differ by one at most. Column j reads segment j in batches of `t_x` steps. Each
/// batch starts where the previous one stopped, so it continues from the last hidden state of that batch. Back-propagation
/// is truncated at `t_x`.
///
/// An epoch holds every prediction exactly once. Its last batch is shorter if `t_x` does not divide the segments, and
/// ragged if m does not divide n − 1.
///
/// Source: truncated back-propagation, R. J. Williams, J. Peng, *An Efficient Gradient-Based Algorithm for On-Line
/// Training of Recurrent Network Trajectories*, Neural Computation 2 (1990) 490–501.
///
/// # Examples
///
/// ```
/// use elman::batches::Stream;
/// use elman::loss::IGNORE;
/// use ndarray::array;
///
/// let tokens = [10, 11, 12, 13, 14, 15, 16, 17];
/// let batches: Vec<_> = Stream::new(&tokens, 2, 3)?.epoch().collect();
/// assert_eq!(batches[0].inputs, array![[10, 11, 12], [14, 15, 16]]);
/// assert_eq!(batches[0].targets, array![[11, 12, 13], [15, 16, 17]]);
/// assert_eq!(batches[1].inputs, array![[13], [0]]);
/// assert_eq!(batches[1].targets, array![[14], [IGNORE]]);
/// assert_eq!((&batches[1].lengths[..], batches[1].first), (&[1, 0][..], false));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream<'t> {
    tokens: &'t [usize],
    m: usize,
    t_x: usize,
    /// The first of the m columns that batches hold, and the one after the last.
    columns: [usize; 2],
}

impl<'t> Stream<'t> {
    /// A stream over these token ids.
    ///
    /// - `tokens`: n token ids
    /// - `m`: the number of columns; columns beyond n − 1 have nothing to read, and length 0
    /// - `t_x`: the number of steps in a batch
    ///
    /// # Errors
    /// [`Error::Range`] where `tokens.len() < 2`, `m == 0` or `t_x == 0`.
    pub fn new(tokens: &'t [usize], m: usize, t_x: usize) -> Result<Self, Error> {
        check_count("tokens.len()", tokens.len(), "at least 2", tokens.len() >= 2)?;
        check_count("m", m, "at least 1", m >= 1)?;
        check_count("t_x", t_x, "at least 1", t_x >= 1)?;
        Ok(Stream { tokens, m, t_x, columns: [0, m] })
    }

    /// The same stream, read by one of several workers: its batches hold only these of the m columns. Column j of the stream
    /// stays the same tokens, and all workers have the same number of batches.
    ///
    /// - `columns`: within the m columns, such as [`Shards::columns`](crate::shards::Shards::columns)
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::batches::Stream;
    ///
    /// let tokens: Vec<usize> = (0..100).collect();
    /// let stream = Stream::new(&tokens, 4, 10)?;
    /// let (batch, part) = (stream.epoch().next().unwrap(), stream.columns(2..4)?.epoch().next().unwrap());
    /// assert_eq!(part.inputs.row(0), batch.inputs.row(2));
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] where `columns.end > m` or `columns.start > columns.end`.
    pub fn columns(self, columns: Range<usize>) -> Result<Self, Error> {
        check_count("columns.end", columns.end, "at most m", columns.end <= self.m)?;
        check_count("columns.start", columns.start, "at most columns.end", columns.start <= columns.end)?;
        Ok(Stream { columns: [columns.start, columns.end], ..self })
    }

    /// One epoch, the same each time. Every batch has `t_x` steps except the last.
    #[must_use]
    pub fn epoch(&self) -> Epoch<'t> {
        Epoch { stream: *self, done: 0, steps: self.t_x }
    }

    /// An epoch with other batch boundaries: the first batch has 1 to `t_x` steps, drawn uniformly.
    ///
    /// Back-propagation stops at a boundary. Over many epochs, each place inside a segment is a boundary equally often: once
    /// in `t_x`.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::batches::Stream;
    /// use rand::{SeedableRng, rngs::StdRng};
    ///
    /// let tokens: Vec<usize> = (0..100).collect();
    /// let epoch = Stream::new(&tokens, 4, 10)?.shuffled_epoch(&mut StdRng::seed_from_u64(1));
    /// let predictions: usize = epoch.map(|batch| batch.lengths.iter().sum::<usize>()).sum();
    /// assert_eq!(predictions, 99);
    /// # Ok::<(), elman::Error>(())
    /// ```
    pub fn shuffled_epoch(&self, rng: &mut (impl Rng + ?Sized)) -> Epoch<'t> {
        Epoch { stream: *self, done: 0, steps: rng.random_range(1..=self.t_x) }
    }

    /// The number of predictions in the longest segment.
    fn longest(&self) -> usize {
        (self.tokens.len() - 1).div_ceil(self.m)
    }

    /// The tokens of up to `steps` predictions of column j, from prediction `done` on: one token more than predictions. The
    /// longer segments come first.
    fn column(&self, j: usize, done: usize, steps: usize) -> &'t [usize] {
        let Range { start, end } = share(self.tokens.len() - 1, self.m, j);
        let from = end.min(start + done);
        &self.tokens[from..=end.min(from + steps)]
    }
}

/// The batches of a [`Stream`], from start to end.
///
/// # Examples
///
/// ```
/// use elman::batches::{Batch, Stream};
///
/// let tokens: Vec<usize> = (0..100).collect();
/// let (stream, mut batch, mut predictions) = (Stream::new(&tokens, 4, 10)?, Batch::default(), 0);
/// let mut epoch = stream.epoch();
/// assert_eq!(epoch.len(), 3);
/// while epoch.next_into(&mut batch) {
///     predictions += batch.lengths.iter().sum::<usize>();
/// }
/// assert_eq!(predictions, 99);
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Epoch<'t> {
    stream: Stream<'t>,
    /// The number of predictions already returned from the longest segment.
    done: usize,
    /// The number of steps in the next batch, if as many are left.
    steps: usize,
}

impl Epoch<'_> {
    /// Writes the next batch into `batch` and reuses its memory: allocates nothing once warm. Returns false if there is no
    /// further batch; `batch` then stays unchanged.
    pub fn next_into(&mut self, batch: &mut Batch) -> bool {
        let Epoch { stream, done, steps } = *self;
        let steps = steps.min(stream.longest() - done);
        if steps == 0 {
            return false;
        }
        batch.first = done == 0;
        let [first, end] = stream.columns;
        batch.write((first..end).map(|j| stream.column(j, done, steps)));
        (self.done, self.steps) = (done + steps, stream.t_x);
        true
    }
}

impl Iterator for Epoch<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        self.next_into(&mut batch).then_some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.stream.longest() - self.done;
        let batches = usize::from(left > 0) + left.saturating_sub(self.steps).div_ceil(self.stream.t_x);
        (batches, Some(batches))
    }
}

impl ExactSizeIterator for Epoch<'_> {}
impl FusedIterator for Epoch<'_> {}

/// Groups sequences of similar length into batches with little padding. Returns their indices, in random order.
///
/// - `lengths`: one per sequence
/// - `m`: the maximum number of sequences in a batch
/// - result: every index below `lengths.len()` once. All batches have m sequences, except that the batch with the longest
///   ones may have fewer
///
/// Sequences are sorted by length, with equal lengths in random order, and cut every m. Then the batches are shuffled.
///
/// # Examples
///
/// ```
/// use elman::batches::{buckets, pad};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let sequences = [vec![1, 2, 3], vec![4], vec![5, 6, 7], vec![8]];
/// let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
/// for batch in buckets(&lengths, 2, &mut StdRng::seed_from_u64(1))? {
///     let sequences: Vec<&Vec<usize>> = batch.iter().map(|&i| &sequences[i]).collect();
///     let (ids, lengths) = pad(&sequences);
///     assert!(ids.dim() == (2, 1) || ids.dim() == (2, 3), "only equal lengths are together");
/// }
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Range`] where `m == 0`.
pub fn buckets(lengths: &[usize], m: usize, rng: &mut (impl Rng + ?Sized)) -> Result<Vec<Vec<usize>>, Error> {
    check_count("m", m, "at least 1", m >= 1)?;
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.shuffle(rng);
    order.sort_by_key(|&i| lengths[i]);
    let mut batches: Vec<_> = order.chunks(m).map(<[usize]>::to_vec).collect();
    batches.shuffle(rng);
    Ok(batches)
}

/// Pads sequences to equal length. Returns the token ids and the length of each sequence, as a token input takes them.
///
/// - `sequences`: m slices
/// - result: (m, T), where T is the longest length, with 0 after the end of a shorter sequence; and the m lengths
///
/// # Examples
///
/// ```
/// use elman::batches::pad;
/// use ndarray::array;
///
/// let (ids, lengths) = pad(&[vec![7, 8, 9], vec![5]]);
/// assert_eq!(ids, array![[7, 8, 9], [5, 0, 0]]);
/// assert_eq!(lengths, [3, 1]);
/// ```
#[must_use]
pub fn pad(sequences: &[impl AsRef<[usize]>]) -> (Array2<usize>, Vec<usize>) {
    let columns = sequences.iter().map(AsRef::as_ref);
    let lengths: Vec<usize> = columns.clone().map(<[usize]>::len).collect();
    let mut ids = Array2::default((0, 0));
    write_columns(&mut ids, &lengths, columns, PADDING);
    (ids, lengths)
}

/// ids ← the columns, each with `lengths[j]` tokens and then `padding`. The shape is (m, T), where T is the largest length.
fn write_columns<'t>(
    ids: &mut Array2<usize>,
    lengths: &[usize],
    columns: impl Iterator<Item = &'t [usize]>,
    padding: usize,
) {
    let t_x = lengths.iter().max().map_or(0, |&longest| longest);
    reshape_time_major(ids, (lengths.len(), t_x)).fill(padding);
    for ((mut ids, tokens), &length) in ids.rows_mut().into_iter().zip(columns).zip(lengths) {
        for (id, &token) in ids.iter_mut().zip(&tokens[..length]) {
            *id = token;
        }
    }
}
