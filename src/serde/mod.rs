//! `Serialize` and `Deserialize` for networks and optimisers.

mod number;
mod numbers;
mod optim;
mod parameters;
