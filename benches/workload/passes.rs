//! The passes that are measured. Their memory is reused, as in a training loop.

use std::hint::black_box;

use elman::loss::{self, Loss, Reduction};
use elman::sequence::{self, Backward, Cache, Input};
use elman::{Parameters, Scalar, Upstream, cell};
use ndarray::{Array2, Array3};

use super::Size;

/// What a sequence reads.
#[derive(Debug)]
pub(crate) enum Reads<A> {
    /// (`n_x`, m, `T_x`)
    Vectors(Array3<A>),
    /// (m, `T_x`)
    Tokens(Array2<usize>),
}

impl<A> Reads<A> {
    fn input(&self) -> Input<'_, A> {
        match self {
            Reads::Vectors(x) => Input::from(x),
            Reads::Tokens(ids) => Input::tokens(ids),
        }
    }
}

/// The forward pass, with weights that do not change.
#[derive(Debug)]
pub(crate) struct Forward<A> {
    parameters: Parameters<A>,
    reads: Reads<A>,
    a0: Array2<A>,
    cache: Cache<A>,
}

impl<A: Scalar> Forward<A> {
    pub(crate) fn new(size: Size, reads: Reads<A>) -> Self {
        Forward { parameters: size.parameters(), reads, a0: size.a0(), cache: Cache::default() }
    }

    pub(crate) fn run(&mut self) {
        let Forward { parameters, reads, a0, cache } = self;
        sequence::forward_into(parameters, black_box(reads.input()), &*a0, cache).expect("the shapes agree");
        black_box(cache.output());
    }
}

/// A training step without the optimiser: forward, cross-entropy and all gradients.
#[derive(Debug)]
pub(crate) struct Train<A> {
    pub(crate) forward: Forward<A>,
    targets: Array2<usize>,
    loss: Loss<A>,
    back: Backward<A>,
}

impl<A: Scalar> Train<A> {
    pub(crate) fn new(size: Size, reads: Reads<A>) -> Self {
        let (loss, back) = (Loss::default(), Backward::default());
        Train { forward: Forward::new(size, reads), targets: size.targets(), loss, back }
    }

    pub(crate) fn run(&mut self) {
        let Train { forward, targets, loss, back } = self;
        // An optimiser changes the weights between two passes, so they are packed again.
        black_box(forward.parameters.as_mut_slice());
        forward.run();
        let Forward { parameters, cache, .. } = forward;
        loss::cross_entropy_into(&*cache, &*targets, Reduction::Mean, loss).expect("the labels are classes");
        back.discard_gradients();
        let upstream = Upstream::logits(&loss.dlogits);
        sequence::backward_into(parameters, cache, upstream, back).expect("the shapes agree");
        black_box(&*back);
    }
}

/// One step of a network whose weights have been packed once.
#[derive(Debug)]
pub(crate) struct Step<A> {
    stepper: cell::Stepper<A>,
    xt: Array2<A>,
}

impl<A: Scalar> Step<A> {
    pub(crate) fn new(size: Size) -> Self {
        let mut stepper = cell::Stepper::new(&size.parameters(), size.m);
        stepper.set_hidden(&size.a0()).expect("the shapes agree");
        Step { stepper, xt: size.xt() }
    }

    pub(crate) fn run(&mut self) {
        self.stepper.step(black_box(&self.xt)).expect("the shapes agree");
        black_box(self.stepper.output());
    }
}
