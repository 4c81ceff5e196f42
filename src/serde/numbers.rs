//! Slices of floating-point numbers, each stored as in [`number`](super::number).

use ::serde::{Deserialize, Deserializer, Serializer};

use super::number::Number;
use crate::Scalar;

pub(crate) fn serialize<A: Scalar, S: Serializer>(values: &[A], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().copied().map(Number))
}

/// Allocates in proportion to the actual number of elements, not to the declared length.
pub(crate) fn deserialize<'de, A: Scalar, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<A>, D::Error> {
    let numbers = Vec::<Number<A>>::deserialize(deserializer)?;
    Ok(numbers.into_iter().map(|Number(value)| value).collect())
}
