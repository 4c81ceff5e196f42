//! `.npz` archives: those of NumPy are read, and ours round-trip, bit for bit. Errors state what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use elman::Scalar;
use elman::io::{Error, Tensors, npz};
use ndarray::{Array, Array1, ArrayD, Ix0, IxDyn, ShapeBuilder};
use serde::Deserialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::support::bits::{Bits, bits};

/// Names, shapes and bits of an archive, for comparison.
fn contents<A: Bits>(tensors: &Tensors<A>) -> BTreeMap<String, (Vec<usize>, Vec<u64>)> {
    tensors.arrays().map(|(name, array)| (name.into(), (array.shape().to_vec(), bits(array)))).collect()
}

#[track_caller]
fn refused<A: Scalar>(bytes: &[u8], reasons: &[&str]) {
    let error = npz::from_bytes::<A>(bytes).unwrap_err().to_string();
    assert!(error.starts_with("not a valid .npz file: "), "{error}");
    for reason in reasons {
        assert!(error.contains(reason), "`{reason}` is not in: {error}");
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// A bit pattern in the script's format, with all digits.
fn hexadecimal<A: Bits>(value: &A) -> String {
    format!("{:0digits$x}", value.to_pattern(), digits = 2 * size_of::<A>())
}

/// The script's description of an array.
#[derive(Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<usize>,
    bits: Option<Vec<String>>,
}

fn numpy_is_read<A: Bits>(archive: &str) {
    let described: BTreeMap<String, BTreeMap<String, Described>> =
        serde_json::from_slice(&fixture("npz.json")).unwrap();
    let tensors = npz::from_bytes::<A>(&fixture(&format!("{archive}.npz"))).unwrap();
    let described = &described[archive];
    assert_eq!(tensors.names().collect::<Vec<_>>(), described.keys().collect::<Vec<_>>());
    for (name, Described { dtype, shape, bits }) in described {
        assert_eq!(tensors.shape(name).unwrap(), shape, "{name}");
        if let Some(bits) = bits {
            let found: Vec<_> = tensors.get(name).unwrap().iter().map(hexadecimal).collect();
            assert_eq!(&found, bits, "{name}");
        } else {
            let error = tensors.get(name).unwrap_err().to_string();
            // NumPy's dtype names a record by its size only; the file has its fields.
            let dtype = if dtype.starts_with("|V") { "[('größe', '<f4', (2, 3))" } else { dtype };
            let expected = format!("`{name}` has elements of type {dtype}");
            assert!(
                error.starts_with(&expected) && error.ends_with(&format!(", expected {}", std::any::type_name::<A>())),
                "{error}"
            );
        }
    }
}

#[test]
fn savez_of_f32_is_read_bit_for_bit() {
    numpy_is_read::<f32>("npz_f32");
}

#[test]
fn savez_of_f64_is_read_bit_for_bit() {
    numpy_is_read::<f64>("npz_f64");
}

#[test]
fn savez_compressed_is_read_bit_for_bit() {
    numpy_is_read::<f32>("npz_f32_compressed");
    numpy_is_read::<f64>("npz_f64_compressed");
}

#[test]
fn every_version_is_read_and_a_file_that_is_not_an_array_is_listed() {
    let tensors = npz::from_bytes::<f32>(&fixture("npz_versions.npz")).unwrap();
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["readme.txt", "version_1", "version_2", "version_3"]);
    for version in ["version_1", "version_2", "version_3"] {
        assert_eq!(tensors.get(version).unwrap(), Array1::from(vec![0.0, 1.0, 2.0]).into_dyn());
    }
    let error = tensors.get("readme.txt").unwrap_err().to_string();
    assert_eq!(error, "`readme.txt` has elements of type bytes, not .npy, expected f32");
}

#[test]
fn the_other_float_type_is_named_and_never_converted() {
    let tensors = npz::from_bytes::<f64>(&fixture("npz_f32.npz")).unwrap();
    let error = tensors.get("big_endian").unwrap_err().to_string();
    assert_eq!(
        error,
        "`big_endian` has elements of type >f4, expected f64; load the file as f32 (`Parameters::to_f64` converts a network)"
    );
}

fn samples<A: Bits>() -> Tensors<A> {
    let special: Vec<A> = A::SPECIAL.iter().map(|&bits| A::from_pattern(bits)).collect();
    let mut tensors = Tensors::new();
    tensors.insert("special", Array::from_shape_vec((2, 9), special.clone()).unwrap());
    tensors.insert("columns first", Array::from_shape_vec((2, 9).f(), special).unwrap());
    tensors.insert("scalar", Array::<A, Ix0>::from_elem((), A::from_pattern(1)));
    for shape in [&[0][..], &[0, 7], &[3, 0, 5], &[1; 64]] {
        tensors.insert(format!("{shape:?}"), ArrayD::from_elem(IxDyn(shape), A::from_pattern(A::SPECIAL[1])));
    }
    // Longer than the chunks that are read and written.
    tensors.insert("long", Array1::from_shape_fn(40_009, |i| A::from_pattern(i as u64)));
    for name in ["", "x.npy", "../../etc/passwd", "/root", "a\\b", "a/b:0", "größe ☃", "\0\n", "C:\\x"] {
        tensors.insert(name, Array1::from_elem(3, A::from_pattern(1)));
    }
    tensors
}

fn comes_back<A: Bits>() {
    let tensors = samples::<A>();
    let bytes = npz::to_bytes(&tensors).unwrap();
    let back = npz::from_bytes::<A>(&bytes).unwrap();
    assert_eq!(contents(&back), contents(&tensors));
    assert_eq!(npz::to_bytes(&back).unwrap(), bytes);
    assert_eq!(npz::from_bytes::<A>(&npz::to_bytes(&Tensors::<A>::new()).unwrap()).unwrap(), Tensors::new());
}

#[test]
fn archives_round_trip_bit_for_bit() {
    comes_back::<f32>();
    comes_back::<f64>();
}

#[test]
fn a_file_round_trips_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.npz");
    npz::save(&path, &samples::<f64>()).unwrap();
    assert_eq!(contents(&npz::load::<f64>(&path).unwrap()), contents(&samples::<f64>()));
    assert!(matches!(npz::load::<f64>(folder.path().join("none")), Err(Error::File { action: "read", .. })));
}

/// A local header takes 30 bytes and the name, an entry of the directory 46 and the name, and the end 22: no field for large
/// files, no comment.
#[test]
fn a_small_archive_has_no_fields_of_large_files() {
    let tensors: Tensors<f32> =
        [("wax", ArrayD::zeros(vec![3, 5])), ("by", ArrayD::zeros(vec![7])), ("", ArrayD::zeros(vec![0]))]
            .into_iter()
            .collect();
    let npy: usize = tensors.arrays().map(|(_, array)| 128 + 4 * array.len()).sum();
    let names = "wax.npyby.npy.npy".len();
    assert_eq!(npz::to_bytes(&tensors).unwrap().len(), npy + 3 * (30 + 46) + 2 * names + 22);
}

#[test]
fn content_that_an_archive_cannot_hold_is_an_error() {
    let mut tensors = samples::<f32>();
    tensors.metadata_mut().insert("step".into(), "12".into());
    let error = npz::to_bytes(&tensors).unwrap_err().to_string();
    assert_eq!(error, "metadata `step` is `12`, expected none, because an .npz file cannot hold any");

    let listed = npz::from_bytes::<f32>(&fixture("npz_f64.npz")).unwrap();
    let error = npz::to_bytes(&listed).unwrap_err().to_string();
    assert_eq!(
        error,
        "`big_endian` has elements of type >f8, expected f32; load the file as f64 (`Parameters::to_f32` converts a network)"
    );

    let mut tensors = Tensors::new();
    tensors.insert("n".repeat(70_000), Array1::<f32>::zeros(1));
    let error = npz::to_bytes(&tensors).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
}

/// An archive of entries with these names and bytes.
fn archive(method: CompressionMethod, entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A `.npy` file of version 1 with this header.
fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

fn single(header: &str, data: &[u8]) -> Vec<u8> {
    archive(CompressionMethod::Stored, &[("wax.npy", &npy(header, data))])
}

#[test]
fn headers_of_other_writers_are_read() {
    for header in [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n",
        "{\"shape\":(2L,),\"fortran_order\":True,\"descr\":\"<f4\"}",
        " { 'descr' : '<f4' ,\n'fortran_order' : False , 'shape' : ( 2 , ) } ",
    ] {
        let tensors = npz::from_bytes::<f32>(&single(header, &[0, 0, 128, 63, 0, 0, 0, 64])).unwrap();
        assert_eq!(tensors.get("wax").unwrap(), Array1::from(vec![1.0, 2.0]).into_dyn(), "{header}");
    }
}

/// A record's element type is a list, in which NumPy writes names as Python does. In version 3 of `.npy` they are UTF-8, and
/// before it Latin-1.
#[test]
fn a_record_is_listed_by_the_text_of_its_type() {
    for descr in
        [r"[('it\'s', '<f4')]", r#"[("a\"]", '<f4')]"#, r"[('back\\', '<f4')]", "[('☃', '<f4')]", "[('ä', '<f4')]"]
    {
        let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (2,)}}");
        for (version, name) in [(1, header.bytes().map(char::from).collect()), (3, header.clone())] {
            let start = name.find('[').unwrap();
            let shown = &name[start..=name.rfind(']').unwrap()];
            let mut file = npy(&header, &[0; 8]);
            if version == 3 {
                let length = u32::try_from(header.len()).unwrap().to_le_bytes();
                file = [b"\x93NUMPY\x03\x00", &length[..], header.as_bytes(), &[0; 8]].concat();
            }
            let tensors = npz::from_bytes::<f32>(&archive(CompressionMethod::Stored, &[("wax.npy", &file)])).unwrap();
            let error = tensors.get("wax").unwrap_err().to_string();
            assert_eq!(error, format!("`wax` has elements of type {shown}, expected f32"), "version {version}");
        }
    }
}

#[test]
fn malformed_headers_are_refused() {
    let nested = format!("{{'descr': {}", "[".repeat(60_000));
    let unclosed = format!("{{'descr': [{}('x', '<f4')", "('x', [".repeat(8_000));
    let axes = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", "1,".repeat(30_000));
    for header in [
        "",
        "{",
        "}",
        "{}",
        "[]",
        "{'descr'",
        "{'descr': '<f4}",
        "{'descr': '<f4\\'",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (2,)}",
        "{'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 2}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [2]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (+2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} more",
        "{'descr': None, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': 4, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': ), 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
        &nested,
        &unclosed,
        &axes,
    ] {
        refused::<f32>(&single(header, &[0; 8]), &["`wax`: its header is not {'descr'"]);
    }
}

#[test]
fn shapes_that_do_not_match_the_data_are_refused() {
    for shape in [
        "(3,)",
        "()",
        "(0,)",
        "(1000000000000,)",
        "(9223372036854775808,)",
        "(4611686018427387904, 2)",
        "(9223372036854775808, 2)",
    ] {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
        refused::<f32>(&single(&header, &[0; 8]), &["`wax`: it has 8 bytes of data", "and type <f4"]);
    }
    for order in ["True", "False"] {
        let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': (0, 9223372036854775808)}}");
        refused::<f32>(&single(&header, &[]), &["`wax`: an array of shape [0, 9223372036854775808]"]);
        let header = header.replace("<f4", "|O");
        let error = npz::from_bytes::<f32>(&single(&header, &[])).unwrap().get("wax").unwrap_err().to_string();
        assert_eq!(error, "`wax` has elements of type |O, expected f32");
    }
}

#[test]
fn files_that_are_not_npy_are_refused_by_name() {
    let stored = |bytes: &[u8]| archive(CompressionMethod::Stored, &[("wax.npy", bytes)]);
    refused::<f32>(&stored(b"\x93NUMPX\x01\x00\x02\x00{}"), &["`wax`: it does not begin as .npy files do"]);
    refused::<f32>(&stored(b"\x93NUMPY\x04\x00\x02\x00{}"), &["`wax`: version 4.0"]);
    refused::<f32>(&stored(b"\x93NUMPY\x01\x01\x02\x00{}"), &["`wax`: version 1.1"]);
    refused::<f32>(&stored(b"\x93NUMPY\x01\x00\x03\x00{}"), &["`wax`: a header of 3 bytes, in 12 bytes altogether"]);
    refused::<f32>(&stored(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), &["`wax`: a header of 4294967295 bytes"]);
    let whole = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", &[0; 8]);
    for length in 0..whole.len() {
        refused::<f32>(&stored(&whole[..length]), &["`wax`: "]);
    }
}

/// Small archives with stored and deflated entries, by NumPy and by this crate.
fn small() -> [Vec<u8>; 3] {
    let mut tensors = Tensors::new();
    tensors.insert("wax", Array::from_shape_fn((3, 5), |(i, j)| f32::from_pattern((17 * i + j) as u64)));
    tensors.insert("by", Array1::from_elem(2, 0.5_f32));
    let npy = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (64,)}", &[7; 256]);
    [
        npz::to_bytes(&tensors).unwrap(),
        archive(CompressionMethod::Deflated, &[("wax.npy", &npy), ("by.npy", &npy)]),
        fixture("npz_versions.npz"),
    ]
}

#[test]
fn a_truncated_archive_is_refused() {
    for whole in small().into_iter().chain([fixture("npz_f32.npz"), fixture("npz_f32_compressed.npz")]) {
        for length in 0..whole.len() {
            refused::<f32>(&whole[..length], &[]);
        }
    }
}

#[test]
fn one_wrong_byte_is_refused_or_changes_nothing() {
    for whole in small() {
        let expected = npz::from_bytes::<f32>(&whole).unwrap();
        let mut refused = 0;
        for at in 0..whole.len() {
            for flipped in [1, 0x20, 0x80, 0xff] {
                let mut wrong = whole.clone();
                wrong[at] ^= flipped;
                match npz::from_bytes::<f32>(&wrong) {
                    Ok(found) => assert_eq!(contents(&found), contents(&expected), "byte {at} ^ {flipped}"),
                    Err(_) => refused += 1,
                }
            }
        }
        // Attributes, time stamps and archiver versions may have any value.
        assert!(refused > 3 * whole.len(), "{refused} of {}", 4 * whole.len());
    }
}

#[test]
fn a_wrong_checksum_names_its_tensor() {
    let mut whole = npz::to_bytes(&samples::<f32>()).unwrap();
    let data = whole.windows(4).position(|bytes| bytes == 40_008_u32.to_le_bytes()).unwrap();
    whole[data] ^= 1;
    refused::<f32>(&whole, &["`long`: ", "checksum"]);
}

#[test]
fn two_entries_of_one_name_are_refused() {
    let npy = npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", &[0; 4]);
    let mut whole = archive(CompressionMethod::Stored, &[("wax.npy", &npy), ("waa.npy", &npy)]);
    while let Some(at) = whole.windows(7).position(|bytes| bytes == b"waa.npy") {
        whole[at + 2] = b'x';
    }
    refused::<f32>(&whole, &["two of its entries have the same name"]);
    for entries in [[("wax.npy", &npy[..]), ("wax", &npy)], [("wax", &npy), ("wax.npy", &npy)]] {
        refused::<f32>(&archive(CompressionMethod::Stored, &entries), &["`wax`: two of its entries have this name"]);
    }
}

#[test]
fn an_encrypted_entry_is_refused() {
    let mut whole = single("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", &[0; 4]);
    let directory = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    whole[6] |= 1;
    whole[directory + 8] |= 1;
    refused::<f32>(&whole, &["`wax`: ", "assword"]);
}
