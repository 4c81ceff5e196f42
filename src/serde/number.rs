//! Floating-point numbers, exact to the last bit in every format.
//!
//! Binary formats store the float. Text formats store a finite number as a number, and NaN or infinity as a string of its
//! bits: JSON has no NaN, and no text format stores a NaN payload. An f32 is written as the f64 of the same value. The
//! shortest digits of an f32, read as an f64 and narrowed, could give the neighbouring f32.

use std::fmt;
use std::marker::PhantomData;

use ::serde::de::{Error, Unexpected, Visitor};
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Scalar;
use crate::io::abridged;
use crate::scalar::{from_bits, narrow, to_bits, type_name, widen};

/// A number with the implementations of this module.
pub(crate) struct Number<A>(pub(crate) A);

impl<A: Scalar> Serialize for Number<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de, A: Scalar> Deserialize<'de> for Number<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Number)
    }
}

pub(crate) fn serialize<A: Scalar, S: Serializer>(&value: &A, serializer: S) -> Result<S::Ok, S::Error> {
    let bits = to_bits(value);
    if serializer.is_human_readable() {
        return if value.is_finite() {
            serializer.serialize_f64(widen(value))
        } else {
            serializer.collect_str(&format_args!("0x{bits:0digits$x}", digits = 2 * size_of::<A>()))
        };
    }
    match u32::try_from(bits) {
        Ok(bits) if size_of::<A>() == size_of::<f32>() => serializer.serialize_f32(f32::from_bits(bits)),
        _ => serializer.serialize_f64(f64::from_bits(bits)),
    }
}

pub(crate) fn deserialize<'de, A: Scalar, D: Deserializer<'de>>(deserializer: D) -> Result<A, D::Error> {
    let visitor = NumberVisitor(PhantomData);
    if deserializer.is_human_readable() {
        deserializer.deserialize_any(visitor)
    } else if size_of::<A>() == size_of::<f32>() {
        deserializer.deserialize_f32(visitor)
    } else {
        deserializer.deserialize_f64(visitor)
    }
}

struct NumberVisitor<A>(PhantomData<A>);

impl<A: Scalar> Visitor<'_> for NumberVisitor<A> {
    type Value = A;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an {}, or \"0x\" and the {} digits of its bits", type_name::<A>(), 2 * size_of::<A>())
    }

    fn visit_f32<E: Error>(self, value: f32) -> Result<A, E> {
        // Not through f64: that conversion makes a signalling NaN quiet.
        if size_of::<A>() == size_of::<f32>() {
            Ok(from_bits(value.to_bits().into()).expect("an f32 has the bits of an f32"))
        } else {
            self.visit_f64(value.into())
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<A, E> {
        let narrow = narrow::<A>(value);
        if value.is_finite() && !narrow.is_finite() {
            return Err(E::invalid_value(Unexpected::Float(value), &self));
        }
        Ok(narrow)
    }

    #[expect(clippy::cast_precision_loss, reason = "the nearest number, as for digits after a point")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<A, E> {
        self.visit_f64(value as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "the nearest number, as for digits after a point")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<A, E> {
        self.visit_f64(value as f64)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<A, E> {
        text.strip_prefix("0x")
            .filter(|digits| {
                digits.len() == 2 * size_of::<A>() && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            })
            .and_then(|digits| from_bits(u64::from_str_radix(digits, 16).ok()?))
            .ok_or_else(|| E::invalid_value(Unexpected::Str(&abridged(text)), &self))
    }
}
