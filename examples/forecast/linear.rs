//! Linear autoregression by least squares.
//!
//! ```text
//! x_t = w_0 + w_1·x_{t−1} + … + w_p·x_{t−p}        w = argmin Σ (x_t − …)²:  XᵀX·w = Xᵀx
//! ```

use std::fmt::{Display, Formatter};
use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, s};

use crate::series::Scale;

/// An autoregression of order p.
#[derive(Debug, Clone)]
pub(crate) struct Autoregression {
    scale: Scale,
    /// `w_0`, …, `w_p`
    weights: Array1<f64>,
}

impl Autoregression {
    /// Fits each of the years `learn` to the `order` years before it.
    pub(crate) fn fit(scale: Scale, order: usize, numbers: &[f64], learn: Range<usize>) -> Self {
        let targets: Array1<f64> = numbers[learn.clone()].iter().map(|number| scale.of(*number)).collect();
        let mut x = Array2::zeros((learn.len(), order + 1));
        for (mut row, t) in x.rows_mut().into_iter().zip(learn) {
            row.assign(&regressors(scale, order, &numbers[..t]));
        }
        Autoregression { scale, weights: solve(x.t().dot(&x), x.t().dot(&targets)) }
    }

    fn order(&self) -> usize {
        self.weights.len() - 1
    }

    /// Forecasts the year after `past`.
    pub(crate) fn next(&self, past: &[f64]) -> f64 {
        self.scale.number(self.weights.dot(&regressors(self.scale, self.order(), past)))
    }
}

impl Display for Autoregression {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let of = match self.scale {
            Scale::Plain => "",
            Scale::Root => " of the root",
        };
        f.pad(&format!("autoregression({}){of}", self.order()))
    }
}

/// 1, then the last years, latest first.
fn regressors(scale: Scale, order: usize, past: &[f64]) -> Array1<f64> {
    let lags = past.iter().rev().take(order).map(|number| scale.of(*number));
    std::iter::once(1.0).chain(lags).collect()
}

/// Solves A·w = b for a symmetric positive definite A by Cholesky: A = L·Lᵀ, then L·y = b and Lᵀ·w = y.
fn solve(mut a: Array2<f64>, mut b: Array1<f64>) -> Array1<f64> {
    let n = b.len();
    let dot = |x: ArrayView1<f64>, y: ArrayView1<f64>| x.dot(&y);
    for j in 0..n {
        for i in j..n {
            let sum = a[[i, j]] - dot(a.slice(s![i, ..j]), a.slice(s![j, ..j]));
            a[[i, j]] = if i == j { sum.sqrt() } else { sum / a[[j, j]] };
        }
    }
    for i in 0..n {
        b[i] = (b[i] - dot(a.slice(s![i, ..i]), b.slice(s![..i]))) / a[[i, i]];
    }
    for i in (0..n).rev() {
        b[i] = (b[i] - dot(a.slice(s![i + 1.., i]), b.slice(s![i + 1..]))) / a[[i, i]];
    }
    b
}
