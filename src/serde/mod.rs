//! `Serialize` and `Deserialize` for networks and optimisers.

mod activation;
mod number;
mod numbers;
mod optim;
mod parameters;
mod stack;
