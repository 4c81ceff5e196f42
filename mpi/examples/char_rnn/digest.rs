//! Digests: the 64-bit FNV-1a hash of little-endian bytes.

pub(crate) fn of_bytes(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

pub(crate) fn of_numbers(numbers: &[f32]) -> u64 {
    of_bytes(numbers.iter().flat_map(|number| number.to_le_bytes()))
}

/// Of losses, each with its step.
pub(crate) fn of_curve(curve: &[(u64, f64)]) -> u64 {
    of_bytes(curve.iter().flat_map(|(step, bits)| [step.to_le_bytes(), bits.to_le_bytes()]).flatten())
}
