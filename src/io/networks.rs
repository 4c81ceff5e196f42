//! Networks and stacks of a framework's layers.

use std::iter;

use ndarray::{Array1, Array2, ArrayRef1, ArrayView2, Axis, concatenate};

use super::layers::Head;
use super::{Error, Tensors};
use crate::{Activation, Parameters, Scalar, stack};

/// A recurrent layer of a framework, and the head on its hidden states.
pub trait RecurrentLayer {
    /// Reads the layer without its head. `below` is the width of the layer below, or 0.
    fn read<A: Scalar>(&self, tensors: &Tensors<A>, below: usize) -> Result<Recurrence<A>, Error>;
    /// Adds the layer's tensors without its head's. The network may have a head, which is not written.
    fn write<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>, below: usize) -> Result<(), Error>;
    /// The head.
    fn head(&self) -> &Head;
    /// Checks that the layer may stand at this place among the `count` directions of a layer.
    fn check_place(&self, _index: usize, _count: usize) -> Result<(), Error> {
        Ok(())
    }
    /// The nonlinearity.
    fn activation(&self) -> Activation;
}

/// `wax`, `waa` and `ba`, whose shapes fit each other.
#[derive(Debug)]
pub struct Recurrence<A> {
    pub(super) wax: Array2<A>,
    pub(super) waa: Array2<A>,
    pub(super) ba: Array1<A>,
}

impl<A: Scalar> Recurrence<A> {
    pub(super) fn new((wax, waa): (ArrayView2<'_, A>, ArrayView2<'_, A>), ba: Array1<A>) -> Self {
        Recurrence { wax: wax.to_owned(), waa: waa.to_owned(), ba }
    }

    /// The network with this head.
    fn with_head(self, wya: &ArrayView2<'_, A>, by: &ArrayRef1<A>, activation: Activation) -> Parameters<A> {
        let parameters = Parameters::from_arrays(&self.wax, &self.waa, wya, &self.ba, by);
        parameters.expect("every shape was checked").with_activation(activation)
    }
}

/// Reads a network of one layer.
pub(super) fn read_network<A: Scalar>(
    layer: &impl RecurrentLayer,
    tensors: &Tensors<A>,
) -> Result<Parameters<A>, Error> {
    layer.check_place(0, 1)?;
    let recurrence = layer.read(tensors, 0)?;
    let (wya, by) = layer.head().read(tensors, recurrence.waa.nrows())?;
    Ok(recurrence.with_head(&wya, &by, layer.activation()))
}

/// The tensors of a network of one layer.
pub(super) fn write_network<A: Scalar>(layer: &impl RecurrentLayer, p: &Parameters<A>) -> Result<Tensors<A>, Error> {
    layer.check_place(0, 1)?;
    let mut tensors = Tensors::new();
    layer.write(p, &mut tensors, 0)?;
    layer.head().write(&p.wya(), &p.by(), &mut tensors)?;
    Ok(tensors)
}

/// The one or two directions of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directions<L> {
    pub(super) layers: Vec<L>,
    /// Whether the layer above reads the sum of both outputs. Otherwise it reads them side by side.
    pub(super) summed: bool,
}

impl<L> Directions<L> {
    pub(super) fn side_by_side(layers: Vec<L>) -> Self {
        Directions { layers, summed: false }
    }
}

/// Reads a stack. The head is that of the highest layer's first direction.
pub(super) fn read_stack<A: Scalar, L: RecurrentLayer>(
    layers: &[Directions<L>],
    tensors: &Tensors<A>,
) -> Result<stack::Parameters<A>, Error> {
    check_places(layers)?;
    let mut networks = Vec::with_capacity(layers.len());
    let (mut below, mut below_is_summed) = (0, false);
    for (index, Directions { layers: directions, summed }) in layers.iter().enumerate() {
        let is_top = index + 1 == layers.len();
        let recurrences = directions.iter().map(|layer| layer.read(tensors, below));
        let mut recurrences = recurrences.collect::<Result<Vec<_>, _>>()?;
        if below_is_summed {
            for recurrence in &mut recurrences {
                recurrence.wax = twice(&recurrence.wax.view());
            }
        }
        below_is_summed = *summed;
        let units: Vec<usize> = recurrences.iter().map(|recurrence| recurrence.waa.nrows()).collect();
        if *summed && units.first() != units.last() {
            let expected = "two directions of the same width, because their outputs are added".into();
            return Err(Error::Network {
                tensor: format!("layer {index}"),
                expected,
                found: format!("{units:?} units"),
            });
        }
        let none = Head::default();
        let head = directions.first().map_or(&none, L::head);
        below = if *summed { units[0] } else { units.iter().sum() };
        let (wya, by) = if is_top { head } else { &none }.read(tensors, below)?;
        let wya = if *summed { twice(&wya) } else { wya.to_owned() };
        let (mut start, mut by) = (0, by);
        let mut pairs = Vec::with_capacity(directions.len());
        for (layer, recurrence) in directions.iter().zip(recurrences) {
            let end = start + recurrence.waa.nrows();
            let units = wya.slice_axis(Axis(1), (start..end).into());
            pairs.push(recurrence.with_head(&units, &by, layer.activation()));
            // The second direction has no output bias.
            by.fill(A::zero());
            start = end;
        }
        networks.push(pairs);
    }
    Ok(stack::Parameters::from_networks(&networks)?)
}

/// The tensors of a stack.
pub(super) fn write_stack<A: Scalar, L: RecurrentLayer>(
    layers: &[Directions<L>],
    p: &stack::Parameters<A>,
) -> Result<Tensors<A>, Error> {
    let shapes = p.architecture().layers();
    let fits = shapes.len() == layers.len()
        && shapes.iter().zip(layers).all(|(shape, directions)| shape.directions().len() == directions.layers.len());
    if !fits {
        let directions = |counts: Vec<usize>| format!("layers of {counts:?} directions");
        return Err(Error::Network {
            tensor: "the stack".into(),
            expected: directions(layers.iter().map(|directions| directions.layers.len()).collect()),
            found: directions(shapes.iter().map(|shape| shape.directions().len()).collect()),
        });
    }
    check_places(layers)?;
    let mut tensors = Tensors::new();
    let below = iter::once(false).chain(layers.iter().map(|directions| directions.summed));
    for ((index, Directions { layers: directions, summed }), below_is_summed) in layers.iter().enumerate().zip(below) {
        let networks: Vec<_> = shapes[index].directions().iter().filter_map(|&d| p.network(index, d)).collect();
        for (layer, network) in directions.iter().zip(&networks) {
            if below_is_summed {
                let wax = once(&network.wax(), index, "wax")?;
                let single =
                    Parameters::from_arrays(&wax, &network.waa(), &network.wya(), &network.ba(), &network.by())?;
                layer.write(&single.with_activation(network.activation()), &mut tensors, wax.ncols())?;
            } else {
                layer.write(network, &mut tensors, if index == 0 { 0 } else { network.dims().n_x })?;
            }
        }
        if let (true, Some(first)) = (index + 1 == layers.len(), directions.first()) {
            let units: Vec<_> = networks.iter().map(Parameters::wya).collect();
            let wya = concatenate(Axis(1), &units).expect("all have n_y rows");
            let wya = if *summed { once(&wya.view(), index, "wya")? } else { wya.view() };
            first.head().write(&wya, &p.by(), &mut tensors)?;
        }
    }
    Ok(tensors)
}

/// [W, W]: what reads the sum of two directions, applied to both side by side.
fn twice<A: Scalar>(matrix: &ArrayView2<'_, A>) -> Array2<A> {
    concatenate![Axis(1), *matrix, *matrix]
}

/// W of [W, W]. An error where the halves differ.
fn once<'m, A: Scalar>(matrix: &ArrayView2<'m, A>, layer: usize, name: &str) -> Result<ArrayView2<'m, A>, Error> {
    let (first, second) = (*matrix).split_at(Axis(1), matrix.ncols() / 2);
    if first == second {
        return Ok(first);
    }
    Err(Error::Network {
        tensor: format!("{name} of layer {layer}"),
        expected: "the same ones, because the framework adds the outputs of both".into(),
        found: "different weights for the two directions of the layer below".into(),
    })
}

fn check_places<L: RecurrentLayer>(layers: &[Directions<L>]) -> Result<(), Error> {
    for Directions { layers, .. } in layers {
        for (index, layer) in layers.iter().enumerate() {
            layer.check_place(index, layers.len())?;
        }
    }
    match layers.last() {
        Some(Directions { layers: top, summed: true }) if top.iter().take(1).all(|layer| layer.head().is_absent()) => {
            let expected = "a dense layer above the sum of two directions".into();
            Err(Error::Network { tensor: format!("layer {}", layers.len() - 1), expected, found: "none".into() })
        }
        _ => Ok(()),
    }
}
