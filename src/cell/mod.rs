//! One step of the network, for a batch of m columns, and its gradient.
//!
//! ```text
//! forward                                        backward
//! z      = Wax·xt + Waa·a_prev + ba              dlogits = dlogits + y·(dy − Σ dy·y)
//! a_next = φ(z)                                  dz      = (da + Wyaᵀ·dlogits) · φ′(a_next)
//! logits = Wya·a_next + by                       dWya   += dlogits·a_nextᵀ      dby += Σ dlogits
//! y      = softmax(logits)                       dWax   += dz·xtᵀ               dba += Σ dz
//!                                                dWaa   += dz·a_prevᵀ
//!                                                dxt     = Waxᵀ·dz
//!                                                da_prev = Waaᵀ·dz
//! ```
//!
//! Source: J. L. Elman, *Finding Structure in Time*, Cognitive Science 14 (1990) 179–211.

mod backward;
mod forward;
mod memory;
mod stepper;
mod weight_gradient;
mod weights;

pub use backward::{Backward, backward};
pub(crate) use backward::{head_gradient, input_gradient, logits_gradient, recurrence_gradient};
pub use forward::{Cache, forward};
pub(crate) use forward::{Dropped, Head, Read, head, input_projection, recurrence};
pub use stepper::{Network, Stepper, StepperOf};
pub(crate) use stepper::{Steppable, check_tokens};
pub(crate) use weight_gradient::{Inputs, States, Steps, WeightGradient};
pub(crate) use weights::{BackwardWeights, ForwardWeights, Weights};
