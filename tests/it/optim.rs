//! Compares the optimisers and clipping with `torch.optim`, from `fixtures/torch_optim.py`, and tests invalid settings.

#![expect(clippy::float_cmp, reason = "the compared numbers are exact, or must be bit-identical")]

use elman::optim::{Adam, AdamW, AnyOptimizer, Optimizer, RmsProp, Sgd, clip_joint_norm, clip_norm, clip_value};
use elman::{Dims, Error, Gradients, Parameters, Scalar};
use ndarray::{Array1, Array2};
use serde_json::{Map, Value};

use crate::support::Convert;
use crate::support::fixture::Fixture;

type Boxed = Box<dyn Optimizer<f64>>;

/// Torch rounds at different places (its kernels fuse some multiply-adds): a few units in the last place in each of
/// twenty steps.
const TOLERANCE: f64 = 4e-15;

/// The same in single precision, compared with torch in double: a unit in the last place, 1.2e-7, in each of twenty
/// steps. A division by a small root magnifies some of them.
const SINGLE_TOLERANCE: f64 = 1e-5;

fn build<A: Scalar>(kind: &str, options: &Value) -> Box<dyn Optimizer<A>> {
    let number = |name: &str| options[name].as_f64().unwrap_or_else(|| panic!("no {name} for {kind}"));
    let flag = |name: &str| options[name].as_bool().unwrap_or_else(|| panic!("no {name} for {kind}"));
    let betas = || (options["betas"][0].as_f64().unwrap(), options["betas"][1].as_f64().unwrap());
    let (lr, decay) = (number("lr"), number("weight_decay"));
    match kind {
        "SGD" => {
            let sgd = Sgd::new(lr).with_dampening(number("dampening")).with_weight_decay(decay);
            let momentum = number("momentum");
            Box::new(if flag("nesterov") { sgd.with_nesterov(momentum) } else { sgd.with_momentum(momentum) })
        }
        "Adam" => {
            let (beta1, beta2) = betas();
            Box::new(Adam::new(lr).with_betas(beta1, beta2).with_eps(number("eps")).with_weight_decay(decay))
        }
        "AdamW" => {
            let (beta1, beta2) = betas();
            Box::new(AdamW::new(lr).with_betas(beta1, beta2).with_eps(number("eps")).with_weight_decay(decay))
        }
        "RMSprop" => {
            let rms_prop = RmsProp::new(lr)
                .with_alpha(number("alpha"))
                .with_eps(number("eps"))
                .with_momentum(number("momentum"))
                .with_weight_decay(decay);
            Box::new(if flag("centered") { rms_prop.centered() } else { rms_prop })
        }
        _ => panic!("no optimiser {kind}"),
    }
}

/// The largest distance from torch's parameters over all steps of all runs. It is relative to the largest magnitude of
/// the parameter so far (at least 1), because a parameter that returns to near zero keeps its earlier rounding.
fn distance_from_torch<A: Scalar>() -> f64 {
    let fixture = Fixture::read("torch_optim.json");
    let start: Array1<f64> = fixture.array("/start");
    let gradients: Array2<f64> = fixture.array("/gradients");
    let runs: Map<String, Value> = fixture.get("/runs");
    assert_eq!(runs.len(), 18);
    let mut largest: f64 = 0.0;
    for (name, run) in &runs {
        let mut optimizer = build::<A>(run["optimizer"].as_str().unwrap(), &run["options"]);
        let path: Array2<f64> = fixture.array(&format!("/runs/{name}/parameters"));
        let mut theta = start.mapv(A::narrow).to_vec();
        let mut scale = vec![1.0; theta.len()];
        assert_eq!(path.nrows(), 20);
        for (g, expected) in gradients.rows().into_iter().zip(path.rows()) {
            optimizer.step(&mut theta, &g.mapv(A::narrow).to_vec()).unwrap();
            for ((theta, expected), scale) in theta.iter().zip(expected).zip(&mut scale) {
                *scale = expected.abs().max(*scale);
                largest = largest.max((theta.widen() - expected).abs() / *scale);
            }
        }
    }
    largest
}

#[test]
fn twenty_steps_agree_with_torch() {
    let distance = distance_from_torch::<f64>();
    assert!(distance <= TOLERANCE, "{distance:e}");
}

#[test]
fn twenty_steps_in_single_precision_are_close_to_torch() {
    let distance = distance_from_torch::<f32>();
    assert!(distance <= SINGLE_TOLERANCE, "{distance:e}");
}

/// Asserts that an optimiser with default settings steps like one with torch's defaults written out.
#[track_caller]
fn assert_defaults(run: &str, plain: &mut dyn Optimizer<f64>) {
    let run: Value = Fixture::read("torch_optim.json").get(&format!("/runs/{run}"));
    let mut built = build::<f64>(run["optimizer"].as_str().unwrap(), &run["options"]);
    let (mut a, mut b) = ([0.3, -2.0], [0.3, -2.0]);
    for _ in 0..3 {
        built.step(&mut a, &[1e-8, 0.7]).unwrap();
        plain.step(&mut b, &[1e-8, 0.7]).unwrap();
    }
    assert_eq!(a, b);
}

#[test]
fn the_defaults_agree_with_torch() {
    assert_defaults("sgd", &mut Sgd::new(0.1));
    assert_defaults("sgd_nesterov", &mut Sgd::new(0.1).with_nesterov(0.9));
    assert_defaults("adam", &mut Adam::new(1e-3));
    assert_defaults("adamw", &mut AdamW::new(1e-3));
    assert_defaults("rmsprop", &mut RmsProp::new(1e-2));
}

#[test]
fn clipping_agrees_with_torch() {
    let fixture = Fixture::read("torch_optim.json");
    let cases = |kind: &str| fixture.get::<Vec<Value>>(kind).len();
    assert_eq!((cases("/clip_norm"), cases("/clip_value")), (5, 3));
    for case in 0..5 {
        let at = |name: &str| format!("/clip_norm/{case}/{name}");
        let mut g: Array1<f64> = fixture.array(&at("gradient"));
        let norm = clip_norm(g.as_slice_mut().unwrap(), fixture.get(&at("limit"))).unwrap();
        let expected: f64 = fixture.get(&at("norm"));
        assert!((norm - expected).abs() <= TOLERANCE * expected);
        fixture.assert_close(&at("clipped"), &g, TOLERANCE);
    }
    for case in 0..3 {
        let at = |name: &str| format!("/clip_value/{case}/{name}");
        let mut g: Array1<f64> = fixture.array(&at("gradient"));
        clip_value(g.as_slice_mut().unwrap(), fixture.get(&at("limit"))).unwrap();
        fixture.assert_close(&at("clipped"), &g, 0.0);
    }
}

#[test]
fn clipping_propagates_nan() {
    let mut g = [3.0, f64::NAN];
    assert!(clip_norm(&mut g, 1.0).unwrap().is_nan());
    assert!(g.iter().all(|g| g.is_nan()));

    let mut g = [3.0, f64::NEG_INFINITY];
    assert_eq!(clip_norm(&mut g, 1.0).unwrap(), f64::INFINITY);
    assert!(g[0] == 0.0 && g[1].is_nan());

    let mut g = [f32::NAN, f32::NEG_INFINITY, 0.5];
    clip_value(&mut g, 2.0).unwrap();
    assert!(g[0].is_nan() && g[1..] == [-2.0, 0.5]);
}

#[test]
fn an_infinite_limit_only_measures_the_norm() {
    let mut g = [3.0f32, 4.0];
    assert_eq!(clip_norm(&mut g, f64::INFINITY).unwrap(), 5.0);
    assert_eq!(g, [3.0, 4.0]);
    assert_eq!(clip_norm::<f64>(&mut [], 1.0).unwrap(), 0.0);
    let mut g = [f64::NAN, 1.0];
    assert!(clip_norm(&mut g, f64::INFINITY).unwrap().is_nan());
    assert!(g[0].is_nan() && g[1] == 1.0);
    let mut g = [f64::NEG_INFINITY, 1.0];
    assert_eq!(clip_norm(&mut g, f64::INFINITY).unwrap(), f64::INFINITY);
    assert_eq!(g, [f64::NEG_INFINITY, 1.0]);
}

#[test]
fn an_invalid_limit_is_refused() {
    let mut g = [3.0, 4.0];
    for limit in [-1.0, f64::NAN] {
        assert_range("max_norm", limit, clip_norm(&mut g, limit));
        assert_range("limit", limit, clip_value(&mut g, limit));
    }
    assert_range("limit", f64::INFINITY, clip_value(&mut g, f64::INFINITY));
    assert_eq!(g, [3.0, 4.0]);
}

#[track_caller]
fn assert_range<T: std::fmt::Debug>(name: &str, value: f64, result: Result<T, Error>) {
    match result {
        Err(Error::Range { argument, found, .. }) => {
            assert_eq!((argument, found.to_bits()), (name, value.to_bits()));
        }
        other => panic!("{name} = {value}: {other:?}"),
    }
}

type Made = fn(f64) -> Boxed;

#[test]
fn an_invalid_hyper_parameter_is_refused_by_name_and_nothing_is_written() {
    // Name, constructor, and the first value that is too large.
    let cases: [(&str, Made, f64); 23] = [
        ("learning_rate", |v| Box::new(Sgd::new(v)), f64::INFINITY),
        ("momentum", |v| Box::new(Sgd::new(0.1).with_momentum(v)), 1.0),
        ("momentum", |v| Box::new(Sgd::new(0.1).with_nesterov(v)), 1.0),
        ("dampening", |v| Box::new(Sgd::new(0.1).with_momentum(0.9).with_dampening(v)), 1.5),
        ("dampening", |v| Box::new(Sgd::new(0.1).with_nesterov(0.9).with_dampening(v)), 0.5),
        ("weight_decay", |v| Box::new(Sgd::new(0.1).with_weight_decay(v)), f64::INFINITY),
        ("learning_rate", |v| Box::new(Adam::new(v)), f64::INFINITY),
        ("beta1", |v| Box::new(Adam::new(0.1).with_betas(v, 0.9)), 1.0),
        ("beta2", |v| Box::new(Adam::new(0.1).with_betas(0.9, v)), 1.0),
        ("eps", |v| Box::new(Adam::new(0.1).with_eps(v)), f64::INFINITY),
        ("weight_decay", |v| Box::new(Adam::new(0.1).with_weight_decay(v)), f64::INFINITY),
        ("learning_rate", |v| Box::new(AdamW::new(v)), f64::INFINITY),
        ("beta1", |v| Box::new(AdamW::new(0.1).with_betas(v, 0.9)), 1.0),
        ("beta2", |v| Box::new(AdamW::new(0.1).with_betas(0.9, v)), 1.0),
        ("eps", |v| Box::new(AdamW::new(0.1).with_eps(v)), f64::INFINITY),
        ("weight_decay", |v| Box::new(AdamW::new(0.1).with_weight_decay(v)), f64::INFINITY),
        ("learning_rate", |v| Box::new(RmsProp::new(v)), f64::INFINITY),
        ("alpha", |v| Box::new(RmsProp::new(0.1).with_alpha(v)), 1.0),
        ("eps", |v| Box::new(RmsProp::new(0.1).with_eps(v)), f64::INFINITY),
        ("momentum", |v| Box::new(RmsProp::new(0.1).with_momentum(v)), 1.0),
        ("weight_decay", |v| Box::new(RmsProp::new(0.1).with_weight_decay(v)), f64::INFINITY),
        (
            "learning_rate",
            |v| {
                let mut sgd = Sgd::new(0.1);
                Optimizer::<f64>::set_learning_rate(&mut sgd, v);
                Box::new(sgd)
            },
            f64::INFINITY,
        ),
        ("weight_decay", |v| Box::new(RmsProp::new(0.1).centered().with_weight_decay(v)), f64::INFINITY),
    ];
    for (name, made, too_large) in cases {
        for value in [-1e-3, f64::NAN, too_large] {
            let mut theta = [1.0, 2.0];
            assert_range(name, value, made(value).step(&mut theta, &[1.0, 1.0]));
            assert_eq!(theta, [1.0, 2.0]);
        }
    }
    assert_range("momentum", 0.0, Sgd::new(0.1).with_nesterov(0.0).step(&mut [1.0], &[1.0]));
}

#[test]
fn a_hyper_parameter_is_checked_in_the_element_type() {
    type Single = fn(f64) -> Box<dyn Optimizer<f32>>;
    const HUGE: f64 = 1e300;
    const NEARLY_ONE: f64 = 1.0 - 1e-9;
    let cases: [(&str, Single, f64); 16] = [
        ("learning_rate", |v| Box::new(Sgd::new(v)), HUGE),
        ("momentum", |v| Box::new(Sgd::new(0.1).with_momentum(v)), NEARLY_ONE),
        ("momentum", |v| Box::new(Sgd::new(0.1).with_nesterov(v)), 1e-300),
        ("weight_decay", |v| Box::new(Sgd::new(0.1).with_weight_decay(v)), HUGE),
        ("learning_rate", |v| Box::new(Adam::new(v)), HUGE),
        ("beta1", |v| Box::new(Adam::new(0.1).with_betas(v, 0.9)), NEARLY_ONE),
        ("beta2", |v| Box::new(Adam::new(0.1).with_betas(0.9, v)), NEARLY_ONE),
        ("eps", |v| Box::new(Adam::new(0.1).with_eps(v)), HUGE),
        ("weight_decay", |v| Box::new(Adam::new(0.1).with_weight_decay(v)), HUGE),
        ("learning_rate", |v| Box::new(AdamW::new(v)), HUGE),
        ("weight_decay", |v| Box::new(AdamW::new(0.1).with_weight_decay(v)), HUGE),
        ("learning_rate", |v| Box::new(RmsProp::new(v)), HUGE),
        ("alpha", |v| Box::new(RmsProp::new(0.1).with_alpha(v)), NEARLY_ONE),
        ("eps", |v| Box::new(RmsProp::new(0.1).with_eps(v)), HUGE),
        ("momentum", |v| Box::new(RmsProp::new(0.1).with_momentum(v)), NEARLY_ONE),
        ("weight_decay", |v| Box::new(RmsProp::new(0.1).with_weight_decay(v)), HUGE),
    ];
    for (name, made, value) in cases {
        let mut theta = [1.0, 2.0];
        assert_range(name, value, made(value).step(&mut theta, &[1.0, 1.0]));
        assert_eq!(theta, [1.0, 2.0]);
    }
    assert_range("limit", HUGE, clip_value(&mut [1.0f32], HUGE));
    // The value is also checked as given: these round to −0 and to 1.
    assert_range("learning_rate", -1e-300, Sgd::new(-1e-300).step(&mut [1.0f32], &[1.0]));
    let dampened = Sgd::new(0.1).with_momentum(0.5).with_dampening(1.0 + 1e-9).step(&mut [1.0f32], &[1.0]);
    assert_range("dampening", 1.0 + 1e-9, dampened);
    // The largest valid value, and values that round to zero where zero is valid.
    let largest = f64::from(f32::MAX);
    Sgd::new(largest).step(&mut [0.0f32], &[1.0]).unwrap();
    clip_value(&mut [1.0f32], largest).unwrap();
    Adam::new(0.1).with_eps(1e-300).step(&mut [1.0f32], &[1.0]).unwrap();
    // The same in double precision.
    Sgd::new(HUGE).step(&mut [0.0], &[1.0]).unwrap();
    Adam::new(0.1).with_betas(NEARLY_ONE, NEARLY_ONE).step(&mut [0.0], &[1.0]).unwrap();
}

#[test]
fn a_computed_factor_must_be_finite() {
    let (mut theta, mut adam) = ([1.0f32], Adam::new(1e38).with_betas(0.9999, 0.999));
    assert_range("learning_rate / (1 - beta1^t)", 1e38 / (1.0 - 0.9999), adam.step(&mut theta, &[1.0]));
    assert_eq!((theta, adam.steps(), adam.first_moment().len()), ([1.0], 0, 0));
    let mut adam = AdamW::new(1e30).with_weight_decay(1e30);
    assert_range("1 - learning_rate * weight_decay", 1.0 - 1e30 * 1e30, adam.step(&mut theta, &[1.0]));
    assert_eq!((theta, adam.steps(), adam.first_moment().len()), ([1.0], 0, 0));
    let mut adam = AdamW::new(1e200).with_weight_decay(1e200);
    assert_range("1 - learning_rate * weight_decay", f64::NEG_INFINITY, adam.step(&mut [1.0], &[1.0]));
}

const WITH_STATE: [fn() -> Boxed; 5] = [
    || Box::new(Sgd::new(0.1).with_momentum(0.9)),
    || Box::new(Adam::new(0.1)),
    || Box::new(AdamW::new(0.1)),
    || Box::new(RmsProp::new(0.1)),
    || Box::new(RmsProp::new(0.1).with_momentum(0.9).centered()),
];

#[track_caller]
fn assert_gradients(found: usize, needed: usize, result: Result<(), Error>) {
    let error = result.unwrap_err().to_string();
    let expected = format!("`gradients` has shape ({found},), expected (parameters.len(),) = ({needed},)");
    assert_eq!(error, expected);
}

#[track_caller]
fn assert_parameters(found: usize, expected: usize, result: Result<(), Error>) {
    assert_eq!(result, Err(Error::Optimizer { expected, found }));
    let message = result.unwrap_err().to_string();
    assert!(message.starts_with(&format!("`parameters` has {found} elements")), "{message}");
    assert!(message.contains(&format!("has taken steps with {expected}")), "{message}");
}

#[test]
fn a_slice_of_another_length_is_refused_and_does_not_affect_the_next_step() {
    for made in WITH_STATE {
        let (mut disturbed, mut calm) = (made(), made());
        let (mut a, mut b) = ([1.0, 2.0], [1.0, 2.0]);
        assert_gradients(3, 2, disturbed.step(&mut a, &[1.0; 3]));
        disturbed.step(&mut a, &[1.0, -1.0]).unwrap();
        calm.step(&mut b, &[1.0, -1.0]).unwrap();
        assert_gradients(1, 2, disturbed.step(&mut a, &[1.0]));
        assert_parameters(3, 2, disturbed.step(&mut [0.0; 3], &[1.0; 3]));
        assert_parameters(1, 2, disturbed.step(&mut [0.0], &[1.0]));
        disturbed.step(&mut a, &[0.5, 0.5]).unwrap();
        calm.step(&mut b, &[0.5, 0.5]).unwrap();
        assert_eq!(a, b);
    }
    assert_gradients(1, 2, Sgd::new(0.1).step(&mut [1.0, 2.0], &[1.0]));
}

#[test]
fn a_step_without_parameters_succeeds() {
    for made in WITH_STATE {
        let mut optimizer = made();
        optimizer.step(&mut [], &[]).unwrap();
        optimizer.step(&mut [], &[]).unwrap();
    }
}

#[test]
fn the_state_can_be_read() {
    let g = [2.0, -4.0];
    let mut sgd = Sgd::new(0.1).with_momentum(0.5);
    let mut adam = Adam::new(0.1).with_betas(0.5, 0.75);
    let mut rms_prop = RmsProp::new(0.1).with_alpha(0.75).with_momentum(0.5).centered();
    assert!(sgd.velocity().is_empty() && adam.first_moment().is_empty() && rms_prop.square_average().is_empty());
    sgd.step(&mut [0.0; 2], &g).unwrap();
    adam.step(&mut [0.0; 2], &g).unwrap();
    rms_prop.step(&mut [0.0; 2], &g).unwrap();
    assert_eq!(sgd.velocity(), g);
    assert_eq!((adam.steps(), adam.first_moment(), adam.second_moment()), (1, &[1.0, -2.0][..], &[1.0, 4.0][..]));
    assert_eq!((rms_prop.square_average(), rms_prop.gradient_average()), (&[1.0, 4.0][..], &[0.5, -1.0][..]));
    assert_eq!(rms_prop.velocity().len(), 2);
}

#[test]
fn a_variance_that_rounds_below_zero_counts_as_zero() {
    let mut below_zero = 0;
    for g in (1..100u8).map(|i| f32::from(i) / 7.0) {
        let mut rms_prop = RmsProp::new(1e-6).with_alpha(0.9).centered();
        let mut theta = [1.0f32];
        for _ in 0..400 {
            rms_prop.step(&mut theta, &[g]).unwrap();
            let (square, mean) = (rms_prop.square_average()[0], rms_prop.gradient_average()[0]);
            below_zero += usize::from(square - mean * mean < 0.0);
        }
        assert!(theta[0].is_finite(), "{g}");
    }
    assert!(below_zero > 0, "there is such a variance");
}

#[test]
fn every_setting_can_be_read() {
    let sgd = Sgd::<f32>::new(0.1).with_momentum(0.2).with_dampening(0.3).with_weight_decay(0.4);
    assert_eq!((sgd.learning_rate(), sgd.momentum(), sgd.dampening(), sgd.weight_decay()), (0.1, 0.2, 0.3, 0.4));
    assert!(!sgd.is_nesterov() && Sgd::<f32>::new(0.1).with_nesterov(0.9).is_nesterov());
    let adam = Adam::<f32>::new(0.1).with_betas(0.2, 0.3).with_eps(0.4).with_weight_decay(0.5);
    assert_eq!((adam.learning_rate(), adam.betas(), adam.eps(), adam.weight_decay()), (0.1, [0.2, 0.3], 0.4, 0.5));
    let rms_prop = RmsProp::<f32>::new(0.1).with_alpha(0.2).with_eps(0.3).with_momentum(0.4).with_weight_decay(0.5);
    assert_eq!((rms_prop.learning_rate(), rms_prop.alpha(), rms_prop.eps()), (0.1, 0.2, 0.3));
    assert_eq!((rms_prop.momentum(), rms_prop.weight_decay()), (0.4, 0.5));
    assert!(!rms_prop.is_centered() && rms_prop.centered().is_centered());
}

#[test]
fn any_optimizer_acts_as_the_one_inside() {
    fn check<O: Optimizer<f64> + Into<AnyOptimizer<f64>> + Clone>(mut optimizer: O) {
        let mut any: AnyOptimizer<f64> = optimizer.clone().into();
        let (mut theta, mut other) = ([1.0, -2.0], [1.0, -2.0]);
        for rate in [0.25, 0.125] {
            optimizer.set_learning_rate(rate);
            any.set_learning_rate(rate);
            assert_eq!((optimizer.learning_rate(), any.learning_rate()), (rate, rate));
            optimizer.step(&mut theta, &[0.5, 3.0]).unwrap();
            any.step(&mut other, &[0.5, 3.0]).unwrap();
            assert_eq!(theta, other);
        }
        assert_ne!(theta, [1.0, -2.0]);
        assert_eq!(any, optimizer.into());
    }
    check(Sgd::new(0.1).with_momentum(0.9));
    check(Adam::new(0.1));
    check(AdamW::new(0.1));
    check(RmsProp::new(0.1));
}

#[test]
fn nan_stays_in_its_element() {
    for made in WITH_STATE {
        let (mut optimizer, mut theta) = (made(), [1.0, 1.0]);
        optimizer.step(&mut theta, &[f64::NAN, 1.0]).unwrap();
        optimizer.step(&mut theta, &[1.0, 1.0]).unwrap();
        assert!(theta[0].is_nan() && theta[1].is_finite());
    }
}

#[test]
fn every_optimiser_finds_the_minimum_of_a_bowl() {
    let dims = Dims { n_x: 2, n_a: 3, n_y: 2 };
    let schedule = |optimizer: &mut dyn Optimizer<f64>| {
        let mut p = Parameters::zeros(dims);
        p.fill(1.0);
        for _ in 0..500 {
            // L = ‖p‖²/2
            let g: Gradients<f64> = p.clone();
            optimizer.step(p.as_mut_slice(), g.as_slice()).unwrap();
            optimizer.set_learning_rate(0.98 * optimizer.learning_rate());
        }
        p.norm()
    };
    for made in WITH_STATE {
        let norm = schedule(&mut *made());
        assert!(norm < 1e-3, "{norm}");
    }
}

#[test]
fn a_resumed_optimizer_takes_the_same_steps() {
    let gradient = |step: i32| [0.3, -1.7, 4.0].map(|g: f32| g * (1.0 + g).powi(step));
    let (mut p, mut adam) = ([1.0, 2.0, 3.0], AdamW::new(0.1).with_betas(0.8, 0.9));
    for step in 0..3 {
        adam.step(&mut p, &gradient(step)).unwrap();
    }
    let moments = (adam.first_moment().to_vec(), adam.second_moment().to_vec());
    let fresh = || AdamW::new(0.1).with_betas(0.8, 0.9);
    let (mut q, mut resumed) = (p, fresh().resumed(adam.steps(), moments.0.clone(), moments.1).unwrap());
    for step in 3..6 {
        adam.step(&mut p, &gradient(step)).unwrap();
        resumed.step(&mut q, &gradient(step)).unwrap();
    }
    assert_eq!((p.map(f32::to_bits), adam), (q.map(f32::to_bits), resumed));
    let error = fresh().resumed(0, moments.0.clone(), moments.0.clone()).unwrap_err();
    assert_eq!(error.to_string(), "`first_moment` has shape (3,), expected (0,)");
    let error = fresh().resumed(3, moments.0, vec![0.0; 2]).unwrap_err();
    assert_eq!(error.to_string(), "`second_moment` has shape (2,), expected (3,)");
}

#[test]
fn a_resumed_rms_prop_takes_the_same_steps() {
    let fresh = || RmsProp::new(0.1).with_momentum(0.5).centered();
    let (mut p, mut rms_prop) = ([1.0f32, 2.0], fresh());
    rms_prop.step(&mut p, &[0.3, -4.0]).unwrap();
    let [square, mean, velocity] =
        [rms_prop.square_average(), rms_prop.gradient_average(), rms_prop.velocity()].map(<[f32]>::to_vec);
    let (mut q, mut resumed) = (p, fresh().resumed(square, mean, velocity).unwrap());
    rms_prop.step(&mut p, &[1.5, 0.25]).unwrap();
    resumed.step(&mut q, &[1.5, 0.25]).unwrap();
    assert_eq!((p.map(f32::to_bits), rms_prop), (q.map(f32::to_bits), resumed));
}

#[test]
fn a_joint_norm_has_the_bits_of_one_slice() {
    let draw = |length: u16| -> Vec<f32> { (1..=length).map(|i| 1.0 / f32::from(i)).collect() };
    for limit in [0.0, 0.3, 1e9, f64::INFINITY] {
        let mut whole = draw(31);
        let mut parts = [whole[..13].to_vec(), Vec::new(), whole[13..14].to_vec(), whole[14..].to_vec()];
        let expected = clip_norm(&mut whole, limit).unwrap();
        let mut slices: Vec<&mut [f32]> = parts.iter_mut().map(Vec::as_mut_slice).collect();
        assert_eq!(clip_joint_norm(&mut slices, limit).unwrap().to_bits(), expected.to_bits());
        assert_eq!(parts.concat(), whole);
    }
    assert_eq!(clip_joint_norm::<f64>(&mut [], 1.0).unwrap().to_bits(), 0);
    let mut g = [1.0];
    assert_eq!(
        clip_joint_norm(&mut [&mut g[..]], f64::NAN).unwrap_err().to_string(),
        "`max_norm` is NaN, expected at least 0"
    );
}
