//! The loops over time. Between two steps, they call nothing and choose nothing.

use pulp::{Simd, WithSimd};

use super::activation::activation_gradient;
use super::product::blocks;
use super::run::{Kernel, kernel};
use super::{Activation, Epilogue, Factor, Lanes, Start};
use crate::Scalar;

/// a ← φ(a + `a_prev`·B), step by step. The result of a step is the next `a_prev`.
///
/// - `a`: steps of as many elements as `a_prev`
/// - `b`: (n, n)
pub(crate) struct Recurrence<'a, A> {
    pub(crate) a: &'a mut [A],
    pub(crate) a_prev: &'a [A],
    pub(crate) b: Factor<'a, A>,
    pub(crate) activation: Activation,
}

kernel!(Recurrence: CompiledRecurrence);

impl<A: Lanes> WithSimd for Recurrence<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Recurrence { a, mut a_prev, b, activation } = self;
        if a_prev.is_empty() {
            return;
        }
        // A single step needs no division.
        if a.len() == a_prev.len() {
            return blocks(simd, a, Start::Accumulate, a_prev, b, Epilogue::Activate(activation));
        }
        for a_next in a.chunks_exact_mut(a_prev.len()) {
            blocks(simd, a_next, Start::Accumulate, a_prev, b, Epilogue::Activate(activation));
            a_prev = a_next;
        }
    }
}

/// dz ← (`da_next` + dz)·φ′(a), then `da_next` ← dz·B, step by step, the last step first.
///
/// - `dz`, `a`: steps of as many elements as `da_next`
/// - `b`: (n, n)
pub(crate) fn recur_gradient<A: Scalar>(
    dz: &mut [A],
    da_next: &mut [A],
    a: &[A],
    b: Factor<A>,
    activation: Activation,
) {
    debug_assert_eq!(dz.len(), a.len());
    if !da_next.is_empty() {
        RecurrenceGradient { dz, da_next, a, b, activation }.dispatch();
    }
}

kernel!(RecurrenceGradient: CompiledRecurrenceGradient);

/// The body of [`recur_gradient`].
struct RecurrenceGradient<'a, A> {
    dz: &'a mut [A],
    da_next: &'a mut [A],
    a: &'a [A],
    b: Factor<'a, A>,
    activation: Activation,
}

impl<A: Lanes> WithSimd for RecurrenceGradient<'_, A> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let RecurrenceGradient { dz, da_next, a, b, activation } = self;
        let step = da_next.len();
        for (dz, a) in dz.chunks_exact_mut(step).zip(a.chunks_exact(step)).rev() {
            activation_gradient(simd, dz, da_next, a, activation);
            blocks(simd, da_next, Start::Zero, dz, b, Epilogue::Store);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::values;
    use super::super::{Isa, Packed, Rows};
    use super::*;

    /// rows·B, as one chain for each element that starts at `start`.
    fn chains(start: &[f32], rows: &[f32], b: &[f32], n: usize) -> Vec<f32> {
        let chain = |i: usize| (0..n).fold(start[i], |sum, k| libm::fmaf(rows[i / n * n + k], b[k * n + i % n], sum));
        (0..rows.len()).map(chain).collect()
    }

    #[test]
    fn each_step_reads_the_result_of_the_step_before() {
        for n in [1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 65, 129] {
            for m in [1, 2, 3, 7] {
                let (steps, size) = (3, m * n);
                let (b, a_prev, z) = (values(1, n * n), values(2, size), values(3, steps * size));
                let w: Vec<f32> = (0..n * n).map(|at| b[at % n * n + at / n]).collect();
                let mut expected: Vec<f32> = Vec::new();
                for step in 0..steps {
                    let before = if step == 0 { &a_prev[..] } else { &expected[(step - 1) * size..] };
                    let next = chains(&z[step * size..][..size], before, &b, n);
                    expected.extend(next.iter().map(|z| z.max(0.0)));
                }

                let dz = values(4, steps * size);
                let (mut expected_dz, mut expected_da) = (dz.clone(), values(5, size));
                for step in (0..steps).rev() {
                    for (i, dz) in expected_dz[step * size..][..size].iter_mut().enumerate() {
                        let slope = f32::from(u8::from(expected[step * size + i] > 0.0));
                        *dz = (expected_da[i] + *dz) * slope;
                    }
                    expected_da = chains(&vec![0.0; size], &expected_dz[step * size..][..size], &b, n);
                }

                for isa in Isa::all() {
                    let mut packed = Packed::default();
                    packed.pack_rows_for(isa, n, n, Rows::ascending(&b, n));
                    for b in [(&packed).into(), Factor::Plain { b: &b, n }, Factor::Transposed { w: &w, k: n, n }] {
                        let mut a = z.clone();
                        isa.run(Recurrence { a: &mut a, a_prev: &a_prev, b, activation: Activation::Relu });
                        assert_eq!(a, expected, "{isa:?}: m = {m}, n = {n}");
                        let (mut dz, mut da) = (dz.clone(), values(5, size));
                        let (a, activation) = (&a[..], Activation::Relu);
                        isa.run(RecurrenceGradient { dz: &mut dz, da_next: &mut da, a, b, activation });
                        assert_eq!((dz, da), (expected_dz.clone(), expected_da.clone()), "{isa:?}: m = {m}, n = {n}");
                    }
                }
            }
        }
    }
}
