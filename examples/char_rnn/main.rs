//! Trains a character model on real text, and writes some of its own.
//!
//! ```text
//! cargo run --release --example char_rnn
//! cargo run --release --example char_rnn -- --text FILE --steps 4000 --save model.json
//! cargo run --release --example char_rnn -- --load model.json --prompt "Once upon"
//! ```
//!
//! The text is read by `--batch` readers at once, each at its own place and each with its own hidden state, which is
//! carried from one chunk of `--length` characters to the next; gradients are cut there. The last tenth of the text is
//! held out, and the loss there, in bits per character, is compared with what counting characters achieves.

mod checkpoint;
mod counts;
mod model;
mod reader;
mod text;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use model::{Model, Training};
use rand::SeedableRng;
use rand::rngs::StdRng;
use text::{Text, Vocabulary};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often the held-out loss is measured during training.
const REPORTS: usize = 8;

/// Trains an Elman network on the characters of a text, measures it on text that it has not seen, and samples from it.
#[derive(Debug, Parser)]
struct Arguments {
    /// UTF-8 text to learn from [default: this crate's sources]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Hidden units [default: 256, or those of the loaded model]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=8192))]
    hidden: Option<u16>,
    /// Training steps [default: 1200, or 0 with --load]
    #[arg(long)]
    steps: Option<usize>,
    /// Places in the text that are read side by side [default: 32]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    batch: Option<u16>,
    /// Characters in a chunk, through which gradients flow [default: 64]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    length: Option<u16>,
    /// Learning rate of the first step; it falls to a tenth
    #[arg(long, default_value_t = 0.004, value_parser = positive)]
    lr: f64,
    /// Seed of the initial weights, of the order of reading and of the sample
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the trained model
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// A model to start from, instead of random weights
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
    /// What the sample starts with [default: a line break]
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,
    /// Characters to sample
    #[arg(long, default_value_t = 600)]
    sample: usize,
    /// Below one, the sample keeps closer to what is likely; above, it strays
    #[arg(long, default_value_t = 0.8, value_parser = positive)]
    temperature: f64,
    /// A small network and few steps, to see that everything works
    #[arg(long)]
    quick: bool,
}

fn positive(argument: &str) -> std::result::Result<f64, String> {
    match argument.parse() {
        Ok(value) if value > 0.0 && f64::is_finite(value) => Ok(value),
        _ => Err("expected a positive number".into()),
    }
}

impl Arguments {
    fn training(&self) -> Training {
        let (batch, length, steps) = if self.quick { (16, 32, 300) } else { (32, 64, 1200) };
        let steps = if self.load.is_some() { 0 } else { steps };
        Training {
            steps: self.steps.unwrap_or(steps),
            batch: self.batch.map_or(batch, usize::from),
            length: self.length.map_or(length, usize::from),
            learning_rate: self.lr,
        }
    }

    fn hidden(&self) -> usize {
        self.hidden.map_or(if self.quick { 48 } else { 256 }, usize::from)
    }

    /// Whether this run has to beat the order-0 entropy: nothing was chosen that could keep it from learning.
    fn is_standard(&self) -> bool {
        let chosen = [self.hidden, self.batch, self.length].iter().any(Option::is_some);
        self.text.is_none() && self.load.is_none() && self.steps.is_none() && !chosen
    }
}

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
    let training = arguments.training();
    let loaded = arguments.load.as_deref().map(checkpoint::load).transpose()?;
    if let (Some(model), Some(hidden)) = (&loaded, arguments.hidden) {
        let found = model.parameters.dims().n_a;
        if found != usize::from(hidden) {
            return Err(format!("--hidden {hidden}: the loaded model has {found} hidden units").into());
        }
    }
    if let Some(path) = &arguments.save {
        checkpoint::check_writable(path)?;
    }

    let needs_text = loaded.is_none() || training.steps > 0 || arguments.text.is_some();
    let source = match &arguments.text {
        Some(path) => text::read(path)?,
        None => text::built_in(),
    };
    let mut rng = StdRng::seed_from_u64(arguments.seed);
    let mut model = match loaded {
        Some(model) => model,
        None => Model::new(Vocabulary::of(&source)?, arguments.hidden(), &mut rng),
    };
    let prompt = match &arguments.prompt {
        Some(prompt) if prompt.is_empty() => return Err("--prompt: the sample needs a character to start with".into()),
        Some(prompt) => model.vocabulary.encode(prompt).map_err(|error| format!("--prompt: {error}"))?,
        None => vec![model.vocabulary.encode("\n").map_or(0, |symbols| symbols[0])],
    };

    if needs_text {
        let text = Text::new(&source, &model.vocabulary)?;
        learn(&mut model, &text, &training, &mut rng, arguments.is_standard(), out)?;
    }
    if let Some(path) = &arguments.save {
        checkpoint::save(path, &model)?;
        writeln!(out, "saved       {}", path.display())?;
    }
    let sample =
        model.sample(&prompt, arguments.sample, arguments.temperature, &mut StdRng::seed_from_u64(arguments.seed))?;
    writeln!(out, "\n{}{}", model.vocabulary.decode(&prompt), model.vocabulary.decode(&sample))?;
    Ok(())
}

/// Trains, and prints how well that went.
fn learn(
    model: &mut Model,
    text: &Text,
    training: &Training,
    rng: &mut StdRng,
    must_beat_order_0: bool,
    out: &mut impl Write,
) -> Result<()> {
    let classes = model.vocabulary.len();
    let (characters, held_out) = (text.symbols.len(), text.held_out().len());
    let dims = model.parameters.dims();
    writeln!(out, "text        {characters} characters, {classes} distinct; the last {held_out} held out")?;
    writeln!(out, "network     {} hidden units, {} parameters", dims.n_a, dims.len())?;

    let bar = ProgressBar::new(training.steps as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} steps, {eta} left, {msg}")?);
    let every = training.steps.div_ceil(REPORTS).max(1);
    model.train(text, training, rng, |model, step, bits| {
        bar.set_message(format!("{bits:.2} bits per character"));
        bar.set_position(step as u64);
        if step % every == 0 && step < training.steps {
            let held_out = model.bits_per_character(text.held_out_from_one_before())?;
            bar.suspend(|| writeln!(out, "step {step:<6} {bits:.3} in training, {held_out:.3} held out"))?;
        }
        Ok(())
    })?;
    bar.finish_and_clear();

    let order_0 = counts::best_bits_per_character(text, 0, classes);
    let order_2 = counts::best_bits_per_character(text, 2, classes);
    let bits = model.bits_per_character(text.held_out_from_one_before())?;
    writeln!(out, "bits per character of the held-out text:")?;
    writeln!(out, "  order 0   {:.3}  (how often each character occurs; {})", order_0.bits, order_0.smoothing())?;
    writeln!(out, "  order 2   {:.3}  (given the two characters before it; {})", order_2.bits, order_2.smoothing())?;
    writeln!(out, "  network   {bits:.3}")?;
    let against =
        |other: f64| format!("{:.3} bits {}", (other - bits).abs(), if bits < other { "below" } else { "above" });
    writeln!(out, "The network is {} order 0 and {} order 2.", against(order_0.bits), against(order_2.bits))?;
    if must_beat_order_0 && bits >= order_0.bits {
        return Err("the network has not learnt more than how often each character occurs".into());
    }
    Ok(())
}
