//! The errors of arguments, and the checks that find them.

use std::borrow::Borrow;
use std::{fmt, iter, slice};

use ndarray::{ArrayRef, Dimension};

/// The axes of an input of vectors.
pub(crate) const X: &[&str] = &["n_x", "m", "T_x"];
/// The axes of an input of tokens, and of targets.
pub(crate) const TOKENS: &[&str] = &["m", "T_x"];
/// The axes of hidden states; those of one step are the first two.
pub(crate) const HIDDEN: &[&str] = &["n_a", "m", "T_x"];
/// The axes of logits and probabilities; those of one step are the first two.
pub(crate) const OUTPUT: &[&str] = &["n_y", "m", "T_x"];
const NETWORK: &[&str] = &["n_x", "n_a", "n_y"];

/// The reason why a call was refused. The call computed nothing and wrote nothing.
///
/// # Examples
///
/// ```
/// use elman::{sequence, Dims, Parameters};
/// use ndarray::Array3;
///
/// let p = Parameters::<f64>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let error = sequence::forward(&p, &Array3::ones((4, 10, 6)), None).unwrap_err();
/// assert_eq!(error.to_string(), "`x` has shape (4, 10, 6), expected (n_x, m, T_x) = (3, _, _)");
/// ```
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array or a slice has the wrong shape. This crate never broadcasts.
    #[error("`{argument}` has shape {found}, expected {expected}{}", hint(argument, expected, found))]
    Shape {
        /// The argument's name.
        argument: &'static str,
        /// The shape that the call needs.
        expected: Shape,
        /// The shape that was given.
        found: Shape,
    },
    /// The input and the initial hidden state `a0` have different numbers of columns.
    #[error(
        "`{input}` and `a0` have different numbers of columns m: \
         `{input}` has shape {input_shape}, `a0` has shape ({n_a}, {found}), expected (n_a, m) = ({n_a}, {expected}){hint}",
        hint = if *swapped { "; the axes m and T_x of the input may be swapped" } else { "" }
    )]
    Columns {
        /// The input's name.
        input: &'static str,
        /// The input's shape.
        input_shape: Shape,
        /// The hidden units.
        n_a: usize,
        /// The input's columns.
        expected: usize,
        /// The columns of `a0`.
        found: usize,
        /// Whether the numbers of columns agree after swapping the axes m and `T_x` of the input.
        swapped: bool,
    },
    /// A cache, a gradient or a checkpoint comes from a network of other dimensions.
    #[error("`{argument}` belongs to a network of {found}, expected {expected}")]
    Network {
        /// The argument's name.
        argument: &'static str,
        /// The dimensions (`n_x`, `n_a`, `n_y`) that the call needs.
        expected: Shape,
        /// The dimensions that were given.
        found: Shape,
    },
    /// A cache or gradients come from a stack of another shape.
    #[error("`{argument}` belongs to a stack {found}, expected {expected}")]
    Architecture {
        /// The argument's name.
        argument: &'static str,
        /// The stack that the call needs, such as `3 → 5 tanh → 2`.
        expected: Box<str>,
        /// The stack of the argument.
        found: Box<str>,
    },
    /// A state of a stack is missing, or has the wrong shape.
    #[error(
        "`{argument}` has {} for layer {layer}, direction {direction}, expected (n_a, m) = ({}, {})",
        found.map_or("no state".into(), |[n_a, m]| format!("shape ({n_a}, {m})")), expected[0], expected[1]
    )]
    States {
        /// The argument's name.
        argument: &'static str,
        /// The layer.
        layer: usize,
        /// The direction.
        direction: &'static str,
        /// The shape that the call needs, (`n_a`, m).
        expected: [usize; 2],
        /// The shape that was given; `None` where the state is missing.
        found: Option<[usize; 2]>,
    },
    /// The states belong to a stack with more layers or directions.
    #[error("`{argument}` has {found} states, expected {expected}, one for each layer and direction")]
    StateCount {
        /// The argument's name.
        argument: &'static str,
        /// The number of layers and directions.
        expected: usize,
        /// The number of states that was given.
        found: usize,
    },
    /// A stack has more parameters than a machine can address.
    #[error("a stack {found} has more parameters than a machine can address")]
    StackTooLarge {
        /// The stack, such as `3 → 5 tanh → 2`.
        found: Box<str>,
    },
    /// The reverse direction of a stack's highest layer has an output bias, which the stack has once.
    #[error(
        "the reverse direction of `networks` has an output bias that is not zero, expected it in the forward direction"
    )]
    OutputBias,
    /// A stack cannot run step by step or window by window, because a reverse direction needs the whole sequence.
    #[error(
        "layer {layer} of the stack has two directions, expected one: a reverse direction needs the whole sequence"
    )]
    Bidirectional {
        /// The lowest such layer.
        layer: usize,
    },
    /// A stack has no layer, so it computes nothing.
    #[error("the stack has no layer, expected at least 1")]
    NoLayers,
    /// A cache comes from a network with another nonlinearity.
    #[error("`{argument}` belongs to a network of {found} units, expected {expected}")]
    Activation {
        /// The argument's name.
        argument: &'static str,
        /// The nonlinearity of the parameters.
        expected: &'static str,
        /// The nonlinearity of the argument.
        found: &'static str,
    },
    /// A network has more parameters than a machine can address.
    #[error("a network of {found} has more parameters than a machine can address")]
    TooLarge {
        /// The dimensions (`n_x`, `n_a`, `n_y`).
        found: Shape,
    },
    /// The optimiser has taken steps with another number of parameters.
    #[error(
        "`parameters` has {found} elements, but this optimiser has taken steps with {expected}: \
         make a new optimiser for each network"
    )]
    Optimizer {
        /// The number of parameters in the earlier steps.
        expected: usize,
        /// The number of parameters in this call.
        found: usize,
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
        found: Box<str>,
    },
    /// A token id is not an input of the network.
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
        /// The token id that was given.
        found: usize,
    },
    /// A step of a sliding window is of another kind than those before it.
    #[error("`{argument}` holds {found}, but the window holds {expected}")]
    Inputs {
        /// The argument's name.
        argument: &'static str,
        /// The steps in the window, such as `vectors of 3`.
        expected: Box<str>,
        /// The step that was given.
        found: Box<str>,
    },
    /// A list of columns names one that does not exist.
    #[error("`{argument}` holds column {found}, expected one below {expected}")]
    NoColumn {
        /// The argument's name.
        argument: &'static str,
        /// The number of columns, m.
        expected: usize,
        /// The column that was given.
        found: usize,
    },
    /// A list of columns names one twice.
    #[error("`{argument}` holds column {found} twice, expected each column once at most")]
    RepeatedColumn {
        /// The argument's name.
        argument: &'static str,
        /// The column.
        found: usize,
    },
    /// A column is longer than the sequence.
    #[error("`{argument}` holds {found} for column {column}, expected at most {expected}")]
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
    /// The memory limit of a call is too small.
    #[error("`{argument}` is {found} bytes, expected at least {expected}")]
    Memory {
        /// The argument's name.
        argument: &'static str,
        /// The minimum number of bytes.
        expected: usize,
        /// The number of bytes that was given.
        found: usize,
    },
    /// A number is outside its valid range.
    #[error("`{argument}` is {found}, expected {expected}")]
    Range {
        /// The argument's name.
        argument: &'static str,
        /// The valid values.
        expected: &'static str,
        /// The value that was given.
        found: f64,
    },
}

/// The message, as in `Display`: `main` and `unwrap` print it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What to do about an input in PyTorch's order of axes.
fn hint(argument: &str, expected: &Shape, found: &Shape) -> &'static str {
    let (n_x, found): (_, Vec<_>) = (expected.lengths().next(), found.lengths().collect());
    match (argument, &found[..]) {
        ("x", [first, _, last]) if n_x.as_ref() == Some(last) && first != last => {
            "; `x.permuted_axes([2, 1, 0])` if x is (T_x, m, n_x), `x.permuted_axes([2, 0, 1])` if x is (m, T_x, n_x)"
        }
        _ => "",
    }
}

/// The shape of an array, or the shape that a call needs: `(5, 10)`, or with named axes `(n_x, m, T_x) = (5, _, _)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Shape {
    /// Empty where the axes have no names.
    names: &'static [&'static str],
    lengths: Lengths,
}

/// The lengths of axes. Up to three are stored inline, so an error about this crate's own arrays allocates nothing.
#[derive(Clone, PartialEq, Eq)]
enum Lengths {
    /// The lengths, and how many of them are used.
    Few([usize; FEW], u8),
    Many(Box<[usize]>),
    /// The length of the first axis, and the number of further axes, which may have any length.
    First(usize, u8),
}

const FEW: usize = 3;

impl Shape {
    /// Returns the length of each axis, `None` where any length is accepted.
    pub fn lengths(&self) -> impl Iterator<Item = Option<usize>> {
        let (fixed, any) = match &self.lengths {
            Lengths::Few(lengths, rank) => (&lengths[..usize::from(*rank)], 0),
            Lengths::Many(lengths) => (&**lengths, 0),
            Lengths::First(first, others) => (slice::from_ref(first), *others),
        };
        fixed.iter().copied().map(Some).chain(iter::repeat_n(None, any.into()))
    }

    pub(crate) fn of(names: &'static [&'static str], lengths: &[usize]) -> Self {
        let lengths = match *lengths {
            [] => Lengths::Few([0; FEW], 0),
            [a] => Lengths::Few([a, 0, 0], 1),
            [a, b] => Lengths::Few([a, b, 0], 2),
            [a, b, c] => Lengths::Few([a, b, c], 3),
            _ => Lengths::Many(lengths.into()),
        };
        Shape { names, lengths }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.names.is_empty() {
            write!(f, "{} = ", tuple(self.names))?;
        }
        let lengths: Vec<_> =
            self.lengths().map(|length| length.map_or("_".into(), |length| length.to_string())).collect();
        f.write_str(&tuple(&lengths))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Formats a tuple as in Python and Rust: a single element has a comma.
fn tuple(elements: &[impl Borrow<str>]) -> String {
    let comma = if elements.len() == 1 { "," } else { "" };
    format!("({}{comma})", elements.join(", "))
}

/// Checks that `array.shape() == lengths`. Empty `names` mean that the axes have no names.
pub(crate) fn check_shape<A, D: Dimension, const N: usize>(
    argument: &'static str,
    array: &ArrayRef<A, D>,
    names: &'static [&'static str],
    lengths: [usize; N],
) -> Result<(), Error> {
    if array.shape() == lengths {
        Ok(())
    } else {
        Err(wrong_shape(argument, Shape::of(names, &lengths), array.shape()))
    }
}

/// Checks that `array.shape()[0] == length`. The array has two or three axes; the other axes may have any length.
pub(crate) fn check_first_axis<A, D: Dimension>(
    argument: &'static str,
    array: &ArrayRef<A, D>,
    names: &'static [&'static str],
    length: usize,
) -> Result<(), Error> {
    if array.shape().first() == Some(&length) {
        return Ok(());
    }
    let others = if array.ndim() == 2 { 1 } else { 2 };
    let expected = Shape { names, lengths: Lengths::First(length, others) };
    Err(wrong_shape(argument, expected, array.shape()))
}

/// Checks that `array.shape() == other.shape()`.
pub(crate) fn check_same_shape<A, D: Dimension>(
    argument: &'static str,
    array: &ArrayRef<A, D>,
    other: &ArrayRef<A, D>,
) -> Result<(), Error> {
    if array.shape() == other.shape() {
        return Ok(());
    }
    Err(wrong_shape(argument, Shape::of(&[], other.shape()), array.shape()))
}

/// Checks that `slice.len() == length`. Empty `names` mean that the length has no name.
pub(crate) fn check_len<A>(
    argument: &'static str,
    slice: &[A],
    names: &'static [&'static str],
    length: usize,
) -> Result<(), Error> {
    if slice.len() == length { Ok(()) } else { Err(wrong_shape(argument, Shape::of(names, &[length]), &[slice.len()])) }
}

/// Checks that `found == expected`. Both are (`n_x`, `n_a`, `n_y`).
pub(crate) fn check_network(argument: &'static str, found: [usize; 3], expected: [usize; 3]) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Network { argument, expected: Shape::of(&[], &expected), found: Shape::of(NETWORK, &found) })
}

/// `found == expected`, the names of two nonlinearities.
pub(crate) fn check_activation(
    argument: &'static str,
    found: &'static str,
    expected: &'static str,
) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::Activation { argument, expected, found }) }
}

/// Makes the error for a network of these dimensions, (`n_x`, `n_a`, `n_y`).
pub(crate) fn too_large(found: [usize; 3]) -> Error {
    Error::TooLarge { found: Shape::of(NETWORK, &found) }
}

/// Checks a number: `holds` is the condition, and `expected` describes it.
pub(crate) fn check_range(
    argument: &'static str,
    found: f64,
    expected: &'static str,
    holds: bool,
) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error::Range { argument, expected, found }) }
}

/// Checks a count: `holds` is the condition, and `expected` describes it.
#[expect(clippy::cast_precision_loss, reason = "a count that is refused is small")]
pub(crate) fn check_count(
    argument: &'static str,
    found: usize,
    expected: &'static str,
    holds: bool,
) -> Result<(), Error> {
    check_range(argument, found as f64, expected, holds)
}

/// Checks that no column has more than `t_x` steps.
pub(crate) fn check_lengths(lengths: &[usize], t_x: usize) -> Result<(), Error> {
    match lengths.iter().position(|&length| length > t_x) {
        Some(column) => Err(Error::Length { argument: "lengths", column, expected: t_x, found: lengths[column] }),
        None => Ok(()),
    }
}

#[cold]
pub(crate) fn wrong_shape(argument: &'static str, expected: Shape, found: &[usize]) -> Error {
    Error::Shape { argument, expected, found: Shape::of(&[], found) }
}
