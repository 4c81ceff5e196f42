//! The safetensors format.
//!
//! ```text
//! length of the header: 8 bytes │ header: JSON, type, shape and offset of each tensor by name │ elements, end to end
//! ```
//!
//! The format does not define a file that names a tensor twice; the reader refuses it. Every other mistake in a file is also
//! an error, which names the tensor where it concerns one. In addition to the bytes of the file, reading takes the memory of
//! the elements, and at most 32 times the size of the header.
//!
//! The same tensors always give the same bytes.
//!
//! Source: the description of the format at <https://github.com/huggingface/safetensors>.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use ndarray::ArrayD;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

use super::element::{MAX_AXES, extend_le, from_le};
use super::error::{abridged, shortened};
use super::{Error, Tensors, file, foreign};
use crate::Scalar;
use crate::scalar::type_name;

/// The name of the format in messages.
const FORMAT: &str = "safetensors";

/// The header's key for the metadata. No tensor can have this name.
const METADATA: &str = "__metadata__";

/// The number of bytes that hold the header's length.
const LENGTH: usize = size_of::<u64>();

/// The maximum length of a header that the format's own library reads.
const LONGEST_HEADER: usize = 100_000_000;

/// Reads a file: [`from_bytes`] of [`read`](super::read).
///
/// [`save`] has an example.
///
/// # Errors
/// [`Error::File`] where the system returns an error, and as [`from_bytes`] with the path in [`Error::Content`].
pub fn load<A: Scalar>(path: impl AsRef<Path>) -> Result<Tensors<A>, Error> {
    file::load(path.as_ref(), from_bytes)
}

/// Writes a file with an atomic write: [`write_atomic`](super::write_atomic) of [`to_bytes`].
///
/// # Examples
///
/// ```
/// use elman::io::{Tensors, safetensors};
/// use elman::{Dims, Parameters};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("network.safetensors");
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// safetensors::save(&path, &Tensors::from(&p))?;
/// assert_eq!(Parameters::try_from(&safetensors::load(&path)?)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the system returns an error, and as [`to_bytes`].
pub fn save<A: Scalar>(path: impl AsRef<Path>, tensors: &Tensors<A>) -> Result<(), Error> {
    file::write_atomic(path, &to_bytes(tensors)?)
}

/// Reads the tensors and the metadata of a file. Tensors of other element types than `A` are listed, not read.
///
/// [`to_bytes`] has an example.
///
/// # Errors
/// [`Error::Format`] where the bytes are not a valid safetensors file, contain a name twice, or hold a tensor of more than
/// 64 axes.
pub fn from_bytes<A: Scalar>(bytes: &[u8]) -> Result<Tensors<A>, Error> {
    read(bytes).map_err(|error| foreign::recognized(bytes, FORMAT).map_or(error, invalid))
}

fn read<A: Scalar>(bytes: &[u8]) -> Result<Tensors<A>, Error> {
    let (header, data) = split(bytes)?;
    let Unique(header) =
        serde_json::from_str(header).map_err(|error| invalid(format!("header: {}", shortened(&error.to_string()))))?;
    let (mut tensors, mut infos) = (Tensors::new(), Vec::with_capacity(header.len()));
    for (name, entry) in header {
        match entry {
            Entry::Tensor(info) => infos.push((name, info)),
            Entry::Metadata(Unique(metadata)) => *tensors.metadata_mut() = metadata,
        }
    }
    infos.sort_unstable_by_key(|(_, info)| info.data_offsets);

    let mut end = 0;
    for (name, info) in infos {
        let elements =
            elements(&info, end, data).map_err(|reason| invalid(format!("tensor `{}` {reason}", abridged(&name))))?;
        end = info.data_offsets.1;
        if info.dtype == dtype::<A>() {
            let array = ArrayD::from_shape_vec(info.shape, from_le(elements)).expect("the size was checked");
            tensors.insert(name, array);
        } else {
            tensors.list(name, info.dtype.to_string(), info.shape);
        }
    }
    if end < data.len() {
        return Err(invalid(format!("{} bytes after the last tensor", data.len() - end)));
    }
    Ok(tensors)
}

/// Converts tensors to the bytes of a file. The same tensors give the same bytes.
///
/// # Examples
///
/// ```
/// use elman::io::{Tensors, safetensors};
/// use elman::{Dims, Parameters};
///
/// let parameters = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let bytes = safetensors::to_bytes(&Tensors::from(&parameters))?;
/// assert_eq!(Parameters::try_from(&safetensors::from_bytes(&bytes)?)?, parameters);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::ElementType`] where a tensor has another type than `A` and is only listed; [`Error::Format`] where a tensor is
/// called `__metadata__` or has more than 64 axes, or the header is longer than 100 MB.
pub fn to_bytes<A: Scalar>(tensors: &Tensors<A>) -> Result<Vec<u8>, Error> {
    let mut header = Header { metadata: tensors.metadata(), tensors: BTreeMap::new() };
    let mut end = 0;
    for name in tensors.names() {
        let array = tensors.get(name)?;
        if name == METADATA || array.ndim() > MAX_AXES {
            let axes = array.ndim();
            return Err(invalid(format!("it cannot hold a tensor `{}` of {axes} axes", abridged(name))));
        }
        let start = end;
        end += array.len() * size_of::<A>();
        let info = TensorInfo { dtype: dtype::<A>(), shape: array.shape().to_vec(), data_offsets: (start, end) };
        header.tensors.insert(name, info);
    }

    let mut header = serde_json::to_vec(&header).expect("names, notes and numbers are JSON");
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    if header.len() > LONGEST_HEADER {
        return Err(invalid(format!("a header of {} bytes, expected at most {LONGEST_HEADER}", header.len())));
    }
    let mut bytes = Vec::with_capacity(LENGTH + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for (_, array) in tensors.arrays() {
        extend_le(&mut bytes, array.iter().copied());
    }
    Ok(bytes)
}

/// Splits a file into the header and the elements after it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), Error> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Err(invalid(format!(
            "it is {} bytes long, expected at least the {LENGTH} bytes that hold the header's length",
            bytes.len()
        )));
    };
    let length = u64::from_le_bytes(*length);
    let short = usize::try_from(length).ok().filter(|&length| length <= LONGEST_HEADER);
    let Some(length) = short else {
        return Err(invalid(format!("a header of {length} bytes, expected at most {LONGEST_HEADER}")));
    };
    let Some((header, data)) = rest.split_at_checked(length) else {
        return Err(invalid(format!("the header is {length} bytes, and the file ends after {} of them", rest.len())));
    };
    let header = std::str::from_utf8(header).map_err(|error| invalid(format!("header: {error}")))?;
    Ok((header, data))
}

/// Returns the bytes of a tensor, which must begin where the previous tensor ended. An error says what is wrong.
fn elements<'a>(info: &TensorInfo, before: usize, data: &'a [u8]) -> Result<&'a [u8], String> {
    let &TensorInfo { dtype, ref shape, data_offsets: (start, end) } = info;
    if shape.len() > MAX_AXES {
        return Err(format!("has {} axes, expected at most {MAX_AXES}", shape.len()));
    }
    // Ignore axes of length zero: `ndarray` refuses a shape whose other axes together exceed memory.
    let bits = shape.iter().filter(|&&n| n != 0).try_fold(dtype.bitsize(), |bits, &n| bits.checked_mul(n));
    let Some(mut bits) = bits else {
        return Err(format!("has shape {shape:?}, which no machine can address"));
    };
    if shape.contains(&0) {
        bits = 0;
    }
    if start != before {
        return Err(format!("begins at byte {start} of the data, expected {before}, where the one before it ends"));
    }
    let Some(elements) = data.get(start..end) else {
        return Err(format!("ends at byte {end} of the data, but the file has {} bytes of data", data.len()));
    };
    if elements.len().checked_mul(8) != Some(bits) {
        return Err(format!("has shape {shape:?} of type {dtype}, {bits} bits, in {} bytes", elements.len()));
    }
    Ok(elements)
}

fn dtype<A: Scalar>() -> Dtype {
    if type_name::<A>() == "f32" { Dtype::F32 } else { Dtype::F64 }
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::Format { format: FORMAT, reason: reason.into() }
}

/// The header as it is written: the metadata, then the tensors by name.
#[derive(Serialize)]
struct Header<'a> {
    #[serde(rename = "__metadata__", skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    #[serde(flatten)]
    tensors: BTreeMap<&'a str, TensorInfo>,
}

/// The header as it is read: one value for each name.
enum Entry {
    Tensor(TensorInfo),
    Metadata(Unique<String>),
}

/// A map that refuses duplicate names. The format's own library keeps the last value of a duplicate name.
struct Unique<V>(BTreeMap<String, V>);

/// The values of a [`Unique`] map.
trait Value: Sized {
    /// Describes the map, for a message.
    const MAP: &'static str;
    /// Describes a name, for a message.
    fn describe(name: &str) -> String;
    /// Reads the value of a name. The name may determine the value's type.
    fn read<'de, M: MapAccess<'de>>(name: &str, map: &mut M) -> Result<Self, M::Error>;
}

impl Value for Entry {
    const MAP: &'static str = "tensors by name";

    fn describe(name: &str) -> String {
        if name == METADATA { format!("`{METADATA}`") } else { format!("tensor `{}`", abridged(name)) }
    }

    fn read<'de, M: MapAccess<'de>>(name: &str, map: &mut M) -> Result<Self, M::Error> {
        if name != METADATA {
            return map.next_value().map(Entry::Tensor);
        }
        let metadata: Option<_> = map.next_value()?;
        Ok(Entry::Metadata(metadata.unwrap_or(Unique(BTreeMap::new()))))
    }
}

impl Value for String {
    const MAP: &'static str = "strings by name";

    fn describe(name: &str) -> String {
        format!("metadata `{}`", abridged(name))
    }

    fn read<'de, M: MapAccess<'de>>(_: &str, map: &mut M) -> Result<Self, M::Error> {
        map.next_value()
    }
}

impl<'de, V: Value> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<V>(PhantomData<V>);

impl<'de, V: Value> Visitor<'de> for UniqueVisitor<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(V::MAP)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Unique<V>, M::Error> {
        let mut values = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if values.contains_key(&name) {
                return Err(M::Error::custom(format_args!("{} occurs twice", V::describe(&name))));
            }
            let value = V::read(&name, &mut map);
            let value = value.map_err(|error| M::Error::custom(format_args!("{}: {error}", V::describe(&name))))?;
            values.insert(name, value);
        }
        Ok(Unique(values))
    }
}
