//! NumPy's `.npy`: a file with one array, usually data. `numpy.save` writes it and `numpy.load` reads it.
//!
//! The format is a magic string, a version, a Python dictionary as text, and the elements.
//!
//! ```text
//! \x93NUMPY 1 0 | length | {'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), } | elements
//! ```
//!
//! The length of the text has two bytes in version 1, and four in versions 2 and 3. The text is Latin-1 in versions 1 and 2,
//! and UTF-8 in version 3.

use std::io::{self, Read};
use std::path::Path;

use ndarray::{ArrayD, ArrayRef, ArrayViewD, Dimension, IxDyn, ShapeBuilder};

use super::element::{MAX_AXES, extend_le, from_le};
use super::error::abridged;
use super::{Error, file, foreign};
use crate::Scalar;
use crate::scalar::type_name;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// The number of bytes that are converted at a time: a multiple of the size of every element type.
const CHUNK: usize = 1 << 16;

/// Reads a file: [`from_bytes`] of [`read`](super::read).
///
/// [`save`] has an example.
///
/// # Errors
/// [`Error::File`] where the system returns an error, and as [`from_bytes`] with the path in [`Error::Content`].
pub fn load<A: Scalar>(path: impl AsRef<Path>) -> Result<ArrayD<A>, Error> {
    file::load(path.as_ref(), from_bytes)
}

/// Writes a file with an atomic write: [`write_atomic`](super::write_atomic) of [`to_bytes`].
///
/// # Examples
///
/// ```
/// use elman::io::npy;
/// use ndarray::{Ix3, array};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("x.npy");
/// let x = array![[[1.0, 2.0], [3.0, 4.0]]];
/// npy::save(&path, &x)?;
/// assert_eq!(npy::load::<f64>(&path)?.into_dimensionality::<Ix3>().unwrap(), x);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the system returns an error, and as [`to_bytes`].
pub fn save<A: Scalar, D: Dimension>(path: impl AsRef<Path>, array: &ArrayRef<A, D>) -> Result<(), Error> {
    file::write_atomic(path, &to_bytes(array)?)
}

/// Reads the array from the bytes of a file.
///
/// # Examples
///
/// ```
/// use elman::io::npy;
/// use ndarray::{Ix1, array};
///
/// let x = array![1.0_f64, 2.0];
/// let read = npy::from_bytes::<f64>(&npy::to_bytes(&x)?)?;
/// assert_eq!(read.into_dimensionality::<Ix1>().unwrap(), x);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::Format`] where the bytes are not a valid file; [`Error::ElementType`] where the elements are not of type `A`.
pub fn from_bytes<A: Scalar>(bytes: &[u8]) -> Result<ArrayD<A>, Error> {
    let npy = read(&mut &*bytes, bytes.len())
        .map_err(|reason| invalid(foreign::recognized(bytes, ".npy").map_or(reason, Into::into)))?;
    match npy {
        Npy::Array(array) => Ok(array),
        Npy::Other { element_type, .. } => {
            Err(Error::ElementType { tensor: "the array".into(), expected: type_name::<A>(), found: element_type })
        }
    }
}

/// Converts an array to the bytes of a file: version 1, in C order.
///
/// [`from_bytes`] has an example.
///
/// # Errors
/// [`Error::Format`] where the array has more than 64 axes: no reader accepts them.
pub fn to_bytes<A: Scalar, D: Dimension>(array: &ArrayRef<A, D>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    write(&array.view().into_dyn(), |chunk| {
        bytes.extend_from_slice(chunk);
        Ok(())
    })
    .map_err(|error| invalid(error.to_string()))?;
    Ok(bytes)
}

fn invalid(reason: String) -> Error {
    Error::Format { format: ".npy", reason }
}

/// The content of a file.
pub(super) enum Npy<A> {
    Array(ArrayD<A>),
    /// Elements of another type than `A`.
    Other {
        element_type: String,
        shape: Vec<usize>,
    },
}

/// Reads a whole file of `size` bytes.
///
/// The memory that it allocates is proportional to `size`, whatever the header says.
pub(super) fn read<A: Scalar>(source: &mut impl Read, size: usize) -> Result<Npy<A>, String> {
    let (header, length) = read_header(source, size)?;
    let Header { element_type, fortran_order, shape } = header;
    let data = size - length;
    let big_endian = match element_type.strip_suffix(&*element_type_of::<A>()) {
        Some("<") => false,
        Some(">") => true,
        _ => {
            if let Some(size) = item_size(&element_type) {
                check_size(&shape, size, data, &element_type)?;
            }
            let found = io::copy(source, &mut io::sink()).map_err(|error| error.to_string())?;
            return if found == data as u64 {
                Ok(Npy::Other { element_type, shape })
            } else {
                Err(format!("it holds {found} bytes of data, and the archive says {data}"))
            };
        }
    };
    check_size(&shape, size_of::<A>(), data, &element_type)?;
    let elements = read_elements(source, data, big_endian)?;
    ArrayD::from_shape_vec(IxDyn(&shape).set_f(fortran_order), elements)
        .map(Npy::Array)
        .map_err(|error| format!("an array of shape {shape:?}: {error}"))
}

/// Checks that an array of this shape, with elements of `size` bytes each, has `data` bytes.
fn check_size(shape: &[usize], size: usize, data: usize, element_type: &str) -> Result<(), String> {
    let bytes = shape.iter().try_fold(size, |bytes, &axis| bytes.checked_mul(axis));
    if bytes == Some(data) {
        return Ok(());
    }
    Err(format!(
        "it has {data} bytes of data, which is not the size of an array of shape {shape:?} and type {element_type}"
    ))
}

/// Returns the size of an element in bytes, by NumPy's code of its type: `<i8`, `|b1`, `<U5`, `<M8[ns]`. `None` for records
/// and Python objects: their codes do not contain a size.
fn item_size(element_type: &str) -> Option<usize> {
    let code = element_type.strip_prefix(['<', '>', '|', '='])?;
    let kind = code.chars().next()?;
    let code = &code[kind.len_utf8()..];
    let size: usize = code.split('[').next()?.parse().ok()?;
    match kind {
        'b' | 'i' | 'u' | 'f' | 'c' | 'S' | 'a' | 'V' | 'm' | 'M' => Some(size),
        // A character is UCS-4.
        'U' => size.checked_mul(4),
        _ => None,
    }
}

/// Reads `length` bytes of elements, up to the end of the source.
fn read_elements<A: Scalar>(source: &mut impl Read, length: usize, big_endian: bool) -> Result<Vec<A>, String> {
    let mut elements = Vec::with_capacity(length / size_of::<A>());
    let mut chunk = vec![0; CHUNK.min(length)];
    let mut left = length;
    while left > 0 {
        let bytes = &mut chunk[..left.min(CHUNK)];
        source.read_exact(bytes).map_err(|error| error.to_string())?;
        if big_endian {
            bytes.chunks_exact_mut(size_of::<A>()).for_each(<[u8]>::reverse);
        }
        elements.extend(from_le::<A>(bytes));
        left -= bytes.len();
    }
    // The source compares the checksum at its end.
    match source.read(&mut [0]).map_err(|error| error.to_string())? {
        0 => Ok(elements),
        _ => Err("it is longer than the archive says".into()),
    }
}

/// Passes the bytes of a file to `write`, in pieces. An error where the array has more axes than a file may have.
pub(super) fn write<A: Scalar>(
    array: &ArrayViewD<'_, A>,
    mut write: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    if array.ndim() > MAX_AXES {
        return Err(io::Error::other(format!("an array of {} axes, expected at most {MAX_AXES}", array.ndim())));
    }
    write(&header::<A>(array.shape()))?;
    let (mut elements, mut chunk) = (array.iter().copied(), Vec::new());
    loop {
        chunk.clear();
        extend_le(&mut chunk, elements.by_ref().take(CHUNK / size_of::<A>()));
        if chunk.is_empty() {
            return Ok(());
        }
        write(&chunk)?;
    }
}

/// Makes the bytes before the elements, as NumPy writes them, for at most [`MAX_AXES`]. The elements begin at a multiple of 64
/// bytes.
fn header<A: Scalar>(shape: &[usize]) -> Vec<u8> {
    const ALIGNMENT: usize = 64;
    /// The length of the magic string, of the version, and of the length of the text.
    const PREFIX: usize = 10;
    let axes: Vec<_> = shape.iter().map(ToString::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut text = format!(
        "{{'descr': '<{}', 'fortran_order': False, 'shape': ({}{comma}), }}",
        element_type_of::<A>(),
        axes.join(", ")
    );
    let spaces = (PREFIX + text.len() + 1).next_multiple_of(ALIGNMENT) - (PREFIX + text.len() + 1);
    text.extend(std::iter::repeat_n(' ', spaces));
    text.push('\n');
    let length = u16::try_from(text.len()).expect("64 axes take fewer than 2000 bytes");
    [MAGIC, &[1, 0], &length.to_le_bytes(), text.as_bytes()].concat()
}

/// Returns NumPy's code of the element type, without the byte order: `f4` or `f8`.
fn element_type_of<A>() -> String {
    format!("f{}", size_of::<A>())
}

struct Header {
    element_type: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// Reads the header of a file of `size` bytes, and returns it with its length in bytes.
fn read_header(source: &mut impl Read, size: usize) -> Result<(Header, usize), String> {
    let mut bytes = [0; 12];
    let mut read = |bytes: &mut [u8]| source.read_exact(bytes).map_err(|error| error.to_string());
    read(&mut bytes[..10])?;
    if !bytes.starts_with(MAGIC) {
        return Err("it does not begin as .npy files do".into());
    }
    let prefix = match [bytes[6], bytes[7]] {
        [1, 0] => 10,
        [2 | 3, 0] => 12,
        [major, minor] => return Err(format!("version {major}.{minor} of .npy is not known")),
    };
    read(&mut bytes[10..prefix])?;
    let length = bytes[8..prefix].iter().rev().fold(0, |length, &byte| length << 8 | u64::from(byte));
    let end = usize::try_from(length).ok().and_then(|length| length.checked_add(prefix)).filter(|&end| end <= size);
    let end = end.ok_or_else(|| format!("a header of {length} bytes, in {size} bytes altogether"))?;
    let mut text = vec![0; end - prefix];
    read(&mut text)?;
    let mut literal = Literal { text: &text, at: 0, latin: bytes[6] < 3 };
    match literal.header() {
        Some(header) => Ok((header, end)),
        None => Err(format!(
            "its header is not {{'descr': …, 'fortran_order': …, 'shape': …}}, from byte {} on",
            literal.at
        )),
    }
}

/// A parser for the Python literals of a header.
///
/// Every method consumes the white space and the literal that it reads. It returns `None` where the header is malformed. No
/// method is recursive.
struct Literal<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether each byte is one character.
    latin: bool,
}

impl<'a> Literal<'a> {
    fn header(&mut self) -> Option<Header> {
        let (mut element_type, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b"{")?;
        while !self.take(b"}") {
            let key = self.string()?;
            self.expect(b":")?;
            match key {
                b"descr" if element_type.is_none() => element_type = Some(self.element_type()?),
                b"fortran_order" if fortran_order.is_none() => fortran_order = Some(self.boolean()?),
                b"shape" if shape.is_none() => shape = Some(self.shape()?),
                _ => return None,
            }
            if !self.take(b",") {
                self.expect(b"}")?;
                break;
            }
        }
        self.skip_space();
        let header = Header { element_type: element_type?, fortran_order: fortran_order?, shape: shape? };
        (self.at == self.text.len()).then_some(header)
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    /// Consumes this token, and returns whether it came next.
    fn take(&mut self, token: &[u8]) -> bool {
        self.skip_space();
        let next = self.rest().starts_with(token);
        self.at += if next { token.len() } else { 0 };
        next
    }

    fn expect(&mut self, token: &[u8]) -> Option<()> {
        self.take(token).then_some(())
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.take(b"True") { Some(true) } else { self.expect(b"False").map(|()| false) }
    }

    /// Reads a string in single or double quotes. Escapes stay unchanged.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.skip_space();
        let (&quote, rest) = self.rest().split_first().filter(|(quote, _)| b"'\"".contains(quote))?;
        let mut escaped = false;
        let length = rest.iter().position(|&byte| {
            let end = byte == quote && !escaped;
            escaped = byte == b'\\' && !escaped;
            end
        })?;
        self.at += length + 2;
        Some(&rest[..length])
    }

    /// Reads a string or, for records, a list of any depth. The list's own text is its name.
    fn element_type(&mut self) -> Option<String> {
        self.skip_space();
        let start = self.at;
        if let Some(simple) = self.string() {
            return Some(self.named(simple));
        }
        let mut depth = 0_usize;
        loop {
            match self.rest().first()? {
                b'(' | b'[' | b'{' => depth += 1,
                b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
                b'\'' | b'"' => {
                    self.string()?;
                    continue;
                }
                _ if depth == 0 => return None,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(self.named(&self.text[start..self.at]));
            }
        }
    }

    /// Converts the beginning to text: more than a message shows, and never a long text.
    fn named(&self, bytes: &[u8]) -> String {
        let bytes = &bytes[..bytes.len().min(512)];
        abridged(&if self.latin {
            bytes.iter().copied().map(char::from).collect()
        } else {
            String::from_utf8_lossy(bytes)
        })
    }

    /// Reads a tuple of lengths.
    fn shape(&mut self) -> Option<Vec<usize>> {
        let (mut shape, mut comma) = (Vec::new(), true);
        self.expect(b"(")?;
        while !self.take(b")") {
            if !comma || shape.len() == MAX_AXES {
                return None;
            }
            shape.push(self.length()?);
            comma = self.take(b",");
        }
        // In Python, (3) is a number, not a tuple.
        (comma || shape.len() > 1).then_some(shape)
    }

    /// Reads the length of an axis. Python 2 may write an `L` after it.
    fn length(&mut self) -> Option<usize> {
        self.skip_space();
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = std::str::from_utf8(&self.rest()[..digits]).ok()?.parse().ok()?;
        self.at += digits;
        self.take(b"L");
        Some(length)
    }
}
