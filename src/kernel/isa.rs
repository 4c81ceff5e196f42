//! Chooses the instruction set: the machine's best, or the one that `ELMAN_MAX_ISA` caps it to.

use std::sync::OnceLock;

use pulp::{Scalar128b, Simd, WithSimd};

/// The instruction set of this process: `"scalar"`, `"avx2"`, `"avx512"` or `"neon"`.
///
/// It is the best one that the machine supports. The environment variable `ELMAN_MAX_ISA` (one of these names) sets an upper
/// limit; a name that this machine does not have sets none. The environment is read once, before the first computation.
/// AVX-512 needs the feature `avx512`.
/// Results are bit-identical on every instruction set; only the run time differs.
///
/// # Examples
///
/// ```
/// println!("computing with {}", elman::instruction_set());
/// # assert!(["scalar", "avx2", "avx512", "neon"].contains(&elman::instruction_set()));
/// ```
#[must_use]
pub fn instruction_set() -> &'static str {
    Isa::current().name()
}

/// An instruction set that this machine supports.
///
/// `Scalar` emulates vectors element by element and needs no support from the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Isa {
    Scalar,
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    Avx2(pulp::x86::V3),
    #[cfg(all(feature = "avx512", any(target_arch = "x86", target_arch = "x86_64")))]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
}

impl Isa {
    /// All instruction sets of this machine, the narrowest first.
    pub(crate) fn all() -> impl Iterator<Item = Isa> {
        #[cfg(all(feature = "avx512", any(target_arch = "x86", target_arch = "x86_64")))]
        let wider = [pulp::x86::V3::try_new().map(Isa::Avx2), pulp::x86::V4::try_new().map(Isa::Avx512)];
        #[cfg(all(not(feature = "avx512"), any(target_arch = "x86", target_arch = "x86_64")))]
        let wider = [pulp::x86::V3::try_new().map(Isa::Avx2)];
        #[cfg(target_arch = "aarch64")]
        let wider = [pulp::aarch64::Neon::try_new().map(Isa::Neon)];
        #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
        let wider: [Option<Isa>; 0] = [];
        std::iter::once(Isa::Scalar).chain(wider.into_iter().flatten())
    }

    fn name(self) -> &'static str {
        match self {
            Isa::Scalar => "scalar",
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Isa::Avx2(_) => "avx2",
            #[cfg(all(feature = "avx512", any(target_arch = "x86", target_arch = "x86_64")))]
            Isa::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(_) => "neon",
        }
    }

    /// The best instruction set up to the one that `cap` names. A name that this machine does not have sets no limit.
    fn best(cap: Option<&str>) -> Isa {
        let mut best = Isa::Scalar;
        for isa in Isa::all() {
            best = isa;
            if cap == Some(isa.name()) {
                break;
            }
        }
        best
    }

    /// The instruction set of this process. The environment is read once.
    pub(crate) fn current() -> Isa {
        static CURRENT: OnceLock<Isa> = OnceLock::new();
        *CURRENT.get_or_init(|| Isa::best(std::env::var("ELMAN_MAX_ISA").ok().as_deref()))
    }

    /// Runs `kernel` compiled for this instruction set.
    #[inline]
    pub(crate) fn run<K: WithSimd>(self, kernel: K) -> K::Output {
        match self {
            Isa::Scalar => Scalar128b.vectorize(kernel),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            Isa::Avx2(simd) => Simd::vectorize(simd, kernel),
            #[cfg(all(feature = "avx512", any(target_arch = "x86", target_arch = "x86_64")))]
            Isa::Avx512(simd) => Simd::vectorize(simd, kernel),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon(simd) => Simd::vectorize(simd, kernel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_chooses_that_set_or_the_best_below_it() {
        for isa in Isa::all() {
            assert_eq!(Isa::best(Some(isa.name())).name(), isa.name());
        }
        let best = Isa::all().last().map(Isa::name);
        assert_eq!(Some(Isa::best(None).name()), best);
        assert_eq!(Some(Isa::best(Some("no such set")).name()), best);
    }
}
