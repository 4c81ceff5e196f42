//! Named arrays as a collection, and the error of a missing one.

use elman::io::{Checkpoint, Error, Tensors, keras};
use elman::{Activation, Dims, Parameters};
use ndarray::{Array1, array};

#[test]
fn tensors_are_a_collection() {
    let mut tensors: Tensors<f32> = [("b", array![1.0]), ("a", array![2.0, 3.0])].into_iter().collect();
    assert_eq!((tensors.len(), tensors.is_empty()), (2, false));
    tensors.extend([("c".to_owned(), array![4.0]), ("a".to_owned(), array![5.0])]);
    let mut other = Tensors::new();
    other.insert("d", array![6.0]);
    other.metadata_mut().insert("key".into(), "value".into());
    tensors.merge(other);
    assert_eq!(tensors.metadata()["key"], "value");
    let list: Vec<(String, Vec<f32>)> =
        tensors.into_iter().map(|(name, array)| (name, array.into_raw_vec_and_offset().0)).collect();
    let expected = [("a", 5.0), ("b", 1.0), ("c", 4.0), ("d", 6.0)].map(|(name, value)| (name.into(), vec![value]));
    assert_eq!(list, expected);
    assert!(Tensors::<f64>::new().is_empty());
}

#[test]
fn several_networks_of_different_units_fit_in_one_file() {
    let dims = Dims { n_x: 3, n_a: 5, n_y: 2 };
    let encoder = Parameters::<f64>::zeros(dims).with_activation(Activation::Relu);
    let mut decoder = Parameters::<f64>::zeros(Dims { n_x: 2, ..dims });
    decoder.fill(0.5);
    let mut file = Tensors::from(&encoder).with_prefix("encoder.");
    file.merge(Tensors::from(&decoder).with_prefix("decoder."));
    assert_eq!(file.len(), 10);
    assert_eq!(Parameters::try_from(&file.under_prefix("encoder.")).unwrap(), encoder);
    assert_eq!(Parameters::try_from(&file.under_prefix("decoder.")).unwrap(), decoder);
    assert_eq!(file.under_prefix(""), file);
    let error = Parameters::try_from(&file.under_prefix("coder.")).unwrap_err().to_string();
    assert_eq!(error, "there is no tensor `wax`: there are no tensors");
}

#[test]
fn the_error_of_a_missing_tensor_lists_the_most_similar_names() {
    let missing = |names: &[&str], name| {
        let tensors: Tensors<f64> = names.iter().map(|&name| (name, Array1::zeros(1))).collect();
        tensors.get(name).unwrap_err().to_string()
    };
    assert_eq!(missing(&[], "wax"), "there is no tensor `wax`: there are no tensors");
    assert_eq!(missing(&["b", "a"], "wax"), "there is no tensor `wax`: there are `a`, `b`");
    let mut many: Vec<String> = (0..200).map(|layer| format!("decoder.block{layer}.attention.weight")).collect();
    many.push("encoder.rnn.weight_ih_l0".into());
    many.push("encoder.rnn.weight_hh_l0".into());
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let message = missing(&many, "rnn.weight_ih_l0");
    let start = "there is no tensor `rnn.weight_ih_l0`: the most similar of 202 names are `encoder.rnn.weight_ih_l0`, \
                 `encoder.rnn.weight_hh_l0`, ";
    assert!(message.starts_with(start), "{message}");
    assert_eq!(message.matches(", `").count(), 5, "six names: {message}");
}

/// One `?` serves for the errors of files and of calls.
#[test]
fn an_error_of_a_call_converts_into_one_of_a_file() {
    fn train() -> Result<Parameters<f32>, Error> {
        let mut p = Parameters::try_zeros(Dims { n_x: 3, n_a: 5, n_y: 2 })?;
        p.scaled_add(1.0, &Parameters::zeros(Dims { n_x: 4, n_a: 5, n_y: 2 }))?;
        Parameters::try_from(&Tensors::new())
    }
    let error = train().unwrap_err();
    assert_eq!(error.to_string(), "`other` belongs to a network of (n_x, n_a, n_y) = (4, 5, 2), expected (3, 5, 2)");
    assert!(matches!(error, Error::Argument(elman::Error::Network { .. })));
}

#[test]
fn parameters_convert_between_precisions() {
    let mut p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    let values = [0.1, 1e300, -1e-300, f64::NAN, f64::NEG_INFINITY, 1.0 + f64::EPSILON];
    p.as_mut_slice()[..6].copy_from_slice(&values);
    let single = p.to_f32();
    let found = &single.as_slice()[..6];
    assert_eq!((found[0], found[1], found[2], found[5]), (0.1_f32, f32::INFINITY, -0.0, 1.0));
    assert!(found[2].is_sign_negative() && found[3].is_nan() && found[4] == f32::NEG_INFINITY);
    assert_eq!(single.dims(), p.dims());
    assert_eq!(single.to_f64().as_slice()[0].to_bits(), f64::from(0.1_f32).to_bits());
    assert_eq!(p.to_f64().as_slice()[5].to_bits(), values[5].to_bits());
}

#[test]
fn the_nonlinearity_is_stored_with_the_parameters() {
    for activation in Activation::ALL {
        let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 }).with_activation(activation);
        assert_eq!(Parameters::try_from(&Tensors::from(&p)).unwrap(), p);
        let checkpoint = Checkpoint::new(p.clone());
        let mut tensors = checkpoint.to_tensors().unwrap();
        assert_eq!(tensors.metadata()["elman.activation"], activation.name());
        assert_eq!(Checkpoint::from_tensors(&tensors).unwrap(), checkpoint);
        assert_eq!(
            Checkpoint::from_tensors(&Tensors::from(&p)).unwrap(),
            checkpoint,
            "five tensors are a checkpoint, too"
        );
        assert_eq!((p.to_f32().activation(), p.to_f32().to_f64()), (activation, p));
        tensors.metadata_mut().insert("elman.activation".into(), "swish".into());
        let error = Checkpoint::from_tensors(&tensors).unwrap_err().to_string();
        assert_eq!(error, "metadata `elman.activation` is `swish`, expected `tanh`, `relu`, `sigmoid` or `identity`");
    }
}

/// The names in metadata are those of the frameworks, in any case.
#[test]
fn a_framework_layer_reads_the_nonlinearity_that_the_caller_expects() {
    for (activation, names) in [
        (Activation::Tanh, ["tanh", "Tanh", "TANH"]),
        (Activation::Relu, ["relu", "Relu", "ReLU"]),
        (Activation::Sigmoid, ["sigmoid", "Sigmoid", "SIGMOID"]),
        (Activation::Identity, ["linear", "Affine", "identity"]),
    ] {
        let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 0 }).with_activation(activation);
        let layer = keras::SimpleRnn::new("rnn/", activation);
        let mut tensors = layer.to_tensors(&p).unwrap();
        assert_eq!(layer.from_tensors(&tensors).unwrap(), p);
        for name in names {
            tensors.metadata_mut().insert("rnn/activation".into(), name.into());
            assert_eq!(layer.from_tensors(&tensors).unwrap(), p);
            let other = if activation == Activation::Relu { Activation::Tanh } else { Activation::Relu };
            let error = keras::SimpleRnn::new("rnn/", other).from_tensors(&tensors).unwrap_err().to_string();
            let expected = format!("`rnn/activation` shows a network of {name} units, expected one of {other} units");
            assert_eq!(error, expected);
            let error = keras::SimpleRnn::new("rnn/", other).to_tensors(&p).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("`activation` shows a network of {activation} units, expected one of {other} units")
            );
        }
    }
}
