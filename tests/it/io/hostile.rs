//! An invalid file is an error that names the tensor and the reason. Reading never panics, and never takes more memory
//! than 32 times the size of the file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use allocation_counter::measure;
use elman::Activation::Tanh;
use elman::io::{Checkpoint, Error, Stack, Tensors, flax, keras, onnx, safetensors, torch};
use elman::optim::{Adam, AnyOptimizer, RmsProp, Sgd};
use elman::{Dims, Parameters, stack};
use ndarray::{Array1, Array2, ArrayD};

const DIMS: Dims = Dims { n_x: 3, n_a: 5, n_y: 2 };

fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.bytes());
    bytes.resize(bytes.len() + data, 0x3f);
    bytes
}

fn checkpoint() -> Checkpoint<f32> {
    let adam = Adam::new(0.1).resumed(7, vec![1.0; DIMS.len()], vec![2.0; DIMS.len()]).unwrap();
    Checkpoint::new(Parameters::zeros(DIMS)).with_optimizer(adam)
}

#[track_caller]
fn assert_refused(bytes: &[u8], texts: &[&str]) {
    let error = safetensors::from_bytes::<f32>(bytes).unwrap_err();
    assert!(matches!(error, Error::Format { format: "safetensors", .. }));
    let error = error.to_string();
    for text in texts {
        assert!(error.contains(text), "{error:?} does not contain {text:?}");
    }
}

#[test]
fn an_impossible_tensor_is_refused_by_name() {
    let tensor =
        |shape: &str, end: u64| format!(r#"{{"wax":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#);
    for (header, data, reason) in [
        (
            tensor("[1000000,1000000]", 4_000_000_000_000),
            8,
            "ends at byte 4000000000000 of the data, but the file has 8",
        ),
        (tensor("[9223372036854775808]", 8), 8, "which no machine can address"),
        (tensor("[0,9223372036854775808]", 0), 0, "which no machine can address"),
        (tensor("[9223372036854775808,0]", 0), 0, "which no machine can address"),
        (tensor("[0,4294967296,4294967296]", 0), 0, "which no machine can address"),
        (tensor("[18446744073709551615,18446744073709551615]", 8), 8, "which no machine can address"),
        (tensor("[18446744073709551616]", 8), 8, "invalid type"),
        (tensor("[-1]", 8), 8, "invalid value"),
        (tensor("[1.5]", 8), 8, "invalid type"),
        (tensor("[[2]]", 8), 8, "invalid type"),
        (tensor("[3]", 8), 8, "has shape [3] of type F32, 96 bits, in 8 bytes"),
        (tensor("[]", 8), 8, "has shape [] of type F32, 32 bits, in 8 bytes"),
        (tensor("[0,3]", 8), 8, "has shape [0, 3] of type F32, 0 bits, in 8 bytes"),
        (tensor(&format!("[0{}]", ",1".repeat(64)), 0), 0, "has 65 axes, expected at most 64"),
        (r#"{"wax":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}}"#.into(), 8, "unknown variant `F33`"),
        (r#"{"wax":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}"#.into(), 1, "12 bits, in 1 bytes"),
        (
            r#"{"wax":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#.into(),
            8,
            "begins at byte 8 of the data, expected 0",
        ),
        (r#"{"wax":{"dtype":"F32","shape":[0],"data_offsets":[0,-8]}}"#.into(), 8, "invalid value"),
        (r#"{"wax":{"dtype":"F32","shape":[2]}}"#.into(), 8, "missing field `data_offsets`"),
        (
            r#"{"wax":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.into(),
            8,
            "duplicate field `dtype`",
        ),
        (r#"{"wax":null}"#.into(), 0, "invalid type"),
        (format!(r#"{{"wax":{}"#, "[".repeat(100_000)), 0, "tensor `wax`"),
    ] {
        assert_refused(&file(&header, data), &["tensor `wax`", reason]);
    }
}

#[test]
fn gaps_overlaps_and_trailing_bytes_are_refused() {
    let two = |[a, b, c, d]: [usize; 4]| {
        let entry =
            |name, start, end| format!(r#""{name}":{{"dtype":"U8","shape":[4],"data_offsets":[{start},{end}]}}"#);
        format!("{{{},{}}}", entry("second", c, d), entry("first", a, b))
    };
    safetensors::from_bytes::<f32>(&file(&two([0, 4, 4, 8]), 8)).unwrap();
    assert_refused(&file(&two([0, 4, 3, 7]), 8), &["tensor `second` begins at byte 3 of the data, expected 4"]);
    assert_refused(&file(&two([0, 4, 0, 4]), 8), &["begins at byte 0 of the data, expected 4"]);
    assert_refused(&file(&two([0, 4, 5, 9]), 9), &["tensor `second` begins at byte 5 of the data, expected 4"]);
    assert_refused(&file(&two([1, 5, 5, 9]), 9), &["tensor `first` begins at byte 1 of the data, expected 0"]);
    assert_refused(&file(&two([0, 4, 4, 8]), 9), &["1 bytes after the last tensor"]);
    assert_refused(&file(&two([0, 4, 4, 8]), 7), &["tensor `second` ends at byte 8 of the data, but the file has 7"]);
    assert_refused(&file("{}", 3), &["3 bytes after the last tensor"]);
}

/// The format's own library silently takes the last one if both have the same offsets.
#[test]
fn duplicate_names_are_refused() {
    let (square, line) = (
        r#"{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#,
        r#"{"dtype":"F32","shape":[6],"data_offsets":[0,24]}"#,
    );
    for name in ["wax", "w\\u0061x"] {
        let twice = file(&format!(r#"{{"wax":{square},"{name}":{line}}}"#), 24);
        assert_eq!(::safetensors::SafeTensors::deserialize(&twice).unwrap().tensor("wax").unwrap().shape(), [6]);
        assert_refused(&twice, &["tensor `wax` occurs twice"]);
    }
    assert_refused(&file(r#"{"__metadata__":{"key":"1","key":"2"}}"#, 0), &["metadata `key` occurs twice"]);
    assert_refused(&file(r#"{"__metadata__":{},"__metadata__":{}}"#, 0), &["`__metadata__` occurs twice"]);
    assert_refused(&file(r#"{"__metadata__":null,"__metadata__":{}}"#, 0), &["`__metadata__` occurs twice"]);
    assert_refused(&file(r#"{"__metadata__":{"key":1}}"#, 0), &["metadata `key`", "expected a string"]);
}

#[test]
fn an_invalid_header_is_refused() {
    let length = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    assert_refused(&length(u64::MAX), &["a header of 18446744073709551615 bytes, expected at most 100000000"]);
    assert_refused(&length(1 << 40), &["a header of 1099511627776 bytes, expected at most 100000000"]);
    assert_refused(&length(100_000_000), &["the header is 100000000 bytes, and the file ends after 2 of them"]);
    for header in ["", "[]", "{", "{}{}", "nul", "{\"\\ud800\":{}}"] {
        assert_refused(&file(header, 0), &["header: "]);
    }
    assert_refused(&file("[]", 0), &["expected tensors by name"]);
    assert_refused(&file(r#"{"__metadata__":[]}"#, 0), &["expected strings by name"]);
    let mut no_text = file(r#"{"wax":0}"#, 0);
    no_text[10] = 0xff;
    assert_refused(&no_text, &["header: ", "utf-8"]);
}

#[test]
fn a_truncated_file_is_refused_at_every_byte() {
    let bytes = safetensors::to_bytes(&checkpoint().to_tensors().unwrap()).unwrap();
    for length in 0..bytes.len() {
        assert_refused(&bytes[..length], &["not a valid safetensors file: "]);
    }
    assert_refused(&[&bytes[..], &[0]].concat(), &["1 bytes after the last tensor"]);
}

/// If the file is read, the format's own library reads the same content.
#[test]
fn a_header_with_one_wrong_byte_is_refused_or_read_as_the_library_reads_it() {
    let mut run = checkpoint();
    run.metadata.insert("note".into(), "ü".into());
    let bytes = safetensors::to_bytes(&run.to_tensors().unwrap()).unwrap();
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let (mut refused, mut read) = (0, 0);
    for at in 0..header {
        let values = [0, 0xff, b'"', b'{', b'[', b',', b'9', b'0', b' ', b'\\', bytes[at] ^ 1, bytes[at] ^ 0x20];
        for value in values.into_iter().filter(|&value| value != bytes[at]) {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            let found = catch_unwind(AssertUnwindSafe(|| safetensors::from_bytes::<f32>(&wrong)));
            let library = ::safetensors::SafeTensors::deserialize(&wrong);
            match found.unwrap_or_else(|_| panic!("{value} at {at}")) {
                Err(_) => refused += 1,
                Ok(tensors) => {
                    read += 1;
                    let library = library.unwrap();
                    assert_eq!(tensors.names().count(), library.len());
                    for (name, array) in tensors.arrays() {
                        assert_eq!(array.shape(), library.tensor(name).unwrap().shape(), "{value} at {at}");
                    }
                    // A checkpoint is read or refused, without a panic.
                    let _ = Checkpoint::try_from(&tensors);
                }
            }
        }
    }
    assert!(refused > header && read > 100, "{refused} {read}");
}

#[test]
fn a_tensor_of_another_type_or_rank_is_refused_by_name_when_it_is_requested() {
    let tensors = Tensors::from(&Parameters::<f64>::zeros(DIMS));
    let read = safetensors::from_bytes::<f32>(&safetensors::to_bytes(&tensors).unwrap()).unwrap();
    assert_eq!(read.shape("wax"), Some(&[5, 3][..]));
    for error in [Parameters::try_from(&read).unwrap_err(), safetensors::to_bytes(&read).unwrap_err()] {
        assert!(error.to_string().contains("has elements of type F64, expected f32; load the file as f64"), "{error}");
    }
    let mut tensors = tensors;
    tensors.insert("wya", Array1::zeros(10));
    let read = safetensors::from_bytes::<f64>(&safetensors::to_bytes(&tensors).unwrap()).unwrap();
    let error = Checkpoint::try_from(&read).unwrap_err().to_string();
    assert_eq!(error, "`wya` has shape [10], expected [n_y, n_a]");
}

#[test]
fn tensors_that_could_not_be_read_back_are_not_written() {
    let mut tensors = Tensors::<f32>::new();
    tensors.insert("deep", ArrayD::zeros(vec![1; 64]));
    assert_eq!(safetensors::from_bytes(&safetensors::to_bytes(&tensors).unwrap()).unwrap(), tensors);
    tensors.insert("deep", ArrayD::zeros(vec![1; 65]));
    assert!(safetensors::to_bytes(&tensors).unwrap_err().to_string().contains("`deep` of 65 axes"));
    tensors.remove("deep");
    tensors.insert("__metadata__", Array1::zeros(3));
    assert!(safetensors::to_bytes(&tensors).unwrap_err().to_string().contains("`__metadata__`"));
}

/// Headers with the most names, axes or nesting levels for each byte; and elements.
#[test]
fn reading_takes_at_most_32_times_the_size_of_the_file() {
    let many = |entry: &dyn Fn(usize) -> String| {
        let entries: Vec<String> = (0..20_011).map(entry).collect();
        format!("{{{}}}", entries.join(","))
    };
    let zeros = |count: usize| format!("[0{}]", ",0".repeat(count - 1));
    for (what, header, data) in [
        ("tensors", many(&|i| format!(r#""{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#)), 0),
        ("tensors as lists", many(&|i| format!(r#""{i:x}":["F32",[0],[0,0]]"#)), 0),
        ("tensors of other types", many(&|i| format!(r#""{i:x}":["F16",[0],[0,0]]"#)), 0),
        ("tensors of many axes", many(&|i| format!(r#""{i:x}":["F32",{},[0,0]]"#, zeros(64))), 0),
        ("tensors of five axes", many(&|i| format!(r#""{i:x}":["F32",{},[0,0]]"#, zeros(5))), 0),
        ("one of many axes", format!(r#"{{"a":["F32",{},[0,0]]}}"#, zeros(1_000_003)), 0),
        ("nesting", format!(r#"{{"a":{{"b":{}"#, "[".repeat(1_000_003)), 0),
        ("nested maps", format!(r#"{{"a":{{"b":{}"#, r#"{"":"#.repeat(500_009)), 0),
        ("notes", format!(r#"{{"__metadata__":{}}}"#, many(&|i| format!(r#""{i:x}":"""#))), 0),
        ("a long type", format!(r#"{{"a":{{"dtype":"{}"}}}}"#, "F".repeat(1_000_003)), 0),
        ("a long name", format!(r#"{{"{}":1}}"#, "a".repeat(1_000_003)), 0),
        ("elements", r#"{"a":{"dtype":"F32","shape":[1000003],"data_offsets":[0,4000012]}}"#.into(), 4_000_012),
    ] {
        let bytes = file(&header, data);
        let peak =
            usize::try_from(measure(|| drop(std::hint::black_box(safetensors::from_bytes::<f32>(&bytes)))).bytes_max);
        #[expect(clippy::cast_precision_loss, reason = "a ratio to be read")]
        let ratio = peak.unwrap() as f64 / bytes.len() as f64;
        println!("{what}: {ratio:.1} times {} bytes", bytes.len());
        assert!(ratio < if data > 0 { 1.001 } else { 32.0 }, "{what}: {ratio:.1}");
    }
}

/// A case for every kind of reader: its name, the tensors that it reads, and the call.
type Reader = (&'static str, &'static [&'static str], fn(&Tensors<f64>) -> Result<Parameters<f64>, Error>);

const READERS: [Reader; 13] = [
    ("elman", &["wax", "waa", "wya", "ba", "by"], |tensors| Parameters::try_from(tensors)),
    ("checkpoint", &["wax", "waa", "wya", "ba", "by"], |tensors| {
        Checkpoint::try_from(tensors).map(|checkpoint| checkpoint.parameters)
    }),
    ("torch", &["weight_ih_l0", "weight_hh_l0", "weight"], |tensors| {
        torch::Rnn::new("", Tanh).without_bias().with_linear("").without_head_bias().from_tensors(tensors)
    }),
    ("torch without a head", &["weight_ih_l0", "weight_hh_l0"], |tensors| {
        torch::Rnn::new("", Tanh).without_bias().from_tensors(tensors)
    }),
    ("torch cell", &["weight_ih", "weight_hh", "weight"], |tensors| {
        torch::RnnCell::new("", Tanh).without_bias().with_linear("").without_head_bias().from_tensors(tensors)
    }),
    ("keras", &["rnn/kernel", "rnn/recurrent_kernel", "kernel"], |tensors| {
        keras::SimpleRnn::new("rnn/", Tanh).without_bias().with_dense("").without_head_bias().from_tensors(tensors)
    }),
    ("keras places", &["arr_0", "arr_1", "arr_2"], |tensors| {
        keras::SimpleRnn::by_index(0, Tanh)
            .without_bias()
            .with_dense_by_index(2)
            .without_head_bias()
            .from_tensors(tensors)
    }),
    ("linen", &["i/kernel", "h/kernel", "kernel"], |tensors| {
        flax::SimpleCell::linen("", Tanh).without_bias().with_dense("").without_head_bias().from_tensors(tensors)
    }),
    ("nnx", &["dense_i/kernel", "dense_h/kernel", "kernel"], |tensors| {
        flax::SimpleCell::nnx("", Tanh).without_bias().with_dense("").without_head_bias().from_tensors(tensors)
    }),
    ("onnx", &["W", "R", "head"], |tensors| {
        onnx::Rnn::new("W", "R", "", Tanh).with_gemm("head", "", true).from_tensors(tensors)
    }),
    ("onnx, two directions", &["W", "R", "head"], |tensors| {
        let rnn = onnx::Rnn::new("W", "R", "", Tanh).with_gemm("head", "", true);
        let [forward, reverse] = rnn.directions();
        Stack::new().bidirectional(forward, reverse).from_tensors(tensors).map(|p| first_network(&p))
    }),
    ("torch stack", &["weight_ih_l0", "weight_hh_l0", "weight"], |tensors| {
        let rnn = torch::Rnn::new("", Tanh).without_bias().with_linear("").without_head_bias();
        rnn.stack_from_tensors(tensors).map(|p| first_network(&p))
    }),
    (
        "stack",
        &["layers.0.forward.wax", "layers.0.forward.waa", "layers.0.forward.wya", "layers.0.forward.ba", "by"],
        |tensors| stack::Parameters::try_from(tensors).map(|p| first_network(&p)),
    ),
];

fn first_network(p: &stack::Parameters<f64>) -> Parameters<f64> {
    p.network(0, stack::Direction::Forward).unwrap()
}

/// Shapes without elements, of every rank that a reader accepts. `directions` is the first of three axes.
fn empty_shapes(directions: usize, sizes: &[usize]) -> Vec<Vec<usize>> {
    let mut shapes = vec![vec![0]];
    for &size in sizes {
        shapes.extend([vec![0, size], vec![size, 0], vec![directions, 0, size], vec![directions, size, 0]]);
    }
    shapes
}

/// Without hidden units, both matrices have no elements, whatever numbers of inputs and outputs their shapes declare.
#[test]
fn a_shape_without_elements_takes_no_memory_in_any_reader() {
    for (reader, names, read) in READERS {
        let directions = if reader.ends_with("two directions") { 2 } else { 1 };
        // The elements of a shape without its zeros must fit in an `isize`.
        let shapes = empty_shapes(directions, &[0, 1, 1 << 8, (1 << 8) + 1, 1 << 28, (1 << 62) / directions]);
        let mut accepted = 0;
        // The weights of the input, the hidden state and the output layer. Biases have one axis.
        for input in &shapes {
            for hidden in &shapes {
                for output in &shapes {
                    let mut tensors = Tensors::new();
                    for (&name, shape) in names.iter().zip([input, hidden, output, &vec![0], &vec![0]]) {
                        tensors.insert(name, ArrayD::<f64>::zeros(shape.clone()));
                    }
                    let mut result = None;
                    let peak = measure(|| result = Some(catch_unwind(AssertUnwindSafe(|| read(&tensors))))).bytes_max;
                    let shapes = [input, hidden, output];
                    let result = result.unwrap().unwrap_or_else(|_| panic!("{reader} panicked on {shapes:?}"));
                    assert!(peak < 1 << 13, "{reader} took {peak} bytes for {shapes:?}");
                    if let Ok(p) = result {
                        let Dims { n_x, n_a, n_y } = p.dims();
                        assert!(n_a == 0 && n_x <= 1 << 8 && n_y <= 1 << 8, "{reader} read {shapes:?}");
                        accepted += 1;
                    }
                }
            }
        }
        assert!(accepted > 0, "{reader}");
    }
}

#[test]
fn a_large_dimension_without_elements_is_refused_by_its_tensor() {
    let torch = |n_x, n_y| {
        let mut tensors = Tensors::<f32>::new();
        tensors.insert("weight_ih_l0", Array2::zeros((0, n_x)));
        tensors.insert("weight_hh_l0", Array2::zeros((0, 0)));
        tensors.insert("head.weight", Array2::zeros((n_y, 0)));
        torch::Rnn::new("", Tanh).without_bias().with_linear("head.").without_head_bias().from_tensors(&tensors)
    };
    assert_eq!(torch(256, 256).unwrap().dims(), Dims { n_x: 256, n_a: 0, n_y: 256 });
    assert_eq!(
        torch(257, 2).unwrap_err().to_string(),
        "`weight_ih_l0` has shape [0, 257], expected [n_a, n_x] with n_x at most 256, because n_a is 0"
    );
    for n_y in [257, 1 << 28, 1 << 62] {
        assert_eq!(
            torch(3, n_y).unwrap_err().to_string(),
            format!("`head.weight` has shape [{n_y}, 0], expected [n_y, n_a] with n_y at most 256, because n_a is 0")
        );
    }
}

#[test]
fn dimensions_that_would_be_refused_are_not_written() {
    let expected = |name: &str, n_x: &str| {
        format!("`{name}` has shape [0, 257], expected {n_x} with n_x at most 256, because n_a is 0")
    };
    let p = Parameters::<f32>::zeros(Dims { n_x: 257, n_a: 0, n_y: 2 });
    let error = Checkpoint::new(p.clone()).to_tensors().unwrap_err().to_string();
    assert_eq!(error, expected("wax", "[n_a, n_x]"));
    let error = torch::Rnn::new("", Tanh).with_linear("head.").to_tensors(&p).unwrap_err().to_string();
    assert_eq!(error, expected("weight_ih_l0", "[n_a, n_x]"));
    let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 0, n_y: 257 });
    let linear = torch::Rnn::new("", Tanh).with_linear("head.");
    assert!(linear.to_tensors(&p).is_ok());
    assert_eq!(
        linear.without_head_bias().to_tensors(&p).unwrap_err().to_string(),
        "`head.weight` has shape [257, 0], expected [n_y, n_a] with n_y at most 256, because n_a is 0"
    );
}

#[test]
fn a_network_with_hidden_units_may_have_any_number_of_inputs_and_outputs() {
    let p = Parameters::<f64>::zeros(Dims { n_x: 300, n_a: 1, n_y: 300 });
    assert_eq!(Parameters::try_from(&Tensors::from(&p)).unwrap(), p);
    let linear = torch::Rnn::new("", Tanh).without_bias().with_linear("head.").without_head_bias();
    assert_eq!(linear.from_tensors(&linear.to_tensors(&p).unwrap()).unwrap(), p);
}

/// A bias has one element for each output.
#[test]
fn the_number_of_outputs_is_not_limited_if_the_bias_confirms_it() {
    let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 0, n_y: 1000 });
    assert_eq!(Parameters::try_from(&Tensors::from(&p)).unwrap(), p);
    let linear = torch::Rnn::new("", Tanh).with_linear("head.");
    assert_eq!(linear.from_tensors(&linear.to_tensors(&p).unwrap()).unwrap(), p);
}

fn edited(edit: impl FnOnce(&mut Tensors<f32>)) -> String {
    let mut tensors = checkpoint().to_tensors().unwrap();
    edit(&mut tensors);
    Checkpoint::try_from(&tensors).unwrap_err().to_string()
}

#[test]
fn invalid_metadata_is_refused_by_its_key() {
    for (key, value, reason) in [
        ("elman.format", "model", "`model`, expected `checkpoint`"),
        ("elman.version", "2", "`2`, expected `1`"),
        ("elman.element_type", "f64", "`f64`, expected `f32`"),
        ("elman.n_x", "4", "`4`, expected `3`"),
        ("elman.n_a", "-5", "`-5`, expected `5`"),
        ("elman.n_y", "", "``, expected `2`"),
        ("elman.optimizer", "adagrad", "`adagrad`, expected `sgd`, `adam`, `adamw` or `rmsprop`"),
        ("elman.optimizer.steps", "-1", "`-1`, expected a value of type u64"),
        ("elman.optimizer.beta1", "much", "`much`, expected a value of type f64"),
        ("elman.optimizer.momentum", "0.5", "`0.5`, expected no such key"),
        ("elman.note", "mine", "`mine`, expected no such key"),
    ] {
        let error = edited(|tensors| drop(tensors.metadata_mut().insert(key.into(), value.into())));
        assert_eq!(error, format!("metadata `{key}` is {reason}"));
    }
    let keys: Vec<String> = checkpoint().to_tensors().unwrap().metadata().keys().cloned().collect();
    assert_eq!(keys.len(), 15);
    for key in keys {
        let error = edited(|tensors| drop(tensors.metadata_mut().remove(&key)));
        // Without `elman.optimizer`, the optimiser's first number is an unknown key.
        let named = if key == "elman.optimizer" { "elman.optimizer.beta1" } else { &key };
        assert!(error.starts_with(&format!("metadata `{named}` is ")), "{key}: {error}");
    }
}

#[test]
fn state_of_the_wrong_length_is_refused_by_name_when_read_or_written() {
    let n = DIMS.len();
    for length in [0, 1, n - 1, n + 1] {
        let error = edited(|tensors| tensors.insert("optimizer.second_moment", Array1::zeros(length)));
        assert_eq!(error, format!("`optimizer.second_moment` has shape [{length}], expected [{n}]"));
    }
    let error = edited(|tensors| tensors.insert("optimizer.first_moment", Array2::zeros((1, n))));
    assert_eq!(error, format!("`optimizer.first_moment` has shape [1, {n}], expected [{n}]"));
    let error = edited(|tensors| assert!(tensors.remove("optimizer.first_moment")));
    assert!(error.starts_with("there is no tensor `optimizer.first_moment`"), "{error}");
    let error = edited(|tensors| drop(tensors.metadata_mut().insert("elman.optimizer.steps".into(), "0".into())));
    assert_eq!(error, format!("`optimizer.first_moment` has shape [{n}], expected [0]"));

    let others: [(&str, AnyOptimizer<f32>); 3] = [
        ("velocity", Sgd::new(0.1).with_momentum(0.5).resumed(vec![0.0; n - 1]).into()),
        ("first_moment", Adam::new(0.1).resumed(1, vec![], vec![]).unwrap().into()),
        ("square_average", RmsProp::new(0.1).resumed(vec![0.0; n + 1], vec![], vec![]).unwrap().into()),
    ];
    for (name, optimizer) in others {
        let run = Checkpoint::new(Parameters::zeros(DIMS)).with_optimizer(optimizer);
        let error = run.to_tensors().unwrap_err().to_string();
        assert!(error.starts_with(&format!("`optimizer.{name}` has shape")), "{error}");
    }
    let error = RmsProp::new(0.1).resumed(vec![0.0; n], vec![], vec![0.0; n - 1]).unwrap_err().to_string();
    assert_eq!(error, format!("`velocity` has shape ({},), expected ({n},)", n - 1));
}

#[test]
fn the_callers_metadata_round_trips_and_cannot_use_reserved_keys() {
    let mut run = checkpoint();
    run.metadata = [("epoch", "3"), ("format", "pt"), ("elman", "a name"), ("", "nothing")]
        .map(|(key, value)| (key.into(), value.into()))
        .into();
    let tensors = safetensors::from_bytes(&safetensors::to_bytes(&run.to_tensors().unwrap()).unwrap()).unwrap();
    assert_eq!(Checkpoint::try_from(&tensors).unwrap(), run);
    run.metadata.insert("elman.n_x".into(), "3".into());
    let error = run.to_tensors().unwrap_err().to_string();
    assert_eq!(
        error,
        "metadata `elman.n_x` is reserved for this crate, expected one that does not begin with `elman.`"
    );
}

#[test]
fn five_tensors_are_a_checkpoint_without_any_metadata() {
    let p = Parameters::<f32>::zeros(DIMS);
    let mut tensors = Tensors::from(&p);
    assert_eq!(Checkpoint::try_from(&tensors).unwrap(), Checkpoint::new(p));
    tensors.metadata_mut().insert("format".into(), "pt".into());
    assert_eq!(Checkpoint::try_from(&tensors).unwrap().metadata, *tensors.metadata());
}

#[test]
fn a_message_does_not_repeat_long_input() {
    let long = "x".repeat(1 << 20);
    for header in [
        format!(r#""{long}""#),
        format!(r#"{{"wax":{{"dtype":"{long}","shape":[],"data_offsets":[0,0]}}}}"#),
        format!(r#"{{"wax":{{"dtype":"F32","shape":"{long}","data_offsets":[0,0]}}}}"#),
        format!(r#"{{"{long}":{{"dtype":"F32","shape":[1],"data_offsets":[0,0]}}}}"#),
        format!(r#"{{"__metadata__":"{long}"}}"#),
    ] {
        let error = safetensors::from_bytes::<f32>(&file(&header, 0)).unwrap_err().to_string();
        assert!(error.len() < 1024, "{} bytes", error.len());
    }
}

/// The first 256 and the last 257 characters of a message say where the error is, and what it is.
#[test]
fn the_middle_of_a_message_is_left_out_only_where_it_is_too_long() {
    let (mut whole, mut cut) = (0, 0);
    for length in 100..600 {
        let name = "F".repeat(length);
        let header = format!(r#"{{"w":{{"dtype":"{name}","shape":[0],"data_offsets":[0,0]}}}}"#);
        let error = safetensors::from_bytes::<f32>(&file(&header, 0)).unwrap_err().to_string();
        let message = error.strip_prefix("not a valid safetensors file: header: ").unwrap();
        if message.contains(" … ") {
            assert_eq!(message.chars().count(), 256 + 3 + 257, "{message}");
            cut += 1;
        } else {
            assert!(message.contains(&name) && message.len() <= 513, "{message}");
            whole = whole.max(message.len());
        }
    }
    assert!(whole == 513 && cut > 0, "{whole} characters at most, {cut} messages were cut");
}

/// The format's own library reads headers of up to 100 MB.
#[test]
fn a_header_that_is_too_long_for_a_reader_is_not_written() {
    let named = |length: usize| -> Tensors<f32> { [("n".repeat(length), Array1::zeros(0))].into_iter().collect() };
    let most = 100_000_000;
    // The header of a short name, before it is filled up to a multiple of eight.
    let rest = r#"{"":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#.len();
    let bytes = safetensors::to_bytes(&named(most - rest)).unwrap();
    assert_eq!(bytes.len(), 8 + most);
    let error = safetensors::to_bytes(&named(most - rest + 1)).unwrap_err().to_string();
    assert_eq!(error, "not a valid safetensors file: a header of 100000008 bytes, expected at most 100000000");
}
