use std::array;

use crate::error::check_network;
use crate::parameters::sum_of_squares;
use crate::scalar::widen;
use crate::{Error, Parameters, Scalar};

/// The Euclidean norm of each array, and of all together: of parameters, gradients or an update.
///
/// # Examples
///
/// ```
/// use elman::diagnostics::Norms;
/// use elman::{Dims, Parameters};
///
/// let mut p = Parameters::<f32>::zeros(Dims { n_x: 1, n_a: 1, n_y: 1 });
/// p.wax_mut()[[0, 0]] = 3.0;
/// p.by_mut()[0] = -4.0;
/// let norms = Norms::of(&p);
/// assert_eq!((norms.wax, norms.waa, norms.by, norms.total), (3.0, 0.0, 4.0, 5.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Norms {
    /// ‖Wax‖, the Frobenius norm: input to hidden.
    pub wax: f64,
    /// ‖Waa‖, the Frobenius norm: hidden to hidden.
    pub waa: f64,
    /// ‖Wya‖, the Frobenius norm: hidden to output.
    pub wya: f64,
    /// ‖ba‖: hidden bias.
    pub ba: f64,
    /// ‖by‖: output bias.
    pub by: f64,
    /// ‖θ‖: the norm of all five together.
    pub total: f64,
}

impl Norms {
    /// The norms of parameters or of [`Gradients`](crate::Gradients), accumulated in double precision.
    #[must_use]
    pub fn of<A: Scalar>(parameters: &Parameters<A>) -> Self {
        Norms::from_squares(slices(parameters).map(sum_of_squares))
    }

    /// Divides each norm by that of `other`, by IEEE rules: the result is not finite where that norm is zero.
    ///
    /// For the [`update_norms`] of a step and the norms before the step, `total` is ‖Δθ‖/‖θ‖.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Dims, Parameters, diagnostics::Norms};
    ///
    /// let mut p = Parameters::<f64>::zeros(Dims { n_x: 1, n_a: 1, n_y: 1 });
    /// p.fill(2.0);
    /// let before = Norms::of(&p);
    /// p.fill(1.0);
    /// assert_eq!(Norms::of(&p).relative_to(&before).waa, 0.5);
    /// ```
    #[must_use]
    pub fn relative_to(&self, other: &Self) -> Self {
        Norms {
            wax: self.wax / other.wax,
            waa: self.waa / other.waa,
            wya: self.wya / other.wya,
            ba: self.ba / other.ba,
            by: self.by / other.by,
            total: self.total / other.total,
        }
    }

    fn from_squares(squares: [f64; 5]) -> Self {
        let [wax, waa, wya, ba, by] = squares.map(f64::sqrt);
        Norms { wax, waa, wya, ba, by, total: squares.iter().sum::<f64>().sqrt() }
    }
}

/// The norms of an update, ‖`after` − `before`‖, computed in double precision.
///
/// # Examples
///
/// ```
/// use elman::diagnostics::{Norms, update_norms};
/// use elman::{Dims, Parameters};
///
/// let mut before = Parameters::<f32>::zeros(Dims { n_x: 1, n_a: 1, n_y: 1 });
/// before.fill(1.0);
/// let mut after = before.clone();
/// after.fill(1.25);
/// let update = update_norms(&before, &after)?;
/// assert_eq!(update.relative_to(&Norms::of(&before)).total, 0.25);
/// # Ok::<(), elman::Error>(())
/// ```
///
/// # Errors
/// [`Error::Network`] where `after.dims() != before.dims()`.
pub fn update_norms<A: Scalar>(before: &Parameters<A>, after: &Parameters<A>) -> Result<Norms, Error> {
    check_network("after", after.dims().triple(), before.dims().triple())?;
    let (before, after) = (slices(before), slices(after));
    Ok(Norms::from_squares(array::from_fn(|matrix| {
        let differences =
            after[matrix].iter().zip(before[matrix]).map(|(&after, &before)| widen(after) - widen(before));
        differences.fold(0.0, |sum, difference| sum + difference * difference)
    })))
}

/// `wax`, `waa`, `wya`, `ba`, `by`.
fn slices<A: Scalar>(p: &Parameters<A>) -> [&[A]; 5] {
    let p = p.view();
    [p.wax(), p.waa(), p.wya(), p.ba(), p.by()]
}
