//! Elements as little-endian bytes, bit-identical: a NaN keeps its payload.

use crate::Scalar;
use crate::scalar::{from_bits, to_bits};

/// The maximum number of axes of a NumPy array.
pub(super) const MAX_AXES: usize = 64;

/// Converts little-endian bytes to elements. Bytes after the last whole element are ignored.
pub(super) fn from_le<A: Scalar>(bytes: &[u8]) -> Vec<A> {
    let element = |bytes: &[u8]| {
        let mut bits = [0; size_of::<u64>()];
        bits[..bytes.len()].copy_from_slice(bytes);
        from_bits(u64::from_le_bytes(bits)).expect("an element has as many bits as its bytes")
    };
    bytes.chunks_exact(size_of::<A>()).map(element).collect()
}

/// Appends the elements as little-endian bytes.
pub(super) fn extend_le<A: Scalar>(bytes: &mut Vec<u8>, elements: impl IntoIterator<Item = A>) {
    for element in elements {
        bytes.extend_from_slice(&to_bits(element).to_le_bytes()[..size_of::<A>()]);
    }
}
