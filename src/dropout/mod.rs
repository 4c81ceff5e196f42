//! Dropout. Its masks do not depend on the batch, chunks or threads.

mod mask;

pub(crate) use mask::{Mask, MaskRows, Place, Site};

use crate::error::{Error, check_len, check_range};

/// Dropout: in training, random units are zero, and the others are larger by 1/(1 − rate).
///
/// ```text
/// between layers     xˡ_t ← mˡ_t ⊙ xˡ_t                                 another mask for each step
/// inputs, recurrent  z_t  = ba + Wax·(mx ⊙ x_t) + Waa·(ma ⊙ a_{t−1})    one mask for all steps
/// mask               m = 0 with probability `rate`, else 1/(1 − rate)
/// ```
///
/// - [`between_layers`](Self::between_layers) is `dropout` of `torch.nn.RNN`.
/// - [`inputs`](Self::inputs) and [`recurrent`](Self::recurrent) are `dropout` and `recurrent_dropout` of Keras's `SimpleRNN`,
///   in every layer. For token ids, `inputs` drops whole words of the vocabulary.
///
/// A rate of 0 is bit-identical to no dropout. A pass for evaluation has no `Dropout`, and no scaling.
///
/// # One mask, however the batch is run
///
/// A mask is a function of (seed, layer, direction, step, column, unit) alone: one word of the counter-based generator
/// `ChaCha8`. It is the same for any number of threads, any batch, chunk or checkpoint segment. Columns count from 0, or have the numbers that
/// [`columns`](Self::columns) gives them. Steps count from 0, or from [`first_step`](Self::first_step), where a chunk of a
/// sequence is run by hand. A run resumes with the same masks: they depend on no state.
///
/// Use another seed for each pass over the same steps, such as each update or each epoch. Otherwise the same units are zero
/// each time.
///
/// # Examples
///
/// ```
/// use elman::sequence::Input;
/// use elman::stack::{self, Architecture, Layer, Upstream};
/// use elman::{Dropout, init};
/// use ndarray::Array3;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let architecture = Architecture::new(3, [Layer::new(5), Layer::new(7)], 2);
/// let p = init::torch_stack::<f64>(architecture, &mut Xoshiro256PlusPlus::seed_from_u64(1))?;
/// let x = Array3::ones((3, 4, 10));
/// for update in 0..3 {
///     let dropout = Dropout::new(update).between_layers(0.2).recurrent(0.1);
///     let cache = stack::forward(&p, Input::vectors(&x).dropout(dropout), None)?;
///     let back = stack::backward(&p, &cache, Upstream::logits(&Array3::ones((2, 4, 10))))?; // with the same masks
/// }
/// let evaluation = stack::forward(&p, &x, None)?;
/// # Ok::<(), elman::Error>(())
/// ```
///
/// Sources: N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, *Dropout: A Simple Way to Prevent Neural
/// Networks from Overfitting*, Journal of Machine Learning Research 15 (2014) 1929–1958; Y. Gal, Z. Ghahramani, *A
/// Theoretically Grounded Application of Dropout in Recurrent Neural Networks*, `NeurIPS` 29 (2016); J. K. Salmon, M. A.
/// Moraes, R. O. Dror, D. E. Shaw, *Parallel Random Numbers: As Easy as 1, 2, 3*, SC11 (2011), for counter-based generators.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dropout<'a> {
    seed: u64,
    between_layers: f64,
    inputs: f64,
    recurrent: f64,
    columns: Option<&'a [u64]>,
    first_step: u64,
}

impl<'a> Dropout<'a> {
    /// Makes a dropout whose rates are 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Dropout { seed, between_layers: 0.0, inputs: 0.0, recurrent: 0.0, columns: None, first_step: 0 }
    }

    /// Sets the probability that an output of a layer is dropped before the next layer reads it. Each step has a mask of its
    /// own. In [`sequence`](crate::sequence), which has one layer, it drops nothing.
    ///
    /// - `rate`: from 0 to below 1
    #[must_use]
    pub fn between_layers(self, rate: f64) -> Self {
        Dropout { between_layers: rate, ..self }
    }

    /// Sets the probability that an input of a layer is dropped. A column has one mask for all steps, for each layer and
    /// direction.
    ///
    /// - `rate`: from 0 to below 1
    #[must_use]
    pub fn inputs(self, rate: f64) -> Self {
        Dropout { inputs: rate, ..self }
    }

    /// Sets the probability that the recurrence drops a unit of the previous hidden state. A column has one mask for all steps,
    /// for each layer and direction.
    ///
    /// - `rate`: from 0 to below 1
    #[must_use]
    pub fn recurrent(self, rate: f64) -> Self {
        Dropout { recurrent: rate, ..self }
    }

    /// Gives each column a number, such as its place in a data set. The column then has the same masks in every batch.
    ///
    /// - `columns`: m numbers
    #[must_use]
    pub fn columns(self, columns: &'a [u64]) -> Self {
        Dropout { columns: Some(columns), ..self }
    }

    /// Sets the number of the first step of this input, where the input is a chunk of a longer sequence.
    #[must_use]
    pub fn first_step(self, first_step: u64) -> Self {
        Dropout { first_step, ..self }
    }

    /// The same masks, seen from a later step.
    pub(crate) fn skip(self, steps: usize) -> Self {
        Dropout { first_step: self.first_step.wrapping_add(steps as u64), ..self }
    }

    /// The rate at a site.
    pub(crate) fn rate(&self, site: Site) -> f64 {
        match site {
            Site::BetweenLayers => self.between_layers,
            Site::Inputs => self.inputs,
            Site::Recurrent => self.recurrent,
        }
    }

    /// Checks the rates, and the numbers of m columns.
    pub(crate) fn check(&self, m: usize) -> Result<(), Error> {
        for (argument, rate) in [
            ("dropout.between_layers", self.between_layers),
            ("dropout.inputs", self.inputs),
            ("dropout.recurrent", self.recurrent),
        ] {
            check_range(argument, rate, "from 0 to below 1", (0.0..1.0).contains(&rate))?;
        }
        self.columns.map_or(Ok(()), |columns| check_len("dropout.columns", columns, &["m"], m))
    }
}
