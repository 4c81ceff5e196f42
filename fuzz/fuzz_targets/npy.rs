//! Any bytes as the arrays of an `.npz`, in an archive whose own structure and checksums are right.

#![no_main]

use std::io::{Cursor, Write};

use elman::Scalar;
use elman::io::npz;
use libfuzzer_sys::fuzz_target;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fuzz_target!(|arrays: [&[u8]; 5]| {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in ["wax.npy", "waa.npy", "wya.npy", "ba.npy", "by.npy"].into_iter().zip(arrays) {
        archive.start_file(name, SimpleFileOptions::default()).expect("the names differ");
        archive.write_all(bytes).expect("memory takes all bytes");
    }
    let bytes = archive.finish().expect("every file was written").into_inner();
    read::<f32>(&bytes);
    read::<f64>(&bytes);
});

fn read<A: Scalar>(bytes: &[u8]) {
    if let Ok(tensors) = npz::from_bytes::<A>(bytes) {
        elman_fuzz::use_tensors(&tensors);
    }
}
