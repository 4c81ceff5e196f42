//! ONNX models as files, from `fixtures/interop_onnx_model.py`: they compute what onnxruntime computes, and what the crate
//! writes runs in onnxruntime. A file that is no such network is an error, and bytes of any kind never panic.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use allocation_counter::measure;
use elman::io::{Error, onnx};
use elman::sequence::Input;
use elman::stack::{self, Architecture, Direction, Layer, States};
use elman::{Activation, init};
use ndarray::{Array3, ArrayD, Axis, IxDyn, concatenate};
use serde_json::{Map, Value};

use crate::support::Convert;
use crate::support::fixture::Fixture;
use crate::support::onnx::Message;
use crate::support::seeded;

/// onnxruntime computes in single precision, with its own tanh and exp.
const SINGLE: f64 = 1e-6;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx").join(format!("{name}.onnx"))
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

/// The results under the names of a model's outputs, in ONNX's axes.
fn results(name: &str, p: &stack::Parameters<f32>, inputs: &Fixture) -> Vec<(&'static str, ArrayD<f32>)> {
    let read = |input: &str| inputs.array::<f64, IxDyn>(&format!("/{name}/inputs/{input}")).mapv(f32::narrow);
    let batch_first = name.contains("batch_first");
    let x: Array3<f32> = read("x").into_dimensionality().unwrap();
    let x = if batch_first { x.permuted_axes([2, 0, 1]) } else { x.permuted_axes([2, 1, 0]) };
    let mut states = States::zeros(p.architecture(), x.len_of(Axis(1)));
    let keys: Vec<_> = (0..p.architecture().layers().len())
        .flat_map(|layer| [(layer, Direction::Forward), (layer, Direction::Reverse)])
        .filter(|&(layer, direction)| p.wax(layer, direction).is_some())
        .collect();
    if name == "torch_state" {
        let h0 = read("h0");
        for (index, &(layer, direction)) in keys.iter().enumerate() {
            states.get_mut(layer, direction).unwrap().assign(&h0.index_axis(Axis(0), index).t());
        }
    }
    let cache = stack::forward(p, Input::vectors(&x), &states).unwrap();
    let last_step = ["torch_batch_first_step", "torch_state", "hand_gemm"].contains(&name);
    let in_order = |array: ndarray::ArrayView3<'_, f32>| {
        let array = array.reversed_axes();
        if last_step {
            array.index_axis(Axis(0), array.len_of(Axis(0)) - 1).to_owned().into_dyn()
        } else {
            array.to_owned().into_dyn()
        }
    };
    let last = keys.iter().map(|&(layer, direction)| {
        cache.last_hidden(layer, direction).unwrap().reversed_axes().insert_axis(Axis(0)).to_owned()
    });
    let last: Vec<_> = last.collect();
    let last: Vec<_> = last.iter().map(|state| state.view()).collect();
    let top = p.architecture().layers().len() - 1;
    let hidden = [Direction::Forward, Direction::Reverse].into_iter().filter_map(|d| cache.hidden(top, d));
    let hidden = concatenate(Axis(0), &hidden.collect::<Vec<_>>()).unwrap();
    let mut results = vec![
        ("hidden", in_order(hidden.view())),
        ("logits", in_order(cache.logits())),
        ("output", in_order(cache.output())),
    ];
    // torch's layers have one width.
    results.extend(concatenate(Axis(0), &last).ok().map(|last| ("last", last.into_dyn())));
    results
}

#[test]
fn every_onnx_model_computes_what_onnxruntime_computes() {
    let fixture = Fixture::read("interop_onnx_model.json");
    let cases = fixture.get::<Map<String, Value>>("");
    assert_eq!(cases.len(), 7 + networks().len());
    for name in cases.keys() {
        let p = onnx::load::<f32>(path(name)).unwrap();
        let results = results(name, &p, &fixture);
        for output in fixture.get::<Map<String, Value>>(&format!("/{name}/outputs")).keys() {
            let (_, found) = results.iter().find(|(own, _)| own == output).unwrap();
            fixture.assert_close(&format!("/{name}/outputs/{output}"), &found.mapv(f64::from), SINGLE);
        }
        // Written again, it is the same network.
        assert_eq!(onnx::from_bytes::<f32>(&onnx::to_bytes(&p).unwrap()).unwrap(), p, "{name}");
    }
}

/// Networks of the crate, whose files onnxruntime has run.
fn networks() -> Vec<(&'static str, stack::Parameters<f32>)> {
    let [tanh, relu, sigmoid, identity] = Activation::ALL;
    let layer = |n_a, activation| Layer::new(n_a).with_activation(activation);
    let draw = |seed, architecture| init::torch_stack(architecture, &mut seeded(seed)).unwrap();
    vec![
        ("elman_one", draw(1, Architecture::new(3, [layer(5, tanh)], 2))),
        (
            "elman_three",
            draw(
                2,
                Architecture::new(
                    3,
                    [layer(5, sigmoid).bidirectional(), layer(7, relu), layer(2, identity).bidirectional()],
                    4,
                ),
            ),
        ),
        ("elman_headless", draw(3, Architecture::new(2, [layer(3, identity), layer(5, tanh)], 0))),
    ]
}

#[test]
fn written_models_are_those_that_onnxruntime_has_run() {
    for (name, p) in networks() {
        let written = onnx::to_bytes(&p).unwrap();
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.onnx"));
        // An earlier run may have left it.
        let _ = fs::remove_file(&new);
        onnx::save(&new, &p).unwrap();
        assert_eq!(fs::read(&new).unwrap(), written);
        let fixture = fs::read(path(name)).unwrap_or_default();
        assert!(fixture == written, "{name}: the new file is {}", new.display());
        assert_eq!(onnx::from_bytes::<f32>(&written).unwrap(), p);
        let double = p.to_f64();
        assert_eq!(onnx::from_bytes::<f64>(&onnx::to_bytes(&double).unwrap()).unwrap(), double);
        let error = onnx::from_bytes::<f64>(&written).unwrap_err();
        assert!(matches!(&error, Error::ElementType { expected: "f64", .. }), "{error}");
    }
}

/// The bytes of a file with one text replaced everywhere by another one of the same length.
fn replaced(name: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes(name);
    let places: Vec<usize> = (0..bytes.len()).filter(|&start| bytes[start..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{name} has no {from}");
    for start in places {
        bytes[start..][..to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn another_network_is_refused_by_what_it_is() {
    for (name, from, to, reason) in [
        ("torch_plain", "\"\u{3}RNN", "\"\u{3}GRU", "`output` shows a GRU, expected layers of the operator RNN"),
        ("torch_plain", "Softmax", "Sigmoid", "`output` shows the operator Sigmoid, which is not supported there"),
        ("torch_plain", "MatMul", "MatDiv", "the operator MatDiv"),
        ("elman_one", "forward", "reverse", "`direction` shows a layer of the reverse direction alone"),
        ("elman_one", "forward", "onwards", "an RNN of an unknown direction"),
        ("torch_plain", "Tanh", "Elu1", "an RNN of elu1 units"),
        ("torch_plain", "Squeeze", "Flatten", "the operator Flatten"),
        ("torch_both", "Reshape", "Reverse", "the operator Reverse"),
        ("hand_two_operators", "activation_alpha", "activation_alphb", "affine units other than the identity"),
        ("hand_two_operators", "reverse", "forward", "a Concat of other layers than a forward and a reverse one"),
        ("hand_gemm", "transB", "transA", "a Gemm with alpha, beta or transA"),
        ("elman_one", "Add", "Sub", "the operator Sub"),
    ] {
        let error = onnx::from_bytes::<f32>(&replaced(name, from, to)).unwrap_err();
        assert!(matches!(error, Error::Network { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{name}: {from} as {to}: {error}");
    }
}

#[test]
fn no_bytes_panic_and_every_error_is_short() {
    let networks = networks();
    for name in ["hand_gemm", "hand_two_operators", "torch_both", "torch_state", networks[1].0] {
        let file = bytes(name);
        let truncated = (0..file.len()).map(|length| file[..length].to_vec());
        let flipped = (0..file.len()).flat_map(|place| {
            [0x01, 0x80, 0xff].map(|bits| {
                let mut bytes = file.clone();
                bytes[place] ^= bits;
                bytes
            })
        });
        for bytes in truncated.chain(flipped) {
            let read = catch_unwind(AssertUnwindSafe(|| onnx::from_bytes::<f32>(&bytes)));
            let read = read.unwrap_or_else(|_| panic!("{name}: {bytes:?}"));
            if let Err(error) = read {
                assert!(error.to_string().len() < 700, "{error}");
            }
        }
    }
}

/// A field of a message: its number, and the bytes of a message or a text.
fn field(number: u64, content: &[u8]) -> Vec<u8> {
    Message::default().bytes(number, content).0
}

fn model(graph: &[u8]) -> Vec<u8> {
    // The version of the operators is 14.
    [field(7, graph), field(8, &[0x10, 14])].concat()
}

#[test]
fn a_small_file_takes_little_memory() {
    let many = |message: &[u8]| message.repeat(20_000);
    let node = |operator: &str, inputs: &[&str], outputs: &[String]| {
        let inputs = inputs.iter().flat_map(|name| field(1, name.as_bytes()));
        let outputs = outputs.iter().flat_map(|name| field(2, name.as_bytes()));
        field(1, &inputs.chain(outputs).chain(field(4, operator.as_bytes())).collect::<Vec<_>>())
    };
    let input = field(11, &field(1, b"x"));
    let chain = |operator: &str| -> Vec<u8> {
        let nodes = (0..20_000).flat_map(|i| {
            let read = if i == 0 { "x".into() } else { i.to_string() };
            node(operator, &[&read, "w", "w"], &[(i + 1).to_string()])
        });
        input.iter().copied().chain(nodes).collect()
    };
    let weights = field(5, &[field(8, b"w"), vec![0x10, 1]].concat());
    // One array of (1, 64, 64) for `W` and `R` of 3,000 layers, which needs 100 MB.
    let shape = [0x08, 1, 0x08, 64, 0x08, 64, 0x10, 1];
    let shared = field(5, &[&field(8, b"w"), &shape[..], &field(9, &vec![0; 4 * 64 * 64])].concat());
    let axes = field(5, &[&field(8, b"axes"), &[0x08, 1, 0x10, 7][..], &field(9, &[1, 0, 0, 0, 0, 0, 0, 0])].concat());
    let layers = (0..3000).flat_map(|i| {
        let read = if i == 0 { "x".into() } else { i.to_string() };
        let layer = node("RNN", &[&read, "w", "w"], &[format!("y{i}")]);
        [layer, node("Squeeze", &[&format!("y{i}"), "axes"], &[(i + 1).to_string()])].concat()
    });
    let output = field(12, &field(1, b"3000"));
    let shared: Vec<u8> = [input.clone(), shared, axes.clone(), output].concat().into_iter().chain(layers).collect();
    let many_integers =
        field(5, &[&field(8, b"x"), &[0x08, 0xa0, 0x1f, 0x10, 7][..], &field(9, &vec![0; 8 * 4000])].concat());
    for (what, graph) in [
        ("empty nodes", many(&field(1, &[]))),
        ("empty tensors", many(&field(5, &[]))),
        ("empty inputs", many(&field(11, &[]))),
        ("empty outputs", many(&field(12, &[]))),
        ("outputs of one node", node("Abs", &["x"], &(0..20_000).map(|i: u32| i.to_string()).collect::<Vec<_>>())),
        ("empty attributes", field(1, &many(&field(5, &[])))),
        ("a chain of unknown nodes", chain("Abs")),
        ("a chain of layers", [weights.clone(), chain("RNN")].concat()),
        ("a chain of Identity", chain("Identity")),
        ("a chain of Identity of a constant", [many_integers, chain("Identity")].concat()),
        ("layers that share their weights", shared),
    ] {
        let file = model(&graph);
        let used = measure(|| {
            onnx::from_bytes::<f32>(&file).unwrap_err();
        });
        let most = 256 * u64::try_from(file.len()).unwrap();
        assert!(used.bytes_max <= most, "{what}: {} bytes for a file of {}", used.bytes_max, file.len());
    }
}

#[test]
fn an_impossible_tensor_of_a_model_is_refused_by_name() {
    let tensor = |dims: &[&[u8]], rest: &[u8]| {
        let dims = dims.iter().flat_map(|dim| [&[0x08], *dim].concat());
        model(&field(5, &field(8, b"w").into_iter().chain(dims).chain(rest.iter().copied()).collect::<Vec<_>>()))
    };
    let huge = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f][..];
    let negative = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01][..];
    let float = [0x10, 1];
    for (file, reason) in [
        (tensor(&[huge, huge], &float), "tensor `w` has shape"),
        (tensor(&[&[0], huge, huge], &float), "which no machine can address"),
        (tensor(&[negative], &float), "expected no negative length"),
        (
            tensor(&[&[2]], &[&float[..], &field(9, &[0; 7])].concat()),
            "tensor `w` has shape [2] of f32 elements in 7 bytes",
        ),
        (tensor(&[&[2]], &float), "tensor `w` has shape [2] and 0 elements"),
        (tensor(&[&[1][..]; 65], &float), "tensor `w` has 65 axes"),
        (tensor(&[&[0]], &[0x10, 1, 0x70, 1]), "tensor `w` has its elements in another file"),
        (vec![], "the file is empty"),
        (b"{}".to_vec(), "not a valid ONNX file"),
        (field(8, &[0x10, 14]), "no graph"),
        (field(7, &[]), "no `opset_import` of the ONNX domain"),
        (model(&[]), "`the graph` shows no output"),
        ([field(7, &[]), field(8, &[0x10, 6])].concat(), "`opset_import` is 6, expected at least 7"),
    ] {
        let error = onnx::from_bytes::<f32>(&file).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// Each of these valid models differs from a stack in one node.
#[test]
fn a_model_that_computes_something_else_is_refused() {
    for (name, reason) in [
        ("bias_over_time", "an Add that is not the bias of an output layer"),
        ("softmax_of_two_axes", "a Softmax over other axes than the outputs"),
        ("lengths_of_the_model", "an RNN whose `sequence_lens` is not an input of the graph"),
        ("state_from_the_sequence", "an initial state that is a part of the sequence"),
        ("last_column", "a Squeeze or Gather of another axis than that of one direction"),
        ("list_of_one_step", "a Gather whose index is not a scalar"),
        ("reverse_alone", "a layer of the reverse direction alone"),
        ("two_networks", "the last states of layers in another order"),
    ] {
        let error = onnx::load::<f32>(path(&format!("refused/{name}"))).unwrap_err().to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
    assert_eq!(fs::read_dir(path("refused/x").parent().unwrap()).unwrap().count(), 8);
}
