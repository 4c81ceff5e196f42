//! All results of a forward pass, a loss and a backward pass, as bit patterns.

use elman::loss::{IGNORE, Loss, Reduction, cross_entropy_into};
use elman::sequence::Input;
use elman::{Activation, Dropout, Gradients, Parameters, Scalar, sequence};
use ndarray::{Array1, Array2, Array3, Axis, Slice};

use super::Convert;
use super::naive::{Inputs, Shape};
use super::numpy::Numpy;
use super::problem::{Linear, inputs};

/// A network, a sequence, and gradients of all outputs of a forward pass.
#[derive(Clone, Debug)]
pub struct Problem<A> {
    pub shape: Shape,
    pub parameters: Parameters<A>,
    pub inputs: Inputs<A>,
    pub upstream: Linear<A>,
    pub targets: Array2<usize>,
    pub reading: Reading,
}

/// How the sequence is read: as vectors or token ids, with lengths, reversed, with dropout.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Used instead of `x`.
    pub tokens: Option<Array2<usize>>,
    pub lengths: Option<Vec<usize>>,
    pub reversed: bool,
    /// The numbers of the columns, where there is dropout.
    pub dropout: Option<Vec<u64>>,
}

impl<A: Scalar> Problem<A> {
    pub fn draw(seed: u32, shape: Shape) -> Self {
        let mut rng = Numpy::seed(seed);
        let mut inputs = inputs(&mut rng, shape).map(A::narrow);
        inputs.activation = Activation::ALL[(seed as usize - 1) % Activation::ALL.len()];
        let upstream = Linear::draw(&mut rng, shape).map(A::narrow);
        let targets = Array2::from_shape_fn((shape.m, shape.t_x), |(j, t)| {
            if (j + 2 * t) % 7 == 6 { IGNORE } else { (5 * j + 3 * t + j * t) % shape.n_y }
        });
        Problem { shape, parameters: inputs.parameters(), inputs, upstream, targets, reading: Reading::default() }
    }

    /// The input of the problem, in its reading.
    pub fn input(&self) -> Input<'_, A> {
        let Reading { tokens, lengths, reversed, dropout } = &self.reading;
        let mut input = tokens.as_ref().map_or(Input::from(&self.inputs.x), |tokens| Input::tokens(tokens));
        if let Some(lengths) = lengths {
            input = input.lengths(lengths);
        }
        if let Some(columns) = dropout {
            input = input.dropout(Dropout::new(9).inputs(0.3).recurrent(0.4).columns(columns));
        }
        if *reversed { input.reversed() } else { input }
    }

    /// The number of steps of every column.
    pub fn lengths(&self) -> Vec<usize> {
        self.reading.lengths.clone().unwrap_or(vec![self.shape.t_x; self.shape.m])
    }

    pub fn forward(&self) -> sequence::Cache<A> {
        sequence::forward(&self.parameters, self.input(), &self.inputs.a0).unwrap()
    }

    /// The same network with other sequences: token ids, different lengths, reversed time, and dropout.
    pub fn readings(&self) -> Vec<Self> {
        let Shape { n_x, m, t_x, .. } = self.shape;
        let tokens = Some(Array2::from_shape_fn((m, t_x), |(j, t)| (3 * j + 5 * t + j * t) % n_x));
        // Lengths from zero to all steps, in no order.
        let lengths = Some((0..m).map(|j| if j == m / 2 { t_x } else { (7 * j + 3) * (j + 2) % (t_x + 1) }).collect());
        let dropout = Some((0..m as u64).map(|column| column * column + 7).collect());
        [
            Reading { tokens: tokens.clone(), ..Reading::default() },
            Reading { lengths: lengths.clone(), ..Reading::default() },
            Reading { reversed: true, ..Reading::default() },
            Reading { lengths: lengths.clone(), reversed: true, ..Reading::default() },
            Reading { tokens: tokens.clone(), lengths: lengths.clone(), ..Reading::default() },
            Reading { tokens: tokens.clone(), lengths: lengths.clone(), reversed: true, dropout: None },
            Reading { dropout: Option::clone(&dropout), ..Reading::default() },
            Reading { tokens, lengths, reversed: true, dropout },
        ]
        .map(|reading| {
            let mut problem = Problem { reading, ..self.clone() };
            // The factor of dropout makes unbounded units grow from step to step.
            if problem.reading.dropout.is_some()
                && matches!(self.inputs.activation, Activation::Relu | Activation::Identity)
            {
                problem.inputs.activation = Activation::Sigmoid;
                problem.parameters = problem.inputs.parameters();
            }
            problem
        })
        .to_vec()
    }

    /// Some steps of the problem.
    pub fn steps(&self, from: usize, to: usize) -> Self {
        let cut = |array: &Array3<A>| array.slice_axis(Axis(2), Slice::from(from..to)).to_owned();
        let cut_labels = |array: &Array2<usize>| array.slice_axis(Axis(1), Slice::from(from..to)).to_owned();
        let Linear { hidden, logits, output, .. } = &self.upstream;
        let cut_all = |array: &Option<Array3<A>>| array.as_ref().map(cut);
        let Reading { tokens, lengths, reversed, dropout } = &self.reading;
        let within = |length: &usize| (*length).clamp(from, to) - from;
        Problem {
            shape: Shape { t_x: to - from, ..self.shape },
            inputs: Inputs { x: cut(&self.inputs.x), ..self.inputs.clone() },
            upstream: Linear {
                hidden: cut_all(hidden),
                logits: cut_all(logits),
                output: cut_all(output),
                last_hidden: None,
            },
            targets: cut_labels(&self.targets),
            reading: Reading {
                tokens: tokens.as_ref().map(cut_labels),
                lengths: lengths.as_ref().map(|lengths| lengths.iter().map(within).collect()),
                reversed: *reversed,
                dropout: dropout.clone(),
            },
            parameters: self.parameters.clone(),
        }
    }

    pub fn run(&self) -> Results {
        self.run_in(&mut Workspace::default())
    }

    /// The same, in memory that may have been used before.
    pub fn run_in(&self, workspace: &mut Workspace<A>) -> Results {
        let Workspace { cache, loss, back } = workspace;
        sequence::forward_into(&self.parameters, self.input(), &self.inputs.a0, cache).unwrap();
        cross_entropy_into(&*cache, &self.targets, Reduction::Mean, loss).unwrap();
        back.gradients = Gradients::zeros(self.shape.dims());
        sequence::backward_into(&self.parameters, cache, self.upstream.upstream(), back).unwrap();
        let mut results = Results::forward(cache);
        results.add("loss", &Array1::from_elem(1, loss.value));
        results.add("dlogits", &loss.dlogits);
        results.add("gradients", back.gradients.as_slice());
        results.add("dx", &back.dx);
        results.add("da0", &back.da0);
        results
    }
}

#[derive(Clone, Debug)]
pub struct Workspace<A> {
    pub cache: sequence::Cache<A>,
    pub loss: Loss<A>,
    pub back: sequence::Backward<A>,
}

impl<A: Scalar> Default for Workspace<A> {
    fn default() -> Self {
        Workspace { cache: sequence::Cache::default(), loss: Loss::default(), back: sequence::Backward::default() }
    }
}

/// Named arrays of bit patterns. Single precision is widened, which keeps all patterns distinct.
#[derive(Clone, Debug, Default)]
pub struct Results {
    pub arrays: Vec<(&'static str, Vec<u64>)>,
}

impl Results {
    pub fn forward<A: Scalar>(cache: &sequence::Cache<A>) -> Self {
        let mut results = Results::default();
        results.add("hidden", cache.hidden());
        results.add("logits", cache.logits());
        results.add("output", cache.output());
        results.add("last_hidden", cache.last_hidden());
        results
    }

    /// The array's elements in C order.
    pub fn add<'a, A: Scalar>(&mut self, name: &'static str, array: impl IntoIterator<Item = &'a A>) {
        let bits: Vec<u64> = array.into_iter().map(|value| value.widen().to_bits()).collect();
        assert!(bits.iter().all(|bits| !f64::from_bits(*bits).is_nan()), "{name} holds a NaN");
        self.arrays.push((name, bits));
    }

    #[track_caller]
    pub fn assert_same(&self, expected: &Results, what: &dyn std::fmt::Debug) {
        assert_eq!(self.arrays.len(), expected.arrays.len());
        for ((name, found), (expected_name, expected)) in self.arrays.iter().zip(&expected.arrays) {
            assert_eq!((name, found.len()), (expected_name, expected.len()), "{what:?}");
            if let Some(index) = (0..found.len()).find(|&index| found[index] != expected[index]) {
                let [found, expected] = [found[index], expected[index]].map(f64::from_bits);
                panic!("{what:?}: {name}, element {index}, is {found:e}, not bit-identical to {expected:e}");
            }
        }
    }
}
