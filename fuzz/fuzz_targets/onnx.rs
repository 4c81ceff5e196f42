//! Reads any bytes as an ONNX model.

#![no_main]

use elman::Scalar;
use elman::io::onnx;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read::<f32>(bytes);
    read::<f64>(bytes);
});

fn read<A: Scalar>(bytes: &[u8]) {
    let Ok(p) = onnx::from_bytes::<A>(bytes) else { return };
    elman_fuzz::forward_stack(&p, bytes.len());
    let again = onnx::to_bytes(&p).expect("its shapes were accepted");
    let again = onnx::from_bytes::<A>(&again).expect("it was written");
    assert_eq!(p.architecture(), again.architecture());
    assert_eq!(elman_fuzz::bits(p.as_slice()), elman_fuzz::bits(again.as_slice()));
}
