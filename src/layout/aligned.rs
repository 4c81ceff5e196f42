use std::fmt;
use std::ops::{Deref, DerefMut};

use super::{Bytes, fit};

/// The size of a cache line and of the widest vector. If the first vector starts on a line, no vector straddles two lines.
const LINE: usize = 64;

/// Elements that start on a cache line.
pub(crate) struct Aligned<A> {
    /// Padding up to the start of a line, then the elements, then unused ones.
    buffer: Vec<A>,
    start: usize,
    length: usize,
}

/// The length of a buffer that has room for `length` elements from the start of a line on.
fn room<A>(length: usize) -> usize {
    if length == 0 { 0 } else { length.saturating_add(LINE / size_of::<A>()) }
}

/// The number of elements before the first line in the buffer.
fn start_of<A>(buffer: &[A]) -> usize {
    if buffer.is_empty() { 0 } else { buffer.as_ptr().align_offset(LINE).min(LINE / size_of::<A>()) }
}

impl<A> Default for Aligned<A> {
    fn default() -> Self {
        Aligned { buffer: Vec::new(), start: 0, length: 0 }
    }
}

impl<A: Clone + Default> Aligned<A> {
    /// Sets the number of elements; their values are unspecified. To grow, it frees the memory and allocates again.
    pub(crate) fn fit(&mut self, length: usize) {
        if self.buffer.len() < room::<A>(length) {
            fit(&mut self.buffer, room::<A>(length));
            self.start = start_of(&self.buffer);
        }
        self.length = length;
    }

    /// `length` default values.
    pub(crate) fn new(length: usize) -> Self {
        let mut aligned = Aligned::default();
        aligned.fit(length);
        aligned
    }

    /// The memory of `length` elements.
    pub(crate) fn bytes(length: usize) -> Bytes {
        Bytes::of::<A>([length]) + Bytes(LINE)
    }
}

impl<A: Clone> FromIterator<A> for Aligned<A> {
    /// Allocates once, if the iterator knows its length.
    fn from_iter<I: IntoIterator<Item = A>>(elements: I) -> Self {
        let elements = elements.into_iter();
        let mut buffer = Vec::with_capacity(room::<A>(elements.size_hint().0));
        buffer.extend(elements);
        let length = buffer.len();
        buffer.reserve_exact(room::<A>(length) - length);
        let start = start_of(&buffer);
        let padding: Vec<A> = buffer.iter().take(1).cycle().take(start).cloned().collect();
        buffer.splice(..0, padding);
        Aligned { buffer, start, length }
    }
}

impl<A: Clone> Clone for Aligned<A> {
    fn clone(&self) -> Self {
        self.iter().cloned().collect()
    }
}

impl<A> Aligned<A> {
    /// `length` elements from `first` on. It checks less than an index into the slice of all.
    #[inline(always)]
    pub(crate) fn part(&self, first: usize, length: usize) -> &[A] {
        &self.buffer[self.start + first..][..length]
    }
}

impl<A> Deref for Aligned<A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        self.part(0, self.length)
    }
}

impl<A> DerefMut for Aligned<A> {
    fn deref_mut(&mut self) -> &mut [A] {
        &mut self.buffer[self.start..][..self.length]
    }
}

impl<A: PartialEq> PartialEq for Aligned<A> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl<A: fmt::Debug> fmt::Debug for Aligned<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self[..].fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_aligned<A: Clone>(aligned: &Aligned<A>) {
        assert_eq!(aligned.as_ptr().align_offset(LINE), 0, "{} elements", aligned.len());
    }

    #[test]
    fn elements_start_on_a_line_and_keep_their_values() {
        for length in [1_u16, 2, 15, 16, 17, 63, 1009] {
            let values: Vec<f32> = (0..length).map(f32::from).collect();
            let aligned: Aligned<f32> = values.iter().copied().collect();
            assert_aligned(&aligned);
            assert_eq!(aligned[..], values);
            assert_aligned(&aligned.clone());
            assert_eq!(aligned.clone(), aligned);
            assert!(aligned.buffer.capacity() * size_of::<f32>() <= Aligned::<f32>::bytes(values.len()).0);
            // An iterator that does not know its length.
            assert_eq!(values.iter().copied().filter(|_| true).collect::<Aligned<_>>(), aligned);
        }
    }

    #[test]
    fn memory_that_is_reused_starts_on_a_line() {
        let mut aligned = Aligned::<f64>::default();
        for length in [3, 0, 31, 7, 8, 32, 0, 1009, 1000, 1010] {
            aligned.fit(length);
            assert_eq!(aligned.len(), length);
            if length > 0 {
                assert_aligned(&aligned);
            }
        }
        assert!(aligned.buffer.capacity() * size_of::<f64>() <= Aligned::<f64>::bytes(1010).0);
        assert!(Aligned::<f64>::new(17).iter().all(|value| value.to_bits() == 0));
    }

    #[test]
    fn no_elements_need_no_memory() {
        for none in [Aligned::<f32>::default(), Aligned::new(0), [].into_iter().collect(), Aligned::default().clone()] {
            assert_eq!((none.len(), none.buffer.capacity()), (0, 0));
        }
    }
}
