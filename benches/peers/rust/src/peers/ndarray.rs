//! The port that a user of ndarray would write: the notebook's loop, step by step.

use ndarray::{Array1, Array2, Axis};

use crate::Peer;
use crate::problem::{Pass, Problem, Real, wide};

pub struct Plain<A> {
    problem: Problem<A>,
    /// A (n_x, m) matrix per step.
    x: Vec<Array2<A>>,
    targets: Array2<usize>,
    output: Vec<Array2<A>>,
    loss: A,
    gradients: Option<Gradients<A>>,
}

struct Gradients<A> {
    wax: Array2<A>,
    waa: Array2<A>,
    wya: Array2<A>,
    ba: Array1<A>,
    by: Array1<A>,
}

fn softmax<A: Real>(mut z: Array2<A>) -> Array2<A> {
    for mut column in z.columns_mut() {
        let max = column.fold(A::neg_infinity(), |a, &b| a.max(b));
        column.mapv_inplace(|v| (v - max).exp());
        let sum = column.sum();
        column.mapv_inplace(|v| v / sum);
    }
    z
}

impl<A: Real> Plain<A> {
    pub fn new(problem: Problem<A>) -> Self {
        let x = problem.x.outer_iter().map(|xt| xt.t().to_owned()).collect();
        let targets = problem.targets();
        Self { problem, x, targets, output: Vec::new(), loss: A::zero(), gradients: None }
    }

    /// Hidden states, with a0 first, and outputs.
    fn forward(&self) -> (Vec<Array2<A>>, Vec<Array2<A>>) {
        let Problem { wax, waa, wya, .. } = &self.problem;
        let (ba, by) = (self.problem.ba.view().insert_axis(Axis(1)), self.problem.by.view().insert_axis(Axis(1)));
        let mut hidden = vec![Array2::zeros((self.problem.n_a, self.problem.m))];
        let mut output = Vec::new();
        for (t, xt) in self.x.iter().enumerate() {
            let a = (wax.dot(xt) + waa.dot(&hidden[t]) + ba).mapv(A::tanh);
            output.push(softmax(wya.dot(&a) + by));
            hidden.push(a);
        }
        (hidden, output)
    }

    fn train(&mut self) {
        let (hidden, mut output) = self.forward();
        let Problem { wax, waa, wya, ba, by, .. } = &self.problem;
        let scale = A::of(1.0 / self.targets.len() as f64);
        let mut loss = A::zero();
        let mut gradients = Gradients {
            wax: Array2::zeros(wax.dim()),
            waa: Array2::zeros(waa.dim()),
            wya: Array2::zeros(wya.dim()),
            ba: Array1::zeros(ba.dim()),
            by: Array1::zeros(by.dim()),
        };
        let mut da_next = Array2::zeros(hidden[0].dim());
        for t in (0..self.x.len()).rev() {
            let dlogits = &mut output[t];
            for (j, &target) in self.targets.row(t).iter().enumerate() {
                loss -= dlogits[[target, j]].ln() * scale;
                dlogits[[target, j]] -= A::one();
            }
            *dlogits *= scale;
            let a = &hidden[t + 1];
            gradients.wya += &dlogits.dot(&a.t());
            gradients.by += &dlogits.sum_axis(Axis(1));
            let dz = a.mapv(|v| A::one() - v * v) * (wya.t().dot(dlogits) + &da_next);
            gradients.wax += &dz.dot(&self.x[t].t());
            gradients.waa += &dz.dot(&hidden[t].t());
            gradients.ba += &dz.sum_axis(Axis(1));
            da_next = waa.t().dot(&dz);
        }
        self.loss = loss;
        self.gradients = Some(gradients);
    }
}

impl<A: Real> Peer for Plain<A> {
    fn run(&mut self) {
        match self.problem.pass {
            Pass::Train => self.train(),
            _ => self.output = self.forward().1,
        }
    }

    fn result(&self) -> Vec<f64> {
        match &self.gradients {
            None => self.output.iter().flat_map(|y| wide(y.t())).collect(),
            Some(Gradients { wax, waa, wya, ba, by }) => {
                [vec![self.loss.wide()], wide(wax), wide(waa), wide(wya), wide(ba), wide(by)].concat()
            }
        }
    }
}
