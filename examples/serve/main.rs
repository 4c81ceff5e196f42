//! Serves predictions over standard input and output, and keeps the hidden state: one line in, one line out.
//!
//! ```text
//! cargo run --release --features safetensors --example serve -- --model model.safetensors
//! printf '1 0 0\n0 1 0\nreset\n1 0 0\n' | cargo run --release --features safetensors --example serve
//! ```
//!
//! Each line holds the inputs of one step, separated by spaces or commas, or one token id with `--tokens`. The answer
//! is the probabilities, or with `--likeliest` the class with the largest probability. It is written before the next
//! line is read. `reset` sets the hidden state to zero and gets no answer. Any other line gets a message on standard
//! error and leaves the state unchanged. The program ends when the input ends.
//!
//! The model holds the float32 weights of a tanh network under the names of this crate or of PyTorch. The default is
//! the small network of `tests/fixtures/interop_torch.py`, with three inputs and five classes.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use elman::Activation;
use elman::io::{Tensors, safetensors, torch};
use elman::{Parameters, cell, sampling, sequence};
use ndarray::{Array2, ArrayView1, array};
use rand::{SeedableRng, rngs::StdRng};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MODEL: &[u8] = include_bytes!("../../tests/fixtures/torch_rnn.safetensors");

/// Answers every line of standard input with a prediction.
#[derive(Debug, Parser)]
struct Arguments {
    /// Weights to use instead of the built-in ones
    #[arg(long, value_name = "FILE.safetensors")]
    model: Option<PathBuf>,
    /// Prefix of the names of a torch RNN's tensors
    #[arg(long, default_value = "encoder.rnn.")]
    rnn: String,
    /// Prefix of the names of a torch Linear's tensors
    #[arg(long, default_value = "head.")]
    linear: String,
    /// Each line is a token id instead of the input values
    #[arg(long)]
    tokens: bool,
    /// Answers with the likeliest class instead of the probabilities
    #[arg(long)]
    likeliest: bool,
    /// Answers built-in lines and checks the answers. Some of the lines are wrong on purpose
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

fn run(arguments: &Arguments) -> Result<()> {
    if arguments.quick {
        return check();
    }
    let weights = match &arguments.model {
        Some(path) => safetensors::load(path)?,
        None => safetensors::from_bytes(MODEL)?,
    };
    let model = model(&weights, &arguments.rnn, &arguments.linear)?;
    let server = Server::new(&model, arguments.tokens, arguments.likeliest)?;
    match server.serve(io::stdin().lock(), &mut io::stdout().lock(), &mut io::stderr()) {
        // The reader of the answers has closed the pipe.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        served => Ok(served?),
    }
}

fn model(weights: &Tensors<f32>, rnn: &str, linear: &str) -> Result<Parameters<f32>> {
    if weights.contains("wax") {
        return Ok(Parameters::try_from(weights)?);
    }
    Ok(torch::Rnn::new(rnn, Activation::Tanh).with_linear(linear).from_tensors(weights)?)
}

struct Server {
    stepper: cell::Stepper<f32>,
    xt: Array2<f32>,
    tokens: bool,
    likeliest: bool,
}

impl Server {
    fn new(model: &Parameters<f32>, tokens: bool, likeliest: bool) -> Result<Self> {
        if model.dims().n_y == 0 {
            return Err("the model has no output layer, so there is nothing to answer".into());
        }
        if let Some(at) = model.as_slice().iter().position(|weight| !weight.is_finite()) {
            let name = model.name_of(at).unwrap_or_default();
            return Err(format!("the model's {name} is {}, expected a finite number", model.as_slice()[at]).into());
        }
        let xt = Array2::zeros((model.dims().n_x, 1));
        Ok(Server { stepper: cell::Stepper::new(model, 1), xt, tokens, likeliest })
    }

    /// Answers lines until the input ends. Each answer is flushed before the next line is read.
    fn serve(mut self, input: impl BufRead, output: &mut impl Write, errors: &mut impl Write) -> io::Result<()> {
        for (number, line) in (1..).zip(input.split(b'\n')) {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            let line = line.trim();
            if line == "reset" {
                self.stepper.reset();
                continue;
            }
            match self.step(line) {
                Ok(()) => {
                    writeln!(output, "{}", self.answer()?)?;
                    output.flush()?;
                }
                Err(expected) => {
                    // The server goes on if standard error is closed.
                    let _ = writeln!(errors, "line {number}: expected {expected}, found `{}`", abridged(line));
                }
            }
        }
        Ok(())
    }

    /// Takes one step. On an error, returns what was expected of the line and leaves the state unchanged.
    fn step(&mut self, line: &str) -> std::result::Result<(), String> {
        let n_x = self.xt.nrows();
        if self.tokens {
            let expected = || format!("a token below {n_x}, or `reset`");
            let token = line.parse().map_err(|_| expected())?;
            return self.stepper.step_tokens(&[token]).map_err(|_| expected());
        }
        let expected = || format!("{n_x} finite numbers, or `reset`");
        let fields = line.split(|c: char| c.is_whitespace() || c == ',').filter(|field| !field.is_empty());
        let numbers: Vec<f32> =
            fields.map(str::parse).collect::<std::result::Result<_, _>>().map_err(|_| expected())?;
        if numbers.len() != n_x || numbers.iter().any(|number| !number.is_finite()) {
            return Err(expected());
        }
        self.xt.column_mut(0).assign(&ArrayView1::from(&numbers));
        self.stepper.step(&self.xt).map_err(|error| error.to_string())
    }

    fn answer(&self) -> io::Result<String> {
        if self.likeliest {
            let logits = self.stepper.logits();
            // Greedy sampling takes the largest logit and draws no random number.
            let class = sampling::Sampler::greedy().sample(&logits.column(0), &mut StdRng::seed_from_u64(0));
            return class.map(|class| class.to_string()).map_err(io::Error::other);
        }
        let probabilities: Vec<_> = self.stepper.output().iter().map(f32::to_string).collect();
        Ok(probabilities.join(" "))
    }
}

fn abridged(line: &str) -> &str {
    line.char_indices().nth(40).map_or(line, |(end, _)| &line[..end])
}

/// Serves built-in lines and checks that the answers match those of the whole sequence.
fn check() -> Result<()> {
    let model = model(&safetensors::from_bytes(MODEL)?, "encoder.rnn.", "head.")?;
    let serve = |tokens, likeliest, lines: &str| -> Result<[String; 2]> {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        Server::new(&model, tokens, likeliest)?.serve(lines.as_bytes(), &mut output, &mut errors)?;
        Ok([String::from_utf8(output)?, String::from_utf8(errors)?])
    };
    let x = array![[[1.0, 0.0, -2.5]], [[0.0, 1.0, 0.5]], [[0.0, 0.0, 1e-3]]];
    let cache = sequence::forward(&model, &x, &Array2::zeros((model.dims().n_a, 1)))?;
    let whole: Vec<String> = (0..3)
        .map(|t| (0..model.dims().n_y).map(|c| cache.output()[[c, 0, t]].to_string()).collect::<Vec<_>>().join(" "))
        .collect();
    let expected = format!("{}\n{}\n{}\n{}\n", whole[0], whole[1], whole[2], whole[0]);
    let [output, errors] = serve(false, false, "1 0 0\n0,1,0\r\n1 2\nnan 0 0\n\n-2.5 .5 1e-3\nreset\n1 0 0")?;
    write!(io::stdout(), "{output}")?;
    for error in errors.lines() {
        writeln!(io::stdout(), "A wrong request, sent on purpose, gets an error, and the server goes on:\n  {error}")?;
    }
    let message = |line, found| format!("line {line}: expected 3 finite numbers, or `reset`, found `{found}`\n");
    if output != expected || errors != [message(3, "1 2"), message(4, "nan 0 0"), message(5, "")].concat() {
        return Err("the answers to numbers differ from those of the whole sequence".into());
    }
    let [output, errors] = serve(true, false, "0\n3\none\n1\n")?;
    if output != format!("{}\n{}\n", whole[0], whole[1]) || errors.lines().count() != 2 {
        return Err("a token id gets another answer than its one-hot vector".into());
    }
    let [output, _] = serve(true, true, "0\n1\n")?;
    for (line, answer) in output.lines().zip(&whole) {
        let largest = answer.split(' ').map(str::parse::<f32>).collect::<std::result::Result<Vec<_>, _>>()?;
        let class: usize = line.parse()?;
        if largest.iter().any(|y| *y > largest[class]) {
            return Err("the likeliest class does not have the largest probability".into());
        }
    }
    writeln!(io::stdout(), "All answers and errors are as expected.")?;
    Ok(())
}
