//! The parameters θ = (Wax, Waa, Wya, ba, by), one vector.
//!
//! | name | shape | purpose |
//! |---|---|---|
//! | `wax` | (`n_a`, `n_x`) | input to hidden |
//! | `waa` | (`n_a`, `n_a`) | hidden to hidden |
//! | `wya` | (`n_y`, `n_a`) | hidden to output |
//! | `ba` | (`n_a`) | hidden bias |
//! | `by` | (`n_y`) | output bias |
//!
//! One buffer stores all five, in this order, each row-major. An optimiser, clipping, a norm or a checkpoint is therefore
//! one loop over [`Parameters::as_slice`]. A gradient has the same elements, so [`Gradients`] is the same type.

mod dims;
mod flat;
mod view;

pub use dims::Dims;
pub(crate) use flat::{Flat, Version};
pub(crate) use view::{View, ViewMut};

use ndarray::{ArrayRef1, ArrayRef2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use crate::error::{Error, check_network, check_shape, too_large};
use crate::kernel::Activation;
use crate::scalar::{Scalar, narrow, widen};

/// The parameters of a network, in one buffer with a view for each matrix.
///
/// # Examples
///
/// ```
/// use elman::{Dims, Parameters};
///
/// let mut p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// p.wax_mut()[[4, 0]] = 1.5;
/// assert_eq!(p.as_slice()[4 * 3], 1.5);
/// assert_eq!(p.norm(), 1.5);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters<A> {
    dims: Dims,
    activation: Activation,
    flat: Flat<A>,
}

/// The gradient of a loss with respect to [`Parameters`]: each element has the position of its parameter.
pub type Gradients<A> = Parameters<A>;

impl<A: Scalar> Parameters<A> {
    /// Makes parameters that are all zero.
    ///
    /// # Panics
    /// Where the parameters do not fit in memory, as for `vec!`. [`try_zeros`](Self::try_zeros) returns an error where no
    /// machine can address them.
    #[must_use]
    pub fn zeros(dims: Dims) -> Self {
        Self::try_zeros(dims).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Makes parameters that are all zero. Use it instead of [`zeros`](Self::zeros) for dimensions from a file or a user.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Dims, Error, Parameters};
    ///
    /// let dims = Dims { n_x: usize::MAX, n_a: 5, n_y: 2 };
    /// assert!(matches!(Parameters::<f64>::try_zeros(dims), Err(Error::TooLarge { .. })));
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLarge`] where `dims.checked_len()` is `None`.
    pub fn try_zeros(dims: Dims) -> Result<Self, Error> {
        Ok(Parameters { dims, activation: Activation::default(), flat: Flat::zeros(checked_len(dims)?) })
    }

    /// Copies five arrays, of any layout. `wya` gives `n_y`; `wax` gives `n_a` and `n_x`.
    ///
    /// - `wax`: (`n_a`, `n_x`)
    /// - `waa`: (`n_a`, `n_a`)
    /// - `wya`: (`n_y`, `n_a`)
    /// - `ba`: (`n_a`)
    /// - `by`: (`n_y`)
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Dims, Parameters};
    /// use ndarray::{Array1, Array2};
    ///
    /// let (wax, waa, wya) = (Array2::zeros((5, 3)), Array2::zeros((5, 5)), Array2::zeros((2, 5)));
    /// let p = Parameters::<f64>::from_arrays(&wax, &waa, &wya, &Array1::zeros(5), &Array1::zeros(2))?;
    /// assert_eq!(p.dims(), Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `waa.dim() != (n_a, n_a)`, `wya.ncols() != n_a`, `ba.len() != n_a` or `by.len() != n_y`;
    /// [`Error::TooLarge`] where an array without elements declares a dimension that no machine can address.
    pub fn from_arrays(
        wax: &ArrayRef2<A>,
        waa: &ArrayRef2<A>,
        wya: &ArrayRef2<A>,
        ba: &ArrayRef1<A>,
        by: &ArrayRef1<A>,
    ) -> Result<Self, Error> {
        let (n_a, n_x) = wax.dim();
        let n_y = wya.nrows();
        check_shape("waa", waa, &["n_a", "n_a"], [n_a, n_a])?;
        check_shape("wya", wya, &["n_y", "n_a"], [n_y, n_a])?;
        check_shape("ba", ba, &["n_a"], [n_a])?;
        check_shape("by", by, &["n_y"], [n_y])?;
        let dims = Dims { n_x, n_a, n_y };
        checked_len(dims)?;
        let flat = wax.iter().chain(waa).chain(wya).chain(ba).chain(by).copied().collect();
        Ok(Parameters { dims, activation: Activation::default(), flat })
    }

    /// The dimensions of the network.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// The nonlinearity φ of the hidden units. Gradients have one, too, which nothing reads.
    #[must_use]
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// The same parameters with another nonlinearity φ. New parameters have tanh.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Activation, Dims, Parameters};
    ///
    /// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// assert_eq!(p.activation(), Activation::Tanh);
    /// assert_eq!(p.with_activation(Activation::Relu).activation(), Activation::Relu);
    /// ```
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Parameters { activation, ..self }
    }

    /// Input to hidden, (`n_a`, `n_x`).
    #[must_use]
    pub fn wax(&self) -> ArrayView2<'_, A> {
        matrix(self.dims.n_a, self.dims.n_x, self.view().wax())
    }
    /// Hidden to hidden, (`n_a`, `n_a`).
    #[must_use]
    pub fn waa(&self) -> ArrayView2<'_, A> {
        matrix(self.dims.n_a, self.dims.n_a, self.view().waa())
    }
    /// Hidden to output, (`n_y`, `n_a`).
    #[must_use]
    pub fn wya(&self) -> ArrayView2<'_, A> {
        matrix(self.dims.n_y, self.dims.n_a, self.view().wya())
    }
    /// Hidden bias, (`n_a`).
    #[must_use]
    pub fn ba(&self) -> ArrayView1<'_, A> {
        ArrayView1::from(self.view().ba())
    }
    /// Output bias, (`n_y`).
    #[must_use]
    pub fn by(&self) -> ArrayView1<'_, A> {
        ArrayView1::from(self.view().by())
    }

    /// Input to hidden, (`n_a`, `n_x`), for writing.
    pub fn wax_mut(&mut self) -> ArrayViewMut2<'_, A> {
        let Dims { n_a, n_x, .. } = self.dims;
        matrix_mut(n_a, n_x, &mut self.flat[self.dims.wax()])
    }
    /// Hidden to hidden, (`n_a`, `n_a`), for writing.
    pub fn waa_mut(&mut self) -> ArrayViewMut2<'_, A> {
        let n_a = self.dims.n_a;
        matrix_mut(n_a, n_a, &mut self.flat[self.dims.waa()])
    }
    /// Hidden to output, (`n_y`, `n_a`), for writing.
    pub fn wya_mut(&mut self) -> ArrayViewMut2<'_, A> {
        let Dims { n_a, n_y, .. } = self.dims;
        matrix_mut(n_y, n_a, &mut self.flat[self.dims.wya()])
    }
    /// Hidden bias, (`n_a`), for writing.
    pub fn ba_mut(&mut self) -> ArrayViewMut1<'_, A> {
        ArrayViewMut1::from(&mut self.flat[self.dims.ba()])
    }
    /// Output bias, (`n_y`), for writing.
    pub fn by_mut(&mut self) -> ArrayViewMut1<'_, A> {
        ArrayViewMut1::from(&mut self.flat[self.dims.by()])
    }

    /// All parameters: `wax`, `waa`, `wya`, `ba`, `by`, each row-major.
    #[must_use]
    pub fn as_slice(&self) -> &[A] {
        &self.flat
    }

    /// All parameters for writing, in the order of [`as_slice`](Self::as_slice).
    pub fn as_mut_slice(&mut self) -> &mut [A] {
        &mut self.flat
    }

    /// Sets every element of θ to `value`.
    pub fn fill(&mut self, value: A) {
        self.flat.fill(value);
    }

    /// θ ← θ + `factor` · `other`
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Dims, Gradients, Parameters};
    ///
    /// let dims = Dims { n_x: 3, n_a: 5, n_y: 2 };
    /// let (mut p, mut g) = (Parameters::<f64>::zeros(dims), Gradients::zeros(dims));
    /// g.fill(1.0);
    /// p.scaled_add(-0.1, &g)?;
    /// assert_eq!(p.as_slice()[0], -0.1);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Network`] where `other.dims() != self.dims()`.
    pub fn scaled_add(&mut self, factor: A, other: &Self) -> Result<(), Error> {
        check_network("other", other.dims.triple(), self.dims.triple())?;
        scaled_add(&mut self.flat, factor, &other.flat);
        Ok(())
    }

    /// The dot product Σ θᵢ · otherᵢ, summed in double precision in the order of [`as_slice`](Self::as_slice).
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Dims, Parameters};
    ///
    /// let mut p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// p.fill(2.0);
    /// assert_eq!(p.dot(&p)?, 4.0 * 57.0, "57 parameters");
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Network`] where `other.dims() != self.dims()`.
    pub fn dot(&self, other: &Self) -> Result<f64, Error> {
        check_network("other", other.dims.triple(), self.dims.triple())?;
        Ok(dot(&self.flat, &other.flat))
    }

    /// The Euclidean norm ‖θ‖₂, summed in double precision.
    #[must_use]
    pub fn norm(&self) -> f64 {
        norm(&self.flat)
    }

    /// Copies the parameters in single precision. Each element is rounded to the nearest `f32`, or is infinite where it is
    /// too large.
    ///
    /// # Examples
    ///
    /// Train in double precision, and serve in single precision:
    ///
    /// ```
    /// use elman::{Dims, Parameters};
    ///
    /// let mut trained = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// trained.fill(0.1);
    /// let served: Parameters<f32> = trained.to_f32();
    /// assert_eq!(served.as_slice()[0], 0.1_f32);
    /// ```
    #[must_use]
    pub fn to_f32(&self) -> Parameters<f32> {
        self.converted()
    }

    /// Copies the parameters in double precision. Every `f32` is exact in `f64`, so [`to_f32`](Self::to_f32) returns the
    /// same numbers.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Dims, Parameters};
    ///
    /// let mut p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// p.fill(0.1);
    /// assert_eq!(p.to_f64().to_f32(), p);
    /// ```
    #[must_use]
    pub fn to_f64(&self) -> Parameters<f64> {
        self.converted()
    }

    fn converted<B: Scalar>(&self) -> Parameters<B> {
        let flat = self.flat.iter().map(|&value| narrow(widen(value))).collect();
        Parameters { dims: self.dims, activation: self.activation, flat }
    }

    /// Returns the name of an element of the flat buffer, such as `waa[3, 1]` or `by[0]`; `None` past the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::{Dims, Parameters};
    ///
    /// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
    /// assert_eq!(p.name_of(5 * 3).as_deref(), Some("waa[0, 0]"));
    /// assert_eq!(p.name_of(57), None);
    /// ```
    #[must_use]
    pub fn name_of(&self, index: usize) -> Option<String> {
        self.dims.name_of(index)
    }

    pub(crate) fn view(&self) -> View<'_, A> {
        View { dims: self.dims, activation: self.activation, flat: &self.flat, source: (self.flat.version(), 0) }
    }

    pub(crate) fn view_mut(&mut self) -> ViewMut<'_, A> {
        ViewMut { dims: self.dims, flat: &mut self.flat }
    }
}

/// values ← values + `factor` · other
pub(crate) fn scaled_add<A: Scalar>(values: &mut [A], factor: A, other: &[A]) {
    for (value, &other) in values.iter_mut().zip(other) {
        *value += factor * other;
    }
}

/// Σ aᵢ·bᵢ, one chain in double precision.
pub(crate) fn dot<A: Scalar>(a: &[A], b: &[A]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| widen(a) * widen(b)).sum()
}

/// Computes ‖v‖₂ of a slice, with one sequential sum in double precision.
pub(crate) fn norm<A: Scalar>(values: &[A]) -> f64 {
    sum_of_squares(values).sqrt()
}

/// Computes Σ vᵢ² of a slice, with one sequential sum in double precision.
pub(crate) fn sum_of_squares<A: Scalar>(values: &[A]) -> f64 {
    add_squares(0.0, values)
}

/// Computes sum + Σ vᵢ², one chain in double precision.
pub(crate) fn add_squares<A: Scalar>(sum: f64, values: &[A]) -> f64 {
    values.iter().map(|&v| widen(v) * widen(v)).fold(sum, |sum, square| sum + square)
}

fn checked_len(dims: Dims) -> Result<usize, Error> {
    dims.checked_len().ok_or_else(|| too_large(dims.triple()))
}

fn matrix<A>(rows: usize, columns: usize, flat: &[A]) -> ArrayView2<'_, A> {
    ArrayView2::from_shape((rows, columns), flat).expect("the range of a matrix is as long as its shape says")
}

fn matrix_mut<A>(rows: usize, columns: usize, flat: &mut [A]) -> ArrayViewMut2<'_, A> {
    ArrayViewMut2::from_shape((rows, columns), flat).expect("the range of a matrix is as long as its shape says")
}
