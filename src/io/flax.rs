//! Flax: `SimpleCell` and `Dense`.
