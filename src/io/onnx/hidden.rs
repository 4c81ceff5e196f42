//! The hidden states of a layer, and what moves their axes.

/// What an axis counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Time,
    Columns,
    Direction,
    /// The units of one direction.
    Units,
    /// All outputs of a layer, or all logits.
    Width,
}

/// The hidden states of a layer.
#[derive(Debug, Clone)]
pub(super) struct Hidden {
    pub(super) layer: usize,
    pub(super) axes: Vec<Axis>,
    /// Whether each direction is at its own last step, which for the reverse one is step 0.
    pub(super) ends: bool,
}

impl Hidden {
    /// The states with their axes in another order; `None` reverses it.
    pub(super) fn transposed(&self, order: Option<&[i64]>) -> Result<Self, String> {
        let order = permutation(order, self.axes.len())?;
        Ok(Hidden { axes: order.into_iter().map(|axis| self.axes[axis]).collect(), ..self.clone() })
    }

    /// The states with directions and units as one axis: the result of a Reshape to `shape`.
    pub(super) fn merged(&self, shape: &[i64]) -> Result<Self, String> {
        let fits = self.axes.ends_with(&[Axis::Direction, Axis::Units]) && shape.len() + 1 == self.axes.len();
        // A length of 0 keeps that of the input.
        if !fits || shape.iter().rev().skip(1).any(|&length| length != 0) {
            return Err("a Reshape that does more than to join two directions, by a shape such as [0, 0, -1]".into());
        }
        let mut axes = self.axes[..shape.len() - 1].to_vec();
        axes.push(Axis::Width);
        Ok(Hidden { axes, ..self.clone() })
    }

    /// The states without an axis of one direction.
    pub(super) fn without_direction(&self, axis: usize) -> Self {
        let mut axes = self.axes.clone();
        axes.remove(axis);
        axes.iter_mut().filter(|axis| **axis == Axis::Units).for_each(|axis| *axis = Axis::Width);
        Hidden { axes, ..self.clone() }
    }
}

/// An axis that may count from the end.
pub(super) fn place(axis: i64, rank: usize) -> Option<usize> {
    let rank = i64::try_from(rank).ok()?;
    let axis = if axis < 0 { axis.checked_add(rank)? } else { axis };
    usize::try_from(axis).ok().filter(|_| axis < rank)
}

/// The order of `rank` axes after a Transpose whose `perm` is `order`; `None` reverses them.
pub(super) fn permutation(order: Option<&[i64]>, rank: usize) -> Result<Vec<usize>, String> {
    let places: Option<Vec<usize>> = match order {
        Some(order) => order.iter().map(|&axis| place(axis, rank)).collect(),
        None => Some((0..rank).rev().collect()),
    };
    let is_permutation = |places: &Vec<usize>| places.len() == rank && (0..rank).all(|axis| places.contains(&axis));
    places.filter(is_permutation).ok_or_else(|| format!("a Transpose whose `perm` is not an order of the {rank} axes"))
}
