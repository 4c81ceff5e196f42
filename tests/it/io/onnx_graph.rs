//! Graphs of ONNX models, node by node: a graph that computes a stack is read as that stack, and any other one is refused by
//! its reason.
//!
//! The messages are written here field by field, with the numbers of `onnx.proto`.

use elman::io::{Error, onnx};
use elman::stack::{self, Architecture, Direction, Layer};
use elman::{Activation, init};
use ndarray::Array1;

use crate::support::seeded;

/// A message in the wire format of protobuf.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value % 0x80).unwrap() | 0x80);
            value /= 0x80;
        }
        self.0.push(u8::try_from(value).unwrap());
    }

    fn int(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value.cast_unsigned());
        self
    }

    fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, content: impl AsRef<[u8]>) -> Self {
        self.varint(field << 3 | 2);
        self.varint(content.as_ref().len() as u64);
        self.0.extend(content.as_ref());
        self
    }

    fn message(self, field: u64, content: &Message) -> Self {
        self.bytes(field, &content.0)
    }

    /// An attribute of this type.
    fn attribute(name: &str, kind: i64) -> Self {
        Message::default().bytes(1, name).int(20, kind)
    }
}

fn float(name: &str, value: f32) -> Message {
    Message::attribute(name, 1).float(2, value)
}

fn int(name: &str, value: i64) -> Message {
    Message::attribute(name, 2).int(3, value)
}

fn text(name: &str, value: &str) -> Message {
    Message::attribute(name, 3).bytes(4, value)
}

fn floats(name: &str, values: &[f32]) -> Message {
    values.iter().fold(Message::attribute(name, 6), |message, &value| message.float(7, value))
}

fn ints(name: &str, values: &[i64]) -> Message {
    values.iter().fold(Message::attribute(name, 7), |message, &value| message.int(8, value))
}

fn texts(name: &str, values: &[&str]) -> Message {
    values.iter().fold(Message::attribute(name, 8), |message, value| message.bytes(9, value))
}

fn tensor(name: &str, value: &Message) -> Message {
    Message::attribute(name, 4).message(5, value)
}

/// The beginning of a tensor. Its types: f32 is 1, i32 is 6, i64 is 7, f64 is 11.
fn shape(dims: &[usize], kind: i64) -> Message {
    dims.iter().fold(Message::default(), |message, &n| message.int(1, i64::try_from(n).unwrap())).int(2, kind)
}

fn elements(dims: &[usize], values: impl IntoIterator<Item = f32>) -> Message {
    shape(dims, 1).bytes(9, values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>())
}

fn integers(dims: &[usize], values: &[i64]) -> Message {
    shape(dims, 7).bytes(9, values.iter().copied().flat_map(i64::to_le_bytes).collect::<Vec<u8>>())
}

#[derive(Clone)]
struct Node {
    operator: &'static str,
    domain: &'static str,
    inputs: Vec<&'static str>,
    outputs: Vec<&'static str>,
    attributes: Vec<Message>,
}

fn node<const N: usize, const M: usize, const K: usize>(
    operator: &'static str,
    inputs: [&'static str; N],
    outputs: [&'static str; M],
    attributes: [Message; K],
) -> Node {
    Node { operator, domain: "", inputs: inputs.into(), outputs: outputs.into(), attributes: attributes.into() }
}

#[derive(Clone)]
struct Graph {
    version: i64,
    inputs: Vec<&'static str>,
    constants: Vec<(&'static str, Message)>,
    nodes: Vec<Node>,
    outputs: Vec<&'static str>,
}

impl Graph {
    /// The node that computes a value.
    fn node(&mut self, value: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.outputs.contains(&value)).unwrap()
    }

    /// Adds a constant, or replaces it.
    fn constant(&mut self, name: &'static str, value: Message) {
        self.constants.retain(|(own, _)| *own != name);
        self.constants.push((name, value));
    }

    /// Puts nodes before the one that computes `value`. Its first input is then `changed`.
    fn before<const N: usize>(&mut self, value: &str, changed: &'static str, nodes: [Node; N]) {
        let place = self.nodes.iter().position(|node| node.outputs.contains(&value)).unwrap();
        self.nodes[place].inputs[0] = changed;
        self.nodes.splice(place..place, nodes);
    }

    /// Adds nodes after all others. The graph's only output is then `output`.
    fn after<const N: usize>(&mut self, output: &'static str, nodes: [Node; N]) {
        self.nodes.extend(nodes);
        self.outputs = vec![output];
    }

    fn bytes(&self) -> Vec<u8> {
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
    fn is_read_as(&self, p: &stack::Parameters<f32>, what: &str) {
        let read = onnx::from_bytes::<f32>(&self.bytes());
        assert!(read.as_ref().is_ok_and(|read| read == p), "{what}: {:?}", read.map(|p| p.architecture().to_string()));
    }

    #[track_caller]
    fn is_refused(&self, reason: &str) {
        let error = onnx::from_bytes::<f32>(&self.bytes()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}, expected {reason}");
    }
}

const LAYERS: [[&str; 6]; 2] =
    [["W0", "R0", "B0", "all0", "last0", "hidden0"], ["W1", "R1", "B1", "all1", "last1", "hidden1"]];

/// A stack of one or two layers in one direction, and its graph: `RNN` and `Squeeze` for each layer, then `MatMul`, `Add` and
/// `Softmax`.
fn plain(layers: usize) -> (Graph, stack::Parameters<f32>) {
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
fn both(operators: usize) -> (Graph, stack::Parameters<f32>) {
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

type Edit = fn(&mut Graph);

/// Each edit leaves the network as it is.
#[track_caller]
fn are_read((graph, p): (Graph, stack::Parameters<f32>), edits: &[(&str, Edit)]) {
    graph.is_read_as(&p, "the graph itself");
    for (what, edit) in edits {
        let mut graph = graph.clone();
        edit(&mut graph);
        graph.is_read_as(&p, what);
    }
}

/// Each edit makes another network, with this reason.
#[track_caller]
fn are_refused((graph, _): (Graph, stack::Parameters<f32>), edits: &[(&str, Edit)]) {
    for (reason, edit) in edits {
        let mut graph = graph.clone();
        edit(&mut graph);
        graph.is_refused(reason);
    }
}

#[test]
fn nodes_that_do_not_change_the_network_are_read() {
    are_read(plain(2), &[]);
    are_read(both(1), &[]);
    are_read(both(2), &[]);
    are_read(
        plain(1),
        &[
            ("the domain by its name", |g| g.nodes[0].domain = "ai.onnx"),
            ("Identity", |g| g.before("product", "same", [node("Identity", ["hidden0"], ["same"], [])])),
            ("Dropout", |g| g.before("product", "same", [node("Dropout", ["hidden0"], ["same"], [])])),
            ("Dropout with a rate", |g| {
                g.constant("rate", elements(&[], [0.5]));
                g.before("product", "same", [node("Dropout", ["hidden0", "rate"], ["same"], [])]);
            }),
            ("Dropout with a rate and no mode", |g| {
                g.before("product", "same", [node("Dropout", ["hidden0", "c", ""], ["same"], [])]);
            }),
            ("the bias first", |g| g.node("logits").inputs.reverse()),
            ("the axis from the end", |g| g.constant("axis", integers(&[1], &[-3]))),
            ("the axis in an attribute", |g| {
                g.node("hidden0").inputs.truncate(1);
                g.node("hidden0").attributes.push(ints("axes", &[1]));
            }),
            ("the axis as int64_data", |g| g.constant("axis", shape(&[1], 7).int(7, 1))),
            ("the axis as a Constant of a tensor", |g| {
                g.constants.retain(|(name, _)| *name != "axis");
                g.before("all0", "x", [node("Constant", [], ["axis"], [tensor("value", &integers(&[1], &[1]))])]);
            }),
            ("the axis as a Constant of integers", |g| {
                g.constants.retain(|(name, _)| *name != "axis");
                g.before("all0", "x", [node("Constant", [], ["axis"], [ints("value_ints", &[1])])]);
            }),
            ("the bias as a Constant", |g| {
                let (_, c) = g.constants.pop().unwrap();
                g.before("all0", "x", [node("Constant", [], ["c"], [tensor("value", &c)])]);
            }),
            ("a Gather of the only direction", |g| {
                g.constant("zero", integers(&[], &[0]));
                let gather = node("Gather", ["all0", "zero"], ["hidden0"], [int("axis", 1)]);
                *g.node("hidden0") = gather;
            }),
            ("a Gather of the last direction", |g| {
                g.constant("last", integers(&[], &[-1]));
                *g.node("hidden0") = node("Gather", ["all0", "last"], ["hidden0"], [int("axis", -3)]);
            }),
            ("all axes in the reverse order and back", |g| {
                let swap = |from, to| node("Transpose", [from], [to], []);
                g.before("hidden0", "same", [swap("all0", "turned"), swap("turned", "same")]);
            }),
            ("logits and output in another order", |g| {
                let perm = || ints("perm", &[1, 0, 2]);
                g.before("output", "turned", [node("Transpose", ["logits"], ["turned"], [perm()])]);
                g.after("result", [node("Transpose", ["output"], ["result"], [perm()])]);
            }),
            ("the outputs' axis first", |g| {
                g.before("output", "turned", [node("Transpose", ["logits"], ["turned"], [ints("perm", &[2, 0, 1])])]);
                g.node("output").attributes = vec![int("axis", 0)];
            }),
            ("an input in another order", |g| {
                g.before("all0", "turned", [node("Transpose", ["x"], ["turned"], [ints("perm", &[1, 0, 2])])]);
            }),
            ("an input in the reverse order", |g| {
                g.before("all0", "turned", [node("Transpose", ["x"], ["turned"], [])]);
            }),
            ("columns first", |g| {
                g.node("all0").attributes.push(int("layout", 1));
                g.constant("axis", integers(&[1], &[2]));
            }),
            ("steps first", |g| g.node("all0").attributes.push(int("layout", 0))),
            ("the forward direction by its name", |g| g.node("all0").attributes.push(text("direction", "forward"))),
            ("an attribute without a type", |g| {
                g.node("all0").attributes.push(Message::default().bytes(1, "layout").int(3, 0));
            }),
            ("tanh by its name", |g| g.node("all0").attributes.push(texts("activations", &["Tanh"]))),
            ("tanh, and one for a direction that is not there", |g| {
                g.node("all0").attributes.push(texts("activations", &["Tanh", "Tanh", "Relu"]));
            }),
            ("the oldest operators", |g| {
                g.version = 7;
                g.node("output").attributes = vec![int("axis", 2)];
            }),
            ("a Softmax of version 13 without an axis", |g| {
                g.version = 13;
                g.node("output").attributes.clear();
            }),
            ("no Softmax", |g| g.outputs = vec!["logits"]),
            ("several outputs", |g| g.outputs = vec!["hidden0", "last0", "output", "logits"]),
            ("weights as inputs", |g| g.inputs = vec!["W0", "x", "R0"]),
            ("a node that nothing reads", |g| g.nodes.push(node("LSTM", ["x"], ["y"], []))),
            ("the lengths of columns", |g| {
                g.inputs.push("lengths");
                g.node("all0").inputs.push("lengths");
            }),
            ("no lengths and no state", |g| g.node("all0").inputs.extend(["", ""])),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of graphs")]
fn a_head_is_read_from_a_product_or_from_a_gemm() {
    // The network reads the states of the last step.
    let last = |gemm: Node| {
        let (mut graph, p) = plain(1);
        graph.constant("last", integers(&[], &[-1]));
        graph.before("product", "step", [node("Gather", ["hidden0", "last"], ["step"], [])]);
        if gemm.operator == "Gemm" {
            let place = graph.nodes.len() - 3;
            graph.nodes.splice(place..=place + 1, [gemm]);
        }
        (graph, p)
    };
    let gemm = || node("Gemm", ["step", "V", "c"], ["logits"], []);
    are_read(
        last(node("MatMul", [], [], [])),
        &[
            // Before version 13, the axes from this one on are one.
            ("an old Softmax", |g| g.version = 12),
            ("an old Softmax without an axis", |g| {
                g.version = 12;
                g.node("output").attributes.clear();
            }),
        ],
    );
    are_read(
        last(gemm()),
        &[
            ("factors of 1", |g| {
                g.node("logits").attributes =
                    vec![float("alpha", 1.0), float("beta", 1.0), int("transA", 0), int("transB", 0)];
            }),
            ("weights as (n_y, n_a)", |g| {
                let (_, p) = plain(1);
                let wya = p.wya(0, Direction::Forward).unwrap();
                g.constant("V", elements(&[2, 5], wya.iter().copied()));
                g.node("logits").attributes = vec![int("transB", 1)];
            }),
        ],
    );
    let without_bias = |mut p: stack::Parameters<f32>| {
        p.by_mut().fill(0.0);
        p
    };
    for inputs in [vec!["step", "V"], vec!["step", "V", ""]] {
        let (mut graph, p) = last(gemm());
        graph.node("logits").inputs = inputs;
        graph.is_read_as(&without_bias(p), "a Gemm without a bias");
    }
    let (mut graph, p) = plain(1);
    graph.outputs = vec!["product"];
    graph.is_read_as(&without_bias(p), "a product without a bias");

    let factors = "a Gemm with alpha, beta or transA";
    are_refused(
        last(gemm()),
        &[
            (factors, |g| g.node("logits").attributes = vec![float("alpha", 2.0)]),
            (factors, |g| g.node("logits").attributes = vec![float("beta", 0.5), float("alpha", 1.0)]),
            (factors, |g| g.node("logits").attributes = vec![int("transA", 1)]),
            (factors, |g| g.node("logits").attributes = vec![float("alpha", -1.0), float("beta", -1.0)]),
            ("an attribute `alpha` of another type", |g| g.node("logits").attributes = vec![int("alpha", 1)]),
            ("an attribute `transB` of another type", |g| g.node("logits").attributes = vec![float("transB", 1.0)]),
            ("a Gemm with another bias than an initialiser", |g| g.node("logits").inputs[2] = "x"),
            ("a Gemm with another bias than an initialiser", |g| g.node("logits").inputs[2] = "nothing"),
            ("a product with other weights than an initialiser", |g| g.node("logits").inputs[1] = "x"),
            ("a product with other weights than an initialiser", |g| g.node("logits").inputs.truncate(1)),
            ("a product that does not read the outputs of a layer", |g| g.node("logits").inputs[0] = "hidden0"),
            ("a product that does not read the outputs of a layer", |g| g.node("logits").inputs[0] = "last0"),
            ("an Add that is not the bias of an output layer", |g| {
                g.after("more", [node("Add", ["logits", "c"], ["more"], [])]);
            }),
            ("a Softmax over other axes", |g| g.node("output").attributes = vec![int("axis", 0)]),
            ("a Softmax over other axes", |g| g.node("output").attributes = vec![int("axis", 2)]),
            ("a Softmax over other axes", |g| {
                g.version = 12;
                g.node("output").attributes = vec![int("axis", 0)];
            }),
        ],
    );
    let other_axis = "a Softmax over other axes";
    are_refused(
        plain(1),
        &[
            (other_axis, |g| g.node("output").attributes = vec![int("axis", 1)]),
            (other_axis, |g| g.node("output").attributes = vec![int("axis", -4)]),
            // Before version 13, this normalises over columns and outputs together.
            (other_axis, |g| {
                g.version = 12;
                g.node("output").attributes.clear();
            }),
            (other_axis, |g| {
                g.version = 12;
                g.before("output", "turned", [node("Transpose", ["logits"], ["turned"], [ints("perm", &[2, 0, 1])])]);
                g.node("output").attributes = vec![int("axis", 0)];
            }),
            ("an Add that is not the bias of an output layer", |g| {
                let turned = node("Transpose", ["product"], ["turned"], [ints("perm", &[2, 0, 1])]);
                g.before("logits", "turned", [turned]);
            }),
            ("the operator Add, which is not supported there", |g| g.node("logits").inputs[1] = "x"),
            ("the operator Add, which is not supported there", |g| g.node("logits").inputs[0] = "hidden0"),
            ("the operator Softmax, which is not supported there", |g| g.node("output").inputs[0] = "hidden0"),
            ("a product that does not read the outputs of a layer", |g| {
                g.before("product", "turned", [node("Transpose", ["hidden0"], ["turned"], [])]);
            }),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of graphs")]
fn an_initial_state_is_zero_or_an_input() {
    fn set(g: &mut Graph, state: &'static str) {
        g.node("all0").inputs.extend(["", state]);
    }
    /// A state that these nodes compute.
    fn computed<const N: usize>(g: &mut Graph, nodes: [Node; N]) {
        g.nodes.splice(..0, nodes);
        set(g, "state");
    }
    fn of_shape(attributes: Vec<Message>) -> [Node; 3] {
        [
            node("Shape", ["x"], ["size"], []),
            node("Concat", ["axis", "size", "axis"], ["sizes"], [int("axis", 0)]),
            Node { attributes, ..node("ConstantOfShape", ["sizes"], ["state"], []) },
        ]
    }
    are_read(
        plain(1),
        &[
            ("an input", |g| {
                g.inputs.push("h");
                set(g, "h");
            }),
            ("zeros", |g| {
                g.constant("h", elements(&[1, 2, 5], [0.0, -0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
                set(g, "h");
            }),
            ("zeros of any number of columns", |g| computed(g, of_shape(vec![]))),
            ("a constant of zeros", |g| computed(g, of_shape(vec![tensor("value", &elements(&[1], [0.0]))]))),
            ("a constant of zeros in float_data", |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 1).bytes(4, [0; 4]))]));
            }),
            ("a constant of zeros in f64", |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 11).bytes(9, [0; 8]))]));
            }),
            ("a constant of zeros in double_data", |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 11).bytes(10, [0; 8]))]));
            }),
            ("a constant of integer zeros", |g| computed(g, of_shape(vec![tensor("value", &integers(&[1], &[0]))]))),
            ("a constant of zeros in int64_data", |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 7).int(7, 0))]));
            }),
            ("zeros of a size from integers", |g| {
                computed(
                    g,
                    [node("Concat", ["axis", "axis"], ["sizes"], [int("axis", 0)]), of_shape(vec![])[2].clone()],
                );
            }),
            ("zeros in another shape", |g| {
                let [a, b, mut c] = of_shape(vec![]);
                c.outputs = vec!["zeros"];
                computed(g, [a, b, c, node("Expand", ["zeros", "sizes"], ["state"], [])]);
            }),
            ("a part of an input", |g| {
                g.inputs.push("h");
                computed(g, [node("Slice", ["h", "first", "axis"], ["state"], [])]);
            }),
            ("a part of a part of an input", |g| {
                g.inputs.push("h");
                let part = node("Gather", ["h", "axis"], ["part"], []);
                computed(g, [part, node("Unsqueeze", ["part", "first"], ["state"], [])]);
            }),
        ],
    );
    let part = "an RNN whose initial state is part of the model";
    are_refused(
        plain(1),
        &[
            (part, |g| {
                g.constant("h", elements(&[1, 1, 5], [0.0, 0.0, 0.0, 0.0, 0.5]));
                set(g, "h");
            }),
            (part, |g| set(g, "nothing")),
            (part, |g| set(g, "axis")),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &elements(&[1], [0.5]))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &elements(&[2], [0.0, 0.0]))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 1).bytes(4, 0.5_f32.to_le_bytes()))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 11).bytes(9, 0.5_f64.to_le_bytes()))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 11).bytes(10, 0.5_f64.to_le_bytes()))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &integers(&[1], &[1]))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 7).int(7, 1))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &shape(&[1], 6).bytes(9, [0; 4]))]));
            }),
            (part, |g| {
                computed(g, of_shape(vec![tensor("value", &elements(&[1], [0.0]).int(14, 1))]));
            }),
            ("an initial state that is a part of the sequence", |g| {
                computed(g, [node("Slice", ["x", "first", "axis"], ["state"], [])]);
            }),
            ("an RNN whose `sequence_lens` is not an input of the graph", |g| g.node("all0").inputs.push("axis")),
            ("an RNN whose `sequence_lens` is not an input of the graph", |g| g.node("all0").inputs.push("nothing")),
            ("the operator Concat, which is not supported there", |g| {
                g.inputs.push("h");
                computed(g, [node("Concat", ["axis", "h"], ["state"], [int("axis", 0)])]);
            }),
        ],
    );
}

#[test]
fn an_operator_that_is_not_this_crates_is_refused() {
    let squeeze = "a Squeeze or Gather of another axis than that of one direction";
    are_refused(
        plain(1),
        &[
            ("the operator RNN of another domain", |g| g.nodes[0].domain = "com.microsoft"),
            ("an LSTM", |g| g.nodes[0].operator = "LSTM"),
            ("a GRU", |g| g.nodes[0].operator = "GRU"),
            ("an RNN of layout 2", |g| g.node("all0").attributes.push(int("layout", 2))),
            ("an RNN with clipping", |g| g.node("all0").attributes.push(float("clip", 3.0))),
            ("an attribute `layout` of another type", |g| g.node("all0").attributes.push(float("layout", 0.0))),
            ("an attribute `direction` of another type", |g| g.node("all0").attributes.push(int("direction", 0))),
            ("an attribute `activations` of another type", |g| {
                g.node("all0").attributes.push(text("activations", "Tanh"));
            }),
            ("an RNN of softsign units", |g| g.node("all0").attributes.push(texts("activations", &["Softsign"]))),
            ("different units in each direction", |g| {
                g.node("all0").attributes.push(texts("activations", &["Tanh", "Relu"]));
            }),
            ("`W`, `R` or `B` is not an initialiser", |g| g.node("all0").inputs[1] = "x"),
            ("`W`, `R` or `B` is not an initialiser", |g| g.node("all0").inputs[2] = "axis"),
            ("`W`, `R` or `B` is not an initialiser", |g| g.node("all0").inputs[3] = "nothing"),
            ("`W`, `R` or `B` is not an initialiser", |g| g.node("all0").inputs[2] = ""),
            ("`W`, `R` or `B` is not an initialiser", |g| g.node("all0").inputs.truncate(2)),
            ("neither an input nor the hidden states of another one", |g| g.node("all0").inputs[0] = "W0"),
            ("neither an input nor the hidden states of another one", |g| g.node("all0").inputs[0] = "nothing"),
            ("a Squeeze of several axes", |g| g.constant("axis", integers(&[2], &[0, 1]))),
            ("a Squeeze of several axes", |g| g.constant("axis", integers(&[0], &[]))),
            ("a Squeeze whose axes are not constant", |g| g.node("hidden0").inputs.truncate(1)),
            ("a Squeeze whose axes are not constant", |g| g.node("hidden0").inputs[1] = "c"),
            (squeeze, |g| g.constant("axis", integers(&[1], &[0]))),
            (squeeze, |g| g.constant("axis", integers(&[1], &[-1]))),
            ("a Squeeze of an axis that does not exist", |g| g.constant("axis", integers(&[1], &[4]))),
            ("a Squeeze of an axis that does not exist", |g| g.constant("axis", integers(&[1], &[-5]))),
            ("a Squeeze of an axis that does not exist", |g| g.constant("axis", integers(&[1], &[i64::MIN]))),
            ("the operator Dropout", |g| {
                g.before("product", "same", [node("Dropout", ["hidden0", "c", "c"], ["same"], [])]);
            }),
            ("a Transpose whose `perm` is not an order of the 3 axes", |g| {
                g.before("product", "same", [node("Transpose", ["hidden0"], ["same"], [ints("perm", &[0, 1])])]);
            }),
            ("a Transpose whose `perm` is not an order of the 3 axes", |g| {
                g.before("product", "same", [node("Transpose", ["hidden0"], ["same"], [ints("perm", &[0, 1, 1])])]);
            }),
            ("a Transpose whose `perm` is not an order of the 3 axes", |g| {
                g.before("product", "same", [node("Transpose", ["hidden0"], ["same"], [ints("perm", &[0, 1, 3])])]);
            }),
            ("a Transpose whose `perm` is not an order of the 3 axes", |g| {
                g.before("all0", "turned", [node("Transpose", ["x"], ["turned"], [ints("perm", &[1, 0])])]);
            }),
            ("a Transpose whose `perm` is not an order of the 3 axes", |g| {
                g.before("all0", "turned", [node("Transpose", ["x"], ["turned"], [ints("perm", &[1, 0, 3])])]);
            }),
            ("a Constant of neither a tensor nor integers", |g| {
                g.constants.retain(|(name, _)| *name != "axis");
                g.before("all0", "x", [node("Constant", [], ["axis"], [text("value_string", "1")])]);
                g.node("hidden0").inputs[1] = "axis";
                g.outputs = vec!["axis"];
            }),
            ("a Constant of neither a tensor nor integers", |g| {
                let twice = [int("value_int", 1), ints("value_ints", &[1])];
                g.before("all0", "x", [node("Constant", [], ["both"], twice)]);
                g.outputs = vec!["both"];
            }),
            ("a value that is not computed from hidden states", |g| g.outputs.push("W0")),
            ("a value that is not computed from hidden states", |g| g.outputs.push("x")),
            ("no value: no node computes it", |g| g.outputs.push("nothing")),
            ("no value: no node computes it", |g| g.outputs.push("")),
            ("no output", |g| g.outputs.clear()),
            ("a second output layer", |g| {
                g.constant("d", elements(&[2], [1.0, 2.0]));
                g.nodes.push(node("Add", ["product", "d"], ["others"], []));
                g.outputs.push("others");
            }),
            ("a second output layer", |g| g.outputs = vec!["product", "logits"]),
            ("`opset_import` is 6", |g| g.version = 6),
            ("tensor `axis` has 1 integers, expected 2", |g| g.constant("axis", integers(&[2], &[1]))),
            ("tensor `axis` has 2 integers, expected 1", |g| g.constant("axis", shape(&[1], 7).int(7, 1).int(7, 1))),
            ("two arrays are called `c`", |g| {
                let twice = g.constants.last().unwrap().clone();
                g.constants.push(twice);
            }),
            ("layers that do not fit each other", |g| {
                let (two, _) = plain(2);
                g.constants.extend(two.constants.into_iter().filter(|(name, _)| ["R1", "B1"].contains(name)));
                g.constant("W1", elements(&[1, 7, 3], vec![0.0; 21]));
                g.constant("V", elements(&[7, 2], vec![0.0; 14]));
                let second = node("RNN", ["hidden0", "W1", "R1", "B1"], ["all1", "last1"], []);
                g.before("product", "hidden1", [second, node("Squeeze", ["all1", "axis"], ["hidden1"], [])]);
            }),
        ],
    );
    // The message of an unknown operator is in the message of every value that depends on it.
    let (mut graph, _) = plain(1);
    graph.before("product", "what", [node("Erf", ["hidden0"], ["what"], [])]);
    graph.is_refused("`output` shows the operator Erf, which is not supported there");
    graph.outputs = vec!["product"];
    graph.is_refused("`product` shows the operator Erf, which is not supported there");
}

#[test]
fn the_last_states_are_those_of_the_last_step_or_of_the_operator() {
    fn picked(g: &mut Graph, index: Message, axis: i64) {
        g.constant("index", index);
        g.before("product", "step", [node("Gather", ["hidden0", "index"], ["step"], [int("axis", axis)])]);
    }
    are_read(
        plain(1),
        &[
            ("the last step", |g| picked(g, integers(&[], &[-1]), 0)),
            ("the last step by a Constant", |g| {
                g.before(
                    "product",
                    "step",
                    [
                        node("Constant", [], ["index"], [int("value_int", -1)]),
                        node("Gather", ["hidden0", "index"], ["step"], [int("axis", -3)]),
                    ],
                );
            }),
            ("the last state", |g| {
                g.before("product", "state", [node("Squeeze", ["last0", "first"], ["state"], [])]);
            }),
            ("the last state, columns first", |g| {
                g.node("all0").attributes.push(int("layout", 1));
                g.before("product", "state", [node("Squeeze", ["last0", "axis"], ["state"], [])]);
            }),
        ],
    );
    let other = "a Gather of other values than the last step";
    are_refused(
        plain(1),
        &[
            (other, |g| picked(g, integers(&[], &[0]), 0)),
            (other, |g| picked(g, integers(&[], &[1]), 0)),
            (other, |g| picked(g, integers(&[], &[-1]), 2)),
            ("a Gather whose index is not a scalar", |g| picked(g, integers(&[1], &[-1]), 0)),
            ("a Gather of an axis that does not exist", |g| picked(g, integers(&[], &[-1]), 3)),
            ("a Gather whose indices are not constant", |g| picked(g, elements(&[], [0.0]), 0)),
            (other, |g| {
                g.constant("index", integers(&[], &[1]));
                *g.node("hidden0") = node("Gather", ["all0", "index"], ["hidden0"], [int("axis", 1)]);
            }),
        ],
    );
    // The last states of two layers, of which the head reads the last one. torch's layers have one width.
    let (mut graph, p) = plain(2);
    graph.constant("last", integers(&[], &[-1]));
    let states = node("Concat", ["last0", "last1"], ["states"], [int("axis", 0)]);
    graph.before("product", "state", [states, node("Gather", ["states", "last"], ["state"], [])]);
    graph.is_read_as(&p, "the last of the last states");
    graph.outputs = vec!["states", "output"];
    graph.is_read_as(&p, "all last states and the output");
    are_refused(
        (graph, p),
        &[
            ("a Gather of another last state than that of the last layer", |g| g.constant("last", integers(&[], &[0]))),
            ("a Gather of another last state than that of the last layer", |g| g.constant("last", integers(&[], &[1]))),
            ("a Squeeze or Gather of another axis than that of one direction", |g| {
                g.node("state").attributes.push(int("axis", 1));
            }),
            ("the last states of layers in another order", |g| {
                g.node("states").inputs.reverse();
                g.outputs = vec!["states"];
            }),
            ("the last states of layers in another order", |g| {
                g.node("states").inputs[0] = "last1";
                g.outputs = vec!["states"];
            }),
            ("a Concat of hidden states with other values", |g| g.node("states").inputs[1] = "V"),
            ("a Concat of hidden states with different axes", |g| g.node("states").inputs[1] = "hidden1"),
            ("a Concat of an axis that does not exist", |g| g.node("states").attributes = vec![int("axis", 3)]),
            ("a Concat of an axis that does not exist", |g| g.node("states").attributes.clear()),
            ("a Concat of other values than two directions of one layer", |g| {
                g.node("states").attributes = vec![int("axis", 2)];
            }),
            ("a Concat of other values than two directions of one layer", |g| {
                *g.node("states") = node("Concat", ["all0", "all1"], ["states"], [int("axis", 1)]);
            }),
        ],
    );
}

#[test]
fn a_layer_reads_the_layer_below_in_its_own_order_of_axes() {
    fn turned(g: &mut Graph, perm: &[i64]) {
        g.before("all1", "turned", [node("Transpose", ["hidden0"], ["turned"], [ints("perm", perm)])]);
    }
    are_read(
        plain(2),
        &[
            ("both with the columns first", |g| {
                g.node("all0").attributes.push(int("layout", 1));
                g.node("all1").attributes.push(int("layout", 1));
                g.constant("axis", integers(&[1], &[2]));
            }),
            ("the upper one with the columns first", |g| {
                turned(g, &[1, 0, 2]);
                g.node("all1").attributes.push(int("layout", 1));
                g.constant("axis2", integers(&[1], &[2]));
                g.node("hidden1").inputs[1] = "axis2";
            }),
            ("the result of the lower layer, too", |g| g.outputs = vec!["hidden0", "output", "last0"]),
        ],
    );
    let neither = "an RNN that reads neither an input nor the hidden states of another one";
    are_refused(
        plain(2),
        &[
            (neither, |g| turned(g, &[1, 0, 2])),
            (neither, |g| turned(g, &[0, 2, 1])),
            (neither, |g| g.node("all1").attributes.push(int("layout", 1))),
            (neither, |g| g.node("all1").inputs[0] = "all0"),
            (neither, |g| g.node("all1").inputs[0] = "last0"),
            ("a result of a layer that is not below the others", |g| {
                let side = node("RNN", ["x", "W0", "R0", "B0"], ["all2", "last2"], []);
                g.nodes.push(side);
                g.outputs.push("last2");
            }),
        ],
    );
}

#[test]
fn two_directions_are_one_operator_or_two_whose_outputs_are_joined() {
    let reshape = "a Reshape that does more than to join two directions";
    are_read(
        both(1),
        &[
            ("the width in numbers", |g| g.constant("shape", integers(&[3], &[0, 0, 10]))),
            ("without allowzero", |g| g.node("hidden").attributes.push(int("allowzero", 0))),
            ("columns first", |g| {
                g.node("all0").attributes.push(int("layout", 1));
                // (m, T_x, 2, n_a) has its directions beside the units already.
                *g.node("swapped") = node("Identity", ["all0"], ["swapped"], []);
            }),
            ("two names of units", |g| g.node("all0").attributes.push(texts("activations", &["TANH", "tanh"]))),
            ("the logits of the last step", |g| {
                g.constant("last", integers(&[], &[-1]));
                g.before("product", "step", [node("Gather", ["hidden", "last"], ["step"], [])]);
            }),
        ],
    );
    are_refused(
        both(1),
        &[
            ("a Reshape with `allowzero`", |g| g.node("hidden").attributes.push(int("allowzero", 1))),
            (reshape, |g| g.constant("shape", integers(&[3], &[0, 4, -1]))),
            (reshape, |g| g.constant("shape", integers(&[3], &[3, 0, -1]))),
            (reshape, |g| g.constant("shape", integers(&[3], &[-1, 0, 10]))),
            (reshape, |g| g.constant("shape", integers(&[2], &[0, -1]))),
            (reshape, |g| g.constant("shape", integers(&[4], &[0, 0, 0, -1]))),
            (reshape, |g| g.node("hidden").inputs.truncate(1)),
            (reshape, |g| g.node("hidden").inputs[0] = "all0"),
            (reshape, |g| g.node("swapped").attributes = vec![ints("perm", &[0, 1, 3, 2])]),
            ("different units in each direction", |g| {
                g.node("all0").attributes.push(texts("activations", &["Tanh", "Relu"]));
            }),
            ("a Squeeze or Gather of another axis than that of one direction", |g| {
                *g.node("hidden") = node("Squeeze", ["all0", "axis"], ["hidden"], []);
            }),
            ("a product that does not read the outputs of a layer", |g| g.node("product").inputs[0] = "swapped"),
            ("an output layer on the last states of both directions", |g| {
                g.constant("shape", integers(&[2], &[0, -1]));
                let swapped = node("Transpose", ["last0"], ["swapped2"], [ints("perm", &[1, 0, 2])]);
                g.before("product", "ends", [swapped, node("Reshape", ["swapped2", "shape"], ["ends"], [])]);
            }),
        ],
    );
    let other = "a Concat of other layers than a forward and a reverse one of the same input";
    are_read(both(2), &[("the axis from the end", |g| g.node("hidden").attributes = vec![int("axis", -1)])]);
    are_refused(
        both(2),
        &[
            (other, |g| g.node("hidden").inputs.reverse()),
            (other, |g| g.node("hidden").inputs[1] = "hidden0"),
            (other, |g| g.node("all1").attributes.clear()),
            (other, |g| {
                g.inputs.push("x2");
                g.node("all1").inputs[0] = "x2";
            }),
            (other, |g| {
                g.after("twice", [node("Concat", ["hidden", "hidden1"], ["twice"], [int("axis", 2)])]);
            }),
            (other, |g| {
                // The second one has both directions already.
                let second = node("RNN", ["x", "W0", "R0", "B0"], ["all2", "last2"], []);
                let squeeze = node("Squeeze", ["all2", "axis"], ["hidden2"], []);
                g.after("twice", [second, squeeze, node("Concat", ["hidden2", "hidden"], ["twice"], [int("axis", 2)])]);
            }),
            ("a Concat of other values than two directions of one layer", |g| g.node("hidden").inputs.push("hidden0")),
            ("a Concat of other values than two directions of one layer", |g| {
                g.node("hidden").inputs.truncate(1);
            }),
            ("a Concat of other values than two directions of one layer", |g| {
                g.node("hidden").attributes = vec![int("axis", 0)];
            }),
            ("a Concat of hidden states with different axes", |g| g.node("hidden").inputs[1] = "all1"),
            ("a layer of the reverse direction alone", |g| {
                g.node("product").inputs[0] = "hidden1";
                g.constant("V", elements(&[5, 2], vec![0.0; 10]));
            }),
            ("an output layer on the last states of both directions", |g| {
                let end = |last, end| node("Squeeze", [last, "first"], [end], []);
                let join = node("Concat", ["end0", "end1"], ["ends"], [int("axis", 1)]);
                g.before("product", "ends", [end("last0", "end0"), end("last1", "end1"), join]);
            }),
        ],
    );
}

/// ONNX calls the identity an affine function with the factor 1 and the summand 0.
#[test]
fn every_nonlinearity_is_read_by_its_name_in_onnx() {
    let factors =
        |alpha: &[f32], beta: &[f32]| vec![floats("activation_alpha", alpha), floats("activation_beta", beta)];
    for (name, activation, attributes) in [
        ("Tanh", Activation::Tanh, vec![]),
        ("Relu", Activation::Relu, vec![]),
        ("Sigmoid", Activation::Sigmoid, vec![]),
        ("Affine", Activation::Identity, factors(&[1.0], &[0.0])),
    ] {
        let (mut graph, p) = plain(1);
        graph.node("all0").attributes.push(texts("activations", &[name]));
        graph.node("all0").attributes.extend(attributes);
        let read = onnx::from_bytes::<f32>(&graph.bytes()).unwrap();
        assert_eq!(read.architecture().layers()[0].activation, activation, "{name}");
        assert_eq!(read.as_slice(), p.as_slice(), "{name}");
    }
    let (mut graph, _) = both(1);
    graph.node("all0").attributes.push(texts("activations", &["Affine", "Affine"]));
    let mut two = graph.clone();
    two.node("all0").attributes.extend(factors(&[1.0, 1.0], &[0.0, 0.0]));
    let read = onnx::from_bytes::<f32>(&two.bytes()).unwrap();
    assert_eq!(read.architecture().layers()[0].activation, Activation::Identity);
    for attributes in [
        vec![],
        factors(&[1.0, 1.0], &[]),
        factors(&[], &[0.0, 0.0]),
        factors(&[1.0], &[0.0, 0.0]),
        factors(&[1.0, 1.0], &[0.0]),
        factors(&[1.0, 0.5], &[0.0, 0.0]),
        factors(&[1.0, 1.0], &[0.5, 0.0]),
    ] {
        let mut graph = graph.clone();
        graph.node("all0").attributes.extend(attributes);
        graph.is_refused("an RNN of affine units other than the identity");
    }
}

#[test]
fn elements_are_read_from_raw_bytes_and_from_lists() {
    let (mut graph, p) = plain(1);
    let c: Vec<f32> = p.by().to_vec();
    graph.constant("c", shape(&[2], 1).bytes(4, c.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()));
    graph.is_read_as(&p, "float_data");
    graph.constant("c", shape(&[3], 1).bytes(4, [0; 8]));
    graph.is_refused("tensor `c` has shape [3] and 2 elements");
    graph.constant("c", elements(&[2], c.iter().copied().chain([0.0])));
    graph.is_refused("tensor `c` has shape [2] of f32 elements in 12 bytes");
    graph.constant("c", shape(&[2], 1).bytes(9, [0; 9]));
    graph.is_refused("tensor `c` has shape [2] of f32 elements in 9 bytes");

    // As many axes as a NumPy array has.
    let (mut deep, _) = plain(1);
    deep.constant("deep", elements(&[1; 64], [0.5]));
    deep.is_read_as(&p, "64 axes");
    deep.constant("deep", elements(&[1; 65], [0.5]));
    deep.is_refused("tensor `deep` has 65 axes, expected at most 64");

    // A damaged model is not taken for one of another reader.
    let mut truncated = onnx::to_bytes(&p).unwrap();
    truncated.truncate(truncated.len() - 1);
    let error = onnx::from_bytes::<f32>(&truncated).unwrap_err().to_string();
    assert!(error.starts_with("not a valid ONNX file: ") && !error.contains("it is"), "{error}");

    // In double precision, first as raw bytes, then as a list.
    for field in [9, 10] {
        let mut double = graph.clone();
        let values = |part: &[f32]| part.iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect::<Vec<u8>>();
        let (wax, rest) = p.as_slice().split_at(15);
        let (waa, rest) = rest.split_at(25);
        let (wya, rest) = rest.split_at(10);
        let (ba, by) = rest.split_at(5);
        let transposed: Vec<f32> = (0..10).map(|index| wya[index % 2 * 5 + index / 2]).collect();
        for (name, dims, part) in [
            ("W0", &[1, 5, 3][..], wax),
            ("R0", &[1, 5, 5], waa),
            ("B0", &[1, 10], &[ba, &[0.0; 5]].concat()),
            ("V", &[5, 2], &transposed),
            ("c", &[2], by),
        ] {
            double.constant(name, shape(dims, 11).bytes(field, values(part)));
        }
        let read = onnx::from_bytes::<f64>(&double.bytes()).unwrap();
        assert_eq!(read, p.to_f64(), "field {field}");
        let error = onnx::from_bytes::<f32>(&double.bytes()).unwrap_err();
        assert!(matches!(&error, Error::ElementType { expected: "f32", found, .. } if found == "F64"), "{error}");
    }
    graph.constant("c", elements(&[2], c));
    graph.constant("W0", shape(&[1, 5, 3], 10).bytes(9, [0; 30]));
    let error = onnx::from_bytes::<f32>(&graph.bytes()).unwrap_err().to_string();
    assert_eq!(error, "`W0` has elements of type number 10, expected f32");
}

/// A network has at most 16 times as many weights as its file.
#[test]
fn layers_may_share_weights_sixteen_times() {
    let of_layers = |layers: usize| {
        let (mut graph, _) = plain(1);
        graph.constants.retain(|(name, _)| *name == "axis");
        // `W` and `R` of every layer are the same 3·3 elements.
        graph.constant("W0", elements(&[1, 3, 3], (0_u8..9).map(f32::from)));
        graph.nodes.clear();
        let names: Vec<&'static str> = ["x", "a", "b", "c", "d", "e", "f", "g", "h", "i"].into();
        for layer in 0..layers {
            let all: [&'static str; 9] = ["A", "B", "C", "D", "E", "F", "G", "H", "I"];
            graph.nodes.push(node("RNN", [names[layer], "W0", "W0"], [all[layer]], []));
            graph.nodes.push(node("Squeeze", [all[layer], "axis"], [names[layer + 1]], []));
        }
        graph.outputs = vec![names[layers]];
        graph
    };
    let p = onnx::from_bytes::<f32>(&of_layers(8).bytes()).unwrap();
    assert_eq!(p.architecture(), &Architecture::new(3, [Layer::new(3); 8], 0));
    of_layers(9).is_refused("9 layers of 162 shared weights, of which the file has 9");
}
