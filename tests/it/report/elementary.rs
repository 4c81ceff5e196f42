//! φ of numbers of every magnitude, through a cell with one unit of weight 1: z = x.

use elman::ndarray::{Array1, Array2, array};
use elman::{Activation, Error, Parameters, Scalar, cell};

use super::problem::narrow;
use super::{Digest, Report};

/// Numbers of both signs, 97 in each octave from 2⁻⁶⁰ to 2¹⁰. tanh is linear below, and constant above.
fn numbers<A: Scalar>() -> Vec<A> {
    // 2ᵏ from its bits: the platform's power may round.
    let octave = |k: u64| (0..97).map(move |i| f64::from_bits((1023 - 60 + k) << 52) * (1.0 + f64::from(i) / 97.0));
    (0..70).flat_map(octave).flat_map(|x| [narrow(x), narrow(-x)]).collect()
}

pub(super) fn add<A: Scalar>(report: &mut Report) -> Result<(), Error> {
    let x = Array1::from(numbers::<A>());
    let (one, zero) = (array![[A::one()]], array![[A::zero()]]);
    let p = Parameters::from_arrays(&one, &zero, &one, &array![A::zero()], &array![A::zero()])?;
    let columns = x.clone().insert_axis(elman::ndarray::Axis(0));
    for activation in Activation::ALL {
        let p = p.clone().with_activation(activation);
        let cache = cell::forward(&p, &columns, &Array2::zeros(columns.dim()))?;
        report.add(&format!("{activation} of every magnitude"), Digest::new().floats(cache.hidden()));
    }
    // A softmax of two classes of which one has the logit 0: exp of both signs, and a quotient.
    let two =
        Parameters::from_arrays(&one, &zero, &array![[A::one()], [A::zero()]], &array![A::zero()], &Array1::zeros(2))?;
    let two = two.with_activation(Activation::Identity);
    let cache = cell::forward(&two, &columns, &Array2::zeros(columns.dim()))?;
    report.add("softmax of every magnitude", Digest::new().floats(cache.output()));
    Ok(())
}
