//! Summarises all training runs, and checks what this example states.

use std::io::{self, Write};

use crate::Result;
use crate::task::CHANCE;
use crate::training::{LEARNT, Start, Trained};

/// An accuracy below this is not learnt: chance plus a small part of what can be learnt.
const NOT_LEARNT: f64 = CHANCE + 0.15;

/// Gradients are printed at every quarter of the lag.
const QUARTERS: usize = 4;

/// The runs for every start, lag and seed.
#[derive(Debug)]
pub(crate) struct Findings {
    pub(crate) lags: Vec<usize>,
    pub(crate) runs: Vec<Run>,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) start: Start,
    pub(crate) lag: usize,
    pub(crate) seed: u64,
    pub(crate) trained: Trained,
}

impl Findings {
    fn accuracies(&self, start: Start, lag: usize) -> impl Iterator<Item = f64> {
        self.runs.iter().filter(move |run| run.start == start && run.lag == lag).map(|run| run.trained.accuracy)
    }

    /// The mean accuracy over seeds.
    pub(crate) fn accuracy(&self, start: Start, lag: usize) -> f64 {
        let (sum, count) =
            self.accuracies(start, lag).fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / count
    }

    /// The number of seeds that learnt the task, and the number of all seeds.
    fn learnt(&self, start: Start, lag: usize) -> [usize; 2] {
        [
            self.accuracies(start, lag).filter(|&accuracy| accuracy >= LEARNT).count(),
            self.accuracies(start, lag).count(),
        ]
    }

    /// The lag whose gradients are shown.
    pub(crate) fn middle_lag(&self) -> usize {
        self.lags[self.lags.len() / 2]
    }

    /// ‖∂L/∂a‖ after every step of the middle lag, for the first seed: before training, and after it.
    pub(crate) fn gradients(&self, start: Start) -> &[Vec<f64>; 2] {
        let shown = |run: &&Run| run.start == start && run.lag == self.middle_lag();
        let first = self.runs.iter().filter(shown).min_by_key(|run| run.seed);
        &first.expect("every start is trained on every lag").trained.gradients
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "initial waa: torch uniform, spectral uniform at radius 1, irnn identity, keras orthogonal\n")?;
        writeln!(out, "mean accuracy over seeds, and number of seeds that learnt the task (chance is {CHANCE})")?;
        write!(out, "lag     ")?;
        for lag in &self.lags {
            write!(out, "{lag:>11}")?;
        }
        for start in Start::ALL {
            write!(out, "\n{:8}", start.name())?;
            for &lag in &self.lags {
                let [learnt, all] = self.learnt(start, lag);
                write!(out, "{:>7.3} {learnt}/{all}", self.accuracy(start, lag))?;
            }
        }

        let lag = self.middle_lag();
        for (when, at) in ["before training", "after training"].into_iter().zip(0..) {
            writeln!(out, "\n\nnorm of the gradient at the hidden state, by step, {when} on lag {lag}")?;
            write!(out, "step    ")?;
            let steps = || (0..=QUARTERS).map(|quarter| lag * quarter / QUARTERS);
            for step in steps() {
                write!(out, "{step:>11}")?;
            }
            for start in Start::ALL {
                write!(out, "\n{:8}", start.name())?;
                for step in steps() {
                    write!(out, "{:>11.1e}", self.gradients(start)[at][step])?;
                }
            }
        }
        writeln!(out)
    }

    /// Checks that the results are as stated.
    pub(crate) fn check(&self) -> Result<()> {
        let state = |holds: bool, statement: String| -> Result<()> {
            if holds { Ok(()) } else { Err(format!("this does not hold: {statement}").into()) }
        };
        for &lag in &self.lags {
            let [torch, keras] = [Start::Torch, Start::Keras].map(|start| self.accuracy(start, lag));
            match lag {
                ..=5 => state(torch >= LEARNT, format!("torch learns lag {lag}, accuracy {torch}"))?,
                20.. => state(torch < NOT_LEARNT, format!("torch does not learn lag {lag}, accuracy {torch}"))?,
                _ => {}
            }
            let [learnt, all] = self.learnt(Start::Keras, lag);
            match lag {
                ..=20 => state(learnt == all, format!("keras learns lag {lag}, {learnt} of {all}"))?,
                21..=80 => state(2 * learnt > all, format!("most keras networks learn lag {lag}, {learnt} of {all}"))?,
                160.. => state(keras < NOT_LEARNT, format!("keras does not learn lag {lag}, accuracy {keras}"))?,
                _ => {}
            }
        }
        let lag = self.middle_lag();
        let irnn = self.accuracy(Start::Irnn, lag);
        state(irnn < 0.75, format!("most irnn networks do not learn lag {lag}, accuracy {irnn}"))?;

        // The share of the last step's gradient that is left at step 0.
        let left = |start, at: usize| self.gradients(start)[at][0] / self.gradients(start)[at][lag];
        let [torch, _, irnn, keras] = Start::ALL.map(|start| left(start, 0));
        state(torch < 1e-6, format!("torch's gradient vanishes, to {torch:.1e}"))?;
        state((irnn - 1.0).abs() < 0.01, format!("irnn's gradient stays the same, except for a factor of {irnn}"))?;
        state(keras > 1e-2, format!("keras's gradient reaches step 0, {keras:.1e} of it"))?;
        let irnn = left(Start::Irnn, 1);
        state(irnn < 1e-6, format!("irnn's gradient has vanished after training, to {irnn:.1e}"))
    }
}
