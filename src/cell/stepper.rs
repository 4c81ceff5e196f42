use std::slice;
use std::sync::Arc;

use ndarray::{ArrayRef2, ArrayView2, ArrayViewMut2};

use super::Weights;
use super::forward::Read;
use super::memory::Memory;
use crate::error::{HIDDEN, X, check_activation, check_len, check_network, check_shape};
use crate::layout::{as_time_major, copy_time_major, fit, step_view, step_view_mut};
use crate::{Dims, Error, Parameters, Scalar};

/// A network of one layer, packed for steps. Clones share the packed weights, and so do their [`Stepper`]s.
///
/// It is a copy of the parameters: later changes of them do not change it.
///
/// # Examples
///
/// A model that owns its network. Each session has a state of its own, and may run on any thread:
///
/// ```
/// use std::thread;
///
/// use elman::cell::{Network, Stepper};
/// use elman::{Dims, Parameters};
/// use ndarray::Array2;
///
/// struct Model {
///     network: Network<f32>,
/// }
///
/// impl Model {
///     fn session(&self) -> Stepper<f32> {
///         self.network.stepper(1)
///     }
/// }
///
/// let p = Parameters::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let model = Model { network: Network::new(&p) };
/// let threads: Vec<_> = (0..4)
///     .map(|_| {
///         let mut session = model.session();
///         thread::spawn(move || session.step(&Array2::ones((3, 1))).map(|()| session.output()[[0, 0]]))
///     })
///     .collect();
/// for thread in threads {
///     assert_eq!(thread.join().unwrap()?, 0.5);
/// }
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Network<A> {
    weights: Arc<Weights<A>>,
}

impl<A: Scalar> Network<A> {
    /// Packs the weights.
    #[must_use]
    pub fn new(parameters: &Parameters<A>) -> Self {
        Network { weights: Arc::new(Weights::packed(parameters.view())) }
    }

    /// Makes a stepper for a batch of `m` columns, which shares these weights. Its hidden state is zero.
    ///
    /// # Panics
    /// Where the memory of `m` columns is more than a machine can address, as for [`Vec`].
    #[must_use]
    pub fn stepper(&self, m: usize) -> Stepper<A> {
        StepperOf::with_network(self.clone(), m)
    }

    /// The dimensions of the network.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.weights.dims
    }
}

/// A network that [`StepperOf`] runs: one layer or a stack. No other type implements it.
pub trait Steppable<A: Scalar>: Clone {
    /// The weights of each layer, the lowest first.
    fn layers(&self) -> &[Weights<A>];
    /// Checks that `other` can take the place of this network.
    fn check_same(&self, other: &Self) -> Result<(), Error>;
}

impl<A: Scalar> Steppable<A> for Network<A> {
    fn layers(&self) -> &[Weights<A>] {
        slice::from_ref(&self.weights)
    }

    fn check_same(&self, other: &Self) -> Result<(), Error> {
        check_network("network", other.dims().triple(), self.dims().triple())?;
        check_activation("network", other.weights.activation.name(), self.weights.activation.name())
    }
}

/// One layer that runs step by step and keeps its hidden state: see [`StepperOf`].
///
/// # Examples
///
/// ```
/// use elman::{cell, Dims, Parameters};
/// use ndarray::Array2;
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let mut stepper = cell::Stepper::new(&p, 1);
/// for _ in 0..4 {
///     stepper.step(&Array2::ones((3, 1)))?;
/// }
/// assert_eq!(stepper.output()[[0, 0]], 0.5);
/// # Ok::<(), elman::Error>(())
/// ```
pub type Stepper<A> = StepperOf<A, Network<A>>;

/// A network that runs step by step and keeps the hidden states of m columns: for serving and sampling.
///
/// The weights are packed once, in a [`Network`] or a [`stack::Network`](crate::stack::Network) that any number of steppers
/// share. A stepper owns all that it needs: a struct can hold it beside its network, and it moves between threads. A clone has
/// a copy of the states, and shares the weights. The results are bit-identical to those of
/// [`cell::forward`](crate::cell::forward), [`sequence::forward`](crate::sequence::forward) and
/// [`stack::forward`](crate::stack::forward), whichever columns run together.
///
/// # Memory
///
/// In elements, with Σ over the layers, and without the shared weights:
///
/// - for each of the m columns: Σ`n_a` + 2·`n_y`, and one byte; `n_y` less [without output](Self::without_output)
/// - for each column of the largest step so far: Σ`n_a`; of [`step_columns`](Self::step_columns), also the largest `n_a` and
///   2·`n_y`; and `n_x` where `xt` is not stored column by column
///
/// A step allocates nothing once a step of the same kind and of as many columns has run.
///
/// # Examples
///
/// A pool of 1000 clients, of which three have sent a request:
///
/// ```
/// use elman::{cell, Dims, Parameters};
/// use ndarray::Array2;
///
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let mut clients = cell::Stepper::new(&p, 1000);
/// clients.step_columns(&[17, 3, 512], &Array2::ones((3, 3)))?;
/// assert_eq!(clients.output().column(512)[1], 0.5);
/// assert_eq!(clients.output().column(4)[1], 0.0, "this client has not run yet");
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StepperOf<A, N> {
    pub(crate) network: N,
    memory: Memory<A>,
    /// The input of a step in time-major order, where the caller's is in another order.
    xt: Vec<A>,
}

impl<A: Scalar> Stepper<A> {
    /// Packs the weights, and makes a stepper for a batch of `m` columns. Its hidden state is zero. For several steppers of
    /// one network, use [`Network::stepper`]: it packs once.
    ///
    /// # Panics
    /// Where the memory of `m` columns is more than a machine can address, as for [`Vec`].
    #[must_use]
    pub fn new(parameters: &Parameters<A>, m: usize) -> Self {
        Network::new(parameters).stepper(m)
    }

    /// Sets the hidden state from which the next step starts. Logits and output stay those of the last step.
    ///
    /// - `hidden`: (`n_a`, m)
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{cell, Dims, Parameters};
    /// use ndarray::Array2;
    ///
    /// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let mut stepper = cell::Stepper::new(&p, 1);
    /// stepper.set_hidden(&Array2::ones((5, 1)))?;
    /// assert_eq!(stepper.hidden()[[0, 0]], 1.0);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `hidden.dim() != (n_a, m)`.
    pub fn set_hidden(&mut self, hidden: &ArrayRef2<A>) -> Result<(), Error> {
        check_shape("hidden", hidden, &HIDDEN[..2], [self.network.dims().n_a, self.columns()])?;
        self.hidden_mut().assign(hidden);
        Ok(())
    }

    /// The hidden state, (`n_a`, m).
    #[must_use]
    pub fn hidden(&self) -> ArrayView2<'_, A> {
        self.hidden_of(0).expect("a network has one layer")
    }

    /// The hidden state, (`n_a`, m), for writing: a column is the state of one client.
    pub fn hidden_mut(&mut self) -> ArrayViewMut2<'_, A> {
        self.hidden_of_mut(0).expect("a network has one layer")
    }
}

impl<A: Scalar, N: Steppable<A>> StepperOf<A, N> {
    pub(crate) fn with_network(network: N, m: usize) -> Self {
        let memory = Memory::new(network.layers(), m);
        StepperOf { network, memory, xt: Vec::new() }
    }

    /// Computes the logits only, not the probabilities: for regression, or to take the largest logit. A step then costs less,
    /// and [`output`](Self::output) is (0, m).
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{cell, Dims, Parameters};
    ///
    /// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let mut stepper = cell::Stepper::new(&p, 1).without_output();
    /// stepper.step_tokens(&[2])?;
    /// assert_eq!(stepper.logits().dim(), (2, 1));
    /// assert_eq!(stepper.output().dim(), (0, 1));
    /// # Ok::<(), elman::Error>(())
    /// ```
    #[must_use]
    pub fn without_output(mut self) -> Self {
        self.memory.has_output = false;
        self.memory.output = Vec::new();
        self
    }

    /// Runs one step of all columns from the current hidden states.
    ///
    /// - `xt`: (`n_x`, m)
    ///
    /// # Errors
    /// [`Error::Shape`] where `xt.dim() != (n_x, m)`. An error leaves the states unchanged.
    pub fn step(&mut self, xt: &ArrayRef2<A>) -> Result<(), Error> {
        self.step_vectors(xt, None)
    }

    /// Runs one step of all columns. Each reads a token id, which is a one-hot vector.
    ///
    /// - `tokens`: m token ids, each below `n_x`
    ///
    /// A step looks up the weights of its tokens.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{cell, Dims, Parameters};
    ///
    /// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let mut stepper = cell::Stepper::new(&p, 1);
    /// for token in [2, 0, 1] {
    ///     stepper.step_tokens(&[token])?;
    /// }
    /// assert_eq!(stepper.output()[[0, 0]], 0.5);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `tokens.len() != m`; [`Error::Token`] where an id is not below `n_x`. An error leaves the
    /// states unchanged.
    pub fn step_tokens(&mut self, tokens: &[usize]) -> Result<(), Error> {
        check_tokens(tokens, self.columns(), self.n_x(), |position| position)?;
        self.memory.step(self.network.layers(), Read::Tokens(tokens), None);
        Ok(())
    }

    /// Runs one step of some columns. The others keep their states and results.
    ///
    /// - `columns`: k columns, each below m, in any order, each once
    /// - `xt`: (`n_x`, k); its column i is the input of `columns[i]`
    ///
    /// The results are at the columns' own places in [`logits`](Self::logits) and [`output`](Self::output). [`StepperOf`] has
    /// an example.
    ///
    /// # Errors
    /// [`Error::Shape`] where `xt.dim() != (n_x, columns.len())`; [`Error::NoColumn`] where a column is not below m;
    /// [`Error::RepeatedColumn`] where one is listed twice. An error leaves the states unchanged.
    pub fn step_columns(&mut self, columns: &[usize], xt: &ArrayRef2<A>) -> Result<(), Error> {
        self.memory.check(columns)?;
        self.step_vectors(xt, Some(columns))
    }

    /// Runs one step of some columns. Each reads a token id. The others keep their states and results.
    ///
    /// - `columns`: k columns, each below m, in any order, each once
    /// - `tokens`: k token ids, each below `n_x`; `tokens[i]` is the input of `columns[i]`
    ///
    /// # Errors
    /// As [`step_columns`](Self::step_columns) and [`step_tokens`](Self::step_tokens).
    pub fn step_columns_tokens(&mut self, columns: &[usize], tokens: &[usize]) -> Result<(), Error> {
        self.memory.check(columns)?;
        check_tokens(tokens, columns.len(), self.n_x(), |position| columns[position])?;
        self.memory.step(self.network.layers(), Read::Tokens(tokens), Some(columns));
        Ok(())
    }

    fn step_vectors(&mut self, xt: &ArrayRef2<A>, columns: Option<&[usize]>) -> Result<(), Error> {
        let rows = columns.map_or(self.columns(), <[usize]>::len);
        check_shape("xt", xt, &X[..2], [self.n_x(), rows])?;
        let x = as_time_major(xt).unwrap_or_else(|| {
            fit(&mut self.xt, xt.len());
            copy_time_major(&mut self.xt, xt);
            &self.xt
        });
        self.memory.step(self.network.layers(), Read::Vectors(x), columns);
        Ok(())
    }

    /// Sets the hidden states to zero. Logits and output are zero until the next step.
    pub fn reset(&mut self) {
        self.memory.reset_all();
    }

    /// Sets the hidden states of some columns to zero, and their logits and output until their next step.
    ///
    /// - `columns`: each below m, in any order, each once
    ///
    /// # Errors
    /// [`Error::NoColumn`] and [`Error::RepeatedColumn`] as for [`step_columns`](Self::step_columns).
    pub fn reset_columns(&mut self, columns: &[usize]) -> Result<(), Error> {
        self.memory.check(columns)?;
        self.memory.reset(columns);
        Ok(())
    }

    /// Adds columns, whose states are zero, or removes the last ones. The others keep their states. Removed columns free no
    /// memory: it serves columns that come later.
    ///
    /// # Panics
    /// Where the memory of `m` columns is more than a machine can address, as for [`Vec`].
    pub fn resize(&mut self, m: usize) {
        self.memory.resize(self.network.layers(), m);
    }

    /// Continues with other weights, from the same hidden states: a server reloads its network with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{cell, Dims, Parameters};
    ///
    /// let mut p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// let mut stepper = cell::Stepper::new(&p, 1);
    /// p.by_mut()[0] = f32::INFINITY;
    /// stepper.set_network(cell::Network::new(&p))?;
    /// stepper.step_tokens(&[0])?;
    /// assert_eq!(stepper.logits()[[0, 0]], f32::INFINITY);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Network`], [`Error::Activation`] or [`Error::Architecture`] where the network has other dimensions or another
    /// nonlinearity. The stepper is then unchanged.
    pub fn set_network(&mut self, network: N) -> Result<(), Error> {
        self.network.check_same(&network)?;
        self.network = network;
        Ok(())
    }

    /// The network. Its clones share the packed weights.
    #[must_use]
    pub fn network(&self) -> &N {
        &self.network
    }

    /// The number of columns, m.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.memory.m
    }

    /// The logits of each column's last step, (`n_y`, m).
    #[must_use]
    pub fn logits(&self) -> ArrayView2<'_, A> {
        step_view(self.n_y(), self.columns(), &self.memory.logits)
    }

    /// The probabilities of each column's last step, (`n_y`, m); (0, m) [without output](Self::without_output).
    #[must_use]
    pub fn output(&self) -> ArrayView2<'_, A> {
        let n_y = if self.memory.has_output { self.n_y() } else { 0 };
        step_view(n_y, self.columns(), &self.memory.output)
    }

    /// The hidden state of a layer, (`n_a`, m).
    pub(crate) fn hidden_of(&self, layer: usize) -> Option<ArrayView2<'_, A>> {
        let n_a = self.network.layers().get(layer)?.dims.n_a;
        Some(step_view(n_a, self.columns(), &self.memory.layers.get(layer)?.hidden))
    }

    pub(crate) fn hidden_of_mut(&mut self, layer: usize) -> Option<ArrayViewMut2<'_, A>> {
        let n_a = self.network.layers().get(layer)?.dims.n_a;
        Some(step_view_mut(n_a, self.memory.m, &mut self.memory.layers.get_mut(layer)?.hidden))
    }

    fn n_x(&self) -> usize {
        self.network.layers().first().map_or(0, |lowest| lowest.dims.n_x)
    }

    fn n_y(&self) -> usize {
        self.network.layers().last().map_or(0, |highest| highest.dims.n_y)
    }
}

/// Checks the token ids of one step, m numbers below `n_x`. `column` returns the batch column of each.
pub(crate) fn check_tokens(
    tokens: &[usize],
    m: usize,
    n_x: usize,
    column: impl Fn(usize) -> usize,
) -> Result<(), Error> {
    check_len("tokens", tokens, &["m"], m)?;
    match tokens.iter().enumerate().find(|&(_, &token)| token >= n_x) {
        Some((position, &found)) => {
            Err(Error::Token { argument: "tokens", column: column(position), step: 0, expected: n_x, found })
        }
        None => Ok(()),
    }
}
