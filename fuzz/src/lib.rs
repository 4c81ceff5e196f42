//! What a program does with weights from a stranger's file.

use elman::io::{Checkpoint, Tensors, flax, keras, onnx, torch};
use elman::optim::{AnyOptimizer, Optimizer};
use elman::{Parameters, Scalar, sequence};
use ndarray::{Array2, Array3};

/// Larger inputs are the caller's to refuse: with no hidden units, a file of no weights can ask for any number of them.
const LARGEST: usize = 1 << 16;

/// Takes the tensors for those of every network that they might be, and runs each.
pub fn use_tensors<A: Scalar>(tensors: &Tensors<A>) {
    for name in tensors.names() {
        let _ = tensors.get(name);
    }
    let networks = [
        torch::Rnn::new("").read(tensors),
        torch::Rnn::new("rnn.").with_linear("linear.").read(tensors),
        torch::RnnCell::new("").with_linear("linear.").read(tensors),
        keras::SimpleRnn::at(0).with_dense_at(3).read(tensors),
        keras::SimpleRnn::new("rnn/").with_dense("dense/").read(tensors),
        flax::SimpleCell::linen("").with_dense("dense/").read(tensors),
        flax::SimpleCell::nnx("").read(tensors),
        onnx::Rnn::new("W", "R", "B").with_gemm("wy", "by", true).read(tensors),
    ];
    networks.iter().flatten().for_each(forward);
    if let Ok(checkpoint) = Checkpoint::try_from(tensors) {
        forward(&checkpoint.parameters);
        resume(checkpoint);
    }
}

/// Two steps of two columns.
pub fn forward<A: Scalar>(p: &Parameters<A>) {
    let dims = p.dims();
    if dims.n_x <= LARGEST {
        let x = Array3::from_elem((dims.n_x, 2, 2), A::one());
        let cache = sequence::forward(p, &x, &Array2::zeros((dims.n_a, 2))).expect("the shapes are the network's");
        assert_eq!(cache.output().dim(), (dims.n_y, 2, 2));
    }
}

/// What was read can be written, is read again as it was, and goes on.
fn resume<A: Scalar>(checkpoint: Checkpoint<A>) {
    let tensors = checkpoint.to_tensors().expect("it was read");
    let again = Checkpoint::try_from(&tensors).expect("it was written");
    assert_eq!(bits(&again.parameters), bits(&checkpoint.parameters));
    if let Checkpoint { mut parameters, optimizer: Some(mut optimizer), .. } = checkpoint {
        let gradients = parameters.clone();
        // A hyper-parameter out of range is refused here, and nowhere before.
        let _ = optimizer.step(parameters.as_mut_slice(), gradients.as_slice());
    }
}

/// A step of a network that this optimiser need not be of.
pub fn step<A: Scalar>(mut optimizer: AnyOptimizer<A>) {
    let _ = optimizer.step(&mut [A::one(); 2], &[A::one(); 2]);
}

/// Of a NaN, too, the bits.
pub fn bits<A: Scalar>(p: &Parameters<A>) -> Vec<(u64, i16, i8)> {
    p.as_slice().iter().map(|value| value.integer_decode()).collect()
}
