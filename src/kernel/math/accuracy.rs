//! The largest errors of tanh and exp, beside those of `std` (the platform's library) and of the crate `libm`. A normal run
//! takes a sample. All 2³² f32 and 3·10⁸ f64, with every result compared on every instruction set:
//!
//! ```text
//! ELMAN_EXHAUSTIVE=1 cargo test --features avx512 --lib kernel::math::accuracy -- --nocapture
//! ```

use std::sync::Mutex;
use std::thread;

use super::super::{Isa, Lanes};
use super::tests::{Function, assert_same, best, map, ulps};

/// a + b without an evaluated sum, |b| at most half a unit in the last place of a: at least 104 bits.
///
/// An operation below has a relative error of at most 2⁻¹⁰². About forty follow each other, so a reference is wrong by less
/// than 2⁻⁹⁶, or 2⁻⁴³ ULP. Source: M. Joldes, J.-M. Muller, V. Popescu, *Tight and rigorous error bounds for basic building
/// blocks of double-word arithmetic*, ACM TOMS 44 (2017).
#[derive(Clone, Copy, Debug)]
struct DoubleWord(f64, f64);

impl DoubleWord {
    /// a + b, where |a| ≥ |b| or a = 0.
    fn ordered(a: f64, b: f64) -> Self {
        let sum = a + b;
        DoubleWord(sum, b - (sum - a))
    }

    /// a + b
    fn sum(a: f64, b: f64) -> Self {
        let sum = a + b;
        let from_b = sum - a;
        DoubleWord(sum, (a - (sum - from_b)) + (b - from_b))
    }

    fn add(self, other: Self) -> Self {
        let (high, low) = (Self::sum(self.0, other.0), Self::sum(self.1, other.1));
        let middle = Self::ordered(high.0, high.1 + low.0);
        Self::ordered(middle.0, middle.1 + low.1)
    }

    fn times(self, other: Self) -> Self {
        let product = self.0 * other.0;
        let error = self.0.mul_add(other.0, -product);
        let cross = self.0.mul_add(other.1, self.1.mul_add(other.0, self.1 * other.1));
        Self::ordered(product, error + cross)
    }

    fn over(self, divisor: Self) -> Self {
        let quotient = self.0 / divisor.0;
        let rest = self.add(divisor.times(DoubleWord(-quotient, 0.0)));
        let second = rest.0 / divisor.0;
        let rest = rest.add(divisor.times(DoubleWord(-second, 0.0)));
        let sum = Self::ordered(quotient, second);
        sum.add(DoubleWord(rest.0 / divisor.0, 0.0))
    }

    /// Exact, where nothing underflows or overflows.
    fn scaled(self, exponent: i32) -> Self {
        DoubleWord(libm::ldexp(self.0, exponent), libm::ldexp(self.1, exponent))
    }
}

/// n and eʳ − 1 with x = n·ln 2 + r, |r| ≤ (ln 2)/2.
///
/// The series of e^{r/256} − 1 has eleven terms, the first one left out is below 2⁻¹²⁰ of the sum. It is squared eight times:
/// e^{2s} − 1 = p·(2 + p) for p = eˢ − 1.
#[expect(clippy::cast_possible_truncation, reason = "n is a small whole number")]
fn expm1(x: DoubleWord) -> (i32, DoubleWord) {
    // The first part has 33 bits, so that its product with n is exact.
    const LN_2: [f64; 3] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10, 1.161_222_722_936_253_2e-26];
    let n = (x.0 / std::f64::consts::LN_2).round_ties_even();
    let r = DoubleWord::sum(x.0, -n * LN_2[0]).add(DoubleWord(x.1, 0.0));
    let r = r.add(DoubleWord(LN_2[1], LN_2[2]).times(DoubleWord(-n, 0.0))).scaled(-8);
    let one = DoubleWord(1.0, 0.0);
    let series = (2..=11).rev().fold(one, |sum, k| r.over(DoubleWord(f64::from(k), 0.0)).times(sum).add(one));
    let p = (0..8).fold(r.times(series), |p, _| p.times(DoubleWord(2.0, 0.0).add(p)));
    (n as i32, p)
}

/// |found − exact·2ⁿ| in units in the last place of exact·2ⁿ. 2ᵏ counts with the smaller of its two units, as in [`ulps`].
fn ulps_of(found: f64, exact: DoubleWord, n: i32) -> f64 {
    let exponent = i32::try_from((exact.0.abs().to_bits() - 1) >> 52).expect("11 bits") - 1023;
    let unit = (exponent + n).max(-1022) - 52 - n;
    let half = n / 2;
    let found = libm::ldexp(libm::ldexp(found, -half), half - n);
    libm::ldexp(((found - exact.0) - exact.1).abs(), -unit)
}

/// The error of tanh x. Below 2⁻²⁰⁰ it is x to more than 400 bits.
fn error_of_tanh(x: f64, found: f64) -> f64 {
    if x.abs() < 2f64.powi(-200) {
        return if found.to_bits() == x.to_bits() { 0.0 } else { f64::INFINITY };
    }
    let y = x.abs();
    let (n, p) = expm1(DoubleWord(2.0 * y.min(40.0), 0.0));
    // e^{2y} − 1 = 2ⁿ·p + (2ⁿ − 1)
    let power = libm::ldexp(1.0, n);
    let e = p.scaled(n).add(DoubleWord::sum(power, -1.0));
    ulps_of(found.abs(), e.over(e.add(DoubleWord(2.0, 0.0))), 0)
}

/// The error of exp x, where it is neither infinite nor 0.
fn error_of_exp(x: f64, found: f64) -> f64 {
    let (n, p) = expm1(DoubleWord(x, 0.0));
    ulps_of(found, DoubleWord(1.0, 0.0).add(p), n)
}

/// The largest error of each library, and where.
#[derive(Clone, Copy, Debug)]
struct Worst<A>([(f64, A); 3]);

impl<A: Lanes> Worst<A> {
    fn new() -> Self {
        Worst([(0.0, A::zero()); 3])
    }

    fn add(&mut self, library: usize, error: f64, at: A) {
        if error > self.0[library].0 {
            self.0[library] = (error, at);
        }
    }

    fn join(&mut self, other: Self) {
        for (library, (error, at)) in other.0.into_iter().enumerate() {
            self.add(library, error, at);
        }
    }

    fn print(&self, what: &str) {
        let [ours, std, libm] = self.0;
        println!(
            "{what}: elman {:.4} at {:?}; std {:.4} at {:?}; libm {:.4} at {:?}",
            ours.0, ours.1, std.0, std.1, libm.0, libm.1
        );
    }
}

/// A function in our kernel, in `std` and in `libm`, and the error of a result.
struct Compared<A> {
    function: Function,
    others: [fn(A) -> A; 2],
    error: fn(A, A) -> f64,
}

impl<A: Lanes + Send> Compared<A> {
    /// The errors of these numbers, which have the same results on every instruction set.
    fn measure(&self, x: &[A], worst: &mut Worst<A>) {
        let found = map(best(), self.function, x);
        for isa in Isa::all() {
            assert_same(x, &map(isa, self.function, x), &found);
        }
        for (&x, &found) in x.iter().zip(&found) {
            worst.add(0, (self.error)(x, found), x);
            for (library, other) in (1..).zip(self.others) {
                worst.add(library, (self.error)(x, other(x)), x);
            }
        }
    }

    /// The errors of `count` blocks of numbers, on all cores.
    fn measure_all(&self, count: u64, block: impl Fn(u64) -> Vec<A> + Sync) -> Worst<A> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let all = Mutex::new(Worst::new());
        thread::scope(|scope| {
            for thread in 0..threads as u64 {
                let (all, block) = (&all, &block);
                scope.spawn(move || {
                    let mut worst = Worst::new();
                    (thread..count).step_by(threads).for_each(|index| self.measure(&block(index), &mut worst));
                    all.lock().expect("no thread panics with the lock").join(worst);
                });
            }
        });
        all.into_inner().expect("no thread panics with the lock")
    }
}

fn is_exhaustive() -> bool {
    std::env::var("ELMAN_EXHAUSTIVE").is_ok_and(|value| value == "1")
}

const BLOCK: u64 = 4096;

/// All f32, or every 997th: a prime stride reaches every exponent and every last bit.
fn of_every_f32(compared: &Compared<f32>) -> Worst<f32> {
    let stride = if is_exhaustive() { 1 } else { 997 };
    let blocks = (1u64 << 32).div_ceil(BLOCK * stride);
    compared.measure_all(blocks, |block| {
        let bits = (0..BLOCK).map(|i| (block * BLOCK + i) * stride).take_while(|bits| *bits < 1 << 32);
        bits.map(|bits| f32::from_bits(u32::try_from(bits).expect("below 2³²"))).collect()
    })
}

/// f64 in `strata` equal parts of [low, high), one number in each, at a place that a multiplicative hash chooses.
#[expect(clippy::cast_precision_loss, reason = "below 2⁵³")]
fn of_strata(compared: &Compared<f64>, low: f64, high: f64, log: bool) -> Worst<f64> {
    let blocks = if is_exhaustive() { 12_500 } else { 20 };
    compared.measure_all(blocks, |block| {
        let stratum = |i: u64| {
            let index = block * BLOCK + i;
            let place = (index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / 2f64.powi(53);
            let value = low + (high - low) * ((index as f64 + place) / (blocks * BLOCK) as f64);
            // The lowest bits of the place, because those of the value may be zero.
            let value = if log { value.exp2() } else { value };
            f64::from_bits(value.to_bits() ^ (index.wrapping_mul(0xd1b5_4a32_d192_ed03) >> 60))
        };
        (0..BLOCK).map(stratum).collect()
    })
}

const TANH_F32: Compared<f32> = Compared {
    function: Function::Tanh,
    others: [f32::tanh, libm::tanhf],
    error: |x, found| ulps(found, f64::from(x).tanh()),
};
const EXP_F32: Compared<f32> = Compared {
    function: Function::Exp,
    others: [f32::exp, libm::expf],
    error: |x, found| ulps(found, f64::from(x).exp()),
};
const TANH_F64: Compared<f64> =
    Compared { function: Function::Tanh, others: [f64::tanh, libm::tanh], error: error_of_tanh };
const EXP_F64: Compared<f64> = Compared { function: Function::Exp, others: [f64::exp, libm::exp], error: error_of_exp };

#[test]
fn tanh_and_exp_of_f32_are_within_one_ulp() {
    for (name, compared) in [("tanh, f32", TANH_F32), ("exp, f32", EXP_F32)] {
        let worst = of_every_f32(&compared);
        worst.print(name);
        assert!(worst.0[0].0 <= 1.0, "{name}: {:?}", worst.0[0]);
    }
}

#[test]
fn tanh_and_exp_of_f64_are_within_two_ulps() {
    // Equal numbers of samples from all of the range, from where tanh is curved, and from tiny to large on a logarithmic scale.
    let mut tanh = of_strata(&TANH_F64, -20.0, 20.0, false);
    for (low, high, log) in [(0.2, 1.3, false), (-60.0, 4.4, true)] {
        tanh.join(of_strata(&TANH_F64, low, high, log));
    }
    let mut exp = of_strata(&EXP_F64, -745.0, 709.7, false);
    for (low, high, log) in [(-1.0, 1.0, false), (-60.0, 9.0, true)] {
        exp.join(of_strata(&EXP_F64, low, high, log));
    }
    for (name, worst) in [("tanh, f64", tanh), ("exp, f64", exp)] {
        worst.print(name);
        assert!(worst.0[0].0 <= 2.0, "{name}: {:?}", worst.0[0]);
    }
}

/// Arguments whose results lie closest to the middle between two numbers, or to a number: the hardest to round. From the tests
/// of LLVM's libc (exp) and the tables of CORE-MATH (tanh).
const HARD_EXP: [u64; 13] = [
    0x3fd7_9289_c6e6_a5c0,
    0x3fd0_5de8_0a17_3ea0,
    0xbf1e_b7a4_cb84_1fcc,
    0xbf19_a61f_b925_970d,
    0x3fda_7b76_4e2c_f47a,
    0xc047_5785_2a4b_93aa,
    0x4044_c19e_5712_e377,
    0xc039_a74c_dab3_6c28,
    0xc085_b3e4_e2e3_bba9,
    0xc086_960d_591a_ec34,
    0xc086_232c_09d5_8d91,
    0xc087_4910_d52d_3051,
    0xc086_7a17_2ceb_0990,
];
const HARD_TANH: [u64; 12] = [
    0x3fca_c343_b179_fec4,
    0x3fd0_0764_a988_bf73,
    0x3fd1_7d1e_8a63_711f,
    0x3fd2_91c6_01a0_5276,
    0x3fd3_6f33_d51c_264d,
    0x3fd4_3eae_a236_49c3,
    0x3fdd_88d7_550b_2826,
    0x3fde_611a_a58a_b608,
    0x3fe0_1efe_7ac8_c15d,
    0x3fe1_005e_c0bc_cabb,
    0x3fe3_3dfe_b0fa_4bfe,
    0x3fe4_9f24_ac5c_ac35,
];

#[test]
fn the_hardest_cases_to_round_are_within_two_ulps() {
    for (name, compared, cases) in [("exp", EXP_F64, &HARD_EXP[..]), ("tanh", TANH_F64, &HARD_TANH)] {
        let mut worst = Worst::new();
        compared.measure(&cases.iter().map(|bits| f64::from_bits(*bits)).collect::<Vec<_>>(), &mut worst);
        worst.print(&format!("{name}, f64, hard cases"));
        assert!(worst.0[0].0 <= 2.0, "{name}: {worst:?}");
    }
}

/// The reference is checked against 300 bits: `tests/fixtures/elementary.py` describes the entries.
#[test]
fn the_reference_agrees_with_three_hundred_bits() {
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/elementary.json")).expect("JSON");
    for (name, error) in [("tanh", error_of_tanh as fn(f64, f64) -> f64), ("exp", error_of_exp)] {
        for entry in fixture[name].as_array().expect("a list") {
            let [x, rounded] = [0, 1].map(|i: usize| f64::from_bits(entry[i].as_u64().expect("bits")));
            let rest = entry[3].as_f64().expect("a number").abs();
            let found = error(x, rounded);
            // A power of two counts with the smaller of its units; tiny arguments of tanh are exact to 400 bits.
            let is_same = [rest, 2.0 * rest].iter().any(|rest| (found - rest).abs() <= 1e-9);
            assert!(is_same || x.abs() < 2f64.powi(-200), "{name}({x:?}): {found}, expected {rest}");
        }
    }
}
