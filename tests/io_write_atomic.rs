//! Atomic writes: a reader always finds a whole file, also if the writer is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use elman::io::{self, Error};

fn whole(file: &[u8]) -> bool {
    !file.is_empty() && file.len() % LARGE == 0 && file.iter().all(|&byte| byte == file[0])
}

const LARGE: usize = 1 << 20;
/// Longer than a save takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SAVED: &str = "ELMAN_TEST_SAVED_PATH";

fn child(test: &str, path: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(SAVED, path).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The child of the next test: writes larger and smaller files of one repeated byte until it is killed, or stops by
/// itself.
#[test]
fn a_child_saves_until_it_is_killed() {
    let Some(path) = env::var_os(SAVED) else { return };
    let started = Instant::now();
    for byte in (0..=u8::MAX).cycle().take_while(|_| started.elapsed() < PATIENCE) {
        io::write_atomic(&path, &vec![byte; LARGE * (1 + usize::from(byte % 7))]).unwrap();
    }
}

#[test]
fn a_file_is_whole_whenever_its_writer_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    io::write_atomic(&path, &vec![0; LARGE]).unwrap();
    let mut unfinished = 0;
    for round in 0..60u64 {
        let before = fs::read(&path).unwrap();
        let mut writer: Child = child("a_child_saves_until_it_is_killed", &path).spawn().unwrap();
        let started = Instant::now();
        // The child saves in time even on a busy machine.
        while fs::read(&path).unwrap() == before {
            assert!(started.elapsed() < PATIENCE && writer.try_wait().unwrap().is_none());
        }
        // Delays of up to 61 ms that are not multiples of the time of a save.
        for _ in 0..4 {
            std::thread::sleep(Duration::from_micros(round * 7919 % 15_361));
            assert!(whole(&fs::read(&path).unwrap()), "the file is not whole during a write");
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let after = fs::read(&path).unwrap();
        assert!(whole(&after), "round {round}: {} bytes", after.len());
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap().path();
            if entry != path {
                unfinished += 1;
                fs::remove_file(entry).unwrap();
            }
        }
    }
    println!("{unfinished} of 60 children were killed during a save");
    assert!(unfinished > 0, "no child was killed during a save: the test has shown nothing");
}

#[test]
fn a_save_creates_the_file_if_needed_and_leaves_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    // The longest possible name.
    let path = folder.path().join("n".repeat(255));
    for content in ["first", "second, longer", ""] {
        io::write_atomic(&path, content.as_bytes()).unwrap();
        assert_eq!(io::read(&path).unwrap(), content.as_bytes());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

/// The child of the next test.
#[test]
fn a_child_saves_in_the_folder_where_it_runs() {
    let Some(path) = env::var_os(SAVED) else { return };
    io::write_atomic(path, b"new").unwrap();
}

#[test]
fn a_path_without_a_folder_is_in_the_folder_where_the_program_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("a_child_saves_in_the_folder_where_it_runs", Path::new("file"));
    assert!(child.current_dir(folder.path()).status().unwrap().success());
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"new");
}

/// A process with the number of this one may have crashed before.
#[test]
fn the_incomplete_files_of_a_crashed_process_do_not_stop_a_save() {
    let folder = tempfile::tempdir().unwrap();
    let left: Vec<_> =
        (0..1000).map(|n| folder.path().join(format!(".elman.{}.{n}.part", std::process::id()))).collect();
    for part in &left {
        fs::write(part, "incomplete").unwrap();
    }
    let path = folder.path().join("file");
    io::write_atomic(&path, b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert!(left.iter().all(|part| fs::read(part).unwrap() == b"incomplete"));
}

#[test]
fn a_path_that_is_not_a_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent").join("file");
    for path in [folder.path(), &absent, Path::new("/"), Path::new("")] {
        let error = io::write_atomic(path, b"new").unwrap_err();
        assert!(matches!(&error, Error::File { action: "write", path: named, .. } if named == path), "{error}");
        let error = io::read(path).unwrap_err();
        assert!(matches!(&error, Error::File { action: "read", path: named, .. } if named == path), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    if cfg!(unix) {
        assert!(io::read("/dev/zero").unwrap_err().to_string().ends_with("not a regular file"));
        assert!(io::write_atomic("/dev/null", b"").unwrap_err().to_string().ends_with("not a regular file"));
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn permissions_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for mode in [0o600, 0o640, 0o664, 0o777, 0o444] {
            io::write_atomic(&path, b"old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            io::write_atomic(&path, b"new").unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
            assert_eq!(fs::read(&path).unwrap(), b"new");
        }
    }

    #[test]
    fn a_save_through_a_link_replaces_the_target_and_keeps_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, [file, link, other]) =
            (folder.path().join("inner"), ["inner/file", "link", "inner/other"].map(|name| folder.path().join(name)));
        fs::create_dir(&inner).unwrap();
        // Two links in a row, each relative to its own folder. At first their target is missing.
        symlink("inner/other", &link).unwrap();
        symlink("../inner/file", &other).unwrap();
        for content in ["first", "second"] {
            io::write_atomic(&link, content.as_bytes()).unwrap();
            assert_eq!(fs::read(&file).unwrap(), content.as_bytes());
            assert!([&link, &other].iter().all(|link| link.is_symlink()) && !file.is_symlink());
        }
        fs::remove_file(&file).unwrap();
        symlink("other", &file).unwrap();
        assert!(io::write_atomic(&link, b"").unwrap_err().to_string().ends_with("too many symbolic links"));
    }

    const REFUSED: &str = "the child was refused";

    /// The child of the next test.
    #[test]
    fn a_child_cannot_write_all() {
        let Some(path) = env::var_os(SAVED) else { return };
        let error = io::write_atomic(&path, &vec![1; LARGE]).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        println!("{REFUSED}");
    }

    #[test]
    fn a_failed_save_keeps_the_old_file_and_leaves_no_other_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        let child = child("unix::a_child_cannot_write_all", &path);
        // The limit is 64 blocks per file, and the signal for exceeding it is ignored.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]).arg(child.get_program());
        let report = shell.args(child.get_args()).env(SAVED, &path).output().unwrap();
        let printed = String::from_utf8_lossy(&report.stdout);
        assert!(report.status.success() && printed.contains(REFUSED), "{printed}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
