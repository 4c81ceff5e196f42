//! The safetensors format.
