//! Proves that a resumed run is bit-identical to an uninterrupted one.

use std::path::Path;
use std::{env, fs, process};

use crate::text::{self, Text, Vocabulary};
use crate::training::{Run, Settings, Trainer};
use crate::{Result, checkpoint};

/// Enough steps to reach the third epoch.
pub(crate) const STEPS: u64 = 40;

/// Trains a small run without a break; then with a break half-way, saved to a file and resumed; then with a break after
/// every step. All three must end with the same bits.
pub(crate) fn check() -> Result<()> {
    let source: String = text::built_in().chars().take(2000).collect();
    let vocabulary = Vocabulary::of(&source)?;
    let text = Text::new(&source, &vocabulary)?;
    let settings = Settings { steps: STEPS, batch: 8, length: 16, learning_rate: 0.004, dropout: 0.2, seed: 1 };
    let start = Run::new(settings, &[24, 16], vocabulary, &text)?;

    let mut whole = Trainer::new(start.clone(), &text)?;
    (0..STEPS).try_for_each(|_| whole.step())?;
    let path = env::temp_dir().join(format!("elman-char-rnn-{}.json", process::id()));
    for piece in [STEPS / 2, 1] {
        let resumed = in_pieces(start.clone(), &text, piece, &path);
        let removed = fs::remove_file(&path);
        compare(&resumed?, &whole.run)
            .map_err(|what| format!("resumed every {piece} steps, the run differs: {what}"))?;
        removed.map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
    }
    Ok(())
}

fn in_pieces(mut run: Run, text: &Text, piece: u64, path: &Path) -> Result<Run> {
    while !run.is_complete() {
        let mut trainer = Trainer::new(run, text)?;
        (0..piece).try_for_each(|_| trainer.step())?;
        checkpoint::save(path, &trainer.run)?;
        run = checkpoint::load(path)?;
    }
    Ok(run)
}

/// Compares the numbers bit by bit, then everything else.
fn compare(found: &Run, expected: &Run) -> std::result::Result<(), String> {
    for ((name, found), (_, expected)) in numbers(found).into_iter().zip(numbers(expected)) {
        if found.len() != expected.len() {
            return Err(format!("{} {name}, expected {}", found.len(), expected.len()));
        }
        let mut pairs = found.iter().zip(&expected).enumerate();
        if let Some((index, (found, expected))) = pairs.find(|(_, (a, b))| a.to_bits() != b.to_bits()) {
            return Err(format!("number {index} of the {name} is {found:e}, expected {expected:e}"));
        }
    }
    let rest = |run: &Run| (run.steps_done(), run.place, run.average, run.curves.clone());
    if rest(found) == rest(expected) { Ok(()) } else { Err("its place in the text, or its curves".into()) }
}

fn numbers(run: &Run) -> [(&str, Vec<f32>); 4] {
    [
        ("parameters", run.model.parameters.as_slice().to_vec()),
        ("first moments", run.adam.first_moment().to_vec()),
        ("second moments", run.adam.second_moment().to_vec()),
        ("hidden states", checkpoint::numbers_of(&run.states)),
    ]
}
