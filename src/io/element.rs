//! The element types as files hold them: little-endian, bit for bit.

/// What a file has to know of an element type.
///
/// Bytes become elements by their bits alone, so that a NaN keeps its payload.
pub trait Element: Copy {
    /// The type's name in messages and metadata, `f32` or `f64`.
    const ELEMENT_TYPE: &'static str;
    /// The elements of little-endian bytes; what is left at the end is no whole element, and is ignored.
    fn from_le(bytes: &[u8]) -> Vec<Self>;
    /// Appends the elements to bytes, little-endian.
    fn extend_le(bytes: &mut Vec<u8>, elements: impl IntoIterator<Item = Self>);
    /// The element's bits, as a number.
    #[cfg(feature = "serde")]
    fn element_bits(self) -> u64;
    /// The element of these bits, where it has that many.
    #[cfg(feature = "serde")]
    fn from_element_bits(bits: u64) -> Option<Self>;
}

macro_rules! element {
    ($element:ident) => {
        impl Element for $element {
            const ELEMENT_TYPE: &'static str = stringify!($element);

            fn from_le(bytes: &[u8]) -> Vec<Self> {
                let elements = bytes.chunks_exact(size_of::<Self>());
                elements.map(|bytes| Self::from_le_bytes(bytes.try_into().expect("it has this length"))).collect()
            }

            fn extend_le(bytes: &mut Vec<u8>, elements: impl IntoIterator<Item = Self>) {
                bytes.extend(elements.into_iter().flat_map(Self::to_le_bytes));
            }

            #[cfg(feature = "serde")]
            fn element_bits(self) -> u64 {
                self.to_bits().into()
            }

            #[cfg(feature = "serde")]
            fn from_element_bits(bits: u64) -> Option<Self> {
                bits.try_into().ok().map(Self::from_bits)
            }
        }
    };
}

element!(f32);
element!(f64);
