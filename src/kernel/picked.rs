//! Rows of a matrix: its product with one-hot vectors.

use pulp::{Simd, WithSimd};

use super::elementwise::{load, store};
use super::run::kernel;
use super::{Factor, Lanes};

/// z ← start + value·row, for the listed rows of a matrix.
///
/// - `z`: one row of n elements for each listed one
/// - `start`: n elements
/// - `values`: one for each listed row; `None` is 1
pub(crate) struct PickedRows<'a, A> {
    pub(crate) z: &'a mut [A],
    pub(crate) start: &'a [A],
    pub(crate) b: Factor<'a, A>,
    pub(crate) rows: &'a [usize],
    pub(crate) values: Option<&'a [A]>,
}

kernel!(PickedRows: CompiledPickedRows);

impl<A: Lanes> WithSimd for PickedRows<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let PickedRows { z, start, b, rows, values } = self;
        debug_assert_eq!(z.len(), rows.len() * start.len());
        let lanes = A::lanes::<S>();
        for (i, (z, &row)) in z.chunks_exact_mut(start.len().max(1)).zip(rows).enumerate() {
            let value = A::splat(simd, values.map_or(A::one(), |values| values[i]));
            for (panel, (z, start)) in z.chunks_mut(lanes).zip(start.chunks(lanes)).enumerate() {
                let b = match b {
                    Factor::Packed(b) => b.panel::<S>(panel)[row],
                    Factor::Plain { b, n } => load(simd, &b[row * n + panel * lanes..][..z.len()]),
                    Factor::Transposed { w, k, .. } => {
                        let mut column = [A::zero(); 16];
                        for (to, w) in column.iter_mut().zip(w[panel * lanes * k..].chunks_exact(k)).take(lanes) {
                            *to = w[row];
                        }
                        load(simd, &column)
                    }
                };
                store(simd, z, A::vfma(simd, value, b, load(simd, start)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Isa, Packed, Rows};
    use super::*;

    #[test]
    fn every_instruction_set_picks_the_same_rows() {
        for n in [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65] {
            let (k, rows, values) = (5, [4, 0, 3, 3], [1.0, 1.0 / 0.7, -2.0, 0.0]);
            let b: Vec<f32> = (1u16..).map(|i| f32::from(i) / 7.0).take(k * n).collect();
            let start: Vec<f32> = (1u16..).map(|i| f32::from(i) / 3.0).take(n).collect();
            let expected = |values: [f32; 4]| -> Vec<f32> {
                let element = |i: usize, j: usize| libm::fmaf(values[i], b[rows[i] * n + j], start[j]);
                (0..rows.len()).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
            };
            let w: Vec<f32> = (0..n * k).map(|at| b[at % k * n + at / k]).collect();
            for isa in Isa::all() {
                let mut packed = Packed::default();
                packed.pack_rows_for(isa, k, n, Rows::ascending(&b, n));
                for b in [(&packed).into(), Factor::Plain { b: &b, n }, Factor::Transposed { w: &w, k, n }] {
                    for (values, expected) in [(None, expected([1.0; 4])), (Some(&values[..]), expected(values))] {
                        let mut z = vec![f32::NAN; rows.len() * n];
                        isa.run(PickedRows { z: &mut z, start: &start, b, rows: &rows, values });
                        assert_eq!(z, expected, "{isa:?}, {n} columns, {b:?}");
                    }
                }
            }
        }
    }
}
