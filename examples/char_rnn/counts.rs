//! The loss of character counts, the baseline of a model.

use std::collections::HashMap;

use crate::text::Text;

/// Candidates for the constant that is added to every count.
const SMOOTHING: [f64; 6] = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003];

/// The loss of character counts on the held-out text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entropy {
    pub(crate) bits: f64,
    added: f64,
}

impl Entropy {
    /// How the counts were smoothed.
    pub(crate) fn smoothing(&self) -> String {
        format!("counts + {}", self.added)
    }
}

/// The cross-entropy of the held-out symbols, each predicted from the `order` symbols before it:
///
/// ```text
/// p(c | context) = (n(context c) + α) / (n(context) + α·classes)
/// ```
///
/// with the counts n of the training part, and the α that gives the lowest loss on the held-out text.
pub(crate) fn best_bits_per_character(text: &Text, order: usize, classes: usize) -> Entropy {
    let counts = Counts::new(text, order);
    let measure = |added| Entropy { bits: counts.bits_per_character(text, added, classes), added };
    SMOOTHING.map(measure).into_iter().min_by(|a, b| a.bits.total_cmp(&b.bits)).expect("there is a smoothing")
}

struct Counts<'t> {
    order: usize,
    contexts: HashMap<&'t [usize], f64>,
    /// A context together with the symbol after it.
    continued: HashMap<&'t [usize], f64>,
}

impl<'t> Counts<'t> {
    fn new(text: &'t Text, order: usize) -> Self {
        let (mut contexts, mut continued) = (HashMap::new(), HashMap::new());
        for window in text.training().windows(order + 1) {
            *contexts.entry(&window[..order]).or_default() += 1.0;
            *continued.entry(window).or_default() += 1.0;
        }
        Counts { order, contexts, continued }
    }

    #[expect(clippy::cast_precision_loss, reason = "a count of characters is far below 2⁵³")]
    fn bits_per_character(&self, text: &Text, added: f64, classes: usize) -> f64 {
        let count = |counts: &HashMap<&[usize], f64>, key| counts.get(key).copied().unwrap_or(0.0);
        let mut bits = 0.0;
        for window in text.symbols[text.split - self.order..].windows(self.order + 1) {
            let continued = count(&self.continued, window) + added;
            let context = count(&self.contexts, &window[..self.order]) + added * classes as f64;
            bits -= (continued / context).log2();
        }
        bits / text.held_out().len() as f64
    }
}
