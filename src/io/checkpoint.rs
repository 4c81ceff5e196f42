//! A training run as named arrays: parameters, and the state of the optimiser.
//!
//! The tensors are `wax`, `waa`, `wya`, `ba`, `by` and those of the optimiser. The rest is metadata:
//!
//! | key | what it holds |
//! |---|---|
//! | `elman.format`, `elman.version` | `checkpoint`, `1` |
//! | `elman.crate` | the version of this crate that wrote the file |
//! | `elman.element_type` | `f32` or `f64` |
//! | `elman.activation` | the nonlinearity: `tanh`, `relu`, `sigmoid` or `identity` |
//! | `elman.n_x`, `elman.n_a`, `elman.n_y` | the dimensions; the tensors must have them |
//! | `elman.optimizer`, `elman.optimizer.…` | the optimiser, where there is one |
//!
//! A reader refuses unknown keys. A new key therefore needs a new `elman.version`.

use std::collections::BTreeMap;
#[cfg(feature = "safetensors")]
use std::path::Path;

use super::notes::Notes;
use super::tensors::{ACTIVATION, check_inputs};
use super::{Error, Tensors, optimizer};
use crate::optim::AnyOptimizer;
use crate::scalar::type_name;
use crate::{Dims, Parameters, Scalar};

const FORMAT: &str = "checkpoint";
const VERSION: &str = "1";

/// The state of a training run: parameters, the optimiser with its state, and metadata.
///
/// A run that continues from a checkpoint is bit-identical to a run that never stopped. `save` and `load` (feature
/// `safetensors`) write and read a checkpoint as a file of [`Tensors`] with metadata. A file with the five tensors and
/// nothing else is also a checkpoint. Other tensors in the file are ignored, so a run may add its own to
/// [`to_tensors`](Self::to_tensors).
///
/// This type saves a run to a file. [`sequence::Checkpointed`](crate::sequence::Checkpointed) is gradient checkpointing: it
/// recomputes hidden states to save memory.
///
/// # Examples
///
/// ```
/// use elman::io::Checkpoint;
/// use elman::optim::{Adam, Optimizer};
/// use elman::{Dims, Parameters};
///
/// let dims = Dims { n_x: 3, n_a: 5, n_y: 2 };
/// let (mut p, mut adam, g) = (Parameters::<f32>::zeros(dims), Adam::new(1e-3), Parameters::zeros(dims));
/// adam.step(p.as_mut_slice(), g.as_slice())?;
///
/// let mut checkpoint = Checkpoint::new(p).with_optimizer(adam);
/// checkpoint.metadata.insert("epoch".into(), "1".into());
/// assert_eq!(Checkpoint::from_tensors(&checkpoint.to_tensors()?)?, checkpoint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint<A> {
    /// The parameters θ.
    pub parameters: Parameters<A>,
    /// The optimiser of these parameters.
    pub optimizer: Option<AnyOptimizer<A>>,
    /// The caller's metadata. Keys that begin with `elman.` are reserved for this crate.
    pub metadata: BTreeMap<String, String>,
}

impl<A: Scalar> Checkpoint<A> {
    /// Makes a checkpoint of parameters alone.
    #[must_use]
    pub fn new(parameters: Parameters<A>) -> Self {
        Checkpoint { parameters, optimizer: None, metadata: BTreeMap::new() }
    }

    /// Adds the optimiser.
    #[must_use]
    pub fn with_optimizer(self, optimizer: impl Into<AnyOptimizer<A>>) -> Self {
        Checkpoint { optimizer: Some(optimizer.into()), ..self }
    }

    /// Reads a checkpoint from named arrays.
    ///
    /// Where the metadata has none of this crate's keys, the checkpoint is the parameters alone. Otherwise those keys must
    /// be complete and agree with the tensors. Other tensors are ignored.
    ///
    /// # Errors
    /// - [`Error::Missing`], [`Error::ElementType`] and [`Error::Shape`] where a tensor is missing or does not fit.
    /// - [`Error::Metadata`] where a key of this crate is missing, is unknown, or disagrees with the tensors.
    pub fn from_tensors(tensors: &Tensors<A>) -> Result<Self, Error> {
        let parameters = Parameters::try_from(tensors)?;
        let (mut notes, metadata) = Notes::among(tensors.metadata());
        if notes.keys().all(|key| key == ACTIVATION) {
            return Ok(Checkpoint { parameters, optimizer: None, metadata });
        }
        notes.expect("format", FORMAT)?;
        notes.expect("version", VERSION)?;
        notes.take("crate", "the version of the crate that wrote it")?;
        notes.expect("element_type", type_name::<A>())?;
        notes.expect(ACTIVATION, parameters.activation().name())?;
        for (name, n) in named(parameters.dims()) {
            notes.expect(name, &n.to_string())?;
        }
        let optimizer = optimizer::read(notes, tensors, parameters.dims().len())?;
        Ok(Checkpoint { parameters, optimizer, metadata })
    }

    /// Converts the checkpoint to named arrays, as a file holds them.
    ///
    /// # Errors
    /// [`Error::Metadata`] where a key of `metadata` begins with `elman.`; [`Error::Shape`] where the optimiser belongs to
    /// other parameters, or `n_a == 0` and `n_x > 256`.
    pub fn to_tensors(&self) -> Result<Tensors<A>, Error> {
        check_inputs(&self.parameters.wax())?;
        let mut tensors = Tensors::from(&self.parameters);
        let mut notes = Notes::default();
        if let Some(optimizer) = &self.optimizer {
            optimizer::write(optimizer, &mut notes, &mut tensors);
            // Refuse now what a reader would refuse later.
            optimizer::read(notes.clone(), &tensors, self.parameters.dims().len())?;
        }
        notes.insert("format", FORMAT);
        notes.insert("version", VERSION);
        notes.insert("crate", env!("CARGO_PKG_VERSION"));
        notes.insert("element_type", type_name::<A>());
        notes.insert(ACTIVATION, self.parameters.activation());
        for (name, n) in named(self.parameters.dims()) {
            notes.insert(name, n);
        }
        *tensors.metadata_mut() = notes.beside(&self.metadata)?;
        Ok(tensors)
    }

    /// Writes a safetensors file with an atomic write: a reader finds the whole old run, or the whole new one.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::io::Checkpoint;
    /// use elman::{Dims, Parameters};
    ///
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("run.safetensors");
    /// let checkpoint = Checkpoint::new(Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 }));
    /// checkpoint.save(&path)?;
    /// assert_eq!(Checkpoint::load(&path)?, checkpoint);
    /// # Ok::<(), elman::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`to_tensors`](Self::to_tensors) and [`safetensors::save`](super::safetensors::save).
    #[cfg(feature = "safetensors")]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        super::safetensors::save(path, &self.to_tensors()?)
    }

    /// Reads a safetensors file (feature `safetensors`).
    ///
    /// # Errors
    /// As [`safetensors::load`](super::safetensors::load) and [`from_tensors`](Self::from_tensors); the path is in
    /// [`Error::Content`].
    #[cfg(feature = "safetensors")]
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        super::file::load(path.as_ref(), |bytes| Checkpoint::from_tensors(&super::safetensors::from_bytes(bytes)?))
    }
}

/// [`Checkpoint::from_tensors`]
impl<A: Scalar> TryFrom<&Tensors<A>> for Checkpoint<A> {
    type Error = Error;

    fn try_from(tensors: &Tensors<A>) -> Result<Self, Error> {
        Checkpoint::from_tensors(tensors)
    }
}

fn named(Dims { n_x, n_a, n_y }: Dims) -> [(&'static str, usize); 3] {
    [("n_x", n_x), ("n_a", n_a), ("n_y", n_y)]
}
