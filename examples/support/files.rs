//! Where an example writes its curves: to a picture, and to a table.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::chart::{self, Panel};

/// The files that an example writes its curves to.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// File to draw the curves to, as SVG
    #[arg(long, value_name = "FILE.svg", help_heading = "Files")]
    pub(crate) plot: Option<PathBuf>,
    /// File to write the points of the curves to, as CSV
    #[arg(long, value_name = "FILE.csv", help_heading = "Files")]
    pub(crate) csv: Option<PathBuf>,
}

impl Files {
    /// Returns an error if a folder is missing, before a minute of training.
    pub(crate) fn check(&self) -> Result<(), Box<dyn Error>> {
        for (option, path) in [("--plot", &self.plot), ("--csv", &self.csv)] {
            path.as_deref().map_or(Ok(()), check_writable).map_err(|error| format!("{option}: {error}"))?;
        }
        Ok(())
    }

    /// Writes the panels to the files.
    pub(crate) fn write(&self, panels: &[Panel]) -> Result<(), Box<dyn Error>> {
        let failed = |path: &Path, error: &dyn Error| format!("cannot write {}: {error}", path.display());
        if let Some(path) = &self.plot {
            chart::draw(path, panels).map_err(|error| failed(path, &*error))?;
        }
        if let Some(path) = &self.csv {
            fs::write(path, table(panels)?).map_err(|error| failed(path, &error))?;
        }
        Ok(())
    }
}

/// Returns an error if no file can be written at this path.
pub(crate) fn check_writable(path: &Path) -> Result<(), Box<dyn Error>> {
    if path.file_name().is_none() || path.is_dir() {
        return Err(format!("cannot write {}: not a file", path.display()).into());
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(format!("cannot write {}: there is no folder {}", path.display(), folder.display()).into())
        }
        _ => Ok(()),
    }
}

/// The points of all curves as CSV, one point a line.
fn table(panels: &[Panel]) -> Result<String, Box<dyn Error>> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut table = String::from("panel,curve,x,y\n");
    for panel in panels {
        for curve in &panel.curves {
            for (x, y) in &curve.points {
                writeln!(table, "{},{},{x},{y}", quoted(panel.title), quoted(curve.label))?;
            }
        }
    }
    Ok(table)
}
