//! A regression with early stopping and a checkpoint: the network reads a noisy sine, and says its frequency at the end.
//! Run it with `cargo run --release --features safetensors --example regression`. It asserts that the error on new sines is
//! below a tenth of that of the best constant; it is a fourteenth.

use std::{error::Error, f32::consts::TAU};

use elman::io::Checkpoint;
use elman::loss::{self, Loss, Reduction, Targets};
use elman::optim::{Adam, Optimizer, clip_norm};
use elman::{Dims, Parameters, Upstream, init, sequence};
use ndarray::{Array2, Array3, Axis};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Noisy sines of 40 steps, (1, m, 40), and the frequency of each in radians a step, (1, m).
type Sines = (Array3<f32>, Array2<f32>);

fn draw(m: usize, rng: &mut StdRng) -> Sines {
    let (mut x, y) = (Array3::zeros((1, m, 40)), Array2::from_shape_simple_fn((1, m), || rng.random_range(0.1..1.0)));
    for (mut sine, frequency) in x.axis_iter_mut(Axis(1)).zip(&y) {
        let mut angle: f32 = rng.random_range(0.0..TAU);
        for x in &mut sine {
            (*x, angle) = (angle.sin() + rng.random_range(-0.3..0.3), angle + frequency);
        }
    }
    (x, y)
}

fn read(p: &Parameters<f32>, (x, y): &Sines) -> Result<(sequence::Cache<f32>, Loss<f32>), Box<dyn Error>> {
    let cache = sequence::forward(p, x, None)?;
    let loss = loss::squared_error(&cache, Targets::last_values(y), Reduction::Mean)?;
    Ok((cache, loss))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(1);
    let training: Vec<_> = (0..20).map(|_| draw(50, &mut rng)).collect();
    let (validation, test) = (draw(500, &mut rng), draw(500, &mut rng));
    let folder = tempfile::tempdir()?; // It is deleted at the end: choose another place for a file to keep.
    let file = folder.path().join("best.safetensors");
    let mut p = init::keras(Dims { n_x: 1, n_a: 32, n_y: 1 }, &mut rng);
    let (mut adam, mut least, mut epochs_since) = (Adam::new(0.003), f32::INFINITY, 0);
    while epochs_since < 10 {
        for batch in &training {
            let (cache, loss) = read(&p, batch)?;
            let mut gradients = sequence::backward(&p, &cache, Upstream::logits(&loss.dlogits))?.gradients;
            clip_norm(gradients.as_mut_slice(), 1.0)?;
            adam.step(p.as_mut_slice(), gradients.as_slice())?;
        }
        let error = read(&p, &validation)?.1.value;
        epochs_since += 1;
        if error < least {
            (least, epochs_since) = (error, 0);
            Checkpoint::new(p.clone()).with_optimizer(adam.clone()).save(&file)?;
        }
    }
    let best = Checkpoint::load(&file)?.parameters;
    let (error, constant) = (read(&best, &test)?.1.value.sqrt(), test.1.std(0.0));
    println!("error {error:.4}, of the best constant {constant:.4} radians a step");
    if error < constant / 10.0 { Ok(()) } else { Err("the error is above a tenth of that of a constant".into()) }
}
