//! What the layers of every framework have in common: a recurrent one, a dense one, and what they must not be.

use ndarray::{Array, Array1, Array2, ArrayD, ArrayRef, ArrayRef1, ArrayView2, Axis, Dimension, Zip};

use super::Error;
use super::tensors::{Tensors, abridged, check_confirmed, wrong_shape};
use crate::{Parameters, Scalar};

/// How a layer's matrix lies in a file; `out` are the units that it computes, `in` what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axes {
    /// (out, in), as in this crate
    OutIn,
    /// (in, out)
    InOut,
    /// (1, out, in), behind ONNX's axis of directions
    OneOutIn,
}

impl Axes {
    fn order<T>(self, [out, input]: [T; 2], one: T) -> Vec<T> {
        match self {
            Axes::OutIn => vec![out, input],
            Axes::InOut => vec![input, out],
            Axes::OneOutIn => vec![one, out, input],
        }
    }

    /// A shape for a message.
    fn shape(self, sizes: [&str; 2]) -> String {
        format!("[{}]", self.order(sizes, "1").join(", "))
    }

    /// The matrix of this name as (out, in).
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
            Axes::OneOutIn if found.len() != 3 || found[0] != 1 => Err(refused()),
            Axes::OneOutIn => array.index_axis_move(Axis(0), 0).into_dimensionality().map_err(|_| refused()),
            Axes::OutIn => array.into_dimensionality().map_err(|_| refused()),
            Axes::InOut => array.into_dimensionality().map(ArrayView2::reversed_axes).map_err(|_| refused()),
        }
    }

    /// A matrix (out, in) as it lies in a file.
    fn write<A: Scalar>(self, matrix: &ArrayView2<'_, A>) -> ArrayD<A> {
        match self {
            Axes::OutIn => in_c_order(matrix),
            Axes::InOut => in_c_order(&matrix.t()),
            Axes::OneOutIn => in_c_order(&matrix.view().insert_axis(Axis(0))),
        }
    }
}

/// Formats know row-major arrays best.
fn in_c_order<A: Scalar, D: Dimension>(array: &ArrayRef<A, D>) -> ArrayD<A> {
    Array::from_shape_vec(array.raw_dim(), array.iter().copied().collect()).expect("as many as there were").into_dyn()
}

/// The matrices of a recurrent layer, by the names of those of the input and of the hidden state.
pub(super) struct Recurrent {
    pub(super) kernel: String,
    pub(super) feedback: String,
    pub(super) axes: Axes,
}

impl Recurrent {
    /// `wax` and `waa`.
    pub(super) fn read<'t, A: Scalar>(
        &self,
        tensors: &'t Tensors<A>,
    ) -> Result<(ArrayView2<'t, A>, ArrayView2<'t, A>), Error> {
        let Recurrent { kernel, feedback, axes } = self;
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
        check_confirmed(kernel, &axes.shape(["n_a", "n_x"]), found, ("n_x", wax.ncols()), n_a)?;
        Ok((wax, waa))
    }

    pub(super) fn write<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>) -> Result<(), Error> {
        let Recurrent { kernel, feedback, axes } = self;
        let wax = axes.write(&p.wax());
        check_confirmed(kernel, &axes.shape(["n_a", "n_x"]), wax.shape(), ("n_x", p.dims().n_x), p.dims().n_a)?;
        insert_new(tensors, kernel, wax)?;
        insert_new(tensors, feedback, axes.write(&p.waa()))
    }
}

/// A gate is as many rows again as there are units.
fn check_ungated<A: Scalar>(name: &str, waa: &ArrayView2<'_, A>) -> Result<(), Error> {
    let units = waa.ncols();
    let kind = match waa.nrows().checked_div(units) {
        Some(gates @ 3..=4) if waa.nrows() == gates * units => ["a GRU", "an LSTM"][gates - 3],
        _ => return Ok(()),
    };
    Err(gated(name, format!("{kind} of {units} units")))
}

pub(super) fn gated(tensor: &str, found: impl Into<String>) -> Error {
    network(tensor, found, "without gates")
}

pub(super) fn network(tensor: &str, found: impl Into<String>, expected: &'static str) -> Error {
    Error::Network { tensor: tensor.into(), expected, found: found.into() }
}

/// A dense layer by the names of its weights: the network's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dense {
    pub(super) weights: String,
    pub(super) bias: String,
    pub(super) axes: Axes,
}

impl Dense {
    /// `wya` and `by`; a layer without a bias has no tensor for it.
    fn read<'t, A: Scalar>(
        &self,
        tensors: &'t Tensors<A>,
        n_a: usize,
    ) -> Result<(ArrayView2<'t, A>, Array1<A>), Error> {
        let wya = self.axes.read(tensors, &self.weights, ["n_y", &n_a.to_string()])?;
        let found = tensors.shape(&self.weights).expect("it was read");
        if wya.ncols() != n_a {
            return Err(wrong_shape(&self.weights, self.axes.shape(["n_y", &n_a.to_string()]), found));
        }
        if !tensors.contains(&self.bias) {
            let expected = self.axes.shape(["n_y", "n_a"]);
            check_confirmed(&self.weights, &expected, found, ("n_y", wya.nrows()), n_a)?;
        }
        Ok((wya, optional(tensors, &self.bias, wya.nrows())?))
    }
}

/// A bias, or zeros where the layer has none: no name for it, or no tensor of this name.
pub(super) fn optional<A: Scalar>(tensors: &Tensors<A>, name: &str, length: usize) -> Result<Array1<A>, Error> {
    if name.is_empty() || !tensors.contains(name) {
        return Ok(Array1::zeros(length));
    }
    Ok(tensors.vector(name, length)?.to_owned())
}

/// A bias, called `own` here, as the tensor `name`. Without a name it has to be +0, and is not written.
pub(super) fn write_bias<A: Scalar>(
    own: &str,
    bias: &ArrayRef1<A>,
    name: &str,
    tensors: &mut Tensors<A>,
) -> Result<(), Error> {
    if !name.is_empty() {
        return insert_new(tensors, name, bias.to_owned());
    }
    if bias.iter().all(|bias| bias.is_zero() && bias.is_sign_positive()) {
        return Ok(());
    }
    Err(wrong_shape(own, "a bias of zeros, for no tensor is named to hold it".into(), bias.shape()))
}

/// Gives an array a name that no other array of these layers has.
pub(super) fn insert_new<A, D: Dimension>(
    tensors: &mut Tensors<A>,
    name: &str,
    array: Array<A, D>,
) -> Result<(), Error> {
    if tensors.contains(name) {
        return Err(Error::Twice { tensor: name.into() });
    }
    tensors.insert(name, array);
    Ok(())
}

/// The sum of a layer's two biases. One that is zero leaves the other's bits, so that −0 and a NaN come back as they went.
pub(super) fn sum<A: Scalar>(first: &ArrayRef1<A>, second: &ArrayRef1<A>) -> Array1<A> {
    Zip::from(first).and(second).map_collect(|&first, &second| if second.is_zero() { first } else { first + second })
}

/// The network of a recurrent layer and of a dense one, where there is one.
pub(super) fn assemble<A: Scalar>(
    tensors: &Tensors<A>,
    (wax, waa): (ArrayView2<'_, A>, ArrayView2<'_, A>),
    ba: &Array1<A>,
    head: Option<&Dense>,
) -> Result<Parameters<A>, Error> {
    let n_a = waa.nrows();
    let none = Array2::zeros((0, n_a));
    let (wya, by) = match head {
        Some(head) => head.read(tensors, n_a)?,
        None => (none.view(), Array1::zeros(0)),
    };
    Ok(Parameters::from_arrays(&wax, &waa, &wya, ba, &by).expect("every shape was checked"))
}

/// The head into the tensors. Without a layer for it, there must be no head.
pub(super) fn write_head<A: Scalar>(
    p: &Parameters<A>,
    head: Option<&Dense>,
    tensors: &mut Tensors<A>,
) -> Result<(), Error> {
    match head {
        Some(Dense { weights, bias, axes }) => {
            insert_new(tensors, weights, axes.write(&p.wya()))?;
            write_bias("by", &p.by(), bias, tensors)
        }
        None if p.dims().n_y == 0 => Ok(()),
        None => {
            let expected = format!("[0, {}], for no layer is named to hold it", p.dims().n_a);
            Err(wrong_shape("wya", expected, p.wya().shape()))
        }
    }
}

/// What is said of a layer beside its weights: by the caller, or else by the file's metadata under `prefix` and `key`, or
/// else under `key` alone, which may be meant for another layer.
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

/// Refuses what is stated, unless it is `accepted`, in whatever case.
pub(super) fn check_stated(
    stated: Option<(String, &str)>,
    accepted: &str,
    describe: impl Fn(&str) -> String,
    expected: &'static str,
) -> Result<(), Error> {
    match stated.filter(|(_, value)| !value.eq_ignore_ascii_case(accepted)) {
        Some((key, value)) => Err(network(&key, describe(&abridged(value)), expected)),
        None => Ok(()),
    }
}

/// Refuses units that are not tanh ones.
pub(super) fn check_tanh(stated: Option<(String, &str)>) -> Result<(), Error> {
    check_stated(stated, "tanh", |value| format!("a network of {value} units"), "one of tanh units")
}
