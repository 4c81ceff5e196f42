use super::fields::fields;
use super::{
    Field, FieldMut, Fields, Optimizer, check, check_gradients, check_magnitude, check_parameters, check_share,
    with_decay,
};
use crate::error::check_len;
use crate::scalar::narrow;
use crate::{Error, Scalar};

/// Adam: scales each step by running means of the gradient and of its square.
///
/// ```text
/// g ← g + λθ
/// m ← β₁m + (1 − β₁)g          m̂ = m / (1 − β₁ᵗ)
/// v ← β₂v + (1 − β₂)g²         v̂ = v / (1 − β₂ᵗ)          t = 1 at the first step
/// θ ← θ − η·m̂ / (√v̂ + ε)
/// ```
///
/// | | | default | range |
/// |---|---|---|---|
/// | η | learning rate | | finite, at least 0 |
/// | β₁, β₂ | decay rates of the running means | 0.9, 0.999 | at least 0, below 1 |
/// | ε | added to the root | 10⁻⁸ | finite, at least 0 |
/// | λ | weight decay | 0 | finite, at least 0 |
///
/// η / (1 − β₁ᵗ) must be finite too. With ε = 0, a parameter whose gradient has always been zero becomes NaN (0/0).
///
/// See [`AdamVariant`] for the methods.
///
/// Sources: `torch.optim.Adam`; D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015,
/// arXiv:1412.6980, algorithm 1.
///
/// # Examples
///
/// ```
/// use elman::optim::{Adam, Optimizer};
///
/// let mut p = [1.0, 1.0];
/// let mut adam = Adam::new(0.25).with_betas(0.5, 0.5).with_eps(0.0);
/// adam.step(&mut p, &[1e-3, -1e3])?;
/// assert_eq!(p, [0.75, 1.25]); // the size of the first step is η, for any gradient
/// # Ok::<(), elman::Error>(())
/// ```
pub type Adam<A> = AdamVariant<A, false>;

/// [`Adam`] with decoupled weight decay: it acts on the parameters directly, not through the gradient.
///
/// ```text
/// θ ← θ − ηλθ                  then Adam's step with λ = 0
/// ```
///
/// Hyper-parameters and ranges are those of [`Adam`], except that λ is 0.01 by default and 1 − ηλ must be finite.
///
/// See [`AdamVariant`] for the methods.
///
/// Sources: `torch.optim.AdamW`; I. Loshchilov, F. Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019,
/// arXiv:1711.05101, algorithm 2. This η stands for both its schedule multiplier η and its α.
///
/// # Examples
///
/// ```
/// use elman::optim::{AdamW, Optimizer};
///
/// let mut p = [1.0];
/// let mut adam = AdamW::new(0.5).with_weight_decay(0.5);
/// adam.step(&mut p, &[0.0])?;
/// assert_eq!(p, [0.75]);
/// # Ok::<(), elman::Error>(())
/// ```
pub type AdamW<A> = AdamVariant<A, true>;

/// The type of both [`Adam`] and [`AdamW`]; `DECOUPLED` selects the form of weight decay. Use it under those names.
///
/// # Examples
///
/// ```
/// use elman::optim::{Adam, AdamVariant};
///
/// let adam: AdamVariant<f32, false> = Adam::new(1e-3).with_betas(0.9, 0.99);
/// assert_eq!((adam.betas(), adam.steps()), ([0.9, 0.99], 0));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AdamVariant<A, const DECOUPLED: bool> {
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
    weight_decay: f64,
    steps: u64,
    first_moment: Vec<A>,
    second_moment: Vec<A>,
}

impl<A, const DECOUPLED: bool> AdamVariant<A, DECOUPLED> {
    /// An optimiser with learning rate η; torch's default is 10⁻³.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        AdamVariant {
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: if DECOUPLED { 0.01 } else { 0.0 },
            steps: 0,
            first_moment: Vec::new(),
            second_moment: Vec::new(),
        }
    }
    /// Sets β₁ and β₂.
    #[must_use]
    pub fn with_betas(self, beta1: f64, beta2: f64) -> Self {
        AdamVariant { beta1, beta2, ..self }
    }
    /// Sets ε.
    #[must_use]
    pub fn with_eps(self, eps: f64) -> Self {
        AdamVariant { eps, ..self }
    }
    /// Sets the weight decay λ.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        AdamVariant { weight_decay, ..self }
    }

    /// β₁ and β₂
    #[must_use]
    pub fn betas(&self) -> [f64; 2] {
        [self.beta1, self.beta2]
    }
    /// ε
    #[must_use]
    pub fn eps(&self) -> f64 {
        self.eps
    }
    /// λ
    #[must_use]
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay
    }
    /// t, the number of steps taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
    /// m, one element per parameter; empty before the first step.
    #[must_use]
    pub fn first_moment(&self) -> &[A] {
        &self.first_moment
    }
    /// v, one element per parameter; empty before the first step.
    #[must_use]
    pub fn second_moment(&self) -> &[A] {
        &self.second_moment
    }

    /// Resumes another run from its state. Further steps are bit-identical to those of an uninterrupted run.
    ///
    /// - `steps`: t, the number of steps taken
    /// - `first_moment`, `second_moment`: m and v, one element per parameter each; empty before the first step
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Adam, Optimizer};
    ///
    /// let (mut p, mut adam) = ([1.0, 1.0], Adam::new(0.25));
    /// adam.step(&mut p, &[1e-3, -1e3])?;
    /// let moments = (adam.first_moment().to_vec(), adam.second_moment().to_vec());
    /// assert_eq!(Adam::new(0.25).resumed(adam.steps(), moments.0, moments.1)?, adam);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `second_moment.len() != first_moment.len()`, or `first_moment` is not empty at `steps == 0`.
    pub fn resumed(self, steps: u64, first_moment: Vec<A>, second_moment: Vec<A>) -> Result<Self, Error> {
        let resumed = AdamVariant { steps, first_moment, second_moment, ..self };
        resumed.check_state(resumed.first_moment.len())?;
        Ok(resumed)
    }
}

impl<A, const DECOUPLED: bool> Fields<A> for AdamVariant<A, DECOUPLED> {
    fields! {
        if DECOUPLED { "adamw" } else { "adam" },
        Number: learning_rate, beta1, beta2, eps, weight_decay;
        Count: steps;
        State: first_moment, second_moment
    }
    fn check_state(&self, n: usize) -> Result<(), Error> {
        let n = if self.steps == 0 { 0 } else { n };
        check_len("first_moment", &self.first_moment, &[], n)?;
        check_len("second_moment", &self.second_moment, &[], n)
    }
}

impl<A: Scalar, const DECOUPLED: bool> AdamVariant<A, DECOUPLED> {
    fn check(&self) -> Result<(), Error> {
        check_magnitude::<A>("learning_rate", self.learning_rate)?;
        check_share::<A>("beta1", self.beta1)?;
        check_share::<A>("beta2", self.beta2)?;
        check_magnitude::<A>("eps", self.eps)?;
        check_magnitude::<A>("weight_decay", self.weight_decay)
    }
}

impl<A: Scalar, const DECOUPLED: bool> Optimizer<A> for AdamVariant<A, DECOUPLED> {
    fn step(&mut self, parameters: &mut [A], gradients: &[A]) -> Result<(), Error> {
        self.check()?;
        check_gradients(parameters, gradients)?;
        if self.steps > 0 {
            check_parameters(parameters, self.first_moment.len())?;
        }
        let steps = self.steps.saturating_add(1);
        // θ ← kept·θ and g ← g + coupled·θ.
        let (coupled, kept) =
            if DECOUPLED { (0.0, 1.0 - self.learning_rate * self.weight_decay) } else { (self.weight_decay, 1.0) };
        let [bias1, bias2] = self.betas().map(|beta| 1.0 - power(beta, steps));
        let rate = self.learning_rate / bias1;
        check::<A>("1 - learning_rate * weight_decay", kept, "finite", f64::is_finite)?;
        check::<A>("learning_rate / (1 - beta1^t)", rate, "finite", f64::is_finite)?;

        self.steps = steps;
        self.first_moment.resize(parameters.len(), A::zero());
        self.second_moment.resize(parameters.len(), A::zero());
        let [coupled, kept, rate] = [coupled, kept, rate].map(narrow::<A>);
        let [beta1, beta2] = self.betas().map(narrow::<A>);
        let [fresh1, fresh2] = self.betas().map(|beta| narrow::<A>(1.0 - beta));
        let [root, eps] = [bias2.sqrt(), self.eps].map(narrow::<A>);
        let moments = self.first_moment.iter_mut().zip(&mut self.second_moment);
        for ((theta, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
            let g = with_decay(g, coupled, *theta);
            *m = beta1 * *m + fresh1 * g;
            *v = beta2 * *v + fresh2 * g * g;
            *theta = kept * *theta - rate * *m / (v.sqrt() / root + eps);
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }
}

/// βᵗ
#[expect(clippy::cast_precision_loss, reason = "past 2⁵³ steps βᵗ has long been zero or one")]
fn power(beta: f64, steps: u64) -> f64 {
    libm::pow(beta, steps as f64)
}
