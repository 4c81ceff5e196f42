//! Text as a sequence of symbols, with a held-out part.

use std::fs;
use std::path::Path;

use crate::Result;

/// The largest number of characters that are held out.
const MOST_HELD_OUT: usize = 100_000;

/// The source code of this example and of the library, as of version 0.1. It is frozen, so that results can be compared
/// across versions.
pub(crate) fn built_in() -> String {
    include_str!("corpus.txt").into()
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()).into())
}

/// The distinct characters of a text, ascending; a symbol is an index into them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vocabulary {
    characters: Vec<char>,
}

impl Vocabulary {
    pub(crate) fn of(text: &str) -> Result<Self> {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        match characters[..] {
            [] => Err("the text is empty".into()),
            [only] => Err(format!("the text only contains {only:?}: there is nothing to learn").into()),
            _ => Ok(Vocabulary { characters }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.characters.len()
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Vec<usize>> {
        let symbol = |character| {
            let unknown = |_| format!("the character {character:?} is not in the model's vocabulary").into();
            self.characters.binary_search(&character).map_err(unknown)
        };
        text.chars().map(symbol).collect()
    }

    pub(crate) fn decode(&self, symbols: &[usize]) -> String {
        symbols.iter().map(|&symbol| self.characters[symbol]).collect()
    }

    /// All characters, ascending.
    pub(crate) fn characters(&self) -> String {
        self.characters.iter().collect()
    }
}

/// Identifies a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) characters: usize,
    /// The 64-bit FNV-1a hash of its UTF-8.
    pub(crate) fnv1a: u64,
}

impl Fingerprint {
    fn of(text: &str) -> Self {
        let add = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Fingerprint { characters: text.chars().count(), fnv1a: text.bytes().fold(0xcbf2_9ce4_8422_2325, add) }
    }
}

/// A text in symbols, with its end held out.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) symbols: Vec<usize>,
    /// The first symbol that is held out.
    pub(crate) split: usize,
}

impl Text {
    /// Holds out the last tenth of the text, at most [`MOST_HELD_OUT`] characters.
    pub(crate) fn new(text: &str, vocabulary: &Vocabulary) -> Result<Self> {
        let symbols = vocabulary.encode(text)?;
        if symbols.len() < 10 {
            return Err(format!("the text has {} characters: too few to hold any out", symbols.len()).into());
        }
        let split = symbols.len() - (symbols.len() / 10).min(MOST_HELD_OUT);
        Ok(Text { fingerprint: Fingerprint::of(text), symbols, split })
    }

    pub(crate) fn training(&self) -> &[usize] {
        &self.symbols[..self.split]
    }

    pub(crate) fn held_out(&self) -> &[usize] {
        &self.symbols[self.split..]
    }

    /// The held-out part and the symbol before it, from which the first held-out symbol is predicted.
    pub(crate) fn held_out_from_one_before(&self) -> &[usize] {
        &self.symbols[self.split - 1..]
    }
}
