//! Numbers for the tests of kernels.

/// Numbers between −½ and ½.
pub(super) fn values(seed: u32, length: usize) -> Vec<f32> {
    let value = |i: u32| f32::from_bits((i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 9) | 0x3f80_0000) - 1.5;
    (0..).map(value).take(length).collect()
}
