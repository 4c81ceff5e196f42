//! The tensors of ONNX models.

use elman::io::{Error, onnx};
use elman::stack::{Architecture, Layer};

use crate::support::onnx::{elements, node, plain, shape};

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
