//! Draws the next symbol from logits.
//!
//! ```text
//! y_c = exp(z_c/τ) / Σ exp(z_k/τ)        summed over the kept classes; 0 for the others
//! ```
//!
//! z are the logits and τ is the temperature. Top-k is applied after the temperature, and top-p to the classes that top-k
//! keeps.

use std::cmp::Ordering;

use ndarray::{Array1, ArrayRef1};
use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;

use crate::error::{check_count, check_range};
use crate::scalar::widen;
use crate::{Error, Scalar};

/// A rule for drawing a class from logits.
///
/// | | | default | range |
/// |---|---|---|---|
/// | τ | temperature: below 1 sharpens, above 1 flattens | 1 | finite, above 0 |
/// | k | top-k: keeps the k most probable classes | all | at least 1 |
/// | p | top-p, the nucleus: keeps the fewest classes whose mass reaches p | 1, all | above 0, at most 1 |
///
/// Among equal logits the lower class ranks first. A class with logit −∞ is never drawn. Settings are checked when they
/// are used.
///
/// All computation is in double precision, also for `f32` logits, and calls no platform function. The same logits and the
/// same generator give the same class on every machine.
///
/// Sources: top-k, A. Fan, M. Lewis, Y. Dauphin, *Hierarchical Neural Story Generation*, ACL 2018, arXiv:1805.04833;
/// top-p, A. Holtzman et al., *The Curious Case of Neural Text Degeneration*, ICLR 2020, arXiv:1904.09751.
///
/// # Examples
///
/// ```
/// use elman::sampling::Sampler;
/// use elman::{Dims, cell, init};
/// use rand::{SeedableRng, rngs::StdRng};
///
/// let mut rng = StdRng::seed_from_u64(1);
/// let p = init::torch::<f32>(Dims { n_x: 5, n_a: 16, n_y: 5 }, &mut rng);
/// let sampler = Sampler::new().with_temperature(0.8).with_top_p(0.95);
///
/// let mut stepper = cell::Stepper::new(&p, 1);
/// let (mut symbol, mut text) = (0, Vec::new());
/// while text.len() < 20 {
///     stepper.step_tokens(&[symbol])?;
///     symbol = sampler.sample(&stepper.logits().column(0), &mut rng)?;
///     text.push(symbol);
/// }
/// assert!(text.iter().all(|&symbol| symbol < 5));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    temperature: f64,
    top_k: usize,
    top_p: f64,
}

impl Default for Sampler {
    fn default() -> Self {
        Sampler::new()
    }
}

impl Sampler {
    /// Draws from softmax(z): temperature 1, all classes kept.
    #[must_use]
    pub fn new() -> Self {
        Sampler { temperature: 1.0, top_k: usize::MAX, top_p: 1.0 }
    }
    /// Takes the largest logit, the first among equal ones. This is k = 1; it draws nothing from the generator.
    #[must_use]
    pub fn greedy() -> Self {
        Sampler::new().with_top_k(1)
    }
    /// Sets the temperature τ.
    #[must_use]
    pub fn with_temperature(self, temperature: f64) -> Self {
        Sampler { temperature, ..self }
    }
    /// Sets k. A k above the number of classes keeps all.
    #[must_use]
    pub fn with_top_k(self, top_k: usize) -> Self {
        Sampler { top_k, ..self }
    }
    /// Sets p.
    #[must_use]
    pub fn with_top_p(self, top_p: f64) -> Self {
        Sampler { top_p, ..self }
    }

    /// Draws a class.
    ///
    /// - `logits`: (`n_y`,)
    /// - `rng`: gives one number, or none for k = 1
    /// - result: a class c below `n_y`, with the probability y\[c\] from [`Self::probabilities`]
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::sampling::Sampler;
    /// use ndarray::array;
    /// use rand::{SeedableRng, rngs::StdRng};
    ///
    /// let (logits, mut rng) = (array![1.0, 3.0, 3.0, 2.0], StdRng::seed_from_u64(1));
    /// assert_eq!(Sampler::greedy().sample(&logits, &mut rng)?, 1);
    /// assert_ne!(Sampler::new().with_top_k(3).sample(&logits, &mut rng)?, 0);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Self::probabilities`]. Then nothing is drawn from `rng`.
    pub fn sample<A: Scalar>(&self, logits: &ArrayRef1<A>, rng: &mut (impl Rng + ?Sized)) -> Result<usize, Error> {
        let most_probable = self.check(logits)?;
        if self.top_k == 1 {
            return Ok(most_probable);
        }
        let weights = self.weights(logits, most_probable);
        Ok(WeightedIndex::new(weights).expect("the largest logit has weight one").sample(rng))
    }

    /// The probability of each class, from which [`Self::sample`] draws.
    ///
    /// - `logits`: (`n_y`,)
    /// - result: y, (`n_y`,), zero for classes that are not kept; the sum is 1 to rounding
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::sampling::Sampler;
    /// use ndarray::array;
    ///
    /// let logits = array![0.0, 4f64.ln(), 3f64.ln()]; // 1 : 4 : 3
    /// let y = Sampler::new().with_top_p(0.75).probabilities(&logits)?;
    /// assert_eq!(y[0], 0.0);
    /// assert!((y[1] - 4.0 / 7.0).abs() < 1e-15);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] where τ, k or p is outside the range that [`Sampler`] states; where `logits.len() == 0`; where
    /// the largest logit is not finite: one is NaN or +∞, or all are −∞.
    pub fn probabilities<A: Scalar>(&self, logits: &ArrayRef1<A>) -> Result<Array1<f64>, Error> {
        let most_probable = self.check(logits)?;
        let mut weights = self.weights(logits, most_probable);
        let sum: f64 = weights.iter().sum();
        for weight in &mut weights {
            *weight /= sum;
        }
        Ok(weights.into())
    }

    /// exp((z − max z)/τ) for the kept classes, zero for the others. The most probable class has weight one.
    fn weights<A: Scalar>(&self, logits: &ArrayRef1<A>, most_probable: usize) -> Vec<f64> {
        let largest = widen(logits[most_probable]);
        let weight = |z: &A| libm::exp((widen(*z) - largest) / self.temperature);
        let mut weights: Vec<f64> = logits.iter().map(weight).collect();
        if self.top_k >= weights.len() && self.top_p >= 1.0 {
            return weights;
        }

        // Ranks by logits: distinct logits may round to the same weight.
        let by_rank = |&i: &usize, &j: &usize| -> Ordering {
            logits[j].partial_cmp(&logits[i]).expect("no logit is NaN").then(i.cmp(&j))
        };
        let mut ranked: Vec<usize> = (0..weights.len()).collect();
        if self.top_k < ranked.len() {
            ranked.select_nth_unstable_by(self.top_k, by_rank);
            for class in ranked.drain(self.top_k..) {
                weights[class] = 0.0;
            }
        }
        if self.top_p < 1.0 {
            ranked.sort_unstable_by(by_rank);
            let enough = self.top_p * ranked.iter().map(|&class| weights[class]).sum::<f64>();
            let mut mass = 0.0;
            for class in ranked {
                let weight = weights[class];
                if mass >= enough {
                    weights[class] = 0.0;
                }
                mass += weight;
            }
        }
        weights
    }

    /// Checks settings and logits. Returns the class of the largest logit, the first among equal ones.
    fn check<A: Scalar>(&self, logits: &ArrayRef1<A>) -> Result<usize, Error> {
        let Sampler { temperature, top_k, top_p } = *self;
        check_range("temperature", temperature, "finite and above 0", temperature.is_finite() && temperature > 0.0)?;
        check_count("top_k", top_k, "at least 1", top_k >= 1)?;
        check_range("top_p", top_p, "above 0 and at most 1", top_p > 0.0 && top_p <= 1.0)?;
        check_count("logits.len()", logits.len(), "at least 1", !logits.is_empty())?;
        let mut most_probable = 0;
        for (class, &z) in logits.iter().enumerate() {
            if z > logits[most_probable] || z.is_nan() {
                most_probable = class;
            }
        }
        let largest = widen(logits[most_probable]);
        check_range("max(logits)", largest, "finite", largest.is_finite())?;
        Ok(most_probable)
    }
}
