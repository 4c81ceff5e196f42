//! The same results along several routes, to the last bit.

use std::cmp::Reverse;

use elman::cell;
use elman::sequence;
use elman::stack::{self, Checkpointed, Direction, Network, States};
use elman::{Error, Parameters, Scalar};
use ndarray::{Array1, Array2, Array3, Axis, Slice, concatenate, s};
use rand::RngExt;
use rand::seq::SliceRandom;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::problem::Problem;
use crate::results::{Results, Workspace, compare};
use crate::{Generator, Result, Tally, directions, gradients};

/// Single columns that run step by step through cells.
const CELL_COLUMNS: usize = 3;

/// Compares all routes with one thread in new memory.
pub(crate) fn check<A: Scalar>(problem: &Problem<A>, rng: &mut Generator, tally: &mut Tally) -> Result<()> {
    let expected = pool(1)?.install(|| Workspace::default().run(problem))?;
    let mut count = |name: &str, compared: Result<u64>| -> Result<()> {
        tally.results += compared.map_err(|error| format!("{name}: {error}"))?;
        tally.routes += 1;
        Ok(())
    };
    let used = Problem::draw(rng);
    let threads = rng.random_range(2..=4);
    let found = on_threads(problem, &used, threads)?;
    count(&format!("{threads} threads in used memory"), found.compare(&expected, problem))?;
    let found = pool(threads)?.install(|| {
        pool(2)?.install(|| Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Workspace::default().run(problem)?))
    });
    count("a pool inside a pool", found.map_err(|error| error.to_string())?.compare(&expected, problem))?;
    count("as cells", by_cells(problem, &expected, rng))?;
    if problem.is_one_direction() {
        count("chunks", in_chunks(problem, rng)?.compare(&expected, problem))?;
        count("checkpoints", checkpointed(problem, &expected, rng))?;
        if problem.dropout.is_none() && !problem.reversed {
            count("a stepper", stepping(problem, &expected))?;
        }
        if problem.parameters.architecture().layers().len() == 1 {
            count("a sequence", through_sequence(problem, &expected))?;
        }
    }
    let groups = draw_groups(problem, rng);
    let mut parts = Vec::new();
    for group in &groups {
        let found = Workspace::default().run(&problem.of_columns(group))?;
        count("groups of columns", found.compare_columns(&expected.of_columns(problem, group), problem))?;
        parts.push(found.gradients);
    }
    tally.worst_sum = tally.worst_sum.max(gradients::add_up(problem, &parts, &expected.gradients)?);
    Ok(())
}

fn pool(threads: usize) -> std::result::Result<ThreadPool, rayon::ThreadPoolBuildError> {
    ThreadPoolBuilder::new().num_threads(threads).build()
}

/// Runs another problem first, in the same memory.
fn on_threads<A: Scalar>(problem: &Problem<A>, used: &Problem<A>, threads: usize) -> Result<Results<A>> {
    let mut workspace = Workspace::default();
    Ok(pool(threads)?.install(|| {
        workspace.run(used)?;
        workspace.run(problem)
    })?)
}

/// All columns, in shuffled groups.
fn draw_groups<A: Scalar>(problem: &Problem<A>, rng: &mut Generator) -> Vec<Vec<usize>> {
    let (m, _) = problem.columns_and_steps();
    let mut columns: Vec<usize> = (0..m).collect();
    columns.shuffle(rng);
    let mut groups = Vec::new();
    while !columns.is_empty() {
        let size = rng.random_range(1..=columns.len());
        groups.push(columns.split_off(columns.len() - size));
    }
    groups
}

/// Chunks of steps: forward with the states of the chunk before, backward with the gradients of the chunk after.
fn in_chunks<A: Scalar>(problem: &Problem<A>, rng: &mut Generator) -> std::result::Result<Results<A>, Error> {
    let (_, t_x) = problem.columns_and_steps();
    let mut cuts: Vec<usize> =
        (0..rng.random_range(1..=4)).map(|_| rng.random_range(0..=t_x)).chain([0, t_x]).collect();
    cuts.sort_unstable();
    // Chunks in the order in which they run, each with its place in the sequence.
    let mut chunks: Vec<Problem<A>> = cuts.windows(2).map(|cut| problem.of_steps(cut[0]..cut[1])).collect();
    if problem.reversed {
        chunks.reverse();
    }
    let mut states = problem.states.clone();
    let mut workspaces = Vec::new();
    for chunk in &mut chunks {
        chunk.states = states;
        let mut workspace = Workspace::default();
        stack::forward_into(&chunk.parameters, chunk.input(), &chunk.states, &mut workspace.cache)?;
        states = States::last(&workspace.cache);
        workspaces.push(workspace);
    }
    let mut back = stack::Backward::with_dx();
    let mut later = problem.last_states.clone();
    let mut results = Vec::new();
    for (chunk, workspace) in chunks.iter().zip(&mut workspaces).rev() {
        let Workspace { cache, loss, .. } = workspace;
        elman::loss::cross_entropy_into(&*cache, &chunk.labels, elman::loss::Reduction::Sum, loss)?;
        stack::backward_into(&chunk.parameters, cache, chunk.upstream(later.as_ref()), &mut back)?;
        later = Some(back.d_states.clone());
        results.push(Results::of(cache, loss, &back));
    }
    // The last result has the gradients of all chunks, and belongs to the first chunk that ran.
    let gradients = results.last().map(|first| (first.gradients.clone(), first.d_states.clone())).unwrap_or_default();
    let last_states = results[0].last_states.clone();
    if !problem.reversed {
        results.reverse();
    }
    let join = |array: fn(&Results<A>) -> &Array3<A>| {
        concatenate(Axis(2), &results.iter().map(|result| array(result).view()).collect::<Vec<_>>()).unwrap_or_default()
    };
    Ok(Results {
        hidden: join(|result| &result.hidden),
        logits: join(|result| &result.logits),
        output: join(|result| &result.output),
        dlogits: join(|result| &result.dlogits),
        dx: join(|result| &result.dx),
        last_states,
        d_states: gradients.1,
        gradients: gradients.0,
    })
}

/// The gradients of segments that are recomputed from checkpoints.
fn checkpointed<A: Scalar>(problem: &Problem<A>, expected: &Results<A>, rng: &mut Generator) -> Result<u64> {
    let Problem { parameters, states, .. } = problem;
    let (_, t_x) = problem.columns_and_steps();
    let mut run = Checkpointed::forward_within(1 << rng.random_range(12..28), parameters, problem.input(), states)
        .or_else(|_| Checkpointed::forward(parameters, problem.input(), states))?;
    while let Some(segment) = run.next_segment()? {
        let steps = segment.steps();
        let chunk = problem.of_steps(steps.clone());
        let is_last = if problem.reversed { steps.start == 0 } else { steps.end == t_x };
        segment.backward(chunk.upstream(problem.last_states.as_ref().filter(|_| is_last)))?;
    }
    let (gradients, d_states) = run.into_gradients();
    let mut count = compare("gradients", gradients.as_slice(), &expected.gradients)?;
    for (layer, direction) in directions(parameters.architecture()) {
        if let (Some(found), Some(expected)) = (d_states.get(layer, direction), expected.d_states.get(layer, direction))
        {
            count += compare("d_states", &found, &expected)?;
        }
    }
    Ok(count)
}

/// One step at a time. Columns stop where they end.
fn stepping<A: Scalar>(problem: &Problem<A>, expected: &Results<A>) -> Result<u64> {
    let Problem { parameters, states, x, tokens, .. } = problem;
    let (m, t_x) = problem.columns_and_steps();
    let mut stepper = Network::new(parameters)?.stepper(m);
    stepper.set_states(states)?;
    let mut count = 0;
    for t in 0..t_x {
        let mut columns: Vec<usize> = (0..m).filter(|&j| t < problem.length(j)).collect();
        columns.sort_by_key(|&j| Reverse(j));
        match tokens {
            Some(tokens) => {
                let tokens: Vec<usize> = columns.iter().map(|&j| tokens[[j, t]]).collect();
                stepper.step_columns_tokens(&columns, &tokens)?;
            }
            None => stepper.step_columns(&columns, &x.index_axis(Axis(2), t).select(Axis(1), &columns))?,
        }
        let mut row = 0;
        for layer in 0..parameters.architecture().layers().len() {
            let found = stepper.hidden(layer).ok_or("a layer is missing")?.select(Axis(1), &columns);
            let rows = row..row + found.nrows();
            let expected = expected.hidden.index_axis(Axis(2), t);
            count += compare("hidden", &found, &expected.slice(s![rows.clone(), ..]).select(Axis(1), &columns))?;
            row = rows.end;
        }
        let at = |array: &Array3<A>| array.index_axis(Axis(2), t).select(Axis(1), &columns);
        count += compare("logits", &stepper.logits().select(Axis(1), &columns), &at(&expected.logits))?;
        count += compare("output", &stepper.output().select(Axis(1), &columns), &at(&expected.output))?;
    }
    Ok(count)
}

/// The network of a layer and direction. It has the head if the head reads no other one.
fn network<A: Scalar>(problem: &Problem<A>, layer: usize, direction: Direction) -> Result<Parameters<A>> {
    let p = &problem.parameters;
    let [wax, waa, wya] = [p.wax(layer, direction), p.waa(layer, direction), p.wya(layer, direction)]
        .map(|matrix| matrix.ok_or("a matrix is missing"));
    let layers = p.architecture().layers();
    let rows = if layer + 1 == layers.len() && !layers[layer].bidirectional { p.by().len() } else { 0 };
    let (wax, waa, wya, ba) = (wax?, waa?, wya?, p.ba(layer, direction).ok_or("a bias is missing")?);
    let wya = wya.slice_axis(Axis(0), Slice::from(..rows));
    let p = Parameters::from_arrays(&wax, &waa, &wya, &ba, &p.by().slice(s![..rows]))?;
    Ok(p.with_activation(layers[layer].activation))
}

/// Some columns alone, one step at a time, layer by layer. Dropout has no cells: there, steps are chunks of a sequence.
fn by_cells<A: Scalar>(problem: &Problem<A>, expected: &Results<A>, rng: &mut Generator) -> Result<u64> {
    let (m, _) = problem.columns_and_steps();
    let mut count = 0;
    if m == 0 || problem.dropout.is_some() {
        return Ok(count);
    }
    for _ in 0..CELL_COLUMNS.min(m) {
        let j = rng.random_range(0..m);
        let length = problem.length(j);
        let mut below = match &problem.tokens {
            None => problem.x.slice(s![.., j, ..length]).to_owned(),
            Some(tokens) => Array2::from_shape_fn((problem.x.len_of(Axis(0)), length), |(i, t)| {
                if tokens[[j, t]] == i { A::one() } else { A::zero() }
            }),
        };
        let (mut row, mut outputs, mut of_layer) = (0, None, Vec::new());
        for (layer, direction) in directions(problem.parameters.architecture()) {
            let network = network(problem, layer, direction)?;
            let start = problem.states.get(layer, direction).ok_or("a state is missing")?.column(j).to_owned();
            let steps = cells(&network, &below, start, problem.reversed != (direction == Direction::Reverse))?;
            let rows = row..row + network.dims().n_a;
            count += compare("hidden", &steps.0.view(), &expected.hidden.slice(s![rows.clone(), j, ..length]))?;
            row = rows.end;
            of_layer.push(steps.0);
            let layers = problem.parameters.architecture().layers();
            if of_layer.len() == 1 + usize::from(layers[layer].bidirectional) {
                below = concatenate(Axis(0), &of_layer.iter().map(|steps| steps.view()).collect::<Vec<_>>())?;
                of_layer.clear();
                outputs = (!layers[layer].bidirectional).then_some((steps.1, steps.2));
            }
        }
        if let Some((logits, output)) = outputs {
            count += compare("logits", &logits.view(), &expected.logits.slice(s![.., j, ..length]))?;
            count += compare("output", &output.view(), &expected.output.slice(s![.., j, ..length]))?;
        }
    }
    Ok(count)
}

/// The hidden states, logits and outputs of one column, (n, `T_x`) each.
type Steps<A> = (Array2<A>, Array2<A>, Array2<A>);

fn cells<A: Scalar>(p: &Parameters<A>, x: &Array2<A>, start: Array1<A>, reversed: bool) -> Result<Steps<A>> {
    let (dims, t_x) = (p.dims(), x.ncols());
    let mut steps = (Array2::zeros((dims.n_a, t_x)), Array2::zeros((dims.n_y, t_x)), Array2::zeros((dims.n_y, t_x)));
    let mut state = start.insert_axis(Axis(1));
    for i in 0..t_x {
        let t = if reversed { t_x - 1 - i } else { i };
        let step = cell::forward(p, &x.slice(s![.., t..=t]), &state)?;
        steps.0.slice_mut(s![.., t..=t]).assign(&step.a_next());
        steps.1.slice_mut(s![.., t..=t]).assign(&step.logits());
        steps.2.slice_mut(s![.., t..=t]).assign(&step.y());
        state.assign(&step.a_next());
    }
    Ok(steps)
}

/// One layer through `sequence`.
fn through_sequence<A: Scalar>(problem: &Problem<A>, expected: &Results<A>) -> Result<u64> {
    let network = network(problem, 0, Direction::Forward)?;
    let state =
        |states: &States<A>| states.get(0, Direction::Forward).map(|state| state.to_owned()).unwrap_or_default();
    let cache = sequence::forward(&network, problem.input(), &state(&problem.states))?;
    let last = problem.last_states.as_ref().map(state);
    let mut upstream = elman::Upstream::default();
    upstream = problem.hidden.iter().fold(upstream, |upstream, array| upstream.with_hidden(array));
    upstream = problem.logits.iter().fold(upstream, |upstream, array| upstream.with_logits(array));
    upstream = problem.output.iter().fold(upstream, |upstream, array| upstream.with_output(array));
    upstream = last.iter().fold(upstream, |upstream, array| upstream.with_last_hidden(array));
    let back = sequence::backward(&network, &cache, upstream)?;
    Ok(compare("hidden", &cache.hidden(), &expected.hidden.view())?
        + compare("output", &cache.output(), &expected.output.view())?
        + compare("gradients", back.gradients.as_slice(), &expected.gradients)?
        + compare("dx", &back.dx, &expected.dx)?
        + compare("da0", &back.da0, &state(&expected.d_states))?)
}
