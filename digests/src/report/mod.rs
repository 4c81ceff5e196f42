//! One line for each computation of the library over seeded problems: its name and the digest of its results.
//!
//! The program in `digests/` prints the lines, and a test of the crate compares them with `tests/digests`. Both compile
//! these files. They use the library and nothing else, and Rust 1.85.

mod batches;
mod diagnostics;
mod elementary;
mod losses;
mod parameters;
mod problem;
mod sampling;
mod sequences;
mod stacks;

use elman::{Error, Scalar};

/// The digest of some numbers: FNV-1a with 64 bits (Fowler, Noll, Vo) over the little-endian bytes.
#[derive(Clone, Copy, Debug)]
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    fn word(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Adds the elements of an array in C order. Single precision is widened, which keeps all bit patterns distinct.
    fn floats<'a, A: Scalar>(mut self, values: impl IntoIterator<Item = &'a A>) -> Self {
        for value in values {
            let value = value.to_f64().expect("both precisions convert to f64");
            assert!(!value.is_nan(), "which NaN comes out is not promised, so a digest must not read one");
            self.word(value.to_bits());
        }
        self
    }

    fn counts<'a>(mut self, counts: impl IntoIterator<Item = &'a usize>) -> Self {
        counts.into_iter().for_each(|count| self.word(*count as u64));
        self
    }
}

/// The lines so far.
#[derive(Default)]
struct Report {
    lines: Vec<String>,
}

impl Report {
    fn add(&mut self, name: &str, digest: Digest) {
        self.lines.push(format!("{name} {:016x}", digest.0));
    }
}

fn of_precision<A: Scalar>(precision: &str) -> Result<Vec<String>, Error> {
    let mut report = Report::default();
    elementary::add::<A>(&mut report)?;
    sequences::add::<A>(&mut report)?;
    stacks::add::<A>(&mut report)?;
    losses::add::<A>(&mut report)?;
    parameters::add::<A>(&mut report)?;
    sampling::add::<A>(&mut report)?;
    diagnostics::add::<A>(&mut report)?;
    Ok(report.lines.into_iter().map(|line| format!("{precision} {line}")).collect())
}

/// All lines.
pub(crate) fn lines() -> Result<Vec<String>, Error> {
    let mut report = Report::default();
    batches::add(&mut report)?;
    Ok([of_precision::<f32>("f32")?, of_precision::<f64>("f64")?, report.lines].concat())
}
