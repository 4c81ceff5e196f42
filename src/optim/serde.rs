//! `Serialize` and `Deserialize` for the optimisers, which go on with the bits that they would have had.
//!
//! A hyper-parameter without a meaning is read, as it can be set: the next step refuses it. So is a state that is not as
//! long as the parameters. What no step would find, arrays of different lengths, is refused here.

use std::mem::take;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Adam, AdamW, RmsProp, Sgd};
use crate::Scalar;
use crate::io::serde::{number, numbers};

#[derive(Serialize, Deserialize)]
#[serde(rename = "Sgd", remote = "Sgd", deny_unknown_fields, bound = "A: Scalar")]
struct SgdFields<A> {
    #[serde(with = "number")]
    learning_rate: f64,
    #[serde(with = "number")]
    momentum: f64,
    #[serde(with = "number")]
    dampening: f64,
    nesterov: bool,
    #[serde(with = "number")]
    weight_decay: f64,
    #[serde(with = "numbers")]
    velocity: Vec<A>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Adam", remote = "Adam", deny_unknown_fields, bound = "A: Scalar")]
struct AdamFields<A> {
    #[serde(with = "number")]
    learning_rate: f64,
    #[serde(with = "betas")]
    betas: [f64; 2],
    #[serde(with = "number")]
    eps: f64,
    #[serde(with = "number")]
    weight_decay: f64,
    steps: u64,
    #[serde(with = "numbers")]
    first_moment: Vec<A>,
    #[serde(with = "numbers")]
    second_moment: Vec<A>,
}

mod betas {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::io::serde::number::Number;

    pub(super) fn serialize<S: Serializer>(betas: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
        betas.map(Number).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
        Ok(<[Number<f64>; 2]>::deserialize(deserializer)?.map(|Number(beta)| beta))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "AdamW", remote = "AdamW", deny_unknown_fields, bound = "A: Scalar")]
struct AdamWFields<A> {
    adam: Adam<A>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "RmsProp", remote = "RmsProp", deny_unknown_fields, bound = "A: Scalar")]
struct RmsPropFields<A> {
    #[serde(with = "number")]
    learning_rate: f64,
    #[serde(with = "number")]
    alpha: f64,
    #[serde(with = "number")]
    eps: f64,
    #[serde(with = "number")]
    momentum: f64,
    centered: bool,
    #[serde(with = "number")]
    weight_decay: f64,
    #[serde(with = "numbers")]
    square_average: Vec<A>,
    #[serde(with = "numbers")]
    gradient_average: Vec<A>,
    #[serde(with = "numbers")]
    velocity: Vec<A>,
}

/// `$check` takes what was read, and gives it back if it is consistent.
macro_rules! optimizer {
    ($optimizer:ident, $fields:ident, $check:expr) => {
        /// The hyper-parameters and the state; numbers as in [`Parameters`](crate::Parameters).
        impl<A: Scalar> Serialize for $optimizer<A> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $fields::serialize(self, serializer)
            }
        }

        /// Refuses a state of inconsistent lengths; a hyper-parameter out of range is left to the next step.
        impl<'de, A: Scalar> Deserialize<'de> for $optimizer<A> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let check: fn(Self) -> Result<Self, crate::Error> = $check;
                check($fields::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

optimizer!(Sgd, SgdFields, Ok);
optimizer!(AdamW, AdamWFields, Ok);
optimizer!(Adam, AdamFields, |mut adam| {
    let (first, second) = (take(&mut adam.first_moment), take(&mut adam.second_moment));
    let steps = adam.steps;
    adam.resumed(steps, first, second)
});
optimizer!(RmsProp, RmsPropFields, |mut rms_prop| {
    let (square, gradient) = (take(&mut rms_prop.square_average), take(&mut rms_prop.gradient_average));
    let velocity = take(&mut rms_prop.velocity);
    rms_prop.resumed(square, gradient, velocity)
});
