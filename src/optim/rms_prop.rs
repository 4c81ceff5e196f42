use super::fields::{check_len_or_empty, fields};
use super::{
    Field, FieldMut, Fields, Optimizer, check_gradients, check_magnitude, check_parameters, check_share, with_decay,
};
use crate::scalar::narrow;
use crate::{Error, Scalar};

/// `RmsProp`: divides the gradient by the root of its running mean square.
///
/// ```text
/// g ← g + λθ
/// v ← αv + (1 − α)g²
/// d = g / (√v + ε)             centred: ḡ ← αḡ + (1 − α)g,  d = g / (√(v − ḡ²) + ε)
/// θ ← θ − ηd                   with momentum: b ← μb + d,  θ ← θ − ηb
/// ```
///
/// | | | default | range |
/// |---|---|---|---|
/// | η | learning rate | | finite, at least 0 |
/// | α | decay rate of the running means | 0.99 | at least 0, below 1 |
/// | ε | added to the root | 10⁻⁸ | finite, at least 0 |
/// | μ | momentum | 0 | at least 0, below 1 |
/// | λ | weight decay | 0 | finite, at least 0 |
///
/// ε is added outside the root, as in torch; other implementations add it inside. If rounding makes the variance v − ḡ²
/// negative, it counts as zero (torch gives NaN). With ε = 0, a parameter whose gradient has always been zero becomes NaN
/// (0/0).
///
/// Sources: `torch.optim.RMSprop`; T. Tieleman, G. Hinton, *Lecture 6.5: rmsprop*, Coursera 2012; the centred form:
/// A. Graves, *Generating Sequences With Recurrent Neural Networks*, arXiv:1308.0850, equations 38–41.
///
/// # Examples
///
/// ```
/// use elman::optim::{Optimizer, RmsProp};
///
/// let mut p = [1.0, 1.0];
/// let mut rms_prop = RmsProp::new(0.25).with_alpha(0.75).with_eps(0.0);
/// rms_prop.step(&mut p, &[1e-3, -1e3])?;
/// assert_eq!(p, [0.5, 1.5]); // 0.25 / √(1 − 0.75)
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RmsProp<A> {
    learning_rate: f64,
    alpha: f64,
    eps: f64,
    momentum: f64,
    centered: bool,
    weight_decay: f64,
    square_average: Vec<A>,
    gradient_average: Vec<A>,
    velocity: Vec<A>,
}

impl<A> RmsProp<A> {
    /// An optimiser with learning rate η; torch's default is 10⁻².
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        RmsProp {
            learning_rate,
            alpha: 0.99,
            eps: 1e-8,
            momentum: 0.0,
            centered: false,
            weight_decay: 0.0,
            square_average: Vec::new(),
            gradient_average: Vec::new(),
            velocity: Vec::new(),
        }
    }
    /// Sets α.
    #[must_use]
    pub fn with_alpha(self, alpha: f64) -> Self {
        RmsProp { alpha, ..self }
    }
    /// Sets ε.
    #[must_use]
    pub fn with_eps(self, eps: f64) -> Self {
        RmsProp { eps, ..self }
    }
    /// Sets the momentum μ.
    #[must_use]
    pub fn with_momentum(self, momentum: f64) -> Self {
        RmsProp { momentum, ..self }
    }
    /// Uses the centred form: divides by the root of the variance instead of the mean square.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Optimizer, RmsProp};
    ///
    /// let mut p = [1.0];
    /// let mut rms_prop = RmsProp::new(0.25).with_alpha(0.5).with_eps(0.0).centered();
    /// rms_prop.step(&mut p, &[2.0])?; // v = 2, ḡ = 1
    /// assert_eq!(p, [0.5]);
    /// # Ok::<(), elman::Error>(())
    /// ```
    #[must_use]
    pub fn centered(self) -> Self {
        RmsProp { centered: true, ..self }
    }
    /// Sets the weight decay λ.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        RmsProp { weight_decay, ..self }
    }

    /// α
    #[must_use]
    pub fn alpha(&self) -> f64 {
        self.alpha
    }
    /// ε
    #[must_use]
    pub fn eps(&self) -> f64 {
        self.eps
    }
    /// μ
    #[must_use]
    pub fn momentum(&self) -> f64 {
        self.momentum
    }
    /// Whether the form is centred.
    #[must_use]
    pub fn is_centered(&self) -> bool {
        self.centered
    }
    /// λ
    #[must_use]
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay
    }
    /// v, one element per parameter; empty before the first step.
    #[must_use]
    pub fn square_average(&self) -> &[A] {
        &self.square_average
    }
    /// ḡ, one element per parameter; empty before the first step, and in the form without centring.
    #[must_use]
    pub fn gradient_average(&self) -> &[A] {
        &self.gradient_average
    }
    /// b, one element per parameter; empty before the first step, and without momentum.
    #[must_use]
    pub fn velocity(&self) -> &[A] {
        &self.velocity
    }

    /// Resumes another run from its state. Further steps are bit-identical to those of an uninterrupted run.
    ///
    /// - `square_average`: v, one element per parameter; empty before the first step
    /// - `gradient_average`: ḡ, of the same length; empty in the form without centring
    /// - `velocity`: b, of the same length; empty without momentum
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Optimizer, RmsProp};
    ///
    /// let (mut p, mut rms_prop) = ([1.0, 1.0], RmsProp::new(0.25).with_momentum(0.5));
    /// rms_prop.step(&mut p, &[1e-3, -1e3])?;
    /// let averages = (rms_prop.square_average().to_vec(), rms_prop.velocity().to_vec());
    /// assert_eq!(RmsProp::new(0.25).with_momentum(0.5).resumed(averages.0, Vec::new(), averages.1)?, rms_prop);
    /// # Ok::<(), elman::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] where `gradient_average` or `velocity` is neither empty nor as long as `square_average`.
    pub fn resumed(self, square_average: Vec<A>, gradient_average: Vec<A>, velocity: Vec<A>) -> Result<Self, Error> {
        let resumed = RmsProp { square_average, gradient_average, velocity, ..self };
        resumed.check_state(resumed.square_average.len())?;
        Ok(resumed)
    }
}

impl<A> Fields<A> for RmsProp<A> {
    fields! {
        "rmsprop",
        Number: learning_rate, alpha, eps, momentum, weight_decay;
        Flag: centered;
        State: square_average, gradient_average, velocity
    }
    fn check_state(&self, n: usize) -> Result<(), Error> {
        check_len_or_empty("square_average", &self.square_average, n)?;
        // Before the first step these are empty too.
        check_len_or_empty("gradient_average", &self.gradient_average, self.square_average.len())?;
        check_len_or_empty("velocity", &self.velocity, self.square_average.len())
    }
}

impl<A: Scalar> RmsProp<A> {
    fn check(&self) -> Result<(), Error> {
        check_magnitude::<A>("learning_rate", self.learning_rate)?;
        check_share::<A>("alpha", self.alpha)?;
        check_magnitude::<A>("eps", self.eps)?;
        check_share::<A>("momentum", self.momentum)?;
        check_magnitude::<A>("weight_decay", self.weight_decay)
    }

    /// Extends the averages in use to one element per parameter. New elements are zero.
    fn size_state(&mut self, n: usize) {
        self.square_average.resize(n, A::zero());
        if self.centered {
            self.gradient_average.resize(n, A::zero());
        }
        if self.momentum != 0.0 {
            self.velocity.resize(n, A::zero());
        }
    }
}

impl<A: Scalar> Optimizer<A> for RmsProp<A> {
    fn step(&mut self, parameters: &mut [A], gradients: &[A]) -> Result<(), Error> {
        self.check()?;
        check_gradients(parameters, gradients)?;
        if !self.square_average.is_empty() {
            check_parameters(parameters, self.square_average.len())?;
        }
        self.size_state(parameters.len());

        let [rate, alpha, fresh] = [self.learning_rate, self.alpha, 1.0 - self.alpha].map(narrow::<A>);
        let [eps, momentum, decay] = [self.eps, self.momentum, self.weight_decay].map(narrow::<A>);
        let centered = self.centered;
        let averages = self.square_average.iter_mut().enumerate();
        for ((theta, &g), (i, v)) in parameters.iter_mut().zip(gradients).zip(averages) {
            let g = with_decay(g, decay, *theta);
            *v = alpha * *v + fresh * g * g;
            let mut variance = *v;
            if centered {
                let mean = &mut self.gradient_average[i];
                *mean = alpha * *mean + fresh * g;
                variance -= *mean * *mean;
                if variance < A::zero() {
                    variance = A::zero();
                }
            }
            let d = g / (variance.sqrt() + eps);
            if self.momentum == 0.0 {
                *theta -= rate * d;
            } else {
                let b = &mut self.velocity[i];
                *b = momentum * *b + d;
                *theta -= rate * *b;
            }
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
