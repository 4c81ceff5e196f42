//! Writes small valid files into `corpus/`, as initial inputs for the fuzzers:
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! ```

use std::error::Error;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use elman::Activation::Tanh;
use elman::io::{Checkpoint, StackCheckpoint, Tensors, flax, keras, npz, onnx, safetensors, torch};
use elman::optim::{Adam, AdamW, AnyOptimizer, Optimizer, RmsProp, Sgd};
use elman::{Dims, Parameters, Scalar, stack};
use ndarray::{Array2, ArrayD};
use zip::ZipArchive;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    write_all::<f32>("f32")?;
    write_all::<f64>("f64")
}

fn write_all<A: Scalar>(kind: &str) -> Result<()> {
    let mut p = Parameters::<A>::zeros(Dims { n_x: 2, n_a: 3, n_y: 1 });
    p.fill(A::from(0.5).expect("a float holds one half"));
    p.by_mut()[0] = A::nan();
    let layer = stack::Layer::new(3).bidirectional();
    let mut stack = stack::Parameters::zeros(stack::Architecture::new(2, [layer, layer], 1));
    stack.fill(A::from(0.5).expect("a float holds one half"));
    for (name, tensors) in [
        ("elman", Tensors::from(&p)),
        ("torch", torch::Rnn::new("rnn.", Tanh).with_linear("linear.").to_tensors(&p)?),
        ("torch_stack", torch::Rnn::new("rnn.", Tanh).with_linear("linear.").stack_to_tensors(&stack)?),
        ("stack", Tensors::from(&stack)),
        ("torch_cell", torch::RnnCell::new("", Tanh).with_linear("linear.").to_tensors(&p)?),
        ("keras", keras::SimpleRnn::new("rnn/", Tanh).with_dense("dense/").to_tensors(&p)?),
        ("keras_places", keras::SimpleRnn::by_index(0, Tanh).with_dense_by_index(3).to_tensors(&p)?),
        ("flax", flax::SimpleCell::linen("", Tanh).with_dense("dense/").to_tensors(&p)?),
        ("onnx", onnx::Rnn::new("W", "R", "B", Tanh).with_gemm("wy", "by", true).to_tensors(&p)?),
    ] {
        write("npz", &format!("{name}_{kind}"), &npz::to_bytes(&tensors)?)?;
        write("safetensors", &format!("{name}_{kind}"), &safetensors::to_bytes(&tensors)?)?;
    }
    write("onnx", &format!("stack_{kind}"), &onnx::to_bytes(&stack)?)?;
    write("onnx", &format!("one_{kind}"), &onnx::to_bytes(&stack::Parameters::from(&p))?)?;
    let empty = stack::Parameters::<A>::zeros(stack::Architecture::new(200, [stack::Layer::new(0)], 2));
    write("onnx", &format!("empty_{kind}"), &onnx::to_bytes(&empty)?)?;
    for (name, tensors) in without_elements::<A>() {
        write("npz", &format!("{name}_{kind}"), &npz::to_bytes(&tensors)?)?;
        write("safetensors", &format!("{name}_{kind}"), &safetensors::to_bytes(&tensors)?)?;
    }
    for (name, matrix) in
        [("wax", p.wax().to_owned()), ("no_rows", Array2::zeros((0, 200))), ("no_columns", Array2::zeros((200, 0)))]
    {
        write("npy", &format!("{name}_{kind}"), &npy(matrix)?)?;
    }
    // Without units, the file declares dimensions that no element confirms.
    let no_units = Parameters::<A>::zeros(Dims { n_x: 200, n_a: 0, n_y: 2 });
    for (name, p) in [("parameters", &p), ("no_units", &no_units)] {
        write("json", &format!("{name}_{kind}"), &serde_json::to_vec(p)?)?;
        write("postcard", &format!("{name}_{kind}"), &postcard::to_allocvec(p)?)?;
    }
    for (name, stack) in [("stack", &stack), ("empty_stack", &empty)] {
        write("json", &format!("{name}_{kind}"), &serde_json::to_vec(stack)?)?;
        write("postcard", &format!("{name}_{kind}"), &postcard::to_allocvec(stack)?)?;
    }
    let optimizers: [(&str, AnyOptimizer<A>); 4] = [
        ("sgd", Sgd::new(0.1).with_nesterov(0.9).into()),
        ("adam", Adam::new(0.1).into()),
        ("adamw", AdamW::new(0.1).into()),
        ("rmsprop", RmsProp::new(0.1).with_momentum(0.9).centered().into()),
    ];
    for (name, mut optimizer) in optimizers {
        let gradients = p.clone();
        optimizer.step(p.as_mut_slice(), gradients.as_slice())?;
        write("json", &format!("{name}_{kind}"), &serde_json::to_vec(&optimizer)?)?;
        write("postcard", &format!("{name}_{kind}"), &postcard::to_allocvec(&optimizer)?)?;
        let tensors = Checkpoint::new(p.clone()).with_optimizer(optimizer).to_tensors()?;
        write("safetensors", &format!("{name}_{kind}"), &safetensors::to_bytes(&tensors)?)?;
    }
    let mut adam: AnyOptimizer<A> = Adam::new(0.1).into();
    let gradients = stack.clone();
    adam.step(stack.as_mut_slice(), gradients.as_slice())?;
    let tensors = StackCheckpoint::new(stack).with_optimizer(adam).to_tensors()?;
    write("safetensors", &format!("stack_adam_{kind}"), &safetensors::to_bytes(&tensors)?)?;
    Ok(())
}

/// Networks without hidden units, by their readers' names. Their shapes may declare any dimensions; in these, one more
/// or one different digit makes a dimension too large.
fn without_elements<A: Scalar>() -> [(&'static str, Tensors<A>); 4] {
    let tensors = |names: [(&str, &[usize]); 3]| {
        let mut tensors = Tensors::new();
        for (name, shape) in names {
            tensors.insert(name, ArrayD::<A>::zeros(shape));
        }
        tensors
    };
    [
        ("empty_elman", Tensors::from(&Parameters::zeros(Dims { n_x: 200, n_a: 0, n_y: 2 }))),
        (
            "empty_torch",
            tensors([("weight_ih_l0", &[0, 200]), ("weight_hh_l0", &[0, 0]), ("linear.weight", &[200, 0])]),
        ),
        ("empty_keras", tensors([("arr_0", &[200, 0]), ("arr_1", &[0, 0]), ("arr_2", &[0, 200])])),
        ("empty_onnx", tensors([("W", &[1, 0, 200]), ("R", &[1, 0, 0]), ("wy", &[0, 200])])),
    ]
}

/// The `.npy` of a matrix.
fn npy<A: Scalar>(matrix: Array2<A>) -> Result<Vec<u8>> {
    let mut tensors = Tensors::new();
    tensors.insert("matrix", matrix);
    let mut bytes = Vec::new();
    ZipArchive::new(Cursor::new(npz::to_bytes(&tensors)?))?.by_name("matrix.npy")?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}
