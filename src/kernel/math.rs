//! tanh and exp, lane by lane: the same few roundings in the same order on every instruction set.
//!
//! **tanh.** |x| = n·(ln 2)/2 + r with r between (θ − 1)·(ln 2)/2 and θ·(ln 2)/2, t = tanh r by a polynomial, v = 2⁻ⁿ,
//! c = 1 − v. The addition theorem, tanh |x| = (c + (1 + v)·t) / ((1 + v) + c·t), rounds three times at full size.
//! Subtracting β = 1 − κ·v first, for any κ, is exact algebra:
//!
//! ```text
//!                   h − g·t
//! tanh |x| = β − v ─────────────      h = 2 − κ·(1 + v)      g = 2 + κ·c
//!                  (1 + v) + c·t
//! ```
//!
//! κ = 1 + η·c puts β near the middle of what tanh takes for this n, so the quotient is small and its roundings with it;
//! only the last operation rounds at full size. θ and η balance the errors at the two ends of n = 1. Where n = 0, β and
//! h vanish and the result is t, of which r is the leading term: small arguments, subnormals and zeros are exact.
//!
//! **exp.** x = n·ln 2 + r with |r| ≤ (ln 2)/2, exp x = 2^⌊n/2⌋ · 2^⌈n/2⌉ · (1 + (r + r²·q(r))): in two factors, so that the
//! result overflows and underflows once, as it should, in the last multiplication.
//!
//! Largest errors, in units in the last place of the exact result (ULP):
//!
//! | | f32, every value | f64, sampled |
//! |---|---|---|
//! | tanh | TODO | TODO |
//! | exp | TODO | TODO |
//!
//! n comes from adding a number so large that the sum's last integer bit is the last bit of the exponent field, once
//! shifted; the fraction below it is masked away, which rounds downwards. Shifts act on 32-bit words: an f64 keeps n in
//! its upper word, and the lower one is zero by then.
//!
//! `scripts/polynomials.py` derives the coefficients.

use pulp::Simd;

use super::Lanes;

/// What differs between the element types.
pub trait Constants: Sized + 'static {
    /// Keeps the integer part of `n` plus an origin.
    const INTEGER_BITS: Self;
    /// The sign bit.
    const SIGN: Self;
    /// Everything but the sign bit.
    const MAGNITUDE: Self;
    /// Constants of tanh.
    const TANH: Tanh<Self>;
    /// Constants of exp.
    const EXP: Exp<Self>;
}

/// Constants of tanh.
pub struct Tanh<A: 'static> {
    /// tanh is 1 from here on.
    saturation: A,
    /// 2 / ln 2
    inverse_step: A,
    /// (ln 2) / 2. Its rounding error, n times over, fades with the slope of tanh.
    step: A,
    /// Its last integer bit is the last bit of the exponent field, after [`Self::shift`]: there, it is the exponent of 1.
    origin: A,
    /// From its integer part to the exponent field.
    shift: u32,
    /// How far above n a reduced argument may lie.
    theta: A,
    /// κ = 1 + η·c
    eta: A,
    /// p in tanh r ≈ r + r³·p(r²)
    p: &'static [A],
}

/// Constants of exp.
pub struct Exp<A: 'static> {
    /// exp is 0 up to here.
    lowest: A,
    /// exp is infinite from here on.
    highest: A,
    /// 1 / ln 2
    inverse_step: A,
    /// ln 2 in the element type. A product with n of it, subtracted from x, is exact.
    step: A,
    /// ln 2 less its high part.
    step_low: A,
    /// Its last integer bit is the last bit of the exponent field or, after [`Self::shift`], the one below: there, it is
    /// the exponent of 1.
    origin: A,
    /// From twice its integer part to the exponent field.
    shift: u32,
    /// Even terms of q in exp r ≈ 1 + (r + r²·q(r)).
    even: &'static [A],
    /// Odd terms of q.
    odd: &'static [A],
}

#[expect(clippy::unreadable_literal, reason = "coefficients are copied, not read")]
impl Constants for f32 {
    const INTEGER_BITS: f32 = f32::from_bits(!0x7FF);
    const SIGN: f32 = -0.0;
    const MAGNITUDE: f32 = f32::from_bits(!0x8000_0000);
    const TANH: Tanh<f32> = Tanh {
        saturation: 9.02,
        inverse_step: 2.88539,
        step: 0.3465736,
        origin: 6144.0 + 127.0,
        shift: 12,
        theta: 0.9375,
        eta: 0.25,
        // Relative error 2^-25.4 on |r| ≤ 0.9375·(ln 2)/2.
        p: &[-0.33332896, 0.13308057, -0.04976986],
    };
    const EXP: Exp<f32> = Exp {
        lowest: -104.0,
        highest: 89.0,
        inverse_step: std::f32::consts::LOG2_E,
        step: std::f32::consts::LN_2,
        step_low: -1.9046542e-09,
        origin: 6144.0 + 2.0 * 127.0,
        shift: 11,
        // Relative error 2^-27.8 on |r| ≤ (ln 2)/2.
        even: &[0.49999994, 0.041668393, 0.0013814532],
        odd: &[0.1666652, 0.008368779],
    };
}

#[expect(clippy::unreadable_literal, reason = "coefficients are copied, not read")]
impl Constants for f64 {
    const INTEGER_BITS: f64 = f64::from_bits(!0xFFFF_FFFF);
    const SIGN: f64 = -0.0;
    const MAGNITUDE: f64 = f64::from_bits(!0x8000_0000_0000_0000);
    const TANH: Tanh<f64> = Tanh {
        saturation: 19.07,
        inverse_step: 2.8853900817779268,
        step: 0.34657359027997264,
        origin: 1572864.0 + 1023.0,
        shift: 20,
        theta: 0.75,
        eta: 0.5,
        // Relative error 2^-56.8 on |r| ≤ 0.75·(ln 2)/2.
        p: &[
            -0.3333333333333241,
            0.1333333333298496,
            -0.05396825352293233,
            0.021869461512020922,
            -0.00886235650207822,
            0.003576345549618169,
            -0.0013073750917814236,
        ],
    };
    const EXP: Exp<f64> = Exp {
        lowest: -746.0,
        highest: 710.0,
        inverse_step: std::f64::consts::LOG2_E,
        step: std::f64::consts::LN_2,
        step_low: 2.3190468138462996e-17,
        origin: 1572864.0 + 2.0 * 1023.0,
        shift: 19,
        // Relative error 2^-56.5 on |r| ≤ (ln 2)/2.
        even: &[
            0.5000000000000011,
            0.041666666666529226,
            0.0013888888943911603,
            2.4801492774750375e-05,
            2.7630374206639693e-07,
        ],
        odd: &[
            0.1666666666666641,
            0.008333333333495629,
            0.00019841269504738512,
            2.7557587376234557e-06,
            2.4999952009003805e-08,
        ],
    };
}

/// Σ cᵢ·xⁱ by Horner's rule.
#[inline(always)]
fn polynomial<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>, coefficients: &[A]) -> A::Vector<S> {
    let (last, rest) = coefficients.split_last().expect("no polynomial here is empty");
    rest.iter().rev().fold(A::splat(simd, *last), |sum, c| A::vfma(simd, sum, x, A::splat(simd, *c)))
}

/// tanh x. NaN stays NaN, and the sign of the result is that of x.
#[inline(always)]
pub(super) fn tanh<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>) -> A::Vector<S> {
    let splat = |value| A::splat(simd, value);
    let Tanh { saturation, inverse_step, step, origin, shift, theta, eta, p } = A::TANH;
    let (one, two, saturation) = (splat(A::one()), splat(A::one() + A::one()), splat(saturation));

    let y = A::and(simd, x, splat(A::MAGNITUDE));
    let y = A::select(simd, A::less_than(simd, saturation, y), saturation, y);

    // origin − n, where n = ⌈y / step − θ⌉
    let sum = A::vfnma(simd, y, splat(inverse_step), splat(origin + theta));
    let sum = A::and(simd, sum, splat(A::INTEGER_BITS));
    let v = A::shift_words_left(simd, sum, shift);
    let r = A::vfma(simd, A::vsub(simd, sum, splat(origin)), splat(step), y);

    let u = A::vmul(simd, r, r);
    let p = polynomial(simd, u, p);
    let t = A::vfma(simd, A::vmul(simd, r, u), p, r);

    let c = A::vsub(simd, one, v);
    let d = A::vadd(simd, one, v);
    let kappa = A::vfma(simd, splat(eta), c, one);
    let beta = A::vfnma(simd, v, kappa, one);
    let h = A::vfnma(simd, kappa, d, two);
    let g = A::vfma(simd, kappa, c, two);
    let quotient = A::vdiv(simd, A::vfnma(simd, g, t, h), A::vfma(simd, c, t, d));
    let tanh = A::vfnma(simd, v, quotient, beta);
    A::or(simd, tanh, A::and(simd, x, splat(A::SIGN)))
}

/// exp x. NaN stays NaN; results too small for a normal number are rounded once more, as subnormals.
#[inline(always)]
pub(super) fn exp<S: Simd, A: Lanes>(simd: S, x: A::Vector<S>) -> A::Vector<S> {
    let splat = |value| A::splat(simd, value);
    let Exp { lowest, highest, inverse_step, step, step_low, origin, shift, even, odd } = A::EXP;
    let (two, lowest, highest) = (splat(A::one() + A::one()), splat(lowest), splat(highest));
    let half = A::one() / (A::one() + A::one());

    let x = A::select(simd, A::less_than(simd, x, lowest), lowest, x);
    let x = A::select(simd, A::less_than(simd, highest, x), highest, x);

    // origin + n, where n is x / step rounded
    let sum = A::vfma(simd, x, splat(inverse_step), splat(origin + half));
    let sum = A::and(simd, sum, splat(A::INTEGER_BITS));
    let n = A::vsub(simd, sum, splat(origin));
    let r = A::vfnma(simd, n, splat(step), x);
    let r = A::vfnma(simd, n, splat(step_low), r);

    let u = A::vmul(simd, r, r);
    let q = A::vfma(simd, r, polynomial(simd, u, odd), polynomial(simd, u, even));
    let negated = A::vsub(simd, splat(-A::one()), A::vfma(simd, u, q, r));

    // n is odd where the bit below the exponent field is set, which makes this 1.5·2^⌊n/2⌋ instead of 2^⌊n/2⌋.
    let scale = A::shift_words_left(simd, sum, shift);
    let floor = A::and(simd, scale, splat(A::infinity()));
    // 2^⌊n/2⌋ − 2·scale = −2^⌈n/2⌉
    let negated_ceil = A::vfnma(simd, two, scale, floor);
    A::vmul(simd, A::vmul(simd, negated, negated_ceil), floor)
}
