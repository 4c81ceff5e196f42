//! RustyML's `SimpleRNN` and `Dense`, called layer by layer, without an optimiser. f32 only.

use ndarray::{Array2, Axis};
use rustyml::neural_network::layers::{Activation, Dense, SimpleRNN};
use rustyml::neural_network::losses::SparseCategoricalCrossEntropy;
use rustyml::neural_network::traits::{Loss, ParamId, UnaryLayer};
use rustyml::neural_network::{Ctx, Grads, Shape, Tensor};

use crate::Peer;
use crate::problem::{Pass, Problem, Real, wide};

struct RustyMl {
    train: bool,
    rnn: SimpleRNN,
    dense: Dense,
    /// (m, T_x, n_x)
    x: Tensor,
    /// The class of each column and step, in one column.
    targets: Tensor,
    loss: SparseCategoricalCrossEntropy,
    output: Tensor,
    value: f32,
    gradients: Option<Grads>,
}

pub fn load<A: Real>(problem: Problem<A>) -> Option<Box<dyn Peer>> {
    if size_of::<A>() != size_of::<f32>() {
        return None;
    }
    let narrow = |w: &Array2<A>| w.mapv(|v| v.wide() as f32);
    let train = problem.pass == Pass::Train;
    let activation = if train { Activation::Linear } else { Activation::Softmax { axis: -1 } };
    let mut rnn = SimpleRNN::new(problem.n_a, Activation::Tanh).ok()?.with_return_sequences(true);
    let mut dense = Dense::new(problem.n_y, activation).ok()?;
    rnn.build(&Shape::known(&[problem.m, problem.t_x, problem.n_x])).ok()?;
    dense.build(&Shape::known(&[problem.m, problem.t_x, problem.n_a])).ok()?;
    let (wax, waa, wya) = (narrow(&problem.wax), narrow(&problem.waa), narrow(&problem.wya));
    let row = |b: &ndarray::Array1<A>| narrow(&b.clone().insert_axis(Axis(0)));
    rnn.set_weights(wax.reversed_axes(), waa.reversed_axes(), row(&problem.ba)).ok()?;
    dense.set_weights(wya.reversed_axes(), row(&problem.by)).ok()?;
    let x = problem.x.mapv(|v| v.wide() as f32).permuted_axes([1, 0, 2]);
    let targets = problem.targets().reversed_axes().mapv(|class| class as f32);
    let rows = targets.len();
    Some(Box::new(RustyMl {
        train,
        rnn,
        dense,
        x: x.as_standard_layout().into_owned().into_dyn(),
        targets: Tensor::from_shape_vec(vec![rows, 1], targets.iter().copied().collect()).ok()?,
        loss: SparseCategoricalCrossEntropy::new(true),
        output: Tensor::zeros(vec![0]),
        value: 0.0,
        gradients: None,
    }))
}

impl RustyMl {
    fn forward(&self, ctx: &mut Ctx) -> Result<Tensor, rustyml::error::Error> {
        ctx.set_owner(0);
        let hidden = self.rnn.forward(&self.x, ctx)?;
        ctx.set_owner(1);
        self.dense.forward(&hidden, ctx)
    }

    fn train(&mut self) -> Result<(), rustyml::error::Error> {
        let mut ctx = Ctx::training();
        let logits = self.forward(&mut ctx)?;
        let shape = logits.raw_dim();
        let rows = vec![self.targets.len(), logits.len() / self.targets.len()];
        let logits = logits.into_shape_with_order(rows).expect("rows of a contiguous array");
        self.value = self.loss.compute_loss(&self.targets, &logits)?;
        let dlogits = self.loss.compute_grad(&self.targets, &logits)?;
        let dlogits = dlogits.into_shape_with_order(shape).expect("a contiguous array");
        let da = self.dense.backward(&dlogits, &mut ctx)?;
        ctx.set_owner(0);
        self.rnn.backward(&da, &mut ctx)?;
        self.gradients = Some(ctx.take_grads());
        Ok(())
    }
}

impl Peer for RustyMl {
    fn run(&mut self) {
        if self.train {
            self.train().expect("shapes fit");
        } else {
            self.output = self.forward(&mut Ctx::inference()).expect("shapes fit");
        }
    }

    fn result(&self) -> Vec<f64> {
        let Some(gradients) = &self.gradients else {
            return wide(self.output.view().permuted_axes(vec![1, 0, 2]));
        };
        let of = |layer, name| wide(gradients.get(&ParamId::new(layer, name)).expect("a gradient").t());
        let value = vec![self.value.into()];
        [value, of(0, "kernel"), of(0, "recurrent_kernel"), of(1, "kernel"), of(0, "bias"), of(1, "bias")].concat()
    }
}
