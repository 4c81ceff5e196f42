//! Networks and optimisers through serde: bit-identical, and invalid networks are refused.

use allocation_counter::measure;
use elman::io::Checkpoint;
use elman::optim::{Adam, AdamW, AnyOptimizer, Optimizer, RmsProp, Sgd};
use elman::stack::{self, Architecture, Layer};
use elman::{Activation, Dims, Parameters, Scalar};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::Convert;
use crate::support::bits::{Bits, bits};

/// Round trips through a text format and through a binary format.
fn by_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn by_postcard<T: Serialize + DeserializeOwned>(value: &T) -> T {
    postcard::from_bytes(&postcard::to_stdvec(value).unwrap()).unwrap()
}

#[track_caller]
fn refused<T: DeserializeOwned>(value: &Value, reason: &str) {
    let mut result = None;
    let text = value.to_string();
    let allocated = measure(|| result = Some(serde_json::from_str::<T>(&text).err())).bytes_max;
    let error = result.unwrap().unwrap_or_else(|| panic!("accepted: {text}")).to_string();
    assert!(error.contains(reason), "`{reason}` is not in: {error}");
    assert!(allocated < 10_000, "{allocated} bytes for {text}");
}

/// A network with one hidden unit and these output biases.
fn network<A: Bits>(values: impl IntoIterator<Item = u64>) -> Parameters<A> {
    let values: Vec<A> = values.into_iter().map(A::from_pattern).collect();
    let mut parameters = Parameters::zeros(Dims { n_x: 1, n_a: 1, n_y: values.len() });
    parameters.by_mut().iter_mut().zip(values).for_each(|(to, value)| *to = value);
    parameters
}

fn comes_back<A: Bits + Serialize + DeserializeOwned>(values: impl IntoIterator<Item = u64>) {
    let parameters = network::<A>(values);
    for back in [by_json(&parameters), by_postcard(&parameters)] {
        assert_eq!(back.dims(), parameters.dims());
        assert_eq!(bits(back.as_slice()), bits(parameters.as_slice()));
    }
    let value = serde_json::to_value(&parameters).unwrap();
    let back: Parameters<A> = serde_json::from_value(value).unwrap();
    assert_eq!(bits(back.as_slice()), bits(parameters.as_slice()));
}

/// Bits without a pattern: the Weyl sequence of the golden ratio.
fn weyl(n: u64) -> impl Iterator<Item = u64> {
    (0..n).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
fn every_kind_of_number_round_trips_bit_for_bit() {
    comes_back::<f32>(f32::SPECIAL);
    comes_back::<f64>(f64::SPECIAL);
    comes_back::<f32>(weyl(100_003).map(|bits| bits >> 32));
    comes_back::<f64>(weyl(100_003));
    comes_back::<f32>([7.038_531e-26_f32.to_bits().into()]);
}

#[test]
fn every_stack_round_trips_and_a_wrong_one_is_refused() {
    let layers = [Layer::new(2).bidirectional().with_activation(Activation::Relu), Layer::new(1)];
    let mut p = stack::Parameters::<f32>::zeros(Architecture::new(1, layers, 1));
    (0..).zip(p.as_mut_slice()).for_each(|(bits, value)| *value = f32::from_bits(0x7fc0_0000 + bits));
    for back in [by_json(&p), by_postcard(&p)] {
        assert_eq!(back.architecture(), p.architecture());
        assert_eq!(bits(back.as_slice()), bits(p.as_slice()));
    }
    let value = serde_json::to_value(&p).unwrap();
    assert_eq!(value["architecture"]["layers"][0], json!({ "n_a": 2, "bidirectional": true, "activation": "relu" }));
    let edited = |pointer: &str, to: Value| {
        let mut value = value.clone();
        *value.pointer_mut(pointer).unwrap() = to;
        value
    };
    let refuse = |value: Value, reason| refused::<stack::Parameters<f32>>(&value, reason);
    refuse(edited("/architecture/n_y", json!(2)), "`parameters` has");
    refuse(edited("/architecture/layers/0/n_a", json!(usize::MAX)), "more parameters than a machine can address");
    refuse(edited("/architecture/layers/0/activation", json!("swish")), "unknown variant");
    refuse(edited("/parameters", json!([0.5])), "`parameters` has 1 elements, expected");
}

#[test]
fn every_array_round_trips() {
    for dims in [
        Dims { n_x: 3, n_a: 5, n_y: 2 },
        Dims { n_x: 3, n_a: 5, n_y: 0 },
        Dims { n_x: 0, n_a: 5, n_y: 2 },
        Dims { n_x: 3, n_a: 0, n_y: 2 },
        Dims::default(),
    ] {
        let mut parameters = Parameters::<f32>::zeros(dims);
        parameters.as_mut_slice().iter_mut().zip(0_u16..).for_each(|(value, i)| *value = f32::from(i));
        assert_eq!(by_json(&parameters), parameters);
        assert_eq!(by_postcard(&parameters), parameters);
        assert_eq!(by_json(&dims), dims);
        assert_eq!(by_postcard(&dims), dims);
    }
}

#[test]
fn finite_numbers_are_written_as_numbers_and_others_as_their_bits() {
    let value = serde_json::to_value(network::<f32>([0x3f00_0000, 0x8000_0000, 0x7fc0_0001])).unwrap();
    assert_eq!(value["by"].to_string(), r#"[0.5,-0.0,"0x7fc00001"]"#);
    let value = serde_json::to_value(network::<f64>([0xfff0_0000_0000_0000])).unwrap();
    assert_eq!(value["by"].to_string(), r#"["0xfff0000000000000"]"#);
}

fn small() -> Value {
    serde_json::to_value(network::<f32>([0x7fc0_0001, 0x3f80_0000])).unwrap()
}

#[test]
fn handwritten_numbers_are_read_and_invalid_ones_refused() {
    let with = |number: Value| {
        let mut value = small();
        value["by"][0] = number;
        value
    };
    for (number, expected) in [(json!(3), 3.0), (json!(-7), -7.0), (json!(0.1), 0.1), (json!("0x40400000"), 3.0)] {
        let found: Parameters<f32> = serde_json::from_value(with(number)).unwrap();
        assert_eq!(found.by()[0].to_bits(), f32::to_bits(expected));
    }
    for number in [
        json!(1e300),
        json!(null),
        json!("NaN"),
        json!("0x7fc0001"),
        json!("0x7fc000001"),
        json!("0x+7fc0001"),
        json!("7fc00001"),
        json!("0x7ff8000000000001"),
        json!([1.0]),
        json!(true),
    ] {
        refused::<Parameters<f32>>(&with(number), "an f32, or \"0x\" and the 8 digits of its bits");
    }
}

#[test]
fn arrays_that_do_not_fit_the_dimensions_are_refused_by_name() {
    for name in ["wax", "waa", "wya", "ba", "by"] {
        let mut value = small();
        value[name].as_array_mut().unwrap().push(json!(1.0));
        let n = value[name].as_array().unwrap().len();
        refused::<Parameters<f32>>(&value, &format!("`{name}` has {n} elements, expected {}", n - 1));
        value[name] = json!([]);
        refused::<Parameters<f32>>(&value, &format!("`{name}` has 0 elements, expected {}", n - 1));
    }
}

#[test]
fn dimensions_beyond_memory_are_refused() {
    let largest = u64::MAX;
    for dims in [
        [1 << 63, 1, 0],
        [1, 1 << 63, 0],
        [0, 1 << 32, 0],
        [1 << 63, 0, 0],
        [0, 0, 1 << 63],
        [largest, largest, largest],
        [1 << 62, 1, 1 << 62],
    ] {
        let dims = json!({ "n_x": dims[0], "n_a": dims[1], "n_y": dims[2] });
        refused::<Dims>(&dims, "has more parameters than a machine can address");
        let mut value = small();
        value["dims"] = dims;
        refused::<Parameters<f32>>(&value, "has more parameters than a machine can address");
    }
    let mut value = small();
    value["dims"]["n_x"] = json!(1_u64 << 40);
    refused::<Parameters<f32>>(&value, "`wax` has 1 elements, expected 1099511627776");
    for number in [json!(-1), json!(1.5), json!(1e30), json!("1")] {
        value["dims"]["n_x"] = number;
        refused::<Parameters<f32>>(&value, "expected usize");
    }
}

/// Every field missing once, duplicated once, and one unknown field.
fn fields_are_strict<T: Serialize + DeserializeOwned>(value: &T) {
    let value = serde_json::to_value(value).unwrap();
    let text = value.to_string();
    for (name, content) in value.as_object().unwrap() {
        let mut less = value.clone();
        less.as_object_mut().unwrap().remove(name);
        refused::<T>(&less, &format!("missing field `{name}`"));
        let more = format!("{},\"{name}\":{content}}}", text.strip_suffix('}').unwrap());
        let error = serde_json::from_str::<T>(&more).err().unwrap().to_string();
        assert!(error.contains(&format!("duplicate field `{name}`")), "{error}");
    }
    let mut more = value.clone();
    more["more"] = json!(1);
    refused::<T>(&more, "unknown field `more`");
    refused::<T>(&json!([[[]]]), "");
}

fn is_refused_wherever_it_is_cut_off<T: Serialize + DeserializeOwned>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    for length in 0..text.len() {
        assert!(serde_json::from_str::<T>(&text[..length]).is_err(), "{}", &text[..length]);
    }
    let bytes = postcard::to_stdvec(value).unwrap();
    for length in 0..bytes.len() {
        assert!(postcard::from_bytes::<T>(&bytes[..length]).is_err(), "{length} of {bytes:?}");
    }
    // Any byte may change to any other: the result is an error or another value, without a panic.
    for at in 0..bytes.len() {
        for byte in 0..=u8::MAX {
            let mut wrong = bytes.clone();
            wrong[at] = byte;
            let allocated = measure(|| drop(postcard::from_bytes::<T>(&wrong))).bytes_max;
            assert!(allocated < 5 << 20, "{allocated} bytes for {wrong:?}");
        }
    }
}

#[test]
fn a_declared_length_without_data_is_not_allocated() {
    let mut bytes = postcard::to_stdvec(&Dims { n_x: 1, n_a: 1, n_y: 1 }).unwrap();
    // 2⁶³ elements of wax are declared, and no data follows.
    bytes.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]);
    let allocated = measure(|| assert!(postcard::from_bytes::<Parameters<f64>>(&bytes).is_err())).bytes_max;
    assert!(allocated < 2 << 20, "{allocated} bytes");
}

/// θ after some steps along a rotating gradient, different for each optimiser.
fn steps<A: Scalar, O: Optimizer<A>>(optimizer: &mut O, parameters: &mut [A], steps: std::ops::Range<u32>) {
    for step in steps {
        let gradients: Vec<A> = (0..7_u32).map(|i| A::narrow(f64::sin(f64::from(7 * step + i)))).collect();
        optimizer.step(parameters, &gradients).unwrap();
    }
}

fn resumes<A: Bits, O: Optimizer<A> + Serialize + DeserializeOwned + Clone>(fresh: &O) {
    let mut parameters = [A::one(); 7];
    let mut optimizer = fresh.clone();
    steps(&mut optimizer, &mut parameters, 0..5);
    for mut back in [by_json(&optimizer), by_postcard(&optimizer)] {
        let (mut through, mut expected, mut optimizer) = (parameters, parameters, optimizer.clone());
        steps(&mut optimizer, &mut expected, 5..11);
        steps(&mut back, &mut through, 5..11);
        assert_eq!(bits(&through), bits(&expected));
    }
    for optimizer in [fresh, &optimizer] {
        fields_are_strict(optimizer);
        is_refused_wherever_it_is_cut_off(optimizer);
    }
}

fn every_optimizer_resumes<A: Bits>() {
    let rate = 0.1;
    resumes::<A, _>(&Sgd::<A>::new(rate).with_weight_decay(0.3));
    resumes::<A, _>(&Sgd::<A>::new(rate).with_momentum(0.9).with_dampening(0.2));
    resumes::<A, _>(&Sgd::<A>::new(rate).with_nesterov(0.7));
    resumes::<A, _>(&Adam::<A>::new(rate).with_betas(0.8, 0.95).with_eps(1e-5).with_weight_decay(0.3));
    resumes::<A, _>(&AdamW::<A>::new(rate).with_betas(0.7, 0.9));
    resumes::<A, _>(&RmsProp::<A>::new(rate).with_alpha(0.9).with_eps(1e-5).with_weight_decay(0.3));
    resumes::<A, _>(&RmsProp::<A>::new(rate).with_momentum(0.9).centered());
}

#[test]
fn a_resumed_optimizer_is_bit_identical() {
    every_optimizer_resumes::<f32>();
    every_optimizer_resumes::<f64>();
}

/// The variant, the kind in a checkpoint, the hyper-parameters and the state of each optimiser.
const NAMES: [(&str, &str, &[&str], &[&str]); 4] = [
    ("Sgd", "sgd", &["learning_rate", "momentum", "dampening", "weight_decay", "nesterov"], &["velocity"]),
    ("Adam", "adam", ADAM, &["first_moment", "second_moment"]),
    ("AdamW", "adamw", ADAM, &["first_moment", "second_moment"]),
    (
        "RmsProp",
        "rmsprop",
        &["learning_rate", "alpha", "eps", "momentum", "weight_decay", "centered"],
        &["square_average", "gradient_average", "velocity"],
    ),
];
const ADAM: &[&str] = &["learning_rate", "beta1", "beta2", "eps", "weight_decay", "steps"];

fn any_optimizers() -> [AnyOptimizer<f32>; 4] {
    [Sgd::new(0.1).into(), Adam::new(0.1).into(), AdamW::new(0.1).into(), RmsProp::new(0.1).centered().into()]
}

#[test]
fn the_names_of_an_optimizer_in_a_checkpoint_are_stable() {
    for (optimizer, (_, kind, settings, state)) in any_optimizers().into_iter().zip(NAMES) {
        let run = Checkpoint::new(Parameters::zeros(Dims::default())).with_optimizer(optimizer);
        let tensors = run.to_tensors().unwrap();
        assert_eq!(tensors.metadata()["elman.optimizer"], kind);
        let mut found: Vec<&str> =
            tensors.metadata().keys().filter_map(|key| key.strip_prefix("elman.optimizer.")).collect();
        let mut expected = settings.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
        found = tensors.names().filter_map(|name| name.strip_prefix("optimizer.")).collect();
        expected = state.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[test]
fn any_optimizer_is_written_as_its_fields_under_its_variant_name() {
    for (mut optimizer, (variant, _, settings, state)) in any_optimizers().into_iter().zip(NAMES) {
        let mut parameters = [1.0; 7];
        steps(&mut optimizer, &mut parameters, 0..3);
        let value = serde_json::to_value(&optimizer).unwrap();
        let found: Vec<&String> = value[variant].as_object().unwrap().keys().collect();
        let mut expected = [settings, state].concat();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert_eq!(by_json(&optimizer), optimizer);
        assert_eq!(by_postcard(&optimizer), optimizer);
    }
    let adam = AnyOptimizer::from(AdamW::<f32>::new(0.1).with_eps(f64::INFINITY));
    let expected = concat!(
        r#"{"AdamW":{"learning_rate":0.1,"beta1":0.9,"beta2":0.999,"eps":"0x7ff0000000000000","#,
        r#""weight_decay":0.01,"steps":0,"first_moment":[],"second_moment":[]}}"#
    );
    assert_eq!(serde_json::to_string(&adam).unwrap(), expected);
    refused::<AnyOptimizer<f32>>(&json!({ "Lion": {} }), "unknown variant `Lion`");
}

#[test]
fn an_optimizer_keeps_numbers_that_are_not_finite() {
    let mut adam =
        Adam::<f32>::new(f64::INFINITY).resumed(1, vec![f32::from_pattern(0x7fc0_0001)], vec![-0.0]).unwrap();
    for back in [by_json(&adam), by_postcard(&adam)] {
        assert_eq!(back.learning_rate().to_bits(), f64::INFINITY.to_bits());
        assert_eq!((bits(back.first_moment()), bits(back.second_moment())), (vec![0x7fc0_0001], vec![0x8000_0000]));
    }
    adam.set_learning_rate(-1.0);
    let expected = adam.clone().step(&mut [1.0], &[1.0]).unwrap_err();
    assert_eq!(by_json(&adam).step(&mut [1.0], &[1.0]).unwrap_err(), expected);
}

#[test]
fn an_inconsistent_state_is_refused() {
    let mut adam = serde_json::to_value(Adam::<f64>::new(0.1)).unwrap();
    adam["first_moment"] = json!([1.0, 2.0]);
    adam["second_moment"] = json!([1.0, 2.0]);
    refused::<Adam<f64>>(&adam, "`first_moment` has shape (2,), expected (0,)");
    refused::<AdamW<f64>>(&adam, "`first_moment` has shape (2,), expected (0,)");
    adam["steps"] = json!(3);
    assert_eq!(serde_json::from_value::<Adam<f64>>(adam.clone()).unwrap().steps(), 3);
    adam["second_moment"] = json!([1.0]);
    refused::<Adam<f64>>(&adam, "`second_moment` has shape (1,), expected (2,)");

    refused::<Adam<f64>>(&json!(1), "expected the fields of adam");
    for name in ["gradient_average", "velocity"] {
        let mut rms_prop = serde_json::to_value(RmsProp::<f64>::new(0.1)).unwrap();
        rms_prop[name] = json!([1.0]);
        refused::<RmsProp<f64>>(&rms_prop, &format!("`{name}` has shape (1,), expected (0,)"));
        rms_prop["square_average"] = json!([1.0, 2.0]);
        refused::<RmsProp<f64>>(&rms_prop, &format!("`{name}` has shape (1,), expected (2,)"));
        rms_prop[name] = json!([1.0, 2.0]);
        serde_json::from_value::<RmsProp<f64>>(rms_prop).unwrap();
    }
}

#[test]
fn truncated_input_and_other_fields_are_refused() {
    let dims = Dims { n_x: 3, n_a: 5, n_y: 200 };
    fields_are_strict(&dims);
    is_refused_wherever_it_is_cut_off(&dims);
    let parameters = network::<f32>([0x7fc0_0001, 0x3f80_0000]);
    fields_are_strict(&parameters);
    is_refused_wherever_it_is_cut_off(&parameters);
}
