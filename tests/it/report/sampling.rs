//! Draws from logits.

use elman::ndarray::Array1;
use elman::sampling::Sampler;
use elman::{Error, Scalar};

use super::problem::{seeded, uniform};
use super::{Digest, Report};

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    for n_y in [2, 17, 65] {
        for (name, sampler) in [
            ("plain", Sampler::new()),
            ("greedy", Sampler::greedy()),
            ("temperature", Sampler::new().with_temperature(0.7)),
            ("top-k", Sampler::new().with_top_k(5)),
            ("top-p", Sampler::new().with_top_p(0.8)),
            ("all", Sampler::new().with_temperature(1.3).with_top_k(11).with_top_p(0.9)),
        ] {
            let rng = &mut seeded(n_y as u64);
            let mut digest = Digest::new();
            for _ in 0..50 {
                let logits: Array1<A> = uniform(rng, 4.0, n_y);
                digest = digest.floats(&sampler.probabilities(&logits)?);
                digest = digest.counts([&sampler.sample(&logits, rng)?]);
            }
            report.add(&format!("sampling {name} {n_y}"), digest);
        }
    }
    Ok(())
}
