//! The bytes of files, and what is read from them. Equal bytes on every machine: a file written on one is read on the others,
//! whatever their order of bytes and the width of their words.

use elman::io::{Error, StackCheckpoint, safetensors};
use elman::optim::{AdamW, Optimizer};
use elman::stack::{Architecture, Layer};
use elman::{Scalar, init};

use super::problem::{seeded, uniform};
use super::{Digest, Report};

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    let rng = &mut seeded(19);
    let mut p = init::torch_stack::<A>(Architecture::new(5, [Layer::new(17).bidirectional(), Layer::new(3)], 2), rng)?;
    let mut adam = AdamW::new(1e-3);
    let gradients = uniform::<A, _>(rng, 1.0, p.as_slice().len()).to_vec();
    adam.step(p.as_mut_slice(), &gradients)?;
    let checkpoint = StackCheckpoint::new(p).with_optimizer(adam.clone());
    let bytes = safetensors::to_bytes(&checkpoint.to_tensors()?)?;
    report.add("safetensors checkpoint written", Digest::new().bytes(&bytes));
    let read = StackCheckpoint::from_tensors(&safetensors::from_bytes::<A>(&bytes)?)?;
    assert_eq!(read, checkpoint, "what was written is read");
    let digest = Digest::new().floats(read.parameters.as_slice()).floats(adam.second_moment());
    report.add("safetensors checkpoint read", digest);
    Ok(())
}
