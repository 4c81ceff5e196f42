//! What can be wrong with an argument, and the checks that find it.

use std::fmt;

use ndarray::{ArrayRef, Dimension};

/// Why a call was refused. Nothing was computed, and nothing was written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array, or a slice, has the wrong shape. Nothing is ever broadcast.
    #[error("`{argument}` has shape {found}, expected {expected}")]
    Shape {
        /// The argument's name.
        argument: &'static str,
        /// The shape that the call needs.
        expected: Shape,
        /// The shape that was given.
        found: Shape,
    },
    /// A cache, a gradient or a checkpoint comes from a network of other dimensions.
    #[error("`{argument}` belongs to a network of (n_x, n_a, n_y) = {found}, expected {expected}")]
    Network {
        /// The argument's name.
        argument: &'static str,
        /// The dimensions (`n_x`, `n_a`, `n_y`) that the call needs.
        expected: Shape,
        /// The dimensions that were given.
        found: Shape,
    },
    /// A network has more parameters than a machine can address.
    #[error("a network of (n_x, n_a, n_y) = {found} has more parameters than a machine can address")]
    TooLarge {
        /// The dimensions (`n_x`, `n_a`, `n_y`).
        found: Shape,
    },
    /// A label is not a class of the network's output.
    #[error("`{argument}` holds label {found} at column {column}, step {step}, expected one below {expected}")]
    Label {
        /// The argument's name.
        argument: &'static str,
        /// The batch column.
        column: usize,
        /// The time step.
        step: usize,
        /// The number of classes.
        expected: usize,
        /// The label that was given.
        found: usize,
    },
    /// A token is not an input of the network.
    #[error("`{argument}` holds token {found} at column {column}, step {step}, expected one below {expected}")]
    Token {
        /// The argument's name.
        argument: &'static str,
        /// The batch column.
        column: usize,
        /// The time step.
        step: usize,
        /// The number of inputs, `n_x`.
        expected: usize,
        /// The token that was given.
        found: usize,
    },
    /// A column is longer than the sequence.
    #[error("`{argument}` says {found} for column {column}, expected at most {expected}")]
    Length {
        /// The argument's name.
        argument: &'static str,
        /// The batch column.
        column: usize,
        /// The number of steps, `T_x`.
        expected: usize,
        /// The length that was given.
        found: usize,
    },
    /// A call cannot keep within the memory that it was given.
    #[error("`{argument}` is {found} bytes, expected at least {expected}")]
    Memory {
        /// The argument's name.
        argument: &'static str,
        /// The least that is enough.
        expected: usize,
        /// The bytes that were given.
        found: usize,
    },
    /// A number is outside the range in which it has a meaning.
    #[error("`{argument}` is {found}, expected {expected}")]
    Range {
        /// The argument's name.
        argument: &'static str,
        /// The values that have a meaning.
        expected: &'static str,
        /// The value that was given.
        found: f64,
    },
}

/// A shape of up to three axes, as errors carry it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    axes: [usize; 3],
    rank: usize,
}

impl Shape {
    /// The length of each axis.
    #[must_use]
    pub fn axes(&self) -> &[usize] {
        &self.axes[..self.rank]
    }

    fn of(axes: &[usize]) -> Self {
        let mut shape = Shape { axes: [0; 3], rank: axes.len() };
        shape.axes[..axes.len()].copy_from_slice(axes);
        shape
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.axes() {
            [a] => write!(f, "({a},)"),
            [a, b] => write!(f, "({a}, {b})"),
            axes => write!(f, "({}, {}, {})", axes[0], axes[1], axes[2]),
        }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `array.shape() == expected`
pub(crate) fn check_shape<A, D: Dimension, const N: usize>(
    argument: &'static str,
    array: &ArrayRef<A, D>,
    expected: [usize; N],
) -> Result<(), Error> {
    if array.shape() == expected { Ok(()) } else { Err(wrong_shape(argument, &expected, array.shape())) }
}

/// `slice.len() == expected`
pub(crate) fn check_len<A>(argument: &'static str, slice: &[A], expected: usize) -> Result<(), Error> {
    if slice.len() == expected { Ok(()) } else { Err(wrong_shape(argument, &[expected], &[slice.len()])) }
}

/// `found == expected`, each (`n_x`, `n_a`, `n_y`).
pub(crate) fn check_network(argument: &'static str, found: [usize; 3], expected: [usize; 3]) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Network { argument, expected: Shape::of(&expected), found: Shape::of(&found) })
}

/// The error of a network of these dimensions, (`n_x`, `n_a`, `n_y`).
pub(crate) fn too_large(found: [usize; 3]) -> Error {
    Error::TooLarge { found: Shape::of(&found) }
}

/// `holds`, for a number that `expected` describes.
pub(crate) fn check_range(
    argument: &'static str,
    found: f64,
    expected: &'static str,
    holds: bool,
) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Range { argument, expected, found }) }
}

/// `holds`, for a count that `expected` describes.
#[expect(clippy::cast_precision_loss, reason = "a count that is refused is small")]
pub(crate) fn check_count(
    argument: &'static str,
    found: usize,
    expected: &'static str,
    holds: bool,
) -> Result<(), Error> {
    check_range(argument, found as f64, expected, holds)
}

#[cold]
fn wrong_shape(argument: &'static str, expected: &[usize], found: &[usize]) -> Error {
    Error::Shape { argument, expected: Shape::of(expected), found: Shape::of(found) }
}
