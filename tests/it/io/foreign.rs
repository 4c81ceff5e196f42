//! Files of other formats are recognised, and the error says what to do. Errors of files name the path.

use std::error::Error as _;
use std::fs;
use std::io::{Cursor, Write};

use elman::Scalar;
use elman::io::{Checkpoint, Error, Tensors, npy, npz, safetensors};
use ndarray::{Array1, Array2, ArrayD, Ix1, Ix2, array};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// An archive whose entries have these names.
fn archive(names: &[&str]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for name in names {
        archive.start_file(*name, options).unwrap();
        archive.write_all(&[7; 100]).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn tensors<A: Scalar>() -> Tensors<A> {
    [("x", Array2::<A>::zeros((2, 3)))].into_iter().collect()
}

/// The messages of the three readers.
fn messages(bytes: &[u8]) -> [Result<(), String>; 3] {
    [
        safetensors::from_bytes::<f32>(bytes).map(drop).map_err(|error| error.to_string()),
        npz::from_bytes::<f32>(bytes).map(drop).map_err(|error| error.to_string()),
        npy::from_bytes::<f32>(bytes).map(drop).map_err(|error| error.to_string()),
    ]
}

#[test]
fn another_format_is_recognized_by_every_reader() {
    for (bytes, what, then) in [
        (vec![], "the file is empty", ""),
        (archive(&["archive/data.pkl", "archive/data/0"]), "it is a PyTorch file (.pt)", "safetensors.torch.save_file"),
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9".to_vec(), "it is a Python pickle", "safetensors.torch.save_file"),
        (archive(&["metadata.json", "model.weights.h5"]), "it is a Keras model (.keras)", "np.savez"),
        (b"\x89HDF\r\n\x1a\n\0\0\0\0".to_vec(), "it is an HDF5 file (.h5)", "np.savez"),
        (b"\x08\x0e\x12\x07pytorch\x1a\x012:\x03".to_vec(), "it is an ONNX model (.onnx)", "elman::io::onnx::load"),
        (b"\x08\x0e:\x03\x12\x01gB\x02\x10\x1c".to_vec(), "it is an ONNX model (.onnx)", "elman::io::onnx::load"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0".to_vec(), "it is a gzip file", "decompress it first"),
    ] {
        for message in messages(&bytes) {
            let message = message.unwrap_err();
            assert!(
                message.starts_with("not a valid ") && message.contains(what) && message.contains(then),
                "{message}"
            );
        }
    }
}

#[test]
fn the_formats_of_this_crate_are_recognized_by_each_others_readers() {
    let safe = safetensors::to_bytes(&tensors::<f32>()).unwrap();
    let zipped = npz::to_bytes(&tensors::<f32>()).unwrap();
    let single = npy::to_bytes(&Array1::<f32>::zeros(3)).unwrap();
    for (bytes, reads, advice) in
        [(safe, 0, "io::safetensors::load"), (zipped, 1, "io::npz::load"), (single, 2, "io::npy::load")]
    {
        for (reader, message) in messages(&bytes).into_iter().enumerate() {
            match message {
                Ok(()) => assert_eq!(reader, reads),
                Err(message) => assert!(message.contains(advice), "{message}"),
            }
        }
    }
}

#[test]
fn a_damaged_file_is_not_taken_for_another_format() {
    let mut safe = safetensors::to_bytes(&tensors::<f32>()).unwrap();
    safe.truncate(safe.len() - 1);
    let mut zipped = npz::to_bytes(&tensors::<f32>()).unwrap();
    zipped.truncate(zipped.len() - 1);
    let mut single = npy::to_bytes(&Array1::<f32>::zeros(3)).unwrap();
    single.truncate(single.len() - 1);
    let [message, ..] = messages(&safe);
    assert!(message.unwrap_err().contains("tensor `x` ends at byte 24 of the data, but the file has 23"));
    let [_, message, _] = messages(&zipped);
    assert!(!message.unwrap_err().contains("it is"));
    let [.., message] = messages(&single);
    assert!(message.unwrap_err().contains("11 bytes of data"));
    // The length of a header may begin as a pickle, a gzip file or an ONNX model.
    for length in [0x0280_u64, 0x8b1f, 0x0012_0108] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(b"{\"x\":");
        let [message, others @ ..] = messages(&bytes);
        let expected = format!("the header is {length} bytes, and the file ends after 5 of them");
        assert!(message.unwrap_err().contains(&expected));
        assert!(others.into_iter().all(|message| message.unwrap_err().contains("it is a safetensors file")));
    }
    // An archive without a known name is what the reader makes of it.
    assert_eq!(messages(&archive(&["notes.txt"]))[1], Ok(()));
}

#[test]
fn an_error_of_a_files_content_names_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.bin");
    fs::write(&path, b"something else").unwrap();
    let errors = [
        safetensors::load::<f32>(&path).unwrap_err(),
        npz::load::<f32>(&path).unwrap_err(),
        npy::load::<f32>(&path).unwrap_err(),
        Checkpoint::<f32>::load(&path).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().starts_with(&format!("{}: not a valid ", path.display())), "{error}");
        assert!(matches!(error, Error::Content { .. }));
        assert!(error.source().is_none(), "the message has it all");
    }

    safetensors::save(&path, &tensors::<f32>()).unwrap();
    let error = Checkpoint::<f32>::load(&path).unwrap_err().to_string();
    assert!(error.ends_with("weights.bin: there is no tensor `wax`: there are `x`"), "{error}");
}

#[test]
fn npy_files_round_trip_in_any_layout_and_refuse_another_element_type() {
    let x = array![[1.0_f32, -0.0, f32::NAN], [4.0, f32::INFINITY, 6.0]];
    let back = npy::from_bytes::<f32>(&npy::to_bytes(&x).unwrap()).unwrap().into_dimensionality::<Ix2>().unwrap();
    assert_eq!(back.mapv(f32::to_bits), x.mapv(f32::to_bits));
    let back = npy::from_bytes::<f32>(&npy::to_bytes(&x.t()).unwrap()).unwrap().into_dimensionality::<Ix2>().unwrap();
    assert_eq!(back.mapv(f32::to_bits), x.t().mapv(f32::to_bits));

    let error = npy::from_bytes::<f64>(&npy::to_bytes(&x).unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`the array` has elements of type <f4, expected f64; load the file as f32 (`Parameters::to_f64` converts a network)"
    );
    let mut longer = npy::to_bytes(&x).unwrap();
    longer.push(0);
    assert!(npy::from_bytes::<f32>(&longer).unwrap_err().to_string().contains("25 bytes of data"));
    let mut huge = npy::to_bytes(&Array1::<f32>::zeros(0)).unwrap();
    let at = huge.windows(4).position(|text| text == b"(0,)").unwrap();
    huge[at..at + 4].copy_from_slice(b"(9,)");
    assert!(
        npy::from_bytes::<f32>(&huge)
            .unwrap_err()
            .to_string()
            .contains("0 bytes of data, which is not the size of an array of shape [9]")
    );
}

/// Of arrays that are listed and not read, too.
#[test]
fn the_shape_of_every_npz_array_has_to_fit_its_bytes() {
    let entry = |element_type: &str, shape: &str, data: usize| {
        let mut text = format!("{{'descr': {element_type}, 'fortran_order': False, 'shape': {shape}, }}\n");
        while (10 + text.len()) % 64 != 0 {
            text.insert(text.len() - 1, ' ');
        }
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.bytes());
        bytes.resize(bytes.len() + data, 0);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        archive.start_file("x.npy", options).unwrap();
        archive.write_all(&bytes).unwrap();
        npz::from_bytes::<f32>(&archive.finish().unwrap().into_inner())
    };
    for (element_type, bytes) in [
        ("'<i8'", 8),
        ("'|b1'", 1),
        ("'<U5'", 20),
        ("'|S3'", 3),
        ("'<M8[ns]'", 8),
        ("'>c16'", 16),
        ("'|V7'", 7),
        ("'<f8'", 8),
    ] {
        assert!(entry(element_type, "(2, 3)", 6 * bytes).is_ok(), "{element_type}");
        for wrong in [0, 6 * bytes - 1, 6 * bytes + 1] {
            let error = entry(element_type, "(2, 3)", wrong).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{wrong} bytes of data, which is not the size of an array of shape [2, 3]")),
                "{error}"
            );
        }
        assert!(entry(element_type, "(9223372036854775807, 9223372036854775807)", 0).is_err());
    }
    // The code of a record or of a Python object does not say its size.
    for element_type in ["'|O'", "[('a', '<i4')]"] {
        assert!(entry(element_type, "(2, 3)", 5).is_ok());
    }
}

#[test]
fn one_vector_of_a_matrix_is_refused_by_its_number_of_axes() {
    let tensors = tensors::<f64>();
    assert_eq!(tensors.array::<Ix2>("x").unwrap().dim(), (2, 3));
    let error = tensors.array::<Ix1>("x").unwrap_err();
    assert_eq!(error.to_string(), "`x` has shape [2, 3], expected 1 axes");
}

/// Every reader refuses more than 64 axes, as NumPy does.
#[test]
fn an_array_of_more_than_64_axes_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let most = ArrayD::from_elem(vec![1; 64], 0.5_f64);
    npy::save(&path, &most).unwrap();
    assert_eq!(npy::load::<f64>(&path).unwrap(), most);
    let deep = ArrayD::from_elem(vec![1; 65], 0.5_f64);
    let tensors: Tensors<f64> = [("x", deep.clone())].into_iter().collect();
    let read =
        safetensors::from_bytes::<f64>(&safetensors::to_bytes(&[("x", most.clone())].into_iter().collect()).unwrap());
    assert_eq!(read.unwrap().get("x").unwrap(), most);
    for (error, format) in [
        (npy::to_bytes(&deep).unwrap_err(), ".npy"),
        (npy::save(&path, &deep).unwrap_err(), ".npy"),
        (npz::to_bytes(&tensors).unwrap_err(), ".npz"),
        (safetensors::to_bytes(&tensors).unwrap_err(), "safetensors"),
    ] {
        assert!(error.to_string().starts_with(&format!("not a valid {format} file: ")), "{error}");
        assert!(error.to_string().contains(" 65 axes"), "{error}");
    }
    assert_eq!(npy::load::<f64>(&path).unwrap(), most, "the old file is still there");
}

/// The text, spaces and a line break fill a multiple of 64 bytes together with the ten bytes before them.
#[test]
fn the_header_of_an_npy_file_is_what_numpy_writes() {
    for axes in 0..=64 {
        for first in [0, 1, 10, 1000] {
            let mut shape = vec![1; axes];
            shape.iter_mut().take(1).for_each(|n| *n = first);
            let array = ArrayD::from_elem(shape.clone(), 1.0_f32);
            let bytes = npy::to_bytes(&array).unwrap();
            let tuple = match &shape[..] {
                [n] => format!("({n},)"),
                shape => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            };
            let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }}");
            let length = (10 + text.len() + 1).div_ceil(64) * 64 - 10;
            let mut expected = b"\x93NUMPY\x01\x00".to_vec();
            expected.extend(u16::try_from(length).unwrap().to_le_bytes());
            expected.extend(format!("{text:<width$}\n", width = length - 1).bytes());
            expected.extend(1.0_f32.to_le_bytes().repeat(array.len()));
            assert_eq!(bytes, expected, "{shape:?}");
        }
    }
}
