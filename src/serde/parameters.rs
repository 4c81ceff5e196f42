//! `Serialize` and `Deserialize` for `Dims` and `Parameters`.

use ::serde::de::Error;
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::numbers;
use crate::error::too_large;
use crate::{Activation, Dims, Parameters, Scalar};

#[derive(Serialize, Deserialize)]
#[serde(rename = "Dims", remote = "Dims", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names of `Dims`")]
struct DimsFields {
    n_x: usize,
    n_a: usize,
    n_y: usize,
}

impl Serialize for Dims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DimsFields::serialize(self, serializer)
    }
}

/// Rejects a network with more parameters than a machine can address.
impl<'de> Deserialize<'de> for Dims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dims = DimsFields::deserialize(deserializer)?;
        match dims.checked_len() {
            Some(_) => Ok(dims),
            None => Err(D::Error::custom(too_large(dims.triple()))),
        }
    }
}

#[derive(Serialize)]
#[serde(rename = "Parameters", bound = "A: Scalar")]
struct Written<'a, A> {
    dims: Dims,
    activation: Activation,
    #[serde(serialize_with = "numbers::serialize")]
    wax: &'a [A],
    #[serde(serialize_with = "numbers::serialize")]
    waa: &'a [A],
    #[serde(serialize_with = "numbers::serialize")]
    wya: &'a [A],
    #[serde(serialize_with = "numbers::serialize")]
    ba: &'a [A],
    #[serde(serialize_with = "numbers::serialize")]
    by: &'a [A],
}

#[derive(Deserialize)]
#[serde(rename = "Parameters", deny_unknown_fields, bound = "A: Scalar")]
struct Read<A> {
    dims: Dims,
    activation: Activation,
    #[serde(deserialize_with = "numbers::deserialize")]
    wax: Vec<A>,
    #[serde(deserialize_with = "numbers::deserialize")]
    waa: Vec<A>,
    #[serde(deserialize_with = "numbers::deserialize")]
    wya: Vec<A>,
    #[serde(deserialize_with = "numbers::deserialize")]
    ba: Vec<A>,
    #[serde(deserialize_with = "numbers::deserialize")]
    by: Vec<A>,
}

/// The dimensions, and the elements of each array, row by row.
///
/// Every number is restored bit by bit, NaN payloads included. Binary formats store floats. Human-readable formats store a
/// finite number as a number (an f32 as the f64 of the same value), and any other as a string of its bits, such as
/// `"0x7fc00001"`. `serde_json` needs its feature `float_roundtrip`; without it, some numbers are rounded to a neighbour.
/// Its feature `arbitrary_precision` must be off, because it does not pass numbers to serde as numbers. A binary format
/// that shortens floats, as CBOR may, can lose the payload of a NaN.
///
/// # Examples
///
/// ```
/// use elman::{Dims, Parameters};
///
/// let mut p = Parameters::<f32>::zeros(Dims { n_x: 1, n_a: 1, n_y: 2 });
/// p.wax_mut()[[0, 0]] = 0.5;
/// p.by_mut()[1] = f32::INFINITY;
/// let text = serde_json::to_string(&p)?;
/// let expected = concat!(
///     r#"{"dims":{"n_x":1,"n_a":1,"n_y":2},"activation":"tanh","#,
///     r#""wax":[0.5],"waa":[0.0],"wya":[0.0,0.0],"ba":[0.0],"by":[0.0,"0x7f800000"]}"#
/// );
/// assert_eq!(text, expected);
/// assert_eq!(serde_json::from_str::<Parameters<f32>>(&text)?, p);
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<A: Scalar> Serialize for Parameters<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let p = self.view();
        let written = Written {
            dims: p.dims,
            activation: p.activation,
            wax: p.wax(),
            waa: p.waa(),
            wya: p.wya(),
            ba: p.ba(),
            by: p.by(),
        };
        written.serialize(serializer)
    }
}

/// Rejects an array whose length does not match the dimensions, before it allocates memory for the network.
impl<'de, A: Scalar> Deserialize<'de> for Parameters<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { dims, activation, wax, waa, wya, ba, by } = Read::deserialize(deserializer)?;
        let Dims { n_x, n_a, n_y } = dims;
        let arrays = [
            ("wax", wax, n_a * n_x),
            ("waa", waa, n_a * n_a),
            ("wya", wya, n_y * n_a),
            ("ba", ba, n_a),
            ("by", by, n_y),
        ];
        for (name, elements, expected) in &arrays {
            let found = elements.len();
            if found != *expected {
                return Err(D::Error::custom(format_args!("`{name}` has {found} elements, expected {expected}")));
            }
        }
        let mut parameters = Parameters::zeros(dims).with_activation(activation);
        for (to, (_, elements, _)) in parameters.view_mut().split().into_iter().zip(&arrays) {
            to.copy_from_slice(elements);
        }
        Ok(parameters)
    }
}
