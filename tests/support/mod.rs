//! What several test files share: NumPy's random numbers, fixtures read from JSON, the network as a
//! naive oracle, and random problems.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file is a program of its own: it uses a part of this and exports nothing"
)]

pub mod fixture;
pub mod naive;
pub mod numpy;
pub mod problem;
pub mod results;
