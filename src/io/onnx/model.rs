//! Whole `.onnx` files.

use std::path::Path;

use prost::Message;

use super::proto::{
    Attribute, Dimension, Graph, Model, Node, OperatorSet, TensorShape, TensorType, Type, ValueInfo, attribute_type,
};
use super::{FORMAT, Rnn, graph, invalid, refused, tensor};
use crate::io::{Error, Stack, file, foreign};
use crate::{Activation, Scalar, stack};

/// The oldest version of the operators that is read. Before it, `Add` and `Gemm` broadcast by other rules.
const OLDEST: i64 = 7;
/// The version of the operators that are written: that of `RNN` with an attribute `layout`.
const OPERATORS: i64 = 14;
/// The version of the representation that belongs to it.
const REPRESENTATION: i64 = 7;

/// Reads a model: [`from_bytes`] of [`read`](crate::io::read).
///
/// [`save`] has an example.
///
/// # Errors
/// [`Error::File`] where the system returns an error, and as [`from_bytes`] with the path in [`Error::Content`].
pub fn load<A: Scalar>(path: impl AsRef<Path>) -> Result<stack::Parameters<A>, Error> {
    file::load(path.as_ref(), from_bytes)
}

/// Writes a model with an atomic write: [`write_atomic`](crate::io::write_atomic) of [`to_bytes`].
///
/// # Examples
///
/// ```
/// use elman::io::onnx;
/// use elman::stack::{Architecture, Layer, Parameters};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("network.onnx");
/// let p = Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(5).bidirectional(), Layer::new(7)], 2));
/// onnx::save(&path, &p)?;
/// assert_eq!(onnx::load(&path)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::File`] where the system returns an error, and as [`to_bytes`].
pub fn save<A: Scalar>(path: impl AsRef<Path>, parameters: &stack::Parameters<A>) -> Result<(), Error> {
    file::write_atomic(path, &to_bytes(parameters)?)
}

/// Reads the network of a model.
///
/// The graph leads from an input through `RNN` operators to a `MatMul` and `Add`, or a `Gemm`, and a `Softmax`. `Transpose`,
/// `Squeeze`, `Reshape`, `Concat`, `Gather` and `Identity` may stand between them, where they move axes, join two directions
/// or take the last step. An initial state must be zero, or a part of another input of the graph: here it is an argument. The
/// lengths of columns must be an input of the graph, too. The weights are initialisers or constants in the same file. The
/// rest of the file is ignored.
///
/// PyTorch writes such a model by `torch.onnx.export(model, args, path, dynamo=False)`. By default, it writes each step as
/// products and sums, which is refused.
///
/// # Errors
/// [`Error::Format`] where the bytes are not a valid ONNX file; [`Error::Network`] where the graph is another network; and as
/// [`Stack::from_tensors`].
pub fn from_bytes<A: Scalar>(bytes: &[u8]) -> Result<stack::Parameters<A>, Error> {
    read(bytes).map_err(|error| match error {
        Error::Format { .. } => foreign::recognized(bytes, FORMAT).map_or(error, invalid),
        other => other,
    })
}

fn read<A: Scalar>(bytes: &[u8]) -> Result<stack::Parameters<A>, Error> {
    let model = Model::decode(bytes).map_err(|error| invalid(error.to_string()))?;
    let version = model.opset_import.iter().find(|set| matches!(set.domain(), "" | "ai.onnx"));
    let version = version.map(OperatorSet::version).ok_or_else(|| invalid("no `opset_import` of the ONNX domain"))?;
    if version < OLDEST {
        return Err(invalid(format!("`opset_import` is {version}, expected at least {OLDEST}")));
    }
    let graph = model.graph.as_ref().ok_or_else(|| invalid("no graph"))?;
    let (stack, tensors) = graph::read(graph, version)?;
    drop(model);
    stack.from_tensors(&tensors).map_err(|error| match error {
        // The shapes of layers that do not fit each other.
        Error::Argument(error) => refused("the graph", &format!("layers that do not fit each other: {error}")),
        other => other.abridged(),
    })
}

/// Converts a network to the bytes of a model. The same network gives the same bytes.
///
/// | | name | shape |
/// |---|---|---|
/// | input | `x` | (`T_x`, m, `n_x`) |
/// | outputs | `hidden` | (`T_x`, m, width): the states of the highest layer |
/// | | `logits`, `output` | (`T_x`, m, `n_y`), where `n_y` is not 0 |
///
/// The written model starts from zero states, and takes no lengths. onnxruntime runs models of `f32`: see [`stack::Parameters::to_f32`]. It has no operator `RNN` of `f64`.
///
/// # Examples
///
/// ```
/// use elman::io::onnx;
/// use elman::stack::{Architecture, Layer, Parameters};
///
/// let p = Parameters::<f32>::zeros(Architecture::new(3, [Layer::new(5)], 2));
/// assert_eq!(onnx::from_bytes(&onnx::to_bytes(&p)?)?, p);
/// # Ok::<(), elman::io::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] where [`from_bytes`] would refuse the shape of a weight; [`Error::Argument`] where there is no layer;
/// [`Error::Format`] where the file would be larger than 2 GiB.
pub fn to_bytes<A: Scalar>(parameters: &stack::Parameters<A>) -> Result<Vec<u8>, Error> {
    let architecture = parameters.architecture();
    if architecture.layers().is_empty() {
        return Err(crate::Error::NoLayers.into());
    }
    let (n_x, n_y) = (architecture.n_x(), architecture.n_y());
    let mut graph = Graph { name: Some("elman".into()), ..Graph::default() };
    let (mut stack, mut below) = (Stack::new(), String::from("x"));
    for (index, layer) in architecture.layers().iter().enumerate() {
        let is_top = index + 1 == architecture.layers().len();
        let above = if is_top { "hidden".into() } else { format!("hidden.{index}") };
        let rnn = write_layer(&mut graph, index, *layer, &below, &above);
        let rnn = if is_top && n_y > 0 { rnn.with_gemm("wya", "by", false) } else { rnn };
        stack = if layer.bidirectional {
            let [forward, reverse] = rnn.directions();
            stack.bidirectional(forward, reverse)
        } else {
            stack.layer(rnn)
        };
        below = above;
    }
    graph.input.push(info::<A>("x", n_x));
    graph.output.push(info::<A>("hidden", architecture.layers().last().map_or(0, |layer| layer.width())));
    if n_y > 0 {
        graph.node.push(node("MatMul", &["hidden", "wya"], &["product"], vec![]));
        graph.node.push(node("Add", &["product", "by"], &["logits"], vec![]));
        graph.node.push(node("Softmax", &["logits"], &["output"], vec![integer("axis", -1)]));
        graph.output.extend(["logits", "output"].map(|name| info::<A>(name, n_y)));
    }
    let tensors = stack.to_tensors(parameters)?;
    graph.initializer.extend(tensors.arrays().map(|(name, array)| tensor::of_array(name, &array)));
    let model = Model {
        ir_version: Some(REPRESENTATION),
        producer_name: Some("elman".into()),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: Some(String::new()), version: Some(OPERATORS) }],
    };
    let length = model.encoded_len();
    if i32::try_from(length).is_err() {
        return Err(invalid(format!("{length} bytes, more than the 2 GiB of a protobuf message")));
    }
    Ok(model.encode_to_vec())
}

/// Adds the nodes of a layer that reads `below` and writes `above`, and returns the names of its weights.
fn write_layer(graph: &mut Graph, index: usize, layer: stack::Layer, below: &str, above: &str) -> Rnn {
    let [w, r, b, y] = ["W", "R", "B", "Y"].map(|name| format!("layers.{index}.{name}"));
    let directions = if layer.bidirectional { 2 } else { 1 };
    let name = match layer.activation {
        Activation::Tanh => "Tanh",
        Activation::Relu => "Relu",
        Activation::Sigmoid => "Sigmoid",
        Activation::Identity => "Affine",
    };
    let direction = if layer.bidirectional { "bidirectional" } else { "forward" };
    let mut attributes = vec![
        Attribute {
            strings: vec![name.into(); directions],
            r#type: Some(attribute_type::STRINGS),
            ..attribute("activations")
        },
        Attribute { s: Some(direction.into()), r#type: Some(attribute_type::STRING), ..attribute("direction") },
        integer("hidden_size", i64::try_from(layer.n_a).unwrap_or(i64::MAX)),
    ];
    if layer.activation == Activation::Identity {
        attributes.extend([("activation_alpha", 1.0), ("activation_beta", 0.0)].map(|(name, value)| Attribute {
            floats: vec![value; directions],
            r#type: Some(attribute_type::FLOATS),
            ..attribute(name)
        }));
    }
    graph.node.push(node("RNN", &[below, &w, &r, &b], &[&y], attributes));
    if layer.bidirectional {
        // (T_x, 2, m, n_a) to (T_x, m, 2·n_a)
        let [side_by_side, shape] = ["side_by_side", "shape"].map(|name| format!("layers.{index}.{name}"));
        let order = Attribute { ints: vec![0, 2, 1, 3], r#type: Some(attribute_type::INTS), ..attribute("perm") };
        graph.node.push(node("Transpose", &[&y], &[&side_by_side], vec![order]));
        graph.node.push(node("Reshape", &[&side_by_side, &shape], &[above], vec![]));
        graph.initializer.push(tensor::of_integers(&shape, &[0, 0, -1]));
    } else {
        let axes = format!("layers.{index}.axes");
        graph.node.push(node("Squeeze", &[&y, &axes], &[above], vec![]));
        graph.initializer.push(tensor::of_integers(&axes, &[1]));
    }
    Rnn::new(&w, &r, &b, layer.activation)
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<Attribute>) -> Node {
    let [input, output] = [inputs, outputs].map(|names| names.iter().map(|&name| name.into()).collect());
    Node { input, output, op_type: Some(operator.into()), attribute, ..Node::default() }
}

fn attribute(name: &str) -> Attribute {
    Attribute { name: Some(name.into()), ..Attribute::default() }
}

fn integer(name: &str, value: i64) -> Attribute {
    Attribute { i: Some(value), r#type: Some(attribute_type::INT), ..attribute(name) }
}

/// An input or an output of the graph: (`T_x`, m, n).
fn info<A: Scalar>(name: &str, n: usize) -> ValueInfo {
    let named = |name: &str| Dimension { dim_param: Some(name.into()), dim_value: None };
    let number = Dimension { dim_value: Some(i64::try_from(n).unwrap_or(i64::MAX)), dim_param: None };
    let shape = Some(TensorShape { dim: vec![named("T_x"), named("m"), number] });
    let tensor_type = Some(TensorType { elem_type: Some(tensor::of::<A>()), shape });
    ValueInfo { name: Some(name.into()), r#type: Some(Type { tensor_type }) }
}
