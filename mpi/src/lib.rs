//! Shards of [`elman`] over MPI: data-parallel training with the same bits from any number of processes and machines.
//!
//! [`Ranks`] starts MPI, and [`Ranks::sum`] computes the gradient of a batch on all ranks: each computes its own shards, adds
//! what the tree of [`elman::shards`] allows, and sends the rest, point to point. MPI adds nothing: there is no all-reduce,
//! whose order the library would choose.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use elman::loss::{self, Loss, Reduction};
//! use elman::optim::{Adam, Optimizer};
//! use elman::shards::{Shards, Sum};
//! use elman::{Dims, Parameters, Upstream, sequence};
//! use elman::ndarray::{Array2, Array3, s};
//!
//! let ranks = elman_mpi::Ranks::start(Duration::from_secs(60))?;
//! let mut p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
//! let (x, targets) = (Array3::ones((3, 32, 10)), Array2::<usize>::zeros((32, 10)));
//! let (shards, mut adam) = (Shards::new(8)?, Adam::new(0.02));
//! let mut states = vec![(); ranks.shards(shards).len()];
//!
//! type Memory = (sequence::Cache<f32>, Loss<f32>, sequence::Backward<f32>);
//! let mut sum = Sum::<f32, Memory>::default();
//! for _ in 0..3 {
//!     let total = ranks.sum(&mut sum, shards, &mut states, |shard, (), (cache, loss, back), part| {
//!         let columns = shards.columns(shard, 32);
//!         sequence::forward_into(&p, &x.slice(s![.., columns.clone(), ..]), None, cache)?;
//!         let mean = Reduction::Scaled(1.0 / 320.0); // over all shards
//!         loss::cross_entropy_into(&*cache, &targets.slice(s![columns, ..]), mean, loss)?;
//!         back.discard_gradients();
//!         sequence::backward_into(&p, cache, Upstream::logits(&loss.dlogits), back)?;
//!         part.set(back.gradients.as_slice(), loss);
//!         Ok(())
//!     });
//!     adam.step(p.as_mut_slice(), &total.gradients)?; // the same on every rank
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When a rank fails
//!
//! The run ends on every rank, with a message from each, and nothing waits:
//!
//! | what happens | who notices | what the others print |
//! |---|---|---|
//! | a rank returns an error | it calls [`Ranks::fail`], which aborts the run | that the run was stopped |
//! | a rank panics, is killed or crashes | `mpirun`, which stops the others by SIGTERM | that the run was stopped |
//! | a rank or a machine hangs | a rank that waits for longer than the limit, which aborts the run | the rank waited for; that the run was stopped |
//!
//! Open MPI gives a stopped process one second for its message, or as many as `--mca odls_base_sigkill_timeout` says. Training
//! continues from the last checkpoint, with any number of ranks.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod exchange;
mod ranks;

pub use ranks::{Error, Ranks};
