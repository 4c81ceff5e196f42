//! Draws the tables and the picture of the measurements in `docs/benchmarks`.
//!
//! ```text
//! benches/peers/run --json docs/benchmarks/MACHINE.json       measures for about 40 minutes
//! cargo bench --features avx512 --bench growth -- --json docs/benchmarks/growth/MACHINE.json
//! cargo run --release --example benchmarks                    writes docs/benchmarks.md and the pictures
//! cargo run --release --example benchmarks -- --quick         fails where the tables are not those of the measurements
//! ```

mod growth;
mod measurements;
mod picture;
mod tables;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use measurements::Machine;

/// Draws the tables and the picture of the measurements in docs/benchmarks.
#[derive(Debug, Parser)]
struct Arguments {
    /// Write nothing; fail where docs/benchmarks.md is out of date
    #[arg(long)]
    quick: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let machines = Machine::read_all(&docs.join("benchmarks"))?;
    let growth = docs.join("benchmarks/growth");
    let grown = Machine::read_all(&growth)?;
    let tables = tables::page(&machines) + &growth::section(&grown);
    let page = docs.join("benchmarks.md");
    if arguments.quick {
        if fs::read_to_string(&page)? != tables {
            return Err("docs/benchmarks.md is out of date: run this example without --quick".into());
        }
        println!("docs/benchmarks.md shows the {} measurements of docs/benchmarks", machines.len());
        return Ok(());
    }
    fs::write(&page, tables)?;
    let newest = machines.iter().find(|machine| picture::has_rows(machine));
    let newest = newest.ok_or("no measurement in docs/benchmarks has the rows of the picture")?;
    picture::draw(&docs.join("gallery/speed.svg"), newest)?;
    for machine in &grown {
        growth::picture::draw(&growth.join(&machine.file).with_extension("svg"), machine)?;
    }
    println!("wrote docs/benchmarks.md, docs/gallery/speed.svg and the pictures in docs/benchmarks/growth");
    Ok(())
}
