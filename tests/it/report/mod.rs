//! One line for each computation of the library over seeded problems: its name and the digest of its results.
//!
//! The program in `digests/` prints the lines, and a test of the crate compares them with `tests/digests`. Both compile
//! these files. They use the library and nothing else, and Rust 1.85.

mod batches;
mod diagnostics;
mod elementary;
#[cfg(feature = "safetensors")]
mod files;
mod losses;
mod parameters;
mod problem;
mod sampling;
mod sequences;
mod stacks;

use elman::Scalar;
use elman::io::Error;
use elman::loss::IGNORE;

/// The digest of some numbers: FNV-1a with 64 bits (Fowler, Noll, Vo) over the little-endian bytes.
#[derive(Clone, Copy, Debug)]
struct Digest(u64);

impl Digest {
    fn new() -> Self {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Digest(bytes.iter().fold(self.0, add))
    }

    /// Adds the elements of an array in C order. Single precision is widened, which keeps all bit patterns distinct.
    fn floats<'a, A: Scalar>(self, values: impl IntoIterator<Item = &'a A>) -> Self {
        values.into_iter().fold(self, |digest, value| {
            let value = value.to_f64().expect("both precisions convert to f64");
            assert!(!value.is_nan(), "which NaN comes out is not promised, so a digest must not read one");
            digest.bytes(&value.to_bits().to_le_bytes())
        })
    }

    fn counts<'a>(self, counts: impl IntoIterator<Item = &'a usize>) -> Self {
        // `IGNORE` is usize::MAX, and has 32 bits on some machines.
        let word = |count: usize| if count == IGNORE { u64::MAX } else { count as u64 };
        counts.into_iter().fold(self, |digest, count| digest.bytes(&word(*count).to_le_bytes()))
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
    #[cfg(feature = "safetensors")]
    files::add::<A>(&mut report)?;
    Ok(report.lines.into_iter().map(|line| format!("{precision} {line}")).collect())
}

/// All lines.
pub(crate) fn lines() -> Result<Vec<String>, Error> {
    let mut report = Report::default();
    batches::add(&mut report)?;
    Ok([of_precision::<f32>("f32")?, of_precision::<f64>("f64")?, report.lines].concat())
}
