use super::{Adam, AdamW, Field, FieldMut, Fields, Optimizer, RmsProp, Sgd};
use crate::{Error, Scalar};

/// Any optimiser of this module: for a choice at run time, and for files.
///
/// # Examples
///
/// ```
/// use elman::optim::{Adam, AnyOptimizer, Optimizer, Sgd};
///
/// fn chosen(name: &str) -> AnyOptimizer<f64> {
///     if name == "adam" { Adam::new(0.25).into() } else { Sgd::new(0.5).into() }
/// }
/// let mut p = [1.0];
/// chosen("sgd").step(&mut p, &[1.0])?;
/// assert_eq!(p, [0.5]);
/// # Ok::<(), elman::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AnyOptimizer<A> {
    /// [`Sgd`]
    Sgd(Sgd<A>),
    /// [`Adam`]
    Adam(Adam<A>),
    /// [`AdamW`]
    AdamW(AdamW<A>),
    /// [`RmsProp`]
    RmsProp(RmsProp<A>),
}

/// Evaluates the same expression for every variant.
macro_rules! each {
    ($any:expr, $optimizer:ident => $result:expr) => {
        match $any {
            AnyOptimizer::Sgd($optimizer) => $result,
            AnyOptimizer::Adam($optimizer) => $result,
            AnyOptimizer::AdamW($optimizer) => $result,
            AnyOptimizer::RmsProp($optimizer) => $result,
        }
    };
}

impl<A: Scalar> Optimizer<A> for AnyOptimizer<A> {
    fn step(&mut self, parameters: &mut [A], gradients: &[A]) -> Result<(), Error> {
        each!(self, optimizer => optimizer.step(parameters, gradients))
    }

    fn learning_rate(&self) -> f64 {
        each!(self, optimizer => optimizer.learning_rate())
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        each!(self, optimizer => optimizer.set_learning_rate(learning_rate));
    }
}

impl<A> AnyOptimizer<A> {
    /// One of each kind, to be filled from a file.
    pub(crate) fn all() -> [Self; 4] {
        [Sgd::new(0.0).into(), Adam::new(0.0).into(), AdamW::new(0.0).into(), RmsProp::new(0.0).into()]
    }
}

impl<A> Fields<A> for AnyOptimizer<A> {
    fn kind(&self) -> &'static str {
        each!(self, optimizer => optimizer.kind())
    }
    fn names(&self) -> &'static [&'static str] {
        each!(self, optimizer => optimizer.names())
    }
    fn fields(&self) -> Vec<Field<'_, A>> {
        each!(self, optimizer => optimizer.fields())
    }
    fn fields_mut(&mut self) -> Vec<FieldMut<'_, A>> {
        each!(self, optimizer => optimizer.fields_mut())
    }
    fn check_state(&self, n: usize) -> Result<(), Error> {
        each!(self, optimizer => optimizer.check_state(n))
    }
}

impl<A> From<Sgd<A>> for AnyOptimizer<A> {
    fn from(sgd: Sgd<A>) -> Self {
        AnyOptimizer::Sgd(sgd)
    }
}

impl<A> From<Adam<A>> for AnyOptimizer<A> {
    fn from(adam: Adam<A>) -> Self {
        AnyOptimizer::Adam(adam)
    }
}

impl<A> From<AdamW<A>> for AnyOptimizer<A> {
    fn from(adam_w: AdamW<A>) -> Self {
        AnyOptimizer::AdamW(adam_w)
    }
}

impl<A> From<RmsProp<A>> for AnyOptimizer<A> {
    fn from(rms_prop: RmsProp<A>) -> Self {
        AnyOptimizer::RmsProp(rms_prop)
    }
}
