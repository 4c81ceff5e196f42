//! NumPy's legacy generator `numpy.random.RandomState`. It gives a test the same numbers as the Python program that it
//! replays.
//!
//! - Words: the Mersenne Twister MT19937, seeded by `init_genrand` of its authors' code of 2002
//!   (M. Matsumoto, T. Nishimura, "Mersenne Twister", ACM TOMACS 8(1), 1998).
//! - Uniforms on [0, 1): 53 bits out of two words, `genrand_res53` of the same authors.
//! - Normals: the polar method (G. Marsaglia, T. A. Bray, "A convenient method for generating
//!   normal variables", SIAM Review 6(3), 1964). It makes two at a time; the second waits for the
//!   next call, as in NumPy.

use ndarray::{Array, Array1, Array2, Array3, Dimension, ShapeBuilder};
use rand_mt::Mt;

pub struct Numpy {
    words: Mt,
    waiting: Option<f64>,
}

impl Numpy {
    /// `numpy.random.RandomState(seed)`.
    pub fn seed(seed: u32) -> Self {
        Self { words: Mt::new(seed), waiting: None }
    }

    /// `random_sample()`: (a·2²⁶ + b) / 2⁵³, with a the upper 27 bits of a word and b the upper 26
    /// of the next.
    pub fn uniform(&mut self) -> f64 {
        let a = f64::from(self.words.next_u32() >> 5);
        let b = f64::from(self.words.next_u32() >> 6);
        (a * 67_108_864.0 + b) / 9_007_199_254_740_992.0
    }

    /// `randn()`: with (u, v) uniform in the unit disc and s = u² + v², both u·f and v·f are normal
    /// for f = √(−2 ln s / s).
    pub fn normal(&mut self) -> f64 {
        self.waiting.take().unwrap_or_else(|| {
            let (u, v, s) = self.in_unit_disc();
            let f = (-2.0 * s.ln() / s).sqrt();
            self.waiting = Some(f * u);
            f * v
        })
    }

    /// `randn(n)`.
    pub fn array1(&mut self, n: usize) -> Array1<f64> {
        self.normals(n)
    }

    /// `randn(rows, columns)`.
    pub fn array2(&mut self, dim: (usize, usize)) -> Array2<f64> {
        self.normals(dim)
    }

    /// `randn(a, b, c)`.
    pub fn array3(&mut self, dim: (usize, usize, usize)) -> Array3<f64> {
        self.normals(dim)
    }

    fn normals<D: Dimension, Sh: ShapeBuilder<Dim = D>>(&mut self, shape: Sh) -> Array<f64, D> {
        Array::from_shape_simple_fn(shape, || self.normal())
    }

    /// A point of the unit disc, never its centre, and the square of its distance from it.
    fn in_unit_disc(&mut self) -> (f64, f64, f64) {
        loop {
            let u = 2.0 * self.uniform() - 1.0;
            let v = 2.0 * self.uniform() - 1.0;
            let s = u * u + v * v;
            if s < 1.0 && s != 0.0 {
                return (u, v, s);
            }
        }
    }
}
