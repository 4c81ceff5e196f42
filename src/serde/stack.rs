//! `Serialize` and `Deserialize` for stacks.

use ::serde::de::Error;
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::numbers;
use crate::stack::{Architecture, Layer, Parameters};
use crate::{Activation, Scalar};

#[derive(Serialize, Deserialize)]
#[serde(rename = "Layer", deny_unknown_fields)]
struct LayerFields {
    n_a: usize,
    bidirectional: bool,
    activation: Activation,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Architecture", deny_unknown_fields)]
struct ArchitectureFields {
    n_x: usize,
    layers: Vec<LayerFields>,
    n_y: usize,
}

impl Serialize for Architecture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let layer = |layer: &Layer| {
            let Layer { n_a, bidirectional, activation } = *layer;
            LayerFields { n_a, bidirectional, activation }
        };
        let layers = self.layers().iter().map(layer).collect();
        ArchitectureFields { n_x: self.n_x(), layers, n_y: self.n_y() }.serialize(serializer)
    }
}

/// Rejects a stack with more parameters than a machine can address.
impl<'de> Deserialize<'de> for Architecture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ArchitectureFields { n_x, layers, n_y } = ArchitectureFields::deserialize(deserializer)?;
        let layer = |LayerFields { n_a, bidirectional, activation }| {
            let layer = Layer::new(n_a).with_activation(activation);
            if bidirectional { layer.bidirectional() } else { layer }
        };
        let architecture = Architecture::new(n_x, layers.into_iter().map(layer).collect::<Vec<_>>(), n_y);
        match architecture.checked_len() {
            Some(_) => Ok(architecture),
            None => Err(D::Error::custom("the stack has more parameters than a machine can address")),
        }
    }
}

#[derive(Serialize)]
#[serde(rename = "Parameters", bound = "A: Scalar")]
struct Written<'a, A> {
    architecture: &'a Architecture,
    #[serde(serialize_with = "numbers::serialize")]
    parameters: &'a [A],
}

#[derive(Deserialize)]
#[serde(rename = "Parameters", deny_unknown_fields, bound = "A: Scalar")]
struct Read<A> {
    architecture: Architecture,
    #[serde(deserialize_with = "numbers::deserialize")]
    parameters: Vec<A>,
}

/// The shape of the stack, and every parameter in the order of [`Parameters::as_slice`]. Numbers are stored as those of
/// [`crate::Parameters`].
impl<A: Scalar> Serialize for Parameters<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { architecture: self.architecture(), parameters: self.as_slice() }.serialize(serializer)
    }
}

/// Rejects another number of parameters than the shape says, before it allocates memory for the stack.
impl<'de, A: Scalar> Deserialize<'de> for Parameters<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { architecture, parameters } = Read::deserialize(deserializer)?;
        let (found, expected) = (parameters.len(), architecture.len());
        if found != expected {
            return Err(D::Error::custom(format_args!("`parameters` has {found} elements, expected {expected}")));
        }
        let mut stack = Parameters::try_zeros(architecture).map_err(D::Error::custom)?;
        stack.as_mut_slice().copy_from_slice(&parameters);
        Ok(stack)
    }
}
