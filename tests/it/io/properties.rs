//! Files of any network: what was written is read, and a damaged file is an error or a network, never a panic.

use elman::io::{StackCheckpoint, Tensors, safetensors};
use elman::optim::{Adam, AnyOptimizer, Optimizer, RmsProp, Sgd};
use elman::stack::{Architecture, Layer, Parameters};
use elman::{Activation, init};
use proptest::prelude::*;

use crate::support::seeded;

fn layers() -> impl Strategy<Value = Layer> {
    (1..6usize, prop::sample::select(Activation::ALL.to_vec()), any::<bool>()).prop_map(|(n_a, activation, both)| {
        let layer = Layer::new(n_a).with_activation(activation);
        if both { layer.bidirectional() } else { layer }
    })
}

fn networks() -> impl Strategy<Value = Parameters<f32>> {
    (1..5usize, prop::collection::vec(layers(), 1..4), 0..4usize, any::<u64>()).prop_map(|(n_x, layers, n_y, seed)| {
        init::torch_stack(Architecture::new(n_x, layers, n_y), &mut seeded(seed)).unwrap()
    })
}

/// A network and the state of one of the optimisers after a step.
fn checkpoints() -> impl Strategy<Value = StackCheckpoint<f32>> {
    (networks(), 0..4usize).prop_map(|(mut p, kind)| {
        let mut optimizer: AnyOptimizer<f32> = match kind {
            0 => return StackCheckpoint::new(p),
            1 => Sgd::new(0.1).with_momentum(0.9).into(),
            2 => Adam::new(0.1).into(),
            _ => RmsProp::new(0.1).centered().into(),
        };
        let gradients = vec![0.25; p.as_slice().len()];
        optimizer.step(p.as_mut_slice(), &gradients).unwrap();
        StackCheckpoint::new(p).with_optimizer(optimizer)
    })
}

/// One byte of a file, as a share of its length, and the bits to flip in it.
fn damage() -> impl Strategy<Value = (prop::sample::Index, u8)> {
    (any::<prop::sample::Index>(), 1..=255u8)
}

fn flipped(bytes: &[u8], (index, bits): &(prop::sample::Index, u8)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = index.index(bytes.len());
    bytes[at] ^= bits;
    bytes
}

fn tensors(checkpoint: &StackCheckpoint<f32>) -> Tensors<f32> {
    checkpoint.to_tensors().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_safetensors_file_is_the_checkpoint_and_a_part_of_it_is_refused(
        checkpoint in checkpoints(), damage in damage()
    ) {
        let bytes = safetensors::to_bytes(&tensors(&checkpoint)).unwrap();
        let read = |bytes: &[u8]| StackCheckpoint::from_tensors(&safetensors::from_bytes::<f32>(bytes)?);
        prop_assert_eq!(&read(&bytes).unwrap(), &checkpoint);
        read(&bytes[..damage.0.index(bytes.len())]).unwrap_err();
        // The format has no checksum: a flipped bit may be another number, and then all others are the same.
        let damaged = flipped(&bytes, &damage);
        if let Ok(read) = read(&damaged) {
            let (found, expected) = (read.parameters.as_slice(), checkpoint.parameters.as_slice());
            let is_same = |(found, expected): &(&f32, &f32)| found.to_bits() == expected.to_bits();
            let changed = found.iter().zip(expected).filter(|pair| !is_same(pair)).count();
            prop_assert!(changed <= 1 || read.parameters.architecture() != checkpoint.parameters.architecture());
        }
    }

    #[cfg(feature = "npz")]
    #[test]
    fn an_npz_file_is_the_network_and_a_damaged_one_is_refused_or_the_same(p in networks(), damage in damage()) {
        use elman::io::npz;
        // The format has no metadata, so nonlinearities are left out.
        let mut arrays = tensors(&StackCheckpoint::new(p.clone()));
        arrays.metadata_mut().clear();
        let bytes = npz::to_bytes(&arrays).unwrap();
        let expected = npz::from_bytes::<f32>(&bytes).unwrap();
        let read = StackCheckpoint::from_tensors(&expected).unwrap();
        prop_assert_eq!(read.parameters.as_slice(), p.as_slice());
        npz::from_bytes::<f32>(&bytes[..damage.0.index(bytes.len())]).unwrap_err();
        // A checksum covers every array, and the other bytes do not change one.
        if let Ok(read) = npz::from_bytes::<f32>(&flipped(&bytes, &damage)) {
            for ((_, found), (_, expected)) in read.arrays().zip(expected.arrays()) {
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[cfg(feature = "onnx")]
    #[test]
    fn an_onnx_model_is_the_network_and_a_damaged_one_does_not_panic(p in networks(), damage in damage()) {
        use elman::io::onnx;
        // A model without an output layer is not written.
        prop_assume!(p.architecture().n_y() > 0);
        let bytes = onnx::to_bytes(&p).unwrap();
        let read = onnx::from_bytes::<f32>(&bytes).unwrap();
        prop_assert_eq!(read.architecture(), p.architecture());
        prop_assert_eq!(read.as_slice(), p.as_slice());
        let _ = onnx::from_bytes::<f32>(&bytes[..damage.0.index(bytes.len())]);
        let _ = onnx::from_bytes::<f32>(&flipped(&bytes, &damage));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serialised_networks_are_read_and_damaged_ones_do_not_panic(p in networks(), damage in damage()) {
        let bytes = postcard::to_stdvec(&p).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Parameters<f32>>(&bytes).unwrap(), &p);
        postcard::from_bytes::<Parameters<f32>>(&bytes[..damage.0.index(bytes.len())]).unwrap_err();
        let _ = postcard::from_bytes::<Parameters<f32>>(&flipped(&bytes, &damage));
        let text = serde_json::to_vec(&p).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Parameters<f32>>(&text).unwrap(), &p);
        serde_json::from_slice::<Parameters<f32>>(&text[..damage.0.index(text.len())]).unwrap_err();
        let _ = serde_json::from_slice::<Parameters<f32>>(&flipped(&text, &damage));
    }
}
