//! Words without spaces: a word begins where the next letter is hard to predict.
//!
//! From pages 191 to 193 and figure 6 of the paper. There, a network of 20 hidden units reads a stream 10 times: 200
//! sentences of 4 to 9 words, from a lexicon of 15, in total 1,270 words and 4,963 letters. The paper shows fragments
//! of the stream, and does not list the lexicon. Here every word is drawn uniformly and independently, so the words are
//! the only structure.

use std::array;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};

use crate::predictor::{Predictor, Training};
use crate::{Result, mean, observer, real};

/// The words of the paper's example sentence, in its order. The last word is not in the sentence; we added it.
pub(crate) const LEXICON: [&str; 15] = [
    "many", "years", "ago", "a", "boy", "and", "girl", "lived", "by", "the", "sea", "they", "played", "happily",
    "house",
];
const SENTENCE: &[&str] = LEXICON.split_at(14).0;

/// Length of the longest word.
pub(crate) const LONGEST: usize = 7;

const SENTENCES: usize = 200;
const HIDDEN: usize = 20;
const TRAINING: Training = Training { passes: 10, length: 10, learning_rate: 0.01 };

/// Letters, and the start of each word.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Each letter as a number from 0 for a to 25 for z.
    pub(crate) letters: Vec<usize>,
    /// The index of each letter in its word, from 0.
    pub(crate) places: Vec<usize>,
    pub(crate) words: usize,
}

impl Stream {
    pub(crate) fn of(words: &[&str]) -> Self {
        let letters = words.iter().flat_map(|word| word.bytes()).map(|letter| usize::from(letter - b'a')).collect();
        Stream { letters, places: words.iter().flat_map(|word| 0..word.len()).collect(), words: words.len() }
    }

    fn draw(rng: &mut impl Rng) -> Self {
        let words: usize = (0..SENTENCES).map(|_| rng.random_range(4..=9)).sum();
        let words: Vec<_> = (0..words).filter_map(|_| LEXICON.choose(rng).copied()).collect();
        Stream::of(&words)
    }
}

/// The errors in bits of a predictor on a stream.
#[derive(Debug)]
pub(crate) struct Errors {
    /// Mean error on the first, second, … letter of a word.
    pub(crate) by_place: [f64; LONGEST],
    /// Mean error on the letters that do not begin a word.
    pub(crate) within: f64,
    /// Mean error on a whole word.
    pub(crate) per_word: f64,
    /// Detection of word starts as letters that are harder to predict than the letters before and after them.
    pub(crate) peaks: Detection,
    /// Detection of word starts as letters with an error above [`Outcome::threshold`].
    pub(crate) above: Detection,
    /// Errors on the letters of [`sentence`], read after the stream.
    pub(crate) sentence: Vec<f64>,
}

/// How well word starts were detected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Detection {
    /// The share of detections that are word starts.
    pub(crate) precision: f64,
    /// The share of word starts that were detected.
    pub(crate) recall: f64,
}

/// The results of a network on a new stream.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The training stream.
    pub(crate) stream: Stream,
    /// The error threshold in bits that detects word starts best in the training stream.
    pub(crate) threshold: f64,
    pub(crate) network: Errors,
    /// Errors of the observer who knows the lexicon: the lowest expected error of any predictor that reads the same
    /// letters.
    pub(crate) ideal: Errors,
}

/// The letters of the paper's example sentence.
pub(crate) fn sentence() -> String {
    SENTENCE.concat()
}

/// Trains a network and measures it.
pub(crate) fn run(seed: u64, read: impl Fn(usize)) -> Result<Outcome> {
    let mut rng = StdRng::seed_from_u64(seed);
    let stream = Stream::draw(&mut rng);
    let fresh = Stream::draw(&mut rng);
    let mut network = Predictor::new(26, HIDDEN, &mut rng);
    network.train(&stream.letters, TRAINING, read)?;

    let errors = |letters: &[usize]| network.probabilities(letters).map(bits);
    let threshold = best_threshold(&errors(&stream.letters)?, &stream.places[1..]);
    let letters = [&fresh.letters[..], &Stream::of(SENTENCE).letters].concat();
    let network = Errors::new(errors(&letters)?, &fresh, threshold);
    let ideal = Errors::new(bits(observer::probabilities(&letters)), &fresh, threshold);
    Ok(Outcome { stream, threshold, network, ideal })
}

fn bits(probabilities: Vec<f64>) -> Vec<f64> {
    probabilities.into_iter().map(|p| -p.log2()).collect()
}

impl Errors {
    /// `errors`: on every letter except the first, of the stream and of the sentence after it.
    fn new(mut errors: Vec<f64>, stream: &Stream, threshold: f64) -> Self {
        let places = &stream.places[1..];
        let sentence = errors.split_off(places.len());
        let average = |of: &dyn Fn(usize) -> bool| {
            mean(errors.iter().zip(places).filter(|&(_, &place)| of(place)).map(|(&error, _)| error))
        };
        let is_peak = |at: usize| match errors.get(at.wrapping_sub(1)..at + 2) {
            Some(&[before, error, after]) => error > before && error > after,
            _ => false,
        };
        Errors {
            by_place: array::from_fn(|place| average(&|found| found == place)),
            within: average(&|place| place > 0),
            per_word: errors.iter().sum::<f64>() / real(stream.words),
            peaks: Detection::of(is_peak, places),
            above: Detection::of(|at| errors[at] > threshold, places),
            sentence,
        }
    }
}

impl Detection {
    fn of(takes: impl Fn(usize) -> bool, places: &[usize]) -> Self {
        let begins = |&at: &usize| places[at] == 0;
        let taken = (0..places.len()).filter(|&at| takes(at)).count();
        let found = (0..places.len()).filter(begins).filter(|&at| takes(at)).count();
        let all = (0..places.len()).filter(begins).count();
        Detection { precision: real(found) / real(taken), recall: real(found) / real(all) }
    }

    /// The harmonic mean of precision and recall; zero if nothing was found.
    fn f1(self) -> f64 {
        if self.recall > 0.0 { 2.0 / (1.0 / self.precision + 1.0 / self.recall) } else { 0.0 }
    }
}

/// The threshold, in tenths of a bit, with the best harmonic mean of precision and recall.
fn best_threshold(errors: &[f64], places: &[usize]) -> f64 {
    let f1 = |threshold: &f64| Detection::of(|at| errors[at] > *threshold, places).f1();
    (0..80).map(|tenths| f64::from(tenths) / 10.0).max_by(|a, b| f1(a).total_cmp(&f1(b))).unwrap_or_default()
}
