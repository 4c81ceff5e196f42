//! Training, step by step, in a state that can be saved and resumed.

use std::f64::consts::{LN_2, PI};

use elman::Dropout;
use elman::batches::{Batch, Epoch, Stream};
use elman::loss::Reduction;
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::stack::{self, States, Upstream};
use rand::RngExt;

use crate::Result;
use crate::curves::Curves;
use crate::model::Model;
use crate::reading::Reader;
use crate::seeds::{Purpose, generator};
use crate::text::{Fingerprint, Text, Vocabulary};

/// The largest norm of a gradient: a larger one is clipped to it.
const LONGEST_GRADIENT: f64 = 1.0;

/// Steps between two points of the training curve.
const STEPS_PER_POINT: u64 = 10;

/// Training settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    pub(crate) steps: u64,
    pub(crate) batch: usize,
    pub(crate) length: usize,
    pub(crate) learning_rate: f64,
    /// The rate between layers.
    pub(crate) dropout: f64,
    pub(crate) seed: u64,
}

impl Settings {
    /// The learning rate: it falls to a tenth along half a cosine.
    #[expect(clippy::cast_precision_loss, reason = "a count of steps is far below 2⁵³")]
    fn learning_rate_after(&self, steps: u64) -> f64 {
        let done = steps as f64 / self.steps as f64;
        self.learning_rate * (0.1 + 0.45 * (1.0 + (PI * done).cos()))
    }
}

/// A run: everything that its next steps depend on, to the bit, and its losses so far.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) settings: Settings,
    /// Identifies the text that the run reads.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) model: Model,
    /// The optimiser; it also counts the steps.
    pub(crate) adam: Adam<f32>,
    /// Number of full epochs read.
    pub(crate) epoch: u64,
    /// Number of batches read of the next epoch.
    pub(crate) batches: u64,
    /// The hidden states after them.
    pub(crate) states: States<f32>,
    /// The loss in bits per character, averaged over about the last fifty steps.
    pub(crate) average: Option<f64>,
    pub(crate) curves: Curves,
}

impl Run {
    /// - `hidden`: the units of each layer
    pub(crate) fn new(settings: Settings, hidden: &[usize], vocabulary: Vocabulary, text: &Text) -> Result<Self> {
        let model = Model::new(vocabulary, hidden, &mut generator(settings.seed, Purpose::Weights))?;
        Ok(Run {
            settings,
            fingerprint: text.fingerprint,
            states: States::zeros(model.parameters.architecture(), settings.batch),
            model,
            adam: Adam::new(settings.learning_rate),
            epoch: 0,
            batches: 0,
            average: None,
            curves: Curves::default(),
        })
    }

    pub(crate) fn steps_done(&self) -> u64 {
        self.adam.steps()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.steps_done() >= self.settings.steps
    }
}

/// Continues a run on a text.
///
/// The text is read at `batch` positions in parallel, `length` characters at a time. The hidden state is carried from
/// chunk to chunk; gradients are not. This is truncated back-propagation through time, TBPTT(k₁, k₂) with k₁ = k₂ =
/// `length`.
#[derive(Debug)]
pub(crate) struct Trainer<'t> {
    pub(crate) run: Run,
    stream: Stream<'t>,
    epoch: Epoch<'t>,
    batch: Batch,
    reader: Reader,
    back: stack::Backward<f32>,
}

impl<'t> Trainer<'t> {
    /// Continues from the position of the run.
    ///
    /// - `text`: must have the run's fingerprint
    pub(crate) fn new(run: Run, text: &'t Text) -> Result<Self> {
        let stream = Stream::new(text.training(), run.settings.batch, run.settings.length)?;
        let mut epoch = shuffled(&stream, &run);
        let mut batch = Batch::default();
        for read in 0..run.batches {
            if !epoch.next_into(&mut batch) {
                return Err(format!("the run has read {} batches of an epoch that has {read}", run.batches).into());
            }
        }
        Ok(Trainer { run, stream, epoch, batch, reader: Reader::default(), back: stack::Backward::default() })
    }

    /// How often the text has been read, including the part of the current epoch.
    #[expect(clippy::cast_precision_loss, reason = "a count of batches is far below 2⁵³")]
    pub(crate) fn epochs_read(&self) -> f64 {
        let read = self.run.batches as f64;
        self.run.epoch as f64 + read / (read + self.epoch.len() as f64)
    }

    /// Reads a batch and updates the parameters.
    #[expect(clippy::cast_precision_loss, reason = "a count of characters is far below 2⁵³")]
    pub(crate) fn step(&mut self) -> Result<()> {
        let Trainer { run, stream, epoch, batch, reader, back } = self;
        while !epoch.next_into(batch) {
            run.epoch += 1;
            run.batches = 0;
            *epoch = shuffled(stream, run);
        }
        let dropout = dropout(run);
        run.batches += 1;

        // Characters have the same weight in the short first and last batches of an epoch as in the others.
        let weight = 1.0 / (run.settings.batch * run.settings.length) as f64;
        let parameters = &mut run.model.parameters;
        reader.read(parameters, batch, &mut run.states, Reduction::Scaled(weight), dropout)?;
        back.zero_gradients();
        stack::backward_into(parameters, &reader.cache, Upstream::logits(&reader.loss.dlogits), back)?;
        clip_norm(back.gradients.as_mut_slice(), LONGEST_GRADIENT)?;
        run.adam.set_learning_rate(run.settings.learning_rate_after(run.adam.steps()));
        run.adam.step(parameters.as_mut_slice(), back.gradients.as_slice())?;

        let bits = f64::from(reader.loss.value) / (weight * reader.loss.count as f64) / LN_2;
        let step = run.adam.steps();
        if !bits.is_finite() {
            return Err(format!("the loss is {bits} at step {step}: try a smaller --lr").into());
        }
        let before = run.average.unwrap_or(bits);
        let average = *run.average.insert(before + 0.02 * (bits - before));
        if step.is_multiple_of(STEPS_PER_POINT) {
            run.curves.training.push((step, average));
        }
        Ok(())
    }
}

/// The dropout of the run's next batch: the masks depend on the epoch, and on the place in it.
fn dropout(run: &Run) -> Option<Dropout<'static>> {
    let Settings { seed, dropout, length, .. } = run.settings;
    let dropout = (dropout > 0.0)
        .then(|| Dropout::new(generator(seed, Purpose::Dropout(run.epoch)).random()).between_layers(dropout))?;
    Some(dropout.first_step(run.batches.saturating_mul(length as u64)))
}

/// The current epoch of the run, from its start.
fn shuffled<'t>(stream: &Stream<'t>, run: &Run) -> Epoch<'t> {
    stream.shuffled_epoch(&mut generator(run.settings.seed, Purpose::Epoch(run.epoch)))
}
