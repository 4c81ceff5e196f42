//! A progress bar.

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

/// Makes a progress bar, which disappears at its end.
pub(crate) fn progress_bar(length: u64, unit: &str) -> ProgressBar {
    let template = format!("{{bar:40}} {{pos}}/{{len}} {unit}, {{eta}} left  {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_finish(ProgressFinish::AndClear)
}
