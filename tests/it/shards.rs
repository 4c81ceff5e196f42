//! A gradient in shards is bit-identical for any number of threads and workers, and one shard is the plain pass.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use allocation_counter::measure;
use elman::batches::{Batch, Stream, buckets};
use elman::loss::{Loss, Reduction, Targets, cross_entropy, squared_error};
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::sequence::{self, Input, Truncated};
use elman::shards::{Exchange, Part, Shards, Sum, Worker};
use elman::stack::{self, Architecture, Layer, States};
use elman::{Activation, Dropout, Error, Parameters, Scalar, Upstream, gradcheck, init};
use ndarray::{Array2, Array3, s};

use crate::support::naive::Shape;
use crate::support::results::{Problem, Reading};
use crate::support::{Convert, in_pool, seeded};

/// The rounding of a sum of a few thousand terms, in double precision.
const ROUNDING: f64 = 1e-12;

/// Computes some columns of a batch.
type Columns<A> = Box<dyn Fn(Range<usize>, &mut Part<A>) -> Result<(), Error> + Sync>;

/// A batch of m columns, whose gradient is computed in any parts.
struct Job<A> {
    name: String,
    m: usize,
    compute: Columns<A>,
}

impl<A: Scalar> Job<A> {
    fn plain(&self) -> Part<A> {
        let mut part = Part::default();
        (self.compute)(0..self.m, &mut part).unwrap();
        part
    }

    /// The parts of all shards, not joined.
    fn parts(&self, v: usize) -> Vec<Part<A>> {
        let shards = Shards::new(v).unwrap();
        assert_eq!(shards.count(), v);
        let mut parts = vec![Part::default(); v];
        for (shard, part) in parts.iter_mut().enumerate() {
            (self.compute)(shards.columns(shard, self.m), part).unwrap();
        }
        parts
    }

    fn in_shards(&self, v: usize) -> Part<A> {
        let shards = Shards::new(v).unwrap();
        let compute =
            |shard, (): &mut (), (): &mut (), part: &mut Part<A>| (self.compute)(shards.columns(shard, self.m), part);
        Sum::<A, ()>::default().run(shards, &mut vec![(); v], compute).unwrap().clone()
    }

    fn on_workers(&self, v: usize, workers: usize) -> Vec<Part<A>> {
        let shards = Shards::new(v).unwrap();
        let compute = |shard, (): &mut (), (): &mut (), part: &mut Part<A>| {
            Ok((self.compute)(shards.columns(shard, self.m), part)?)
        };
        on_workers(shards, workers, &mut vec![(); v], &compute).into_iter().map(Result::unwrap).collect()
    }
}

/// Sums, in their order: the joins that a tree replaces.
fn from_left<A: Scalar>(parts: &[Part<A>]) -> Vec<A> {
    let add = |sum: Vec<A>, part: &Part<A>| sum.iter().zip(&part.gradients).map(|(&a, &b)| a + b).collect();
    parts[1..].iter().fold(parts[0].gradients.clone(), add)
}

#[track_caller]
fn assert_same_bits<A: Scalar>(found: &Part<A>, expected: &Part<A>, what: &str) {
    let bits = |part: &Part<A>| -> Vec<u64> {
        part.gradients.iter().chain([&part.loss]).map(|value| value.widen().to_bits()).collect()
    };
    assert!(!expected.gradients.is_empty(), "{what}");
    assert!(bits(found) == bits(expected), "{what} has other bits");
    assert_eq!((found.count, found.correct), (expected.count, expected.correct), "{what}");
}

/// Messages between workers that are threads.
struct Channels<A> {
    to: Vec<Sender<Part<A>>>,
    from: Vec<Receiver<Part<A>>>,
}

#[derive(Debug, PartialEq)]
enum Failure {
    Own(Error),
    /// The worker that is gone.
    Lost(usize),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Own(error)
    }
}

impl<A: Scalar> Channels<A> {
    /// One for each worker, with a channel from each to each.
    fn connect(workers: usize) -> Vec<Self> {
        let mut all: Vec<_> = (0..workers).map(|_| Channels { to: Vec::new(), from: Vec::new() }).collect();
        for from in 0..workers {
            for to in 0..workers {
                let (sender, receiver) = channel();
                all[from].to.push(sender);
                all[to].from.push(receiver);
            }
        }
        all
    }
}

impl<A: Scalar> Exchange<A> for Channels<A> {
    type Error = Failure;

    fn send(&mut self, to: usize, part: &Part<A>) -> Result<(), Failure> {
        self.to[to].send(part.clone()).map_err(|_| Failure::Lost(to))
    }

    fn receive(&mut self, from: usize, part: &mut Part<A>) -> Result<(), Failure> {
        *part = self.from[from].recv().map_err(|_| Failure::Lost(from))?;
        Ok(())
    }
}

/// Runs one batch on workers that are threads.
fn on_workers<A: Scalar, S: Send, W: Default + Send>(
    shards: Shards,
    count: usize,
    mut states: &mut [S],
    compute: &(impl Fn(usize, &mut S, &mut W, &mut Part<A>) -> Result<(), Failure> + Sync),
) -> Vec<Result<Part<A>, Failure>> {
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (index, mut channels) in Channels::connect(count).into_iter().enumerate() {
            let (own, rest) = std::mem::take(&mut states).split_at_mut(shards.of_worker(index, count).len());
            states = rest;
            workers.push(scope.spawn(move || {
                let worker = Worker { index, count };
                let mut sum = Sum::<A, W>::default();
                sum.run_worker(shards, worker, own, &mut channels, compute).cloned()
            }));
        }
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    })
}

/// The gradient of some columns of a problem, in its reading, of the mean over all its columns.
fn of_problem<A: Scalar>(name: impl Into<String>, problem: Problem<A>) -> Job<A> {
    let m = problem.shape.m;
    let count = cross_entropy(&problem.forward(), &problem.targets, Reduction::Sum).unwrap().count;
    let mean = Reduction::Scaled(1.0 / f64::from(u32::try_from(count).unwrap()));
    let compute = move |columns: Range<usize>, part: &mut Part<A>| {
        let Problem { parameters, inputs, targets, reading, .. } = &problem;
        let Reading { tokens, lengths, reversed, dropout } = reading;
        let x = inputs.x.slice(s![.., columns.clone(), ..]);
        let tokens = tokens.as_ref().map(|tokens| tokens.slice(s![columns.clone(), ..]));
        let mut input = tokens.as_ref().map_or(Input::from(x), |tokens| Input::tokens(tokens));
        if let Some(lengths) = lengths {
            input = input.lengths(&lengths[columns.clone()]);
        }
        if let Some(numbers) = dropout {
            input = input.dropout(Dropout::new(9).inputs(0.3).recurrent(0.4).columns(&numbers[columns.clone()]));
        }
        input = if *reversed { input.reversed() } else { input };
        let cache = sequence::forward(parameters, input, inputs.a0.slice(s![.., columns.clone()]))?;
        let loss = cross_entropy(&cache, targets.slice(s![columns, ..]), mean)?;
        let back = sequence::backward(parameters, &cache, Upstream::logits(&loss.dlogits))?;
        part.set(back.gradients.as_slice(), &loss);
        Ok(())
    };
    Job { name: name.into(), m, compute: Box::new(compute) }
}

/// Two layers and directions, ragged, with all kinds of dropout, and one label for each column.
fn of_stack<A: Scalar>() -> Job<A> {
    const M: usize = 17;
    let architecture = Architecture::new(3, [Layer::new(17).bidirectional(), Layer::new(5)], 2);
    let p: stack::Parameters<A> = init::torch_stack(architecture, &mut seeded(5)).unwrap();
    let ids = Array2::from_shape_fn((M, 7), |(j, t)| (3 * j + 5 * t + j * t) % 3);
    let lengths: Vec<usize> = (0..M).map(|j| (7 * j + 3) * (j + 2) % 8).collect();
    let labels: Vec<usize> = (0..M).map(|j| j % 2).collect();
    let numbers: Vec<u64> = (0..M as u64).collect();
    let compute = move |columns: Range<usize>, part: &mut Part<A>| {
        let dropout = Dropout::new(2).between_layers(0.3).inputs(0.2).recurrent(0.1).columns(&numbers[columns.clone()]);
        let ids = ids.slice(s![columns.clone(), ..]);
        let input = Input::tokens(&ids).lengths(&lengths[columns.clone()]).dropout(dropout);
        let cache = stack::forward(&p, input, None)?;
        let loss = cross_entropy(&cache, Targets::last_labels(&labels[columns]), Reduction::Scaled(1.0 / 16.0))?;
        let back = stack::backward(&p, &cache, stack::Upstream::logits(&loss.dlogits))?;
        part.set(back.gradients.as_slice(), &loss);
        Ok(())
    };
    Job { name: "a stack".into(), m: M, compute: Box::new(compute) }
}

/// Every reading of a sequence, and a stack.
fn jobs<A: Scalar>() -> Vec<Job<A>> {
    let problem = Problem::draw(1, Shape { n_x: 17, n_a: 33, n_y: 5, m: 31, t_x: 9 });
    let readings = problem.readings().into_iter().enumerate();
    let mut jobs = vec![of_problem("vectors", problem)];
    jobs.extend(readings.map(|(index, problem)| of_problem(format!("reading {index}"), problem)));
    jobs.push(of_stack());
    jobs
}

#[test]
fn one_shard_is_the_plain_pass() {
    fn check<A: Scalar>() {
        for job in jobs::<A>() {
            assert_same_bits(&job.in_shards(1), &job.plain(), &job.name);
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn one_shard_is_bit_identical_to_the_mean() {
    let problem = Problem::<f32>::draw(1, Shape { n_x: 3, n_a: 17, n_y: 5, m: 7, t_x: 9 });
    let loss = cross_entropy(&problem.forward(), &problem.targets, Reduction::Mean).unwrap();
    let back = sequence::backward(&problem.parameters, &problem.forward(), Upstream::logits(&loss.dlogits)).unwrap();
    let mut mean = Part::default();
    mean.set(back.gradients.as_slice(), &loss);
    assert_same_bits(&of_problem("mean", problem).in_shards(1), &mean, "the mean");
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    // Large enough for passes of several threads.
    let problem = || Problem::<f32>::draw(1, Shape { n_x: 65, n_a: 129, n_y: 33, m: 17, t_x: 65 });
    for job in jobs::<f32>().into_iter().chain([of_problem("large", problem())]) {
        for v in [1, 2, 3, 7, 8] {
            let expected = in_pool(1, || job.in_shards(v));
            for threads in [2, 3, 8] {
                let found = in_pool(threads, || job.in_shards(v));
                assert_same_bits(&found, &expected, &format!("{}, {v} shards, {threads} threads", job.name));
            }
        }
    }
}

#[test]
fn any_number_of_workers_gives_the_same_bits() {
    fn check<A: Scalar>(counts: &[usize]) {
        for job in jobs::<A>() {
            for v in [1, 3, 5, 8, 13] {
                let expected = job.in_shards(v);
                for &workers in counts {
                    for (worker, found) in job.on_workers(v, workers).iter().enumerate() {
                        let what = format!("{}, {v} shards, worker {worker} of {workers}", job.name);
                        assert_same_bits(found, &expected, &what);
                    }
                }
            }
        }
    }
    check::<f32>(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    check::<f64>(&[4, 15]);
}

#[test]
fn the_tree_is_the_documented_one() {
    let job = of_problem("six", Problem::<f32>::draw(1, Shape { n_x: 3, n_a: 17, n_y: 5, m: 31, t_x: 9 }));
    let parts = job.parts(6);
    let [a, b, c, d, e, f] = [0, 1, 2, 3, 4, 5].map(|shard: usize| &parts[shard].gradients);
    let expected: Vec<f32> = (0..a.len()).map(|i| ((a[i] + b[i]) + (c[i] + d[i])) + (e[i] + f[i])).collect();
    assert_eq!(job.in_shards(6).gradients, expected);
}

#[test]
fn another_order_of_additions_gives_other_bits() {
    let job = of_problem("eight", Problem::<f32>::draw(1, Shape { n_x: 3, n_a: 17, n_y: 5, m: 31, t_x: 9 }));
    for v in [3, 4, 5, 8] {
        let (parts, total) = (job.parts(v), job.in_shards(v).gradients);
        // Of three shards, the tree is the order from the left.
        assert_eq!(from_left(&parts) == total, v == 3, "{v} shards");
        let reversed: Vec<_> = parts.into_iter().rev().collect();
        assert_ne!(from_left(&reversed), total, "{v} shards");
    }
}

#[test]
fn another_number_of_shards_gives_other_bits() {
    let job = of_problem("any", Problem::<f32>::draw(1, Shape { n_x: 3, n_a: 17, n_y: 5, m: 31, t_x: 9 }));
    let bits = |v| job.in_shards(v).gradients.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let different: HashSet<_> = [1, 2, 3, 4, 5, 8].map(bits).into_iter().collect();
    assert_eq!(different.len(), 6);
}

#[test]
fn the_sum_of_shards_is_the_gradient_of_the_batch() {
    for job in jobs::<f64>() {
        let plain = job.plain();
        let largest = plain.gradients.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        for v in [2, 5, 8, 40] {
            let total = job.in_shards(v);
            assert_eq!((total.count, total.correct), (plain.count, plain.correct), "{}", job.name);
            assert!((total.loss - plain.loss).abs() <= ROUNDING * plain.loss.abs(), "{}", job.name);
            for (found, expected) in total.gradients.iter().zip(&plain.gradients) {
                assert!((found - expected).abs() <= ROUNDING * largest, "{}, {v} shards: {found} {expected}", job.name);
            }
        }
    }
}

#[test]
fn the_gradient_of_shards_agrees_with_finite_differences() {
    const TOLERANCE: f64 = 1e-8; // that of `gradcheck`
    let problem = Problem::<f64>::draw(1, Shape { n_x: 2, n_a: 3, n_y: 5, m: 7, t_x: 5 });
    let (x, a0, targets, p) = (&problem.inputs.x, &problem.inputs.a0, &problem.targets, problem.parameters.clone());
    let total = of_problem("small", problem.clone()).in_shards(3);
    let mut gradients = Parameters::zeros(p.dims());
    gradients.as_mut_slice().copy_from_slice(&total.gradients);
    let report = gradcheck::parameters(&p, &gradients, |p| {
        Ok(cross_entropy(&sequence::forward(p, x, a0)?, targets, Reduction::Mean)?.value)
    });
    let report = report.unwrap();
    assert!(report.is_within(TOLERANCE), "{report}");
}

#[test]
fn a_sum_is_scaled_to_the_mean() {
    let (y, targets) = (Array3::from_elem((1, 5, 3), 2.0_f32), Array3::zeros((1, 5, 3)));
    let shards = Shards::new(3).unwrap();
    let mut sum = Sum::<f32, ()>::default();
    let total = sum.run(shards, &mut [(); 3], |shard, (), (), part| {
        let columns = s![.., shards.columns(shard, 5), ..];
        let loss = squared_error(y.slice(columns), targets.slice(columns), Reduction::Sum)?;
        part.set(&[loss.dlogits.sum()], &loss);
        Ok::<(), Error>(())
    });
    let total = total.unwrap();
    total.scale(1.0 / 15.0);
    assert_eq!((total.gradients[0], total.loss, total.count), (4.0, 4.0, 15));
}

/// Trains on windows over a ragged batch of tokens, with the state carried, dropout, clipping and Adam. `workers` gives the
/// number of workers of each update.
fn trained_on_windows(workers: impl Fn(usize) -> usize) -> Vec<u32> {
    const M: usize = 17;
    let shards = Shards::new(5).unwrap();
    let ids = Array2::from_shape_fn((M, 23), |(j, t)| (3 * j + 5 * t + j * t) % 3);
    let targets = Array2::from_shape_fn((M, 23), |(j, t)| (j + t) % 2);
    let lengths: Vec<usize> = (0..M).map(|j| 23 - j % 7).collect();
    let numbers: Vec<u64> = (0..M as u64).collect();
    let dims = elman::Dims { n_x: 3, n_a: 17, n_y: 2 };
    let mut p = init::torch::<f32>(dims, &mut seeded(3)).with_activation(Activation::Tanh);
    let slices: Vec<_> = (0..5).map(|shard| ids.slice(s![shards.columns(shard, M), ..])).collect();
    let mut states = Vec::new();
    for (shard, ids) in slices.iter().enumerate() {
        let columns = shards.columns(shard, M);
        let dropout = Dropout::new(4).recurrent(0.2).columns(&numbers[columns.clone()]);
        let input = Input::tokens(ids).lengths(&lengths[columns]).dropout(dropout);
        states.push(Truncated::new(input, None, 4, 6).unwrap());
    }
    let mut adam = Adam::new(0.02);
    for update in 0..6 {
        let compute = |shard, windows: &mut Truncated<'_, f32>, (): &mut (), part: &mut Part<f32>| {
            let window = windows.next_window(&p)?.expect("23 steps are six windows");
            let targets = targets.slice(s![shards.columns(shard, M), ..]);
            let mean = Reduction::Scaled(1.0 / 68.0);
            let loss = cross_entropy(windows.cache(), window.targets(&targets), mean)?;
            let back = sequence::backward(&p, windows.cache(), Upstream::logits(&loss.dlogits))?;
            part.set(back.gradients.as_slice(), &loss);
            Ok(())
        };
        let totals = on_workers(shards, workers(update), &mut states, &compute);
        let mut total = totals.into_iter().map(Result::unwrap).next_back().unwrap();
        clip_norm(&mut total.gradients, 0.1).unwrap();
        adam.step(p.as_mut_slice(), &total.gradients).unwrap();
    }
    p.as_slice().iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_training_run_may_change_its_number_of_workers() {
    let expected = trained_on_windows(|_| 1);
    assert_eq!(trained_on_windows(|_| 3), expected);
    assert_eq!(trained_on_windows(|update| [4, 3, 8, 1, 2, 5][update]), expected);
}

#[test]
fn carried_states_of_shards_are_those_of_the_batch() {
    const M: usize = 17;
    let architecture = Architecture::new(7, [Layer::new(17), Layer::new(5)], 7);
    let p: stack::Parameters<f64> = init::torch_stack(architecture.clone(), &mut seeded(8)).unwrap();
    let tokens: Vec<usize> = (0..300).map(|i| i * i % 7).collect();
    let stream = Stream::new(&tokens, M, 5).unwrap();
    let shards = Shards::new(4).unwrap();
    // An epoch from its start, and the hidden states after each batch.
    let run = |columns: Range<usize>| {
        let mut states = States::zeros(&architecture, columns.len());
        let epoch = stream.columns(columns).unwrap().shuffled_epoch(&mut seeded(6));
        let read = move |batch: Batch| {
            let cache = stack::forward(&p, Input::tokens(&batch.inputs).lengths(&batch.lengths), &states).unwrap();
            states = States::last(&cache);
            states.get(1, stack::Direction::Forward).unwrap().to_owned()
        };
        epoch.map(read).collect::<Vec<_>>()
    };
    let whole = run.clone()(0..M);
    for columns in (0..4).map(|shard| shards.columns(shard, M)) {
        let part = run.clone()(columns.clone());
        assert_eq!(part.len(), whole.len());
        for (found, expected) in part.iter().zip(&whole) {
            assert_eq!(found, expected.slice(s![.., columns.clone()]));
        }
    }
}

#[test]
fn the_shards_of_a_stream_are_the_stream() {
    let tokens: Vec<usize> = (0..101).collect();
    for (m, v) in [(7, 3), (16, 5), (3, 5), (120, 7)] {
        let (stream, shards) = (Stream::new(&tokens, m, 4).unwrap(), Shards::new(v).unwrap());
        let whole: Vec<Batch> = stream.shuffled_epoch(&mut seeded(1)).collect();
        for columns in (0..v).map(|shard| shards.columns(shard, m)) {
            let part = stream.columns(columns.clone()).unwrap().shuffled_epoch(&mut seeded(1));
            assert_eq!(part.len(), whole.len());
            for (part, whole) in part.zip(&whole) {
                let t_x = part.inputs.ncols();
                assert_eq!(part.inputs, whole.inputs.slice(s![columns.clone(), ..t_x]));
                assert_eq!(part.targets, whole.targets.slice(s![columns.clone(), ..t_x]));
                assert_eq!((&part.lengths[..], part.first), (&whole.lengths[columns.clone()], whole.first));
            }
        }
    }
    assert!(matches!(
        Stream::new(&tokens, 7, 4).unwrap().columns(3..8),
        Err(Error::Range { argument: "columns.end", found, .. }) if found.to_bits() == 8f64.to_bits()
    ));
    #[expect(clippy::reversed_empty_ranges, reason = "a range that is refused")]
    let reversed = Stream::new(&tokens, 7, 4).unwrap().columns(3..2);
    assert!(matches!(reversed, Err(Error::Range { argument: "columns.start", .. })));
}

#[test]
fn the_same_seed_gives_every_worker_the_same_buckets() {
    let lengths: Vec<usize> = (0..50).map(|i| i * i % 11).collect();
    let shards = Shards::new(3).unwrap();
    let batches = buckets(&lengths, 8, &mut seeded(2)).unwrap();
    for batch in &batches {
        let parts = (0..3).flat_map(|shard| &batch[shards.columns(shard, batch.len())]);
        assert!(parts.eq(batch));
    }
    assert_eq!(buckets(&lengths, 8, &mut seeded(2)).unwrap(), batches);
}

#[test]
fn columns_and_workers_are_shared_evenly() {
    for v in [1, 2, 5, 8, 13] {
        let shards = Shards::new(v).unwrap();
        for (total, parts, of) in [
            (33, v, &(|shard| shards.columns(shard, 33)) as &dyn Fn(usize) -> Range<usize>),
            (3, v, &|shard| shards.columns(shard, 3)),
            (v, 4, &|worker| shards.of_worker(worker, 4)),
        ] {
            let ranges: Vec<_> = (0..parts).map(of).collect();
            assert!(ranges.iter().flat_map(Clone::clone).eq(0..total));
            assert!(ranges.windows(2).all(|pair| pair[0].len() == pair[1].len() || pair[0].len() == pair[1].len() + 1));
            assert!(ranges[0].len() - ranges[parts - 1].len() <= 1);
            assert!(of(parts).is_empty());
        }
        assert_eq!(shards.column_numbers(0, 2 * v), [0, 1]);
    }
}

#[test]
fn a_worker_holds_one_gradient_for_each_level_of_the_tree() {
    const PARAMETERS: usize = 10_000;
    let run = |sum: &mut Sum<f64, ()>, v| {
        let gradient = vec![1.0; PARAMETERS];
        let compute = |_, (): &mut (), (): &mut (), part: &mut Part<f64>| {
            part.set(&gradient, &Loss::default());
            Ok::<(), Error>(())
        };
        sum.run(Shards::new(v).unwrap(), &mut vec![(); v], compute).unwrap();
    };
    in_pool(1, || {
        for (v, levels) in [(1, 0), (2, 1), (3, 2), (8, 3), (64, 6), (100, 7)] {
            let mut sum = Sum::default();
            let peak = measure(|| run(&mut sum, v)).bytes_max;
            // The total, one for each level, and the gradient above.
            let gradients = peak / (8 * PARAMETERS) as u64;
            assert!(gradients <= levels + 2, "{v} shards: {gradients} gradients");
            let again = measure(|| run(&mut sum, v)).bytes_max;
            assert!(again < 16 * PARAMETERS as u64, "{v} shards: only the gradient above is new, not {again} bytes");
        }
    });
}

/// An error of a shard.
fn refused(shard: usize) -> Error {
    Error::Memory { argument: "shard", expected: shard, found: 0 }
}

#[test]
fn a_lost_worker_is_an_error_on_every_other_one() {
    let shards = Shards::new(8).unwrap();
    let own = refused(1);
    for lost in 0..4 {
        let compute = |shard, (): &mut (), (): &mut (), part: &mut Part<f32>| {
            if shards.of_worker(lost, 4).contains(&shard) {
                return Err(own.clone().into());
            }
            part.set(&[1.0], &Loss::default());
            Ok(())
        };
        for (worker, result) in on_workers(shards, 4, &mut [(); 8], &compute).into_iter().enumerate() {
            match result.unwrap_err() {
                Failure::Own(error) => assert_eq!((worker, error), (lost, own.clone())),
                Failure::Lost(_) => assert_ne!(worker, lost),
            }
        }
    }
}

#[test]
fn wrong_arguments_are_errors() {
    let run = |v, states: &mut [()]| {
        let lengths = |shard, (): &mut (), (): &mut (), part: &mut Part<f32>| {
            part.set(&[0.0, 1.0][..=usize::from(shard == 2)], &Loss::default());
            Ok::<(), Error>(())
        };
        Sum::<f32, ()>::default().run(Shards::new(v)?, states, lengths).map(|total| total.gradients.len())
    };
    assert_eq!(run(2, &mut [(); 2]), Ok(1));
    let message = |result: Result<usize, Error>| result.unwrap_err().to_string();
    assert_eq!(message(run(0, &mut [])), "`count` is 0, expected at least 1");
    assert_eq!(message(run(2, &mut [(); 3])), "`states` has shape (3,), expected (shards,) = (2,)");
    assert_eq!(message(run(4, &mut [(); 4])), "`gradients` has shape (1,), expected (2,)");

    let shards = Shards::new(2).unwrap();
    let worker = Worker { index: 2, count: 2 };
    let mut channels = Channels::connect(1).remove(0);
    let compute = |_, (): &mut (), (): &mut (), _: &mut Part<f32>| Ok::<(), Failure>(());
    let refused = Sum::<f32, ()>::default().run_worker(shards, worker, &mut [], &mut channels, compute).cloned();
    assert!(matches!(refused, Err(Failure::Own(Error::Range { argument: "worker.index", .. }))));
}

#[test]
fn the_first_shard_that_fails_is_the_error() {
    for threads in [1, 4] {
        let compute = |shard: usize, (): &mut (), (): &mut (), part: &mut Part<f32>| {
            part.set(&[0.0], &Loss::default());
            if [3, 6].contains(&shard) { Err(refused(shard)) } else { Ok(()) }
        };
        let shards = Shards::new(8).unwrap();
        let failed = in_pool(threads, || Sum::<f32, ()>::default().run(shards, &mut [(); 8], compute).cloned());
        assert_eq!(failed, Err(refused(3)));
    }
}

#[test]
fn a_shard_that_sets_nothing_is_an_error_and_not_an_old_gradient() {
    let shards = Shards::new(3).unwrap();
    let mut sum = Sum::<f32, ()>::default();
    let mut run = |skipped: Option<usize>| {
        let compute = |shard, (): &mut (), (): &mut (), part: &mut Part<f32>| {
            if Some(shard) != skipped {
                part.set(&[1.0], &Loss::default());
            }
            Ok::<(), Error>(())
        };
        sum.run(shards, &mut [(); 3], compute).map(|total| total.gradients[0])
    };
    assert_eq!(run(None), Ok(3.0));
    for shard in 0..3 {
        assert!(matches!(run(Some(shard)), Err(Error::Shape { argument: "gradients", .. })));
    }
    assert_eq!(run(None), Ok(3.0));
}
