//! The layers of a stack, run one by one through `sequence`: what `elman::stack` should cost.

use std::hint::black_box;

use elman::loss::{self, Loss, Reduction};
use elman::sequence::{self, Backward, Cache};
use elman::stack::{self, Architecture, Direction, Layer};
use elman::{Parameters, Upstream};
use ndarray::{Array2, Array3};

use crate::Peer;
use crate::problem::{Pass, Problem, Real, wide};

/// The lowest layer first.
pub struct Layers<A> {
    train: bool,
    networks: Vec<Parameters<A>>,
    x: Array3<A>,
    targets: Array2<usize>,
    caches: Vec<Cache<A>>,
    loss: Loss<A>,
    backs: Vec<Backward<A>>,
}

/// `None` for two directions and for ragged batches.
pub fn load<A: Real>(problem: Problem<A>) -> Option<Box<dyn Peer>> {
    let Problem { n_x, n_a, n_y, layers, directions, .. } = problem;
    if problem.stack.is_empty() || directions > 1 || problem.lengths.is_some() {
        return None;
    }
    let mut parameters = stack::Parameters::zeros(Architecture::new(n_x, vec![Layer::new(n_a); layers], n_y));
    parameters.as_mut_slice().copy_from_slice(&problem.stack);
    let network = |layer| parameters.network(layer, Direction::Forward).expect("a layer");
    Some(Box::new(Layers {
        train: problem.pass == Pass::Train,
        networks: (0..layers).map(network).collect(),
        targets: problem.targets().reversed_axes(),
        x: problem.x.reversed_axes(),
        caches: vec![Cache::default(); layers],
        loss: Loss::default(),
        backs: vec![Backward::default(); layers],
    }))
}

impl<A: Real> Layers<A> {
    fn pass(&mut self) -> Result<(), elman::Error> {
        let Layers { train, networks, x, targets, caches, loss, backs } = self;
        if *train {
            // An optimiser changes the weights between two passes, so they are packed again.
            for network in &mut *networks {
                black_box(network.as_mut_slice());
            }
        }
        for (layer, network) in networks.iter().enumerate() {
            let (below, above) = caches.split_at_mut(layer);
            match below.last() {
                None => sequence::forward_into(network, &*x, None, &mut above[0])?,
                Some(below) => sequence::forward_into(network, below.hidden(), None, &mut above[0])?,
            }
        }
        if self.train {
            loss::cross_entropy_into(&caches[caches.len() - 1], &*targets, Reduction::Mean, loss)?;
            for (layer, network) in networks.iter().enumerate().rev() {
                let (below, above) = backs.split_at_mut(layer + 1);
                let upstream = match above.first() {
                    None => Upstream::logits(&loss.dlogits),
                    Some(above) => Upstream::hidden(&above.dx),
                };
                below[layer].discard_gradients();
                sequence::backward_into(network, &caches[layer], upstream, &mut below[layer])?;
            }
        }
        Ok(())
    }
}

impl<A: Real> Peer for Layers<A> {
    fn run(&mut self) {
        self.pass().expect("shapes fit");
    }

    fn result(&self) -> Vec<f64> {
        if self.train {
            let gradients = self.backs.iter().flat_map(|back| wide(back.gradients.as_slice()));
            [self.loss.value.wide()].into_iter().chain(gradients).collect()
        } else {
            wide(self.caches[self.caches.len() - 1].output().reversed_axes())
        }
    }
}
