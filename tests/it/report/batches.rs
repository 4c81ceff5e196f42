//! Batches of token ids.

use elman::Error;
use elman::batches::{Batch, Epoch, Stream, buckets, pad};
use elman::rand::RngExt;

use super::problem::seeded;
use super::{Digest, Report};

fn add_batch(digest: Digest, batch: &Batch) -> Digest {
    let digest = digest.counts(&batch.inputs).counts(&batch.targets).counts(&batch.lengths);
    digest.counts([&usize::from(batch.first)])
}

fn of_epoch(mut epoch: Epoch<'_>) -> Digest {
    let (mut batch, mut digest) = (Batch::default(), Digest::new());
    while epoch.next_into(&mut batch) {
        digest = add_batch(digest, &batch);
    }
    digest
}

pub(super) fn add(report: &mut Report) -> Result<(), Error> {
    let rng = &mut seeded(1);
    let tokens: Vec<usize> = (0..1009).map(|_| rng.random_range(0..97)).collect();
    let stream = Stream::new(&tokens, 7, 13)?;
    report.add("batches of a stream", of_epoch(stream.epoch()));
    report.add("batches of a shuffled stream", of_epoch(stream.shuffled_epoch(rng)));

    let sequences: Vec<&[usize]> = (0..31).map(|i| &tokens[i..i + rng.random_range(0..17)]).collect();
    let lengths: Vec<usize> = sequences.iter().map(|sequence| sequence.len()).collect();
    report.add("batches of sequences", add_batch(Digest::new(), &Batch::from_sequences(&sequences)));
    let of_buckets = buckets(&lengths, 5, rng)?;
    report.add("buckets", of_buckets.iter().fold(Digest::new(), super::Digest::counts));
    let (padded, lengths) = pad(&sequences);
    report.add("padding", Digest::new().counts(&padded).counts(&lengths));
    Ok(())
}
