//! One case from measure.py: sizes, weights and input.

use std::io;

use ndarray::{Array1, Array2, Array3, NdFloat};

/// `f32` or `f64`, with the operations that the peers need.
pub trait Real: NdFloat + elman::Scalar {
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    fn bytes(self) -> Vec<u8>;
    fn all(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! real {
    ($($a:ty),*) => {$(
        impl Real for $a {
            fn of(value: f64) -> Self {
                value as $a
            }

            fn wide(self) -> f64 {
                self.into()
            }

            fn bytes(self) -> Vec<u8> {
                self.to_ne_bytes().to_vec()
            }

            fn all(bytes: &[u8]) -> Vec<Self> {
                let (numbers, _) = bytes.as_chunks();
                numbers.iter().map(|number| <$a>::from_ne_bytes(*number)).collect()
            }
        }
    )*};
}

real!(f32, f64);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pass {
    Forward,
    Train,
    Step,
}

#[derive(Debug)]
pub struct Problem<A> {
    pub pass: Pass,
    pub t_x: usize,
    pub m: usize,
    pub n_x: usize,
    pub n_a: usize,
    pub n_y: usize,
    /// Layers, and directions of each.
    pub layers: usize,
    pub directions: usize,
    /// The steps of every column, where they differ.
    pub lengths: Option<Vec<usize>>,
    /// The parameters of several layers or directions, or of a ragged batch, in the order of `elman::stack`. Otherwise they
    /// are `wax` and so on.
    pub stack: Vec<A>,
    pub wax: Array2<A>,
    pub waa: Array2<A>,
    pub wya: Array2<A>,
    pub ba: Array1<A>,
    pub by: Array1<A>,
    pub x: Array3<A>,
}

impl<A: Real> Problem<A> {
    /// From a request's words: the pass, the five sizes, the layers and directions, whether it is ragged, the input file.
    pub fn read(words: &[&str]) -> io::Result<Self> {
        let pass = match words[0] {
            "forward" => Pass::Forward,
            "train" => Pass::Train,
            "step" => Pass::Step,
            other => panic!("not a pass: {other}"),
        };
        let size = |i: usize| words[i].parse::<usize>().expect("a size");
        let (t_x, m, n_x, n_a, n_y) = (size(1), size(2), size(3), size(4), size(5));
        let (layers, directions, is_ragged) = (size(6), size(7), size(8) > 0);
        let mut file = A::all(&std::fs::read(words[9])?);
        let is_stack = layers * directions > 1 || is_ragged;
        let rest = file.split_off(if is_stack { file.len() - t_x * m * n_x } else { 0 });
        let mut rest = rest.into_iter();
        let (n_a_alone, n_y_alone) = if is_stack { (0, 0) } else { (n_a, n_y) };
        let mut matrix = |r: usize, c: usize| Array2::from_shape_simple_fn((r, c), || rest.next().expect("a number"));
        Ok(Self {
            pass,
            t_x,
            m,
            n_x,
            n_a,
            n_y,
            layers,
            directions,
            lengths: is_ragged.then(|| (0..m).map(|j| t_x - (7 * j % m) * t_x / m).collect()),
            stack: file,
            wax: matrix(n_a_alone, n_x),
            waa: matrix(n_a_alone, n_a_alone),
            wya: matrix(n_y_alone, n_a_alone),
            ba: matrix(1, n_a_alone).flatten().into_owned(),
            by: matrix(1, n_y_alone).flatten().into_owned(),
            x: matrix(t_x * m, n_x).into_shape_with_order((t_x, m, n_x)).expect("as many numbers"),
        })
    }

    /// The class of every step and column, in (T_x, m).
    pub fn targets(&self) -> Array2<usize> {
        Array2::from_shape_fn((self.t_x, self.m), |(t, j)| (31 * t + 7 * j) % self.n_y)
    }
}

/// Numbers in logical order.
pub fn wide<'a, A: Real>(numbers: impl IntoIterator<Item = &'a A>) -> Vec<f64> {
    numbers.into_iter().map(|number| number.wide()).collect()
}
