//! A matrix laid out for the vectors that will read it.
//!
//! `B` of shape (k, n) is stored vector column by vector column: for every group of `LANES` columns, the group's `k`
//! vectors one after the other, the last group filled with zeros. The product then reads memory forward only, however
//! many of the groups it works on at once.

use pulp::{Simd, WithSimd};

use super::elementwise::load;
use super::{Kernel, Lanes, Rows};

/// A cache line, and the widest vector: no vector straddles two lines when the first one starts on a line.
const ALIGNMENT: usize = 64;

/// A packed matrix.
#[derive(Debug)]
pub(crate) struct Packed<A> {
    buffer: Vec<A>,
    /// Where the first cache line in the buffer starts.
    start: usize,
    k: usize,
    n: usize,
}

impl<A> Default for Packed<A> {
    fn default() -> Self {
        Packed { buffer: Vec::new(), start: 0, k: 0, n: 0 }
    }
}

impl<A: Clone> Clone for Packed<A> {
    fn clone(&self) -> Self {
        let mut buffer = Vec::with_capacity(self.buffer.len());
        let start = aligned_start(buffer.as_ptr()).min(self.buffer.len());
        let packed = &self.buffer[self.start..];
        buffer.extend_from_slice(&self.buffer[..start]);
        buffer.extend_from_slice(&packed[..packed.len().min(self.buffer.len() - start)]);
        buffer.extend_from_slice(&self.buffer[buffer.len()..]);
        Packed { buffer, start, k: self.k, n: self.n }
    }
}

/// Elements of the buffer before its first cache line.
fn aligned_start<A>(buffer: *const A) -> usize {
    buffer.align_offset(ALIGNMENT).min(slack::<A>())
}

/// Room to move the start to a cache line.
fn slack<A>() -> usize {
    ALIGNMENT / size_of::<A>()
}

impl<A: Lanes> Packed<A> {
    /// Rows, the length of every chain.
    pub(crate) fn k(&self) -> usize {
        self.k
    }

    /// Columns, the outputs.
    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Packs `k` rows of `n` elements.
    pub(crate) fn pack_rows(&mut self, k: usize, n: usize, rows: Rows<A>)
    where
        A: Kernel,
    {
        A::pack_rows(PackRows { packed: self, k, n, rows });
    }

    /// Packs Wᵀ, where `w` holds the `n` rows of `k` elements of W.
    pub(crate) fn pack_transposed(&mut self, k: usize, n: usize, w: &[A])
    where
        A: Kernel,
    {
        A::pack_transposed(PackTransposed { packed: self, k, n, w });
    }

    /// Every group's `k` vectors, group after group.
    #[inline(always)]
    pub(super) fn vectors<S: Simd>(&self) -> &[A::Vector<S>] {
        let length = self.n.next_multiple_of(A::lanes::<S>()) * self.k;
        A::vectors::<S>(&self.buffer[self.start..][..length]).0
    }

    /// Makes room for (k, n) and returns the storage, its contents unspecified.
    fn reshape<S: Simd>(&mut self, k: usize, n: usize) -> &mut [A] {
        let length = n.next_multiple_of(A::lanes::<S>()) * k;
        if self.buffer.len() < length + slack::<A>() {
            self.buffer.resize(length + slack::<A>(), A::zero());
        }
        self.start = aligned_start(self.buffer.as_ptr());
        (self.k, self.n) = (k, n);
        &mut self.buffer[self.start..][..length]
    }
}

/// What [`Packed::pack_rows`] runs.
pub struct PackRows<'a, A> {
    packed: &'a mut Packed<A>,
    k: usize,
    n: usize,
    rows: Rows<'a, A>,
}

impl<A: Lanes> WithSimd for PackRows<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PackRows { packed, k, n, rows } = self;
        let lanes = A::lanes::<S>();
        let (groups, _) = A::vectors_mut::<S>(packed.reshape::<S>(k, n));
        for (group, at) in groups.chunks_exact_mut(k.max(1)).zip((0..n).step_by(lanes)) {
            let width = lanes.min(n - at);
            for (vector, row) in group.iter_mut().zip(rows.clone()) {
                *vector = load(simd, &row[at..at + width]);
            }
        }
    }
}

/// What [`Packed::pack_transposed`] runs.
pub struct PackTransposed<'a, A> {
    packed: &'a mut Packed<A>,
    k: usize,
    n: usize,
    w: &'a [A],
}

impl<A: Lanes> WithSimd for PackTransposed<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let PackTransposed { packed, k, n, w } = self;
        let lanes = A::lanes::<S>();
        let storage = packed.reshape::<S>(k, n);
        if k == 0 {
            return;
        }
        let groups = storage.chunks_exact_mut(k * lanes);
        for (group, rows) in groups.zip(w.chunks(k * lanes)) {
            if rows.len() < group.len() {
                group.fill(A::zero());
            }
            for (lane, row) in rows.chunks_exact(k).enumerate() {
                for (slot, &value) in group[lane..].iter_mut().step_by(lanes).zip(row) {
                    *slot = value;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Isa;
    use super::*;

    struct Unpack<'a>(&'a Packed<f32>);
    impl WithSimd for Unpack<'_> {
        type Output = Vec<f32>;
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let (k, n, lanes) = (self.0.k(), self.0.n(), f32::lanes::<S>());
            let mut out = vec![f32::NAN; k * n];
            for (i, vector) in self.0.vectors::<S>().iter().enumerate() {
                let mut all = vec![0.0; lanes];
                f32::store(simd, &mut all, *vector);
                for (lane, value) in all.into_iter().enumerate() {
                    let column = i / k * lanes + lane;
                    if column < n {
                        out[i % k * n + column] = value;
                    } else {
                        assert_eq!(value.to_bits(), 0, "the last group is filled with zeros");
                    }
                }
            }
            out
        }
    }

    #[test]
    fn packing_loses_nothing_and_a_reused_buffer_leaks_nothing() {
        let mut packed = Packed::default();
        for (k, n) in [(1, 1), (3, 17), (7, 16), (2, 33), (5, 3), (0, 4), (4, 0), (13, 31)] {
            let b: Vec<f32> = (1u16..).map(f32::from).take(k * n).collect();
            let transposed: Vec<f32> = (0..k * n).map(|i| b[i % k.max(1) * n + i / k.max(1)]).collect();
            packed.pack_rows(k, n, Rows::ascending(&b, n));
            assert_eq!(Isa::current().run(Unpack(&packed)), b);
            packed.pack_transposed(k, n, &transposed);
            assert_eq!(Isa::current().run(Unpack(&packed)), b);
            assert_eq!(Isa::current().run(Unpack(&packed.clone())), b);
        }
    }
}
