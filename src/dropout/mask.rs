use std::ops::Range;

use ndarray::{ArrayViewMut3, Axis, NdFloat};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use super::Dropout;
use crate::kernel::threads;
use crate::layout::{Bytes, fit, product, time_major_mut};
use crate::scalar::{Scalar, narrow};

/// The number of values that justify a thread: tens of microseconds.
const MIN_VALUES_PER_THREAD: usize = 1 << 16;

/// What a mask drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    BetweenLayers = 0,
    Inputs = 1,
    Recurrent = 2,
}

/// The layer and direction of a mask.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    pub(crate) layer: usize,
    pub(crate) reverse: bool,
}

/// Which values a dropout keeps, and their factor. An empty mask keeps all values as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Mask {
    kept: Vec<bool>,
    factor: f64,
    /// The number of values in a row.
    n: usize,
}

impl Mask {
    /// The memory of a mask for rows of n values.
    pub(crate) fn bytes(rows: usize, n: usize) -> Bytes {
        Bytes::of::<bool>([rows, n])
    }

    /// Draws one row of n values for each of m columns, for all steps.
    pub(crate) fn draw_columns(&mut self, dropout: Option<Dropout>, site: Site, place: Place, m: usize, n: usize) {
        let Some(dropout) = self.begin(dropout, site, [1, m, n]) else { return };
        let kept = time_major_mut(n, m, 1, &mut self.kept);
        Draw { dropout: dropout.first_step(0), site, place }.run(Columns { first: 0, lengths: None, kept });
    }

    /// Draws a row for each step of each column: the n units of the first direction, then those of the second one.
    pub(crate) fn draw_steps(
        &mut self,
        dropout: Option<Dropout>,
        layer: usize,
        lengths: &[usize],
        [t_x, directions, n]: [usize; 3],
    ) {
        let m = lengths.len();
        let site = Site::BetweenLayers;
        let Some(dropout) = self.begin(dropout, site, [t_x, m, directions * n]) else { return };
        let mut kept = time_major_mut(directions * n, m, t_x, &mut self.kept);
        for (reverse, kept) in [false, true].into_iter().zip(kept.axis_chunks_iter_mut(Axis(2), n.max(1))) {
            let columns = Columns { first: 0, lengths: Some(lengths), kept };
            Draw { dropout, site, place: Place { layer, reverse } }.run(columns);
        }
    }

    /// Makes room, or makes the mask empty where nothing is dropped.
    fn begin<'d>(&mut self, dropout: Option<Dropout<'d>>, site: Site, axes: [usize; 3]) -> Option<Dropout<'d>> {
        let Some(dropout) = dropout.filter(|dropout| dropout.rate(site) > 0.0) else {
            self.kept.clear();
            (self.factor, self.n) = (0.0, 0);
            return None;
        };
        fit(&mut self.kept, product(axes));
        (self.factor, self.n) = (1.0 / (1.0 - dropout.rate(site)), axes[2]);
        Some(dropout)
    }

    /// The mask, or `None` where it is empty.
    pub(crate) fn rows<A: Scalar>(&self) -> Option<MaskRows<'_, A>> {
        (!self.kept.is_empty()).then(|| MaskRows { kept: &self.kept, factor: narrow(self.factor), n: self.n })
    }
}

/// Rows of a mask. They repeat where the values are longer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaskRows<'a, A> {
    pub(crate) kept: &'a [bool],
    pub(crate) factor: A,
    /// The number of values in a row.
    pub(crate) n: usize,
}

impl<A: NdFloat> MaskRows<'_, A> {
    /// One row.
    pub(crate) fn row(self, row: usize) -> Self {
        MaskRows { kept: &self.kept[row * self.n..][..self.n], ..self }
    }

    /// m of one value
    pub(crate) fn factor(self, index: usize) -> A {
        if self.kept[index] { self.factor } else { A::zero() }
    }

    /// result ← m ⊙ values
    pub(crate) fn write(self, result: &mut [A], values: &[A]) {
        let n = self.kept.len();
        for (result, values) in result.chunks_exact_mut(n).zip(values.chunks_exact(n)) {
            for ((result, &value), &kept) in result.iter_mut().zip(values).zip(self.kept) {
                *result = keep(kept, self.factor * value);
            }
        }
    }

    /// values ← m ⊙ values
    pub(crate) fn apply(self, values: &mut [A]) {
        for values in values.chunks_exact_mut(self.kept.len()) {
            for (value, &kept) in values.iter_mut().zip(self.kept) {
                *value = keep(kept, self.factor * *value);
            }
        }
    }
}

/// The value, or zero. The product comes first, so that no branch depends on a random number.
#[inline(always)]
fn keep<A: NdFloat>(kept: bool, value: A) -> A {
    if kept { value } else { A::zero() }
}

/// The words of one mask.
struct Draw<'a> {
    dropout: Dropout<'a>,
    site: Site,
    place: Place,
}

/// Some columns of a mask.
struct Columns<'a> {
    /// The number of columns before these.
    first: usize,
    /// The number of steps of each column; `None` for all steps.
    lengths: Option<&'a [usize]>,
    /// (steps, columns, n)
    kept: ArrayViewMut3<'a, bool>,
}

impl Columns<'_> {
    /// Splits off the columns of the parts before `middle`.
    fn share(self, parts: Range<usize>, middle: usize) -> (Self, Self) {
        let m = self.kept.len_of(Axis(1));
        self.split_at(m * (middle - parts.start) / parts.len())
    }

    fn split_at(self, column: usize) -> (Self, Self) {
        let (kept0, kept1) = self.kept.split_at(Axis(1), column);
        let lengths = self.lengths.map(|lengths| &lengths[column..]);
        // The first part has the lengths of all columns, and reads those of its own.
        (Columns { kept: kept0, ..self }, Columns { kept: kept1, lengths, first: self.first + column })
    }
}

impl Draw<'_> {
    /// Draws on several threads where there is work for them.
    fn run(&self, columns: Columns) {
        let m = columns.kept.len_of(Axis(1));
        let useful = (columns.kept.len() / MIN_VALUES_PER_THREAD).min(m);
        let threads = if useful <= 1 { 1 } else { useful.min(threads::available()) };
        threads::enter(threads, || {
            threads::run_parts(columns, 0..threads, &Columns::share, &|columns: Columns| self.draw(columns));
        });
    }

    /// A value is kept where its word is not below rate·2³². The key is (seed, layer, direction, site), the stream is the
    /// column, and the place in the stream is step·n + unit.
    fn draw(&self, Columns { first, lengths, mut kept }: Columns) {
        let Draw { dropout, site, place } = self;
        let mut key = [0; 32];
        let words = [dropout.seed, place.layer as u64, u64::from(place.reverse), *site as u64];
        key.chunks_exact_mut(8).zip(words).for_each(|(key, word)| key.copy_from_slice(&word.to_le_bytes()));
        let mut generator = ChaCha8Rng::from_seed(key);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to 2³², and a cast saturates"
        )]
        let dropped = (dropout.rate(*site) * 2f64.powi(32)).round() as u32;
        let n = kept.len_of(Axis(2)) as u128;
        for (column, mut kept) in kept.axis_iter_mut(Axis(1)).enumerate() {
            let number = dropout.columns.map_or((first + column) as u64, |columns| columns[first + column]);
            generator.set_stream(number);
            generator.set_word_pos(u128::from(dropout.first_step) * n);
            let steps = lengths.map_or(kept.nrows(), |lengths| lengths[column]);
            for (step, mut row) in kept.rows_mut().into_iter().enumerate() {
                let row = row.as_slice_mut().expect("the units of a row are neighbours");
                if step >= steps {
                    row.fill(false);
                    continue;
                }
                let mut bytes = [0; 256];
                for row in row.chunks_mut(bytes.len() / 4) {
                    let bytes = &mut bytes[..4 * row.len()];
                    generator.fill_bytes(bytes);
                    for (kept, word) in row.iter_mut().zip(bytes.chunks_exact(4)) {
                        *kept = u32::from_le_bytes([word[0], word[1], word[2], word[3]]) >= dropped;
                    }
                }
            }
        }
    }
}
