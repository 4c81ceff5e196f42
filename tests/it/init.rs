//! Bounds, moments and structure of the initial parameters, and the spectral radius of matrices with known eigenvalues.

#![expect(clippy::float_cmp, reason = "zeros, and numbers rounded from the same number, are bit-identical")]
#![expect(clippy::cast_precision_loss, reason = "counts and indices are small")]

use std::convert::Infallible;

use elman::init::{irnn, keras, set_spectral_radius, spectral, spectral_radius, torch};
use elman::{Dims, Error, Parameters, Scalar};
use ndarray::{Array2, ArrayRef2, Axis, array};
use rand::TryRng;
use rand_mt::Mt64;

use crate::support::{Convert, seeded};

const DIMS: Dims = Dims { n_x: 40, n_a: 64, n_y: 30 };

/// Each Householder reflection is orthogonal to a few units in the last place.
const ORTHOGONAL: f64 = 1e-12;

/// A few units in the last place for two polynomials of degree seven, and one each for the product with 0.001 and the
/// division by it.
const QUANTILE: f64 = 1e-15;

/// The parameters of each initialiser for one element type.
fn all<A: Scalar>(dims: Dims, seed: u64) -> [Parameters<A>; 4] {
    let rng = || seeded(seed);
    [torch(dims, &mut rng()), keras(dims, &mut rng()), irnn(dims, &mut rng()), spectral(dims, 0.9, &mut rng()).unwrap()]
}

/// The 64-bit FNV-1a hash of the elements' bits, little-endian.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Asserts that values of mean zero are within ±`bound`, come near it, and have the standard deviation `deviation`. The
/// mean, and the mean square for a kurtosis of `kurtosis`, must be within five standard errors.
#[track_caller]
fn assert_moments<'a>(values: impl IntoIterator<Item = &'a f64>, bound: f64, deviation: f64, kurtosis: f64) {
    let values: Vec<f64> = values.into_iter().copied().collect();
    let n = values.len() as f64;
    let largest = values.iter().fold(0.0, |l: f64, v| l.max(v.abs()));
    assert!(largest <= bound && (bound.is_infinite() || largest > 0.9 * bound), "{largest} of {bound}");
    let mean = values.iter().sum::<f64>() / n;
    assert!(mean.abs() < 5.0 * deviation / n.sqrt(), "mean {mean}");
    let square = values.iter().map(|v| v * v).sum::<f64>() / n / (deviation * deviation);
    assert!((square - 1.0).abs() < 5.0 * ((kurtosis - 1.0) / n).sqrt(), "mean square {square}");
}

#[track_caller]
fn assert_uniform<'a>(values: impl IntoIterator<Item = &'a f64>, bound: f64) {
    assert_moments(values, bound, bound / 3f64.sqrt(), 1.8);
}

#[test]
fn torch_is_uniform_and_its_hidden_bias_is_the_sum_of_two() {
    let dims = Dims { n_x: 40, n_a: 1024, n_y: 1000 };
    let p = torch::<f64>(dims, &mut seeded(1));
    let bound = 1.0 / 32.0;
    assert_uniform(p.wax(), bound);
    assert_uniform(p.waa(), bound);
    assert_uniform(p.wya(), bound);
    assert_uniform(p.by(), bound);
    // The sum of two uniforms is triangular.
    assert_moments(p.ba(), 2.0 * bound, bound * (2f64 / 3.0).sqrt(), 2.4);
}

#[test]
fn keras_is_glorot_uniform_with_zero_biases() {
    let p = keras::<f64>(DIMS, &mut seeded(2));
    assert_uniform(p.wax(), (6.0 / 104f64).sqrt());
    assert_uniform(p.wya(), (6.0 / 94f64).sqrt());
    assert!(p.ba().iter().chain(p.by()).all(|&b| b == 0.0));
}

#[test]
fn keras_waa_is_orthogonal() {
    for n_a in [1, 2, 3, 10, 64, 200] {
        let p = keras::<f64>(Dims { n_x: 1, n_a, n_y: 1 }, &mut seeded(3));
        let waa = p.waa();
        for product in [waa.dot(&waa.t()), waa.t().dot(&waa)] {
            let worst = (product - Array2::<f64>::eye(n_a)).fold(0.0, |w: f64, v| w.max(v.abs()));
            assert!(worst <= ORTHOGONAL, "{n_a}: {worst:e}");
        }
    }
}

/// For the Haar measure, every element has mean 0, mean square 1/n, and E q⁴ = 3/(n(n + 2)). The trace has mean 0 and
/// variance 1.
#[test]
fn keras_waa_is_uniform_over_the_orthogonal_matrices() {
    const N: usize = 3;
    const DRAWS: usize = 20_000;
    let mut rng = seeded(4);
    let [mut mean, mut square, mut fourth] = [(); 3].map(|()| Array2::<f64>::zeros((N, N)));
    let (mut trace_square, mut positive) = (0.0, 0);
    for _ in 0..DRAWS {
        let p = keras::<f64>(Dims { n_x: 0, n_a: N, n_y: 0 }, &mut rng);
        let q = p.waa();
        mean += &q;
        square += &q.mapv(|v| v.powi(2));
        fourth += &q.mapv(|v| v.powi(4));
        trace_square += q.diag().sum().powi(2);
        let cross = q[[0, 1]] * q[[1, 2]] - q[[0, 2]] * q[[1, 1]];
        // The first element of the first row is its own cofactor times the determinant.
        positive += usize::from((cross - q[[2, 0]]).abs() < 1e-9);
    }
    let draws = DRAWS as f64;
    // Five standard errors, none above 1 / √draws.
    let margin = 5.0 / draws.sqrt();
    for i in 0..N * N {
        let at = (i / N, i % N);
        assert!((mean[at] / draws).abs() < margin, "{at:?}");
        assert!((square[at] / draws - 1.0 / 3.0).abs() < margin, "{at:?}");
        assert!((fourth[at] / draws - 0.2).abs() < margin, "{at:?}");
    }
    assert!((trace_square / draws - 1.0).abs() < 3.0 * margin);
    assert!((positive as f64 / draws - 0.5).abs() < margin, "as many rotations as reflections");
}

#[test]
fn irnn_has_an_identity_waa_and_small_gaussian_weights() {
    let p = irnn::<f64>(DIMS, &mut seeded(5));
    assert_eq!(p.waa(), Array2::<f64>::eye(64));
    assert_moments(p.wax(), f64::INFINITY, 0.001, 3.0);
    assert_moments(p.wya(), f64::INFINITY, 0.001, 3.0);
    assert!(p.ba().iter().chain(p.by()).all(|&b| b == 0.0));
}

#[test]
fn spectral_is_torch_with_a_scaled_waa() {
    for radius in [0.0, 0.5, 0.95, 3.0] {
        let p = spectral::<f64>(DIMS, radius, &mut seeded(6)).unwrap();
        let drawn = torch::<f64>(DIMS, &mut seeded(6));
        let found = spectral_radius(&p.waa()).unwrap();
        assert!((found - radius).abs() <= 1e-13 * radius, "{found} is not {radius}");
        assert_eq!((p.wax(), p.wya(), p.ba(), p.by()), (drawn.wax(), drawn.wya(), drawn.ba(), drawn.by()));
        let factor = p.waa()[[0, 0]] / drawn.waa()[[0, 0]];
        let scaled = drawn.waa().mapv(|w| w * factor);
        assert!((&scaled - &p.waa()).iter().all(|d| d.abs() <= 1e-14 * radius));
    }
}

#[test]
fn the_same_seed_gives_the_same_parameters_and_another_seed_gives_others() {
    assert_eq!(all::<f64>(DIMS, 7), all::<f64>(DIMS, 7));
    for (a, b) in all::<f64>(DIMS, 7).iter().zip(&all::<f64>(DIMS, 8)) {
        assert_ne!(a.wax(), b.wax());
    }
}

/// The digest of each initialiser's parameters for one seed. `irnn` takes 32 000 normal numbers, `keras` takes 20 100.
fn digests<A: Scalar, const BYTES: usize>(bytes: fn(A) -> [u8; BYTES]) -> [String; 4] {
    let (dims, rng) = (Dims { n_x: 100, n_a: 200, n_y: 60 }, || Mt64::new(2026));
    let spectral = spectral::<A>(dims, 0.9, &mut rng()).unwrap();
    [torch(dims, &mut rng()), keras(dims, &mut rng()), irnn(dims, &mut rng()), spectral]
        .map(|p| format!("{:016x}", digest(p.as_slice().iter().flat_map(|&value| bytes(value)))))
}

#[test]
fn a_seed_gives_the_same_bits_on_every_machine() {
    let single = ["14e28c3f4f8b3982", "d47e53f7aa0f421d", "b04009fabdf0b308", "a351f035b9bc300a"];
    let double = ["9ca3e84f5b301342", "8fd54b59a867cf4b", "f2d659ebdf464dc9", "de0e2150b9c34cb3"];
    assert_eq!(digests(f32::to_le_bytes), single);
    assert_eq!(digests(f64::to_le_bytes), double);
}

/// A generator that returns the given words.
struct Words(std::vec::IntoIter<u64>);

impl TryRng for Words {
    type Error = Infallible;

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next().expect("a draw for each word"))
    }
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unimplemented!("whole words are drawn")
    }
    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unimplemented!("whole words are drawn")
    }
}

/// Φ⁻¹((k + ½)/2⁵²) to seventeen digits, from mpmath with sixty: at both ends, and on both sides of |q| = 0.425, of
/// r = 5, and of the middle.
const QUANTILES: [(u64, f64); 17] = [
    (0, -8.209_536_151_601_387),
    (1, -8.076_571_004_130_125),
    (1000, -7.241_328_347_810_365),
    (62_545, -6.657_905_204_845_547),
    (62_546, -6.657_902_854_320_481),
    (1 << 20, -6.230_260_063_289_479),
    (1_000_000_000, -5.049_017_005_275_926_5),
    (1_000_000_000_000, -3.512_393_941_861_483_3),
    (0x1_3333_185b_4098, -1.439_532_177_375_900_4),
    (0x1_3333_4e0b_25cd, -1.439_530_764_501_730_3),
    (1 << 50, -0.674_489_750_196_081_4),
    ((1 << 51) - 1, -2.782_916_424_671_767e-16),
    (1 << 51, 2.782_916_424_671_767e-16),
    ((1 << 51) + (1 << 40), 0.000_611_969_831_809_198_9),
    (3 << 50, 0.674_489_750_196_082),
    ((1 << 52) - (1 << 45), 2.417_559_016_236_51),
    ((1 << 52) - 1, 8.209_536_151_601_387),
];

#[test]
fn a_normal_number_is_the_quantile_of_the_upper_52_bits_of_one_word() {
    let words: Vec<u64> = QUANTILES.iter().map(|(k, _)| k << 12 | 0xabc).collect();
    let p = irnn::<f64>(Dims { n_x: words.len(), n_a: 1, n_y: 0 }, &mut Words(words.into_iter()));
    for (weight, (k, quantile)) in p.wax().iter().zip(QUANTILES) {
        let error = (weight / 0.001 / quantile - 1.0).abs();
        assert!(error <= QUANTILE, "{k}: {error:e}");
    }
}

#[test]
fn every_initialiser_takes_the_number_of_words_that_its_documentation_states() {
    let dims @ Dims { n_x, n_a, n_y } = DIMS;
    let drawn = |init: fn(Dims, &mut Mt64) -> Parameters<f32>, words: usize| {
        let (mut rng, mut counted) = (Mt64::new(14), Mt64::new(14));
        init(dims, &mut rng);
        for _ in 0..words {
            counted.next_u64();
        }
        assert_eq!(rng.next_u64(), counted.next_u64());
    };
    let all = dims.len() + n_a;
    drawn(torch, all);
    drawn(keras, n_a * n_x + n_a * (n_a + 1) / 2 + n_y * n_a);
    drawn(irnn, n_a * n_x + n_y * n_a);
    drawn(|dims, rng| spectral(dims, 0.9, rng).unwrap(), all);
}

/// A million numbers against Φ: the Kolmogorov–Smirnov distance, the even moments and the tails.
#[test]
fn a_million_normal_numbers_have_the_normal_distribution() {
    const N: f64 = 1e6;
    let p = irnn::<f64>(Dims { n_x: 1000, n_a: 1000, n_y: 0 }, &mut Mt64::new(15));
    let mut x: Vec<f64> = p.wax().iter().map(|weight| weight / 0.001).collect();
    x.sort_unstable_by(f64::total_cmp);
    let cumulative = |x: f64| libm::erfc(-x / 2f64.sqrt()) / 2.0;

    // √n·D is above 1.95 once in a thousand samples.
    let distance = |(i, &x): (usize, &f64)| (cumulative(x) - i as f64 / N).max((i as f64 + 1.0) / N - cumulative(x));
    let largest = x.iter().enumerate().map(distance).fold(0.0, f64::max);
    assert!(largest * N.sqrt() < 1.95, "{largest}");

    // E x² = 1, E x⁴ = 3, E x⁶ = 15, within five standard errors: Var xᵏ = E x²ᵏ − (E xᵏ)².
    for (power, moment, square) in [(1, 0.0, 1.0), (2, 1.0, 3.0), (3, 0.0, 15.0), (4, 3.0, 105.0), (6, 15.0, 10_395.0)]
    {
        let mean = x.iter().map(|x| x.powi(power)).sum::<f64>() / N;
        let error = 5.0 * f64::sqrt((square - moment * moment) / N);
        assert!((mean - moment).abs() < error, "x^{power}: {mean}");
    }
    for bound in [2.0, 3.0, 4.0] {
        let expected = N * cumulative(-bound);
        let (below, above) = (x.partition_point(|&x| x < -bound), x.len() - x.partition_point(|&x| x <= bound));
        for found in [below, above] {
            assert!((found as f64 - expected).abs() < 5.0 * expected.sqrt(), "{found} beyond {bound}, not {expected}");
        }
    }
    // Successive numbers are not correlated.
    let wax = p.wax();
    let pairs = wax.iter().zip(wax.iter().skip(1)).map(|(a, b)| a * b / 1e-6).sum::<f64>() / N;
    assert!(pairs.abs() < 5.0 / N.sqrt(), "{pairs}");
}

#[test]
#[expect(clippy::cast_possible_truncation, reason = "this is the rounding that is meant")]
fn single_precision_is_double_precision_rounded() {
    for (single, double) in all::<f32>(DIMS, 9).iter().zip(&all::<f64>(DIMS, 9)) {
        assert!(single.as_slice().iter().zip(double.as_slice()).all(|(&s, &d)| s == d as f32));
    }
}

#[test]
fn a_borrowed_or_boxed_generator_works_too() {
    let mut rng: Box<dyn rand::Rng> = Box::new(seeded(10));
    assert_eq!(torch::<f64>(DIMS, &mut *rng), torch(DIMS, &mut seeded(10)));
}

#[test]
fn zero_sized_dimensions_work() {
    let triples = (0..8).map(|bits| Dims { n_x: 3 * (bits & 1), n_a: 2 * (bits >> 1 & 1), n_y: 2 * (bits >> 2) });
    for dims in triples {
        for p in all::<f64>(dims, 11) {
            assert_eq!(p.dims(), dims);
            assert!(p.as_slice().iter().all(|v| v.is_finite()));
        }
    }
    let p = torch::<f64>(Dims { n_x: 2, n_a: 0, n_y: 3 }, &mut seeded(11));
    assert_eq!(p.by().to_vec(), [0.0; 3]);
}

#[track_caller]
fn assert_radius(matrix: &ArrayRef2<f64>, expected: f64, tolerance: f64) {
    let found = spectral_radius(matrix).unwrap();
    assert!((found - expected).abs() <= tolerance * expected, "{found} is not {expected}");
}

#[test]
fn the_radius_of_simple_matrices_is_exact() {
    assert_radius(&array![[0.3]], 0.3, 0.0);
    assert_radius(&array![[-0.3]], 0.3, 0.0);
    assert_radius(&Array2::eye(5), 1.0, 0.0);
    // A cycle of three: eigenvalues are the cube roots of unity.
    assert_radius(&array![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], 1.0, 0.0);
    // ±2i.
    assert_radius(&array![[0.0, 2.0], [-2.0, 0.0]], 2.0, 0.0);
    assert_radius(&Array2::zeros((4, 4)), 0.0, 0.0);
    assert_radius(&Array2::zeros((0, 0)), 0.0, 0.0);
}

/// The rounding of well-conditioned eigenvalues.
const ROUNDING: f64 = 1e-14;

#[test]
fn the_radius_of_a_triangular_matrix_is_its_largest_diagonal_element() {
    assert_radius(&array![[2.0, 7.0], [0.0, -3.0]], 3.0, ROUNDING);
    let lower = Array2::from_shape_fn((9, 9), |(i, j)| if i < j { 0.0 } else { (i as f64 - 5.5) * (1.0 + j as f64) });
    assert_radius(&lower, 22.5, 10.0 * ROUNDING);
}

#[test]
fn the_radius_of_a_complex_pair_is_its_modulus() {
    // a ± bi
    for (a, b) in [(0.6, 0.8), (0.3, -1e-3), (1e-3, 0.7), (-5.0, 12.0)] {
        assert_radius(&array![[a, b], [-b, a]], f64::hypot(a, b), ROUNDING);
    }
    // A pair of modulus 0.9 and the real eigenvalues 0.899 and −0.5, in a basis that is not orthogonal.
    let (s, c) = 0.7f64.sin_cos();
    let block = array![
        [0.9 * c, 0.9 * s, 0.0, 0.0],
        [-0.9 * s, 0.9 * c, 0.0, 0.0],
        [0.0, 0.0, 0.899, 0.0],
        [0.0, 0.0, 0.0, -0.5]
    ];
    let basis = array![[1.0, 2.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 3.0], [0.0, 0.0, 0.0, 1.0]];
    let inverse = array![[1.0, -2.0, 2.0, -7.0], [0.0, 1.0, -1.0, 3.0], [0.0, 0.0, 1.0, -3.0], [0.0, 0.0, 0.0, 1.0]];
    assert_eq!(basis.dot(&inverse), Array2::<f64>::eye(4));
    assert_radius(&basis.dot(&block).dot(&inverse), 0.9, 20.0 * ROUNDING);
    // z³ = z² − 4z + 4 has roots 1 and ±2i.
    assert_radius(&array![[1.0, -4.0, 4.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 2.0, ROUNDING);
}

#[test]
fn the_radius_of_an_orthogonal_matrix_is_one() {
    for n_a in [2, 3, 17, 100] {
        let p = keras::<f64>(Dims { n_x: 0, n_a, n_y: 0 }, &mut seeded(12));
        assert_radius(&p.waa(), 1.0, ROUNDING);
        let p = keras::<f32>(Dims { n_x: 0, n_a, n_y: 0 }, &mut seeded(12));
        let found = spectral_radius(&p.waa()).unwrap();
        assert!((found - 1.0).abs() < f64::from(f32::EPSILON));
    }
}

#[test]
fn the_radius_of_a_circulant_matrix_agrees_with_its_fourier_transform() {
    let row = [0.3, -1.2, 0.5, 0.9, -0.1, 0.4, 0.2];
    let n = row.len();
    let matrix = Array2::from_shape_fn((n, n), |(i, j)| row[(j + n - i) % n]);
    let modulus = |k: usize| {
        let angle = |j: usize| std::f64::consts::TAU * ((j * k) % n) as f64 / n as f64;
        let sum = |f: fn(f64) -> f64| row.iter().enumerate().map(|(j, v)| v * f(angle(j))).sum::<f64>();
        f64::hypot(sum(f64::cos), sum(f64::sin))
    };
    let expected = (0..n).map(modulus).fold(0.0, f64::max);
    assert_radius(&matrix, expected, ROUNDING);
}

#[test]
fn a_nilpotent_matrix_has_radius_zero() {
    let strictly_upper = Array2::from_shape_fn((20, 20), |(i, j)| if j > i { 3.0 } else { 0.0 });
    assert_radius(&strictly_upper, 0.0, 0.0);
    assert_radius(&strictly_upper.t(), 0.0, 0.0);
    // Not triangular, but exact in integers.
    assert_radius(&array![[2.0, -1.0], [4.0, -2.0]], 0.0, 0.0);
}

#[test]
fn a_defective_eigenvalue_is_found_to_five_digits() {
    let jordan = Array2::from_shape_fn((6, 6), |(i, j)| f64::from(i == j) * 0.5 + f64::from(i + 1 == j));
    assert_radius(&jordan, 0.5, 1e-12);
    // A double eigenvalue 0.3, rotated out of the triangular form.
    let (s, c) = 0.4f64.sin_cos();
    let rotation = array![[c, s], [-s, c]];
    let turned = rotation.dot(&array![[0.3, 1.0], [0.0, 0.3]]).dot(&rotation.t());
    assert_radius(&turned, 0.3, 1e-5);
}

#[test]
fn the_radius_scales_with_the_matrix_over_all_magnitudes() {
    for scale in [1e-300, 1e-150, 1.0, 1e150, 1e300] {
        let matrix = array![[0.6, 0.8], [-0.8, 0.6]] * scale;
        assert_radius(&matrix, scale, ROUNDING);
    }
}

#[test]
fn the_radius_accepts_any_layout_and_is_nan_for_nan_or_infinity() {
    let mut matrix = array![[0.0, 2.0, 9.0], [-2.0, 0.0, 9.0], [0.0, 0.0, 1.0]];
    assert_radius(&matrix.t(), 2.0, ROUNDING);
    let mut turned = matrix.view();
    turned.invert_axis(Axis(0));
    turned.invert_axis(Axis(1));
    assert_radius(&turned, 2.0, ROUNDING);
    for value in [f64::NAN, f64::INFINITY] {
        matrix[[0, 0]] = value;
        assert!(spectral_radius(&matrix).unwrap().is_nan());
    }
}

#[test]
fn matrices_without_a_radius_and_invalid_radii_are_refused() {
    let wide = Array2::<f64>::zeros((2, 3));
    match spectral_radius(&wide) {
        Err(Error::Shape { argument: "matrix", expected, found }) => {
            assert_eq!((expected.to_string(), found.to_string()), ("(2, 2)".into(), "(2, 3)".into()));
        }
        other => panic!("{other:?}"),
    }
    assert!(spectral_radius(&wide.index_axis(Axis(0), 0).insert_axis(Axis(1))).is_err());

    let dims = Dims { n_x: 1, n_a: 2, n_y: 1 };
    for radius in [-0.5, f64::NAN, f64::INFINITY] {
        let result = spectral::<f64>(dims, radius, &mut seeded(13));
        assert!(matches!(result, Err(Error::Range { argument: "radius", .. })), "{result:?}");
    }
    let mut p = Parameters::<f64>::zeros(dims);
    set_spectral_radius(&mut p, 0.0).unwrap();
    for value in [0.0, f64::NAN] {
        p.waa_mut()[[0, 1]] = value;
        let result = set_spectral_radius(&mut p, 0.5);
        assert!(matches!(result, Err(Error::Range { argument: "spectral_radius(waa)", .. })), "{result:?}");
    }
}

#[test]
fn a_radius_that_needs_infinite_weights_is_refused_and_nothing_is_written() {
    #[track_caller]
    fn assert_refused<A: Scalar>(waa: &Array2<f64>, radius: f64, name: &str, found: f64) {
        let mut p = Parameters::<A>::zeros(Dims { n_x: 1, n_a: waa.nrows(), n_y: 1 });
        p.waa_mut().assign(&waa.mapv(A::narrow));
        let before = p.clone();
        match set_spectral_radius(&mut p, radius) {
            Err(Error::Range { argument, found: value, .. }) => {
                assert_eq!(argument, name);
                assert!((value / found - 1.0).abs() < 1e-6, "{value} is not {found}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(p, before);
    }
    // Here the factor is infinite, or the factor times the largest weight.
    assert_refused::<f64>(&array![[1e-310]], 0.5, "spectral_radius(waa)", 1e-310);
    assert_refused::<f64>(&array![[1e-20, 1e100], [0.0, 1e-20]], 1e200, "spectral_radius(waa)", 1e-20);
    assert_refused::<f32>(&array![[1e-30, 1e30], [0.0, 1e-30]], 0.5, "spectral_radius(waa)", 1e-30);
    assert_refused::<f32>(&array![[0.5]], 1e300, "radius", 1e300);

    let result = spectral::<f32>(DIMS, 1e300, &mut seeded(13));
    assert!(matches!(result, Err(Error::Range { argument: "radius", .. })), "{result:?}");
    // With two hidden units, some draws have a radius that is small relative to their weights.
    let refused = |seed| spectral::<f32>(Dims { n_x: 1, n_a: 2, n_y: 1 }, f64::from(f32::MAX), &mut seeded(seed));
    let results: Vec<_> = (0..50).map(refused).collect();
    assert!(results.iter().flatten().all(|p| p.waa().iter().all(|w| w.is_finite())));
    assert!(results.iter().any(|r| matches!(r, Err(Error::Range { argument: "spectral_radius(waa)", .. }))));
    // A radius of zero, and one that is infinite although all weights are finite.
    let mut p = Parameters::<f64>::zeros(Dims { n_x: 1, n_a: 2, n_y: 1 });
    for (waa, found) in [(array![[0.0, 1.0], [0.0, 0.0]], "0"), (array![[1e308, 1e308], [1e308, 1e308]], "inf")] {
        p.waa_mut().assign(&waa);
        let message = set_spectral_radius(&mut p, 0.5).unwrap_err().to_string();
        assert_eq!(message, format!("`spectral_radius(waa)` is {found}, expected finite and above 0"));
        assert_eq!(p.waa(), waa);
    }
    // The smallest radius that can be scaled is accepted.
    let mut p = Parameters::<f64>::zeros(Dims { n_x: 0, n_a: 1, n_y: 0 });
    p.waa_mut()[[0, 0]] = 1e-300;
    set_spectral_radius(&mut p, 0.5).unwrap();
    assert!((p.waa()[[0, 0]] - 0.5).abs() < 1e-15);
}
