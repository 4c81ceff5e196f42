//! Numbers to log during training: of a network, of its gradients, and of what passes through time.
//!
//! | problem | where it shows |
//! |---|---|
//! | gradients vanish or explode on the way back | [`gradient_norms`]: ‖∂L/∂a\_t‖₂, of one loss |
//! | the past has no influence, or too much | [`jacobian_norms`]: ‖∂a\_last/∂a\_t‖, of any loss |
//! | hidden units are stuck at ±1, where tanh is flat | [`saturation`] |
//! | the hidden state decays, or grows by itself | [`init::spectral_radius`](crate::init::spectral_radius) of `waa` |
//! | steps are too small or too large | [`update_norms`], [`Norms::relative_to`] |
//!
//! Let a\_t be the hidden state after step t and D\_t the diagonal matrix of the derivatives φ′(a\_t), which
//! are 1 − a\_t² for tanh. The chain rule gives
//!
//! ```text
//! ∂a_t/∂a_{t−1} = D_t·Waa        ∂a_last/∂a_t = D_last·Waa · … · D_{t+1}·Waa
//! ```
//!
//! This product has one matrix per step between t and the last, so its norm falls or grows like a power. Gradient descent
//! sees the distant past only through this product.
//!
//! Of a stack, [`stack_gradient_norms`], [`stack_jacobian_norms`] and [`stack_saturation`] return a value for each layer and
//! direction. [`Norms::of`] and [`update_norms`] take one layer and direction:
//! [`stack::Parameters::network`](crate::stack::Parameters::network).
//!
//! Gradients are in the network's precision, where an `f32` below 10⁻⁴⁵ is zero. Norms are roots of sums of squares in
//! double precision, where a norm below 10⁻¹⁶² is zero.
//!
//! Sources: Y. Bengio, P. Simard, P. Frasconi, *Learning Long-Term Dependencies with Gradient Descent is Difficult*, IEEE
//! Transactions on Neural Networks 5 (1994) 157–166; R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training
//! recurrent neural networks*, ICML 2013, equation 5.

mod norms;
mod stack;
mod through_time;

pub use norms::{Norms, update_norms};
pub use stack::{ByLayer, stack_gradient_norms, stack_jacobian_norms, stack_saturation};
pub use through_time::{gradient_norms, jacobian_norms, saturation};
