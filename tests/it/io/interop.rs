//! Reads weights of other frameworks, runs them, and compares with the results of those frameworks, from
//! `fixtures/interop_*.py`. Writes them, and compares with what the frameworks loaded.

use elman::Activation::Tanh;
use elman::io::{Tensors, keras, onnx, torch};
use elman::{Dims, Parameters};
use ndarray::Array1;

use crate::support::interop::{
    Recorded, assert_computes, bits, fixture, forward, keras_layers, linen, nnx, onnx_rnn, payloads, torch_cell,
    torch_rnn, weights,
};

/// Reads and runs a case, then writes it. The result must equal what the framework loaded in the case `written`.
macro_rules! agrees {
    ($layers:expr, $framework:literal, $case:literal, $written:literal) => {{
        agrees!($layers, $framework, $case, $written, f32);
        agrees!($layers, $framework, $case, $written, f64);
    }};
    ($layers:expr, $framework:literal, $case:literal, $written:literal, $element:ty) => {{
        let (layers, fixture) = ($layers, fixture($framework));
        let p: Parameters<$element> = layers.from_tensors(&weights(&fixture, $case)).unwrap();
        assert_eq!(p.dims(), Dims { n_x: 3, n_a: 7, n_y: 5 });
        assert_computes(&fixture, $case, &p);
        let written = layers.to_tensors(&p).unwrap();
        assert_eq!(bits(&written), bits(&weights::<$element>(&fixture, $written)));
        assert_computes(&fixture, $written, &layers.from_tensors(&written).unwrap());
        assert_eq!(layers.from_tensors(&written).unwrap().as_slice(), p.as_slice());
    }};
}

#[test]
fn a_torch_rnn_computes_the_same_here_and_is_written_back() {
    agrees!(torch_rnn(), "torch", "rnn", "rnn_written");
}

#[test]
fn a_torch_cell_computes_the_same_here_and_is_written_back() {
    agrees!(torch_cell(), "torch", "cell", "cell_written");
}

#[test]
fn a_keras_layer_computes_the_same_here_and_is_written_back() {
    agrees!(keras_layers(), "keras", "simple_rnn", "simple_rnn");
}

#[test]
fn a_linen_cell_computes_the_same_here_and_is_written_back() {
    agrees!(linen().with_residual(false), "flax", "linen", "linen");
}

#[test]
fn an_nnx_cell_computes_the_same_here_and_is_written_back() {
    agrees!(nnx(), "flax", "nnx", "nnx");
}

#[test]
fn an_onnx_operator_computes_the_same_here_and_is_written_back() {
    let rnn = onnx_rnn().with_direction("forward").with_layout(0);
    agrees!(rnn.clone(), "onnx", "rnn", "rnn_written");
}

#[test]
fn an_onnx_matmul_without_biases_is_written_without_them() {
    agrees!(onnx::Rnn::new("W", "R", "", Tanh).with_gemm("head.weight", "", false), "onnx", "matmul", "matmul");
}

/// Keras's fixture has no bias in either layer; torch's has none in the recurrent layer.
#[test]
fn layers_without_biases_compute_the_same_here_and_are_written_without_them() {
    agrees!(torch_rnn().without_bias(), "torch", "rnn_without_bias", "rnn_without_bias");
    agrees!(torch_cell().without_bias(), "torch", "cell_without_bias", "cell_without_bias");
    agrees!(keras_layers().without_head_bias().without_bias(), "keras", "without_bias", "without_bias");
    let onnx = || onnx::Rnn::new("W", "R", "B", Tanh).without_bias().without_head_bias();
    agrees!(onnx().with_gemm("head.weight", "head.bias", false), "onnx", "matmul", "matmul");
    let keras = keras_layers().without_bias().without_head_bias();
    let p: Parameters<f64> = keras.from_tensors(&weights(&fixture("keras"), "without_bias")).unwrap();
    assert!(p.ba().iter().chain(p.by()).all(|bias| bias.to_bits() == 0));
}

#[test]
fn get_weights_and_paths_have_the_same_order() {
    let fixture = fixture("keras");
    let by_path = weights::<f64>(&fixture, "simple_rnn");
    let mut list = Tensors::new();
    let names = ["simple_rnn/simple_rnn_cell/kernel", "simple_rnn/simple_rnn_cell/recurrent_kernel"];
    let names = names.into_iter().chain(["simple_rnn/simple_rnn_cell/bias", "dense/kernel", "dense/bias"]);
    for (place, name) in names.enumerate() {
        list.insert(format!("arr_{}", place + 2), by_path.get(&format!("sequential/{name}")).unwrap().to_owned());
    }
    let layers = keras::SimpleRnn::by_index(2, Tanh).with_dense_by_index(5);
    let p = layers.from_tensors(&list).unwrap();
    assert_eq!(p, keras_layers().from_tensors(&by_path).unwrap());
    assert_eq!(bits(&layers.to_tensors(&p).unwrap()), bits(&list));
}

#[test]
fn a_transposed_square_matrix_changes_the_outputs_by_far_more_than_rounding() {
    for (framework, case) in [("torch", "rnn"), ("keras", "simple_rnn"), ("flax", "linen"), ("onnx", "rnn")] {
        let fixture = fixture(framework);
        let tensors = weights::<f64>(&fixture, case);
        let mut p = match framework {
            "torch" => torch_rnn().from_tensors(&tensors),
            "keras" => keras_layers().from_tensors(&tensors),
            "flax" => linen().from_tensors(&tensors),
            _ => onnx_rnn().from_tensors(&tensors),
        }
        .unwrap();
        let right = forward(&fixture, &p);
        let turned = p.waa().t().to_owned();
        p.waa_mut().assign(&turned);
        for (right, wrong) in right.iter().zip(&forward(&fixture, &p)) {
            assert!((right - wrong).iter().any(|difference| difference.abs() > 0.01), "{framework}");
        }
    }
}

#[test]
fn without_a_head_there_is_no_output_layer() {
    let fixture = fixture("torch");
    let lower = torch::Rnn::new("encoder.rnn.", Tanh);
    let p: Parameters<f32> = lower.from_tensors(&weights(&fixture, "rnn")).unwrap();
    assert_eq!(p.dims(), Dims { n_x: 3, n_a: 7, n_y: 0 });
    let [hidden, output] = forward(&fixture, &p);
    fixture.assert_close("/float32/rnn/hidden", &hidden, f32::TOLERANCE);
    assert!(output.is_empty());
    assert_eq!(lower.from_tensors(&lower.to_tensors(&p).unwrap()).unwrap(), p);
}

#[test]
fn every_bit_round_trips() {
    let mut p = payloads();
    let signalling = f32::from_bits(0x7f80_0001);
    p.ba_mut().assign(&Array1::from_iter([
        1.5,
        -0.0,
        0.0,
        f32::MIN_POSITIVE / 4.0,
        -f32::NAN,
        f32::INFINITY,
        signalling,
    ]));
    let bits = |p: &Parameters<f32>| p.as_slice().iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    for (name, found) in [
        ("rnn", torch_rnn().from_tensors(&torch_rnn().to_tensors(&p).unwrap()).unwrap()),
        ("cell", torch_cell().from_tensors(&torch_cell().to_tensors(&p).unwrap()).unwrap()),
        ("keras", keras_layers().from_tensors(&keras_layers().to_tensors(&p).unwrap()).unwrap()),
        ("linen", linen().from_tensors(&linen().to_tensors(&p).unwrap()).unwrap()),
        ("nnx", nnx().from_tensors(&nnx().to_tensors(&p).unwrap()).unwrap()),
        ("onnx", onnx_rnn().from_tensors(&onnx_rnn().to_tensors(&p).unwrap()).unwrap()),
    ] {
        assert_eq!(bits(&found), bits(&p), "{name}");
    }
}

#[test]
fn written_arrays_are_row_major() {
    let p = payloads();
    for tensors in
        [torch_rnn().to_tensors(&p), keras_layers().to_tensors(&p), linen().to_tensors(&p), onnx_rnn().to_tensors(&p)]
    {
        for (name, array) in tensors.unwrap().arrays() {
            assert!(array.is_standard_layout(), "{name}");
        }
    }
}

#[cfg(any(feature = "npz", feature = "safetensors"))]
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");

#[cfg(feature = "safetensors")]
#[test]
fn a_torch_file_is_read_with_its_settings_and_with_other_layers() {
    let mut file = elman::io::safetensors::load(FIXTURES.to_owned() + "torch_rnn.safetensors").unwrap();
    assert_eq!(
        torch_rnn().from_tensors::<f32>(&file).unwrap(),
        torch_rnn().from_tensors(&weights(&fixture("torch"), "rnn")).unwrap()
    );
    assert!(file.contains("norm.num_batches_tracked"));
    file.metadata_mut().insert("encoder.rnn.nonlinearity".into(), "relu".into());
    let error = torch_rnn().from_tensors(&file).unwrap_err().to_string();
    assert_eq!(error, "`encoder.rnn.nonlinearity` shows a network of relu units, expected one of tanh units");
}

#[cfg(feature = "npz")]
#[test]
fn files_of_keras_and_flax_are_read() {
    let load = |name| elman::io::npz::load::<f32>(format!("{FIXTURES}{name}.npz")).unwrap();
    let found =
        keras::SimpleRnn::by_index(0, Tanh).with_dense_by_index(3).from_tensors(&load("keras_simple_rnn")).unwrap();
    assert_eq!(found, keras_layers().from_tensors(&weights(&fixture("keras"), "simple_rnn")).unwrap());
    let found = linen().from_tensors(&load("flax_simple_cell")).unwrap();
    assert_eq!(found, linen().from_tensors(&weights(&fixture("flax"), "linen")).unwrap());
}
