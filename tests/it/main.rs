//! Tests of the public API, as one program. Its modules are those of the library, plus those for properties across
//! modules.
//!
//! Some modules measure allocations. The allocator counts by thread, and each test runs on its own thread, so a test
//! does not count the allocations of another.

mod support;

mod batches;
mod bits;
mod diagnostics;
mod digests;
mod dropout;
mod edges;
mod errors;
mod gradcheck;
mod gradients;
mod init;
mod initial_state;
mod loss;
mod memory;
mod naive;
mod notebook;
mod numpy_generator;
mod optim;
mod parameters;
mod properties;
mod sampling;
mod scalar;
mod shards;
mod stepper;
mod stress;
mod torch;

mod io {
    #[cfg(feature = "safetensors")]
    mod files;
    #[cfg(all(feature = "safetensors", feature = "npz"))]
    mod foreign;
    #[cfg(feature = "safetensors")]
    mod hostile;
    mod interop;
    mod interop_bias;
    mod interop_refused;
    mod interop_stack;
    #[cfg(feature = "npz")]
    mod npz;
    #[cfg(feature = "npz")]
    mod npz_memory;
    #[cfg(feature = "onnx")]
    mod onnx_elements;
    #[cfg(feature = "onnx")]
    mod onnx_graph;
    #[cfg(feature = "onnx")]
    mod onnx_model;
    #[cfg(feature = "onnx")]
    mod onnx_outputs;
    #[cfg(feature = "safetensors")]
    mod properties;
    #[cfg(feature = "serde")]
    mod serde;
    mod stack;
    mod tensors;
}

mod sequence {
    mod long;
    mod readings;
    mod sliding;
}

mod stack {
    mod checkpoints;
    mod layers;
    mod steps;
    mod values;
}
