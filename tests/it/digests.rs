//! The bits of every computation are those of `tests/digests`, on every instruction set of the machine.

#[path = "report/mod.rs"]
mod report;

use std::process::Command;

/// `CONTRIBUTING.md` says how to write it anew.
const EXPECTED: &str = include_str!("../digests");

/// The text before the name of a process's instruction set, and before each of its lines.
const SET: &str = "instruction set ";
const LINE: &str = "digest ";

/// Instruction sets of this architecture, the narrowest first.
const SETS: &[&str] = if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
    &["scalar", "avx2", "avx512"]
} else if cfg!(target_arch = "aarch64") {
    &["scalar", "neon"]
} else {
    &["scalar"]
};

#[track_caller]
fn assert_expected<'l>(lines: impl Iterator<Item = &'l str>, set: &str) {
    // The lines of files need a feature.
    let is_computed = |line: &&str| cfg!(feature = "safetensors") || !line.contains(" safetensors ");
    let (lines, expected): (Vec<&str>, Vec<&str>) = (lines.collect(), EXPECTED.lines().filter(is_computed).collect());
    for (found, expected) in lines.iter().zip(&expected) {
        assert_eq!(found, expected, "{set}");
    }
    assert_eq!(lines.len(), expected.len(), "{set}: number of digests");
}

/// Run in a process of its own, this prints the digests of an instruction set for the test below.
#[test]
fn the_digests_are_those_of_the_file() {
    let lines = report::lines().unwrap();
    println!("\n{SET}{}", elman::instruction_set());
    for line in &lines {
        println!("{LINE}{line}");
    }
    assert_expected(lines.iter().map(String::as_str), elman::instruction_set());
}

/// If the machine or the build lacks the instruction set of a cap, the best one below it runs.
#[test]
fn every_instruction_set_gives_the_digests_of_the_file() {
    let place = |name: &str| SETS.iter().position(|set| *set == name).unwrap_or_else(|| panic!("no set {name}"));
    let mut best = SETS.len() - 1;
    for (cap, name) in SETS.iter().enumerate().rev() {
        let report = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "digests::the_digests_are_those_of_the_file", "--nocapture"])
            .env("ELMAN_MAX_ISA", name)
            .output()
            .unwrap();
        let report = String::from_utf8(report.stdout).unwrap();
        let set = report.lines().find_map(|line| line.strip_prefix(SET)).unwrap_or_else(|| panic!("{name}: no name"));
        if cap == SETS.len() - 1 {
            best = place(set);
        }
        assert_eq!(set, SETS[cap.min(best)], "the instruction set under the cap {name}");
        assert_expected(report.lines().filter_map(|line| line.strip_prefix(LINE)), set);
    }
    println!("compared: {}", SETS[..=best].join(", "));
}
