//! Losses: of labels and of numbers, with each reduction, weights, chosen steps, and targets at the last step.

use elman::loss::{self, Loss, Predictions, Reduction, Targets};
use elman::ndarray::Array3;
use elman::{Error, Scalar};

use super::problem::{Sequence, labels, narrow, seeded, uniform};
use super::{Digest, Report};

fn digest<A: Scalar>(loss: &Loss<A>) -> Digest {
    Digest::new().floats([&loss.value]).floats(&loss.dlogits).counts([&loss.count, &loss.correct])
}

/// (prediction − target)⁴ and its derivative.
fn fourth_power(prediction: f64, target: f64) -> (f64, f64) {
    let error = prediction - target;
    (error * error * error * error, 4.0 * error * error * error)
}

fn of_size<A: Scalar>(report: &mut Report, n: usize, m: usize, t_x: usize) -> Result<(), Error> {
    let rng = &mut seeded(n as u64);
    let logits: Array3<A> = uniform(rng, 8.0, (n, m, t_x));
    let numbers: Array3<A> = uniform(rng, 8.0, (n, m, t_x));
    let labels = labels(rng, n, m, t_x);
    let label_weights = uniform::<A, _>(rng, 1.0, (m, t_x)).mapv(A::abs);
    let number_weights = uniform::<A, _>(rng, 1.0, (n, m, t_x)).mapv(A::abs);
    let lengths = Sequence::<A>::draw(rng, 1, m, t_x).lengths;
    let last_labels: Vec<usize> = labels.column(0).to_vec();
    let size = format!("{n}x{m}x{t_x}");

    for (name, reduction) in
        [("sum", Reduction::Sum), ("mean", Reduction::Mean), ("scaled", Reduction::Scaled(1.0 / 3.0))]
    {
        for (of, predictions) in [
            ("all", Predictions::new(&logits)),
            ("ragged", Predictions::new(&logits).lengths(&lengths)),
            ("reversed", Predictions::new(&logits).lengths(&lengths).reversed()),
        ] {
            let what = format!("{size} {of} {name}");
            let loss = loss::cross_entropy(predictions.clone(), &labels, reduction)?;
            report.add(&format!("cross-entropy {what}"), digest(&loss));
            let targets = Targets::new(&labels).weights(&label_weights).steps(1..);
            let loss = loss::cross_entropy(predictions.clone(), targets, reduction)?;
            report.add(&format!("cross-entropy weighted {what}"), digest(&loss));
            let loss = loss::cross_entropy(predictions.clone(), Targets::last_labels(&last_labels), reduction)?;
            report.add(&format!("cross-entropy of last labels {what}"), digest(&loss));

            let loss = loss::squared_error(predictions.clone(), &numbers, reduction)?;
            report.add(&format!("squared error {what}"), digest(&loss));
            let targets = Targets::new(&numbers).weights(&number_weights);
            let loss = loss::huber(predictions.clone(), targets, 0.75, reduction)?;
            report.add(&format!("huber weighted {what}"), digest(&loss));
            let loss = loss::elementwise(predictions, &numbers, reduction, fourth_power)?;
            report.add(&format!("elementwise {what}"), digest(&loss));
        }
    }
    // Logits that overflow and underflow exp, and ties.
    let extreme = logits.mapv(|z| narrow::<A>(1e5) * z.round());
    let loss = loss::cross_entropy(Predictions::new(&extreme), &labels, Reduction::Mean)?;
    report.add(&format!("cross-entropy {size} extreme"), digest(&loss));
    Ok(())
}

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    for [n, m, t_x] in [[2, 3, 5], [17, 5, 7], [65, 2, 3]] {
        of_size::<A>(report, n, m, t_x)?;
    }
    Ok(())
}
