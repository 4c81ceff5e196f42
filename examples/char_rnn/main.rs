//! Trains a character model on real text, then generates text with it.
//!
//! ```text
//! cargo run --release --example char_rnn
//! cargo run --release --example char_rnn -- --layers 2 --hidden 160 --dropout 0.2
//! cargo run --release --example char_rnn -- --text FILE --steps 4000 --save run.json --plot loss.svg
//! cargo run --release --example char_rnn -- --resume run.json --prompt "Once upon" --prompt "The end"
//! ```
//!
//! The text is read at `--batch` positions in parallel. Each position has its own hidden state, which is carried from
//! one chunk of `--length` characters to the next. Gradients are cut between chunks. The last tenth of the text is held
//! out. The loss on it, in bits per character, is compared with the loss of character counts.
//!
//! `--resume` continues an interrupted run from its last save. The result is bit-identical to an uninterrupted run:
//! `--quick` proves it.

mod arguments;
#[path = "../support/chart.rs"]
mod chart;
mod checkpoint;
mod continuation;
mod counts;
mod curves;
#[path = "../support/files.rs"]
mod files;
mod model;
mod panels;
mod reading;
mod resumption;
#[path = "../support/run.rs"]
mod run;
mod seeds;
mod text;
mod training;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use arguments::Arguments;
use clap::Parser;
use run::progress_bar;
use text::{Text, Vocabulary};
use training::{Run, Trainer};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The held-out loss is measured, and the run saved, this many times.
const REPORTS: u64 = 8;

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    arguments.files.check()?;
    if let Some(path) = &arguments.save {
        files::check_writable(path).map_err(of("--save"))?;
    }
    let (mut run, text) = match &arguments.resume {
        Some(path) => resume(path, arguments)?,
        None => begin(arguments).map(|(run, text)| (run, Some(text)))?,
    };
    let prompts = prompts(&run, arguments).map_err(of("--prompt"))?;

    if let Some(text) = &text {
        run = train(run, text, arguments, out)?;
    }
    if let Some(path) = &arguments.save {
        checkpoint::save(path, &run).map_err(of("--save"))?;
        writeln!(out, "saved       {}", path.display())?;
    }
    if let Some(text) = &text {
        report(&run, text, arguments, out)?;
    }
    if arguments.quick {
        resumption::check()?;
        let steps = resumption::STEPS;
        writeln!(out, "resumed     {steps} steps, interrupted half-way or after each step: bit-identical")?;
    }

    if arguments.sample == 0 {
        return Ok(());
    }
    let seed = arguments.seed.unwrap_or(run.settings.seed);
    let sampled = continuation::continue_all(&run.model, &prompts, arguments.sample, &arguments.sampler(), seed)?;
    for (prompt, sampled) in prompts.iter().zip(&sampled) {
        let [prompt, sampled] = [prompt, sampled].map(|symbols| run.model.vocabulary.decode(symbols));
        writeln!(out, "\nsample      after {prompt:?}:\n{prompt}{sampled}")?;
    }
    Ok(())
}

/// Adds the name of the argument to an error.
fn of(argument: &str) -> impl Fn(Box<dyn Error>) -> Box<dyn Error> {
    move |error| format!("{argument}: {error}").into()
}

/// Starts a new run, and reads its text.
fn begin(arguments: &Arguments) -> Result<(Run, Text)> {
    let source = source(arguments)?;
    let vocabulary = Vocabulary::of(&source).map_err(of("--text"))?;
    let text = Text::new(&source, &vocabulary).map_err(of("--text"))?;
    Ok((Run::new(arguments.settings(), &arguments.hidden()?, vocabulary, &text)?, text))
}

/// Loads a saved run, and reads its text if the run still needs it.
fn resume(path: &Path, arguments: &Arguments) -> Result<(Run, Option<Text>)> {
    let mut run = checkpoint::load(path).map_err(of("--resume"))?;
    if let Some(steps) = arguments.steps {
        run.settings.steps = u64::from(steps).max(run.steps_done());
    }
    let has_curves = arguments.files.plot.is_some() || arguments.files.csv.is_some();
    if run.is_complete() && arguments.text.is_none() && !has_curves {
        return Ok((run, None));
    }
    let source = source(arguments)?;
    match Text::new(&source, &run.model.vocabulary) {
        Ok(text) if text.fingerprint == run.fingerprint => Ok((run, Some(text))),
        _ => Err("--text: --resume needs the text of the resumed run, and this is another one".into()),
    }
}

fn source(arguments: &Arguments) -> Result<String> {
    arguments.text.as_deref().map_or_else(|| Ok(text::built_in()), |path| text::read(path).map_err(of("--text")))
}

/// The prompts, encoded as symbols.
fn prompts(run: &Run, arguments: &Arguments) -> Result<Vec<Vec<usize>>> {
    let vocabulary = &run.model.vocabulary;
    if arguments.prompt.is_empty() {
        return Ok(vec![vocabulary.encode("\n").unwrap_or_else(|_| vec![0])]);
    }
    let encode = |prompt: &String| match &prompt[..] {
        "" => Err("a prompt needs at least one character".into()),
        prompt => vocabulary.encode(prompt),
    };
    arguments.prompt.iter().map(encode).collect()
}

/// Trains for the remaining steps. Measures the held-out loss and saves the run at regular intervals.
fn train(run: Run, text: &Text, arguments: &Arguments, out: &mut impl Write) -> Result<Run> {
    let (characters, classes, held_out) = (text.symbols.len(), run.model.vocabulary.len(), text.held_out().len());
    let (architecture, settings) = (run.model.parameters.architecture(), run.settings);
    let hidden: Vec<_> = architecture.layers().iter().map(|layer| layer.n_a.to_string()).collect();
    writeln!(out, "text        {characters} characters, {classes} distinct; the last {held_out} held out")?;
    writeln!(out, "network     {} hidden units, {} parameters", hidden.join(" and "), architecture.len())?;
    writeln!(out, "training    {} steps of {} × {} characters", settings.steps, settings.batch, settings.length)?;
    if arguments.resume.is_some() {
        writeln!(out, "resumed     after step {}", run.steps_done())?;
    }

    let bar = progress_bar(settings.steps, "steps").with_position(run.steps_done());
    bar.reset_eta();
    let every = settings.steps.div_ceil(REPORTS).max(1);
    let mut trainer = Trainer::new(run, text).map_err(of("--resume"))?;
    while !trainer.run.is_complete() {
        trainer.step()?;
        let run = &mut trainer.run;
        let (step, average) = (run.steps_done(), run.average.unwrap_or_default());
        bar.set_message(format!("{average:.2} bits per character"));
        bar.set_position(step);
        if step % every == 0 || run.is_complete() {
            let held_out = run.model.bits_per_character(text.held_out_from_one_before())?;
            run.curves.held_out.push((step, held_out));
            bar.suspend(|| writeln!(out, "step {step:<6} {average:.3} in training, {held_out:.3} held out"))?;
            if let Some(path) = arguments.save.as_deref().filter(|_| !run.is_complete()) {
                checkpoint::save(path, run).map_err(of("--save"))?;
            }
        }
    }
    bar.finish_and_clear();
    writeln!(out, "read        {:.1} epochs", trainer.epochs_read())?;
    Ok(trainer.run)
}

/// Compares the loss of the run with that of character counts, and draws the curves.
fn report(run: &Run, text: &Text, arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let classes = run.model.vocabulary.len();
    let order_0 = counts::best_bits_per_character(text, 0, classes);
    let order_2 = counts::best_bits_per_character(text, 2, classes);
    let bits = run.model.bits_per_character(text.held_out_from_one_before())?;
    writeln!(out, "bits per character of the held-out text:")?;
    writeln!(out, "  order 0   {:.3}  (how often each character occurs; {})", order_0.bits, order_0.smoothing())?;
    writeln!(out, "  order 2   {:.3}  (given the two characters before it; {})", order_2.bits, order_2.smoothing())?;
    writeln!(out, "  network   {bits:.3}")?;
    let against =
        |other: f64| format!("{:.3} bits {}", (other - bits).abs(), if bits < other { "below" } else { "above" });
    writeln!(out, "The network is {} order 0 and {} order 2.", against(order_0.bits), against(order_2.bits))?;
    arguments.files.write(&run.curves.panels(order_0.bits, order_2.bits))?;
    if arguments.is_standard() && bits >= order_0.bits {
        return Err("the network is no better than character frequencies".into());
    }
    Ok(())
}
