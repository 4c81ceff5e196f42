//! The outputs of graphs of ONNX models: the head, and the last states.

use elman::stack::{self, Direction};

use crate::support::onnx::{
    Graph, Message, Node, are_read, are_refused, elements, float, int, integers, ints, node, plain,
};

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
