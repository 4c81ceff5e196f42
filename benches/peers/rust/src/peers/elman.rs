//! This crate as a training loop or a server uses it, with all workspaces reused.

use std::hint::black_box;

use elman::loss::{self, Loss, Reduction};
use elman::sequence::Input;
use elman::stack::{self, Architecture, Layer};
use elman::{Dims, Parameters, Upstream, cell, sequence};
use ndarray::{Array2, Array3, Axis};

use crate::Peer;
use crate::problem::{Pass, Problem, Real, wide};

/// `dx`: whether `train` computes the gradient of the input.
pub fn load<A: Real>(problem: Problem<A>, dx: bool) -> Box<dyn Peer> {
    let Problem { pass, m, n_x, n_a, n_y, .. } = problem;
    let mut parameters = Parameters::zeros(Dims { n_x, n_a, n_y });
    parameters.wax_mut().assign(&problem.wax);
    parameters.waa_mut().assign(&problem.waa);
    parameters.wya_mut().assign(&problem.wya);
    parameters.ba_mut().assign(&problem.ba);
    parameters.by_mut().assign(&problem.by);
    // (n_x, m, T_x), with each step in one block of memory.
    let x = problem.x.clone().reversed_axes();
    if pass == Pass::Step {
        let xt = x.index_axis(Axis(2), 0).to_owned();
        // A server uses its model until it ends.
        let stepper = cell::Stepper::new(&parameters, m);
        return Box::new(Stepper { stepper, xt });
    }
    Box::new(Sequence {
        train: pass == Pass::Train,
        dx,
        parameters,
        x,
        a0: Array2::zeros((n_a, m)),
        targets: problem.targets().reversed_axes(),
        cache: sequence::Cache::default(),
        loss: Loss::default(),
        back: sequence::Backward::default(),
    })
}

struct Sequence<A> {
    train: bool,
    dx: bool,
    parameters: Parameters<A>,
    x: Array3<A>,
    a0: Array2<A>,
    targets: Array2<usize>,
    cache: sequence::Cache<A>,
    loss: Loss<A>,
    back: sequence::Backward<A>,
}

impl<A: Real> Sequence<A> {
    fn pass(&mut self) -> Result<(), elman::Error> {
        if self.train {
            // An optimiser changes the weights between two passes, so they are packed again.
            black_box(self.parameters.as_mut_slice());
        }
        let x = Input::vectors(&self.x);
        let x = if self.dx { x } else { x.without_dx() };
        sequence::forward_into(&self.parameters, x, &self.a0, &mut self.cache)?;
        if self.train {
            loss::cross_entropy_into(&self.cache, &self.targets, Reduction::Mean, &mut self.loss)?;
            self.back.discard_gradients();
            let upstream = Upstream::logits(&self.loss.dlogits);
            sequence::backward_into(&self.parameters, &self.cache, upstream, &mut self.back)?;
        }
        Ok(())
    }
}

impl<A: Real> Peer for Sequence<A> {
    fn run(&mut self) {
        self.pass().expect("shapes fit");
    }

    fn result(&self) -> Vec<f64> {
        if self.train {
            [vec![self.loss.value.wide()], wide(self.back.gradients.as_slice())].concat()
        } else {
            wide(self.cache.output().reversed_axes())
        }
    }
}

struct Stepper<A> {
    stepper: cell::Stepper<A>,
    xt: Array2<A>,
}

impl<A: Real> Peer for Stepper<A> {
    fn run(&mut self) {
        self.stepper.step(&self.xt).expect("shapes fit");
    }

    fn result(&self) -> Vec<f64> {
        wide(self.stepper.output().reversed_axes())
    }
}

/// Several layers or directions, or a ragged batch.
pub struct Stack<A> {
    train: bool,
    parameters: stack::Parameters<A>,
    x: Array3<A>,
    lengths: Option<Vec<usize>>,
    targets: Array2<usize>,
    cache: stack::Cache<A>,
    loss: Loss<A>,
    back: stack::Backward<A>,
}

impl<A: Real> Stack<A> {
    pub fn new(problem: Problem<A>) -> Self {
        let Problem { n_x, n_a, n_y, layers, directions, .. } = problem;
        let layer = if directions == 2 { Layer::new(n_a).bidirectional() } else { Layer::new(n_a) };
        let mut parameters = stack::Parameters::zeros(Architecture::new(n_x, vec![layer; layers], n_y));
        parameters.as_mut_slice().copy_from_slice(&problem.stack);
        Stack {
            train: problem.pass == Pass::Train,
            parameters,
            targets: problem.targets().reversed_axes(),
            x: problem.x.reversed_axes(),
            lengths: problem.lengths,
            cache: stack::Cache::default(),
            loss: Loss::default(),
            back: stack::Backward::default(),
        }
    }

    fn pass(&mut self) -> Result<(), elman::Error> {
        if self.train {
            black_box(self.parameters.as_mut_slice());
        }
        let mut input = Input::vectors(&self.x);
        if let Some(lengths) = &self.lengths {
            input = input.lengths(lengths);
        }
        stack::forward_into(&self.parameters, input, None, &mut self.cache)?;
        if self.train {
            loss::cross_entropy_into(&self.cache, &self.targets, Reduction::Mean, &mut self.loss)?;
            self.back.discard_gradients();
            let upstream = stack::Upstream::logits(&self.loss.dlogits);
            stack::backward_into(&self.parameters, &self.cache, upstream, &mut self.back)?;
        }
        Ok(())
    }
}

impl<A: Real> Peer for Stack<A> {
    fn run(&mut self) {
        self.pass().expect("shapes fit");
    }

    fn result(&self) -> Vec<f64> {
        if self.train {
            [vec![self.loss.value.wide()], wide(self.back.gradients.as_slice())].concat()
        } else {
            wide(self.cache.output().reversed_axes())
        }
    }
}
