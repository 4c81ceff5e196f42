//! Samples a continuation of a prompt.

use elman::batches;
use elman::sampling::Sampler;
use elman::sequence::Input;
use elman::stack::{self, States, Stepper};

use crate::Result;
use crate::model::Model;
use crate::seeds::{Purpose, generator};

/// Continues the prompts in parallel, each by `length` symbols: draws a symbol, then reads it.
///
/// All symbols of the prompts except the last ones form one ragged batch. A stepper starts with the last ones. The bits
/// and the generator of a column do not depend on the other columns, so each prompt is continued as if it were alone.
///
/// - `prompts`: m prompts, none empty
pub(crate) fn continue_all(
    model: &Model,
    prompts: &[Vec<usize>],
    length: usize,
    sampler: &Sampler,
    seed: u64,
) -> Result<Vec<Vec<usize>>> {
    let (mut last, before): (Vec<usize>, Vec<&[usize]>) =
        prompts.iter().filter_map(|prompt| prompt.split_last()).map(|(&last, before)| (last, before)).unzip();
    let m = last.len();
    let (ids, lengths) = batches::pad(&before);
    let cache = stack::forward(&model.parameters, Input::tokens(&ids).lengths(&lengths), None)?;
    let mut stepper = Stepper::new(&model.parameters, m)?;
    stepper.set_states(&States::last(&cache))?;

    let mut generators: Vec<_> = last.iter().map(|_| generator(seed, Purpose::Sample)).collect();
    let mut sampled = vec![Vec::new(); m];
    for _ in 0..length {
        stepper.step_tokens(&last)?;
        for (((logits, symbol), rng), sampled) in
            stepper.logits().columns().into_iter().zip(&mut last).zip(&mut generators).zip(&mut sampled)
        {
            *symbol = sampler.sample(&logits, rng)?;
            sampled.push(*symbol);
        }
    }
    Ok(sampled)
}
