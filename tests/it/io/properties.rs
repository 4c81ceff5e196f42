//! Files of any network: what was written is read, and a damaged file is an error or a network, never a panic.

use std::collections::HashSet;
use std::fmt::Debug;

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

/// What the bits of a damaged file differ in.
enum Differences {
    /// At most one number, where sizes and nonlinearities are the same.
    OneNumber,
    /// At most one array, where sizes and nonlinearities are the same. An ONNX model may leave out a bias.
    #[cfg_attr(not(feature = "onnx"), expect(dead_code, reason = "of the formats, only ONNX"))]
    OneArray,
}

impl Differences {
    /// These formats have no checksum, so a damaged file may be another network. No more than this may differ.
    fn hold(&self, found: &Parameters<f32>, expected: &Parameters<f32>) -> bool {
        if found.architecture() != expected.architecture() {
            return true;
        }
        let pairs = found.as_slice().iter().zip(expected.as_slice()).enumerate();
        let changed = pairs.filter(|(_, (found, expected))| found.to_bits() != expected.to_bits());
        let names = changed.map(|(index, _)| expected.name_of(index).unwrap());
        match self {
            Differences::OneNumber => names.count() <= 1,
            Differences::OneArray => {
                // `layers[0].reverse.ba[1]` is the layer and `ba`: one array of the model has both directions.
                let arrays: HashSet<String> = names
                    .map(|name| {
                        let (array, _) = name.rsplit_once('[').unwrap();
                        array.replace(".forward", "").replace(".reverse", "")
                    })
                    .collect();
                arrays.len() <= 1
            }
        }
    }
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
        let damaged = flipped(&bytes, &damage);
        if let Ok(read) = read(&damaged) {
            prop_assert!(Differences::OneNumber.hold(&read.parameters, &checkpoint.parameters));
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
    fn an_onnx_model_is_the_network_and_a_part_of_it_is_refused(p in networks(), damage in damage()) {
        use elman::io::onnx;
        // A model without an output layer is not written.
        prop_assume!(p.architecture().n_y() > 0);
        let bytes = onnx::to_bytes(&p).unwrap();
        let read = onnx::from_bytes::<f32>(&bytes).unwrap();
        prop_assert_eq!(read.architecture(), p.architecture());
        prop_assert_eq!(read.as_slice(), p.as_slice());
        onnx::from_bytes::<f32>(&bytes[..damage.0.index(bytes.len())]).unwrap_err();
        // Two flipped bits can make the name of one weight that of another: `R` and `W`. The test below flips one bit.
        let _ = onnx::from_bytes::<f32>(&flipped(&bytes, &damage));
    }

    #[cfg(feature = "serde")]
    #[test]
    fn serialised_networks_are_read_and_damaged_ones_are_refused_or_the_same_except_for_the_damage(p in networks(), damage in damage()) {
        let bytes = postcard::to_stdvec(&p).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Parameters<f32>>(&bytes).unwrap(), &p);
        postcard::from_bytes::<Parameters<f32>>(&bytes[..damage.0.index(bytes.len())]).unwrap_err();
        if let Ok(read) = postcard::from_bytes(&flipped(&bytes, &damage)) {
            prop_assert!(Differences::OneNumber.hold(&read, &p));
        }
        let text = serde_json::to_vec(&p).unwrap();
        prop_assert_eq!(&serde_json::from_slice::<Parameters<f32>>(&text).unwrap(), &p);
        serde_json::from_slice::<Parameters<f32>>(&text[..damage.0.index(text.len())]).unwrap_err();
        if let Ok(read) = serde_json::from_slice(&flipped(&text, &damage)) {
            prop_assert!(Differences::OneNumber.hold(&read, &p));
        }
    }
}

/// Two layers and an output layer, whose sizes all differ.
fn small(above: Activation) -> Parameters<f32> {
    let layers = [Layer::new(2).bidirectional(), Layer::new(5).with_activation(above)];
    init::torch_stack(Architecture::new(3, layers, 6), &mut seeded(1)).unwrap()
}

/// Flips each bit of a file in turn, and cuts the file before each byte.
fn check_every_bit<E: Debug>(
    allowed: &Differences,
    expected: &Parameters<f32>,
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<Parameters<f32>, E>,
) {
    assert_eq!(&read(bytes).unwrap(), expected);
    let mut damaged = bytes.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            damaged[at] ^= 1 << bit;
            if let Ok(found) = read(&damaged) {
                assert!(allowed.hold(&found, expected), "bit {bit} of byte {at}");
            }
            damaged[at] = bytes[at];
        }
        if let Ok(found) = read(&bytes[..at]) {
            assert_eq!(&found, expected, "the first {at} bytes");
        }
    }
}

#[test]
fn any_flipped_bit_of_a_safetensors_file_is_an_error_or_one_difference() {
    let p = small(Activation::Sigmoid);
    let bytes = safetensors::to_bytes(&Tensors::from(&p)).unwrap();
    check_every_bit(&Differences::OneNumber, &p, &bytes, |bytes| {
        Parameters::try_from(&safetensors::from_bytes::<f32>(bytes)?)
    });
}

#[cfg(feature = "npz")]
#[test]
fn any_flipped_bit_of_an_npz_file_is_an_error_or_one_difference() {
    use elman::io::npz;
    // The format has no metadata, which name other nonlinearities than tanh.
    let p = small(Activation::Tanh);
    let mut arrays = Tensors::from(&p);
    arrays.metadata_mut().clear();
    let bytes = npz::to_bytes(&arrays).unwrap();
    check_every_bit(&Differences::OneNumber, &p, &bytes, |bytes| Parameters::try_from(&npz::from_bytes::<f32>(bytes)?));
}

#[cfg(feature = "onnx")]
#[test]
fn any_flipped_bit_of_an_onnx_model_is_an_error_or_changes_one_array() {
    use elman::io::onnx;
    let p = small(Activation::Sigmoid);
    check_every_bit(&Differences::OneArray, &p, &onnx::to_bytes(&p).unwrap(), onnx::from_bytes);
}

#[cfg(feature = "serde")]
#[test]
fn any_flipped_bit_of_a_serialised_network_is_an_error_or_one_difference() {
    let p = small(Activation::Sigmoid);
    check_every_bit(&Differences::OneNumber, &p, &postcard::to_stdvec(&p).unwrap(), |bytes| {
        postcard::from_bytes(bytes)
    });
    check_every_bit(&Differences::OneNumber, &p, &serde_json::to_vec(&p).unwrap(), |bytes| {
        serde_json::from_slice(bytes)
    });
}
