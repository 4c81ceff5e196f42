//! Many threads, many calls, and memory that moves between sizes, threads and pools.

use std::sync::mpsc;
use std::thread;

use elman::cell::{self, Network};
use elman::{Parameters, Scalar, batches, diagnostics, gradcheck, io, loss, optim, sampling, sequence, shards, stack};
use ndarray::{Axis, Ix2, Ix3};

use crate::support::naive::Shape;
use crate::support::results::{Problem, Results, Workspace};

const THREADS: usize = 16;
const CALLS: usize = 10_000;

fn step<A: Scalar>(stepper: &cell::Stepper<A>) -> Results {
    let mut results = Results::default();
    results.add("hidden", stepper.hidden());
    results.add("logits", stepper.logits());
    results.add("output", stepper.output());
    results
}

/// Each thread runs its share of ten thousand passes and steps, over the same parameters and the same packed weights.
fn calls_of_sixteen_threads_agree<A: Scalar>(shape: Shape) {
    let problem = Problem::<A>::draw(1, shape);
    let network = Network::new(&problem.parameters);
    let xt = problem.inputs.x.index_axis(Axis(2), 0);
    let expected = problem.run();
    let mut stepper = network.stepper(shape.m);
    stepper.set_hidden(&problem.inputs.a0).unwrap();
    stepper.step(&xt).unwrap();
    let expected_step = step(&stepper);
    let run = || {
        let (mut workspace, mut stepper) = (Workspace::default(), network.stepper(shape.m));
        for call in 0..CALLS / THREADS {
            problem.run_in(&mut workspace).assert_same(&expected, &call);
            stepper.set_hidden(&problem.inputs.a0).unwrap();
            stepper.step(&xt).unwrap();
            step(&stepper).assert_same(&expected_step, &call);
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(run))));
}

#[test]
fn ten_thousand_calls_of_sixteen_threads_that_share_a_network_are_bit_identical() {
    calls_of_sixteen_threads_agree::<f32>(Shape { n_x: 3, n_a: 17, n_y: 5, m: 4, t_x: 7 });
    calls_of_sixteen_threads_agree::<f64>(Shape { n_x: 5, n_a: 31, n_y: 2, m: 1, t_x: 3 });
}

/// Sizes that grow and shrink, the large ones large enough for several threads.
const SHAPES: [Shape; 7] = [
    Shape { n_x: 3, n_a: 5, n_y: 2, m: 7, t_x: 11 },
    Shape { n_x: 33, n_a: 65, n_y: 17, m: 23, t_x: 53 },
    Shape { n_x: 1, n_a: 1, n_y: 1, m: 1, t_x: 1 },
    Shape { n_x: 0, n_a: 16, n_y: 3, m: 5, t_x: 4 },
    Shape { n_x: 7, n_a: 129, n_y: 31, m: 2, t_x: 17 },
    Shape { n_x: 7, n_a: 0, n_y: 5, m: 2, t_x: 3 },
    Shape { n_x: 64, n_a: 15, n_y: 63, m: 130, t_x: 5 },
];

fn problems<A: Scalar>() -> Vec<Problem<A>> {
    let draw = |(seed, shape)| Problem::draw(seed, shape);
    let plain: Vec<Problem<A>> = (1..).zip(SHAPES).map(draw).collect();
    // Token ids need inputs to choose from.
    plain.iter().flat_map(|p| if p.shape.n_x > 0 { p.readings() } else { vec![p.clone()] }).collect()
}

/// Four threads pass workspaces around a ring. Each runs the next problem in what the thread before left behind.
fn workspaces_move<A: Scalar>() {
    let problems = problems::<A>();
    let expected: Vec<Results> = problems.iter().map(Problem::run).collect();
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<(usize, Workspace<A>)>()).unzip();
    for (place, sender) in senders.iter().enumerate() {
        sender.send((5 * place, Workspace::default())).unwrap();
    }
    thread::scope(|scope| {
        for (place, receiver) in receivers.into_iter().enumerate() {
            let next = senders[(place + 1) % senders.len()].clone();
            let (problems, expected) = (&problems, &expected);
            scope.spawn(move || {
                for _ in 0..60 {
                    let (index, mut workspace) = receiver.recv().unwrap();
                    let index = index % problems.len();
                    let problem = &problems[index];
                    let found = problem.run_in(&mut workspace);
                    found.assert_same(&expected[index], &(problem.shape, &problem.reading));
                    // The next thread may have finished its share.
                    let _ = next.send((index + 7, workspace));
                }
            });
        }
    });
}

#[test]
fn a_workspace_that_moves_between_sizes_and_threads_gives_bit_identical_results() {
    workspaces_move::<f32>();
    workspaces_move::<f64>();
}

#[cfg(feature = "rayon")]
#[test]
fn a_pool_inside_a_pool_gives_bit_identical_results() {
    use crate::support::in_pool;
    use rayon::iter::{IntoParallelIterator, ParallelIterator};

    for problem in problems::<f32>() {
        let expected = in_pool(1, || problem.run());
        let what = &(problem.shape, &problem.reading);
        in_pool(3, || in_pool(2, || in_pool(5, || problem.run()))).assert_same(&expected, what);
        // Passes that split themselves, inside tasks of the same pool.
        let all: Vec<Results> = in_pool(3, || (0..6).into_par_iter().map(|_| problem.run()).collect());
        for found in all {
            found.assert_same(&expected, what);
        }
    }
}

/// Compiles only if every type may be sent to, and shared with, other threads.
#[test]
fn every_public_type_is_send_and_sync() {
    fn check<T: Send + Sync>() {}
    fn of<A: Scalar>() {
        check::<(Parameters<A>, cell::Cache<A>, cell::Backward<A>, Network<A>, cell::Stepper<A>)>();
        check::<(elman::Upstream<'_, A, Ix2>, elman::Upstream<'_, A, Ix3>, optim::AnyOptimizer<A>)>();
        check::<(optim::Sgd<A>, optim::Adam<A>, optim::AdamW<A>, optim::RmsProp<A>)>();
        check::<(sequence::Input<'_, A>, sequence::InitialState<'_, A>, sequence::Cache<A>, sequence::Backward<A>)>();
        check::<(sequence::Checkpointed<'_, A>, sequence::Segment<'_, '_, A, Parameters<A>>)>();
        check::<(sequence::Truncated<'_, A>, sequence::Window, sequence::Sliding<A>)>();
        check::<(stack::Parameters<A>, stack::States<A>, stack::Cache<A>, stack::Backward<A>, stack::Upstream<'_, A>)>(
        );
        check::<(stack::Network<A>, stack::Stepper<A>, stack::Sliding<A>)>();
        check::<(
            stack::Checkpointed<'_, A>,
            sequence::Segment<'_, '_, A, stack::Parameters<A>>,
            stack::Truncated<'_, A>,
        )>();
        check::<(loss::Loss<A>, loss::Predictions<'_, A>, loss::Targets<'_, i64, A, Ix2>, loss::Targets<'_, A, A, Ix3>)>(
        );
        check::<(io::Tensors<A>, io::Checkpoint<A>, io::StackCheckpoint<A>, <io::Tensors<A> as IntoIterator>::IntoIter)>(
        );
        check::<(shards::Part<A>, shards::Sum<A, sequence::Cache<A>>)>();
    }
    of::<f32>();
    of::<f64>();
    check::<(elman::Activation, elman::Dims, elman::Dropout<'_>, elman::Error, elman::Shape)>();
    check::<(stack::Architecture, stack::Layer, stack::Direction, loss::Reduction)>();
    check::<(batches::Batch, batches::Stream<'_>, batches::Epoch<'_>, sampling::Sampler)>();
    check::<(diagnostics::Norms, gradcheck::Report, gradcheck::Element)>();
    check::<(shards::Shards, shards::Worker, shards::Alone)>();
    check::<(io::Stack<io::torch::Rnn>, io::Stack<io::keras::SimpleRnn>)>();
    check::<(io::Stack<io::flax::SimpleCell>, io::Stack<io::onnx::Rnn>)>();
    check::<(io::Error, io::torch::Rnn, io::torch::RnnCell, io::keras::SimpleRnn, io::flax::SimpleCell, io::onnx::Rnn)>(
    );
}
