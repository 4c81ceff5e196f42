//! Code that the frameworks share: a recurrent layer, a dense layer, and the networks that are refused.

use ndarray::{Array, Array1, ArrayD, ArrayRef, ArrayRef1, ArrayView2, Axis, Dimension, Zip};

use super::Error;
use super::error::abridged;
use super::tensors::{Tensors, check_confirmed, wrong_shape};
use crate::{Activation, Dims, Parameters, Scalar};

/// The order of a matrix's axes in a file. `out` are the units that the layer computes, `in` the values that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axes {
    /// (out, in), as in this crate
    OutIn,
    /// (in, out)
    InOut,
    /// (`count`, out, in), of which this is the one at `index`: the first axis is ONNX's axis of directions
    Direction { index: usize, count: usize },
}

impl Axes {
    /// Formats a shape for a message.
    fn shape(self, [out, input]: [&str; 2]) -> String {
        match self {
            Axes::OutIn => format!("[{out}, {input}]"),
            Axes::InOut => format!("[{input}, {out}]"),
            Axes::Direction { count, .. } => format!("[{count}, {out}, {input}]"),
        }
    }

    /// Reads the matrix of this name as (out, in).
    fn read<'t, A: Scalar>(
        self,
        tensors: &'t Tensors<A>,
        name: &str,
        sizes: [&str; 2],
    ) -> Result<ArrayView2<'t, A>, Error> {
        let array = tensors.get(name)?;
        let found = array.shape().to_vec();
        let refused = || wrong_shape(name, self.shape(sizes), &found);
        match self {
            Axes::Direction { count, .. } if found.len() != 3 || found[0] != count => Err(refused()),
            Axes::Direction { index, .. } => {
                array.index_axis_move(Axis(0), index).into_dimensionality().map_err(|_| refused())
            }
            Axes::OutIn => array.into_dimensionality().map_err(|_| refused()),
            Axes::InOut => array.into_dimensionality().map(ArrayView2::reversed_axes).map_err(|_| refused()),
        }
    }

    /// Converts a matrix (out, in) to the order of the file.
    fn write<A: Scalar>(self, matrix: &ArrayView2<'_, A>) -> ArrayD<A> {
        match self {
            Axes::OutIn => in_c_order(matrix),
            Axes::InOut => in_c_order(&matrix.t()),
            Axes::Direction { .. } => in_c_order(&matrix.view().insert_axis(Axis(0))),
        }
    }
}

/// Copies an array to row-major order, the usual order of the formats.
fn in_c_order<A: Scalar, D: Dimension>(array: &ArrayRef<A, D>) -> ArrayD<A> {
    Array::from_shape_vec(array.raw_dim(), array.iter().copied().collect()).expect("as many as there were").into_dyn()
}

/// The names of a recurrent layer's matrices: `kernel` for the input, `feedback` for the hidden state.
pub(super) struct Recurrent {
    pub(super) kernel: String,
    pub(super) feedback: String,
    pub(super) axes: Axes,
    pub(super) activation: Activation,
}

impl Recurrent {
    /// Reads `wax` and `waa`. `below` is the width of the layer below, or 0.
    pub(super) fn read<'t, A: Scalar>(
        &self,
        tensors: &'t Tensors<A>,
        below: usize,
    ) -> Result<(ArrayView2<'t, A>, ArrayView2<'t, A>), Error> {
        let Recurrent { kernel, feedback, axes, .. } = self;
        let wax = axes.read(tensors, kernel, ["n_a", "n_x"])?;
        let waa = axes.read(tensors, feedback, ["n_a", "n_a"])?;
        check_ungated(feedback, &waa)?;
        let n_a = waa.ncols();
        for (name, matrix, sizes) in [(feedback, &waa, ["n_a", "n_a"]), (kernel, &wax, [&n_a.to_string(), "n_x"])] {
            if matrix.nrows() != n_a {
                let found = tensors.shape(name).expect("it was read");
                return Err(wrong_shape(name, axes.shape(sizes), found));
            }
        }
        let found = tensors.shape(kernel).expect("it was read");
        check_confirmed(kernel, &axes.shape(["n_a", "n_x"]), found, ("n_x", wax.ncols()), n_a, below)?;
        Ok((wax, waa))
    }

    pub(super) fn write<A: Scalar>(
        &self,
        p: &Parameters<A>,
        tensors: &mut Tensors<A>,
        below: usize,
    ) -> Result<(), Error> {
        let Recurrent { kernel, feedback, axes, activation } = self;
        if p.activation() != *activation {
            return Err(other_activation("activation", p.activation().name(), *activation));
        }
        let wax = axes.write(&p.wax());
        let Dims { n_x, n_a, .. } = p.dims();
        check_confirmed(kernel, &axes.shape(["n_a", "n_x"]), wax.shape(), ("n_x", n_x), n_a, below)?;
        insert_new(tensors, kernel, wax)?;
        insert_new(tensors, feedback, axes.write(&p.waa()))
    }
}

/// Refuses a GRU and an LSTM: each gate adds as many rows as there are units.
fn check_ungated<A: Scalar>(name: &str, waa: &ArrayView2<'_, A>) -> Result<(), Error> {
    let units = waa.ncols();
    let kind = match waa.nrows().checked_div(units) {
        Some(gates @ 3..=4) if waa.nrows() == gates * units => ["a GRU", "an LSTM"][gates - 3],
        _ => return Ok(()),
    };
    Err(gated(name, format!("{kind} of {units} units")))
}

pub(super) fn gated(tensor: &str, found: impl Into<String>) -> Error {
    network(tensor, found, "a network without gates")
}

pub(super) fn network(tensor: &str, found: impl Into<String>, expected: impl Into<String>) -> Error {
    Error::Network { tensor: tensor.into(), expected: expected.into(), found: found.into() }
}

/// A layer's bias, by the name of its tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bias {
    name: String,
    /// Whether the name belongs to this layer only.
    unique: bool,
    present: bool,
}

impl Bias {
    /// A bias with a name that identifies its layer.
    pub(super) fn named(name: String) -> Self {
        Bias { name, unique: true, present: true }
    }

    /// A bias at a position. Where the layer has no bias, this position belongs to another tensor.
    pub(super) fn at(place: String) -> Self {
        Bias { name: place, unique: false, present: true }
    }

    /// No bias, and no name for one.
    pub(super) fn none() -> Self {
        Bias { name: String::new(), unique: false, present: false }
    }

    pub(super) fn is_present(&self) -> bool {
        self.present
    }

    /// States that the layer has no bias.
    pub(super) fn remove(&mut self) {
        self.present = false;
    }

    /// Returns the name of the tensor, where the layer has a bias. Refuses an unexpected bias.
    pub(super) fn find<A>(&self, tensors: &Tensors<A>) -> Result<Option<&str>, Error> {
        if !self.present && self.unique && tensors.contains(&self.name) {
            return Err(network(&self.name, "a layer with a bias", "one without"));
        }
        Ok(self.present.then_some(&self.name))
    }

    /// Reads the vector; zeros where the layer has no bias.
    pub(super) fn read<A: Scalar>(&self, tensors: &Tensors<A>, length: usize) -> Result<Array1<A>, Error> {
        match self.find(tensors)? {
            Some(name) => Ok(tensors.vector(name, length).map_err(without_bias)?.to_owned()),
            None => Ok(Array1::zeros(length)),
        }
    }

    /// Adds the tensor of a bias, called `own` in this crate. Where the layer has no bias, `bias` must be +0 and is not
    /// written.
    pub(super) fn write<A: Scalar>(
        &self,
        own: &str,
        bias: &ArrayRef1<A>,
        tensors: &mut Tensors<A>,
    ) -> Result<(), Error> {
        if self.present {
            return insert_new(tensors, &self.name, bias.to_owned());
        }
        if bias.iter().all(|bias| bias.is_zero() && bias.is_sign_positive()) {
            return Ok(());
        }
        Err(network(own, "a value other than zero", "zeros, because the layer has no bias"))
    }
}

/// Adds to the error of a missing bias how to read a layer that has none.
fn without_bias(error: Error) -> Error {
    match error {
        Error::Missing { tensor, present } => {
            let hint = "call `without_bias` or `without_head_bias` for a layer without a bias";
            Error::Missing { tensor, present: format!("{present}; {hint}") }
        }
        other => other,
    }
}

/// A dense layer by the names of its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dense {
    pub(super) weights: String,
    pub(super) bias: Bias,
    pub(super) axes: Axes,
}

/// The output layer: a dense layer, where the caller names one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    dense: Option<Dense>,
    without_bias: bool,
}

impl Head {
    pub(super) fn set(&mut self, dense: Dense) {
        self.dense = Some(dense);
    }

    /// Whether no output layer is named.
    pub(super) fn is_absent(&self) -> bool {
        self.dense.is_none()
    }

    /// States that the layer has no bias. It may be named before or after this call.
    pub(super) fn remove_bias(&mut self) {
        self.without_bias = true;
    }

    /// The layer as the caller describes it.
    fn dense(&self) -> Option<Dense> {
        let mut dense = self.dense.clone();
        if let Some(dense) = dense.as_mut().filter(|_| self.without_bias) {
            dense.bias.remove();
        }
        dense
    }

    /// Reads `wya` and `by`; they have no rows where there is no output layer.
    pub(super) fn read<'t, A: Scalar>(
        &self,
        tensors: &'t Tensors<A>,
        n_a: usize,
    ) -> Result<(ArrayView2<'t, A>, Array1<A>), Error> {
        let Some(Dense { weights, bias, axes }) = self.dense() else {
            let none = ArrayView2::from_shape((0, n_a), &[]).expect("it has no elements");
            return Ok((none, Array1::zeros(0)));
        };
        let wya = axes.read(tensors, &weights, ["n_y", &n_a.to_string()])?;
        let found = tensors.shape(&weights).expect("it was read");
        if wya.ncols() != n_a {
            return Err(wrong_shape(&weights, axes.shape(["n_y", &n_a.to_string()]), found));
        }
        if bias.find(tensors)?.is_none() {
            check_outputs(&weights, axes, found, wya.dim())?;
        }
        Ok((wya, bias.read(tensors, wya.nrows())?))
    }

    /// Adds the layer's tensors. Where no layer is named, `n_y` must be 0.
    pub(super) fn write<A: Scalar>(
        &self,
        wya: &ArrayView2<'_, A>,
        by: &ArrayRef1<A>,
        tensors: &mut Tensors<A>,
    ) -> Result<(), Error> {
        let Some(Dense { weights, bias, axes }) = self.dense() else {
            if wya.nrows() == 0 {
                return Ok(());
            }
            let expected = format!("[0, {}], because no output layer is named", wya.ncols());
            return Err(wrong_shape("wya", expected, wya.shape()));
        };
        let written = axes.write(wya);
        if bias.find(tensors)?.is_none() {
            check_outputs(&weights, axes, written.shape(), wya.dim())?;
        }
        insert_new(tensors, &weights, written)?;
        bias.write("by", by, tensors)
    }
}

/// Refuses a number of outputs that no element of the weights confirms. Call it where the layer has no bias.
fn check_outputs(weights: &str, axes: Axes, found: &[usize], (n_y, n_a): (usize, usize)) -> Result<(), Error> {
    check_confirmed(weights, &axes.shape(["n_y", "n_a"]), found, ("n_y", n_y), n_a, 0)
}

/// Inserts an array under a new name.
pub(super) fn insert_new<A, D: Dimension>(
    tensors: &mut Tensors<A>,
    name: &str,
    array: Array<A, D>,
) -> Result<(), Error> {
    if tensors.contains(name) {
        return Err(Error::DuplicateName { tensor: name.into() });
    }
    tensors.insert(name, array);
    Ok(())
}

/// Adds a layer's two biases. Where the second is zero, the result is bit-identical to the first, also for −0 and a NaN.
pub(super) fn sum<A: Scalar>(first: &ArrayRef1<A>, second: &ArrayRef1<A>) -> Array1<A> {
    Zip::from(first).and(second).map_collect(|&first, &second| if second.is_zero() { first } else { first + second })
}

/// Finds a setting of a layer, and returns its key and value.
///
/// The caller's value comes first, then the metadata under `prefix` and `key`, then the metadata under `key` alone. The last
/// may belong to another layer.
pub(super) fn stated<'s, A>(
    own: Option<&'s str>,
    tensors: &'s Tensors<A>,
    prefix: &str,
    key: &str,
) -> Option<(String, &'s str)> {
    let own = own.map(|value| (key.to_owned(), value));
    let keys = [format!("{prefix}{key}"), key.to_owned()];
    own.or_else(|| keys.into_iter().find_map(|key| tensors.metadata().get(&key).map(|value| (key, value.as_str()))))
}

/// Refuses a stated setting that differs from `accepted`, ignoring case.
pub(super) fn check_stated(
    stated: Option<(String, &str)>,
    accepted: &str,
    describe: impl Fn(&str) -> String,
    expected: impl Into<String>,
) -> Result<(), Error> {
    match stated.filter(|(_, value)| !value.eq_ignore_ascii_case(accepted)) {
        Some((key, value)) => Err(network(&key, describe(&abridged(value)), expected)),
        None => Ok(()),
    }
}

/// Refuses a file whose metadata names another nonlinearity than the expected one.
pub(super) fn check_activation<A>(
    expected: Activation,
    tensors: &Tensors<A>,
    prefix: &str,
    key: &str,
) -> Result<(), Error> {
    match stated(None, tensors, prefix, key) {
        Some((key, value)) if !names(expected).iter().any(|name| value.eq_ignore_ascii_case(name)) => {
            Err(other_activation(&key, &abridged(value), expected))
        }
        _ => Ok(()),
    }
}

fn other_activation(key: &str, found: &str, expected: Activation) -> Error {
    network(key, format!("a network of {found} units"), format!("one of {expected} units"))
}

/// What the frameworks call a nonlinearity, in any case.
pub(super) fn names(activation: Activation) -> &'static [&'static str] {
    match activation {
        Activation::Tanh => &["tanh"],
        Activation::Relu => &["relu"],
        Activation::Sigmoid => &["sigmoid"],
        // Keras and ONNX have other names.
        Activation::Identity => &["identity", "linear", "affine"],
    }
}
