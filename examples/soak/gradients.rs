//! Gradients: the sum over columns, and central differences.

use elman::stack::{self, Direction, Parameters, States};
use elman::{Activation, Scalar};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, concatenate};
use rand::RngExt;

use crate::problem::Problem;
use crate::results::Workspace;
use crate::{Generator, Result, Tally, directions};

/// The rounding errors of a sum of N terms grow like √N units in the last place of its largest part.
const SUM_BOUND: f64 = 32.0;
/// A fifth derivative and h⁴, in units of the gradient's norm.
const TRUNCATION: f64 = 1e-6;
/// Rounding errors of the loss, in units of the sum of its absolute terms.
const ROUNDING: f64 = 1e-13;
/// The steps of central differences. Rounding errors grow as the step shrinks, so the largest comes first. But many inputs and
/// units without a bound can move the argument of a tanh so far in that step that the fifth derivative counts.
const STEPS: [f64; 3] = [1e-3, 1e-4, 1e-5];

/// The sum of the gradients of groups of columns is the gradient of the whole. Returns the largest error as a share of its
/// bound.
#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2⁵³")]
pub(crate) fn add_up<A: Scalar>(problem: &Problem<A>, parts: &[Vec<A>], whole: &[A]) -> Result<f64> {
    let (m, t_x) = problem.columns_and_steps();
    let wide = |value: &A| value.to_f64().unwrap_or(f64::NAN);
    let epsilon = wide(&A::epsilon());
    let largest = parts.iter().flatten().chain(whole).map(|value| wide(value).abs()).fold(0.0, f64::max);
    let bound = SUM_BOUND * epsilon * ((m * t_x + 1) as f64).sqrt() * largest;
    let mut worst = 0.0_f64;
    for (index, whole) in whole.iter().enumerate() {
        let sum: f64 = parts.iter().map(|part| wide(&part[index])).sum();
        let error = (sum - wide(whole)).abs();
        if error > bound || error.is_nan() {
            let name = problem.parameters.name_of(index).unwrap_or_default();
            return Err(format!("the columns' gradients of {name} add up to {sum:e}, not to {whole:e}").into());
        }
        worst = worst.max(if error > 0.0 { error / bound } else { 0.0 });
    }
    Ok(worst)
}

/// Compares the derivative along a random direction with central differences, in double precision. relu has kinks, and
/// large recurrent weights let differences grow too fast.
pub(crate) fn check<A: Scalar>(problem: &Problem<A>, rng: &mut Generator, tally: &mut Tally) -> Result<()> {
    let layers = problem.parameters.architecture().layers();
    if problem.scale > 1.0 || layers.iter().any(|layer| layer.activation == Activation::Relu) {
        return Ok(());
    }
    let problem = in_double_precision(problem);
    let found = Workspace::default().run(&problem)?;
    let mut unit = || rng.random_range(-1.0..1.0);
    let mut p = Parameters::zeros(problem.parameters.architecture().clone());
    p.as_mut_slice().iter_mut().for_each(|value| *value = unit());
    let x = Array3::from_shape_simple_fn(problem.x.dim(), &mut unit);
    let states = map_states(&problem, &problem.states, |_| unit());
    let mut exact: f64 = p.as_slice().iter().zip(&found.gradients).map(|(d, g)| d * g).sum();
    let mut size: f64 = p.as_slice().iter().zip(&found.gradients).map(|(d, g)| (d * g).abs()).sum();
    if problem.tokens.is_none() {
        exact += (&x * &found.dx).sum();
        size += (&x * &found.dx).mapv(f64::abs).sum();
    }
    for (layer, direction) in directions(problem.parameters.architecture()) {
        let terms = &state(&states, layer, direction)? * &state(&found.d_states, layer, direction)?;
        exact += terms.sum();
        size += terms.mapv(f64::abs).sum();
    }
    let at = |h: f64| -> Result<[f64; 2]> {
        let mut moved = problem.clone();
        moved.parameters.scaled_add(h, &p)?;
        moved.x.scaled_add(h, &x);
        for (layer, direction) in directions(problem.parameters.architecture()) {
            if let Some(mut to) = moved.states.get_mut(layer, direction) {
                to.scaled_add(h, &state(&states, layer, direction)?);
            }
        }
        loss(&moved)
    };
    let mut failures = Vec::new();
    for h in STEPS {
        let (near, far) = ([at(-h)?, at(h)?], [at(-2.0 * h)?, at(2.0 * h)?]);
        let difference = (8.0 * (near[1][0] - near[0][0]) - (far[1][0] - far[0][0])) / (12.0 * h);
        let bound = TRUNCATION * size + ROUNDING * near[1][1] / h;
        let error = (difference - exact).abs();
        if error <= bound {
            tally.derivatives += 1;
            tally.worst_derivative = tally.worst_derivative.max(if error > 0.0 { error / bound } else { 0.0 });
            return Ok(());
        }
        failures.push(format!("step {h:e}: the difference {difference:e}, bound {bound:e}"));
    }
    Err(format!("the derivative is {exact:e}, {}", failures.join(", ")).into())
}

fn state(states: &States<f64>, layer: usize, direction: Direction) -> Result<ArrayView2<'_, f64>> {
    Ok(states.get(layer, direction).ok_or("a state is missing")?)
}

/// The loss whose gradients the problem holds, and the sum of its absolute terms.
fn loss(problem: &Problem<f64>) -> Result<[f64; 2]> {
    let cache = stack::forward(&problem.parameters, problem.input(), &problem.states)?;
    let mut sums = [0.0; 2];
    let mut add = |value: f64, weight: f64| {
        sums[0] += value * weight;
        sums[1] += (value * weight).abs();
    };
    let top = problem.parameters.architecture().layers().len() - 1;
    let highest =
        [Direction::Forward, Direction::Reverse].into_iter().filter_map(|direction| cache.hidden(top, direction));
    let hidden = concatenate(Axis(0), &highest.collect::<Vec<_>>())?;
    let results: [(ArrayView3<'_, f64>, _); 3] =
        [(hidden.view(), &problem.hidden), (cache.logits(), &problem.logits), (cache.output(), &problem.output)];
    for (values, weights) in results {
        for ((index, value), weight) in values.indexed_iter().zip(weights.iter().flatten()) {
            if index.2 < problem.length(index.1) {
                add(*value, *weight);
            }
        }
    }
    let last = States::last(&cache);
    for (layer, direction) in directions(problem.parameters.architecture()) {
        if let Some(weights) = &problem.last_states {
            let (values, weights) = (state(&last, layer, direction)?, state(weights, layer, direction)?);
            values.iter().zip(weights).for_each(|(value, weight)| add(*value, *weight));
        }
    }
    Ok(sums)
}

fn map_states<A: Scalar, B: Scalar>(problem: &Problem<A>, states: &States<A>, mut f: impl FnMut(A) -> B) -> States<B> {
    let (m, _) = problem.columns_and_steps();
    let mut mapped = States::zeros(problem.parameters.architecture(), m);
    for (layer, direction) in directions(problem.parameters.architecture()) {
        if let (Some(mut to), Some(from)) = (mapped.get_mut(layer, direction), states.get(layer, direction)) {
            to.zip_mut_with(&from, |to, from| *to = f(*from));
        }
    }
    mapped
}

fn in_double_precision<A: Scalar>(problem: &Problem<A>) -> Problem<f64> {
    let wide = |value: A| value.to_f64().unwrap_or(f64::NAN);
    let array = |array: &Array3<A>| array.mapv(wide);
    Problem {
        parameters: problem.parameters.to_f64(),
        scale: problem.scale,
        x: array(&problem.x),
        tokens: problem.tokens.clone(),
        lengths: problem.lengths.clone(),
        reversed: problem.reversed,
        dropout: problem.dropout,
        columns: problem.columns.clone(),
        first_step: problem.first_step,
        states: map_states(problem, &problem.states, wide),
        labels: Array2::clone(&problem.labels),
        hidden: problem.hidden.as_ref().map(array),
        logits: problem.logits.as_ref().map(array),
        output: problem.output.as_ref().map(array),
        last_states: problem.last_states.as_ref().map(|states| map_states(problem, states, wide)),
    }
}
