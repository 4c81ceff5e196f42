//! Text of the model's own, after what it is prompted with.

use elman::sampling::Sampler;
use elman::sequence::{self, Input};
use elman::{batches, cell};
use ndarray::Array2;

use crate::Result;
use crate::model::Model;
use crate::seeds::{Purpose, generator};

/// Continues the prompts side by side: symbol after symbol is drawn, and read in turn. As many for each prompt.
///
/// All but the last symbols of the prompts, which have lengths of their own, are one ragged batch; the last ones are
/// the first that a stepper reads. Neither the bits of a column nor its generator depend on the others, so a prompt is
/// continued as it is alone.
///
/// - `prompts`: m, none empty
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
    let a0 = Array2::zeros((model.parameters.dims().n_a, m));
    let cache = sequence::forward(&model.parameters, Input::tokens(&ids).lengths(&lengths), &a0)?;
    let mut stepper = cell::Stepper::new(&model.parameters, m);
    stepper.set_hidden(&cache.last_hidden())?;

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
