//! `Serialize` and `Deserialize` for the optimisers: a structure of their named fields.
//!
//! Reading accepts a hyper-parameter out of range, like the setters: the next step rejects it. The next step also rejects
//! a state whose length is not the number of parameters. Reading rejects state vectors of different lengths, because no
//! step would detect them.

use std::fmt;
use std::marker::PhantomData;

use ::serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use ::serde::ser::SerializeStruct;
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{number, numbers};
use crate::Scalar;
use crate::optim::{Adam, AdamVariant, AdamW, AnyOptimizer, Field, FieldMut, Fields, RmsProp, Sgd};

impl<A: Scalar> Serialize for Field<'_, A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Field::Number(value) => number::serialize(value, serializer),
            Field::Flag(value) => value.serialize(serializer),
            Field::Count(value) => value.serialize(serializer),
            Field::State(values) => numbers::serialize(values, serializer),
        }
    }
}

impl<'de, A: Scalar> DeserializeSeed<'de> for FieldMut<'_, A> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self {
            FieldMut::Number(value) => *value = number::deserialize(deserializer)?,
            FieldMut::Flag(value) => *value = bool::deserialize(deserializer)?,
            FieldMut::Count(value) => *value = u64::deserialize(deserializer)?,
            FieldMut::State(values) => *values = numbers::deserialize(deserializer)?,
        }
        Ok(())
    }
}

fn serialize<A: Scalar, S: Serializer>(optimizer: &impl Fields<A>, serializer: S) -> Result<S::Ok, S::Error> {
    let names = optimizer.names();
    let mut structure = serializer.serialize_struct(optimizer.kind(), names.len())?;
    for (name, field) in names.iter().zip(optimizer.fields()) {
        structure.serialize_field(name, &field)?;
    }
    structure.end()
}

/// Reads every field of `optimizer` and returns it.
fn deserialize<'de, A: Scalar, O: Fields<A>, D: Deserializer<'de>>(
    optimizer: O,
    deserializer: D,
) -> Result<O, D::Error> {
    let (kind, names) = (optimizer.kind(), optimizer.names());
    let optimizer = deserializer.deserialize_struct(kind, names, Filled(optimizer, PhantomData))?;
    // The length of the first state vector is the number of parameters.
    let n = optimizer.fields().into_iter().find_map(|field| match field {
        Field::State(values) => Some(values.len()),
        _ => None,
    });
    optimizer.check_state(n.unwrap_or(0)).map_err(D::Error::custom)?;
    Ok(optimizer)
}

/// A visitor that reads every field of the optimiser.
struct Filled<O, A>(O, PhantomData<A>);

impl<'de, A: Scalar, O: Fields<A>> Visitor<'de> for Filled<O, A> {
    type Value = O;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fields of {}", self.0.kind())
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut values: S) -> Result<O, S::Error> {
        let names = self.0.names();
        for (name, field) in names.iter().zip(self.0.fields_mut()) {
            values.next_element_seed(field)?.ok_or_else(|| S::Error::missing_field(name))?;
        }
        Ok(self.0)
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut entries: M) -> Result<O, M::Error> {
        let names = self.0.names();
        let mut fields: Vec<_> = self.0.fields_mut().into_iter().map(Some).collect();
        while let Some(key) = entries.next_key::<String>()? {
            let place = names.iter().position(|&name| name == key);
            let place = place.ok_or_else(|| M::Error::unknown_field(&key, names))?;
            let field = fields[place].take().ok_or_else(|| M::Error::duplicate_field(names[place]))?;
            entries.next_value_seed(field)?;
        }
        match fields.iter().position(Option::is_some) {
            Some(place) => Err(M::Error::missing_field(names[place])),
            None => Ok(self.0),
        }
    }
}

macro_rules! optimizer {
    ($optimizer:ident $(, const $variant:ident: $type:ty)?) => {
        /// The hyper-parameters and the state, with the names of a [`Checkpoint`](crate::io::Checkpoint). Numbers are stored
        /// as in [`Parameters`](crate::Parameters).
        impl<A: Scalar $(, const $variant: $type)?> Serialize for $optimizer<A $(, $variant)?> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize(self, serializer)
            }
        }

        /// Rejects a state of inconsistent lengths. The next step rejects a hyper-parameter out of range.
        impl<'de, A: Scalar $(, const $variant: $type)?> Deserialize<'de> for $optimizer<A $(, $variant)?> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize(Self::new(0.0), deserializer)
            }
        }
    };
}

optimizer!(Sgd);
optimizer!(AdamVariant, const DECOUPLED: bool);
optimizer!(RmsProp);

#[derive(Serialize, Deserialize)]
#[serde(rename = "AnyOptimizer", remote = "AnyOptimizer", bound = "A: Scalar")]
enum Variants<A> {
    Sgd(Sgd<A>),
    Adam(Adam<A>),
    AdamW(AdamW<A>),
    RmsProp(RmsProp<A>),
}

/// The optimiser, under the name of its variant.
impl<A: Scalar> Serialize for AnyOptimizer<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Variants::serialize(self, serializer)
    }
}

/// Same checks as for each optimiser.
impl<'de, A: Scalar> Deserialize<'de> for AnyOptimizer<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Variants::deserialize(deserializer)
    }
}
