//! The results on the test words: accuracies, a confusion matrix, and the network's worst mistakes.

use std::io::{self, Write};

use ndarray::Array2;

use crate::data::{LANGUAGES, Word};
use crate::letters::LetterCounts;
use crate::network::Network;
use crate::training::Classifier;
use crate::{Result, real};

/// The test accuracies of the default run: of the letter counts, and of the network.
const STATED: [f64; 2] = [0.495, 0.659];

/// The accuracies may differ from the stated ones by this much, a few words. The network has the same bits on every machine.
/// The letter counts do not: ndarray's matrix product sums in an order that depends on the machine.
const TOLERANCE: f64 = 0.004;

/// Number of mistakes to print.
const SHOWN: usize = 10;

#[derive(Debug)]
pub(crate) struct Report<'w> {
    /// The shares of the test words that are right: of the letter counts, and of the network.
    accuracies: [f64; 2],
    /// The number of words by their language and by the network's answer.
    confusion: Array2<usize>,
    mistakes: Vec<Mistake<'w>>,
}

/// A wrong answer of the network.
#[derive(Debug)]
struct Mistake<'w> {
    word: &'w Word,
    answer: usize,
    /// The probability of the answer.
    probability: f32,
}

impl<'w> Report<'w> {
    pub(crate) fn new(baseline: &LetterCounts, network: &Network, test: &'w [Word]) -> Result<Self> {
        let words: Vec<&Word> = test.iter().collect();
        let accuracies = [baseline.loss(&words)?.accuracy(), network.loss(&words)?.accuracy()];
        let mut confusion = Array2::zeros([LANGUAGES.len(); 2]);
        let mut mistakes = Vec::new();
        let probabilities = network.probabilities(&words)?;
        for (&word, probabilities) in words.iter().zip(probabilities.columns()) {
            let largest = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            let (answer, &probability) = largest.ok_or("there is no language")?;
            confusion[[word.language, answer]] += 1;
            if answer != word.language {
                mistakes.push(Mistake { word, answer, probability });
            }
        }
        mistakes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        Ok(Report { accuracies, confusion, mistakes })
    }

    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let [counts, network] = self.accuracies;
        writeln!(out, "share of test words whose language is right:")?;
        writeln!(out, "  letter counts  {counts:.3}")?;
        writeln!(out, "  network        {network:.3}\n")?;

        write!(out, "the network's answers (columns) for the words of each language (rows)\n{:12}", "")?;
        LANGUAGES.iter().try_for_each(|(name, _)| write!(out, "{name:>12}"))?;
        writeln!(out, "{:>12}", "right")?;
        for (label, ((name, _), row)) in LANGUAGES.iter().zip(self.confusion.rows()).enumerate() {
            write!(out, "{name:12}")?;
            row.iter().try_for_each(|count| write!(out, "{count:12}"))?;
            writeln!(out, "{:12.3}", self.share_right(label))?;
        }

        writeln!(out, "\nits most certain mistakes")?;
        for Mistake { word, answer, probability } in self.mistakes.iter().take(SHOWN) {
            let [language, answer] = [word.language, *answer].map(|label| LANGUAGES[label].0);
            writeln!(out, "  {word:12}{language:12}called {answer:12}with probability {probability:.3}")?;
        }
        Ok(())
    }

    /// The share of a language's words that the network gets right.
    fn share_right(&self, language: usize) -> f64 {
        real(self.confusion[[language, language]]) / real(self.confusion.row(language).sum())
    }

    /// Checks that the network is better than the letter counts, and that the results of a full run are as stated.
    pub(crate) fn check(&self, is_quick: bool) -> Result<()> {
        let [counts, network] = self.accuracies;
        if network <= counts {
            return Err(format!("the network is right for {network:.3}, letter counts for {counts:.3}").into());
        }
        if is_quick {
            return Ok(());
        }
        for (found, stated) in self.accuracies.into_iter().zip(STATED) {
            if (found - stated).abs() > TOLERANCE {
                return Err(format!("an accuracy is {found:.3}, and {stated:.3} is stated").into());
            }
        }
        let hardest = (0..LANGUAGES.len()).min_by(|&a, &b| self.share_right(a).total_cmp(&self.share_right(b)));
        match hardest.map(|language| LANGUAGES[language].0) {
            Some("Portuguese") => Ok(()),
            found => Err(format!("Portuguese is stated to be the hardest language, and {found:?} is").into()),
        }
    }
}
