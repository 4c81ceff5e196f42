//! Where the time grows more than the multiply-adds do, from one size to the next.

use std::fmt;

use crate::measurements::Case;

/// Two sizes, of which the second is the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'m> {
    pub(crate) from: &'m Case,
    pub(crate) to: &'m Case,
    /// The quotient of the times, divided by that of the multiply-adds: 1 where the time grows as they do.
    pub(crate) growth: f64,
}

/// All places, the largest growth first.
pub(crate) fn worst<'c>(cases: &'c [Case]) -> Vec<Place<'c>> {
    let next = |(i, from): (usize, &'c Case)| Some((from, cases[i + 1..].iter().find(|to| to.is_same_curve(from))?));
    let pairs = cases.iter().enumerate().filter_map(next);
    let mut places: Vec<_> = pairs
        .filter_map(|(from, to)| Some(Place { from, to, growth: from.share_of_peak()? / to.share_of_peak()? }))
        .collect();
    places.sort_by(|a, b| b.growth.total_cmp(&a.growth));
    places
}

impl Case {
    /// Whether only the value of the dimension that grows differs.
    pub(crate) fn is_same_curve(&self, other: &Case) -> bool {
        (&self.dtype, &self.size, &self.pass) == (&other.dtype, &other.size, &other.pass)
    }

    /// The value of the dimension that grows.
    pub(crate) fn value(&self) -> usize {
        let [t_x, m, _, n_a, n_y] = self.dims;
        match &*self.size {
            "T_x" => t_x,
            "m" => m,
            "n_a" => n_a,
            _ => n_y,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { from, to, growth } = self;
        write!(f, "{growth:.2}  {} {} {} {} to {}", from.dtype, from.pass, from.size, from.value(), to.value())
    }
}
