//! Streams and buckets give every prediction and every sequence once an epoch; padding is filled correctly.

use std::collections::BTreeMap;

use allocation_counter::measure;
use elman::Error;
use elman::batches::{Batch, Epoch, Stream, buckets, pad};
use elman::loss::IGNORE;
use ndarray::{Array2, array};
use rand::Rng;
use rand_mt::Mt64;

use crate::support::seeded;

/// Token i of the streams here is OFFSET + i, so it shows its position, and no token equals the padding.
const OFFSET: usize = 1000;

const TOKENS: [usize; 9] = [2, 3, 4, 7, 8, 31, 97, 128, 211];
const COLUMNS: [usize; 7] = [1, 2, 3, 7, 13, 64, 300];
const STEPS: [usize; 6] = [1, 2, 5, 11, 64, usize::MAX];

fn stream_of(n: usize) -> Vec<usize> {
    (OFFSET..OFFSET + n).collect()
}

/// Calls `check` with (tokens, m, `t_x`, epoch) for many sizes, each in order and shuffled.
fn for_every_epoch(mut check: impl FnMut(&[usize], usize, usize, Epoch<'_>)) {
    for n in TOKENS {
        let tokens = stream_of(n);
        for m in COLUMNS {
            for t_x in STEPS {
                let stream = Stream::new(&tokens, m, t_x).unwrap();
                check(&tokens, m, t_x, stream.epoch());
                for seed in 0..3 {
                    check(&tokens, m, t_x, stream.shuffled_epoch(&mut seeded(seed)));
                }
            }
        }
    }
}

/// The inputs of column j in all batches, without padding.
fn column(batches: &[Batch], j: usize) -> Vec<usize> {
    let of = |batch: &Batch| batch.inputs.row(j).iter().take(batch.lengths[j]).copied().collect::<Vec<_>>();
    batches.iter().flat_map(of).collect()
}

#[test]
fn every_prediction_occurs_once_an_epoch() {
    for_every_epoch(|tokens, m, t_x, epoch| {
        let mut seen = BTreeMap::new();
        for batch in epoch {
            for (j, &length) in batch.lengths.iter().enumerate() {
                for t in 0..length {
                    *seen.entry((batch.inputs[[j, t]], batch.targets[[j, t]])).or_insert(0) += 1;
                }
            }
        }
        let expected = tokens.windows(2).map(|pair| ((pair[0], pair[1]), 1)).collect();
        assert_eq!(seen, expected, "{} tokens, m = {m}, t_x = {t_x}", tokens.len());
    });
}

#[test]
fn every_column_reads_its_own_part_and_continues_where_it_stopped() {
    for_every_epoch(|tokens, m, _, epoch| {
        let batches: Vec<Batch> = epoch.collect();
        let parts: Vec<Vec<usize>> = (0..m).map(|j| column(&batches, j)).collect();
        assert_eq!(parts.concat(), tokens[..tokens.len() - 1], "the parts in order form the stream");
        let lengths = || parts.iter().map(Vec::len);
        assert!(lengths().max().unwrap() - lengths().min().unwrap() <= 1, "{:?}", lengths().collect::<Vec<_>>());
        assert!(lengths().is_sorted_by(|a, b| a >= b), "the longer parts come first");
    });
}

#[test]
fn batches_except_the_last_and_the_first_of_a_shuffled_epoch_have_t_x_steps() {
    for_every_epoch(|_, m, t_x, epoch| {
        let left = epoch.len();
        let batches: Vec<Batch> = epoch.collect();
        assert_eq!(batches.len(), left);
        for (i, batch) in batches.iter().enumerate() {
            let (columns, steps) = batch.inputs.dim();
            assert_eq!((columns, batch.targets.dim()), (m, (m, steps)));
            assert_eq!((batch.lengths.len(), batch.lengths.iter().max()), (m, Some(&steps)));
            assert!(steps >= 1 && steps <= t_x, "no batch is empty");
            assert!(steps == t_x || i == 0 || i == left - 1, "batch {i} of {left} has {steps} of {t_x}");
            assert!(i == left - 1 || batch.lengths.iter().all(|&length| length == steps), "ragged too early");
            assert_eq!(batch.first, i == 0);
        }
    });
    let tokens = stream_of(100);
    let steps = |batch: Batch| batch.inputs.ncols();
    let plain: Vec<usize> = Stream::new(&tokens, 4, 10).unwrap().epoch().map(steps).collect();
    assert_eq!(plain, [10, 10, 5], "the first batch of an unshuffled epoch is full");
}

#[test]
fn a_worker_reads_the_rows_of_its_columns() {
    for_every_epoch(|tokens, m, t_x, _| {
        let stream = Stream::new(tokens, m, t_x).unwrap();
        for columns in [0..m, 0..m / 2, m / 2..m, m..m] {
            let part = stream.columns(columns.clone()).unwrap();
            assert_eq!(part.epoch().len(), stream.epoch().len());
            for (part, whole) in part.epoch().zip(stream.epoch()) {
                // Columns that end earlier need fewer steps.
                let rows = ndarray::s![columns.clone(), ..part.inputs.ncols()];
                assert_eq!(
                    (part.inputs.view(), part.targets.view()),
                    (whole.inputs.slice(rows), whole.targets.slice(rows))
                );
                assert_eq!((&part.lengths[..], part.first), (&whole.lengths[columns.clone()], whole.first));
            }
        }
    });
}

#[test]
fn padding_has_zero_inputs_and_ignored_targets() {
    let mut padded = 0;
    for_every_epoch(|_, _, _, epoch| {
        for batch in epoch {
            for ((j, t), &input) in batch.inputs.indexed_iter() {
                let (is_read, target) = (t < batch.lengths[j], batch.targets[[j, t]]);
                assert_eq!((input >= OFFSET, target == IGNORE), (is_read, !is_read));
                if !is_read {
                    assert_eq!(input, 0);
                    padded += 1;
                }
            }
        }
    });
    assert!(padded > 0);
}

#[test]
fn the_number_of_remaining_batches_is_always_known() {
    for_every_epoch(|_, _, _, mut epoch| {
        for left in (0..epoch.len()).rev() {
            assert!(epoch.next().is_some());
            assert_eq!(epoch.len(), left);
        }
        assert!(epoch.next().is_none() && epoch.next().is_none());
    });
}

#[test]
fn a_seed_gives_the_same_epochs_and_the_next_epoch_has_other_cuts() {
    let tokens = stream_of(500);
    let stream = Stream::new(&tokens, 3, 20).unwrap();
    let epochs = |seed| -> Vec<Vec<Batch>> {
        let mut rng = seeded(seed);
        (0..20).map(|_| stream.shuffled_epoch(&mut rng).collect()).collect()
    };
    assert_eq!(epochs(1), epochs(1));
    assert_ne!(epochs(1), epochs(2));
    assert!(epochs(1).windows(2).filter(|pair| pair[0] != pair[1]).count() > 15);
    assert!(stream.epoch().eq(stream.epoch()));
}

#[test]
fn every_position_in_a_part_is_a_cut_in_one_of_t_x_epochs_on_average() {
    const EPOCHS: u32 = 7000;
    let (tokens, t_x, mut rng) = (stream_of(41), 7, seeded(3));
    let stream = Stream::new(&tokens, 2, t_x).unwrap();
    let mut cuts = [0u32; 20];
    for _ in 0..EPOCHS {
        let mut done = 0;
        for batch in stream.shuffled_epoch(&mut rng) {
            cuts[done] += 1;
            done += batch.inputs.ncols();
        }
        assert_eq!(done, 20);
    }
    assert_eq!(cuts[0], EPOCHS, "the start is always a cut");
    // Five standard deviations of a binomial count with mean 1000.
    assert!(cuts[1..].iter().all(|count| count.abs_diff(1000) < 147), "{cuts:?}");
}

#[test]
fn a_reused_batch_is_overwritten_and_allocates_nothing_once_warm() {
    let mut dirty = Batch::default();
    dirty.inputs = Array2::from_elem((5, 9), 77);
    dirty.targets = Array2::from_elem((2, 3), 78);
    dirty.lengths = vec![79; 11];
    dirty.first = true;
    for_every_epoch(|_, _, _, mut epoch| {
        for batch in epoch.clone() {
            assert!(epoch.next_into(&mut dirty));
            assert_eq!(dirty, batch);
        }
        let before = dirty.clone();
        assert!(!epoch.next_into(&mut dirty));
        assert_eq!(dirty, before, "at the end the batch is unchanged");
    });

    let (tokens, mut rng, mut batch) = (stream_of(1000), seeded(4), Batch::default());
    let stream = Stream::new(&tokens, 7, 16).unwrap();
    let mut run = |mut epoch: Epoch<'_>| while epoch.next_into(&mut batch) {};
    run(stream.epoch());
    assert_eq!(measure(|| run(stream.shuffled_epoch(&mut rng))).count_total, 0);
}

#[test]
fn a_step_of_a_batch_is_contiguous() {
    let tokens = stream_of(100);
    let batch = Stream::new(&tokens, 5, 6).unwrap().epoch().next().unwrap();
    for ids in [&batch.inputs, &batch.targets, &pad(&[&tokens, &tokens[..50]]).0] {
        assert_eq!(ids.strides(), [1, ids.nrows().cast_signed()]);
    }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Error>, message: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Range { .. }), "{error:?}");
    assert_eq!(error.to_string(), message);
}

#[test]
fn invalid_streams_and_buckets_are_refused() {
    assert_refused(Stream::new(&[], 1, 1), "`tokens.len()` is 0, expected at least 2");
    assert_refused(Stream::new(&[5], 1, 1), "`tokens.len()` is 1, expected at least 2");
    assert_refused(Stream::new(&[5, 6], 0, 1), "`m` is 0, expected at least 1");
    assert_refused(Stream::new(&[5, 6], 1, 0), "`t_x` is 0, expected at least 1");
    let stream = Stream::new(&[5, 6, 7, 8], 3, 1).unwrap();
    assert_refused(stream.columns(1..4), "`columns.end` is 4, expected at most m");
    #[expect(clippy::reversed_empty_ranges, reason = "it is refused")]
    let reversed = 2..1;
    assert_refused(stream.columns(reversed), "`columns.start` is 2, expected at most columns.end");
    let (mut rng, mut untouched) = (seeded(5), seeded(5));
    assert_refused(buckets(&[1, 2], 0, &mut rng), "`m` is 0, expected at least 1");
    assert_eq!(rng.next_u64(), untouched.next_u64(), "no random number is drawn");
}

/// Many equal lengths, in no order.
fn mixed_lengths(n: usize) -> Vec<usize> {
    (0..n).map(|i| i * 37 % 11).collect()
}

#[test]
fn buckets_hold_every_index_once_and_at_most_m_of_similar_length() {
    for n in [0, 1, 2, 5, 30, 97] {
        let lengths = mixed_lengths(n);
        for m in [1, 2, 7, 30, 96, 97, 98, usize::MAX] {
            let mut batches = buckets(&lengths, m, &mut seeded(6)).unwrap();
            let mut indices = batches.concat();
            indices.sort_unstable();
            assert_eq!(indices, (0..n).collect::<Vec<_>>());
            assert_eq!(batches.len(), n.div_ceil(m));

            // By length, no two batches overlap, and only the last one is smaller.
            let extremes = |batch: &Vec<usize>| {
                let lengths = || batch.iter().map(|&i| lengths[i]);
                (lengths().min().unwrap(), lengths().max().unwrap(), usize::MAX - batch.len())
            };
            batches.sort_by_key(extremes);
            assert!(batches.windows(2).all(|pair| extremes(&pair[0]).1 <= extremes(&pair[1]).0), "{batches:?}");
            assert!(batches.iter().rev().skip(1).all(|batch| batch.len() == m), "{batches:?}");
        }
    }
}

#[test]
fn buckets_have_a_random_order_and_shuffle_equal_lengths_every_time() {
    const EPOCHS: u32 = 8000;
    // Two batches for each of four lengths.
    let (lengths, mut rng) = ([1, 2, 3, 4].repeat(4), seeded(7));
    let (mut opens, mut together) = ([0u32; 4], [0u32; 16]);
    for _ in 0..EPOCHS {
        let batches = buckets(&lengths, 2, &mut rng).unwrap();
        assert_eq!(batches.len(), 8);
        opens[lengths[batches[0][0]] - 1] += 1;
        let of_zero = batches.iter().find(|batch| batch.contains(&0)).unwrap();
        together[of_zero.iter().sum::<usize>()] += 1;
    }
    // Five standard deviations of binomial counts with means 2000 and 2667.
    assert!(opens.iter().all(|count| count.abs_diff(2000) < 194), "{opens:?}");
    assert!([4, 8, 12].iter().all(|&i| together[i].abs_diff(2667) < 211), "{together:?}");

    let epoch = |seed| buckets(&lengths, 2, &mut seeded(seed)).unwrap();
    assert_eq!(epoch(8), epoch(8));
    assert_ne!(epoch(8), epoch(9));
}

#[test]
fn a_seed_gives_the_same_batches_on_every_machine() {
    let mut rng = Mt64::new(2026);
    let lengths = [3, 1, 2, 2, 1, 3, 3, 2, 1, 1];
    assert_eq!(buckets(&lengths, 3, &mut rng).unwrap(), [vec![4, 7, 3], vec![0], vec![1, 9, 8], vec![2, 6, 5]]);
    let tokens = stream_of(100);
    let stream = Stream::new(&tokens, 1, 50).unwrap();
    let first = |_| stream.shuffled_epoch(&mut rng).next().unwrap().lengths[0];
    assert_eq!((0..8).map(first).collect::<Vec<_>>(), [5, 5, 12, 23, 4, 38, 18, 4]);
}

#[test]
fn padding_keeps_every_token_and_fills_with_zeros() {
    let sequences = [stream_of(3), vec![], stream_of(5), stream_of(1)];
    let (ids, lengths) = pad(&sequences);
    assert_eq!(ids.dim(), (4, 5));
    assert_eq!(lengths, [3, 0, 5, 1]);
    for ((j, t), &id) in ids.indexed_iter() {
        assert_eq!(id, sequences[j].get(t).copied().unwrap_or(0));
    }
    let slices: Vec<&[usize]> = sequences.iter().map(Vec::as_slice).collect();
    assert_eq!(pad(&slices), (ids, lengths));
    assert_eq!(pad(&[] as &[Vec<usize>]), (Array2::zeros((0, 0)), vec![]));
    assert_eq!(pad(&[vec![], vec![]]), (Array2::zeros((2, 0)), vec![0, 0]));
}

#[test]
fn a_batch_of_whole_sequences_predicts_every_next_token() {
    let batch = Batch::from_sequences(&[&[1, 2, 3, 4][..], &[], &[5], &[6, 7]]);
    assert_eq!(batch.inputs, array![[1, 2, 3], [0, 0, 0], [0, 0, 0], [6, 0, 0]]);
    let i = IGNORE;
    assert_eq!(batch.targets, array![[2, 3, 4], [i, i, i], [i, i, i], [7, i, i]]);
    assert_eq!(batch.lengths, [3, 0, 0, 1]);
    assert!(batch.first);
    // One column of a stream that fits in one batch is the same.
    let tokens = stream_of(9);
    assert!(Stream::new(&tokens, 1, 8).unwrap().epoch().eq([Batch::from_sequences(&[&tokens])]));
}
