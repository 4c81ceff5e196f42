//! Networks and checkpoints through every file format.

use elman::Scalar;
use elman::io::{StackCheckpoint, torch};
use elman::optim::{Adam, Optimizer};
use elman::stack::Parameters;
use rand::RngExt;

use crate::problem::Problem;
use crate::results::compare;
use crate::{Generator, Result, Tally};

/// A network in a format: its name, the bytes, and the reader.
type Written<A> = (&'static str, Result<Vec<u8>>, fn(&[u8]) -> Result<Parameters<A>>);

/// A network and a checkpoint are the same after they were written and read. A damaged file is an error or a network.
pub(crate) fn check<A: Scalar>(problem: &Problem<A>, rng: &mut Generator, tally: &mut Tally) -> Result<()> {
    let p = &problem.parameters;
    for (name, written, read) in formats(p) {
        // A shape that a reader would refuse is refused by the writer.
        let Ok(bytes) = written else { continue };
        let found = read(&bytes).map_err(|error| format!("{name}: {error}"))?;
        tally.results += same(&found, p).map_err(|error| format!("{name}: {error}"))?;
        tally.files += 1;
        // Either result is right. A panic is not.
        let _ = read(&damaged(bytes, rng));
        tally.damaged += 1;
    }
    let rnn = torch::Rnn::new("rnn.", p.architecture().layers()[0].activation).with_linear("head.");
    // PyTorch has layers of one width, one nonlinearity and one number of directions.
    if let Ok(tensors) = rnn.stack_to_tensors(p) {
        tally.results += same(&rnn.stack_from_tensors(&tensors)?, p)?;
        tally.files += 1;
    }
    tally.results += resumed(p)?;
    tally.files += 1;
    Ok(())
}

#[allow(unused_mut, unused_variables, reason = "without features there is no format")]
fn formats<A: Scalar>(p: &Parameters<A>) -> Vec<Written<A>> {
    let mut all: Vec<Written<A>> = Vec::new();
    #[cfg(feature = "safetensors")]
    all.push((
        "safetensors",
        bytes(checked(p).and_then(|tensors| elman::io::safetensors::to_bytes(&tensors))),
        |bytes| Ok((&elman::io::safetensors::from_bytes(bytes)?).try_into()?),
    ));
    #[cfg(feature = "npz")]
    all.push(("npz", bytes(checked(p).and_then(|tensors| elman::io::npz::to_bytes(&tensors))), |bytes| {
        Ok((&elman::io::npz::from_bytes(bytes)?).try_into()?)
    }));
    #[cfg(feature = "onnx")]
    all.push(("onnx", bytes(elman::io::onnx::to_bytes(p)), |bytes| Ok(elman::io::onnx::from_bytes(bytes)?)));
    #[cfg(feature = "serde")]
    all.push(("json", bytes(serde_json::to_vec(p)), |bytes| Ok(serde_json::from_slice(bytes)?)));
    #[cfg(feature = "serde")]
    all.push(("postcard", bytes(postcard::to_allocvec(p)), |bytes| Ok(postcard::from_bytes(bytes)?)));
    all
}

/// The tensors of a network. Refuses what a reader would refuse, as a checkpoint does: more than 256 inputs without units.
#[cfg(any(feature = "safetensors", feature = "npz"))]
fn checked<A: Scalar>(p: &Parameters<A>) -> std::result::Result<elman::io::Tensors<A>, elman::io::Error> {
    StackCheckpoint::new(p.clone()).to_tensors().map(|_| p.into())
}

#[cfg(any(feature = "safetensors", feature = "npz", feature = "onnx", feature = "serde"))]
fn bytes<E: std::error::Error + 'static>(written: std::result::Result<Vec<u8>, E>) -> Result<Vec<u8>> {
    written.map_err(Into::into)
}

/// Compares two networks. Returns the number of elements.
fn same<A: Scalar>(found: &Parameters<A>, expected: &Parameters<A>) -> Result<u64> {
    if found.architecture() != expected.architecture() {
        return Err(format!("{} was read", found.architecture()).into());
    }
    compare("parameters", found.as_slice(), expected.as_slice())
}

/// Cut short, or with a few bytes changed.
fn damaged(mut bytes: Vec<u8>, rng: &mut Generator) -> Vec<u8> {
    if rng.random_bool(0.3) {
        bytes.truncate(rng.random_range(0..=bytes.len()));
        return bytes;
    }
    for _ in 0..rng.random_range(1..=8) {
        // Headers are short, and most of their bytes matter.
        let end = if rng.random() { bytes.len() } else { bytes.len().min(300) };
        if end > 0 {
            bytes[rng.random_range(0..end)] = rng.random();
        }
    }
    bytes
}

/// A run that continues from a checkpoint has the bits of one that never stopped. Returns the number of elements.
fn resumed<A: Scalar>(p: &Parameters<A>) -> Result<u64> {
    let (gradients, mut p, mut adam) = (p.clone(), p.clone(), Adam::new(0.01));
    adam.step(p.as_mut_slice(), gradients.as_slice())?;
    let checkpoint = StackCheckpoint::new(p.clone()).with_optimizer(adam.clone());
    let StackCheckpoint { mut parameters, optimizer, .. } = match checkpoint.to_tensors() {
        Ok(tensors) => StackCheckpoint::from_tensors(&tensors)?,
        // As for files.
        Err(_) => return Ok(0),
    };
    adam.step(p.as_mut_slice(), gradients.as_slice())?;
    optimizer.ok_or("the optimiser is missing")?.step(parameters.as_mut_slice(), gradients.as_slice())?;
    same(&parameters, &p)
}
