//! What `benches/peers/run --json` writes, and the bench `growth`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One run of the benchmark on one machine.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    #[serde(rename = "machine")]
    pub(crate) name: String,
    /// The name of the file, without its extension.
    #[serde(skip)]
    pub(crate) file: String,
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) cases: Vec<Case>,
}

/// One size, pass, precision and number of threads.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Case {
    pub(crate) threads: u32,
    pub(crate) dtype: String,
    pub(crate) size: String,
    /// `T_x`, m, `n_x`, `n_a`, `n_y`
    pub(crate) dims: [usize; 5],
    pub(crate) pass: String,
    /// Where there are several.
    #[serde(default)]
    pub(crate) layers: usize,
    #[serde(default)]
    pub(crate) directions: usize,
    /// 1 where half of the steps are padding.
    #[serde(default)]
    pub(crate) ragged: usize,
    /// The median of each program's samples. That of `peak` is the time of the multiply-adds alone.
    pub(crate) milliseconds: BTreeMap<String, f64>,
}

/// The programs that are no peers.
const OWN: [&str; 4] = ["elman", "without-dx", "peak", "layers"];

impl Machine {
    /// All JSON files of a folder, the newest measurement first, and of one day by their names.
    pub(crate) fn read_all(folder: &Path) -> Result<Vec<Self>, Box<dyn Error>> {
        let mut machines: Vec<Self> = Vec::new();
        let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = entries.collect::<Result<Vec<_>, _>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort_by(|a, b| a.file_stem().cmp(&b.file_stem()));
        for path in paths {
            let read = fs::read(&path)?;
            let machine = serde_json::from_slice(&read).map_err(|error| format!("{}: {error}", path.display()))?;
            let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            machines.push(Machine { file, ..machine });
        }
        machines.sort_by(|a, b| (&b.date, &b.name).cmp(&(&a.date, &a.name)));
        Ok(machines)
    }

    pub(crate) fn case(&self, threads: u32, dtype: &str, size: &str, pass: &str) -> Option<&Case> {
        let wanted = (threads, dtype, size, pass);
        self.cases.iter().find(|case| (case.threads, &*case.dtype, &*case.size, &*case.pass) == wanted)
    }
}

impl Case {
    /// The size in words and numbers.
    pub(crate) fn label(&self) -> String {
        let dims = self.dims.map(|n| n.to_string()).join("·");
        let layers = if self.layers > 1 { format!(", {} layers", self.layers) } else { String::new() };
        let directions = if self.directions > 1 { ", two directions" } else { "" };
        let padding = if self.ragged > 0 { ", half padding" } else { "" };
        format!("{} {dims}{layers}{directions}{padding}", self.size)
    }

    pub(crate) fn time(&self, program: &str) -> Option<f64> {
        self.milliseconds.get(program).copied()
    }

    pub(crate) fn elman(&self) -> Option<f64> {
        self.time("elman")
    }

    /// The peers that were measured in this case, and their times.
    pub(crate) fn peers(&self) -> impl Iterator<Item = (&str, f64)> {
        let peers = self.milliseconds.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
        peers.map(|(name, &time)| (name.as_str(), time))
    }

    /// The fastest peer's time.
    pub(crate) fn best(&self) -> Option<f64> {
        self.peers().map(|(_, time)| time).min_by(f64::total_cmp)
    }

    /// The fastest peer's time divided by elman's: above 1, elman is ahead.
    pub(crate) fn lead(&self) -> Option<f64> {
        Some(self.best()? / self.elman()?)
    }

    /// The share of the multiply-add peak that elman reaches.
    pub(crate) fn share_of_peak(&self) -> Option<f64> {
        Some(self.time("peak")? / self.elman()?)
    }
}
