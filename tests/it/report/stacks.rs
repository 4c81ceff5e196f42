//! Stacks of layers in one and two directions: passes, windows, checkpoints, live streams, and steppers.

use elman::loss::{self, Reduction};
use elman::ndarray::{Array3, Axis};
use elman::stack::{self, Architecture, Checkpointed, Direction, Layer, Sliding, States, Stepper, Truncated, Upstream};
use elman::{Activation, Error, Scalar, init};

use super::problem::{READINGS, Sequence, labels, seeded, steps, uniform};
use super::{Digest, Report};

use Direction::{Forward, Reverse};

const N_X: usize = 5;
const N_Y: usize = 3;
const M: usize = 7;
const T_X: usize = 11;

/// One to three layers with every nonlinearity, in one direction and in two.
fn architectures() -> Vec<Architecture> {
    let layer = |n_a, activation| Layer::new(n_a).with_activation(activation);
    let [tanh, relu, sigmoid, identity] = Activation::ALL;
    [
        vec![layer(17, tanh)],
        vec![layer(15, relu).bidirectional()],
        vec![layer(5, tanh), layer(31, relu)],
        vec![layer(16, sigmoid).bidirectional(), layer(33, tanh)],
        vec![layer(3, identity), layer(5, tanh).bidirectional()],
        vec![layer(17, relu).bidirectional(), layer(3, tanh).bidirectional(), layer(65, sigmoid).bidirectional()],
        vec![layer(63, tanh), layer(5, identity), layer(15, relu)],
    ]
    .into_iter()
    .map(|layers| Architecture::new(N_X, layers, N_Y))
    .collect()
}

fn is_one_direction(architecture: &Architecture) -> bool {
    architecture.layers().iter().all(|layer| !layer.bidirectional)
}

/// The layers and directions of a stack, in order.
fn keys(architecture: &Architecture) -> impl Iterator<Item = (usize, Direction)> {
    let directions = |(index, layer): (usize, &Layer)| {
        [Forward, Reverse].into_iter().take(1 + usize::from(layer.bidirectional)).map(move |side| (index, side))
    };
    architecture.layers().iter().enumerate().flat_map(directions).collect::<Vec<_>>().into_iter()
}

struct Problem<A> {
    name: String,
    p: stack::Parameters<A>,
    sequence: Sequence<A>,
    states: States<A>,
    dlogits: Array3<A>,
    last_states: States<A>,
}

impl<A: Scalar> Problem<A> {
    fn draw(seed: u64, architecture: &Architecture) -> Result<Self, Error> {
        let rng = &mut seeded(seed);
        let [mut states, mut last_states] = [(); 2].map(|()| States::zeros(architecture, M));
        for states in [&mut states, &mut last_states] {
            for (layer, direction) in keys(architecture) {
                let mut state = states.get_mut(layer, direction).expect("a layer of this stack");
                let values = uniform(rng, 1.0, state.dim());
                state.assign(&values);
            }
        }
        Ok(Problem {
            name: architecture.to_string(),
            p: init::torch_stack(architecture.clone(), rng)?,
            sequence: Sequence::draw(rng, N_X, M, T_X),
            states,
            dlogits: uniform(rng, 1.0, (N_Y, M, T_X)),
            last_states,
        })
    }

    fn gradients(&self, digest: Digest, gradients: &stack::Gradients<A>, states: &States<A>) -> Digest {
        let states = keys(self.p.architecture()).filter_map(|(layer, direction)| states.get(layer, direction));
        states.fold(digest.floats(gradients.as_slice()), super::Digest::floats)
    }
}

fn passes<A: Scalar>(report: &mut Report, problem: &Problem<A>) -> Result<(), Error> {
    let Problem { name, p, sequence, states, dlogits, last_states } = problem;
    for reading in READINGS {
        let cache = stack::forward(p, sequence.input(reading), states)?;
        let hidden = keys(p.architecture()).filter_map(|(layer, direction)| cache.hidden(layer, direction));
        let digest = hidden.fold(Digest::new(), super::Digest::floats);
        let digest = digest.floats(cache.logits()).floats(cache.output());
        report.add(&format!("stack {name} {} forward", reading.name), digest);
        let mut back = stack::Backward::with_dx();
        stack::backward_into(p, &cache, Upstream::logits(dlogits).with_last_states(last_states), &mut back)?;
        let digest = problem.gradients(Digest::new(), &back.gradients, &back.d_states);
        report.add(&format!("stack {name} {} backward", reading.name), digest.floats(back.dx.iter().flatten()));
    }
    Ok(())
}

fn parts<A: Scalar>(report: &mut Report, problem: &Problem<A>) -> Result<(), Error> {
    let Problem { name, p, sequence, states, dlogits, .. } = problem;
    let labels = labels(&mut seeded(3), N_Y, M, T_X);
    for reading in READINGS {
        let mut windows = Truncated::new(sequence.input(reading), states, 3, 5)?;
        let mut back = stack::Backward::default();
        while let Some(window) = windows.next_window(p)? {
            let loss = loss::cross_entropy(windows.cache(), window.targets(&labels), Reduction::Sum)?;
            stack::backward_into(p, windows.cache(), Upstream::logits(&loss.dlogits), &mut back)?;
        }
        let digest = problem.gradients(Digest::new(), &back.gradients, &back.d_states);
        report.add(&format!("truncated 3 of 5 {name} {}", reading.name), digest);

        let mut run = Checkpointed::forward(p, sequence.input(reading), states)?;
        while let Some(segment) = run.next_segment()? {
            let dlogits = steps(dlogits, segment.steps());
            segment.backward(Upstream::logits(&dlogits))?;
        }
        let (gradients, d_states) = run.into_gradients();
        let digest = problem.gradients(Digest::new(), &gradients, &d_states);
        report.add(&format!("checkpointed {name} {}", reading.name), digest);
    }
    Ok(())
}

fn live<A: Scalar>(report: &mut Report, problem: &Problem<A>) -> Result<(), Error> {
    let Problem { name, p, sequence, states, .. } = problem;
    let mut window = Sliding::new(M, 4)?.with_state(states.clone());
    let mut stepper = Stepper::new(p, M)?;
    stepper.set_states(states)?;
    let [mut slid, mut stepped] = [Digest::new(); 2];
    for xt in sequence.x.axis_iter(Axis(2)) {
        slid = slid.floats(window.push(p, &xt)?.output());
        stepper.step(&xt)?;
        stepped = stepped.floats(stepper.output());
    }
    report.add(&format!("sliding {name}"), slid);
    report.add(&format!("stepper {name}"), stepped);
    Ok(())
}

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    for (seed, architecture) in (1..).zip(architectures()) {
        let problem = Problem::<A>::draw(seed, &architecture)?;
        passes(report, &problem)?;
        if is_one_direction(&architecture) {
            parts(report, &problem)?;
            live(report, &problem)?;
        }
    }
    Ok(())
}
