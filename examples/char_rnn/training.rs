//! Training, step by step, in a state that can be saved and resumed.

use std::f64::consts::{LN_2, PI};
use std::ops::Range;

use elman::Dropout;
use elman::batches::{Batch, Epoch, Stream};
use elman::loss::Reduction;
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::stack::{self, Parameters, States, Upstream};
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

    /// The weight of a character: the loss is the mean over a batch of full length.
    #[expect(clippy::cast_precision_loss, reason = "a count of characters is far below 2⁵³")]
    fn weight(&self) -> f64 {
        1.0 / (self.batch * self.length) as f64
    }

    /// The dropout of the batch after a place: the masks depend on the epoch, and on the place in it.
    fn dropout_at<'a>(&self, Place { epoch, batches }: Place) -> Option<Dropout<'a>> {
        let Settings { seed, dropout, length, .. } = *self;
        let seed = || generator(seed, Purpose::Dropout(epoch)).random();
        let dropout = (dropout > 0.0).then(|| Dropout::new(seed()).between_layers(dropout))?;
        Some(dropout.first_step(batches.saturating_mul(length as u64)))
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
    pub(crate) place: Place,
    /// The hidden states at this place.
    pub(crate) states: States<f32>,
    /// The loss in bits per character, averaged over about the last fifty steps.
    pub(crate) average: Option<f64>,
    pub(crate) curves: Curves,
}

/// How far a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Place {
    /// Number of full epochs read.
    pub(crate) epoch: u64,
    /// Number of batches read of the next epoch.
    pub(crate) batches: u64,
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
            place: Place::default(),
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

    /// Updates the parameters by the gradient of a batch, and the curve by its loss over `count` characters.
    #[expect(clippy::cast_precision_loss, reason = "a count of characters is far below 2⁵³")]
    pub(crate) fn update(&mut self, gradients: &mut [f32], loss: f32, count: usize) -> Result<()> {
        clip_norm(gradients, LONGEST_GRADIENT)?;
        self.adam.set_learning_rate(self.settings.learning_rate_after(self.adam.steps()));
        self.adam.step(self.model.parameters.as_mut_slice(), gradients)?;

        let bits = f64::from(loss) / (self.settings.weight() * count as f64) / LN_2;
        let step = self.adam.steps();
        if !bits.is_finite() {
            return Err(format!("the loss is {bits} at step {step}: try a smaller --lr").into());
        }
        let before = self.average.unwrap_or(bits);
        let average = *self.average.insert(before + 0.02 * (bits - before));
        if step.is_multiple_of(STEPS_PER_POINT) {
            self.curves.training.push((step, average));
        }
        Ok(())
    }
}

/// Some columns of the batches of a run, and their place in the text.
///
/// The text is read at `batch` positions in parallel, `length` characters at a time. The hidden state is carried from
/// chunk to chunk; gradients are not. This is truncated back-propagation through time, TBPTT(k₁, k₂) with k₁ = k₂ =
/// `length`.
#[derive(Debug)]
pub(crate) struct Columns<'t> {
    settings: Settings,
    /// The numbers of the columns in the whole batch.
    numbers: Vec<u64>,
    stream: Stream<'t>,
    epoch: Epoch<'t>,
    pub(crate) place: Place,
    batch: Batch,
}

/// The memory of the passes over a batch.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) reader: Reader,
    pub(crate) back: stack::Backward<f32>,
}

impl<'t> Columns<'t> {
    /// Continues from a place.
    ///
    /// - `columns`: within the columns of the batch
    pub(crate) fn new(settings: Settings, text: &'t Text, columns: Range<usize>, place: Place) -> Result<Self> {
        let numbers = columns.clone().map(|column| column as u64).collect();
        let stream = Stream::new(text.training(), settings.batch, settings.length)?.columns(columns)?;
        let mut epoch = shuffled(&stream, settings.seed, place.epoch);
        let mut batch = Batch::default();
        for read in 0..place.batches {
            if !epoch.next_into(&mut batch) {
                return Err(format!("the run has read {} batches of an epoch that has {read}", place.batches).into());
            }
        }
        Ok(Columns { settings, numbers, stream, epoch, place, batch })
    }

    /// How often the text has been read, including the part of the current epoch.
    #[expect(clippy::cast_precision_loss, reason = "a count of batches is far below 2⁵³")]
    pub(crate) fn epochs_read(&self) -> f64 {
        let read = self.place.batches as f64;
        self.place.epoch as f64 + read / (read + self.epoch.len() as f64)
    }

    /// Reads the next batch, and computes the gradient and the loss, which are then in `memory`.
    ///
    /// - `states`: the hidden states of these columns, read and written
    pub(crate) fn next_gradient(
        &mut self,
        parameters: &Parameters<f32>,
        states: &mut States<f32>,
        Memory { reader, back }: &mut Memory,
    ) -> std::result::Result<(), elman::Error> {
        while !self.epoch.next_into(&mut self.batch) {
            self.place = Place { epoch: self.place.epoch + 1, batches: 0 };
            self.epoch = shuffled(&self.stream, self.settings.seed, self.place.epoch);
        }
        let dropout = self.settings.dropout_at(self.place).map(|dropout| dropout.columns(&self.numbers));
        self.place.batches += 1;

        // Characters have the same weight in the short first and last batches of an epoch as in the others.
        reader.read(parameters, &self.batch, states, Reduction::Scaled(self.settings.weight()), dropout)?;
        back.discard_gradients();
        stack::backward_into(parameters, &reader.cache, Upstream::logits(&reader.loss.dlogits), back)
    }
}

/// Continues a run on a text, with all columns in one process.
#[derive(Debug)]
pub(crate) struct Trainer<'t> {
    pub(crate) run: Run,
    columns: Columns<'t>,
    memory: Memory,
}

impl<'t> Trainer<'t> {
    /// Continues from the position of the run.
    ///
    /// - `text`: must have the run's fingerprint
    pub(crate) fn new(run: Run, text: &'t Text) -> Result<Self> {
        let columns = Columns::new(run.settings, text, 0..run.settings.batch, run.place)?;
        Ok(Trainer { run, columns, memory: Memory::default() })
    }

    /// How often the text has been read, including the part of the current epoch.
    pub(crate) fn epochs_read(&self) -> f64 {
        self.columns.epochs_read()
    }

    /// Reads a batch and updates the parameters.
    pub(crate) fn step(&mut self) -> Result<()> {
        let Trainer { run, columns, memory } = self;
        columns.next_gradient(&run.model.parameters, &mut run.states, memory)?;
        run.place = columns.place;
        let Memory { reader, back } = memory;
        run.update(back.gradients.as_mut_slice(), reader.loss.value, reader.loss.count)
    }
}

/// An epoch from its start.
fn shuffled<'t>(stream: &Stream<'t>, seed: u64, epoch: u64) -> Epoch<'t> {
    stream.shuffled_epoch(&mut generator(seed, Purpose::Epoch(epoch)))
}
