//! Probabilities against a naive oracle, frequencies of draws, and refused arguments.

#![expect(clippy::cast_precision_loss, reason = "counts are small")]

use elman::sampling::Sampler;
use elman::{Dims, Error, cell, init};
use ndarray::{Array1, array, s};
use rand::{Rng, RngExt, rngs::StdRng};
use rand_mt::Mt64;

use crate::support::seeded;

/// Exponentials, a sum and a quotient, each within a few units of double precision.
const ROUNDING: f64 = 1e-14;

fn random_logits(n: usize, rng: &mut StdRng) -> Array1<f64> {
    Array1::from_shape_simple_fn(n, || rng.random_range(-3.0..3.0))
}

/// exp(z/τ) / Σ exp(z/τ), without protection against overflow.
fn softmax(z: &Array1<f64>, temperature: f64) -> Array1<f64> {
    let weights = z.mapv(|z| (z / temperature).exp());
    &weights / weights.sum()
}

#[track_caller]
fn assert_close(found: &Array1<f64>, expected: &Array1<f64>, tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    assert!((found - expected).iter().all(|d| d.abs() <= tolerance), "{found}, expected {expected}");
}

/// The classes that can be drawn.
fn kept(sampler: Sampler, logits: &Array1<f64>) -> Vec<usize> {
    let y = sampler.probabilities(logits).unwrap();
    (0..y.len()).filter(|&class| y[class] > 0.0).collect()
}

/// Σ (observed − expected)² / expected: about the number of classes that can be drawn.
fn chi_square(counts: &[u32], y: &Array1<f64>) -> f64 {
    let draws = f64::from(counts.iter().sum::<u32>());
    let possible = counts.iter().zip(y).filter(|(_, y)| **y > 0.0);
    possible.map(|(&count, y)| (f64::from(count) - draws * y).powi(2) / (draws * y)).sum()
}

#[test]
fn probabilities_without_cuts_are_the_softmax_of_logits_over_temperature() {
    let mut rng = seeded(1);
    for n in [1, 2, 7, 100] {
        for temperature in [0.1, 0.7, 1.0, 3.0] {
            let z = random_logits(n, &mut rng);
            let sampler = Sampler::new().with_temperature(temperature);
            assert_close(&sampler.probabilities(&z).unwrap(), &softmax(&z, temperature), ROUNDING);
        }
    }
    assert_eq!(Sampler::new(), Sampler::default());
    assert_eq!(Sampler::new(), Sampler::new().with_temperature(1.0).with_top_k(usize::MAX).with_top_p(1.0));
}

#[test]
fn a_hundred_thousand_draws_have_the_frequencies_of_the_probabilities() {
    const DRAWS: u32 = 100_000;
    let z = array![0.3, -1.0, 2.0, f64::NEG_INFINITY, 1.1, 1.1, -2.5, 0.0];
    let samplers = [
        Sampler::new(),
        Sampler::new().with_temperature(2.0),
        Sampler::new().with_temperature(0.5).with_top_k(6),
        Sampler::new().with_top_k(3),
        Sampler::new().with_top_p(0.8),
        Sampler::new().with_temperature(3.0).with_top_k(5).with_top_p(0.9),
    ];
    let bound = |classes: f64| (classes - 1.0) + 5.0 * (2.0 * (classes - 1.0)).sqrt();
    for (seed, sampler) in samplers.iter().enumerate() {
        let (mut rng, mut counts) = (seeded(seed as u64), [0; 8]);
        for _ in 0..DRAWS {
            counts[sampler.sample(&z, &mut rng).unwrap()] += 1;
        }
        let y = sampler.probabilities(&z).unwrap();
        assert!(counts.iter().zip(&y).all(|(&count, &y)| y > 0.0 || count == 0), "{counts:?} of {y}");
        let found = chi_square(&counts, &y);
        let bound = bound(y.iter().filter(|y| **y > 0.0).count() as f64);
        assert!(found < bound, "{sampler:?}: χ² = {found}, above {bound}");

        // The measure distinguishes a temperature that is a fifth higher.
        let other = softmax(&y.mapv(f64::ln), 1.2);
        assert!(chi_square(&counts, &other) > bound, "{sampler:?}");
    }
}

#[test]
fn top_k_keeps_the_k_largest_and_the_first_of_equal_ones() {
    let mut rng = seeded(2);
    for n in 1..=12 {
        // Few distinct values, so that most logits have an equal one.
        let z = Array1::from_shape_simple_fn(n, || f64::from(rng.random_range(-2..=2)));
        for k in 1..=n + 1 {
            let mut largest: Vec<usize> = (0..n).collect();
            largest.sort_by(|&i, &j| z[j].total_cmp(&z[i]));
            largest.truncate(k);
            largest.sort_unstable();
            let sampler = Sampler::new().with_temperature(0.7).with_top_k(k);
            assert_eq!(kept(sampler, &z), largest, "k = {k} of {z}");

            let y = sampler.probabilities(&z).unwrap();
            let sum: f64 = largest.iter().map(|&class| (z[class] / 0.7).exp()).sum();
            let naive = Array1::from_shape_fn(n, |c| if largest.contains(&c) { (z[c] / 0.7).exp() / sum } else { 0.0 });
            assert_close(&y, &naive, ROUNDING);
        }
    }
}

/// Of all sets of classes that reach p, the one with the fewest classes; of several, the one with the largest mass.
fn smallest_set_that_reaches(p: f64, y: &Array1<f64>) -> Vec<usize> {
    let members = |set: usize| (0..y.len()).filter(move |class| set >> class & 1 == 1);
    let mass = |set: usize| members(set).map(|class| y[class]).sum::<f64>();
    let reaching = (1..1 << y.len()).filter(|&set| mass(set) >= p);
    let best = reaching.min_by(|&a, &b| a.count_ones().cmp(&b.count_ones()).then(mass(b).total_cmp(&mass(a))));
    members(best.expect("all classes together reach every p below one")).collect()
}

#[test]
fn top_p_keeps_the_smallest_set_that_reaches_p() {
    let mut rng = seeded(3);
    for n in 1..=8 {
        for p in [1e-300, 0.05, 0.3, 0.5, 0.77, 0.9, 0.99] {
            let z = random_logits(n, &mut rng);
            let y = softmax(&z, 1.3);
            let expected = smallest_set_that_reaches(p, &y);
            let sampler = Sampler::new().with_temperature(1.3).with_top_p(p);
            assert_eq!(kept(sampler, &z), expected, "p = {p} of {y}");

            let mass: f64 = expected.iter().map(|&class| y[class]).sum();
            let naive = Array1::from_shape_fn(n, |c| if expected.contains(&c) { y[c] / mass } else { 0.0 });
            assert_close(&sampler.probabilities(&z).unwrap(), &naive, ROUNDING);
        }
    }
}

#[test]
fn top_p_of_equal_classes_keeps_the_first_and_stops_when_p_is_just_reached() {
    let z = Array1::<f64>::zeros(8);
    for (p, classes) in [(0.125, 1), (0.126, 2), (0.25, 2), (0.5, 4), (0.51, 5), (0.875, 7), (0.876, 8), (1.0, 8)] {
        assert_eq!(kept(Sampler::new().with_top_p(p), &z), (0..classes).collect::<Vec<_>>(), "p = {p}");
    }
}

#[test]
fn without_top_p_the_most_improbable_of_the_k_classes_stays_possible() {
    // A sum of 1 and e⁻⁵⁰ is 1, but the second class is not dropped.
    let y = Sampler::new().with_top_k(2).probabilities(&array![-50.0, 0.0, -100.0]).unwrap();
    assert_eq!(y, array![libm::exp(-50.0), 1.0, 0.0]);
}

#[test]
fn temperature_comes_before_top_k_and_top_k_before_top_p() {
    let y: Array1<f64> = array![0.1, 0.2, 0.4, 0.3];
    let z = y.mapv(f64::ln);
    let half = Sampler::new().with_top_p(0.5);
    assert_eq!(kept(half, &z), [2, 3], "0.4 is less than half");
    assert_eq!(kept(half.with_top_k(2), &z), [2], "0.4 is at least half of 0.7");
    // The squares are 1 : 4 : 16 : 9, and 16 is more than half.
    assert_eq!(kept(half.with_temperature(0.5), &z), [2]);
    assert_eq!(kept(half.with_temperature(100.0), &z), [2, 3]);
    assert_eq!(kept(half.with_temperature(100.0).with_top_k(4).with_top_p(0.51), &z), [1, 2, 3]);
}

#[test]
fn cuts_rank_by_logit_where_the_temperature_makes_probabilities_equal() {
    let z = array![1.0, 2.0, 3.0, 4.0];
    let flat = Sampler::new().with_temperature(1e300);
    assert_eq!(flat.probabilities(&z).unwrap(), array![0.25, 0.25, 0.25, 0.25]);
    assert_eq!(kept(flat.with_top_k(2), &z), [2, 3]);
    assert_eq!(kept(flat.with_top_p(0.5), &z), [2, 3]);
}

#[test]
fn greedy_takes_the_first_of_the_largest_and_draws_no_random_number() {
    let (mut rng, mut untouched) = (seeded(4), seeded(4));
    let greedy = Sampler::greedy();
    for (z, class) in [
        (array![7.0], 0),
        (array![1.0, 3.0, 2.0], 1),
        (array![1.0, 3.0, 3.0, 2.0, 3.0], 1),
        (array![-0.0, 0.0, -0.0], 0),
        (array![f64::NEG_INFINITY, f64::NEG_INFINITY, -1e300], 2),
        (array![0.0, f64::MAX, f64::MAX], 1),
    ] {
        assert_eq!(greedy.sample(&z, &mut rng).unwrap(), class, "{z}");
        let y = Array1::from_shape_fn(z.len(), |c| f64::from(u8::from(c == class)));
        assert_eq!(greedy.probabilities(&z).unwrap(), y);
        assert_eq!(greedy.with_temperature(50.0).with_top_p(0.9).sample(&z, &mut rng).unwrap(), class);
    }
    assert_eq!(rng.next_u64(), untouched.next_u64());
}

#[test]
fn at_low_temperature_the_largest_logits_share_all_probability() {
    let mut rng = seeded(5);
    for _ in 0..100 {
        let z = random_logits(9, &mut rng);
        let class = Sampler::greedy().sample(&z, &mut rng).unwrap();
        for temperature in [1e-6, 1e-300, f64::MIN_POSITIVE, 5e-324] {
            let cold = Sampler::new().with_temperature(temperature);
            assert!(cold.probabilities(&z).unwrap()[class] > 1.0 - ROUNDING);
            assert_eq!(cold.sample(&z, &mut rng).unwrap(), class);
        }
    }
    let tie = array![2.0, 1.0, 2.0];
    assert_eq!(Sampler::new().with_temperature(1e-9).probabilities(&tie).unwrap(), array![0.5, 0.0, 0.5]);
}

#[test]
fn a_class_of_logit_minus_infinity_is_impossible_at_every_temperature() {
    let z = array![f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY];
    for temperature in [1e-300, 1.0, f64::MAX] {
        let sampler = Sampler::new().with_temperature(temperature);
        for sampler in [sampler, sampler.with_top_k(4), sampler.with_top_p(0.999)] {
            assert_eq!(sampler.probabilities(&z).unwrap(), array![0.0, 0.5, 0.0, 0.5, 0.0]);
        }
    }
}

#[test]
fn adding_a_constant_to_every_logit_changes_nothing() {
    let z: Array1<f64> = array![-2.0, 0.5, 1.25, -0.75];
    let sampler = Sampler::new().with_top_k(3).with_top_p(0.95);
    for shift in [1024.0, -4096.0] {
        assert_eq!(sampler.probabilities(&(&z + shift)).unwrap(), sampler.probabilities(&z).unwrap());
    }
    let huge = array![f64::MAX, -f64::MAX, f64::MAX];
    assert_eq!(Sampler::new().probabilities(&huge).unwrap(), array![0.5, 0.0, 0.5]);
}

#[test]
fn a_seed_gives_the_same_draws_for_both_element_types_and_any_strides() {
    let single: Array1<f32> = array![0.25, -1.5, 0.1, 2.0, 0.7, 1.1];
    let double = single.mapv(f64::from);
    let mut apart = Array1::<f64>::from_elem(12, f64::NAN);
    apart.slice_mut(s![..;-2]).assign(&double);
    let sampler = Sampler::new().with_temperature(1.5).with_top_k(5).with_top_p(0.97);

    let draws = |seed| -> Vec<usize> {
        let mut rng = seeded(seed);
        (0..200).map(|_| sampler.sample(&double, &mut rng).unwrap()).collect()
    };
    assert_eq!(draws(6), draws(6));
    assert_ne!(draws(6), draws(7));
    let mut rng: Box<dyn Rng> = Box::new(seeded(6));
    let boxed: Vec<usize> = (0..200).map(|_| sampler.sample(&single, &mut *rng).unwrap()).collect();
    assert_eq!(boxed, draws(6));
    let mut rng = seeded(6);
    let strided: Vec<usize> = (0..200).map(|_| sampler.sample(&apart.slice(s![..;-2]), &mut rng).unwrap()).collect();
    assert_eq!(strided, draws(6));
}

#[test]
fn a_seed_gives_the_same_classes_and_probabilities_on_every_machine() {
    let (mut rng, mut hash) = (Mt64::new(2026), 0xcbf2_9ce4_8422_2325_u64);
    // The 64-bit FNV-1a hash.
    let mut add = |bytes: &[u8]| {
        hash = bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    };
    for _ in 0..500 {
        let z = Array1::from_shape_simple_fn(40, || rng.random_range(-8.0..8.0));
        for sampler in [Sampler::new().with_temperature(0.7), Sampler::new().with_top_k(9).with_top_p(0.9)] {
            sampler.probabilities(&z).unwrap().iter().for_each(|y| add(&y.to_le_bytes()));
            add(&(sampler.sample(&z, &mut rng).unwrap() as u64).to_le_bytes());
        }
    }
    assert_eq!(format!("{hash:016x}"), "f577491945d1cdc2");
}

#[test]
fn every_draw_takes_one_number_from_the_generator() {
    let (mut rng, mut counted) = (seeded(8), seeded(8));
    for z in [array![0.0], array![1.0, 2.0], array![1.0, 900.0, 3.0], Array1::zeros(1000)] {
        for sampler in [Sampler::new(), Sampler::new().with_top_k(2), Sampler::new().with_top_p(0.01)] {
            sampler.sample(&z, &mut rng).unwrap();
            counted.next_u64();
        }
    }
    assert_eq!(rng.next_u64(), counted.next_u64());
}

#[test]
fn the_columns_of_a_stepper_are_sampled_as_views() {
    let p = init::torch::<f32>(Dims { n_x: 3, n_a: 8, n_y: 4 }, &mut seeded(9));
    let mut stepper = cell::Stepper::new(&p, 2);
    stepper.step(&array![[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).unwrap();
    for j in 0..2 {
        let y = Sampler::new().probabilities(&stepper.logits().column(j)).unwrap();
        let output = stepper.output().column(j).mapv(f64::from);
        assert_close(&y, &output, f64::from(8.0 * f32::EPSILON));
    }
}

#[track_caller]
fn assert_refused(sampler: Sampler, logits: &Array1<f64>, message: &str) {
    let (mut rng, mut untouched) = (seeded(10), seeded(10));
    for error in [sampler.sample(logits, &mut rng).unwrap_err(), sampler.probabilities(logits).unwrap_err()] {
        assert!(matches!(error, Error::Range { .. }), "{error:?}");
        assert_eq!(error.to_string(), message);
    }
    assert_eq!(rng.next_u64(), untouched.next_u64(), "no random number is drawn");
}

#[test]
fn invalid_settings_are_refused() {
    let z = array![1.0, 2.0];
    for (found, name) in
        [(0.0, "0"), (-0.0, "-0"), (-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf"), (-f64::INFINITY, "-inf")]
    {
        let message = format!("`temperature` is {name}, expected finite and above 0");
        assert_refused(Sampler::new().with_temperature(found), &z, &message);
        assert_refused(Sampler::greedy().with_temperature(found), &z, &message);
    }
    assert_refused(Sampler::new().with_top_k(0), &z, "`top_k` is 0, expected at least 1");
    for (found, name) in [(0.0, "0"), (-0.5, "-0.5"), (1.25, "1.25"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let message = format!("`top_p` is {name}, expected above 0 and at most 1");
        assert_refused(Sampler::new().with_top_p(found), &z, &message);
    }
}

#[test]
fn invalid_logits_are_refused() {
    let infinity = f64::INFINITY;
    for sampler in [Sampler::new(), Sampler::greedy(), Sampler::new().with_top_k(2), Sampler::new().with_top_p(0.5)] {
        assert_refused(sampler, &array![], "`logits.len()` is 0, expected at least 1");
        let nothing_possible = array![-infinity, -infinity];
        assert_refused(sampler, &nothing_possible, "`max(logits)` is -inf, expected finite");
        for z in [array![infinity], array![0.0, infinity, -infinity], array![infinity, infinity]] {
            assert_refused(sampler, &z, "`max(logits)` is inf, expected finite");
        }
        for at in 0..4 {
            for other in [0.0, infinity, -infinity] {
                let mut z = array![1.0, 2.0, other, 1.0, 5.0];
                z[at] = f64::NAN;
                assert_refused(sampler, &z, "`max(logits)` is NaN, expected finite");
            }
        }
    }
    // A network without classes, through its stepper.
    let p = init::torch::<f64>(Dims { n_x: 1, n_a: 2, n_y: 0 }, &mut seeded(11));
    let stepper = cell::Stepper::new(&p, 1);
    assert!(Sampler::new().probabilities(&stepper.logits().column(0)).is_err());
}
