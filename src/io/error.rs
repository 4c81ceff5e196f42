//! The errors of a file and of its content.

use std::fmt;
use std::path::PathBuf;

/// The reason why weights could not be read or written.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system returned an error.
    #[error("cannot {action} {}: {reason}", path.display())]
    File {
        /// The operation: `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The content of a file was refused.
    #[error("{}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The error of the content.
        error: Box<Error>,
    },
    /// An argument of a call outside `io` is wrong. With this variant, `?` works for both error types.
    #[error(transparent)]
    Argument(#[from] crate::Error),
    /// The bytes are not a file of this format.
    #[error("not a valid {format} file: {reason}")]
    Format {
        /// The format's name.
        format: &'static str,
        /// The mistake, with the name of the tensor where it concerns one.
        reason: String,
    },
    /// There is no tensor of this name.
    #[error("there is no tensor `{tensor}`: {present}")]
    Missing {
        /// The tensor's name.
        tensor: String,
        /// The names that exist, or the most similar ones where there are many.
        present: String,
    },
    /// Two arrays have the same name, so one of them would be lost.
    #[error("two arrays are called `{tensor}`")]
    DuplicateName {
        /// The name.
        tensor: String,
    },
    /// A tensor has elements of another type. Nothing is converted.
    #[error("`{tensor}` has elements of type {found}, expected {expected}{}", hint(expected, found))]
    ElementType {
        /// The tensor's name.
        tensor: String,
        /// The requested type: `f32` or `f64`.
        expected: &'static str,
        /// The type in the file.
        found: String,
    },
    /// A tensor has the wrong shape. Nothing is broadcast.
    #[error("`{tensor}` has shape {found:?}, expected {expected}")]
    Shape {
        /// The tensor's name.
        tensor: String,
        /// The expected shape, in names and numbers.
        expected: String,
        /// The shape that was found.
        found: Vec<usize>,
    },
    /// The weights belong to another kind of network than the one that the caller expects or that this crate computes.
    #[error("`{tensor}` shows {found}, expected {expected}")]
    Network {
        /// The tensor or the setting that shows it.
        tensor: String,
        /// The expected property of the network.
        expected: String,
        /// The property that was found.
        found: String,
    },
    /// A value of a file's metadata is missing or invalid.
    #[error("metadata `{key}` is {found}, expected {expected}")]
    Metadata {
        /// The key.
        key: String,
        /// The valid values.
        expected: String,
        /// The value that was found.
        found: String,
    },
}

#[cfg(feature = "onnx")]
impl Error {
    /// The same error with names from a file shortened.
    pub(super) fn abridged(self) -> Self {
        match self {
            Error::Missing { tensor, present } => Error::Missing { tensor: abridged(&tensor), present },
            Error::DuplicateName { tensor } => Error::DuplicateName { tensor: abridged(&tensor) },
            Error::ElementType { tensor, expected, found } => {
                Error::ElementType { tensor: abridged(&tensor), expected, found }
            }
            Error::Shape { tensor, expected, found } => Error::Shape { tensor: abridged(&tensor), expected, found },
            Error::Network { tensor, expected, found } => Error::Network { tensor: abridged(&tensor), expected, found },
            other => other,
        }
    }
}

/// What to do about the other floating-point type.
fn hint(expected: &str, found: &str) -> &'static str {
    match (expected, found) {
        ("f32", "F64" | "<f8" | ">f8") => "; load the file as f64 (`Parameters::to_f32` converts a network)",
        ("f64", "F32" | "<f4" | ">f4") => "; load the file as f32 (`Parameters::to_f64` converts a network)",
        _ => "",
    }
}

/// The message, as in `Display`: `main` and `unwrap` print it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shortens a name from a file for a message.
pub(crate) fn abridged(name: &str) -> String {
    const SHOWN: usize = 64;
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.into(),
    }
}

/// Shortens a message that may quote a file to its beginning and its end. The end says where the error is.
#[cfg(feature = "safetensors")]
pub(super) fn shortened(message: &str) -> String {
    const SHOWN: usize = 256;
    let beginning = message.char_indices().nth(SHOWN).map(|(end, _)| end);
    let end = message.char_indices().rev().nth(SHOWN).map(|(start, _)| start);
    match beginning.zip(end) {
        Some((beginning, end)) if beginning < end => format!("{} … {}", &message[..beginning], &message[end..]),
        _ => message.into(),
    }
}
