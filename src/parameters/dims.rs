use std::ops::Range;

/// The dimensions of a network.
///
/// `n_y = 0` is a network without an output layer, such as the lower network of a stack. Every dimension may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Dims {
    /// Inputs per step.
    pub n_x: usize,
    /// Hidden units.
    pub n_a: usize,
    /// Outputs per step: the classes of the softmax.
    pub n_y: usize,
}

impl Dims {
    /// The number of parameters, `n_a·n_x + n_a² + n_y·n_a + n_a + n_y`.
    ///
    /// The result is `usize::MAX` where [`checked_len`](Self::checked_len) is `None`.
    #[must_use]
    pub fn len(self) -> usize {
        self.checked_len().unwrap_or(usize::MAX)
    }

    /// The number of parameters, or `None` where a machine cannot address that many.
    ///
    /// In this check, a dimension of zero counts as one: an array of that shape must also be possible.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::Dims;
    ///
    /// assert_eq!(Dims { n_x: 3, n_a: 5, n_y: 2 }.checked_len(), Some(57));
    /// assert_eq!(Dims { n_x: usize::MAX, n_a: 5, n_y: 2 }.checked_len(), None);
    /// assert_eq!(Dims { n_x: usize::MAX, n_a: 0, n_y: 2 }.checked_len(), None);
    /// ```
    #[must_use]
    pub fn checked_len(self) -> Option<usize> {
        let Dims { n_x, n_a, n_y } = self;
        let shapes = [[n_a, n_x], [n_a, n_a], [n_y, n_a], [n_a, 1], [n_y, 1]];
        let elements = shapes
            .into_iter()
            .try_fold(0_usize, |sum, [rows, columns]| sum.checked_add(rows.max(1).checked_mul(columns.max(1))?))?;
        let bytes = isize::try_from(elements.checked_mul(size_of::<f64>())?);
        bytes.is_ok().then(|| self.by().end)
    }

    /// Whether the network has no parameters.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The greater of each dimension.
    pub(crate) fn max(self, other: Self) -> Self {
        Dims { n_x: self.n_x.max(other.n_x), n_a: self.n_a.max(other.n_a), n_y: self.n_y.max(other.n_y) }
    }

    pub(crate) fn triple(self) -> [usize; 3] {
        [self.n_x, self.n_a, self.n_y]
    }

    /// The name of an element of the flat buffer: `waa[3, 1]`.
    pub(crate) fn name_of(self, index: usize) -> Option<String> {
        let Dims { n_x, n_a, .. } = self;
        for (name, range, columns) in [("wax", self.wax(), n_x), ("waa", self.waa(), n_a), ("wya", self.wya(), n_a)] {
            if range.contains(&index) {
                let at = index - range.start;
                return Some(format!("{name}[{}, {}]", at / columns, at % columns));
            }
        }
        let biases = [("ba", self.ba()), ("by", self.by())];
        let bias = biases.into_iter().find(|(_, range)| range.contains(&index));
        bias.map(|(name, range)| format!("{name}[{}]", index - range.start))
    }

    pub(crate) fn wax(self) -> Range<usize> {
        0..self.n_a * self.n_x
    }
    pub(crate) fn waa(self) -> Range<usize> {
        let start = self.wax().end;
        start..start + self.n_a * self.n_a
    }
    pub(crate) fn wya(self) -> Range<usize> {
        let start = self.waa().end;
        start..start + self.n_y * self.n_a
    }
    pub(crate) fn ba(self) -> Range<usize> {
        let start = self.wya().end;
        start..start + self.n_a
    }
    pub(crate) fn by(self) -> Range<usize> {
        let start = self.ba().end;
        start..start + self.n_y
    }
}
