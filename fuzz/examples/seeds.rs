//! Writes small valid files for the fuzzers to begin with, into `corpus/`:
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds
//! ```

use std::error::Error;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use elman::io::{Checkpoint, Tensors, flax, keras, npz, onnx, safetensors, torch};
use elman::optim::{Adam, AdamW, AnyOptimizer, Optimizer, RmsProp, Sgd};
use elman::{Dims, Parameters, Scalar};
use zip::ZipArchive;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    write_all::<f32>("f32")?;
    write_all::<f64>("f64")
}

fn write_all<A: Scalar>(kind: &str) -> Result<()> {
    let mut p = Parameters::<A>::zeros(Dims { n_x: 2, n_a: 3, n_y: 1 });
    p.fill(A::narrow(0.5));
    p.by_mut()[0] = A::nan();
    for (name, tensors) in [
        ("elman", Tensors::from(&p)),
        ("torch", torch::Rnn::new("rnn.").with_linear("linear.").write(&p)?),
        ("torch_cell", torch::RnnCell::new("").with_linear("linear.").write(&p)?),
        ("keras", keras::SimpleRnn::new("rnn/").with_dense("dense/").write(&p)?),
        ("keras_places", keras::SimpleRnn::at(0).with_dense_at(3).write(&p)?),
        ("flax", flax::SimpleCell::linen("").with_dense("dense/").write(&p)?),
        ("onnx", onnx::Rnn::new("W", "R", "B").with_gemm("wy", "by", true).write(&p)?),
    ] {
        write("npz", &format!("{name}_{kind}"), &npz::to_bytes(&tensors)?)?;
        write("safetensors", &format!("{name}_{kind}"), &safetensors::to_bytes(&tensors)?)?;
    }
    write("npy", &format!("wax_{kind}"), &wax(&npz::to_bytes(&Tensors::from(&p))?)?)?;
    for (name, file) in [("json", serde_json::to_vec(&p)?), ("postcard", postcard::to_allocvec(&p)?)] {
        write(name, &format!("parameters_{kind}"), &file)?;
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
    Ok(())
}

/// The `.npy` of `wax` in an archive.
fn wax(archive: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ZipArchive::new(Cursor::new(archive))?.by_name("wax.npy")?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}
