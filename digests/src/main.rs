//! Prints a digest of every computation of the library. `tests/digests` has the lines that every machine must print:
//!
//! ```text
//! cargo run --release --manifest-path digests/Cargo.toml --target-dir target/digests | diff tests/digests -
//! ```

#[path = "../../tests/it/report/mod.rs"]
mod report;

fn main() -> Result<(), elman::io::Error> {
    eprintln!("computed with {}", elman::instruction_set());
    for line in report::lines()? {
        println!("{line}");
    }
    Ok(())
}
