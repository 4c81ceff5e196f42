//! A random problem: a network, an input in one of many readings, and gradients of its results.

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use elman::loss::IGNORE;
use elman::sequence::Input;
use elman::stack::{Architecture, Layer, Parameters, States, Upstream};
use elman::{Activation, Dropout, Scalar, init};
use ndarray::{Array2, Array3, Axis, ShapeBuilder, Slice, s};
use rand::RngExt;

use crate::{Generator, directions, number};

/// The multiply-adds of one forward pass, at most.
const MOST_WORK: f64 = 2e7;

#[derive(Debug, Clone)]
pub(crate) struct Problem<A> {
    pub(crate) parameters: Parameters<A>,
    /// The factor of every `waa`. Above 1, gradients may grow from step to step.
    pub(crate) scale: f64,
    /// (`n_x`, m, `T_x`), of any strides
    pub(crate) x: Array3<A>,
    /// Used instead of `x`, (m, `T_x`)
    pub(crate) tokens: Option<Array2<usize>>,
    pub(crate) lengths: Option<Vec<usize>>,
    pub(crate) reversed: bool,
    pub(crate) dropout: Option<Rates>,
    /// The numbers of the columns, for dropout.
    pub(crate) columns: Vec<u64>,
    pub(crate) first_step: u64,
    pub(crate) states: States<A>,
    pub(crate) labels: Array2<usize>,
    pub(crate) hidden: Option<Array3<A>>,
    pub(crate) logits: Option<Array3<A>>,
    pub(crate) output: Option<Array3<A>>,
    pub(crate) last_states: Option<States<A>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    seed: u64,
    between_layers: f64,
    inputs: f64,
    recurrent: f64,
}

impl<A: Scalar> Problem<A> {
    pub(crate) fn draw(rng: &mut Generator) -> Self {
        let architecture = draw_architecture(rng);
        let (m, t_x) = draw_batch(rng, &architecture);
        let (n_x, n_y) = (architecture.n_x(), architecture.n_y());
        let smooth_or_bounded = |layer: &Layer| matches!(layer.activation, Activation::Tanh | Activation::Sigmoid);
        let mut parameters = init::torch_stack(architecture.clone(), rng).expect("a small stack");
        // Unbounded units must not grow over hundreds of steps, also where dropout doubles the others.
        let bounded = architecture.layers().iter().all(smooth_or_bounded);
        let scale = if bounded { rng.random_range(0.3..3.0) } else { 0.35 };
        for (layer, direction) in directions(&architecture) {
            parameters.waa_mut(layer, direction).into_iter().for_each(|mut waa| waa *= number::<A>(scale));
        }
        let width = architecture.layers().last().map_or(0, |layer| layer.width());
        let maybe = |rng: &mut Generator, n| rng.random_bool(0.7).then(|| draw_array(rng, (n, m, t_x)));
        Problem {
            scale,
            x: draw_array(rng, (n_x, m, t_x)),
            tokens: (n_x > 0 && rng.random_bool(0.4))
                .then(|| Array2::from_shape_simple_fn((m, t_x), || rng.random_range(0..n_x))),
            lengths: rng.random_bool(0.5).then(|| (0..m).map(|_| rng.random_range(0..=t_x)).collect()),
            reversed: rng.random_bool(0.3),
            dropout: rng.random_bool(0.3).then(|| Rates {
                seed: rng.random(),
                between_layers: draw_rate(rng),
                inputs: draw_rate(rng),
                recurrent: draw_rate(rng),
            }),
            columns: (0..m).map(|_| rng.random()).collect(),
            first_step: rng.random_range(0..1000),
            states: draw_states(rng, &architecture, m),
            labels: Array2::from_shape_simple_fn((m, t_x), || {
                if n_y == 0 || rng.random_bool(0.1) { IGNORE } else { rng.random_range(0..n_y) }
            }),
            hidden: maybe(rng, width),
            logits: maybe(rng, n_y),
            output: maybe(rng, n_y),
            last_states: rng.random_bool(0.7).then(|| draw_states(rng, &architecture, m)),
            parameters,
        }
    }

    pub(crate) fn columns_and_steps(&self) -> (usize, usize) {
        self.labels.dim()
    }

    pub(crate) fn length(&self, column: usize) -> usize {
        self.lengths.as_ref().map_or(self.labels.ncols(), |lengths| lengths[column])
    }

    pub(crate) fn is_one_direction(&self) -> bool {
        self.parameters.architecture().layers().iter().all(|layer| !layer.bidirectional)
    }

    pub(crate) fn input(&self) -> Input<'_, A> {
        let mut input = self.tokens.as_ref().map_or(Input::vectors(&self.x), |tokens| Input::tokens(tokens));
        if let Some(lengths) = &self.lengths {
            input = input.lengths(lengths);
        }
        if let Some(Rates { seed, between_layers, inputs, recurrent }) = self.dropout {
            let dropout = Dropout::new(seed).between_layers(between_layers).inputs(inputs).recurrent(recurrent);
            input = input.dropout(dropout.columns(&self.columns).first_step(self.first_step));
        }
        if self.reversed { input.reversed() } else { input }
    }

    /// The gradients of all results, with these of the last states.
    pub(crate) fn upstream<'a>(&'a self, last_states: Option<&'a States<A>>) -> Upstream<'a, A> {
        let Problem { hidden, logits, output, .. } = self;
        let mut upstream = Upstream::default();
        upstream = hidden.iter().fold(upstream, |upstream, hidden| upstream.with_hidden(hidden));
        upstream = logits.iter().fold(upstream, |upstream, logits| upstream.with_logits(logits));
        upstream = output.iter().fold(upstream, |upstream, output| upstream.with_output(output));
        last_states.into_iter().fold(upstream, Upstream::with_last_states)
    }

    /// The problem of these columns, in this order.
    pub(crate) fn of_columns(&self, columns: &[usize]) -> Self {
        let pick = |array: &Array3<A>| array.select(Axis(1), columns);
        let pick_rows = |array: &Array2<usize>| array.select(Axis(0), columns);
        Problem {
            x: pick(&self.x),
            tokens: self.tokens.as_ref().map(pick_rows),
            lengths: self.lengths.as_ref().map(|lengths| columns.iter().map(|&j| lengths[j]).collect()),
            columns: columns.iter().map(|&j| self.columns[j]).collect(),
            states: self.states_of(&self.states, columns),
            labels: pick_rows(&self.labels),
            hidden: self.hidden.as_ref().map(pick),
            logits: self.logits.as_ref().map(pick),
            output: self.output.as_ref().map(pick),
            last_states: self.last_states.as_ref().map(|states| self.states_of(states, columns)),
            ..self.clone()
        }
    }

    /// These columns of states.
    pub(crate) fn states_of(&self, states: &States<A>, columns: &[usize]) -> States<A> {
        let architecture = self.parameters.architecture();
        let mut picked = States::zeros(architecture, columns.len());
        for (layer, direction) in directions(architecture) {
            if let (Some(mut to), Some(from)) = (picked.get_mut(layer, direction), states.get(layer, direction)) {
                to.assign(&from.select(Axis(1), columns));
            }
        }
        picked
    }

    /// The problem of these steps. Its states are still those of the whole sequence.
    pub(crate) fn of_steps(&self, steps: Range<usize>) -> Self {
        let cut = |array: &Array3<A>| array.slice_axis(Axis(2), Slice::from(steps.clone())).to_owned();
        let cut_rows = |array: &Array2<usize>| array.slice_axis(Axis(1), Slice::from(steps.clone())).to_owned();
        let within = |length: &usize| (*length).clamp(steps.start, steps.end) - steps.start;
        Problem {
            x: cut(&self.x),
            tokens: self.tokens.as_ref().map(cut_rows),
            lengths: self.lengths.as_ref().map(|lengths| lengths.iter().map(within).collect()),
            first_step: self.first_step + steps.start as u64,
            labels: cut_rows(&self.labels),
            hidden: self.hidden.as_ref().map(cut),
            logits: self.logits.as_ref().map(cut),
            output: self.output.as_ref().map(cut),
            ..self.clone()
        }
    }
}

impl<A: Scalar> Display for Problem<A> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (m, t_x) = self.columns_and_steps();
        let (type_name, architecture) = (std::any::type_name::<A>(), self.parameters.architecture());
        write!(f, "{type_name}, {architecture}, {m} columns, {t_x} steps, strides {:?}", self.x.strides())?;
        for (is_so, what) in [
            (self.tokens.is_some(), "tokens"),
            (self.lengths.is_some(), "lengths"),
            (self.reversed, "reversed"),
            (self.dropout.is_some(), "dropout"),
        ] {
            if is_so {
                write!(f, ", {what}")?;
            }
        }
        Ok(())
    }
}

/// A dimension: often near the width of a vector, rarely 0.
fn draw_size(rng: &mut Generator) -> usize {
    match rng.random_range(0..40) {
        0 => 0,
        1..=7 => 1,
        8..=19 => rng.random_range(2..=12),
        20..=33 => (8_usize << rng.random_range(0..4)) + rng.random_range(0..=2) - 1,
        _ => rng.random_range(1..=300),
    }
}

fn draw_rate(rng: &mut Generator) -> f64 {
    if rng.random() { rng.random_range(0.0..0.5) } else { 0.0 }
}

fn draw_architecture(rng: &mut Generator) -> Architecture {
    let count = if rng.random() { 1 } else { rng.random_range(2..=3) };
    let layers: Vec<Layer> = (0..count)
        .map(|_| {
            let activation = Activation::ALL[rng.random_range(0..Activation::ALL.len())];
            let layer = Layer::new(draw_size(rng)).with_activation(activation);
            if rng.random_bool(0.25) { layer.bidirectional() } else { layer }
        })
        .collect();
    Architecture::new(draw_size(rng), layers, draw_size(rng))
}

/// The columns and steps, small enough for the bound of the work.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2⁵³")]
fn draw_batch(rng: &mut Generator, architecture: &Architecture) -> (usize, usize) {
    let [mut m, mut t_x] = [draw_size(rng), 2 * draw_size(rng)];
    let most = MOST_WORK * 10_f64.powf(-rng.random_range(0.0..3.0));
    while architecture.len() as f64 * m as f64 * t_x as f64 > most && m * t_x > 1 {
        if m > t_x { m /= 2 } else { t_x /= 2 }
    }
    (m, t_x)
}

/// Numbers from −1 to 1 in memory of one of many layouts.
fn draw_array<A: Scalar>(rng: &mut Generator, (n, m, t_x): (usize, usize, usize)) -> Array3<A> {
    let layout = rng.random_range(0..5);
    let mut next = || number::<A>(rng.random_range(-1.0..1.0));
    let mut array = match layout {
        0 => Array3::from_shape_simple_fn((n, m, t_x), next),
        1 => Array3::from_shape_simple_fn((n, m, t_x).f(), next),
        2 => Array3::from_shape_simple_fn((m, n, t_x), next).permuted_axes([1, 0, 2]),
        3 => Array3::from_shape_simple_fn((n, 2 * m, t_x), next).slice_move(s![.., ..;2, ..]),
        _ => Array3::from_shape_simple_fn((t_x, m, n), &mut next).permuted_axes([2, 1, 0]),
    };
    if layout == 4 {
        array.invert_axis(Axis(0));
        array.invert_axis(Axis(2));
    }
    array
}

fn draw_states<A: Scalar>(rng: &mut Generator, architecture: &Architecture, m: usize) -> States<A> {
    let mut states = States::zeros(architecture, m);
    for (layer, direction) in directions(architecture) {
        if let Some(mut state) = states.get_mut(layer, direction) {
            state.mapv_inplace(|_| number(rng.random_range(-1.0..1.0)));
        }
    }
    states
}
