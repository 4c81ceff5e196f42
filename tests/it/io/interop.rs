//! Reads weights of other frameworks, runs them, and compares with the results of those frameworks, from
//! `fixtures/interop_*.py`. Writes them, and compares with what the frameworks loaded.

use elman::Activation::Tanh;
use elman::io::{Error, Tensors, flax, keras, onnx, torch};
use elman::{Dims, Parameters, Scalar, sequence};
use ndarray::{Array1, Array2, Array3, ArrayD, IxDyn};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::support::Convert;
use crate::support::fixture::Fixture;

/// Rounding of the element type over 11 steps, with margin for the framework's own `tanh`.
trait Recorded: Scalar + DeserializeOwned {
    const NAME: &'static str;
    const TOLERANCE: f64;
}

impl Recorded for f32 {
    const NAME: &'static str = "float32";
    const TOLERANCE: f64 = 1e-6;
}

impl Recorded for f64 {
    const NAME: &'static str = "float64";
    const TOLERANCE: f64 = 1e-13;
}

fn fixture(framework: &str) -> Fixture {
    Fixture::read(&format!("interop_{framework}.json"))
}

/// The weights of a case, under the framework's names.
fn weights<A: Recorded>(fixture: &Fixture, case: &str) -> Tensors<A> {
    let pointer = format!("/{}/{case}/weights", A::NAME);
    let mut tensors = Tensors::new();
    for name in fixture.get::<Map<String, Value>>(&pointer).keys() {
        let escaped = name.replace('/', "~1");
        tensors.insert(name, fixture.array::<A, IxDyn>(&format!("{pointer}/{escaped}")));
    }
    tensors
}

fn forward<A: Recorded>(fixture: &Fixture, p: &Parameters<A>) -> [Array3<f64>; 2] {
    let x: Array3<A> = fixture.array(&format!("/{}/x", A::NAME));
    let a0: Array2<A> = fixture.array(&format!("/{}/a0", A::NAME));
    let cache = sequence::forward(p, &x, &a0).unwrap();
    [cache.hidden().mapv(Convert::widen), cache.output().mapv(Convert::widen)]
}

/// Asserts that the network computes the framework's results.
#[track_caller]
fn assert_computes<A: Recorded>(fixture: &Fixture, case: &str, p: &Parameters<A>) {
    let [hidden, output] = forward(fixture, p);
    fixture.assert_close(&format!("/{}/{case}/hidden", A::NAME), &hidden, A::TOLERANCE);
    fixture.assert_close(&format!("/{}/{case}/output", A::NAME), &output, A::TOLERANCE);
}

fn bits<A: Scalar>(tensors: &Tensors<A>) -> Vec<(String, Vec<usize>, Vec<u64>)> {
    let bits = |array: ndarray::ArrayViewD<'_, A>| array.iter().map(|value| value.widen().to_bits()).collect();
    tensors.arrays().map(|(name, array)| (name.into(), array.shape().to_vec(), bits(array))).collect()
}

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

fn torch_rnn() -> torch::Rnn {
    torch::Rnn::new("encoder.rnn.", Tanh).with_linear("head.")
}

fn torch_cell() -> torch::RnnCell {
    torch::RnnCell::new("cell.", Tanh).with_linear("head.")
}

fn keras_layers() -> keras::SimpleRnn {
    keras::SimpleRnn::new("sequential/simple_rnn/simple_rnn_cell/", Tanh).with_dense("sequential/dense/")
}

fn linen() -> flax::SimpleCell {
    flax::SimpleCell::linen("params/SimpleCell_0/", Tanh).with_dense("params/Dense_0/")
}

fn nnx() -> flax::SimpleCell {
    flax::SimpleCell::nnx("rnn.cell.", Tanh).with_separator(".").with_dense("head.")
}

fn onnx_rnn() -> onnx::Rnn {
    onnx::Rnn::new("W", "R", "B", Tanh).with_gemm("head.weight", "head.bias", true)
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

/// Calls `check` for each kind of reader, with a network of the fixtures, the names of its biases and that of its
/// output layer's bias.
macro_rules! for_every_reader {
    ($check:ident) => {{
        let torch = ["encoder.rnn.bias_ih_l0", "encoder.rnn.bias_hh_l0"];
        $check(&torch_rnn(), ("torch", "rnn"), &torch, "head.bias");
        $check(&torch_cell(), ("torch", "cell"), &["cell.bias_ih", "cell.bias_hh"], "head.bias");
        let keras = ["sequential/simple_rnn/simple_rnn_cell/bias"];
        $check(&keras_layers(), ("keras", "simple_rnn"), &keras, "sequential/dense/bias");
        $check(&linen(), ("flax", "linen"), &["params/SimpleCell_0/i/bias"], "params/Dense_0/bias");
        $check(&nnx(), ("flax", "nnx"), &["rnn.cell.dense_i.bias"], "head.bias");
        $check(&onnx_rnn(), ("onnx", "rnn"), &["B"], "head.bias");
    }};
}

/// The common interface of the readers.
#[expect(clippy::wrong_self_convention, reason = "a layer converts tensors, as the readers do")]
trait Layers {
    fn from_tensors(&self, tensors: &Tensors<f64>) -> Result<Parameters<f64>, Error>;
    fn to_tensors(&self, p: &Parameters<f64>) -> Result<Tensors<f64>, Error>;
    fn without_bias(self) -> Self;
    fn without_head_bias(self) -> Self;
}

macro_rules! layers {
    ($($layers:ty),*) => {$(
        impl Layers for $layers {
            fn from_tensors(&self, tensors: &Tensors<f64>) -> Result<Parameters<f64>, Error> {
                self.from_tensors(tensors)
            }
            fn to_tensors(&self, p: &Parameters<f64>) -> Result<Tensors<f64>, Error> {
                self.to_tensors(p)
            }
            fn without_bias(self) -> Self {
                self.without_bias()
            }
            fn without_head_bias(self) -> Self {
                self.without_head_bias()
            }
        }
    )*};
}

layers!(torch::Rnn, torch::RnnCell, keras::SimpleRnn, flax::SimpleCell, onnx::Rnn);

#[test]
fn a_missing_bias_is_refused_by_name() {
    fn check(layers: &impl Layers, (framework, case): (&str, &str), own: &[&str], head: &str) {
        let tensors = weights::<f64>(&fixture(framework), case);
        for &name in own.iter().chain([&head]) {
            let mut short = tensors.clone();
            assert!(short.remove(name));
            let error = layers.from_tensors(&short).unwrap_err().to_string();
            assert!(error.starts_with(&format!("there is no tensor `{name}`: ")), "{framework}: {error}");
        }
    }
    for_every_reader!(check);
}

#[test]
fn an_unexpected_bias_is_refused_by_name() {
    fn check(layers: &(impl Layers + Clone), (framework, case): (&str, &str), own: &[&str], head: &str) {
        let tensors = weights::<f64>(&fixture(framework), case);
        let refused = |name: &str| format!("`{name}` shows a layer with a bias, expected one without");
        assert_refused(layers.clone().without_bias().from_tensors(&tensors), &refused(own[0]));
        assert_refused(layers.clone().without_head_bias().from_tensors(&tensors), &refused(head));
        let mut without = tensors;
        for name in own {
            without.remove(name);
            if let Some(next) = own.get(1).filter(|next| without.contains(next)) {
                assert_refused(layers.clone().without_bias().from_tensors(&without), &refused(next));
            }
        }
        let p = layers.clone().without_bias().from_tensors(&without).unwrap();
        assert!(p.ba().iter().all(|bias| bias.to_bits() == 0) && p.by().iter().all(|bias| *bias != 0.0));
        without.remove(head);
        let p = layers.clone().without_bias().without_head_bias().from_tensors(&without).unwrap();
        assert!(p.ba().iter().chain(p.by()).all(|bias| bias.to_bits() == 0));
    }
    for_every_reader!(check);
}

#[test]
fn a_nonzero_bias_is_not_written_to_a_layer_without_one() {
    fn check(layers: &(impl Layers + Clone), (framework, case): (&str, &str), own: &[&str], head: &str) {
        let expected =
            |name| format!("`{name}` shows a value other than zero, expected zeros, because the layer has no bias");
        let mut p = layers.from_tensors(&weights(&fixture(framework), case)).unwrap();
        assert_refused(layers.clone().without_bias().to_tensors(&p), &expected("ba"));
        assert_refused(layers.clone().without_head_bias().to_tensors(&p), &expected("by"));
        p.ba_mut().fill(0.0);
        let without = layers.clone().without_bias();
        let written = without.to_tensors(&p).unwrap();
        assert!(own.iter().all(|name| !written.contains(name)) && written.contains(head), "{framework}");
        assert_eq!(without.from_tensors(&written).unwrap(), p);
        p.by_mut().fill(0.0);
        let without = layers.clone().without_head_bias().without_bias();
        let written = without.to_tensors(&p).unwrap();
        assert!(own.iter().chain([&head]).all(|name| !written.contains(name)), "{framework}");
        assert_eq!(without.from_tensors(&written).unwrap(), p);
        p.by_mut()[0] = -0.0;
        assert_refused(without.to_tensors(&p), &expected("by"));
    }
    for_every_reader!(check);
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
fn a_layer_declared_without_bias_does_not_read_the_next_layers_bias() {
    let mut tensors = weights::<f64>(&fixture("keras"), "simple_rnn");
    let [kernel, recurrent] = ["kernel", "recurrent_kernel"]
        .map(|name| tensors.get(&format!("sequential/simple_rnn/simple_rnn_cell/{name}")).unwrap().to_owned());
    tensors.insert("arr_0", kernel);
    tensors.insert("arr_1", recurrent);
    // An array of the next layer, such as a scale for each unit.
    tensors.insert("arr_2", Array1::ones(7));
    let layer = keras::SimpleRnn::by_index(0, Tanh).without_bias();
    let p = layer.from_tensors(&tensors).unwrap();
    assert_eq!(p.ba(), Array1::<f64>::zeros(7));
    assert_eq!(layer.to_tensors(&p).unwrap().names().collect::<Vec<_>>(), ["arr_0", "arr_1"]);
    let biased = keras::SimpleRnn::by_index(0, Tanh).from_tensors(&tensors).unwrap();
    assert_refused(
        layer.to_tensors(&biased),
        "`ba` shows a value other than zero, expected zeros, because the layer has no bias",
    );
}

/// The position after the kernel then belongs to the next layer.
#[test]
fn a_dense_layer_without_bias_at_a_position_does_not_read_the_next_layers_bias() {
    let tensors = weights::<f64>(&fixture("keras"), "simple_rnn");
    let p = keras_layers().from_tensors(&tensors).unwrap();
    let mut list = Tensors::new();
    for (place, name) in ["simple_rnn/simple_rnn_cell/kernel", "simple_rnn/simple_rnn_cell/recurrent_kernel"]
        .into_iter()
        .chain(["simple_rnn/simple_rnn_cell/bias", "dense/kernel"])
        .enumerate()
    {
        list.insert(format!("arr_{place}"), tensors.get(&format!("sequential/{name}")).unwrap().to_owned());
    }
    let layers = keras::SimpleRnn::by_index(0, Tanh).with_dense_by_index(3);
    list.insert("arr_4", Array1::ones(5));
    assert_eq!(layers.from_tensors(&list).unwrap().by(), Array1::<f64>::ones(5));
    let found = layers.without_head_bias().from_tensors(&list).unwrap();
    assert_eq!((found.wya(), found.by()), (p.wya(), Array1::zeros(5).view()));
}

#[test]
fn layers_with_the_same_name_are_refused_when_written() {
    let p = torch_rnn().from_tensors(&weights::<f64>(&fixture("torch"), "rnn")).unwrap();
    assert_refused(
        keras::SimpleRnn::by_index(0, Tanh).with_dense_by_index(2).to_tensors(&p),
        "two arrays are called `arr_2`",
    );
    assert_refused(
        onnx::Rnn::new("W", "R", "B", Tanh).with_gemm("B", "C", true).to_tensors(&p),
        "two arrays are called `B`",
    );
    assert_refused(onnx::Rnn::new("W", "W", "B", Tanh).to_tensors(&p), "two arrays are called `W`");
    let linear = torch::Rnn::new("", Tanh).with_linear("");
    assert_eq!(linear.from_tensors(&linear.to_tensors(&p).unwrap()).unwrap(), p);
    let dense = flax::SimpleCell::linen("", Tanh).with_separator("").with_dense("h");
    assert_refused(dense.to_tensors(&p), "two arrays are called `hkernel`");
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

/// Every element has different bits: a quiet NaN with its own payload.
fn payloads() -> Parameters<f32> {
    let mut p = Parameters::zeros(Dims { n_x: 3, n_a: 7, n_y: 5 });
    for (bits, value) in (0x7fc0_0001_u32..).zip(p.as_mut_slice()) {
        *value = f32::from_bits(bits);
    }
    p
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

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, message: &str) {
    assert_eq!(result.unwrap_err().to_string(), message);
}

/// A torch network with a change.
fn torch_with(change: impl Fn(&mut Tensors<f64>)) -> Result<Parameters<f64>, Error> {
    let mut tensors = weights(&fixture("torch"), "rnn");
    change(&mut tensors);
    torch_rnn().from_tensors(&tensors)
}

fn zeros(shape: &[usize]) -> ArrayD<f64> {
    ArrayD::zeros(shape)
}

#[test]
fn torch_refuses_networks_that_are_not_elman_networks() {
    for (name, message) in [
        (
            "weight_ih_l1",
            "`encoder.rnn.weight_ih_l1` shows a stack of layers, expected a single layer: read it with `stack_from_tensors`",
        ),
        (
            "weight_ih_l0_reverse",
            "`encoder.rnn.weight_ih_l0_reverse` shows a bidirectional network, expected one direction: read it with `stack_from_tensors`",
        ),
        ("weight_hr_l0", "`encoder.rnn.weight_hr_l0` shows a network with projections, expected one without"),
    ] {
        assert_refused(torch_with(|tensors| tensors.insert(format!("encoder.rnn.{name}"), zeros(&[7, 7]))), message);
    }
    for (gates, found) in [(3, "a GRU"), (4, "an LSTM")] {
        let gated = |tensors: &mut Tensors<f64>| {
            tensors.insert("encoder.rnn.weight_ih_l0", zeros(&[gates * 7, 3]));
            tensors.insert("encoder.rnn.weight_hh_l0", zeros(&[gates * 7, 7]));
        };
        assert_refused(
            torch_with(gated),
            &format!("`encoder.rnn.weight_hh_l0` shows {found} of 7 units, expected a network without gates"),
        );
    }
    for rows in [14, 20, 22, 27, 29, 35] {
        assert_refused(
            torch_with(|tensors| tensors.insert("encoder.rnn.weight_hh_l0", zeros(&[rows, 7]))),
            &format!("`encoder.rnn.weight_hh_l0` has shape [{rows}, 7], expected [n_a, n_a]"),
        );
    }
}

#[test]
fn metadata_that_states_another_activation_is_refused_by_its_key() {
    fn check(layers: &impl Layers, (framework, case): (&str, &str), keys: &[&str]) {
        let tensors = weights::<f64>(&fixture(framework), case);
        for &key in keys {
            let with = |value: &str| {
                let mut noted = tensors.clone();
                noted.metadata_mut().insert(key.into(), value.into());
                layers.from_tensors(&noted)
            };
            assert_eq!(with("Tanh").unwrap(), layers.from_tensors(&tensors).unwrap());
            for other in ["relu", "sigmoid", "", "tanhshrink"] {
                let message = format!("`{key}` shows a network of {other} units, expected one of tanh units");
                assert_refused(with(other), &message);
            }
        }
    }
    check(&torch_rnn(), ("torch", "rnn"), &["nonlinearity", "encoder.rnn.nonlinearity"]);
    check(&torch_cell(), ("torch", "cell"), &["nonlinearity", "cell.nonlinearity"]);
    let path = "sequential/simple_rnn/simple_rnn_cell/activation";
    check(&keras_layers(), ("keras", "simple_rnn"), &["activation", path]);
    check(&linen(), ("flax", "linen"), &["activation_fn", "params/SimpleCell_0/activation_fn"]);
    check(&nnx(), ("flax", "nnx"), &["activation_fn", "rnn.cell.activation_fn"]);
    check(&onnx_rnn(), ("onnx", "rnn"), &["activations"]);
}

#[test]
fn a_key_with_the_layers_prefix_has_priority() {
    let with = |own: &str, plain: &str| {
        torch_with(|tensors| {
            tensors.metadata_mut().insert("encoder.rnn.nonlinearity".into(), own.into());
            tensors.metadata_mut().insert("nonlinearity".into(), plain.into());
        })
    };
    assert!(with("tanh", "relu").is_ok());
    assert!(with("relu", "tanh").is_err());
}

#[test]
fn torch_refuses_tensors_that_do_not_fit() {
    for (name, shape, message) in [
        ("encoder.rnn.weight_ih_l0", &[11, 3][..], "`encoder.rnn.weight_ih_l0` has shape [11, 3], expected [7, n_x]"),
        ("encoder.rnn.weight_ih_l0", &[7], "`encoder.rnn.weight_ih_l0` has shape [7], expected [n_a, n_x]"),
        ("encoder.rnn.weight_hh_l0", &[7, 5], "`encoder.rnn.weight_hh_l0` has shape [7, 5], expected [n_a, n_a]"),
        ("encoder.rnn.bias_hh_l0", &[5], "`encoder.rnn.bias_hh_l0` has shape [5], expected [7]"),
        ("head.weight", &[5, 14], "`head.weight` has shape [5, 14], expected [n_y, 7]"),
        ("head.bias", &[7], "`head.bias` has shape [7], expected [5]"),
    ] {
        assert_refused(torch_with(|tensors| tensors.insert(name, zeros(shape))), message);
    }
    assert_refused(
        torch_with(|tensors| assert!(tensors.remove("encoder.rnn.bias_hh_l0"))),
        "there is no tensor `encoder.rnn.bias_hh_l0`: there are `encoder.rnn.bias_ih_l0`, `encoder.rnn.weight_hh_l0`, \
         `encoder.rnn.weight_ih_l0`, `head.bias`, `head.weight`; \
         call `without_bias` or `without_head_bias` for a layer without a bias",
    );
    assert_refused(
        torch::RnnCell::new("", Tanh).to_tensors(&payloads()),
        "`wya` has shape [5, 7], expected [0, 7], because no output layer is named",
    );
}

#[test]
fn keras_refuses_networks_that_are_not_elman_networks() {
    let layer = "sequential/simple_rnn/simple_rnn_cell/";
    let tensors = weights::<f64>(&fixture("keras"), "simple_rnn");
    for (gates, found) in [(3, "a GRU"), (4, "an LSTM")] {
        let mut gated = tensors.clone();
        gated.insert(format!("{layer}kernel"), zeros(&[3, gates * 7]));
        gated.insert(format!("{layer}recurrent_kernel"), zeros(&[7, gates * 7]));
        assert_refused(
            keras_layers().from_tensors(&gated),
            &format!("`{layer}recurrent_kernel` shows {found} of 7 units, expected a network without gates"),
        );
    }
    let mut gated = tensors.clone();
    gated.insert(format!("{layer}bias"), zeros(&[2, 21]));
    assert_refused(
        keras_layers().from_tensors(&gated),
        &format!("`{layer}bias` shows a GRU, whose bias has two rows, expected a network without gates"),
    );
    let mut wrong = tensors;
    wrong.insert("sequential/dense/kernel", zeros(&[14, 5]));
    assert_refused(
        keras_layers().from_tensors(&wrong),
        "`sequential/dense/kernel` has shape [14, 5], expected [7, n_y]",
    );
}

#[test]
fn positions_that_ignore_a_missing_bias_are_refused() {
    let mut list = Tensors::new();
    for (place, shape) in [[3, 7], [7, 7], [7, 5]].iter().enumerate() {
        list.insert(format!("arr_{place}"), zeros(shape));
    }
    assert_refused(
        keras::SimpleRnn::by_index(0, Tanh).with_dense_by_index(3).from_tensors(&list),
        "`arr_2` has shape [7, 5], expected [7]",
    );
}

#[test]
fn flax_refuses_networks_that_are_not_elman_networks() {
    let tensors = weights::<f64>(&fixture("flax"), "linen");
    assert_refused(
        linen().with_residual(true).from_tensors(&tensors),
        "`residual` shows a residual cell, expected one that adds no state before its activation",
    );
    assert_refused(
        linen().with_residual(true).to_tensors(&payloads()),
        "`residual` shows a residual cell, expected one that adds no state before its activation",
    );
    let mut noted = tensors.clone();
    noted.metadata_mut().insert("params/SimpleCell_0/residual".into(), "True".into());
    assert_refused(
        linen().from_tensors(&noted),
        "`params/SimpleCell_0/residual` shows a residual cell, expected one that adds no state before its activation",
    );
    for (layer, found) in [("ii", "an LSTM"), ("ir", "a GRU"), ("if", "a minimal gated unit")] {
        let mut gated = Tensors::new();
        let name = format!("params/SimpleCell_0/{layer}/kernel");
        gated.insert(&name, zeros(&[3, 7]));
        assert_refused(
            linen().from_tensors(&gated),
            &format!("`{name}` shows {found}, expected a network without gates"),
        );
    }
    for (gates, found) in [(3, "a GRU"), (4, "an LSTM")] {
        let mut gated = weights::<f64>(&fixture("flax"), "nnx");
        gated.insert("rnn.cell.dense_i.kernel", zeros(&[3, gates * 7]));
        gated.insert("rnn.cell.dense_h.kernel", zeros(&[7, gates * 7]));
        assert_refused(
            nnx().from_tensors(&gated),
            &format!("`rnn.cell.dense_h.kernel` shows {found} of 7 units, expected a network without gates"),
        );
    }
    let mut biased = tensors;
    biased.insert("params/SimpleCell_0/h/bias", zeros(&[7]));
    assert_refused(
        linen().from_tensors(&biased),
        "`params/SimpleCell_0/h/bias` shows a cell with a bias of the hidden state, \
         expected one with the input's bias alone",
    );
}

#[test]
fn onnx_refuses_networks_that_are_not_elman_networks() {
    let tensors = weights::<f64>(&fixture("onnx"), "rnn");
    let reverse = "`direction` shows a network of direction reverse, expected a forward one";
    let clip = "`clip` shows a network clipped at 3, expected one without clipping";
    let layout = "`layout` shows a network of layout 1, expected layout 0, steps first";
    assert_refused(onnx_rnn().with_direction("reverse").from_tensors(&tensors), reverse);
    assert_refused(onnx_rnn().with_clip(3.0).from_tensors(&tensors), clip);
    assert_refused(onnx_rnn().with_layout(1).from_tensors(&tensors), layout);
    for (key, value, message) in [("direction", "reverse", reverse), ("clip", "3", clip), ("layout", "1", layout)] {
        let mut noted = tensors.clone();
        noted.metadata_mut().insert(key.into(), value.into());
        assert_refused(onnx_rnn().from_tensors(&noted), message);
    }
    let mut both = tensors.clone();
    both.insert("W", zeros(&[2, 7, 3]));
    assert_refused(
        onnx_rnn().from_tensors(&both),
        "`W` shows a bidirectional network, expected one direction: read it with `directions` and `io::Stack::bidirectional`",
    );
    for (gates, found) in [(3, "a GRU"), (4, "an LSTM")] {
        let mut gated = tensors.clone();
        gated.insert("W", zeros(&[1, gates * 7, 3]));
        gated.insert("R", zeros(&[1, gates * 7, 7]));
        assert_refused(
            onnx_rnn().from_tensors(&gated),
            &format!("`R` shows {found} of 7 units, expected a network without gates"),
        );
    }
}

#[test]
fn onnx_refuses_tensors_that_do_not_fit() {
    let tensors = weights::<f64>(&fixture("onnx"), "rnn");
    for (name, shape, message) in [
        ("W", &[7, 3][..], "`W` has shape [7, 3], expected [1, n_a, n_x]"),
        ("W", &[3, 7, 3], "`W` has shape [3, 7, 3], expected [1, n_a, n_x]"),
        ("W", &[1, 1, 7, 3], "`W` has shape [1, 1, 7, 3], expected [1, n_a, n_x]"),
        ("R", &[1, 7, 5], "`R` has shape [1, 7, 5], expected [1, n_a, n_a]"),
        ("B", &[1, 7], "`B` has shape [1, 7], expected [1, 14]"),
        ("head.weight", &[7, 5], "`head.weight` has shape [7, 5], expected [n_y, 7]"),
    ] {
        let mut wrong = tensors.clone();
        wrong.insert(name, zeros(shape));
        assert_refused(onnx_rnn().from_tensors(&wrong), message);
    }
    let mut short = tensors;
    short.remove("head.bias");
    assert_refused(
        onnx_rnn().from_tensors(&short),
        "there is no tensor `head.bias`: there are `B`, `R`, `W`, `head.weight`; \
         call `without_bias` or `without_head_bias` for a layer without a bias",
    );
    assert_refused(
        onnx::Rnn::new("W", "R", "", Tanh).with_gemm("V", "c", true).to_tensors(&payloads()),
        "`ba` shows a value other than zero, expected zeros, because the layer has no bias",
    );
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
    assert_refused(
        torch_rnn().from_tensors(&file),
        "`encoder.rnn.nonlinearity` shows a network of relu units, expected one of tanh units",
    );
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
