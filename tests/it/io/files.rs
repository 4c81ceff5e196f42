//! Files restore all content bit for bit, and resumed runs are bit-identical to uninterrupted ones.

use elman::io::{Checkpoint, Tensors, safetensors};
use elman::optim::{Adam, AdamW, AnyOptimizer, Optimizer, RmsProp, Sgd};
use elman::{Dims, Parameters, Scalar};
use ndarray::{Array1, Array2, ArrayD, arr0};

use crate::support::Convert;
use crate::support::bits::{Bits, bits};

const ALL_DIMS: [Dims; 6] = [
    Dims { n_x: 3, n_a: 5, n_y: 2 },
    Dims { n_x: 3, n_a: 5, n_y: 0 },
    Dims { n_x: 0, n_a: 5, n_y: 2 },
    Dims { n_x: 3, n_a: 0, n_y: 2 },
    Dims { n_x: 0, n_a: 0, n_y: 0 },
    Dims { n_x: 7, n_a: 11, n_y: 13 },
];

/// The elements cycle through the special values.
fn parameters_come_back<A: Bits>() {
    for dims in ALL_DIMS {
        let mut p = Parameters::<A>::zeros(dims);
        (0..)
            .zip(p.as_mut_slice())
            .for_each(|(index, value)| *value = A::from_pattern(A::SPECIAL[index % A::SPECIAL.len()]));
        let bytes = safetensors::to_bytes(&Checkpoint::new(p.clone()).to_tensors().unwrap()).unwrap();
        let back = Checkpoint::try_from(&safetensors::from_bytes::<A>(&bytes).unwrap()).unwrap().parameters;
        assert_eq!(back.dims(), dims);
        assert_eq!(bits(back.as_slice()), bits(p.as_slice()), "{dims:?}");
    }
}

#[test]
fn parameters_round_trip_bit_for_bit() {
    parameters_come_back::<f32>();
    parameters_come_back::<f64>();
}

fn tensors<A: Scalar>() -> Tensors<A> {
    let mut tensors = Tensors::new();
    tensors.insert("scalar", arr0(A::narrow(1.5)));
    tensors.insert("cube", ArrayD::from_elem(vec![2, 3, 1, 5], A::narrow(-0.0)));
    tensors.insert("none", Array2::<A>::zeros((7, 0)));
    tensors.insert(
        "columns",
        Array2::from_shape_vec((2, 3), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(A::narrow).to_vec()).unwrap().reversed_axes(),
    );
    tensors.insert("a name: \"quoted\", \\ and ü, 語 and \u{1}", Array1::from(vec![A::narrow(3.0)]));
    tensors.metadata_mut().insert("note".into(), "line\nline \"quoted\" ü".into());
    for index in 0..50 {
        tensors.metadata_mut().insert(format!("key {index}"), String::new());
    }
    tensors
}

#[test]
fn any_shape_and_any_name_round_trip_with_the_metadata() {
    let (single, double) = (tensors::<f32>(), tensors::<f64>());
    assert_eq!(safetensors::from_bytes(&safetensors::to_bytes(&single).unwrap()).unwrap(), single);
    assert_eq!(safetensors::from_bytes(&safetensors::to_bytes(&double).unwrap()).unwrap(), double);
    assert_eq!(
        safetensors::from_bytes(&safetensors::to_bytes(&Tensors::<f32>::new()).unwrap()).unwrap(),
        Tensors::<f32>::new()
    );
}

#[test]
fn the_bytes_equal_those_of_the_formats_own_library_and_are_reproducible() {
    let mut tensors = tensors::<f64>();
    // The library writes metadata in a different order in every run.
    assert_eq!(safetensors::to_bytes(&tensors).unwrap(), safetensors::to_bytes(&tensors.clone()).unwrap());
    tensors.metadata_mut().retain(|key, _| key == "note");
    let views: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .arrays()
        .map(|(name, array)| {
            (name.into(), array.shape().to_vec(), array.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .collect();
    let views = views.iter().map(|(name, shape, data)| {
        (name, ::safetensors::tensor::TensorView::new(::safetensors::Dtype::F64, shape.clone(), data).unwrap())
    });
    let metadata = tensors.metadata().clone().into_iter().collect();
    assert_eq!(safetensors::to_bytes(&tensors).unwrap(), ::safetensors::serialize(views, Some(metadata)).unwrap());
}

/// Every optimiser, with every option on and off.
fn optimizers<A: Scalar>() -> Vec<AnyOptimizer<A>> {
    let (rate, decay) = (0.1, 1.0 / 3.0);
    let sgd = || Sgd::new(rate);
    vec![
        sgd().into(),
        sgd().with_weight_decay(decay).into(),
        sgd().with_momentum(0.7).into(),
        sgd().with_momentum(0.7).with_dampening(0.3).with_weight_decay(decay).into(),
        sgd().with_nesterov(0.7).with_weight_decay(decay).into(),
        Adam::new(rate).into(),
        Adam::new(rate).with_betas(0.7, 0.9).with_eps(1e-3).with_weight_decay(decay).into(),
        AdamW::new(rate).into(),
        AdamW::new(rate).with_betas(0.7, 0.9).with_eps(1e-3).with_weight_decay(decay).into(),
        RmsProp::new(rate).into(),
        RmsProp::new(rate).with_alpha(0.7).with_eps(1e-3).with_weight_decay(decay).into(),
        RmsProp::new(rate).with_momentum(0.7).into(),
        RmsProp::new(rate).centered().into(),
        RmsProp::new(rate).centered().with_momentum(0.7).with_weight_decay(decay).into(),
    ]
}

fn steps<A: Bits>(run: &mut Checkpoint<A>, count: usize) {
    for _ in 0..count {
        let gradient: Vec<A> = run.parameters.as_slice().iter().map(|&theta| theta * theta - A::narrow(0.3)).collect();
        run.optimizer.as_mut().unwrap().step(run.parameters.as_mut_slice(), &gradient).unwrap();
    }
}

fn runs_go_on<A: Bits>() {
    for optimizer in optimizers::<A>() {
        for stopped in [0, 1, 3] {
            let mut p = Parameters::<A>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
            (1..).zip(p.as_mut_slice()).for_each(|(index, value)| *value = A::narrow(1.0 / f64::from(index)));
            let mut whole = Checkpoint::new(p).with_optimizer(optimizer.clone());
            steps(&mut whole, stopped);
            let bytes = safetensors::to_bytes(&whole.to_tensors().unwrap()).unwrap();
            let mut resumed = Checkpoint::try_from(&safetensors::from_bytes::<A>(&bytes).unwrap()).unwrap();
            assert_eq!(resumed, whole, "{optimizer:?} after {stopped}");
            steps(&mut whole, 5);
            steps(&mut resumed, 5);
            assert_eq!(bits(resumed.parameters.as_slice()), bits(whole.parameters.as_slice()), "{optimizer:?}");
            assert_eq!(resumed, whole, "{optimizer:?} after {stopped} and 5 more");
        }
    }
}

#[test]
fn a_resumed_run_is_bit_identical() {
    runs_go_on::<f32>();
    runs_go_on::<f64>();
}

#[test]
fn invalid_numbers_round_trip_too() {
    for number in [f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, 0.1 + 0.2, f64::MAX, f64::NAN] {
        let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
        let adam = Adam::new(number).with_betas(number, 1.0).with_eps(number).with_weight_decay(number);
        let resumed = (1 << 63) + 1;
        let adam = adam.resumed(resumed, vec![1.0; p.dims().len()], vec![f32::INFINITY; p.dims().len()]).unwrap();
        let run = Checkpoint::new(p).with_optimizer(adam);
        let Some(AnyOptimizer::Adam(back)) = Checkpoint::try_from(&run.to_tensors().unwrap()).unwrap().optimizer else {
            panic!("expected Adam");
        };
        assert_eq!(back.steps(), resumed);
        for found in [back.learning_rate(), back.betas()[0], back.eps(), back.weight_decay()] {
            assert!(found.to_bits() == number.to_bits() || found.is_nan() && number.is_nan(), "{number}: {found}");
        }
    }
}

#[test]
fn a_run_is_saved_in_a_file_and_loaded_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    for seed in [1.0, 2.0] {
        let mut p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
        p.fill(seed);
        let mut run = Checkpoint::new(p).with_optimizer(Adam::new(0.1));
        run.metadata.insert("seed".into(), seed.to_string());
        run.save(&path).unwrap();
        assert_eq!(Checkpoint::load(&path).unwrap(), run);
    }
}
