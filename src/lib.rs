//! Recurrent neural networks for CPU: the Elman network, with forward and backward passes derived by hand.
//!
//! For a batch of `m` columns, one step is
//!
//! ```text
//! a_next = tanh(Wax·xt + Waa·a_prev + ba)
//! y      = softmax(Wya·a_next + by)
//! ```
//!
//! with `n_x` inputs, `n_a` hidden units and `n_y` outputs. A sequence is `T_x` steps. The crate computes the output,
//! and the gradient of a loss with respect to every parameter, to the input and to the initial hidden state.
//!
//! tanh may be relu, sigmoid or the identity ([`Activation`]), and layers and directions stack ([`stack`]).
//!
//! It is not a tensor framework. It has no LSTM, no GRU, no GPU support and no automatic differentiation.
//!
//! # A training loop
//!
//! Each of 32 columns reads ten numbers. At every step it has to say whether the number *before* was positive.
//!
//! ```
//! use elman::loss::{self, Reduction};
//! use elman::ndarray::{Array2, Array3};
//! use elman::optim::{Adam, Optimizer, clip_norm};
//! use elman::rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
//! use elman::{Dims, Upstream, init, sequence};
//!
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
//! let x = Array3::from_shape_simple_fn((1, 32, 10), || rng.random_range(-1.0..1.0)); // (n_x, m, T_x)
//! let targets = Array2::from_shape_fn((32, 10), |(j, t)| usize::from(t > 0 && x[[0, j, t - 1]] > 0.0));
//!
//! let mut p = init::torch::<f64>(Dims { n_x: 1, n_a: 16, n_y: 2 }, &mut rng);
//! let mut adam = Adam::new(0.02);
//! // Their memory is reused: the loop allocates nothing after its first pass.
//! let (mut cache, mut loss, mut back) = Default::default();
//! for _ in 0..150 {
//!     sequence::forward_into(&p, &x, None, &mut cache)?; // None: the initial hidden state is zero
//!     loss::cross_entropy_into(&cache, &targets, Reduction::Mean, &mut loss)?;
//!     sequence::backward_into(&p, &cache, Upstream::logits(&loss.dlogits), &mut back)?;
//!     clip_norm(back.gradients.as_mut_slice(), 1.0)?;
//!     adam.step(p.as_mut_slice(), back.gradients.as_slice())?;
//!     back.discard_gradients(); // the next `backward_into` overwrites them
//! }
//! assert!(loss.value < 0.1, "a guess costs ln 2 = 0.69");
//! # Ok::<(), elman::Error>(())
//! ```
//!
//! [`sequence::forward`], [`loss::cross_entropy`] and [`sequence::backward`] do the same and return new memory.
//!
//! # Where to find what
//!
//! | module | what it holds |
//! |---|---|
//! | [`tasks`] | one page for each task: regression, classification, text, long sequences, online learning, stacks, serving, data-parallel, from PyTorch, reproducibility |
//! | [`coming_from`] | PyTorch, Keras, Flax, ONNX and NumPy beside this crate |
//! | [`cell`] | one step, forward and backward; [`cell::Network`] and [`cell::Stepper`] for serving |
//! | [`sequence`] | many steps, and back-propagation through time; tokens, ragged and reversed batches; long sequences; live streams |
//! | [`stack`] | layers of any widths and nonlinearities, in one or two directions, with one head |
//! | [`loss`] | cross-entropy, squared error, Huber, and losses of your own; masks and weights |
//! | [`batches`] | token streams with a carried state, buckets of similar length, padding |
//! | [`shards`] | data-parallel training: the same bits from any number of threads, processes and machines |
//! | [`sampling`] | draws the next token from logits: temperature, top-k, top-p, greedy |
//! | [`init`] | initial parameters: the defaults of PyTorch and Keras, identity, a chosen spectral radius |
//! | [`optim`] | `Sgd`, `Adam`, `AdamW`, `RmsProp`; clipping by norm and by value |
//! | [`io`] | files, checkpoints, and the weights of other frameworks |
//! | [`gradcheck`] | compares a gradient with finite differences |
//! | [`diagnostics`] | gradient and Jacobian norms at each step, saturation, norms of matrices and updates |
//!
//! [`Parameters`] is one flat buffer with a view per matrix. [`Gradients`] is the same type. An optimiser, clipping, a
//! norm or a checkpoint is therefore one loop over one slice. [`Upstream`] holds the gradients that a loss sends back.
//!
//! # Shapes
//!
//! A sequence has shape (n, m, `T_x`): features, columns of the batch, steps. Any strides are accepted. In memory this crate
//! stores a sequence time-major, which is Fortran order of that shape: one step is one contiguous block of m rows.
//! Nothing is broadcast, and every dimension may be zero.
//!
//! # Reproducibility
//!
//! The same bits come out for a sequence run whole, in chunks or step by step; for a column alone or in any batch; for any
//! number of threads; for every instruction set (scalar, AVX2, AVX-512, NEON); for any number of workers that compute a batch
//! in [`shards`]. [`tasks::reproducibility`] says how, and what is not covered.
//!
//! # Errors
//!
//! A wrong argument is an [`Error`] that names the argument, what was expected and what was found. NaN and infinity
//! are not errors: they follow IEEE rules, and a forward pass keeps them in their column. [`io::Error`] is the error of
//! files, and [`Error`] converts into it.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `rayon` | yes | threads for large batches: those of the current rayon pool, or of the global one |
//! | `avx512` | no | AVX-512 where the machine has it; needs Rust 1.89 |
//! | `safetensors` | no | `io::safetensors`, and files of [`io::Checkpoint`] |
//! | `npz` | no | `io::npz` and `io::npy`; needs Rust 1.89 |
//! | `onnx` | no | `io::onnx::load` and `save`: whole ONNX models |
//! | `serde` | no | `Serialize` and `Deserialize` for networks ([`Parameters`], [`stack::Parameters`]) and optimisers |
//! | `approx` | no | `AbsDiffEq`, `RelativeEq` and `UlpsEq` for [`Parameters`] and [`stack::Parameters`] |
//!
//! [`ndarray`] and [`rand`] are re-exported, because their types stand in signatures: a program may use
//! `elman::ndarray` and `elman::rand`, or depend on ndarray 0.17 and rand 0.10 itself.
//!
//! Source: J. L. Elman, *Finding Structure in Time*, Cognitive Science 14 (1990) 179–211.
#![forbid(unsafe_code)]

#[cfg(feature = "approx")]
mod approximate;
mod dropout;
mod error;
mod kernel;
mod layout;
mod parameters;
mod scalar;
#[cfg(feature = "serde")]
mod serde;
mod upstream;

pub mod batches;
pub mod cell;
#[doc = include_str!("../docs/coming-from.md")]
pub mod coming_from {}
pub mod diagnostics;
pub mod gradcheck;
pub mod init;
pub mod io;
pub mod loss;
pub mod optim;
pub mod sampling;
pub mod sequence;
pub mod shards;
pub mod stack;
/// One page for each task: what to call, as a whole program.
pub mod tasks {
    #[doc = include_str!("../docs/tasks/classification.md")]
    pub mod classification {}
    #[doc = include_str!("../docs/tasks/data-parallel.md")]
    pub mod data_parallel {}
    /// From PyTorch: see the documentation with the feature `safetensors`.
    #[cfg(not(feature = "safetensors"))]
    pub mod from_pytorch {}
    #[cfg(feature = "safetensors")]
    #[doc = include_str!("../docs/tasks/from-pytorch.md")]
    pub mod from_pytorch {}
    #[doc = include_str!("../docs/tasks/long-sequences.md")]
    pub mod long_sequences {}
    #[doc = include_str!("../docs/tasks/online.md")]
    pub mod online {}
    #[doc = include_str!("../docs/tasks/regression.md")]
    pub mod regression {}
    #[doc = include_str!("../docs/tasks/reproducibility.md")]
    pub mod reproducibility {}
    #[doc = include_str!("../docs/tasks/serving.md")]
    pub mod serving {}
    #[doc = include_str!("../docs/tasks/stacks.md")]
    pub mod stacks {}
    #[doc = include_str!("../docs/tasks/text.md")]
    pub mod text {}
}

pub use dropout::Dropout;
pub use error::{Error, Shape};
pub use kernel::{Activation, instruction_set};
pub use parameters::{Dims, Gradients, Parameters};
pub use scalar::Scalar;
pub use upstream::Upstream;
pub use {ndarray, rand};

/// The README's programs run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
