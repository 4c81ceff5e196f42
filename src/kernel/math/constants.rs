//! The constants of tanh and exp. `scripts/polynomials.py` derives the coefficients and prints their errors.

use std::{f32, f64};

/// The constants of tanh and exp for one element type.
pub(crate) trait Constants: Sized + 'static {
    /// A mask of all bits except the sign bit.
    const MAGNITUDE: Self;
    /// The sign bit.
    const SIGN: Self;
    /// A mask that clears the fraction of a sum with `origin`.
    const INTEGER: Self;
    const TANH: Tanh<Self>;
    const EXP: Exp<Self>;
}

pub(crate) struct Tanh<A: 'static> {
    /// From here on, tanh rounds to 1.
    pub(super) saturation: A,
    /// 2 / ln 2
    pub(super) inverse_step: A,
    /// (ln 2) / 2. Its rounding error counts n times, but decreases with the slope of tanh.
    pub(super) step: A,
    /// Its last integer bits are the exponent field of 1.
    pub(super) origin: A,
    /// Moves the integer bits of a sum with `origin` to the exponent field.
    pub(super) shift: u32,
    /// Sets the range of the reduced argument: −(1 − θ)·(ln 2)/2 to θ·(ln 2)/2. The f32 value gives the least error; the
    /// f64 value needs the fewest terms for an error clearly below 2 ULP.
    pub(super) theta: A,
    /// p in tanh r ≈ r + r³·p(r²), on |r| ≤ θ·(ln 2)/2.
    pub(super) p: &'static [A],
}

pub(crate) struct Exp<A: 'static> {
    /// Up to here, exp rounds to 0.
    pub(super) lowest: A,
    /// From here on, exp rounds to infinity.
    pub(super) highest: A,
    /// 1 / ln 2
    pub(super) inverse_step: A,
    /// ln 2, rounded: x − n·step is exact.
    pub(super) step: A,
    /// ln 2 − `step`: the rounding error of `step`.
    pub(super) step_low: A,
    /// Half of its last integer bits are the exponent field of 1.
    pub(super) origin: A,
    /// Moves half of the integer bits of a sum with `origin` to the exponent field.
    pub(super) shift: u32,
    /// 2 − log₂ 3
    pub(super) theta: A,
    /// q in exp r ≈ 1 + (r + r²·q(r)), on ln ¾ ≤ r ≤ ln 1½.
    pub(super) q: &'static [A],
}

#[expect(clippy::unreadable_literal, reason = "coefficients are copied, not read")]
impl Constants for f32 {
    const MAGNITUDE: f32 = f32::from_bits(!0x8000_0000);
    const SIGN: f32 = -0.0;
    const INTEGER: f32 = f32::from_bits(!0x7FF);
    const TANH: Tanh<f32> = Tanh {
        saturation: 9.02,
        inverse_step: 2.0 * f32::consts::LOG2_E,
        step: f32::consts::LN_2 / 2.0,
        origin: 6144.0 + 127.0,
        shift: 12,
        theta: 1.3125,
        // Relative error 2^-26.8.
        p: &[-0.3333324, 0.13328917, -0.053311713, 0.01793354],
    };
    const EXP: Exp<f32> = Exp {
        lowest: -104.0,
        highest: 89.0,
        inverse_step: f32::consts::LOG2_E,
        step: f32::consts::LN_2,
        step_low: -1.9046542e-09,
        origin: 6144.0 + 2.0 * 127.0,
        shift: 11,
        theta: 0.415,
        // Relative error 2^-27.9.
        q: &[0.5000002, 0.16666573, 0.041658204, 0.0083601065, 0.0014651846],
    };
}

#[expect(clippy::unreadable_literal, reason = "coefficients are copied, not read")]
impl Constants for f64 {
    const MAGNITUDE: f64 = f64::from_bits(!0x8000_0000_0000_0000);
    const SIGN: f64 = -0.0;
    const INTEGER: f64 = f64::from_bits(!0xFFFF_FFFF);
    const TANH: Tanh<f64> = Tanh {
        saturation: 19.07,
        inverse_step: 2.0 * f64::consts::LOG2_E,
        step: f64::consts::LN_2 / 2.0,
        origin: 1572864.0 + 1023.0,
        shift: 20,
        theta: 0.8125,
        // Relative error 2^-55.0.
        p: &[
            -0.33333333333330556,
            0.1333333333243971,
            -0.053968252994515395,
            0.021869438153206088,
            -0.008861837653279263,
            0.0035707035508665027,
            -0.0012834767604695016,
        ],
    };
    const EXP: Exp<f64> = Exp {
        lowest: -746.0,
        highest: 710.0,
        inverse_step: f64::consts::LOG2_E,
        step: f64::consts::LN_2,
        step_low: 2.3190468138462996e-17,
        origin: 1572864.0 + 2.0 * 1023.0,
        shift: 19,
        theta: 0.415,
        // Relative error 2^-57.0.
        q: &[
            0.4999999999999999,
            0.16666666666667745,
            0.04166666666668737,
            0.008333333332416181,
            0.0013888888884542828,
            0.0001984127249368031,
            2.4801577275548732e-05,
            2.755410039232557e-06,
            2.7589728387253205e-07,
            2.6473545681578954e-08,
        ],
    };
}
