//! Words of six languages, in the letters a to z.
//!
//! The words are the lists of BIP-39, 2048 a language, from the crate `bip39` (CC0). Accents are removed, because an accent
//! alone can give the language away. Words that then belong to several languages are left out.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use bip39::Language;
use rand::Rng;
use rand::seq::SliceRandom;

/// The languages. A label is an index into them.
pub(crate) const LANGUAGES: [(&str, Language); 6] = [
    ("Czech", Language::Czech),
    ("English", Language::English),
    ("French", Language::French),
    ("Italian", Language::Italian),
    ("Portuguese", Language::Portuguese),
    ("Spanish", Language::Spanish),
];

/// Number of letters, from a to z.
pub(crate) const LETTERS: usize = 26;

/// Of a hundred words, so many are for validation, and as many for the test.
const HELD_OUT: usize = 15;

#[derive(Debug, Clone)]
pub(crate) struct Word {
    /// Each letter as a number from 0 for a to 25 for z.
    pub(crate) letters: Vec<usize>,
    /// The label: the index of the language.
    pub(crate) language: usize,
}

impl AsRef<[usize]> for Word {
    fn as_ref(&self) -> &[usize] {
        &self.letters
    }
}

impl Display for Word {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let letters = self.letters.iter().filter_map(|&letter| ('a'..='z').nth(letter));
        f.pad(&letters.collect::<String>())
    }
}

/// The words of all languages, split at random.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) training: Vec<Word>,
    pub(crate) validation: Vec<Word>,
    pub(crate) test: Vec<Word>,
}

impl Split {
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let mut training = words();
        training.shuffle(rng);
        let held_out = training.len() * HELD_OUT / 100;
        let test = training.split_off(training.len() - held_out);
        let validation = training.split_off(training.len() - held_out);
        Split { training, validation, test }
    }
}

/// Every word that belongs to one language only, in a fixed order.
fn words() -> Vec<Word> {
    let mut languages: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (label, (_, language)) in LANGUAGES.into_iter().enumerate() {
        for word in language.word_list() {
            // The lists are decomposed (NFKD): an accent is a character of its own, after its letter.
            let letters = word.bytes().filter(u8::is_ascii_lowercase).map(|letter| usize::from(letter - b'a'));
            languages.entry(letters.collect()).or_default().push(label);
        }
    }
    let only_one = |(letters, languages): (Vec<usize>, Vec<usize>)| match languages[..] {
        [language] => Some(Word { letters, language }),
        _ => None,
    };
    languages.into_iter().filter_map(only_one).collect()
}

/// The label of each word.
pub(crate) fn labels(words: &[&Word]) -> Vec<usize> {
    words.iter().map(|word| word.language).collect()
}
