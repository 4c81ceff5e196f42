//! What several modules share: NumPy's random numbers, fixtures read from JSON, the network as a naive oracle, and
//! random problems.

#![allow(unreachable_pub, reason = "a test program exports nothing; `pub` is what the other modules use")]

pub mod fixture;
pub mod naive;
pub mod numpy;
pub mod problem;
pub mod results;
