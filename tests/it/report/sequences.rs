//! One layer: the cell, sequences in every reading, windows, checkpoints, live streams, and steppers.

use elman::loss::{self, Reduction};
use elman::ndarray::{Axis, s};
use elman::sequence::{self, Checkpointed, Sliding, Truncated};
use elman::{Activation, Error, Scalar, Upstream, cell};

use super::problem::{EVERYTHING, LARGE, Problem, READINGS, Reading, SMALL, Sizes, steps};
use super::{Digest, Report};

fn forward<A: Scalar>(cache: &sequence::Cache<A>) -> Digest {
    let digest = Digest::new().floats(cache.hidden()).floats(cache.logits());
    digest.floats(cache.output()).floats(cache.last_hidden())
}

fn backward<A: Scalar>(back: &sequence::Backward<A>) -> Digest {
    Digest::new().floats(back.gradients.as_slice()).floats(&back.dx).floats(&back.da0)
}

/// The problem of this number, with the nonlinearities in turn.
fn problem<A: Scalar>((index, sizes): (usize, &Sizes)) -> Result<Problem<A>, Error> {
    Problem::draw(*sizes, Activation::ALL[index % Activation::ALL.len()])
}

fn cells<A: Scalar>(report: &mut Report, problem: &Problem<A>) -> Result<(), Error> {
    let Problem { name, p, sequence, a0, hidden, logits, output, .. } = problem;
    let step = cell::forward(p, &sequence.x.index_axis(Axis(2), 0), a0)?;
    let digest = Digest::new().floats(step.a_next()).floats(step.logits()).floats(step.y());
    report.add(&format!("cell {name} forward"), digest);
    let [hidden, logits, output] = [hidden, logits, output].map(|array| array.index_axis(Axis(2), 0));
    let back = cell::backward(p, &step, Upstream::hidden(&hidden).with_logits(&logits).with_output(&output))?;
    let digest = Digest::new().floats(back.gradients.as_slice()).floats(&back.dxt).floats(&back.da_prev);
    report.add(&format!("cell {name} backward"), digest);
    Ok(())
}

fn whole<A: Scalar>(report: &mut Report, problem: &Problem<A>, reading: Reading) -> Result<(), Error> {
    let Problem { name, p, sequence, a0, .. } = problem;
    let cache = sequence::forward(p, sequence.input(reading), a0)?;
    report.add(&format!("sequence {name} {} forward", reading.name), forward(&cache));
    let back = sequence::backward(p, &cache, problem.upstream())?;
    report.add(&format!("sequence {name} {} backward", reading.name), backward(&back));
    Ok(())
}

/// A sequence in Fortran order, read backwards, every second step: what a slice can look like.
fn strides<A: Scalar>(report: &mut Report, problem: &Problem<A>) -> Result<(), Error> {
    let Problem { name, p, sequence, a0, hidden, .. } = problem;
    let slice = s![.., ..;-1, ..;2];
    let (x, hidden) = (sequence.x.slice(slice), hidden.slice(slice));
    let cache = sequence::forward(p, x, a0.slice(s![.., ..;-1]))?;
    report.add(&format!("sequence {name} strides forward"), forward(&cache));
    let back = sequence::backward(p, &cache, Upstream::hidden(&hidden))?;
    report.add(&format!("sequence {name} strides backward"), backward(&back));
    Ok(())
}

fn truncated<A: Scalar>(report: &mut Report, problem: &Problem<A>, reading: Reading) -> Result<(), Error> {
    let Problem { name, p, sequence, a0, labels, .. } = problem;
    for (k1, k2) in [(2, 5), (4, 4), (5, 2)] {
        let mut windows = Truncated::new(sequence.input(reading), a0, k1, k2)?;
        let mut back = sequence::Backward::default();
        let mut digest = Digest::new();
        while let Some(window) = windows.next_window(p)? {
            let loss = loss::cross_entropy(windows.cache(), window.targets(labels), Reduction::Sum)?;
            sequence::backward_into(p, windows.cache(), Upstream::logits(&loss.dlogits), &mut back)?;
            digest = digest.floats(windows.cache().hidden());
        }
        let digest = digest.floats(back.gradients.as_slice());
        report.add(&format!("truncated {k1} of {k2} {name} {}", reading.name), digest);
    }
    Ok(())
}

fn checkpointed<A: Scalar>(report: &mut Report, problem: &Problem<A>, reading: Reading) -> Result<(), Error> {
    let Problem { name, p, sequence, a0, hidden, .. } = problem;
    let mut run = Checkpointed::forward(p, sequence.input(reading), a0)?;
    let mut digest = Digest::new();
    while let Some(segment) = run.next_segment()? {
        let hidden = steps(hidden, segment.steps());
        digest = digest.floats(segment.backward(Upstream::hidden(&hidden))?);
    }
    let (gradients, da0) = run.into_gradients();
    report.add(&format!("checkpointed {name} {}", reading.name), digest.floats(gradients.as_slice()).floats(&da0));
    Ok(())
}

fn live<A: Scalar>(report: &mut Report, problem: &Problem<A>) -> Result<(), Error> {
    let Problem { name, p, sequence, a0, .. } = problem;
    let m = a0.ncols();
    let mut window = Sliding::new(m, 3)?.with_state(a0.clone());
    let mut stepper = cell::Stepper::new(p, m);
    stepper.set_hidden(a0)?;
    let [mut slid, mut stepped, mut chosen] = [Digest::new(); 3];
    for xt in sequence.x.axis_iter(Axis(2)) {
        slid = slid.floats(window.push(p, &xt)?.output());
        stepper.step(&xt)?;
        stepped = stepped.floats(stepper.hidden()).floats(stepper.output());
    }
    report.add(&format!("sliding {name}"), slid);
    report.add(&format!("stepper {name}"), stepped);
    // Every second column steps on token ids.
    let columns: Vec<usize> = (0..m).step_by(2).collect();
    for tokens in sequence.tokens.columns() {
        let tokens: Vec<usize> = columns.iter().map(|&column| tokens[column]).collect();
        stepper.step_columns_tokens(&columns, &tokens)?;
        chosen = chosen.floats(stepper.hidden()).floats(stepper.logits());
    }
    report.add(&format!("stepper {name} tokens of some columns"), chosen);
    Ok(())
}

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    for numbered in SMALL.iter().enumerate() {
        let problem = problem::<A>(numbered)?;
        cells(report, &problem)?;
        for reading in READINGS {
            whole(report, &problem, reading)?;
        }
        strides(report, &problem)?;
    }
    for numbered in LARGE.iter().enumerate() {
        let problem = problem::<A>(numbered)?;
        whole(report, &problem, READINGS[0])?;
        whole(report, &problem, EVERYTHING)?;
    }
    for numbered in [[3, 17, 5, 7, 23], [15, 33, 2, 1, 31], [31, 16, 63, 5, 17], [4, 65, 7, 3, 19]].iter().enumerate() {
        let problem = problem::<A>(numbered)?;
        for reading in READINGS {
            truncated(report, &problem, reading)?;
            checkpointed(report, &problem, reading)?;
        }
        live(report, &problem)?;
    }
    Ok(())
}
