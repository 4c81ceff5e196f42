//! ONNX models, written field by field with the numbers of `onnx.proto`: a graph is edited node by node, and then read.

use elman::init;
use elman::io::onnx;
use elman::stack::{self, Architecture, Direction, Layer};
use ndarray::Array1;

use crate::support::seeded;

/// A message in the wire format of protobuf.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value % 0x80).unwrap() | 0x80);
            value /= 0x80;
        }
        self.0.push(u8::try_from(value).unwrap());
    }

    pub fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
        self
    }

    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn bytes(mut self, field: u64, content: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(content.as_ref().len() as u64);
        self.0.extend(content.as_ref());
        self
    }

    pub fn message(self, field: u64, content: &Message) -> Self {
        self.bytes(field, &content.0)
    }

    /// An attribute of this type.
    pub fn attribute(name: &str, kind: i64) -> Self {
        Message::default().bytes(1, name).int(20, kind)
    }
}

pub fn float(name: &str, value: f32) -> Message {
    Message::attribute(name, 1).float(2, value)
}

pub fn int(name: &str, value: i64) -> Message {
    Message::attribute(name, 2).int(3, value)
}

pub fn text(name: &str, value: &str) -> Message {
    Message::attribute(name, 3).bytes(4, value)
}

pub fn floats(name: &str, values: &[f32]) -> Message {
    values.iter().fold(Message::attribute(name, 6), |message, &value| message.float(7, value))
}

pub fn ints(name: &str, values: &[i64]) -> Message {
    values.iter().fold(Message::attribute(name, 7), |message, &value| message.int(8, value))
}

pub fn texts(name: &str, values: &[&str]) -> Message {
    values.iter().fold(Message::attribute(name, 8), |message, value| message.bytes(9, value))
}

pub fn tensor(name: &str, value: &Message) -> Message {
    Message::attribute(name, 4).message(5, value)
}

/// The beginning of a tensor. Its types: f32 is 1, i32 is 6, i64 is 7, f64 is 11.
pub fn shape(dims: &[usize], kind: i64) -> Message {
    dims.iter().fold(Message::default(), |message, &n| message.int(1, i64::try_from(n).unwrap())).int(2, kind)
}

pub fn elements(dims: &[usize], values: impl IntoIterator<Item = f32>) -> Message {
    shape(dims, 1).bytes(9, values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
}

pub fn integers(dims: &[usize], values: &[i64]) -> Message {
    shape(dims, 7).bytes(9, values.iter().copied().flat_map(i64::to_le_bytes).collect::<Vec<u8>>())
}

#[derive(Clone)]
pub struct Node {
    pub operator: &'static str,
    pub domain: &'static str,
    pub inputs: Vec<&'static str>,
    pub outputs: Vec<&'static str>,
    pub attributes: Vec<Message>,
}

pub fn node<const N: usize, const M: usize, const K: usize>(
    operator: &'static str,
    inputs: [&'static str; N],
    outputs: [&'static str; M],
    attributes: [Message; K],
) -> Node {
    Node { operator, domain: "", inputs: inputs.into(), outputs: outputs.into(), attributes: attributes.into() }
}

#[derive(Clone)]
pub struct Graph {
    pub version: i64,
    pub inputs: Vec<&'static str>,
    pub constants: Vec<(&'static str, Message)>,
    pub nodes: Vec<Node>,
    pub outputs: Vec<&'static str>,
}

impl Graph {
    /// The node that computes a value.
    pub fn node(&mut self, value: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.outputs.contains(&value)).unwrap()
    }

    /// Adds a constant, or replaces it.
    pub fn constant(&mut self, name: &'static str, value: Message) {
        self.constants.retain(|(own, _)| *own != name);
        self.constants.push((name, value));
    }

    /// Puts nodes before the one that computes `value`. Its first input is then `changed`.
    pub fn before<const N: usize>(&mut self, value: &str, changed: &'static str, nodes: [Node; N]) {
        let place = self.nodes.iter().position(|node| node.outputs.contains(&value)).unwrap();
        self.nodes[place].inputs[0] = changed;
        self.nodes.splice(place..place, nodes);
    }

    /// Adds nodes after all others. The graph's only output is then `output`.
    pub fn after<const N: usize>(&mut self, output: &'static str, nodes: [Node; N]) {
        self.nodes.extend(nodes);
        self.outputs = vec![output];
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut graph = Message::default();
        for Node { operator, domain, inputs, outputs, attributes } in &self.nodes {
            let mut node = Message::default();
            node = inputs.iter().fold(node, |node, name| node.bytes(1, name));
            node = outputs.iter().fold(node, |node, name| node.bytes(2, name));
            node = attributes.iter().fold(node.bytes(4, operator), |node, attribute| node.message(5, attribute));
            graph = graph.message(1, &if domain.is_empty() { node } else { node.bytes(7, domain) });
        }
        for (name, value) in &self.constants {
            graph = graph.message(5, &value.clone().bytes(8, name));
        }
        for (field, names) in [(11, &self.inputs), (12, &self.outputs)] {
            graph = names.iter().fold(graph, |graph, name| graph.message(field, &Message::default().bytes(1, name)));
        }
        Message::default().message(7, &graph).message(8, &Message::default().int(2, self.version)).0
    }

    #[track_caller]
    pub fn is_read_as(&self, p: &stack::Parameters<f32>, what: &str) {
        let read = onnx::from_bytes::<f32>(&self.bytes());
        assert!(read.as_ref().is_ok_and(|read| read == p), "{what}: {:?}", read.map(|p| p.architecture().to_string()));
    }

    #[track_caller]
    pub fn is_refused(&self, reason: &str) {
        let error = onnx::from_bytes::<f32>(&self.bytes()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}, expected {reason}");
    }
}

pub const LAYERS: [[&str; 6]; 2] =
    [["W0", "R0", "B0", "all0", "last0", "hidden0"], ["W1", "R1", "B1", "all1", "last1", "hidden1"]];

/// A stack of one or two layers in one direction, and its graph: `RNN` and `Squeeze` for each layer, then `MatMul`, `Add` and
/// `Softmax`.
pub fn plain(layers: usize) -> (Graph, stack::Parameters<f32>) {
    let shapes = [Layer::new(5), Layer::new(7)];
    let p = init::torch_stack::<f32>(Architecture::new(3, &shapes[..layers], 2), &mut seeded(1)).unwrap();
    let mut graph = Graph { version: 14, inputs: vec!["x"], constants: vec![], nodes: vec![], outputs: vec!["output"] };
    graph.constant("first", integers(&[1], &[0]));
    graph.constant("axis", integers(&[1], &[1]));
    let mut below = "x";
    for (layer, [w, r, b, all, last, hidden]) in LAYERS[..layers].iter().enumerate() {
        let [wax, waa] = [p.wax(layer, Direction::Forward), p.waa(layer, Direction::Forward)].map(Option::unwrap);
        let ba = p.ba(layer, Direction::Forward).unwrap();
        graph.constant(w, elements(&[1, wax.nrows(), wax.ncols()], wax.iter().copied()));
        graph.constant(r, elements(&[1, wax.nrows(), wax.nrows()], waa.iter().copied()));
        graph.constant(b, elements(&[1, 2 * ba.len()], ba.iter().copied().chain(vec![0.0; ba.len()])));
        graph.nodes.push(node("RNN", [below, w, r, b], [all, last], []));
        graph.nodes.push(node("Squeeze", [all, "axis"], [hidden], []));
        below = hidden;
    }
    let wya = p.wya(layers - 1, Direction::Forward).unwrap();
    graph.constant("V", elements(&[wya.ncols(), 2], wya.t().iter().copied()));
    graph.constant("c", elements(&[2], p.by().iter().copied()));
    graph.nodes.push(node("MatMul", [below, "V"], ["product"], []));
    graph.nodes.push(node("Add", ["product", "c"], ["logits"], []));
    graph.nodes.push(node("Softmax", ["logits"], ["output"], [int("axis", -1)]));
    (graph, p)
}

/// One layer of two directions, as one operator, or as two whose outputs are joined.
pub fn both(operators: usize) -> (Graph, stack::Parameters<f32>) {
    let (mut graph, _) = plain(1);
    let layer = Layer::new(5).bidirectional();
    let p = init::torch_stack::<f32>(Architecture::new(3, [layer], 2), &mut seeded(2)).unwrap();
    let directions = [Direction::Forward, Direction::Reverse];
    let wax = directions.map(|direction| p.wax(0, direction).unwrap());
    let waa = directions.map(|direction| p.waa(0, direction).unwrap());
    let ba = directions.map(|direction| p.ba(0, direction).unwrap());
    let wya = directions.map(|direction| p.wya(0, direction).unwrap());
    let with_zeros = |ba: &Array1<f32>| ba.iter().copied().chain(vec![0.0; 5]).collect::<Vec<_>>();
    graph.constant("V", elements(&[10, 2], wya.iter().flat_map(|wya| wya.t().iter().copied().collect::<Vec<_>>())));
    graph.constant("c", elements(&[2], p.by().iter().copied()));
    graph.nodes.drain(..2);
    if operators == 1 {
        graph.constant("W0", elements(&[2, 5, 3], wax.iter().flatten().copied()));
        graph.constant("R0", elements(&[2, 5, 5], waa.iter().flatten().copied()));
        graph.constant("B0", elements(&[2, 10], ba.iter().flat_map(|ba| with_zeros(&ba.to_owned()))));
        graph.constant("shape", integers(&[3], &[0, 0, -1]));
        let rnn = node("RNN", ["x", "W0", "R0", "B0"], ["all0", "last0"], [text("direction", "bidirectional")]);
        let side_by_side = node("Transpose", ["all0"], ["swapped"], [ints("perm", &[0, 2, 1, 3])]);
        graph.nodes.splice(..0, [rnn, side_by_side, node("Reshape", ["swapped", "shape"], ["hidden"], [])]);
    } else {
        for (half, [w, r, b, ..]) in LAYERS.iter().enumerate() {
            graph.constant(w, elements(&[1, 5, 3], wax[half].iter().copied()));
            graph.constant(r, elements(&[1, 5, 5], waa[half].iter().copied()));
            graph.constant(b, elements(&[1, 10], with_zeros(&ba[half].to_owned())));
        }
        let rnn = |[w, r, b, all, last, _]: [&'static str; 6], direction| {
            node("RNN", ["x", w, r, b], [all, last], [text("direction", direction)])
        };
        graph.nodes.splice(
            ..0,
            [
                rnn(LAYERS[0], "forward"),
                rnn(LAYERS[1], "reverse"),
                node("Squeeze", ["all0", "axis"], ["hidden0"], []),
                node("Squeeze", ["all1", "axis"], ["hidden1"], []),
                node("Concat", ["hidden0", "hidden1"], ["hidden"], [int("axis", 2)]),
            ],
        );
    }
    graph.node("product").inputs[0] = "hidden";
    (graph, p)
}

pub type Edit = fn(&mut Graph);

/// Each edit leaves the network as it is.
#[track_caller]
pub fn are_read((graph, p): (Graph, stack::Parameters<f32>), edits: &[(&str, Edit)]) {
    graph.is_read_as(&p, "the graph itself");
    for (what, edit) in edits {
        let mut graph = graph.clone();
        edit(&mut graph);
        graph.is_read_as(&p, what);
    }
}

/// Each edit makes another network, with this reason.
#[track_caller]
pub fn are_refused((graph, _): (Graph, stack::Parameters<f32>), edits: &[(&str, Edit)]) {
    for (reason, edit) in edits {
        let mut graph = graph.clone();
        edit(&mut graph);
        graph.is_refused(reason);
    }
}
