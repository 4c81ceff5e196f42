//! Stacks as named arrays and checkpoints: they come back, and what does not fit is refused.

use allocation_counter::measure;
use elman::Activation::Tanh;
#[cfg(feature = "onnx")]
use elman::io::onnx;
use elman::io::{Stack, StackCheckpoint, Tensors, keras, torch};
use elman::optim::{Adam, Optimizer};
use elman::stack::{self, Architecture, Layer};
use ndarray::Array2;

use crate::support::stacks::{architectures, parameters};

#[test]
fn a_stack_comes_back_from_named_arrays() {
    for (seed, architecture) in (1..).zip(architectures()) {
        let p = parameters::<f64>(&architecture, seed);
        let tensors = Tensors::from(&p);
        assert_eq!(stack::Parameters::try_from(&tensors).unwrap(), p, "{architecture}");
        for name in tensors.names() {
            let mut fewer = tensors.clone();
            fewer.remove(name);
            let error = stack::Parameters::try_from(&fewer).unwrap_err().to_string();
            assert!(error.starts_with(&format!("there is no tensor `{name}`")), "{error}");
        }
        let mut wrong = tensors.clone();
        wrong.metadata_mut().insert("elman.layers.0.activation".into(), "swish".into());
        let error = stack::Parameters::try_from(&wrong).unwrap_err().to_string();
        assert!(error.starts_with("metadata `elman.layers.0.activation` is `swish`, expected `tanh`"), "{error}");
    }
    let mut tensors = Tensors::from(&parameters::<f64>(&Architecture::new(3, [Layer::new(5); 2], 2), 1));
    assert!(tensors.metadata().is_empty(), "a stack of tanh layers needs no metadata, so an `.npz` file can hold it");
    tensors.insert("layers.1.forward.waa", Array2::zeros((5, 4)));
    let error = stack::Parameters::try_from(&tensors).unwrap_err().to_string();
    assert_eq!(error, "`layers.1.forward.waa` has shape [5, 4], expected [5, 5]");
    let error = stack::Parameters::try_from(&Tensors::<f32>::new()).unwrap_err().to_string();
    assert_eq!(error, "there is no tensor `by`: there are no tensors");
}

/// Shapes without elements ask for memory that no element confirms, and numbers of layers for any number of steps.
#[test]
fn a_hostile_stack_is_refused() {
    let small = Architecture::new(3, [Layer::new(5).bidirectional()], 2);
    let tensors = || Tensors::from(&stack::Parameters::<f32>::zeros(small.clone()));
    let huge = 1 << 61;
    for (name, shape) in [
        ("layers.0.reverse.wya", (huge, 0)),
        ("layers.0.forward.wya", (huge, 0)),
        ("layers.0.forward.wax", (0, huge)),
        ("layers.0.forward.waa", (0, huge)),
    ] {
        let mut tensors = tensors();
        tensors.insert(name, Array2::zeros(shape));
        assert!(stack::Parameters::try_from(&tensors).is_err(), "{name}");
        for name in ["layers.0.forward.", "layers.0.reverse."] {
            tensors.insert(format!("{name}waa"), Array2::zeros((0, 0)));
            tensors.insert(format!("{name}ba"), ndarray::Array1::zeros(0));
        }
        assert!(stack::Parameters::try_from(&tensors).is_err(), "{name}");
    }
    // An output bias of 2¹⁶ elements, and lower layers with a head without elements for it: refused before any copy.
    let mut many = Tensors::<f32>::new();
    many.insert("by", ndarray::Array1::zeros(1 << 16));
    for layer in 0..256 {
        for (name, shape) in [("wax", (0, 0)), ("waa", (0, 0)), ("wya", (1 << 16, 0))] {
            many.insert(format!("layers.{layer}.forward.{name}"), Array2::zeros(shape));
        }
        many.insert(format!("layers.{layer}.forward.ba"), ndarray::Array1::zeros(0));
    }
    let info = measure(|| assert!(stack::Parameters::try_from(&many).is_err()));
    assert!(info.bytes_max < 1 << 19, "{} bytes", info.bytes_max);
    for rows in [0, 1, 3] {
        let mut tensors = Tensors::from(&stack::Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(5)], 2)));
        tensors.insert("layers.0.forward.wya", Array2::zeros((rows, 5)));
        let error = stack::Parameters::try_from(&tensors).unwrap_err().to_string();
        assert_eq!(error, format!("`layers.0.forward.wya` has shape [{rows}, 5], expected [2, 5]"));
    }
    for layer in ["2", "18446744073709551615", "99999999999999999999999", "-1", "", "1.1"] {
        let mut tensors = tensors();
        tensors.insert(format!("layers.{layer}.forward.wax"), Array2::zeros((5, 10)));
        let result = stack::Parameters::try_from(&tensors);
        // Names that are no layer's are ignored, like those of other tensors.
        assert_eq!(result.is_err(), ["2", "18446744073709551615", "1.1"].contains(&layer), "{layer}");
    }
}

#[test]
fn a_run_of_a_stack_is_restored_and_continues_with_the_same_bits() {
    for (seed, architecture) in (1..).zip(architectures()) {
        let mut p = parameters::<f32>(&architecture, seed);
        let mut adam = Adam::new(0.01);
        let gradients = parameters::<f32>(&architecture, seed + 100);
        adam.step(p.as_mut_slice(), gradients.as_slice()).unwrap();
        let mut checkpoint = StackCheckpoint::new(p).with_optimizer(adam);
        checkpoint.metadata.insert("epoch".into(), "7".into());
        let tensors = checkpoint.to_tensors().unwrap();
        let mut restored = StackCheckpoint::from_tensors(&tensors).unwrap();
        assert_eq!(restored, checkpoint);
        for run in [&mut restored, &mut checkpoint] {
            run.optimizer.as_mut().unwrap().step(run.parameters.as_mut_slice(), gradients.as_slice()).unwrap();
        }
        assert_eq!(restored, checkpoint);
        for mut tensors in [tensors.clone(), Tensors::from(&checkpoint.parameters)] {
            tensors.metadata_mut().insert("elman.layers.9.activation".into(), "tanh".into());
            assert!(StackCheckpoint::from_tensors(&tensors).is_err(), "the stack has no such layer");
        }
        for key in tensors.metadata().keys().filter(|key| key.starts_with("elman.")) {
            let mut fewer = tensors.clone();
            fewer.metadata_mut().remove(key);
            assert!(StackCheckpoint::from_tensors(&fewer).is_err(), "{key}");
        }
        if let Some(top) = architecture.layers().iter().rposition(|layer| layer.bidirectional) {
            let mut fewer = tensors.clone();
            let reverse = format!("layers.{top}.reverse.");
            let names: Vec<String> =
                tensors.names().filter(|name| name.starts_with(&reverse)).map(Into::into).collect();
            assert!(names.iter().all(|name| fewer.remove(name)));
            assert!(StackCheckpoint::from_tensors(&fewer).is_err(), "{architecture} without {reverse}");
        }
        let alone = StackCheckpoint::from_tensors(&Tensors::from(&checkpoint.parameters)).unwrap();
        assert_eq!((alone.parameters, alone.optimizer), (checkpoint.parameters, None));
    }
}

/// Its matrices have no elements, but those of the layer below show how many outputs that one has.
#[test]
fn a_layer_without_units_may_stand_above_a_layer_of_any_width() {
    let one = |index: usize| keras::SimpleRnn::new(&format!("{index}/"), Tanh).with_dense("head/");
    let [forward, reverse] = ["forward/", "reverse/"].map(|prefix| keras::SimpleRnn::new(prefix, Tanh));
    for (n_a, upper) in [(257, Layer::new(0)), (263, Layer::new(0).bidirectional())] {
        let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(n_a), upper, Layer::new(5)], 2));
        let tensors = Tensors::from(&p);
        assert_eq!(stack::Parameters::try_from(&tensors).unwrap(), p);
        let checkpoint = StackCheckpoint::new(p.clone());
        assert_eq!(StackCheckpoint::from_tensors(&checkpoint.to_tensors().unwrap()).unwrap(), checkpoint);
        #[cfg(feature = "onnx")]
        assert_eq!(onnx::from_bytes::<f64>(&onnx::to_bytes(&p).unwrap()).unwrap(), p);
        if upper.bidirectional {
            let both = Stack::new().layer(one(0)).bidirectional(forward.clone(), reverse.clone()).layer(one(2));
            assert_eq!(both.from_tensors(&both.to_tensors(&p).unwrap()).unwrap(), p);
        } else {
            let rnn = torch::Rnn::new("", Tanh).with_linear("head.");
            assert_eq!(rnn.stack_from_tensors(&rnn.stack_to_tensors(&p).unwrap()).unwrap(), p);
        }

        // One more than the layer below has is what no element shows.
        let mut wrong = tensors;
        wrong.insert("layers.1.forward.wax", Array2::zeros((0, n_a + 1)));
        let error = stack::Parameters::try_from(&wrong).unwrap_err().to_string();
        let expected = format!("expected [n_a, n_x] with n_x at most {n_a}, because n_a is 0");
        assert_eq!(error, format!("`layers.1.forward.wax` has shape [0, {}], {expected}", n_a + 1));
        wrong.insert("layers.1.forward.wax", Array2::zeros((0, n_a - 1)));
        assert!(stack::Parameters::try_from(&wrong).is_err(), "fewer than the layer below has");
    }

    // The layer above reads the sum of both directions.
    let sum = Stack::new().bidirectional_sum(forward, reverse).layer(one(1));
    let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(257).bidirectional(), Layer::new(0)], 2));
    let mut tensors = sum.to_tensors(&p).unwrap();
    assert_eq!(tensors.shape("1/kernel").unwrap(), [257, 0]);
    assert_eq!(sum.from_tensors(&tensors).unwrap(), p);
    for rows in [258, 1 << 62] {
        tensors.insert("1/kernel", Array2::zeros((rows, 0)));
        let error = sum.from_tensors(&tensors).unwrap_err().to_string();
        let expected = "expected [n_x, n_a] with n_x at most 257, because n_a is 0";
        assert_eq!(error, format!("`1/kernel` has shape [{rows}, 0], {expected}"));
    }
}

/// Without one, nothing shows that the caller expects the sum of both.
#[test]
fn the_sum_of_two_directions_needs_a_layer_that_reads_it() {
    let [forward, reverse] = ["forward/", "reverse/"].map(|prefix| keras::SimpleRnn::new(prefix, Tanh));
    let p = stack::Parameters::<f64>::zeros(Architecture::new(3, [Layer::new(5).bidirectional()], 0));
    let tensors = Stack::new().bidirectional(forward.clone(), reverse.clone()).to_tensors(&p).unwrap();
    let sum = Stack::new().bidirectional_sum(forward, reverse);
    for error in [sum.from_tensors(&tensors).unwrap_err(), sum.to_tensors(&p).unwrap_err()] {
        assert_eq!(error.to_string(), "`layer 0` shows none, expected a dense layer above the sum of two directions");
    }
}
