//! Initial parameters, their arithmetic, optimisers, and clipping.

use elman::ndarray::Array1;
use elman::optim::{Adam, AdamW, AnyOptimizer, Optimizer, RmsProp, Sgd, clip_joint_norm, clip_norm, clip_value};
use elman::stack::{Architecture, Layer};
use elman::{Dims, Error, Parameters, Scalar, init};

use super::problem::{narrow, seeded, uniform};
use super::{Digest, Report};

const DIMS: [Dims; 4] = [
    Dims { n_x: 1, n_a: 1, n_y: 1 },
    Dims { n_x: 3, n_a: 17, n_y: 5 },
    Dims { n_x: 31, n_a: 16, n_y: 2 },
    Dims { n_x: 5, n_a: 65, n_y: 33 },
];

fn initialisers<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    for dims in DIMS {
        let size = format!("{}x{}x{}", dims.n_x, dims.n_a, dims.n_y);
        let rng = &mut seeded(dims.n_a as u64);
        let mut torch: Parameters<A> = init::torch(dims, rng);
        for (name, p) in [
            ("torch", &torch),
            ("keras", &init::keras(dims, rng)),
            ("irnn", &init::irnn(dims, rng)),
            ("spectral", &init::spectral(dims, 0.9, rng)?),
        ] {
            report.add(&format!("init {name} {size}"), Digest::new().floats(p.as_slice()));
        }
        let radius = init::spectral_radius(&torch.waa())?;
        init::set_spectral_radius(&mut torch, 1.25)?;
        let digest = Digest::new().floats([&radius]).floats(torch.as_slice());
        report.add(&format!("init spectral radius {size}"), digest);
    }
    let architecture = || Architecture::new(5, [Layer::new(17).bidirectional(), Layer::new(16)], 3);
    let rng = &mut seeded(11);
    for (name, p) in [
        ("torch", init::torch_stack::<A>(architecture(), rng)?),
        ("keras", init::keras_stack(architecture(), rng)?),
        ("irnn", init::irnn_stack(architecture(), rng)?),
    ] {
        report.add(&format!("init {name} stack"), Digest::new().floats(p.as_slice()));
    }
    Ok(())
}

fn arithmetic<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    for dims in DIMS {
        let rng = &mut seeded(5);
        let [mut p, q]: [Parameters<A>; 2] = [(); 2].map(|()| init::torch(dims, rng));
        let (dot, norm) = (p.dot(&q)?, p.norm());
        p.scaled_add(narrow(0.3), &q)?;
        let digest = Digest::new().floats([&dot, &norm]).floats(p.as_slice()).floats(p.to_f32().as_slice());
        report.add(&format!("arithmetic {}x{}x{}", dims.n_x, dims.n_a, dims.n_y), digest);
    }
    Ok(())
}

/// Five steps of each optimiser, from the same start.
fn optimisers<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    let all: [(&str, AnyOptimizer<A>); 11] = [
        ("sgd", Sgd::new(0.1).into()),
        ("sgd momentum dampening", Sgd::new(0.1).with_momentum(0.9).with_dampening(0.3).into()),
        ("sgd nesterov decay", Sgd::new(0.1).with_nesterov(0.8).with_weight_decay(0.01).into()),
        ("adam", Adam::new(0.01).into()),
        ("adam decay", Adam::new(0.01).with_betas(0.8, 0.99).with_weight_decay(0.1).into()),
        ("adamw", AdamW::new(0.01).with_weight_decay(0.1).into()),
        ("adamw eps", AdamW::new(0.01).with_eps(1e-3).into()),
        ("rmsprop", RmsProp::new(0.01).into()),
        ("rmsprop momentum", RmsProp::new(0.01).with_alpha(0.9).with_momentum(0.7).into()),
        ("rmsprop centered", RmsProp::new(0.01).centered().with_weight_decay(0.02).into()),
        ("rmsprop centered momentum", RmsProp::new(0.01).centered().with_momentum(0.5).with_eps(1e-4).into()),
    ];
    for (name, mut optimizer) in all {
        let rng = &mut seeded(13);
        let mut p: Array1<A> = uniform(rng, 1.0, 131);
        for step in 1..=5 {
            let g: Array1<A> = uniform(rng, 1.0, 131);
            optimizer.step(p.as_slice_mut().expect("contiguous"), g.as_slice().expect("contiguous"))?;
            optimizer.set_learning_rate(optimizer.learning_rate() / f64::from(step));
        }
        report.add(&format!("optimiser {name}"), Digest::new().floats(&p));
    }
    Ok(())
}

fn clipping<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    for length in [1, 15, 16, 17, 129, 4099] {
        let gradients = || uniform::<A, _>(&mut seeded(length as u64), 3.0, length).to_vec();
        let [mut by_norm, mut by_value, mut first, mut second] = [(); 4].map(|()| gradients());
        let norm = clip_norm(&mut by_norm, 0.7)?;
        clip_value(&mut by_value, 0.9)?;
        let joint = clip_joint_norm(&mut [&mut first, &mut second], 0.7)?;
        for (name, digest) in [
            ("norm", Digest::new().floats([&norm]).floats(&by_norm)),
            ("value", Digest::new().floats(&by_value)),
            ("joint norm", Digest::new().floats([&joint]).floats(&first).floats(&second)),
        ] {
            report.add(&format!("clip {name} {length}"), digest);
        }
    }
    Ok(())
}

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    initialisers::<A>(report)?;
    arithmetic::<A>(report)?;
    optimisers::<A>(report)?;
    clipping::<A>(report)
}
