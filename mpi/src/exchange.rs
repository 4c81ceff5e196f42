use std::slice::IterMut;

use elman::shards::{Exchange, Part, Shards, Worker};
use elman::{Error, Scalar};
use mpi::datatype::Equivalence;
use mpi::request::{LocalScope, Request};

use crate::Ranks;

/// A part on its way: a header and the gradient, which are two messages.
#[derive(Debug, Default)]
pub(crate) struct Parcel<A> {
    /// The bits of the loss in double precision, the count, and the number of correct labels.
    header: [u64; 3],
    gradients: Vec<A>,
}

/// The messages of one sum.
pub(crate) struct Messages<'r, 's, 'a, A: Equivalence> {
    ranks: &'r Ranks,
    scope: &'s LocalScope<'a>,
    /// The parcels that are free.
    outbox: IterMut<'a, Parcel<A>>,
    headers: Vec<(usize, Request<'a, [u64], &'s LocalScope<'a>>)>,
    gradients: Vec<(usize, Request<'a, [A], &'s LocalScope<'a>>)>,
}

impl<'r, 's, 'a, A: Scalar + Equivalence> Messages<'r, 's, 'a, A> {
    /// Makes one parcel for each message that a rank can send: one for each level of the tree of shards, and one for each level
    /// of the tree on which the total returns.
    pub(crate) fn outbox(shards: Shards, worker: Worker) -> Vec<Parcel<A>> {
        let levels = |leaves: usize| leaves.next_power_of_two().trailing_zeros() as usize;
        (0..levels(shards.count()) + levels(worker.count)).map(|_| Parcel::default()).collect()
    }

    pub(crate) fn new(ranks: &'r Ranks, scope: &'s LocalScope<'a>, outbox: &'a mut [Parcel<A>]) -> Self {
        Messages { ranks, scope, outbox: outbox.iter_mut(), headers: Vec::new(), gradients: Vec::new() }
    }

    /// Waits until everything is sent.
    pub(crate) fn finish(self) {
        self.headers.into_iter().for_each(|(to, request)| self.ranks.wait(to, request));
        self.gradients.into_iter().for_each(|(to, request)| self.ranks.wait(to, request));
    }
}

impl<A: Scalar + Equivalence> Exchange<A> for Messages<'_, '_, '_, A> {
    /// A message that fails ends the run.
    type Error = Error;

    fn send(&mut self, to: usize, part: &Part<A>) -> Result<(), Error> {
        let Some(parcel) = self.outbox.next() else { self.ranks.fail(&"more messages than levels of the tree") };
        let loss = part.loss.to_f64().unwrap_or(f64::NAN);
        parcel.header = [loss.to_bits(), part.count as u64, part.correct as u64];
        parcel.gradients.extend_from_slice(&part.gradients);
        let parcel: &Parcel<A> = parcel;
        self.headers.push((to, self.ranks.send(self.scope, to, &parcel.header)));
        self.gradients.push((to, self.ranks.send(self.scope, to, &parcel.gradients)));
        Ok(())
    }

    fn receive(&mut self, from: usize, part: &mut Part<A>) -> Result<(), Error> {
        let mut header = Vec::new();
        self.ranks.receive(from, &mut header);
        let &[loss, count, correct] = &header[..] else { self.ranks.fail(&"the ranks run different programs") };
        part.loss = A::from(f64::from_bits(loss)).unwrap_or(A::nan());
        [part.count, part.correct] = [count, correct].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
        self.ranks.receive(from, &mut part.gradients);
        Ok(())
    }
}
