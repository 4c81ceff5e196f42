//! Reads any bytes as JSON of parameters, of a stack or of an optimiser.

#![no_main]

use elman::optim::AnyOptimizer;
use elman::{Parameters, Scalar, stack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read::<f32>(bytes);
    read::<f64>(bytes);
});

fn read<A: Scalar>(bytes: &[u8]) {
    if let Ok(p) = serde_json::from_slice::<Parameters<A>>(bytes) {
        elman_fuzz::forward_within_memory(&p);
        let again = serde_json::to_vec(&p).expect("numbers are JSON");
        let again: Parameters<A> = serde_json::from_slice(&again).expect("it was written");
        assert_eq!(elman_fuzz::bits(p.as_slice()), elman_fuzz::bits(again.as_slice()));
    }
    if let Ok(p) = serde_json::from_slice::<stack::Parameters<A>>(bytes) {
        elman_fuzz::forward_stack_within_memory(&p);
        let again = serde_json::to_vec(&p).expect("numbers are JSON");
        let again: stack::Parameters<A> = serde_json::from_slice(&again).expect("it was written");
        assert_eq!(p.architecture(), again.architecture());
        assert_eq!(elman_fuzz::bits(p.as_slice()), elman_fuzz::bits(again.as_slice()));
    }
    if let Ok(optimizer) = serde_json::from_slice::<AnyOptimizer<A>>(bytes) {
        elman_fuzz::step(optimizer);
    }
}
