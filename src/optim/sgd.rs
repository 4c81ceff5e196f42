use super::fields::{check_len_or_empty, fields};
use super::{
    Field, FieldMut, Fields, Optimizer, check, check_gradients, check_magnitude, check_parameters, check_share,
    with_decay,
};
use crate::scalar::narrow;
use crate::{Error, Scalar};

/// Stochastic gradient descent with optional momentum.
///
/// ```text
/// g ← g + λθ
/// v ← g at the first step, μv + (1 − τ)g from then on
/// θ ← θ − ηv           or with Nesterov's momentum θ ← θ − η(g + μv)
/// ```
///
/// | | | default | range |
/// |---|---|---|---|
/// | η | learning rate | | finite, at least 0 |
/// | μ | momentum | 0 | at least 0, below 1; for Nesterov above 0 |
/// | τ | dampening | 0 | at least 0, at most 1; for Nesterov 0 |
/// | λ | weight decay | 0 | finite, at least 0 |
///
/// Without momentum v is g: there is no state, and each step may have another length.
///
/// Sources: `torch.optim.SGD`; B. T. Polyak, *Some methods of speeding up the convergence of iteration methods*, USSR
/// Computational Mathematics and Mathematical Physics 4(5) (1964) 1–17; I. Sutskever, J. Martens, G. Dahl, G. Hinton,
/// *On the importance of initialization and momentum in deep learning*, ICML 2013, equations 1–4, whose v contains η.
///
/// # Examples
///
/// ```
/// use elman::optim::{Optimizer, Sgd};
///
/// let mut p = [1.0];
/// let mut sgd = Sgd::new(0.5).with_momentum(0.5);
/// sgd.step(&mut p, &[1.0])?;
/// assert_eq!(p, [0.5]);
/// sgd.step(&mut p, &[1.0])?;
/// assert_eq!((p, sgd.velocity()), ([-0.25], &[1.5][..]));
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Sgd<A> {
    learning_rate: f64,
    momentum: f64,
    dampening: f64,
    nesterov: bool,
    weight_decay: f64,
    velocity: Vec<A>,
}

impl<A> Sgd<A> {
    /// Plain gradient descent with learning rate η.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Sgd { learning_rate, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0, velocity: Vec::new() }
    }
    /// Sets the momentum μ.
    #[must_use]
    pub fn with_momentum(self, momentum: f64) -> Self {
        Sgd { momentum, ..self }
    }
    /// Sets the dampening τ: the share of each new gradient that v leaves out, except at the first step.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Optimizer, Sgd};
    ///
    /// let (mut p, mut sgd) = ([1.0], Sgd::new(1.0).with_momentum(0.5).with_dampening(0.5));
    /// sgd.step(&mut p, &[1.0])?; // v = 1
    /// sgd.step(&mut p, &[2.0])?; // v = 0.5·1 + 0.5·2
    /// assert_eq!((p, sgd.velocity()), ([-1.5], &[1.5][..]));
    /// # Ok::<(), elman::Error>(())
    /// ```
    #[must_use]
    pub fn with_dampening(self, dampening: f64) -> Self {
        Sgd { dampening, ..self }
    }
    /// Sets the momentum μ in Nesterov's form: each step looks ahead along v.
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Optimizer, Sgd};
    ///
    /// let (mut p, mut sgd) = ([1.0], Sgd::new(0.5).with_nesterov(0.5));
    /// sgd.step(&mut p, &[1.0])?; // 0.5·(1 + 0.5·1)
    /// assert_eq!(p, [0.25]);
    /// # Ok::<(), elman::Error>(())
    /// ```
    #[must_use]
    pub fn with_nesterov(self, momentum: f64) -> Self {
        Sgd { momentum, nesterov: true, ..self }
    }
    /// Sets the weight decay λ.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        Sgd { weight_decay, ..self }
    }

    /// μ
    #[must_use]
    pub fn momentum(&self) -> f64 {
        self.momentum
    }
    /// τ
    #[must_use]
    pub fn dampening(&self) -> f64 {
        self.dampening
    }
    /// Whether the momentum is in Nesterov's form.
    #[must_use]
    pub fn is_nesterov(&self) -> bool {
        self.nesterov
    }
    /// λ
    #[must_use]
    pub fn weight_decay(&self) -> f64 {
        self.weight_decay
    }
    /// v, one element per parameter; empty before the first step, and without momentum.
    #[must_use]
    pub fn velocity(&self) -> &[A] {
        &self.velocity
    }

    /// Resumes another run from its velocity. Further steps are bit-identical to those of an uninterrupted run.
    ///
    /// - `velocity`: v, one element per parameter; empty before the first step, and without momentum
    ///
    /// # Examples
    ///
    /// ```
    /// use elman::optim::{Optimizer, Sgd};
    ///
    /// let (mut p, mut sgd) = ([1.0], Sgd::new(0.5).with_momentum(0.5));
    /// sgd.step(&mut p, &[1.0])?;
    /// assert_eq!(Sgd::new(0.5).with_momentum(0.5).resumed(sgd.velocity().to_vec()), sgd);
    /// # Ok::<(), elman::Error>(())
    /// ```
    #[must_use]
    pub fn resumed(self, velocity: Vec<A>) -> Self {
        Sgd { velocity, ..self }
    }
}

impl<A> Fields<A> for Sgd<A> {
    fields! {
        "sgd",
        Number: learning_rate, momentum, dampening, weight_decay;
        Flag: nesterov;
        State: velocity
    }
    fn check_state(&self, n: usize) -> Result<(), Error> {
        check_len_or_empty("velocity", &self.velocity, n)
    }
}

impl<A: Scalar> Sgd<A> {
    fn check(&self) -> Result<(), Error> {
        let &Sgd { learning_rate, momentum, dampening, nesterov, weight_decay, .. } = self;
        check_magnitude::<A>("learning_rate", learning_rate)?;
        check_share::<A>("momentum", momentum)?;
        check::<A>("dampening", dampening, "at least 0 and at most 1", |share| (0.0..=1.0).contains(&share))?;
        check_magnitude::<A>("weight_decay", weight_decay)?;
        if nesterov {
            check::<A>("momentum", momentum, "above 0 for Nesterov's form", |share| share > 0.0)?;
            check::<A>("dampening", dampening, "0 for Nesterov's form", |share| share == 0.0)?;
        }
        Ok(())
    }
}

impl<A: Scalar> Optimizer<A> for Sgd<A> {
    fn step(&mut self, parameters: &mut [A], gradients: &[A]) -> Result<(), Error> {
        self.check()?;
        check_gradients(parameters, gradients)?;
        let [rate, momentum, decay] = [self.learning_rate, self.momentum, self.weight_decay].map(narrow::<A>);
        if self.momentum == 0.0 {
            for (theta, &g) in parameters.iter_mut().zip(gradients) {
                *theta -= rate * with_decay(g, decay, *theta);
            }
            return Ok(());
        }

        let mut fresh = narrow(1.0 - self.dampening);
        if self.velocity.is_empty() {
            // The first step has v = 0 and takes all of g.
            self.velocity.resize(parameters.len(), A::zero());
            fresh = A::one();
        }
        check_parameters(parameters, self.velocity.len())?;
        let nesterov = self.nesterov;
        for ((theta, &g), v) in parameters.iter_mut().zip(gradients).zip(&mut self.velocity) {
            let g = with_decay(g, decay, *theta);
            *v = momentum * *v + fresh * g;
            *theta -= rate * if nesterov { g + momentum * *v } else { *v };
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
