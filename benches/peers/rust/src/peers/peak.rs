//! The lower bound: the time of the case's multiply-adds, if nothing else cost anything.

use crate::Peer;
use crate::problem::{Pass, Problem, Real};

#[path = "../../../../workload/peak.rs"]
mod one_core;

pub struct Peak {
    double: bool,
    /// Multiply-adds of the case and of one `run`.
    multiply_adds: (f64, f64),
}

impl Peak {
    pub fn new<A: Real>(problem: &Problem<A>) -> Self {
        let Problem { t_x, m, n_x, n_a, n_y, layers, directions, .. } = *problem;
        let above = (layers - 1) * directions * n_a;
        let steps = problem.lengths.as_ref().map_or(t_x * m, |lengths| lengths.iter().sum());
        let forward = (steps * directions * n_a * (n_x + above + layers * n_a + n_y)) as f64;
        // Each product of the forward pass has two in the backward pass, one for each factor's gradient. Only passes of
        // `elman::sequence` compute the gradient of the input.
        let dx = if !problem.stack.is_empty() { (steps * directions * n_a * n_x) as f64 } else { 0.0 };
        let case = if problem.pass == Pass::Train { 3.0 * forward - dx } else { forward };
        let double = size_of::<A>() == 8;
        let run = rayon::current_num_threads() * one_core::multiply_adds(double);
        Self { double, multiply_adds: (case, run as f64) }
    }
}

impl Peer for Peak {
    fn run(&mut self) {
        if rayon::current_num_threads() == 1 {
            one_core::run(self.double);
        } else {
            rayon::broadcast(|_| one_core::run(self.double));
        }
    }

    fn result(&self) -> Vec<f64> {
        Vec::new()
    }

    fn scale(&self) -> f64 {
        self.multiply_adds.0 / self.multiply_adds.1
    }
}
