//! Layers of other frameworks with and without biases.

use elman::Activation::Tanh;
use elman::io::{Tensors, keras};
use ndarray::Array1;

use crate::support::interop::{
    Layers, assert_refused, fixture, keras_layers, linen, nnx, onnx_rnn, torch_cell, torch_rnn, weights, zeros,
};

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
