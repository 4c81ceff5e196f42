//! Weights of other frameworks that are not an Elman network, or do not fit the layer, are refused.

use elman::Activation::Tanh;
use elman::io::{Tensors, flax, keras, onnx, torch};

use crate::support::interop::{
    Layers, assert_refused, fixture, keras_layers, linen, nnx, onnx_rnn, payloads, torch_cell, torch_rnn, torch_with,
    weights, zeros,
};

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
