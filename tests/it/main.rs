//! The library as its users see it: one program, whose modules are those of the library and what holds across them.
//!
//! Some modules measure allocations. The counting allocator counts by thread, and each test is a thread of its own, so
//! that no test sees another's.

mod support;

mod batches;
mod bits;
mod diagnostics;
mod edges;
mod errors;
mod gradcheck;
mod gradients;
mod init;
mod memory;
mod naive;
mod notebook;
mod numpy_generator;
mod optim;
mod parameters;
mod sampling;
mod scalar;
mod torch;

mod io {
    #[cfg(feature = "safetensors")]
    mod files;
    #[cfg(feature = "safetensors")]
    mod hostile;
    mod interop;
    #[cfg(feature = "npz")]
    mod npz;
    #[cfg(feature = "npz")]
    mod npz_memory;
    #[cfg(feature = "serde")]
    mod serde;
}

mod sequence {
    mod long;
    mod readings;
}
