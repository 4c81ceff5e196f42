//! The tensors of an ONNX file.

use ndarray::{ArrayD, ArrayViewD};

use super::invalid;
use super::proto::{EXTERNAL, Tensor, data_type};
use crate::Scalar;
use crate::io::element::{extend_le, from_le};
use crate::io::error::abridged;
use crate::io::{Error, Tensors};
use crate::scalar::{from_bits, type_name};

/// The maximum number of axes of a NumPy array.
const MOST_AXES: usize = 64;

/// The integers of a constant; `None` where it has other elements, or is invalid.
pub(super) fn integers(tensor: &Tensor) -> Option<Vec<i64>> {
    if tensor.data_type() != data_type::INT64 {
        return None;
    }
    let integer = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
    match &tensor.raw_data {
        Some(bytes) => Some(bytes.chunks_exact(8).map(integer).collect()),
        None => Some(tensor.int64_data.clone()),
    }
}

/// Whether a constant is zero, which it also is where it is absent.
pub(super) fn is_zero(tensor: Option<&Tensor>) -> bool {
    tensor.is_none_or(|tensor| {
        tensor.raw_data().iter().all(|&byte| byte == 0)
            && tensor.float_data.iter().all(|float| float.to_bits() == 0)
            && tensor.double_data.iter().all(|double| double.to_bits() == 0)
            && tensor.int64_data.iter().all(|&integer| integer == 0)
    })
}

/// Adds the tensor under this name. One of another element type is listed.
pub(super) fn insert<A: Scalar>(tensors: &mut Tensors<A>, name: &str, tensor: &Tensor) -> Result<(), Error> {
    let of = |reason: String| invalid(format!("tensor `{}` {reason}", abridged(name)));
    if tensors.contains(name) {
        return Err(Error::DuplicateName { tensor: abridged(name) });
    }
    if tensor.data_location() == EXTERNAL {
        return Err(of("has its elements in another file, expected them in this one".into()));
    }
    if tensor.dims.len() > MOST_AXES {
        return Err(of(format!("has {} axes, expected at most {MOST_AXES}", tensor.dims.len())));
    }
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|&length| usize::try_from(length).ok()).collect();
    let shape = shape.ok_or_else(|| of(format!("has shape {:?}, expected no negative length", tensor.dims)))?;
    // An axis of length zero does not make the others smaller.
    let size = shape.iter().try_fold(1_usize, |size, &length| size.checked_mul(length.max(1)));
    let size = size.filter(|size| isize::try_from(size.saturating_mul(8)).is_ok());
    let size = size.ok_or_else(|| of(format!("has shape {shape:?}, more than memory can be")))?;
    let size = if shape.contains(&0) { 0 } else { size };

    let own = if type_name::<A>() == "f32" { data_type::FLOAT } else { data_type::DOUBLE };
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
            return Err(of(format!("has shape {shape:?} of {} elements in {} bytes", type_name::<A>(), bytes.len())));
        }
        None if own == data_type::FLOAT => {
            tensor.float_data.iter().filter_map(|float| from_bits(float.to_bits().into())).collect()
        }
        None => tensor.double_data.iter().filter_map(|double| from_bits(double.to_bits())).collect(),
    };
    if elements.len() != size {
        return Err(of(format!("has shape {shape:?} and {} elements", elements.len())));
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
