//! The tables, as Markdown.

use std::fmt::Write;

use crate::measurements::{Case, Machine};

/// The columns after that of elman. Those that a machine did not measure are left out.
const COLUMNS: [&str; 10] =
    ["without-dx", "onednn", "jax", "torch", "onnxruntime", "numpy", "batched", "ndarray", "rustyml", "burn"];

const INTRODUCTION: &str = "\
# Benchmarks

elman and its peers, measured in turn in one run. The numbers are medians in milliseconds; less is better.

- `best / elman` is the fastest peer's time divided by elman's: above 1, elman is ahead. The fastest peer is bold.
- `share of peak` is the time of the case's multiply-adds at the processor's peak, divided by elman's time.
- `× one thread` is how much faster elman is than on one thread.
- A size is T_x·m·n_x·n_a·n_y. `forward` is the softmax output of every step. `train` is forward, cross-entropy and the gradient
  of every parameter. elman computes the gradient of the input, too, except for layers and ragged batches.
  `step` is one step, for elman by `Stepper`.
- `deep` has several layers, `deep-both` also two directions. In `ragged`, half of the steps are padding: elman, PyTorch
  (packed) and onnxruntime are told the lengths; oneDNN and JAX compute the padding and ignore it.
- `without-dx` is elman with an input that needs no gradient, as in a first layer. oneDNN and rustyml compute the gradient of
  the input, too. The other peers do not.
- In `train`, the weights change before every call, so elman packs them inside the timing. oneDNN's are packed before it. In
  `forward` they stay the same: elman packs them once. In the tables before December 2026, it packed them at every call.
- A case below about eight million multiply-adds runs on one thread, whatever the number of threads. For the tables of the
  Xeon, the Zen 4 (family 25, model 17) and the Zen 3 (family 25, model 1), this number was two million.
- For the table of the Zen 5 (family 26), all other programs were stopped while one was measured. For the other tables, their
  threads could still spin.

`benches/peers/README.md` says what each program does, and how its numbers are checked before it is timed. These tables are
written by `cargo run --release --example benchmarks` from the files in `docs/benchmarks`.

Two virtual cores of a shared host share their speed with strangers. Compare rows of one table, not of two.

Ragged batches and tokens: with half of the steps padding, training takes 0.60 (charlm) and 0.56 (medium) of the full batch's
time, and tokens take 0.9 of the time of vectors that need no gradient (`RAYON_NUM_THREADS=1 cargo bench --features avx512 --bench
ragged -- f32`, means of two runs beside other work, on an Intel Xeon, family 6, model 167).
";

/// The whole page.
pub(crate) fn page(machines: &[Machine]) -> String {
    let mut page = String::from(INTRODUCTION);
    let mut last = "";
    for machine in machines {
        let Machine { name, date, command, rounds, seconds, versions, .. } = machine;
        let versions: Vec<_> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        if last == name {
            writeln!(page, "\n### Another run on this machine\n").expect(INFALLIBLE);
        } else {
            writeln!(page, "\n## {name}\n").expect(INFALLIBLE);
        }
        last = name;
        writeln!(page, "{date}, {rounds} rounds of {seconds} s. {}.\n", versions.join(", ")).expect(INFALLIBLE);
        writeln!(page, "```text\n{command}\n```").expect(INFALLIBLE);
        for threads in [1, 2] {
            for dtype in ["f32", "f64"] {
                table(&mut page, machine, threads, dtype);
            }
        }
    }
    page
}

pub(crate) const INFALLIBLE: &str = "a string takes all text";

fn table(page: &mut String, machine: &Machine, threads: u32, dtype: &str) {
    let cases: Vec<_> = machine.cases.iter().filter(|case| (case.threads, &*case.dtype) == (threads, dtype)).collect();
    if cases.is_empty() {
        return;
    }
    let peers: Vec<_> = COLUMNS.into_iter().filter(|peer| cases.iter().any(|case| case.time(peer).is_some())).collect();
    let plural = if threads > 1 { "s" } else { "" };
    let mut head = vec![format!("{dtype}, {threads} thread{plural}"), "pass".into(), "elman".into()];
    head.extend(peers.iter().map(ToString::to_string));
    head.extend(["best / elman".into(), "share of peak".into()]);
    if threads > 1 {
        head.push("× one thread".into());
    }
    let alignment = (0..head.len()).map(|column| if column < 2 { "---" } else { "---:" }.to_owned());
    page.push('\n');
    row(page, &head);
    row(page, &alignment.collect::<Vec<_>>());
    for case in cases {
        row(page, &cells(machine, case, &peers));
    }
}

fn cells(machine: &Machine, case: &Case, peers: &[&str]) -> Vec<String> {
    let show = |number: Option<f64>, text: &dyn Fn(f64) -> String| number.map_or("–".into(), text);
    let mut cells = vec![case.label(), case.pass.clone(), show(case.elman(), &milliseconds)];
    for peer in peers {
        let text = show(case.time(peer), &milliseconds);
        let is_best = case.time(peer).is_some_and(|time| Some(time) == case.best());
        cells.push(if is_best { format!("**{text}**") } else { text });
    }
    cells.push(show(case.lead(), &|lead| format!("{lead:.2}")));
    cells.push(show(case.share_of_peak(), &|share| format!("{:.0} %", 100.0 * share)));
    if case.threads > 1 {
        let alone = machine.case(1, &case.dtype, &case.size, &case.pass).and_then(Case::elman);
        let speed_up = alone.zip(case.elman()).map(|(alone, ours)| alone / ours);
        cells.push(show(speed_up, &|speed_up| format!("{speed_up:.2}")));
    }
    cells
}

pub(crate) fn row(page: &mut String, cells: &[String]) {
    writeln!(page, "| {} |", cells.join(" | ")).expect(INFALLIBLE);
}

/// Three significant digits.
pub(crate) fn milliseconds(time: f64) -> String {
    let decimals = [(100.0, 0), (10.0, 1), (1.0, 2), (0.1, 3), (0.01, 4)];
    let decimals = decimals.into_iter().find(|(least, _)| time >= *least).map_or(5, |(_, decimals)| decimals);
    format!("{time:.decimals$}")
}
