//! Whole files: read within bounds, replaced atomically.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;

/// All bytes of a file.
///
/// Only regular files are read: a device has no end, and a pipe may never begin.
///
/// # Errors
/// [`Error::File`] where the system refuses, or `path` is not a regular file.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, Error> {
    let path = path.as_ref();
    let bytes = fs::metadata(path).and_then(|found| check_regular(&found)).and_then(|()| fs::read(path));
    bytes.map_err(|reason| Error::File { action: "read", path: path.into(), reason })
}

/// Reads a file and converts its bytes; an error names the path.
#[cfg(any(feature = "safetensors", feature = "npz"))]
pub(super) fn load<T>(path: &Path, convert: impl FnOnce(&[u8]) -> Result<T, Error>) -> Result<T, Error> {
    convert(&read(path)?).map_err(|error| Error::Content { path: path.into(), error: Box::new(error) })
}

/// Writes or replaces a file atomically: at any moment it holds the old bytes, or all of `bytes`.
///
/// The bytes go to a new file in the same folder, which is synchronised with the disk and then takes the file's place. A
/// crash leaves the file as it was, and perhaps a `.elman.….part` beside it. So does an error, without the part; only where
/// the folder cannot be synchronised at the end are the new bytes there already. Permissions are kept, the owner becomes
/// the one who writes, and a read-only file is replaced as `mv` does. Where `path` is a symbolic link, what it points to is replaced.
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
/// [`Error::File`] where the system refuses, or something at `path` is not a regular file.
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
        // What is left of it is of no use, and the error to report is the first one.
        let _ = fs::remove_file(&part);
    }
    written.and_then(|()| sync_folder(folder))
}

/// The file at the end of the links, which need not exist.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    /// As many as Linux follows.
    const MOST: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..=MOST {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            // Not a link; if it cannot be read for another reason, it cannot be written either.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// A file that was not there, which nobody may open who may not open the old one.
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
        // Not the file's own name with something added: that may be too long.
        let part = folder.join(format!(".elman.{}.{number}.part", std::process::id()));
        match options.open(&part) {
            // Left by a process of the same number that crashed.
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

/// Makes the file's new place last, where the system can.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // A folder need not be readable to be written to, and not every file system synchronises one.
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
