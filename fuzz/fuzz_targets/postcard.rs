//! Reads any bytes as postcard, a binary format of serde, of parameters, of a stack or of an optimiser.

#![no_main]

use elman::optim::AnyOptimizer;
use elman::{Parameters, Scalar, stack};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read::<f32>(bytes);
    read::<f64>(bytes);
});

fn read<A: Scalar>(bytes: &[u8]) {
    if let Ok(p) = postcard::from_bytes::<Parameters<A>>(bytes) {
        elman_fuzz::forward_within_memory(&p);
        let again = postcard::to_allocvec(&p).expect("numbers are bytes");
        let again: Parameters<A> = postcard::from_bytes(&again).expect("it was written");
        assert_eq!(elman_fuzz::bits(p.as_slice()), elman_fuzz::bits(again.as_slice()));
    }
    if let Ok(p) = postcard::from_bytes::<stack::Parameters<A>>(bytes) {
        elman_fuzz::forward_stack_within_memory(&p);
        let again = postcard::to_allocvec(&p).expect("numbers are bytes");
        let again: stack::Parameters<A> = postcard::from_bytes(&again).expect("it was written");
        assert_eq!(p.architecture(), again.architecture());
        assert_eq!(elman_fuzz::bits(p.as_slice()), elman_fuzz::bits(again.as_slice()));
    }
    if let Ok(optimizer) = postcard::from_bytes::<AnyOptimizer<A>>(bytes) {
        elman_fuzz::step(optimizer);
    }
}
