//! Whole files: bounded reads and atomic writes.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;

/// Returns all bytes of a file.
///
/// It reads regular files only: a device has no end, and a pipe may block forever.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("notes.txt");
/// elman::io::write_atomic(&path, b"text")?;
/// assert_eq!(elman::io::read(&path)?, b"text");
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the system returns an error, or `path` is not a regular file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, Error> {
    let path = path.as_ref();
    let bytes = fs::metadata(path).and_then(|found| check_regular(&found)).and_then(|()| fs::read(path));
    bytes.map_err(|reason| Error::File { action: "read", path: path.into(), reason })
}

/// Reads a file and converts its bytes; an error names the path.
#[cfg(any(feature = "safetensors", feature = "npz", feature = "onnx"))]
pub(super) fn load<T>(path: &Path, convert: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    convert(&read(path)?).map_err(|error| Error::Content { path: path.into(), error: Box::new(error) })
}

/// Writes or replaces a file with an atomic write: at any moment it holds the old bytes, or all of `bytes`.
///
/// The function writes the bytes to a new file in the same folder, synchronises it with the disk and renames it to `path`.
/// A crash may leave a file `.elman.….part` in the folder. An error leaves the old file unchanged, and removes the `.part`
/// file if the system allows it. There is one exception: the last step synchronises the folder. Where this step fails,
/// the new bytes stay.
///
/// The new file keeps the permissions, and belongs to the user who writes it. A read-only file is replaced, as by `mv`.
/// Where `path` is a symbolic link, the target of the link is replaced.
///
/// # Examples
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("notes.txt");
/// elman::io::write_atomic(&path, b"old")?;
/// elman::io::write_atomic(&path, b"new")?;
/// assert_eq!(elman::io::read(&path)?, b"new");
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the system returns an error, or `path` exists and is not a regular file.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    let path = path.as_ref();
    let written = follow_links(path).and_then(|file| replace_file(&file, bytes));
    written.map_err(|reason| Error::File { action: "write", path: path.into(), reason })
}

fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let permissions = match fs::metadata(path) {
        Ok(found) => check_regular(&found).map(|()| Some(found.permissions()))?,
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let folder = match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(not_regular()),
    };
    let (part, file) = create_part(folder, permissions.as_ref())?;
    let written = write_synced(file, bytes, permissions).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // The incomplete file is useless. Report the first error, not one from its removal.
        let _ = fs::remove_file(&part);
    }
    written.and_then(|()| sync_folder(folder))
}

/// Follows symbolic links to the target, which need not exist.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    /// The limit of Linux.
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..=MOST {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            // It is not a link. Where reading failed for another reason, the write reports it.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Creates a new file with the permissions of the old one, so that only the same users can open it.
fn create_part(folder: &Path, permissions: Option<&Permissions>) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if let Some(permissions) = permissions {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        options.mode(permissions.mode());
    }
    #[cfg(not(unix))]
    let _ = permissions;
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // The name does not contain the file's own name: the result could be too long.
        let part = folder.join(format!(".elman.{}.{number}.part", std::process::id()));
        match options.open(&part) {
            // A crashed process with the same id left it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (part, file)),
        }
    }
}

fn write_synced(mut file: File, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

/// Synchronises the folder, where the system can, so that the rename survives a crash.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A writable folder may be unreadable, and some file systems cannot synchronise a folder.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

fn check_regular(found: &fs::Metadata) -> io::Result<()> {
    if found.is_file() { Ok(()) } else { Err(not_regular()) }
}

fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "not a regular file")
}
