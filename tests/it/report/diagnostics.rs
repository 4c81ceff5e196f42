//! Norms of gradients, Jacobians, parameters and updates, and saturation.

use elman::diagnostics::{
    Norms, gradient_norms, jacobian_norms, saturation, stack_gradient_norms, stack_jacobian_norms, stack_saturation,
    update_norms,
};
use elman::stack::{self, Architecture, Layer};
use elman::{Activation, Error, Scalar, Upstream, init, sequence};

use super::problem::{Problem, READINGS, Sequence, seeded, uniform};
use super::{Digest, Report};

fn norms(Norms { wax, waa, wya, ba, by, total, .. }: &Norms) -> Digest {
    Digest::new().floats([wax, waa, wya, ba, by, total])
}

fn of_a_layer<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    let problem = Problem::<A>::draw([5, 17, 3, 7, 11], Activation::Tanh)?;
    let Problem { p, sequence, a0, logits, .. } = &problem;
    for reading in READINGS {
        let cache = sequence::forward(p, sequence.input(reading), a0)?;
        let digest = Digest::new().floats(&gradient_norms(p, &cache, Upstream::logits(logits))?);
        let digest = digest.floats(&jacobian_norms(p, &cache, 2, &mut seeded(7))?);
        report.add(&format!("diagnostics {}", reading.name), digest.floats([&saturation(&cache, 0.9)?]));
    }
    let other = init::torch::<A>(p.dims(), &mut seeded(3));
    report.add("diagnostics norms", norms(&Norms::of(p)));
    report.add("diagnostics update norms", norms(&update_norms(p, &other)?));
    Ok(())
}

fn of_a_stack<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    let rng = &mut seeded(17);
    let p = init::torch_stack::<A>(Architecture::new(5, [Layer::new(17).bidirectional(), Layer::new(15)], 3), rng)?;
    let sequence = Sequence::<A>::draw(rng, 5, 7, 11);
    let dlogits = uniform(rng, 1.0, (3, 7, 11));
    for reading in READINGS {
        let cache = stack::forward(&p, sequence.input(reading), None)?;
        let mut digest = Digest::new();
        for (_, norms) in stack_gradient_norms(&p, &cache, stack::Upstream::logits(&dlogits))? {
            digest = digest.floats(&norms);
        }
        for (_, norms) in stack_jacobian_norms(&p, &cache, 2, rng)? {
            digest = digest.floats(&norms);
        }
        for (_, share) in stack_saturation(&cache, 0.5)? {
            digest = digest.floats([&share]);
        }
        report.add(&format!("diagnostics of a stack {}", reading.name), digest);
    }
    Ok(())
}

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    of_a_layer::<A>(report)?;
    of_a_stack::<A>(report)
}
