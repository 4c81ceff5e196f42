//! Loss curves as pictures.

use crate::chart::{Curve, Panel};
use crate::curves::Curves;

impl Curves {
    /// The losses and the baselines: first the whole run, then its second half, where the losses change little.
    pub(crate) fn panels(&self, order_0: f64, order_2: f64) -> [Panel<'static>; 2] {
        let last = self.training.iter().chain(&self.held_out).map(|point| real(point).0).fold(0.0, f64::max);
        let panel = |title, from: f64, yardsticks: &[(&'static str, f64)]| {
            let losses = [("training", &self.training, false), ("held out", &self.held_out, true)];
            let losses = losses.map(|(label, points, dots)| {
                let points = points.iter().map(real).filter(|&(step, _)| step >= from).collect();
                Curve { label, points, dots }
            });
            let level = |&(label, bits)| Curve { label, points: vec![(from, bits), (last, bits)], dots: false };
            let curves = losses.into_iter().chain(yardsticks.iter().map(level)).collect();
            Panel { title, x: "step", y: "bits per character", curves, ..Panel::default() }
        };
        let yardsticks = [("held out, order 2", order_2), ("held out, order 0", order_0)];
        [
            panel("Learning to predict the next character", 0.0, &yardsticks),
            panel("The second half", last / 2.0, &yardsticks[..1]),
        ]
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of steps is far below 2⁵³")]
fn real(&(step, bits): &(u64, f64)) -> (f64, f64) {
    (step as f64, bits)
}
