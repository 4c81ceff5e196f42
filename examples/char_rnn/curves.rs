//! Loss curves.

/// Losses in bits per character, each with its step.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Curves {
    /// The running average.
    pub(crate) training: Vec<(u64, f64)>,
    pub(crate) held_out: Vec<(u64, f64)>,
}
