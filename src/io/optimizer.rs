//! An optimiser as metadata, which says its kind and its hyper-parameters, and as tensors, which are its state.
//!
//! | `elman.optimizer` | `elman.optimizer.learning_rate`, and | tensors `optimizer.…` |
//! |---|---|---|
//! | `sgd` | `momentum`, `dampening`, `nesterov`, `weight_decay` | `velocity` |
//! | `adam`, `adamw` | `beta1`, `beta2`, `eps`, `weight_decay`, `steps` | `first_moment`, `second_moment` |
//! | `rmsprop` | `alpha`, `eps`, `momentum`, `centered`, `weight_decay` | `square_average`, `gradient_average`, `velocity` |
//!
//! Numbers are the shortest decimals that read back as the same, `inf` and `NaN` among them. A tensor has an element for
//! each parameter, or none where the optimiser has no such state yet.

use ndarray::Array1;

use super::notes::{Notes, refused};
use super::{Error, Tensors};
use crate::Scalar;
use crate::optim::{Adam, AdamW, AnyOptimizer, Optimizer, RmsProp, Sgd};

const KIND: &str = "optimizer";
const KINDS: &str = "`sgd`, `adam`, `adamw` or `rmsprop`";

/// Adds an optimiser to the metadata and to the tensors.
pub(super) fn write<A: Scalar>(optimizer: &AnyOptimizer<A>, notes: &mut Notes, tensors: &mut Tensors<A>) {
    let mut file = Writer { notes, tensors };
    file.number("learning_rate", optimizer.learning_rate());
    let kind = match optimizer {
        AnyOptimizer::Sgd(sgd) => {
            file.number("momentum", sgd.momentum());
            file.number("dampening", sgd.dampening());
            file.number("weight_decay", sgd.weight_decay());
            file.notes.insert(&key("nesterov"), sgd.is_nesterov());
            file.state("velocity", sgd.velocity());
            "sgd"
        }
        AnyOptimizer::Adam(adam) => {
            write_adam(adam, &mut file);
            "adam"
        }
        AnyOptimizer::AdamW(adam_w) => {
            write_adam(adam_w.as_adam(), &mut file);
            "adamw"
        }
        AnyOptimizer::RmsProp(rms_prop) => {
            file.number("alpha", rms_prop.alpha());
            file.number("eps", rms_prop.eps());
            file.number("momentum", rms_prop.momentum());
            file.number("weight_decay", rms_prop.weight_decay());
            file.notes.insert(&key("centered"), rms_prop.is_centered());
            file.state("square_average", rms_prop.square_average());
            file.state("gradient_average", rms_prop.gradient_average());
            file.state("velocity", rms_prop.velocity());
            "rmsprop"
        }
    };
    file.notes.insert(KIND, kind);
}

/// The optimiser of `n` parameters, where there is one. It is the last to read the metadata: nothing may be left.
pub(super) fn read<A: Scalar>(notes: Notes, tensors: &Tensors<A>, n: usize) -> Result<Option<AnyOptimizer<A>>, Error> {
    if !notes.contains(KIND) {
        notes.finish()?;
        return Ok(None);
    }
    let mut file = Reader { notes, tensors, n };
    let kind = file.notes.take(KIND, KINDS)?;
    let rate = file.notes.parse(&key("learning_rate"))?;
    let optimizer = match kind.as_str() {
        "sgd" => read_sgd(rate, &mut file)?.into(),
        "adam" => read_adam(rate, &mut file)?.into(),
        "adamw" => AdamW::of(read_adam(rate, &mut file)?).into(),
        "rmsprop" => read_rms_prop(rate, &mut file)?.into(),
        _ => return Err(refused(KIND, KINDS, Some(&kind))),
    };
    file.notes.finish()?;
    Ok(Some(optimizer))
}

fn read_sgd<A: Scalar>(rate: f64, file: &mut Reader<A>) -> Result<Sgd<A>, Error> {
    let momentum = file.notes.parse(&key("momentum"))?;
    let sgd = if file.notes.parse(&key("nesterov"))? {
        Sgd::new(rate).with_nesterov(momentum)
    } else {
        Sgd::new(rate).with_momentum(momentum)
    };
    Ok(sgd
        .with_dampening(file.notes.parse(&key("dampening"))?)
        .with_weight_decay(file.notes.parse(&key("weight_decay"))?)
        .resumed(file.state("velocity")?))
}

fn write_adam<A: Scalar>(adam: &Adam<A>, file: &mut Writer<A>) {
    file.number("beta1", adam.betas()[0]);
    file.number("beta2", adam.betas()[1]);
    file.number("eps", adam.eps());
    file.number("weight_decay", adam.weight_decay());
    file.notes.insert(&key("steps"), adam.steps());
    file.state("first_moment", adam.first_moment());
    file.state("second_moment", adam.second_moment());
}

fn read_adam<A: Scalar>(rate: f64, file: &mut Reader<A>) -> Result<Adam<A>, Error> {
    let steps = file.notes.parse(&key("steps"))?;
    let length = if steps == 0 { 0 } else { file.n };
    let first_moment = file.vector("first_moment", length)?;
    let second_moment = file.vector("second_moment", length)?;
    let adam = Adam::new(rate)
        .with_betas(file.notes.parse(&key("beta1"))?, file.notes.parse(&key("beta2"))?)
        .with_eps(file.notes.parse(&key("eps"))?)
        .with_weight_decay(file.notes.parse(&key("weight_decay"))?);
    Ok(adam.resumed(steps, first_moment, second_moment).expect("both lengths were asked for"))
}

fn read_rms_prop<A: Scalar>(rate: f64, file: &mut Reader<A>) -> Result<RmsProp<A>, Error> {
    let mut rms_prop = RmsProp::new(rate)
        .with_alpha(file.notes.parse(&key("alpha"))?)
        .with_eps(file.notes.parse(&key("eps"))?)
        .with_momentum(file.notes.parse(&key("momentum"))?)
        .with_weight_decay(file.notes.parse(&key("weight_decay"))?);
    if file.notes.parse(&key("centered"))? {
        rms_prop = rms_prop.centered();
    }
    let square_average = file.state("square_average")?;
    // Before the first step there is none of the others, either.
    file.n = square_average.len();
    let (gradient_average, velocity) = (file.state("gradient_average")?, file.state("velocity")?);
    Ok(rms_prop.resumed(square_average, gradient_average, velocity).expect("the lengths were asked for"))
}

fn key(name: &str) -> String {
    format!("{KIND}.{name}")
}

struct Writer<'a, A> {
    notes: &'a mut Notes,
    tensors: &'a mut Tensors<A>,
}

impl<A: Scalar> Writer<'_, A> {
    fn number(&mut self, name: &str, value: f64) {
        self.notes.insert(&key(name), format_args!("{value:?}"));
    }

    fn state(&mut self, name: &str, values: &[A]) {
        self.tensors.insert(key(name), Array1::from(values.to_vec()));
    }
}

struct Reader<'a, A> {
    notes: Notes,
    tensors: &'a Tensors<A>,
    n: usize,
}

impl<A: Scalar> Reader<'_, A> {
    /// An element for each parameter, or none.
    fn state(&self, name: &str) -> Result<Vec<A>, Error> {
        let none = self.tensors.shape(&key(name)) == Some(&[0]);
        self.vector(name, if none { 0 } else { self.n })
    }

    fn vector(&self, name: &str, length: usize) -> Result<Vec<A>, Error> {
        Ok(self.tensors.vector(&key(name), length)?.to_vec())
    }
}
