//! A training run as named arrays: parameters, and the state of the optimiser.
//!
//! The tensors are `wax`, `waa`, `wya`, `ba`, `by` and those of the optimiser. The rest is metadata:
//!
//! | key | what it holds |
//! |---|---|
//! | `elman.format`, `elman.version` | `checkpoint`, `1` |
//! | `elman.crate` | the version of this crate that wrote the file |
//! | `elman.element_type` | `f32` or `f64` |
//! | `elman.activation` | of one layer: the nonlinearity, `tanh`, `relu`, `sigmoid` or `identity` |
//! | `elman.n_x`, `elman.n_a`, `elman.n_y` | of one layer: the dimensions; the tensors must have them |
//! | `elman.directions` | of a stack: the number of directions of each layer, such as `2, 1` |
//! | `elman.layers.0.activation`, … | of a stack: the nonlinearity of each layer |
//! | `elman.optimizer`, `elman.optimizer.…` | the optimiser, where there is one |
//!
//! A reader refuses unknown keys. A new key therefore needs a new `elman.version`.

use std::collections::BTreeMap;
#[cfg(feature = "safetensors")]
use std::path::Path;

use super::notes::Notes;
use super::stack::activation_key;
use super::tensors::{ACTIVATION, check_inputs};
use super::{Error, Tensors, optimizer};
use crate::optim::AnyOptimizer;
use crate::scalar::type_name;
use crate::{Dims, Parameters, Scalar, stack};

const FORMAT: &str = "checkpoint";
const VERSION: &str = "1";

/// The state of a training run of one layer. [`StackCheckpoint`] is that of a stack.
pub type Checkpoint<A> = CheckpointOf<A, Parameters<A>>;

/// The state of a training run of a stack.
///
/// # Examples
///
/// ```
/// use elman::io::StackCheckpoint;
/// use elman::optim::{Adam, Optimizer};
/// use elman::stack::{Architecture, Layer, Parameters};
///
/// let mut p = Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2));
/// let (mut adam, g) = (Adam::new(1e-3), p.clone());
/// adam.step(p.as_mut_slice(), g.as_slice())?;
/// let checkpoint = StackCheckpoint::new(p).with_optimizer(adam); // and checkpoint.save(path)
/// assert_eq!(StackCheckpoint::from_tensors(&checkpoint.to_tensors()?)?, checkpoint);
/// # Ok::<(), elman::io::Error>(())
/// ```
pub type StackCheckpoint<A> = CheckpointOf<A, stack::Parameters<A>>;

/// The state of a training run: parameters, the optimiser with its state, and metadata. [`Checkpoint`] and
/// [`StackCheckpoint`] are its two kinds.
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
#[non_exhaustive]
pub struct CheckpointOf<A, P> {
    /// The parameters θ.
    pub parameters: P,
    /// The optimiser of these parameters.
    pub optimizer: Option<AnyOptimizer<A>>,
    /// The caller's metadata. Keys that begin with `elman.` are reserved for this crate.
    pub metadata: BTreeMap<String, String>,
}

impl<A: Scalar, P: Network<A>> CheckpointOf<A, P> {
    /// Makes a checkpoint of parameters alone.
    #[must_use]
    pub fn new(parameters: P) -> Self {
        CheckpointOf { parameters, optimizer: None, metadata: BTreeMap::new() }
    }

    /// Adds the optimiser.
    #[must_use]
    pub fn with_optimizer(self, optimizer: impl Into<AnyOptimizer<A>>) -> Self {
        CheckpointOf { optimizer: Some(optimizer.into()), ..self }
    }

    /// Reads a checkpoint from named arrays.
    ///
    /// Where the metadata has none of this crate's keys, or only nonlinearities, the checkpoint is the parameters alone.
    /// Otherwise those keys must be complete and agree with the tensors. Other tensors are ignored.
    ///
    /// # Errors
    /// - [`Error::Missing`], [`Error::ElementType`] and [`Error::Shape`] where a tensor is missing or does not fit.
    /// - [`Error::Metadata`] where a key of this crate is missing, is unknown, or disagrees with the tensors.
    pub fn from_tensors(tensors: &Tensors<A>) -> Result<Self, Error> {
        let parameters = P::read(tensors)?;
        let (mut notes, metadata) = Notes::among(tensors.metadata());
        let settings = parameters.settings();
        let is_activation = |key: &str| key.ends_with(ACTIVATION) && settings.iter().any(|(name, _)| name == key);
        if notes.keys().all(is_activation) {
            return Ok(CheckpointOf { parameters, optimizer: None, metadata });
        }
        notes.expect("format", FORMAT)?;
        notes.expect("version", VERSION)?;
        notes.take("crate", "the version of the crate that wrote it")?;
        notes.expect("element_type", type_name::<A>())?;
        for (key, value) in &settings {
            notes.expect(key, value)?;
        }
        let optimizer = optimizer::read(notes, tensors, parameters.len())?;
        Ok(CheckpointOf { parameters, optimizer, metadata })
    }

    /// Converts the checkpoint to named arrays, as a file holds them.
    ///
    /// # Errors
    /// [`Error::Metadata`] where a key of `metadata` begins with `elman.`; [`Error::Shape`] where the optimiser belongs to
    /// other parameters, or `n_a == 0` and `n_x > 256`.
    pub fn to_tensors(&self) -> Result<Tensors<A>, Error> {
        let mut tensors = self.parameters.write()?;
        let mut notes = Notes::default();
        if let Some(optimizer) = &self.optimizer {
            optimizer::write(optimizer, &mut notes, &mut tensors);
            // Refuse now what a reader would refuse later.
            optimizer::read(notes.clone(), &tensors, self.parameters.len())?;
        }
        notes.insert("format", FORMAT);
        notes.insert("version", VERSION);
        notes.insert("crate", env!("CARGO_PKG_VERSION"));
        notes.insert("element_type", type_name::<A>());
        for (key, value) in self.parameters.settings() {
            notes.insert(&key, value);
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
        super::file::load(path.as_ref(), |bytes| CheckpointOf::from_tensors(&super::safetensors::from_bytes(bytes)?))
    }
}

/// [`CheckpointOf::from_tensors`]
impl<A: Scalar, P: Network<A>> TryFrom<&Tensors<A>> for CheckpointOf<A, P> {
    type Error = Error;

    fn try_from(tensors: &Tensors<A>) -> Result<Self, Error> {
        CheckpointOf::from_tensors(tensors)
    }
}

/// Parameters that a checkpoint holds: those of one layer, or of a stack. No other type implements it.
pub trait Network<A>: Sized {
    /// The named arrays, where they can be read again.
    fn write(&self) -> Result<Tensors<A>, Error>;
    /// The network of named arrays.
    fn read(tensors: &Tensors<A>) -> Result<Self, Error>;
    /// The keys of the metadata that describe the network, without their prefix, and their values.
    fn settings(&self) -> Vec<(String, String)>;
    /// The number of parameters.
    fn len(&self) -> usize;
}

impl<A: Scalar> Network<A> for Parameters<A> {
    fn write(&self) -> Result<Tensors<A>, Error> {
        check_inputs(&self.wax())?;
        Ok(Tensors::from(self))
    }

    fn read(tensors: &Tensors<A>) -> Result<Self, Error> {
        Parameters::try_from(tensors)
    }

    fn settings(&self) -> Vec<(String, String)> {
        let Dims { n_x, n_a, n_y } = self.dims();
        let dims = [("n_x", n_x), ("n_a", n_a), ("n_y", n_y)].map(|(name, n)| (name.into(), n.to_string()));
        [(ACTIVATION.into(), self.activation().name().into())].into_iter().chain(dims).collect()
    }

    fn len(&self) -> usize {
        self.as_slice().len()
    }
}

impl<A: Scalar> Network<A> for stack::Parameters<A> {
    fn write(&self) -> Result<Tensors<A>, Error> {
        let tensors = Tensors::from(self);
        // Refuse now what a reader would refuse later.
        Self::read(&tensors)?;
        Ok(tensors)
    }

    fn read(tensors: &Tensors<A>) -> Result<Self, Error> {
        stack::Parameters::try_from(tensors)
    }

    fn settings(&self) -> Vec<(String, String)> {
        let layers = self.architecture().layers();
        let activations =
            layers.iter().enumerate().map(|(index, layer)| (activation_key(index), layer.activation.name().into()));
        let directions: Vec<_> = layers.iter().map(|layer| layer.directions().len().to_string()).collect();
        activations.chain([("directions".into(), directions.join(", "))]).collect()
    }

    fn len(&self) -> usize {
        self.as_slice().len()
    }
}
