//! `Serialize` and `Deserialize` for `Activation`.

use ::serde::de::Error;
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Activation;
use crate::io::abridged;

const NAMES: [&str; 4] = ["tanh", "relu", "sigmoid", "identity"];

/// By its name, `"tanh"`.
impl Serialize for Activation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// By its name, `"tanh"`.
impl<'de> Deserialize<'de> for Activation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Activation::from_name(&name).ok_or_else(|| D::Error::unknown_variant(&abridged(&name), &NAMES))
    }
}
