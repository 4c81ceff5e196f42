//! Uses weights from an untrusted file as a program would.

use elman::Activation::Tanh;
use elman::io::{Checkpoint, Stack, StackCheckpoint, Tensors, flax, keras, onnx, torch};
use elman::optim::{AnyOptimizer, Optimizer};
use elman::{Dims, Parameters, Scalar, sequence, stack};
use ndarray::{Array2, Array3};

/// The largest number of inputs or outputs that `elman::io` reads without an element for each.
const MOST_UNCONFIRMED: usize = 256;

/// Reads the tensors as every kind of network that they may be, and runs each.
pub fn use_tensors<A: Scalar>(tensors: &Tensors<A>) {
    for name in tensors.names() {
        let _ = tensors.get(name);
    }
    let networks = [
        Parameters::try_from(tensors),
        torch::Rnn::new("", Tanh).from_tensors(tensors),
        torch::Rnn::new("", Tanh).without_bias().with_linear("linear.").without_head_bias().from_tensors(tensors),
        torch::Rnn::new("rnn.", Tanh).with_linear("linear.").from_tensors(tensors),
        torch::RnnCell::new("", Tanh).with_linear("linear.").from_tensors(tensors),
        torch::RnnCell::new("", Tanh).with_linear("linear.").without_head_bias().from_tensors(tensors),
        keras::SimpleRnn::by_index(0, Tanh).with_dense_by_index(3).from_tensors(tensors),
        keras::SimpleRnn::by_index(0, Tanh)
            .without_bias()
            .with_dense_by_index(2)
            .without_head_bias()
            .from_tensors(tensors),
        keras::SimpleRnn::new("rnn/", Tanh).with_dense("dense/").from_tensors(tensors),
        keras::SimpleRnn::new("rnn/", Tanh)
            .without_bias()
            .with_dense("dense/")
            .without_head_bias()
            .from_tensors(tensors),
        flax::SimpleCell::linen("", Tanh).with_dense("dense/").from_tensors(tensors),
        flax::SimpleCell::linen("", Tanh).with_dense("dense/").without_head_bias().from_tensors(tensors),
        flax::SimpleCell::nnx("", Tanh).from_tensors(tensors),
        onnx::Rnn::new("W", "R", "B", Tanh).with_gemm("wy", "by", true).from_tensors(tensors),
        onnx::Rnn::new("W", "R", "", Tanh).with_gemm("wy", "", false).from_tensors(tensors),
    ];
    let elements = tensors.arrays().map(|(_, array)| array.len()).sum();
    for p in networks.iter().flatten() {
        check(p, elements);
    }
    let [forward, reverse] = onnx::Rnn::new("W", "R", "B", Tanh).with_gemm("wy", "by", true).directions();
    let two_directions = Stack::new().bidirectional(forward, reverse);
    let stacks = [
        stack::Parameters::try_from(tensors),
        torch::Rnn::new("rnn.", Tanh).with_linear("linear.").stack_from_tensors(tensors),
        torch::Rnn::new("", Tanh).without_bias().with_linear("linear.").without_head_bias().stack_from_tensors(tensors),
        two_directions.from_tensors(tensors),
    ];
    for p in stacks.iter().flatten() {
        forward_stack(p, elements);
    }
    if let Ok(checkpoint) = Checkpoint::try_from(tensors) {
        check(&checkpoint.parameters, elements);
        resume(checkpoint);
    }
    if let Ok(checkpoint) = StackCheckpoint::try_from(tensors) {
        forward_stack(&checkpoint.parameters, elements);
        resume_stack(checkpoint);
    }
}

/// Runs a network. Its dimensions must match this number of elements.
fn check<A: Scalar>(p: &Parameters<A>, elements: usize) {
    let Dims { n_x, n_a, n_y } = p.dims();
    let most = elements.max(MOST_UNCONFIRMED);
    assert!(n_x <= most && n_a <= elements && n_y <= most, "{:?} of {elements} elements", p.dims());
    forward(p);
}

/// Runs two steps of two columns through a stack, whose dimensions the file's elements must confirm.
pub fn forward_stack<A: Scalar>(p: &stack::Parameters<A>, elements: usize) {
    let architecture = p.architecture();
    let most = elements.max(MOST_UNCONFIRMED);
    assert!(architecture.n_x() <= most && architecture.n_y() <= most, "{architecture} of {elements} elements");
    let x = Array3::from_elem((architecture.n_x(), 2, 2), A::one());
    stack::forward(p, &x, None).expect("the shapes are the stack's");
    assert!(Tensors::from(p).len() > 4);
}

/// Runs two steps of two columns.
pub fn forward<A: Scalar>(p: &Parameters<A>) {
    let dims = p.dims();
    let x = Array3::from_elem((dims.n_x, 2, 2), A::one());
    let cache = sequence::forward(p, &x, &Array2::zeros((dims.n_a, 2))).expect("the shapes are the network's");
    assert_eq!(cache.output().dim(), (dims.n_y, 2, 2));
}

/// Runs [`forward`], except if a network without hidden units declares more inputs than fit in memory: `Deserialize`
/// leaves this check to the caller.
pub fn forward_within_memory<A: Scalar>(p: &Parameters<A>) {
    if p.dims().n_x <= 1 << 16 {
        forward(p);
    }
}

/// The same of a stack. One without layers is a value of its own, the default, and its forward pass is an error.
pub fn forward_stack_within_memory<A: Scalar>(p: &stack::Parameters<A>) {
    let architecture = p.architecture();
    if architecture.layers().is_empty() {
        let x = Array3::from_elem((1, 2, 2), A::one());
        assert!(stack::forward(p, &x, None).is_err());
        return;
    }
    if architecture.n_x() <= 1 << 16 && architecture.n_y() <= 1 << 16 {
        let x = Array3::from_elem((architecture.n_x(), 2, 2), A::one());
        stack::forward(p, &x, None).expect("the shapes are the stack's");
    }
}

/// A checkpoint that was read can be written, is read again with the same bits, and can take a step.
fn resume<A: Scalar>(checkpoint: Checkpoint<A>) {
    let tensors = checkpoint.to_tensors().expect("it was read");
    let again = Checkpoint::try_from(&tensors).expect("it was written");
    assert_eq!(bits(again.parameters.as_slice()), bits(checkpoint.parameters.as_slice()));
    if let Checkpoint { mut parameters, optimizer: Some(mut optimizer), .. } = checkpoint {
        let gradients = parameters.clone();
        // An out-of-range hyper-parameter is refused here, not earlier.
        let _ = optimizer.step(parameters.as_mut_slice(), gradients.as_slice());
    }
}

/// The same of a stack.
fn resume_stack<A: Scalar>(checkpoint: StackCheckpoint<A>) {
    let tensors = checkpoint.to_tensors().expect("it was read");
    let again = StackCheckpoint::try_from(&tensors).expect("it was written");
    assert_eq!(bits(again.parameters.as_slice()), bits(checkpoint.parameters.as_slice()));
    if let StackCheckpoint { mut parameters, optimizer: Some(mut optimizer), .. } = checkpoint {
        let gradients = parameters.clone();
        let _ = optimizer.step(parameters.as_mut_slice(), gradients.as_slice());
    }
}

/// Takes a step with parameters that need not match the optimiser.
pub fn step<A: Scalar>(mut optimizer: AnyOptimizer<A>) {
    let _ = optimizer.step(&mut [A::one(); 2], &[A::one(); 2]);
}

/// The bits of each element, also of a NaN.
pub fn bits<A: Scalar>(parameters: &[A]) -> Vec<(u64, i16, i8)> {
    parameters.iter().map(|value| value.integer_decode()).collect()
}
