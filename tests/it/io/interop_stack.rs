//! Stacks of PyTorch, Keras, Flax and ONNX, from `fixtures/interop_*_stack.py`: results in both precisions, gradients against autograd,
//! and weights written back.

use elman::io::{Error, FrameworkLayer, Stack, Tensors, flax, keras, onnx, torch};
use elman::sequence::Input;
use elman::stack::{self, Direction, States};
use elman::{Activation, Scalar};
use ndarray::{Array2, Array3, Axis, IxDyn, concatenate};
use serde_json::{Map, Value};

use crate::support::Convert;
use crate::support::fixture::Fixture;

/// Rounding over four or five steps and three layers, relative to the largest element.
const SINGLE: f64 = 1e-6;
const DOUBLE: f64 = 1e-13;
const GRADIENT: f64 = 1e-12;

fn tensors(fixture: &Fixture, pointer: &str) -> Tensors<f64> {
    let names = fixture.get::<Map<String, Value>>(pointer);
    let array = |name: &String| fixture.array::<f64, IxDyn>(&format!("{pointer}/{}", name.replace('/', "~1")));
    names.keys().map(|name| (name.clone(), array(name))).collect()
}

/// The states of all layers and directions, in torch's order, which is that of the flat buffer.
fn states<A: Scalar>(fixture: &Fixture, pointer: &str, p: &stack::Parameters<A>) -> States<A> {
    let m = fixture.array::<f64, ndarray::Ix2>(&format!("{pointer}/0")).ncols();
    let mut states = States::zeros(p.architecture(), m);
    for (index, (layer, direction)) in keys(p).into_iter().enumerate() {
        let state: Array2<f64> = fixture.array(&format!("{pointer}/{index}"));
        states.get_mut(layer, direction).unwrap().assign(&state.mapv(A::narrow));
    }
    states
}

fn keys<A: Scalar>(p: &stack::Parameters<A>) -> Vec<(usize, Direction)> {
    let layers = p.architecture().layers().iter().enumerate();
    layers
        .flat_map(|(layer, shape)| {
            let directions = [Direction::Forward, Direction::Reverse].into_iter();
            directions.take(1 + usize::from(shape.bidirectional)).map(move |direction| (layer, direction))
        })
        .collect()
}

#[test]
fn every_torch_rnn_computes_the_same_in_both_precisions_and_has_the_same_gradients() {
    let fixture = Fixture::read("interop_torch_stack.json");
    let cases = fixture.get::<Map<String, Value>>("");
    assert_eq!(cases.len(), 24);
    for case in cases.keys() {
        let weights = tensors(&fixture, &format!("/{case}/weights"));
        let activation = if case.contains("relu") { Activation::Relu } else { Activation::Tanh };
        let mut rnn = torch::Rnn::new("rnn.", activation).with_linear("head.");
        if case.contains("plain") {
            rnn = rnn.without_bias().without_head_bias();
        }
        let p = rnn.stack_from_tensors(&weights).unwrap();
        assert_eq!(p.architecture().layers().len().to_string(), case[..1], "{case}");
        assert_computes::<f64>(&fixture, case, &p, DOUBLE);
        assert_computes::<f32>(&fixture, case, &p.to_f32(), SINGLE);

        let x: Array3<f64> = fixture.array(&format!("/{case}/x"));
        let cache = stack::forward(&p, &x, &states(&fixture, &format!("/{case}/a0"), &p)).unwrap();
        let dlogits: Array3<f64> = fixture.array(&format!("/{case}/dlogits"));
        let mut back = stack::Backward::with_dx();
        stack::backward_into(&p, &cache, stack::Upstream::logits(&dlogits), &mut back).unwrap();
        // Gradients have tanh for a nonlinearity, unless the architecture says more: write them as torch names them.
        let written = rnn.clone().stack_to_tensors(&biased(&back.gradients, case)).unwrap();
        for (name, array) in written.arrays().filter(|(name, _)| !name.contains("bias_hh")) {
            fixture.assert_close(&format!("/{case}/gradients/{name}"), &array.to_owned(), GRADIENT);
        }
        fixture.assert_close(&format!("/{case}/dx"), &back.dx.unwrap(), GRADIENT);
        for (index, (layer, direction)) in keys(&p).into_iter().enumerate() {
            let found = back.d_states.get(layer, direction).unwrap().to_owned();
            fixture.assert_close(&format!("/{case}/da0/{index}"), &found, GRADIENT);
        }

        let again = rnn.stack_to_tensors(&p).unwrap();
        assert_eq!(rnn.stack_from_tensors(&again).unwrap(), p, "{case}");
        assert!(again.names().eq(weights.names()), "{case}");
    }
}

/// Gradients of biases that torch's layer does not have are left out.
fn biased(gradients: &stack::Gradients<f64>, case: &str) -> stack::Gradients<f64> {
    let mut gradients = gradients.clone();
    if case.contains("plain") {
        for (layer, direction) in keys(&gradients) {
            gradients.ba_mut(layer, direction).unwrap().fill(0.0);
        }
        gradients.by_mut().fill(0.0);
    }
    gradients
}

fn assert_computes<A: Scalar>(fixture: &Fixture, case: &str, p: &stack::Parameters<A>, tolerance: f64) {
    let x: Array3<f64> = fixture.array(&format!("/{case}/x"));
    let cache = stack::forward(p, &x.mapv(A::narrow), &states(fixture, &format!("/{case}/a0"), p)).unwrap();
    let top = p.architecture().layers().len() - 1;
    let hidden: Vec<_> = [Direction::Forward, Direction::Reverse]
        .into_iter()
        .filter_map(|direction| cache.hidden(top, direction))
        .map(|hidden| hidden.mapv(Convert::widen))
        .collect();
    let views: Vec<_> = hidden.iter().map(|hidden| hidden.view()).collect();
    fixture.assert_close(&format!("/{case}/hidden"), &concatenate(Axis(0), &views).unwrap(), tolerance);
    let logits = cache.logits().mapv(Convert::widen);
    fixture.assert_close(&format!("/{case}/logits"), &logits, tolerance);
    for (index, (layer, direction)) in keys(p).into_iter().enumerate() {
        let last = cache.last_hidden(layer, direction).unwrap().mapv(Convert::widen);
        fixture.assert_close(&format!("/{case}/last/{index}"), &last, tolerance);
    }
}

#[test]
fn keras_models_of_several_layers_and_directions_compute_the_same() {
    let fixture = Fixture::read("interop_keras_stack.json");
    let one = |path: &str, activation| keras::SimpleRnn::new(&format!("model/{path}/simple_rnn_cell/"), activation);
    let both = |outer: &str, name: &str, activation| {
        ["forward", "backward"].map(|way| one(&format!("{outer}/{way}_{name}"), activation).with_dense("model/head/"))
    };
    let [tanh, relu, sigmoid, identity] = Activation::ALL;
    let [lower_forward, lower_backward] = both("both", "lower", tanh);
    let [first, second] = both("both", "lower", identity);
    let [third, fourth] = both("top", "upper", relu);
    for (case, model) in [
        ("two layers", Stack::new().layer(one("lower", relu)).layer(one("upper", sigmoid).with_dense("model/head/"))),
        ("two directions", Stack::new().bidirectional(lower_forward, lower_backward)),
        ("mixed", Stack::new().bidirectional(first, second).layer(one("middle", tanh)).bidirectional(third, fourth)),
        (
            "without bias",
            Stack::new().layer(one("lower", relu).without_bias().with_dense("model/head/").without_head_bias()),
        ),
    ] {
        let p = assert_same_logits(&fixture, case, &model, DOUBLE);
        assert_eq!(model.to_tensors(&p).unwrap(), tensors(&fixture, &format!("/{case}/weights")), "{case}");
    }
}

#[test]
fn keras_adds_two_directions() {
    let fixture = Fixture::read("interop_keras_stack.json");
    let one = |path: &str, activation| {
        keras::SimpleRnn::new(&format!("model/{path}/simple_rnn_cell/"), activation).with_dense("model/head/")
    };
    let [tanh, relu, ..] = Activation::ALL;
    let [lower, upper] = [("both", "lower"), ("top", "upper")]
        .map(|(outer, name)| ["forward", "backward"].map(|way| one(&format!("{outer}/{way}_{name}"), tanh)));
    let ([first, second], [third, fourth]) = (lower, upper);
    let model = Stack::new()
        .bidirectional_sum(first.clone(), second.clone())
        .layer(one("middle", relu))
        .bidirectional_sum(third, fourth);
    let mut p = assert_same_logits(&fixture, "summed", &model, DOUBLE);
    let weights = tensors(&fixture, "/summed/weights");
    assert_eq!(model.to_tensors(&p).unwrap(), weights);

    let concat = Stack::new().bidirectional(first.clone(), second.clone()).layer(one("middle", relu));
    assert!(concat.from_tensors(&weights).is_err(), "the kernel above has half of the rows");
    let mut uneven = weights.clone();
    uneven.insert("model/both/backward_lower/simple_rnn_cell/kernel", Array2::zeros((3, 2)));
    uneven.insert("model/both/backward_lower/simple_rnn_cell/recurrent_kernel", Array2::zeros((2, 2)));
    uneven.insert("model/both/backward_lower/simple_rnn_cell/bias", ndarray::Array1::zeros(2));
    let error = model.from_tensors(&uneven).unwrap_err().to_string();
    let expected =
        "`layer 0` shows [5, 2] units, expected two directions of the same width, because their outputs are added";
    assert_eq!(error, expected);
    p.wya_mut(2, Direction::Reverse).unwrap()[[0, 0]] += 1.0;
    let error = model.to_tensors(&p).unwrap_err().to_string();
    assert!(error.starts_with("`wya of layer 2` shows different weights for the two directions"), "{error}");
    p.wax_mut(1, Direction::Forward).unwrap()[[0, 0]] += 1.0;
    let error = model.to_tensors(&p).unwrap_err().to_string();
    assert!(error.starts_with("`wax of layer 1` shows different weights for the two"), "{error}");
}

/// Keras returns the outputs of a layer with `go_backwards` from the last step to the first.
#[test]
fn keras_models_that_go_backwards_are_reversed_inputs() {
    let fixture = Fixture::read("interop_keras_stack.json");
    let one = |path: &str, activation| keras::SimpleRnn::new(&format!("model/{path}/simple_rnn_cell/"), activation);
    let upper = one("upper", Activation::Relu).with_dense("model/head/");
    let model = Stack::new().layer(one("lower", Activation::Tanh)).layer(upper);
    let p = model.from_tensors(&tensors(&fixture, "/backwards/weights")).unwrap();
    let x: Array3<f64> = fixture.array("/backwards/x");
    let cache = stack::forward(&p, Input::vectors(&x).reversed(), None).unwrap();
    let mut logits = cache.logits().to_owned();
    logits.invert_axis(Axis(2));
    fixture.assert_close("/backwards/logits", &logits, DOUBLE);
}

/// Flax flips and joins the states of the two directions itself.
#[test]
fn flax_modules_of_several_layers_and_directions_compute_the_same() {
    let fixture = Fixture::read("interop_flax_stack.json");
    let [tanh, relu, sigmoid, _] = Activation::ALL;
    let linen = |name: &str, phi| flax::SimpleCell::linen(&format!("params/{name}/"), phi).with_dense("params/head/");
    let nnx =
        |path: &str, phi| flax::SimpleCell::nnx(&format!("{path}.cell."), phi).with_separator(".").with_dense("head.");
    let model =
        Stack::new().bidirectional(linen("forward", relu), linen("backward", relu)).layer(linen("upper", sigmoid));
    let p = assert_same_logits(&fixture, "linen", &model, DOUBLE);
    assert_eq!(model.to_tensors(&p).unwrap(), tensors(&fixture, "/linen/weights"));
    let model = Stack::new()
        .layer(nnx("lower", tanh))
        .bidirectional(nnx("upper.forward_rnn", relu), nnx("upper.backward_rnn", relu));
    let p = assert_same_logits(&fixture, "nnx", &model, DOUBLE);
    assert_eq!(model.to_tensors(&p).unwrap(), tensors(&fixture, "/nnx/weights"));
}

#[test]
fn onnx_operators_of_several_layers_and_directions_compute_the_same() {
    let fixture = Fixture::read("interop_onnx_stack.json");
    let rnn = |name: &str, phi| {
        let [w, r, b] = ["W", "R", "B"].map(|input| format!("{name}.{input}"));
        onnx::Rnn::new(&w, &r, &b, phi).with_gemm("head.weight", "head.bias", true)
    };
    let [tanh, relu, sigmoid, _] = Activation::ALL;
    let three = Stack::new().bidirectional(rnn("lower", relu), rnn("lower_reverse", relu)).layer(rnn("upper", sigmoid));
    let [forward, reverse] = rnn("rnn", tanh).with_direction("bidirectional").directions();
    let one = Stack::new().bidirectional(forward.clone(), reverse.clone());
    for (case, model) in [("operators", &three), ("bidirectional", &one)] {
        let p = assert_same_logits(&fixture, case, model, SINGLE);
        // The two biases are one here, so the file's halves do not come back.
        let written = model.to_tensors(&p).unwrap();
        let weights = tensors(&fixture, &format!("/{case}/weights"));
        assert!(written.names().eq(weights.names()), "{case}");
        assert!(weights.names().all(|name| written.shape(name) == weights.shape(name)), "{case}");
        assert_eq!(model.from_tensors(&written).unwrap(), p, "{case}");
    }

    let mut wrong = tensors(&fixture, "/bidirectional/weights");
    wrong.insert("rnn.R", ndarray::Array3::zeros((1, 5, 5)));
    let error = one.from_tensors(&wrong).unwrap_err().to_string();
    assert_eq!(error, "`rnn.R` has shape [1, 5, 5], expected [2, n_a, n_a]");
    let error = {
        let [forward, reverse] = rnn("rnn", tanh).with_direction("forward").directions();
        Stack::new().bidirectional(forward, reverse).from_tensors(&wrong).unwrap_err().to_string()
    };
    assert_eq!(error, "`direction` shows a network of direction forward, expected a bidirectional one");
    let p = one.from_tensors(&tensors(&fixture, "/bidirectional/weights")).unwrap();
    let weights = one.to_tensors(&p).unwrap();
    for (first, second) in [(&reverse, &forward), (&forward, &forward), (&reverse, &reverse)] {
        let wrong = Stack::new().bidirectional(first.clone(), second.clone());
        for error in [wrong.to_tensors(&p).unwrap_err(), wrong.from_tensors(&weights).unwrap_err()] {
            assert!(matches!(&error, Error::Network { tensor, .. } if tensor == "rnn.W"), "{error}");
        }
    }
    for error in [forward.from_tensors(&weights).err(), Stack::new().layer(reverse).from_tensors(&weights).err()] {
        assert!(matches!(error, Some(Error::Network { .. })));
    }
    let two = Stack::new().layer(rnn("lower", tanh)).bidirectional(rnn("rnn", tanh).directions()[0].clone(), {
        let [_, reverse] = rnn("other", tanh).directions();
        reverse
    });
    let p = stack::Parameters::<f64>::zeros(stack::Architecture::new(
        3,
        [stack::Layer::new(5), stack::Layer::new(7).bidirectional()],
        2,
    ));
    let error = two.to_tensors(&p).unwrap_err();
    assert!(matches!(&error, Error::Missing { tensor, .. } if tensor.starts_with("other.")), "{error}");
}

/// The logits of a case, in both precisions. `tolerance` is that of double precision: the fixture's own, where it is larger.
fn assert_same_logits<L: FrameworkLayer>(
    fixture: &Fixture,
    case: &str,
    model: &Stack<L>,
    tolerance: f64,
) -> stack::Parameters<f64> {
    let weights = tensors(fixture, &format!("/{case}/weights"));
    let p = model.from_tensors(&weights).unwrap_or_else(|error| panic!("{case}: {error}"));
    let x: Array3<f64> = fixture.array(&format!("/{case}/x"));
    let cache = stack::forward(&p, &x, None).unwrap();
    fixture.assert_close(&format!("/{case}/logits"), &cache.logits().to_owned(), tolerance);
    let single = stack::forward(&p.to_f32(), &x.mapv(f32::narrow), None).unwrap();
    let logits = single.logits().mapv(f64::from);
    fixture.assert_close(&format!("/{case}/logits"), &logits, SINGLE);
    p
}

#[test]
fn layers_that_do_not_fit_are_refused_by_what_they_are() {
    let fixture = Fixture::read("interop_torch_stack.json");
    let rnn = torch::Rnn::new("rnn.", Activation::Tanh).with_linear("head.");
    let weights = || tensors(&fixture, "/2 2 tanh bias/weights");
    let refused = |change: &dyn Fn(&mut Tensors<f64>)| {
        let mut tensors = weights();
        change(&mut tensors);
        rnn.stack_from_tensors(&tensors).unwrap_err().to_string()
    };
    let error = refused(&|tensors| assert!(tensors.remove("rnn.weight_hh_l1_reverse")));
    assert!(error.starts_with("there is no tensor `rnn.weight_hh_l1_reverse`"), "{error}");
    let error = refused(&|tensors| tensors.insert("rnn.weight_ih_l1", Array2::zeros((5, 5))));
    assert_eq!(error, "`networks` belongs to a network of (n_x, n_a, n_y) = (5, 5, 2), expected (10, 5, 2)");
    let error = refused(&|tensors| tensors.insert("head.weight", Array2::zeros((2, 5))));
    assert_eq!(error, "`head.weight` has shape [2, 5], expected [n_y, 10]");
    let error = refused(&|tensors| tensors.insert("rnn.weight_hr_l0", Array2::zeros((2, 5))));
    assert!(error.contains("a network with projections"), "{error}");
    let error = refused(&|tensors| tensors.insert("rnn.weight_hh_l1", Array2::zeros((20, 5))));
    assert!(error.contains("shows an LSTM of 5 units"), "{error}");
    let relu = torch::Rnn::new("rnn.", Activation::Relu).with_linear("head.");
    let p = rnn.stack_from_tensors(&weights()).unwrap();
    let error = relu.stack_to_tensors(&p).unwrap_err().to_string();
    assert_eq!(error, "`activation` shows a network of tanh units, expected one of relu units");

    let mixed = [stack::Layer::new(5), stack::Layer::new(5).bidirectional()];
    let mixed = stack::Parameters::<f64>::zeros(stack::Architecture::new(3, mixed, 2));
    let error = rnn.stack_to_tensors(&mixed).unwrap_err();
    assert!(matches!(error, Error::Network { .. }), "{error}");

    let network = |dims| elman::Parameters::<f64>::zeros(dims);
    let dims = |n_x, n_a, n_y| elman::Dims { n_x, n_a, n_y };
    let mut biased = network(dims(3, 5, 2));
    biased.by_mut().fill(1.0);
    for (networks, start) in [
        (vec![], "the stack has no layer"),
        (vec![vec![network(dims(3, 5, 0))], vec![]], "`networks[..].len()` is 0, expected 1 or 2"),
        (vec![vec![network(dims(3, 5, 2))], vec![network(dims(5, 7, 2))]], "`networks` belongs to a network"),
        (vec![vec![network(dims(3, 5, 2)), network(dims(3, 4, 2))]], "`networks` belongs to a network"),
        (vec![vec![network(dims(3, 5, 2)); 3]], "`networks[..].len()` is 3, expected 1 or 2"),
        (vec![vec![network(dims(3, 5, 2)), biased]], "the reverse direction of `networks` has an output bias"),
    ] {
        let error = stack::Parameters::from_networks(&networks).unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
    }
}

/// Any weight or bias of a layer shows that the layer exists, so a missing tensor is not read as a smaller network.
#[test]
fn a_torch_file_that_lacks_a_tensor_is_refused() {
    let layer = stack::Layer::new(5).bidirectional();
    let p = stack::Parameters::<f64>::zeros(stack::Architecture::new(3, [layer; 2], 2));
    let rnn = torch::Rnn::new("rnn.", Activation::Tanh).with_linear("head.");
    let tensors = rnn.stack_to_tensors(&p).unwrap();
    assert_eq!(rnn.stack_from_tensors(&tensors).unwrap(), p);
    for name in tensors.names() {
        let mut fewer = tensors.clone();
        fewer.remove(name);
        let error = rnn.stack_from_tensors(&fewer).unwrap_err();
        assert!(matches!(&error, Error::Missing { tensor, .. } if tensor == name), "{name}: {error}");
    }
    for layer in ["2", "18446744073709551615"] {
        let mut more = tensors.clone();
        more.insert(format!("rnn.bias_hh_l{layer}"), Array2::<f64>::zeros((0, 0)));
        let error = rnn.stack_from_tensors(&more).unwrap_err();
        assert!(matches!(&error, Error::Missing { tensor, .. } if tensor == "rnn.weight_ih_l2"), "{error}");
    }
    let one = stack::Parameters::<f64>::zeros(stack::Architecture::new(3, [stack::Layer::new(5)], 2));
    let mut more = rnn.stack_to_tensors(&one).unwrap();
    more.insert("rnn.bias_hh_l3", Array2::<f64>::zeros((0, 0)));
    let error = rnn.from_tensors(&more).unwrap_err().to_string();
    assert!(error.starts_with("`rnn.bias_hh_l3` shows a stack of layers"), "{error}");
}
