use super::check_magnitude;
use crate::error::check_range;
use crate::parameters::add_squares;
use crate::scalar::narrow;
use crate::{Error, Scalar};

/// Added to the norm before the division, as torch does.
const NORM_OFFSET: f64 = 1e-6;

/// Clips the norm of a gradient: g ← g · min(1, `max_norm` / (‖g‖₂ + 10⁻⁶)).
///
/// - `gradients`: g, any length; read and written
/// - `max_norm`: at least 0; if infinite, the gradient never changes
/// - result: ‖g‖₂ before clipping, accumulated in double precision in the order of the slice
///
/// The factor is that of `torch.nn.utils.clip_grad_norm_`: a scaled gradient ends slightly below `max_norm`. A NaN norm
/// makes every element NaN. An infinite norm makes the infinite elements NaN and the others zero. The caller can test the
/// returned norm and skip such a step.
///
/// Source: R. Pascanu, T. Mikolov, Y. Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013,
/// algorithm 1.
///
/// # Examples
///
/// ```
/// let mut g = [3.0, -4.0];
/// assert_eq!(elman::optim::clip_norm(&mut g, 1.0)?, 5.0);
/// assert_eq!(g, [3.0 / 5.000001, -4.0 / 5.000001]);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Range`] where `max_norm` is negative or NaN.
pub fn clip_norm<A: Scalar>(gradients: &mut [A], max_norm: f64) -> Result<f64, Error> {
    clip_joint_norm(&mut [gradients], max_norm)
}

/// Clips the joint norm of several gradients, as [`clip_norm`] clips that of one.
///
/// - `gradients`: the slices of several networks; the result is bit-identical to that of one slice with all their elements
///
/// # Examples
///
/// ```
/// let (mut g, mut h) = ([3.0, 0.0], [-4.0]);
/// assert_eq!(elman::optim::clip_joint_norm(&mut [&mut g[..], &mut h], 1.0)?, 5.0);
/// assert_eq!((g[0], h[0]), (3.0 / 5.000001, -4.0 / 5.000001));
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// As [`clip_norm`].
pub fn clip_joint_norm<A: Scalar>(gradients: &mut [&mut [A]], max_norm: f64) -> Result<f64, Error> {
    check_range("max_norm", max_norm, "at least 0", max_norm >= 0.0)?;
    let norm = gradients.iter().fold(0.0, |sum, g| add_squares(sum, g)).sqrt();
    let offset = norm + NORM_OFFSET;
    // Not `offset > max_norm`: a NaN norm must reach the gradient, unless an infinite `max_norm` asks for the norm only.
    let within = offset <= max_norm || max_norm.is_infinite();
    if !within {
        let factor = narrow::<A>(max_norm / offset);
        for g in gradients.iter_mut().flat_map(|gradient| gradient.iter_mut()) {
            *g *= factor;
        }
    }
    Ok(norm)
}

/// Clips every element: gᵢ ← min(`limit`, max(−`limit`, gᵢ)). NaN stays NaN.
///
/// - `gradients`: g, any length; read and written
/// - `limit`: finite and at least 0, also after rounding to `A`
///
/// Same as `torch.nn.utils.clip_grad_value_`. Unlike [`clip_norm`], it changes the direction of the gradient.
///
/// # Examples
///
/// ```
/// let mut g = [3.0, -0.25, -4.0];
/// elman::optim::clip_value(&mut g, 0.5)?;
/// assert_eq!(g, [0.5, -0.25, -0.5]);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Range`] where `limit` is negative, or not finite as an `A`.
pub fn clip_value<A: Scalar>(gradients: &mut [A], limit: f64) -> Result<(), Error> {
    check_magnitude::<A>("limit", limit)?;
    let limit = narrow::<A>(limit);
    for g in gradients {
        if g.abs() > limit {
            *g = limit.copysign(*g);
        }
    }
    Ok(())
}
