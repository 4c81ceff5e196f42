//! What can be wrong with a file, and with what it holds.

use std::path::PathBuf;

/// Why weights could not be read, or not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {action} {}: {reason}", path.display())]
    File {
        /// What was tried: `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A file was read, and its content was refused.
    #[error("{}: {error}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// An argument of a call outside `io` is wrong. With this variant one `?` serves for both error types.
    #[error(transparent)]
    Argument(#[from] crate::Error),
    /// The bytes are not a file of this format.
    #[error("not a valid {format} file: {reason}")]
    Format {
        /// The format's name.
        format: &'static str,
        /// What is wrong, and with which tensor where it is one.
        reason: String,
    },
    /// There is no tensor of this name.
    #[error("there is no tensor `{tensor}`: {present}")]
    Missing {
        /// The tensor's name.
        tensor: String,
        /// The names that there are, or of many the most similar ones.
        present: String,
    },
    /// Two arrays have the same name, so one of them would be lost.
    #[error("two arrays are called `{tensor}`")]
    DuplicateName {
        /// The name.
        tensor: String,
    },
    /// A tensor has elements of another type. Nothing is ever converted.
    #[error("`{tensor}` has elements of type {found}, expected {expected}")]
    ElementType {
        /// The tensor's name.
        tensor: String,
        /// The type that was asked for: `f32` or `f64`.
        expected: &'static str,
        /// The type that the file names.
        found: String,
    },
    /// A tensor has the wrong shape. Nothing is ever broadcast.
    #[error("`{tensor}` has shape {found:?}, expected {expected}")]
    Shape {
        /// The tensor's name.
        tensor: String,
        /// The shape that is needed, in names and numbers.
        expected: String,
        /// The shape that was found.
        found: Vec<usize>,
    },
    /// The weights belong to another kind of network than the caller expects, or than this crate computes.
    #[error("`{tensor}` shows {found}, expected {expected}")]
    Network {
        /// The tensor, or the setting, that shows it.
        tensor: String,
        /// The network that is expected, in this respect.
        expected: String,
        /// What the weights belong to.
        found: String,
    },
    /// A value of a file's metadata is missing, or has no meaning.
    #[error("metadata `{key}` is {found}, expected {expected}")]
    Metadata {
        /// The key.
        key: String,
        /// The values that have a meaning.
        expected: String,
        /// The value that was found.
        found: String,
    },
}
