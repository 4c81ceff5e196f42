//! Networks and stacks of a framework's layers.

use ndarray::{Array1, Array2, ArrayRef1, ArrayView2, Axis, concatenate};

use super::layers::Head;
use super::{Error, Tensors};
use crate::{Activation, Parameters, Scalar, stack};

/// A recurrent layer of a framework, and the head on its hidden states.
pub trait RecurrentLayer {
    /// Reads the layer without its head.
    fn read<A: Scalar>(&self, tensors: &Tensors<A>) -> Result<Recurrence<A>, Error>;
    /// Adds the layer's tensors without its head's. The network may have a head, which is not written.
    fn write<A: Scalar>(&self, p: &Parameters<A>, tensors: &mut Tensors<A>) -> Result<(), Error>;
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
    let recurrence = layer.read(tensors)?;
    let (wya, by) = layer.head().read(tensors, recurrence.waa.nrows())?;
    Ok(recurrence.with_head(&wya, &by, layer.activation()))
}

/// The tensors of a network of one layer.
pub(super) fn write_network<A: Scalar>(layer: &impl RecurrentLayer, p: &Parameters<A>) -> Result<Tensors<A>, Error> {
    layer.check_place(0, 1)?;
    let mut tensors = Tensors::new();
    layer.write(p, &mut tensors)?;
    layer.head().write(&p.wya(), &p.by(), &mut tensors)?;
    Ok(tensors)
}

/// Reads a stack: for each layer its one or two directions. The head is that of the highest layer's first direction.
pub(super) fn read_stack<A: Scalar, L: RecurrentLayer>(
    layers: &[Vec<L>],
    tensors: &Tensors<A>,
) -> Result<stack::Parameters<A>, Error> {
    check_places(layers)?;
    let mut networks = Vec::with_capacity(layers.len());
    for (index, directions) in layers.iter().enumerate() {
        let is_top = index + 1 == layers.len();
        let recurrences = directions.iter().map(|layer| layer.read(tensors)).collect::<Result<Vec<_>, _>>()?;
        let width = recurrences.iter().map(|recurrence| recurrence.waa.nrows()).sum();
        let none = Head::default();
        let head = directions.first().map_or(&none, L::head);
        let (wya, by) = if is_top { head } else { &none }.read(tensors, width)?;
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
    layers: &[Vec<L>],
    p: &stack::Parameters<A>,
) -> Result<Tensors<A>, Error> {
    let shapes = p.architecture().layers();
    let fits = shapes.len() == layers.len()
        && shapes.iter().zip(layers).all(|(shape, directions)| shape.directions().len() == directions.len());
    if !fits {
        let directions = |counts: Vec<usize>| format!("layers of {counts:?} directions");
        return Err(Error::Network {
            tensor: "the stack".into(),
            expected: directions(layers.iter().map(Vec::len).collect()),
            found: directions(shapes.iter().map(|shape| shape.directions().len()).collect()),
        });
    }
    check_places(layers)?;
    let mut tensors = Tensors::new();
    for (index, directions) in layers.iter().enumerate() {
        let networks: Vec<_> = shapes[index].directions().iter().filter_map(|&d| p.network(index, d)).collect();
        for (layer, network) in directions.iter().zip(&networks) {
            layer.write(network, &mut tensors)?;
        }
        if let (true, Some(first)) = (index + 1 == layers.len(), directions.first()) {
            let units: Vec<_> = networks.iter().map(Parameters::wya).collect();
            let wya = concatenate(Axis(1), &units).expect("all have n_y rows");
            first.head().write(&wya.view(), &p.by(), &mut tensors)?;
        }
    }
    Ok(tensors)
}

fn check_places<L: RecurrentLayer>(layers: &[Vec<L>]) -> Result<(), Error> {
    for directions in layers {
        for (index, layer) in directions.iter().enumerate() {
            layer.check_place(index, directions.len())?;
        }
    }
    Ok(())
}
