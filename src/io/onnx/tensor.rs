//! The tensors of an ONNX file.

use ndarray::{ArrayD, ArrayViewD};

use super::invalid;
use super::proto::{EXTERNAL, Tensor, data_type};
use crate::Scalar;
use crate::io::element::{MAX_AXES, extend_le, from_le};
use crate::io::error::abridged;
use crate::io::{Error, Tensors};
use crate::scalar::{from_bits, type_name};

/// A constant of integers.
#[derive(Debug)]
pub(super) struct Integers {
    pub(super) values: Vec<i64>,
    /// Whether it is a number, and not a list.
    pub(super) is_scalar: bool,
}

/// The integers of a constant; `None` where it has other elements.
pub(super) fn integers(name: &str, tensor: &Tensor) -> Result<Option<Integers>, Error> {
    if tensor.data_type() != data_type::INT64 {
        return Ok(None);
    }
    let (_, size) = shape(name, tensor)?;
    let integer = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let values: Vec<i64> = match &tensor.raw_data {
        Some(bytes) => bytes.chunks_exact(8).map(integer).collect(),
        None => tensor.int64_data.clone(),
    };
    if values.len() != size {
        return Err(of_tensor(name, format!("has {} integers, expected {size}", values.len())));
    }
    Ok(Some(Integers { values, is_scalar: tensor.dims.is_empty() }))
}

/// Whether a constant is one zero.
pub(super) fn is_zero(tensor: &Tensor) -> bool {
    let raw = |size: usize| tensor.raw_data().len() == size && tensor.raw_data().iter().all(|&byte| byte == 0);
    let is_here = tensor.data_location() != EXTERNAL;
    is_here
        && match tensor.data_type() {
            data_type::FLOAT => raw(4) || tensor.float_data[..] == [0.0],
            data_type::DOUBLE => raw(8) || tensor.double_data[..] == [0.0],
            data_type::INT64 => raw(8) || tensor.int64_data[..] == [0],
            _ => false,
        }
}

/// An error about a tensor.
fn of_tensor(name: &str, reason: impl std::fmt::Display) -> Error {
    invalid(format!("tensor `{}` {reason}", abridged(name)))
}

/// The shape of a tensor, and its number of elements.
fn shape(name: &str, tensor: &Tensor) -> Result<(Vec<usize>, usize), Error> {
    if tensor.data_location() == EXTERNAL {
        return Err(of_tensor(name, "has its elements in another file, expected them in this one"));
    }
    if tensor.dims.len() > MAX_AXES {
        return Err(of_tensor(name, format!("has {} axes, expected at most {MAX_AXES}", tensor.dims.len())));
    }
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&length| usize::try_from(length).ok()).collect();
    let negative = || of_tensor(name, format!("has shape {:?}, expected no negative length", tensor.dims));
    let shape = shape.ok_or_else(negative)?;
    // An axis of length zero does not make the others smaller.
    let size = shape.iter().try_fold(1_usize, |size, &length| size.checked_mul(length.max(1)));
    let size = size.filter(|size| isize::try_from(size.saturating_mul(8)).is_ok());
    let size = size.ok_or_else(|| of_tensor(name, format!("has shape {shape:?}, which no machine can address")))?;
    let size = if shape.contains(&0) { 0 } else { size };
    Ok((shape, size))
}

/// Adds the tensor under this name. One of another element type is listed.
pub(super) fn insert<A: Scalar>(tensors: &mut Tensors<A>, name: &str, tensor: &Tensor) -> Result<(), Error> {
    if tensors.contains(name) {
        return Err(Error::DuplicateName { tensor: abridged(name) });
    }
    let (shape, size) = shape(name, tensor)?;
    let own = of::<A>();
    if tensor.data_type() != own {
        let names = [(data_type::FLOAT, "F32"), (data_type::DOUBLE, "F64")];
        let found = names.iter().find(|(number, _)| *number == tensor.data_type());
        let found = found.map_or_else(|| format!("number {}", tensor.data_type()), |(_, name)| (*name).into());
        tensors.list(name.into(), found, shape);
        return Ok(());
    }
    let elements: Vec<A> = match &tensor.raw_data {
        Some(bytes) if bytes.len() == size.saturating_mul(size_of::<A>()) => from_le(bytes),
        Some(bytes) => {
            return Err(of_tensor(
                name,
                format!("has shape {shape:?} of {} elements in {} bytes", type_name::<A>(), bytes.len()),
            ));
        }
        None if own == data_type::FLOAT => {
            tensor.float_data.iter().filter_map(|float| from_bits(float.to_bits().into())).collect()
        }
        None => tensor.double_data.iter().filter_map(|double| from_bits(double.to_bits())).collect(),
    };
    if elements.len() != size {
        return Err(of_tensor(name, format!("has shape {shape:?} and {} elements", elements.len())));
    }
    tensors.insert(name, ArrayD::from_shape_vec(shape, elements).expect("the size was checked"));
    Ok(())
}

/// The message of an array.
pub(super) fn of_array<A: Scalar>(name: &str, array: &ArrayViewD<'_, A>) -> Tensor {
    let mut bytes = Vec::with_capacity(size_of::<A>() * array.len());
    extend_le(&mut bytes, array.iter().copied());
    Tensor {
        dims: array.shape().iter().map(|&length| i64::try_from(length).expect("an array is shorter")).collect(),
        data_type: Some(of::<A>()),
        name: Some(name.into()),
        raw_data: Some(bytes),
        ..Tensor::default()
    }
}

/// The message of integers, one axis.
pub(super) fn of_integers(name: &str, integers: &[i64]) -> Tensor {
    Tensor {
        dims: vec![integers.len().try_into().expect("a list is shorter")],
        data_type: Some(data_type::INT64),
        name: Some(name.into()),
        raw_data: Some(integers.iter().flat_map(|integer| integer.to_le_bytes()).collect()),
        ..Tensor::default()
    }
}

/// The number of the element type.
pub(super) fn of<A: Scalar>() -> i32 {
    if type_name::<A>() == "f32" { data_type::FLOAT } else { data_type::DOUBLE }
}
