//! Compares elements by their bit patterns: a NaN equals itself, and zero differs from its negative.

use elman::Scalar;

pub trait Bits: Scalar {
    /// NaN, quiet and signalling, of both signs and with payloads; infinities, zeros, subnormals, the smallest and the
    /// largest numbers, and an ordinary one.
    const SPECIAL: [u64; 18];

    fn to_pattern(self) -> u64;
    fn from_pattern(pattern: u64) -> Self;
}

impl Bits for f32 {
    const SPECIAL: [u64; 18] = [
        0x7fc0_0000,
        0x7fc0_0001,
        0x7fc1_2345,
        0xffc1_2345,
        0xffc5_4321,
        0x7f80_0001,
        0xff80_0001,
        0xffbf_ffff,
        0x7f80_0000,
        0xff80_0000,
        0x8000_0000,
        0,
        1,
        0x807f_ffff,
        0x0080_0000,
        0x7f7f_ffff,
        0xff7f_ffff,
        0x3f9d_f3b6,
    ];

    fn to_pattern(self) -> u64 {
        self.to_bits().into()
    }

    fn from_pattern(pattern: u64) -> Self {
        f32::from_bits(u32::try_from(pattern).unwrap())
    }
}

impl Bits for f64 {
    const SPECIAL: [u64; 18] = [
        0x7ff8_0000_0000_0000,
        0x7ff8_0000_0000_0001,
        0x7ff8_1234_5678_9abc,
        0xfff8_1234_5678_9abc,
        0xfff9_8765_4321_0000,
        0x7ff0_0000_0000_0001,
        0xfff0_0000_0000_0001,
        0xfff7_ffff_ffff_ffff,
        0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000,
        0x8000_0000_0000_0000,
        0,
        1,
        0x800f_ffff_ffff_ffff,
        0x0010_0000_0000_0000,
        0x7fef_ffff_ffff_ffff,
        0xffef_ffff_ffff_ffff,
        0x3ff3_be76_c8b4_3958,
    ];

    fn to_pattern(self) -> u64 {
        self.to_bits()
    }

    fn from_pattern(pattern: u64) -> Self {
        f64::from_bits(pattern)
    }
}

/// The patterns of an array's elements, in C order.
pub fn bits<'a, A: Bits>(values: impl IntoIterator<Item = &'a A>) -> Vec<u64> {
    values.into_iter().map(|value| value.to_pattern()).collect()
}
