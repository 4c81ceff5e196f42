//! The best possible prediction: an observer knows the lexicon, and must find where words end from the letters alone.
//!
//! A place is one letter of one word in the lexicon, and b is the probability that it comes next. After reading the
//! letter c, Bayes's rule (the forward algorithm of hidden Markov models) gives
//!
//! ```text
//! p(c)      = Σ b(place), over the places whose letter is c
//! b'(place) = b(the place before it) / p(c), if c is the letter there, else 0
//! b'(first) = Σ b(last place of a word) / p(c) / words, over those whose letter is c
//! ```
//!
//! Words are drawn uniformly and independently, and their letters can be cut into words in only one way. So a word
//! costs log₂ of the number of words on average, whatever the distribution over its letters.

use crate::real;
use crate::words::{LEXICON, Stream};

/// The probability of every letter except the first, given those before it.
pub(crate) fn probabilities(letters: &[usize]) -> Vec<f64> {
    let Stream { letters: letter, places, words } = Stream::of(&LEXICON);
    let is_first = |i: usize| places.get(i).is_none_or(|&place| place == 0);
    let mut belief: Vec<f64> = (0..letter.len()).map(|i| if is_first(i) { 1.0 / real(words) } else { 0.0 }).collect();
    let probability = |&read: &usize| {
        let seen: Vec<f64> =
            belief.iter().zip(&letter).map(|(&b, &letter)| if letter == read { b } else { 0.0 }).collect();
        let p: f64 = seen.iter().sum();
        let ended: f64 = (0..seen.len()).filter(|i| is_first(i + 1)).map(|i| seen[i]).sum();
        for (i, b) in belief.iter_mut().enumerate() {
            *b = if is_first(i) { ended / real(words) } else { seen[i - 1] } / p;
        }
        p
    };
    letters.iter().map(probability).skip(1).collect()
}
