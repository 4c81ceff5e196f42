//! Reads any bytes as the `.npy` file of a matrix, in an archive with a valid structure and valid checksums.

#![no_main]

use std::io::{Cursor, Write};

use elman::Scalar;
use elman::io::npz;
use libfuzzer_sys::fuzz_target;
use ndarray::{Array1, Array2};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The matrix `waa` of so many units is still small.
const MOST_UNITS: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("matrix.npy", SimpleFileOptions::default()).expect("it is the only one");
    archive.write_all(bytes).expect("memory takes all bytes");
    let archive = archive.finish().expect("every file was written").into_inner();
    read::<f32>(&archive);
    read::<f64>(&archive);
});

/// Uses the matrix as the input weights, and as the weights of an output layer without a bias.
fn read<A: Scalar>(bytes: &[u8]) {
    let Ok(mut tensors) = npz::from_bytes::<A>(bytes) else { return };
    let Ok(matrix) = tensors.get("matrix").map(|matrix| matrix.to_owned()) else { return };
    if let &[n_a @ ..=MOST_UNITS, _] = matrix.shape() {
        tensors.insert("wax", matrix.clone());
        tensors.insert("waa", Array2::<A>::zeros((n_a, n_a)));
        tensors.insert("wya", Array2::<A>::zeros((1, n_a)));
        tensors.insert("ba", Array1::<A>::zeros(n_a));
        tensors.insert("by", Array1::<A>::zeros(1));
    }
    if let &[_, n_a @ ..=MOST_UNITS] = matrix.shape() {
        tensors.insert("weight_ih_l0", Array2::<A>::zeros((n_a, 1)));
        tensors.insert("weight_hh_l0", Array2::<A>::zeros((n_a, n_a)));
        tensors.insert("linear.weight", matrix);
    }
    elman_fuzz::use_tensors(&tensors);
}
