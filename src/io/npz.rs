//! NumPy's `.npz`: a zip archive with one `.npy` file per array. `numpy.savez` writes it and `numpy.load` reads it.
//!
//! ```python
//! np.savez("weights.npz", wax=wax, waa=waa, wya=wya, ba=ba, by=by)
//! ```
//!
//! The reader accepts versions 1 to 3 of `.npy`, C and Fortran order, little- and big-endian, stored or deflated. It reads
//! the requested element type, `f4` or `f8`, bit-identical. It lists arrays of other types and entries that are not `.npy`
//! files under their names. It unpickles nothing, and extracts nothing to a disk.
//!
//! # Memory
//!
//! Deflate makes a thousand zeros out of one byte, so a small file could ask for any amount of memory. An archive is
//! therefore refused where its arrays unpack to more than 32 times the file's length plus 16 MiB. Only arrays that are
//! nearly all zero compress that much. `numpy.savez` writes without compression, so its archives never reach this
//! limit. Reading never holds more than 48 times the file's length plus 17 MiB, whatever the file says.
//!
//! Sources: `numpy.lib.format`; NEP 1, *A Simple File Format for NumPy Arrays*.

use std::io::{Cursor, Write};
use std::path::Path;

use zip::read::ZipReadOptions;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::error::abridged;
use super::npy::{self, Npy};
use super::{Error, Tensors, file, foreign};
use crate::Scalar;

/// The name of the format in messages.
const FORMAT: &str = ".npz";

/// The extension of an array's path.
const EXTENSION: &str = ".npy";

/// All entries together may unpack to this many times the file's length, plus [`BASE`].
const RATIO: u64 = 32;
/// The number of bytes that entries may unpack to in addition.
const BASE: u64 = 16 << 20;

/// Reads the arrays of a file.
///
/// # Examples
///
/// ```no_run
/// use elman::Parameters;
/// use elman::io::npz;
///
/// let parameters = Parameters::<f32>::try_from(&npz::load("weights.npz")?)?;
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the system returns an error, and as [`from_bytes`] with the path in [`Error::Content`].
pub fn load<A: Scalar>(path: impl AsRef<Path>) -> Result<Tensors<A>, Error> {
    file::load(path.as_ref(), from_bytes)
}

/// Writes arrays to a file with an atomic write: [`write_atomic`](super::write_atomic) of [`to_bytes`].
///
/// # Examples
///
/// ```
/// use elman::io::{Tensors, npz};
/// use elman::{Dims, Parameters};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("weights.npz");
/// let p = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// npz::save(&path, &Tensors::from(&p))?;
/// assert_eq!(Parameters::try_from(&npz::load(&path)?)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where it cannot be written, and those of [`to_bytes`].
pub fn save<A: Scalar>(path: impl AsRef<Path>, tensors: &Tensors<A>) -> Result<(), Error> {
    file::write_atomic(path, &to_bytes(tensors)?)
}

/// Reads the arrays of an archive. Their names have no `.npy`.
///
/// [`to_bytes`] has an example.
///
/// # Errors
/// [`Error::Format`] where the bytes are not a valid archive, a checksum is wrong, two entries have the same name, an entry
/// is encrypted, or the arrays unpack to too much memory.
pub fn from_bytes<A: Scalar>(bytes: &[u8]) -> Result<Tensors<A>, Error> {
    read(bytes).map_err(|error| foreign::recognized(bytes, FORMAT).map_or(error, invalid))
}

fn read<A: Scalar>(bytes: &[u8]) -> Result<Tensors<A>, Error> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| invalid(error.to_string()))?;
    if archive.has_duplicate_names() {
        return Err(invalid("two of its entries have the same name"));
    }
    let mut left = RATIO.saturating_mul(bytes.len() as u64).saturating_add(BASE);
    let mut tensors = Tensors::new();
    for index in 0..archive.len() {
        read_entry(&mut archive, index, &mut left, &mut tensors)?;
    }
    if !archive.file_names().any(|path| path.is_ok_and(|path| path.ends_with(EXTENSION))) {
        if let Some(reason) = foreign::recognized(bytes, FORMAT) {
            return Err(invalid(reason));
        }
    }
    // Finds entries that overlap, and entries that the directory omits. Reading the entries does not show these.
    archive.validate_header_consistency().map_err(|error| invalid(error.to_string()))?;
    Ok(tensors)
}

/// Reads one entry of at most `left` bytes, and subtracts its size from `left`.
fn read_entry<A: Scalar>(
    archive: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    left: &mut u64,
    tensors: &mut Tensors<A>,
) -> Result<(), Error> {
    let entry = archive.by_index_data(index).map_err(|error| invalid(error.to_string()))?;
    let (path, size) = (entry.name().map_err(|error| invalid(error.to_string()))?.into_owned(), entry.size());
    let name = path.strip_suffix(EXTENSION).unwrap_or(&path);
    let refused = |reason: String| invalid(format!("`{}`: {reason}", abridged(name)));
    if tensors.contains(name) {
        return Err(refused("two of its entries have this name".into()));
    }
    if name.len() == path.len() {
        tensors.list(path, "bytes, not .npy".into(), usize::try_from(size).into_iter().collect());
        return Ok(());
    }
    *left = left.checked_sub(size).ok_or_else(|| {
        refused(format!(
            "with it the archive unpacks to more than {RATIO} times its length and 16 MiB; \
             `numpy.savez` writes such arrays without compression"
        ))
    })?;
    let size = usize::try_from(size).map_err(|_| refused(format!("{size} bytes are beyond this machine's memory")))?;
    let options = ZipReadOptions::new().enforce_header_consistency(true);
    let mut source = archive.by_index_with_options(index, options).map_err(|error| refused(error.to_string()))?;
    match npy::read(&mut source, size).map_err(refused)? {
        Npy::Array(array) => tensors.insert(name, array),
        Npy::Other { element_type, shape } => tensors.list(name.into(), element_type, shape),
    }
    Ok(())
}

/// Converts arrays to an archive without compression. The same arrays give the same bytes.
///
/// # Examples
///
/// ```
/// use elman::io::{Tensors, npz};
/// use elman::{Dims, Parameters};
///
/// let parameters = Parameters::<f32>::zeros(Dims { n_x: 3, n_a: 5, n_y: 2 });
/// let bytes = npz::to_bytes(&Tensors::from(&parameters))?;
/// assert_eq!(Parameters::try_from(&npz::from_bytes(&bytes)?)?, parameters);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::Metadata`] where there is metadata, which this format cannot hold; [`Error::ElementType`] where a tensor is only
/// listed; [`Error::Format`] where a name is too long for a zip archive.
pub fn to_bytes<A: Scalar>(tensors: &Tensors<A>) -> Result<Vec<u8>, Error> {
    if let Some((key, value)) = tensors.metadata().first_key_value() {
        return Err(Error::Metadata {
            key: abridged(key),
            expected: "none, because an .npz file cannot hold any".into(),
            found: format!("`{}`", abridged(value)),
        });
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for name in tensors.names() {
        let array = tensors.get(name)?;
        let bytes = array.len().saturating_mul(size_of::<A>());
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .system(System::Unix)
            // The long form is needed from twice this size on. The margin covers the header.
            .large_file(bytes > 1 << 31);
        archive
            .start_file(format!("{name}.npy"), options)
            .and_then(|()| Ok(npy::write(&array, |bytes| archive.write_all(bytes))?))
            .map_err(|error| invalid(format!("`{}`: {error}", abridged(name))))?;
    }
    let written = archive.finish().map_err(|error| invalid(error.to_string()))?;
    Ok(written.into_inner())
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::Format { format: FORMAT, reason: reason.into() }
}
