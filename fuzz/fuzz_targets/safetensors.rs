//! Reads any bytes as a safetensors file.

#![no_main]

use elman::Scalar;
use elman::io::safetensors;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read::<f32>(bytes);
    read::<f64>(bytes);
});

fn read<A: Scalar>(bytes: &[u8]) {
    if let Ok(tensors) = safetensors::from_bytes::<A>(bytes) {
        elman_fuzz::use_tensors(&tensors);
    }
}
