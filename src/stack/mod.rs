//! Layers of recurrent units, each in one or two directions, with one softmax head.
//!
//! ```text
//! x⁰      = x                                     the input
//! →aˡ_t   = φˡ(→baˡ + →Waxˡ·xˡ⁻¹_t + →Waaˡ·→aˡ_{t−1})        forward direction
//! ←aˡ_t   = φˡ(←baˡ + ←Waxˡ·xˡ⁻¹_t + ←Waaˡ·←aˡ_{t+1})        reverse direction, where the layer is bidirectional
//! xˡ      = [→aˡ; ←aˡ]                            the output of layer l
//! logits  = by + →Wya·→aᴸ + ←Wya·←aᴸ              y = softmax(logits)
//! ```
//!
//! It is `torch.nn.RNN(num_layers, bidirectional, nonlinearity)` with a `Linear` on its output. Layers may differ in width,
//! nonlinearity and directions. All parameters are one flat buffer, so an optimiser, clipping or a norm is one loop over one
//! slice.
//!
//! With dropout between layers ([`Dropout`](crate::Dropout)), layer l + 1 reads mˡ ⊙ xˡ instead of xˡ.
//!
//! Each layer and direction is a pass of [`sequence`](crate::sequence), and a layer reads the hidden states of the
//! layer below without a copy (the two directions of a bidirectional layer are copied side by side once). Every input
//! works: vectors, token ids, columns of different lengths, reversed time. The results are bit-identical to those of
//! the same layers run one by one, and those of one layer to [`sequence::forward`](crate::sequence::forward). They
//! depend neither on the batch, nor on the number of threads, nor on the instruction set.
//!
//! # Memory
//!
//! One [`sequence::Cache`](crate::sequence::Cache) for each layer and direction, of which only the first has an input, and
//! (n₁ + n₂)·m·`T_x` elements for each bidirectional layer with another one above it. Dropout between layers takes as much
//! for each layer with another one above it, and one byte for each of these elements. All passes share one workspace. A
//! backward pass takes three gradients of the widest layer's input at most (two without bidirectional layers), and one
//! workspace. [`forward_into`] and [`backward_into`] also keep the packed weights of every layer, about as many elements as
//! there are parameters, until the parameters change.
//!
//! # Examples
//!
//! Two bidirectional relu layers classify each step:
//!
//! ```
//! use elman::optim::{Adam, Optimizer};
//! use elman::stack::{self, Architecture, Layer};
//! use elman::{Activation, init, loss};
//! use ndarray::{Array2, Array3};
//! use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
//!
//! // Is the number before or the number after larger than this one?
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
//! let x = Array3::from_shape_simple_fn((1, 16, 10), || rng.random_range(-1.0..1.0));
//! let at = |j: usize, t: usize| x.get([0, j, t]).copied().unwrap_or(-1.0);
//! let is_larger = |j, t: usize| at(j, t.wrapping_sub(1)) > at(j, t) || at(j, t + 1) > at(j, t);
//! let targets = Array2::from_shape_fn((16, 10), |(j, t)| usize::from(is_larger(j, t)));
//!
//! let layer = Layer::new(12).bidirectional().with_activation(Activation::Relu);
//! let mut p = init::torch_stack::<f64>(Architecture::new(1, [layer, layer], 2), &mut rng)?;
//!
//! let mut adam = Adam::new(0.01);
//! let (mut cache, mut back) = (stack::Cache::default(), stack::Backward::default());
//! let mut last = f64::INFINITY;
//! for _ in 0..150 {
//!     stack::forward_into(&p, &x, None, &mut cache)?;
//!     let loss = loss::cross_entropy(&cache, &targets, loss::Reduction::Mean)?;
//!     back.discard_gradients();
//!     stack::backward_into(&p, &cache, stack::Upstream::logits(&loss.dlogits), &mut back)?;
//!     adam.step(p.as_mut_slice(), back.gradients.as_slice())?;
//!     last = loss.value;
//! }
//! assert!(last < 0.1, "a guess by frequency costs 0.6");
//! # Ok::<(), elman::Error>(())
//! ```
//!
//! Source: M. Schuster, K. K. Paliwal, *Bidirectional recurrent neural networks*, IEEE Transactions on Signal Processing 45
//! (1997) 2673–2681.

mod architecture;
mod backward;
mod forward;
mod parameters;
mod recurrent;
mod states;
mod stepper;
mod upstream;

pub(crate) use architecture::check_architecture;
pub use architecture::{Architecture, Direction, Layer};
pub(crate) use backward::each_pass;
pub use backward::{Backward, backward, backward_into};
pub use forward::{Cache, forward, forward_into};
pub use parameters::{Gradients, Parameters};
pub use recurrent::{Checkpointed, Sliding, Truncated};
pub use states::States;
pub use stepper::{Network, Stepper};
pub use upstream::Upstream;
