//! tanh, exp and the sigmoid, lane by lane: few roundings, in the same order on every instruction set.
//!
//! **tanh.** |x| = n·(ln 2)/2 + r with n = ⌈|x| / ((ln 2)/2) − θ⌉, at least 0. A polynomial gives t = tanh r. With v = 2⁻ⁿ
//! and c = 1 − v, the addition theorem gives (c + (1 + v)·t) / ((1 + v) + c·t), which rounds three times at full size.
//! Taking c out of the quotient leaves one such rounding, the last:
//!
//! ```text
//!                   c − (2 + c)·t
//! tanh |x| = c − v ───────────────
//!                  (1 + v) + c·t
//! ```
//!
//! θ moves c inside the range of tanh for each n. This keeps the quotient small, and the weight of its rounding errors too.
//! For n = 0 the result is t, and the leading term of t is r = |x|: tiny arguments and zeros are returned unchanged.
//!
//! **exp.** x = n·ln 2 + r with n = ⌊x / ln 2 + θ⌋, exp x = 2^⌊n/2⌋ · 2^⌈n/2⌉ · (1 + (r + r²·q(r))). With two powers of two,
//! only the last multiplication overflows or underflows. With θ = 2 − log₂ 3, exp r − 1 is between −1/4 and 1/2. There it
//! and r are finest relative to the unit in the last place of exp r.
//!
//! Largest errors found, in units in the last place of the exact result (ULP):
//!
//! | | every f32 | f64, 3·10⁸ samples |
//! |---|---|---|
//! | tanh | 0.981 | 1.554 |
//! | exp | 0.970 | 1.000 |
//!
//! `ELMAN_EXHAUSTIVE=1 cargo test --features avx512 --lib kernel::math::accuracy -- --nocapture` prints them.
//!
//! To compute n, the code adds a large number, chosen so that a shift moves the last integer bit of the sum to the last
//! bit of the exponent field. A mask clears the fraction below it, which rounds down. Shifts act on 32-bit words: an f64
//! holds n in its upper word, and the lower word is already zero.
//!
//! The numbers are in [`constants`].

#[cfg(test)]
mod accuracy;
mod constants;

use pulp::Simd;

pub(super) use constants::Constants;
use constants::{Exp, Tanh};

use super::Lanes;

/// Σ cᵢ·xⁱ by Horner's rule.
#[inline(always)]
fn polynomial<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>, coefficients: &[A]) -> A::Vector<S> {
    let (last, rest) = coefficients.split_last().expect("no polynomial here is empty");
    let mut sum = A::splat(simd, *last);
    for c in rest.iter().rev() {
        sum = A::vfma(simd, sum, x, A::splat(simd, *c));
    }
    sum
}

/// min(x, `bound`); NaN if x is NaN.
#[inline(always)]
fn at_most<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>, bound: A) -> A::Vector<S> {
    let bound = A::splat(simd, bound);
    A::select(simd, A::less_than(simd, bound, x), bound, x)
}

/// max(x, `bound`); NaN if x is NaN.
#[inline(always)]
pub(super) fn at_least<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>, bound: A) -> A::Vector<S> {
    let bound = A::splat(simd, bound);
    A::select(simd, A::less_than(simd, x, bound), bound, x)
}

/// tanh x. NaN stays NaN, and the result has the sign of x.
#[inline(always)]
pub(super) fn tanh<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>) -> A::Vector<S> {
    let Tanh { saturation, inverse_step, step, origin, shift, theta, p } = A::TANH;
    let one = A::splat(simd, A::one());
    let y = A::and(simd, x, A::splat(simd, A::MAGNITUDE));
    let y = at_most(simd, y, saturation);

    // origin − n
    let sum = A::vfnma(simd, y, A::splat(simd, inverse_step), A::splat(simd, origin + theta));
    let sum = A::and(simd, sum, A::splat(simd, A::INTEGER));
    // θ above 1 makes n negative near 0.
    let sum = if theta > A::one() { at_most(simd, sum, origin) } else { sum };
    let v = A::shift_words_left(simd, sum, shift);
    let r = A::vfma(simd, A::vsub(simd, sum, A::splat(simd, origin)), A::splat(simd, step), y);

    let u = A::vmul(simd, r, r);
    let t = A::vfma(simd, A::vmul(simd, r, u), polynomial(simd, u, p), r);

    let c = A::vsub(simd, one, v);
    let two_plus_c = A::vadd(simd, A::splat(simd, A::one() + A::one()), c);
    let numerator = A::vfnma(simd, two_plus_c, t, c);
    let denominator = A::vfma(simd, c, t, A::vadd(simd, one, v));
    let tanh = A::vfnma(simd, v, A::vdiv(simd, numerator, denominator), c);
    A::or(simd, tanh, A::and(simd, x, A::splat(simd, A::SIGN)))
}

/// exp x. NaN stays NaN. A subnormal result is rounded twice.
#[inline(always)]
pub(super) fn exp<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>) -> A::Vector<S> {
    let Exp { lowest, highest, inverse_step, step, step_low, origin, shift, theta, q } = A::EXP;
    let x = at_least(simd, at_most(simd, x, highest), lowest);

    // origin + n
    let sum = A::vfma(simd, x, A::splat(simd, inverse_step), A::splat(simd, origin + theta));
    let sum = A::and(simd, sum, A::splat(simd, A::INTEGER));
    let n = A::vsub(simd, sum, A::splat(simd, origin));
    let r = A::vfnma(simd, n, A::splat(simd, step), x);
    let r = A::vfnma(simd, n, A::splat(simd, step_low), r);
    let expm1 = A::vfma(simd, A::vmul(simd, r, r), polynomial(simd, r, q), r);
    let negated = A::vsub(simd, A::splat(simd, -A::one()), expm1);

    // 2^⌊n/2⌋, or 1.5 times that for odd n: the bit below the exponent field is set.
    let scale = A::shift_words_left(simd, sum, shift);
    let floor = A::and(simd, scale, A::splat(simd, A::infinity()));
    // 2^⌊n/2⌋ − 2·scale = −2^⌈n/2⌉
    let negated_ceil = A::vfnma(simd, A::splat(simd, A::one() + A::one()), scale, floor);
    A::vmul(simd, A::vmul(simd, negated, negated_ceil), floor)
}

/// 1 / (1 + exp(−x)). NaN stays NaN. Below the x where exp(−x) overflows, the result is 0.
#[inline(always)]
pub(super) fn sigmoid<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>) -> A::Vector<S> {
    let one = A::splat(simd, A::one());
    let e = exp::<S, A>(simd, A::vsub(simd, A::splat(simd, A::zero()), x));
    A::vdiv(simd, one, A::vadd(simd, one, e))
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::super::Isa;
    use super::*;

    #[derive(Clone, Copy, Debug)]
    pub(super) enum Function {
        Tanh,
        Exp,
        Sigmoid,
    }

    struct Map<'a, A> {
        function: Function,
        values: &'a mut [A],
    }

    impl<A: Lanes> WithSimd for Map<'_, A> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            for values in self.values.chunks_mut(A::lanes::<S>()) {
                let x = A::load(simd, values);
                let y = match self.function {
                    Function::Tanh => tanh::<S, A>(simd, x),
                    Function::Exp => exp::<S, A>(simd, x),
                    Function::Sigmoid => sigmoid::<S, A>(simd, x),
                };
                A::store(simd, values, y);
            }
        }
    }

    pub(super) fn map<A: Lanes>(isa: Isa, function: Function, x: &[A]) -> Vec<A> {
        let mut values = x.to_vec();
        isa.run(Map { function, values: &mut values });
        values
    }

    pub(super) fn best() -> Isa {
        Isa::all().last().expect("the emulated one is always there")
    }

    /// |found − exact| in units in the last place of `exact`. 2ᵏ counts with the smaller of its two units. Infinity counts
    /// as the number after the largest finite one.
    pub(super) fn ulps(found: f32, exact: f64) -> f64 {
        if found.is_nan() || exact.is_nan() {
            return if found.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
        }
        let end = f64::from(f32::MAX) + 2f64.powi(127 - 23);
        let (found, exact) = (f64::from(found).clamp(-end, end), exact.clamp(-end, end));
        let exponent = (exact.abs().to_bits().saturating_sub(1) >> 52) as i32 - 1023;
        (found - exact).abs() / libm::ldexp(1.0, exponent.max(-126) - 23)
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "the meter is exact here")]
    fn the_meter_counts_half_steps_at_every_magnitude() {
        let up = |x: f32| f64::midpoint(f64::from(x), f64::from(x.next_up()));
        for x in [0.0, 1e-45, 3e-39, f32::MIN_POSITIVE, 1e-20, 1.0, 1.5, 1e30] {
            for (found, exact, expected) in
                [(x, up(x), 0.5), (-x, -up(x), 0.5), (x.next_up(), up(x), 0.5), (x.next_up().next_up(), up(x), 1.5)]
            {
                assert_eq!(ulps(found, exact), expected, "{found:e} for {exact:e}");
            }
            assert_eq!(ulps(x, f64::from(x)), 0.0);
        }
        // Below a power of two the unit is half the unit above it.
        assert_eq!(ulps(1.0f32.next_down(), 1.0), 1.0);
        assert_eq!(ulps(1.0f32.next_up(), 1.0), 2.0);
        assert_eq!(ulps(0.0, f64::from(f32::MIN_POSITIVE)), 2f64.powi(23));
        assert_eq!(ulps(f32::INFINITY, 1e300), 0.0);
        assert_eq!(ulps(f32::INFINITY, f64::from(f32::MAX)), 1.0);
        assert_eq!(ulps(f32::MAX, f64::INFINITY), 1.0);
        assert_eq!(ulps(f32::NAN, f64::NAN), 0.0);
        assert_eq!(ulps(f32::NAN, 0.0), f64::INFINITY);
        assert_eq!(ulps(0.0, f64::NAN), f64::INFINITY);
    }

    /// Every `stride`-th of all 2³² f32, in batches. A prime stride covers every exponent and every last bit.
    fn sweep(stride: u32) -> impl Iterator<Item = Vec<f32>> {
        let mut bits = (0..=u32::MAX).step_by(stride as usize).map(f32::from_bits);
        std::iter::from_fn(move || Some(bits.by_ref().take(4096).collect::<Vec<_>>()).filter(|x| !x.is_empty()))
    }

    /// An exp within 1 ULP, an addition and a quotient, of which each adds half a ULP.
    #[test]
    fn sigmoid_of_f32_is_within_two_and_a_half_ulps_where_exp_is_finite() {
        let (mut worst, mut at) = (0.0, 0.0);
        for x in sweep(997) {
            for (x, y) in x.iter().zip(map(best(), Function::Sigmoid, &x)) {
                let error = ulps(y, 1.0 / (1.0 + (-f64::from(*x)).exp()));
                if *x < -88.7 {
                    assert!(y.abs() < 1e-38, "sigmoid({x}) is not {y}");
                } else if error > worst {
                    (worst, at) = (error, *x);
                }
            }
        }
        println!("sigmoid of f32: at most {worst:.6} ULP, at {at:?}");
        assert!(worst <= 2.5, "sigmoid({at:?}) is wrong by {worst} ULP");
    }

    /// Asserts equal bits. Any two NaNs count as equal.
    #[track_caller]
    pub(super) fn assert_same<A: Lanes>(x: &[A], found: &[A], expected: &[A]) {
        for ((x, f), e) in x.iter().zip(found).zip(expected) {
            let same = f == e && f.is_sign_negative() == e.is_sign_negative();
            assert!(same || (f.is_nan() && e.is_nan()), "at {x:?}: {f:?} is not {e:?}");
        }
    }

    fn assert_same_everywhere<A: Lanes>(x: &[A]) {
        for function in [Function::Tanh, Function::Exp, Function::Sigmoid] {
            let emulated = map(Isa::Scalar, function, x);
            for isa in Isa::all() {
                assert_same(x, &map(isa, function, x), &emulated);
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for x in sweep(10_007) {
            assert_same_everywhere(&x);
            assert_same_everywhere(&x.iter().map(|x| f64::from(*x) * 1.000_000_123).collect::<Vec<_>>());
        }
    }

    fn assert_odd<A: Lanes>(x: &[A]) {
        let negated = |x: &[A]| x.iter().map(|x| -*x).collect::<Vec<_>>();
        let tanh = |x: &[A]| map(best(), Function::Tanh, x);
        assert_same(x, &tanh(&negated(x)), &negated(&tanh(x)));
    }

    #[test]
    fn tanh_is_odd_bit_for_bit() {
        for x in sweep(9_973) {
            assert_odd(&x);
            assert_odd(&x.iter().map(|x| f64::from(*x) * 1.000_000_123).collect::<Vec<_>>());
        }
    }

    macro_rules! limits {
        ($name:ident, $float:ident, $one_from:expr, $infinite_from:expr, $zero_to:expr) => {
            #[test]
            fn $name() {
                let (one_from, infinite_from, zero_to): ($float, $float, $float) =
                    ($one_from, $infinite_from, $zero_to);
                let (infinity, least) = ($float::INFINITY, $float::from_bits(1));
                for isa in Isa::all() {
                    let tiny = [0.0, least, $float::MIN_POSITIVE.next_down(), $float::MIN_POSITIVE, 1e-20];
                    assert_same(&tiny, &map(isa, Function::Tanh, &tiny), &tiny);
                    let x = [one_from, 1e30, $float::MAX, infinity, -one_from, $float::MIN, -infinity, $float::NAN];
                    let y = [1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, $float::NAN];
                    assert_same(&x, &map(isa, Function::Tanh, &x), &y);

                    assert_same(&tiny, &map(isa, Function::Exp, &tiny), &[1.0; 5]);
                    assert_same(&tiny, &map(isa, Function::Exp, &tiny.map(|x| -x)), &[1.0; 5]);
                    let x = [
                        infinite_from,
                        $float::MAX,
                        infinity,
                        zero_to.next_up(),
                        zero_to,
                        $float::MIN,
                        -infinity,
                        $float::NAN,
                    ];
                    let y = [infinity, infinity, infinity, least, 0.0, 0.0, 0.0, $float::NAN];
                    assert_same(&x, &map(isa, Function::Exp, &x), &y);
                    assert!(map(isa, Function::Exp, &[infinite_from.next_down()])[0].is_finite());
                }
            }
        };
    }
    limits!(the_limits_of_f32_are_exact, f32, 9.010_914, 88.722_84, -103.972_084);
    limits!(the_limits_of_f64_are_exact, f64, 19.061_547_465_398_498, 709.782_712_893_384_1, -745.133_219_101_941_2);
}
