//! Draws the accuracy for each lag, and the gradient norms.

use crate::chart::{Curve, Panel};
use crate::findings::Findings;
use crate::task::CHANCE;
use crate::training::Start;

/// Smaller gradients are not drawn: they would leave no room for the others.
const LEAST_GRADIENT: f64 = 1e-12;

pub(crate) fn panels(findings: &Findings) -> [Panel<'static>; 3] {
    [accuracies(findings), gradients(findings, 0), gradients(findings, 1)]
}

fn accuracies(findings: &Findings) -> Panel<'static> {
    let x = number;
    let curve = |start: Start| Curve {
        label: start.name(),
        points: findings.lags.iter().map(|&lag| (x(lag), findings.accuracy(start, lag))).collect(),
        dots: true,
    };
    let mut curves: Vec<Curve> = Start::ALL.map(curve).into();
    let chance = findings.lags.iter().map(|&lag| (x(lag), CHANCE)).collect();
    curves.push(Curve { label: "chance", points: chance, dots: false });
    let title = "How far back can it be taught to remember?";
    Panel { title, x: "lag (steps from the symbol to the answer)", y: "accuracy", curves, ..Panel::default() }
}

fn gradients(findings: &Findings, at: usize) -> Panel<'static> {
    let curve = |start: Start| {
        let norms = findings.gradients(start)[at].iter().enumerate();
        let points = norms.map(|(step, &norm)| (number(step), norm)).filter(|&(_, norm)| norm >= LEAST_GRADIENT);
        Curve { label: start.name(), points: points.collect(), dots: false }
    };
    let title = ["The gradient on its way back, before training", "The same after training"][at];
    Panel {
        title,
        x: "step (the symbol is at 0, the loss at the end)",
        y: "gradient norm",
        logarithmic: true,
        curves: Start::ALL.map(curve).into(),
        ..Panel::default()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a lag is far below 2⁵³")]
fn number(count: usize) -> f64 {
    count as f64
}
