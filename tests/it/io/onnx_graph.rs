//! The layers in graphs of ONNX models: a graph that computes a stack is read as that stack, and any other one is refused by its
//! reason.

use elman::Activation;
use elman::io::onnx;

use crate::support::onnx::{
    Graph, Message, Node, are_read, are_refused, both, elements, float, floats, int, integers, ints, node, plain,
    shape, tensor, text, texts,
};

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
