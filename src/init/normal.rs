//! Normal random numbers, bit-identical on every machine.
//!
//! ```text
//! x = Φ⁻¹(u)        u = (k + ½) / 2⁵², with k the upper 52 bits of a `u64`
//! ```
//!
//! The code uses only sums, products, quotients and square roots, whose results IEEE 754 defines. It avoids the logarithm
//! of the standard library (and random numbers made with it), which differs between platforms.

#![expect(clippy::excessive_precision, reason = "the coefficients have the digits of their source")]

use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

use rand::Rng;

/// x, a number of N(0, 1), from one `u64` of the generator.
///
/// u and 1 − u are exact, so x and −x are equally probable. |x| is at most 8.21.
pub(super) fn normal(rng: &mut (impl Rng + ?Sized)) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a number of 52 bits is exact")]
    let k = (rng.next_u64() >> 12) as f64;
    // ε = 2⁻⁵²
    quantile((k + 0.5) * f64::EPSILON - 0.5)
}

/// Φ⁻¹(½ + q), for |q| < ½.
///
/// Uses one quotient of polynomials for each of three ranges. The relative error is below 10⁻¹⁵.
///
/// Source: M. J. Wichura, *Algorithm AS 241: The Percentage Points of the Normal Distribution*, Applied Statistics 37
/// (1988) 477–484, routine PPND16.
fn quantile(q: f64) -> f64 {
    if q.abs() <= 0.425 {
        return q * ratio(&CENTRE, 0.180_625 - q * q);
    }
    let r = (-ln(0.5 - q.abs())).sqrt();
    let magnitude = if r <= 5.0 { ratio(&TAIL, r - 1.6) } else { ratio(&FAR_TAIL, r - 5.0) };
    magnitude.copysign(q)
}

/// Numerator / denominator, each by Horner's rule.
fn ratio([numerator, denominator]: &[[f64; 8]; 2], r: f64) -> f64 {
    let polynomial = |coefficients: &[f64; 8]| coefficients.iter().fold(0.0, |sum, c| sum * r + c);
    polynomial(numerator) / polynomial(denominator)
}

/// ln x for a normal float 0 < x ≤ √½. The error is within 2 ULP for x ≤ 0.075, as in the tails.
///
/// ```text
/// m = 2ⁿ·x, √½ ≤ m < √2        ln x = 2 artanh s − n·ln 2        s = (m − 1)/(m + 1)
/// ```
///
/// |s| < 0.172: eleven terms of artanh s = s + s³/3 + s⁵/5 + … leave an error below 10⁻¹⁸.
fn ln(x: f64) -> f64 {
    let n = (FRAC_1_SQRT_2.to_bits() - x.to_bits()).div_ceil(1 << 52);
    let m = f64::from_bits(x.to_bits() + (n << 52));
    let s = (m - 1.0) / (m + 1.0);
    let artanh = s * (0..11).rev().fold(0.0, |sum, k| sum * (s * s) + 1.0 / f64::from(2 * k + 1));
    #[expect(clippy::cast_precision_loss, reason = "n is at most 1022")]
    let n = n as f64;
    2.0 * artanh - n * LN_2
}

/// For |q| ≤ 0.425, in 0.425² − q². Each table holds the coefficients of numerator and denominator, highest power first.
const CENTRE: [[f64; 8]; 2] = [
    [
        2.509_080_928_730_122_672_7e3,
        3.343_057_558_358_812_810_5e4,
        6.726_577_092_700_870_085_3e4,
        4.592_195_393_154_987_145_7e4,
        1.373_169_376_550_946_112_5e4,
        1.971_590_950_306_551_442_7e3,
        1.331_416_678_917_843_774_5e2,
        3.387_132_872_796_366_608_0,
    ],
    [
        5.226_495_278_852_854_561_0e3,
        2.872_908_573_572_194_267_4e4,
        3.930_789_580_009_271_061_0e4,
        2.121_379_430_158_659_586_7e4,
        5.394_196_021_424_751_107_7e3,
        6.871_870_074_920_579_083_0e2,
        4.231_333_070_160_091_125_2e1,
        1.0,
    ],
];

/// For r = √(−ln p) ≤ 5 with p = ½ − |q|, in r − 1.6.
const TAIL: [[f64; 8]; 2] = [
    [
        7.745_450_142_783_414_076_40e-4,
        2.272_384_498_926_918_458_33e-2,
        2.417_807_251_774_506_117_70e-1,
        1.270_458_252_452_368_382_58,
        3.647_848_324_763_204_605_04,
        5.769_497_221_460_691_405_50,
        4.630_337_846_156_545_295_90,
        1.423_437_110_749_683_577_34,
    ],
    [
        1.050_750_071_644_416_843_24e-9,
        5.475_938_084_995_344_946_00e-4,
        1.519_866_656_361_645_719_66e-2,
        1.481_039_764_274_800_745_90e-1,
        6.897_673_349_851_000_045_50e-1,
        1.676_384_830_183_803_849_40,
        2.053_191_626_637_758_821_87,
        1.0,
    ],
];

/// For r > 5, in r − 5.
const FAR_TAIL: [[f64; 8]; 2] = [
    [
        2.010_334_399_292_288_132_65e-7,
        2.711_555_568_743_487_578_15e-5,
        1.242_660_947_388_078_438_60e-3,
        2.653_218_952_657_612_309_30e-2,
        2.965_605_718_285_048_912_30e-1,
        1.784_826_539_917_291_335_80,
        5.463_784_911_164_114_369_90,
        6.657_904_643_501_103_777_20,
    ],
    [
        2.044_263_103_389_939_785_64e-15,
        1.421_511_758_316_445_888_70e-7,
        1.846_318_317_510_054_681_80e-5,
        7.868_691_311_456_132_591_00e-4,
        1.487_536_129_085_061_485_25e-2,
        1.369_298_809_227_358_053_10e-1,
        5.998_322_065_558_879_376_90e-1,
        1.0,
    ],
];
