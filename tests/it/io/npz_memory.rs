//! The memory that a small `.npz` archive can make a reader allocate, with any declared sizes.

use std::io::{Cursor, Write};

use allocation_counter::measure;
use elman::io::{Error, Tensors, npz};
use ndarray::Array2;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The bound in the documentation of `npz`.
#[track_caller]
fn read(bytes: &[u8]) -> Result<Tensors<f32>, Error> {
    let mut result = None;
    let peak = measure(|| result = Some(npz::from_bytes(bytes))).bytes_max;
    let bound = 48 * bytes.len() as u64 + (17 << 20);
    assert!(peak <= bound, "{peak} bytes for a file of {}, expected at most {bound}", bytes.len());
    result.unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], reason: &str) {
    let error = read(bytes).unwrap_err().to_string();
    assert!(error.contains(reason), "`{reason}` is not in: {error}");
}

fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    let length = &length[..if version == 1 { 2 } else { 4 }];
    [b"\x93NUMPY", &[version, 0][..], length, header.as_bytes(), data].concat()
}

/// Zeros in a `.npy` file of this many bytes of data.
fn zeros(bytes: usize) -> Vec<u8> {
    npy(1, &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},)}}", bytes / 4), &vec![0; bytes])
}

fn archive(entries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(name, options).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn single(npy: Vec<u8>) -> Vec<u8> {
    archive([("wax.npy".into(), npy)])
}

const MIB: usize = 1 << 20;

#[test]
fn compressed_zeros_are_read_up_to_the_bound() {
    assert_eq!(read(&single(zeros(15 * MIB))).unwrap().get("wax").unwrap().len(), 15 * MIB / 4);
    refused(&single(zeros(17 * MIB)), "`wax`: with it the archive unpacks to more than 32 times its length");
    let many = (0..17).map(|i| (format!("{i}.npy"), zeros(MIB)));
    refused(&archive(many), "with it the archive unpacks to more than 32 times its length");
}

#[test]
fn uncompressed_zeros_are_never_refused() {
    let mut tensors = Tensors::new();
    tensors.insert("wax", Array2::<f32>::zeros((2_503, 2_511)));
    let bytes = npz::to_bytes(&tensors).unwrap();
    assert!(bytes.len() > 20 * MIB);
    assert_eq!(read(&bytes).unwrap(), tensors);
}

/// The directory entry of a file: little-endian, with the name last.
fn entry(local: usize, name: &str, crc: [u8; 4], sizes: [usize; 2]) -> Vec<u8> {
    let [packed, unpacked, local] = [sizes[0], sizes[1], local].map(|n| u32::try_from(n).unwrap().to_le_bytes());
    let length = u16::try_from(name.len()).unwrap().to_le_bytes();
    let mut entry = b"PK\x01\x02\x14\x00\x14\x00\x00\x00\x08\x00\x00\x00\x21\x00".to_vec();
    entry.extend([crc, packed, unpacked].concat());
    entry.extend([&length[..], &[0; 12], &local, name.as_bytes()].concat());
    entry
}

/// The end record: number of entries, length of the directory, and its offset.
fn end(entries: usize, length: usize, start: usize) -> Vec<u8> {
    let count = u16::try_from(entries).unwrap().to_le_bytes();
    let [length, start] = [length, start].map(|n| u32::try_from(n).unwrap().to_le_bytes());
    [b"PK\x05\x06\x00\x00\x00\x00", &count[..], &count, &length, &start, &[0; 2]].concat()
}

/// Entries that all have the same compressed data. If `quoted`, each entry has its own local header before it, and
/// declares the headers of the next ones as an extra field.
fn overlapping(count: usize, quoted: bool) -> Vec<u8> {
    const LOCAL: usize = 30 + 8 + 4;

    let whole = single(zeros(MIB));
    let directory = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let central = &whole[directory..];
    let crc = central[16..20].try_into().unwrap();
    let sizes = [20, 24].map(|at| u32::from_le_bytes(central[at..at + 4].try_into().unwrap()) as usize);
    let (mut bytes, mut entries) = (Vec::new(), Vec::new());
    for i in 0..count {
        let name = format!("{i:04}.npy");
        entries.extend(entry(bytes.len(), &name, crc, sizes));
        if quoted {
            let extra = LOCAL * (count - i - 1);
            let [extra, content] = [extra + 4, extra].map(|n| u16::try_from(n).unwrap().to_le_bytes());
            // As in the directory, except for the versions, the comment, the attributes and the offset.
            let last = entries.len() - 46 - name.len();
            bytes.extend([b"PK\x03\x04", &entries[last + 6..last + 30], &extra, name.as_bytes()].concat());
            bytes.extend([b"\xfe\xca", &content[..]].concat());
        }
    }
    bytes.extend(&whole[if quoted { 30 + "wax.npy".len() } else { 0 }..directory]);
    let end = end(count, entries.len(), bytes.len());
    [bytes, entries, end].concat()
}

#[test]
fn overlapping_entries_are_refused() {
    read(&overlapping(1, true)).unwrap();
    refused(&overlapping(2, true), "overlapping entries");
    refused(&overlapping(1_000, true), "unpacks to more than");
    refused(&overlapping(1_000, false), "inconsistency");
}

#[test]
fn a_false_size_is_not_allocated() {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (250000000000,)}";
    refused(&single(npy(1, header, &[0; 8])), "`wax`: it has 8 bytes of data");

    // Both headers of the archive declare 15 MiB, which are not there.
    let mut whole = single(zeros(8));
    let directory = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    for at in [22, directory + 24] {
        whole[at..at + 4].copy_from_slice(&(15_u32 << 20).to_le_bytes());
    }
    refused(&whole, "`wax`: it has ");
    for at in [22, directory + 24] {
        whole[at..at + 4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    }
    refused(&whole, "`wax`: with it the archive unpacks to more than");
}

#[test]
fn a_large_header_takes_no_more_than_its_length() {
    let open = |length: usize| npy(2, &format!("{{'descr': {}", "[".repeat(length)), &[]);
    refused(&single(open(15 * MIB)), "`wax`: its header is not");
    let axes = npy(2, &format!("{{'shape': ({}", "1,".repeat(7 * MIB)), &[]);
    refused(&single(axes), "`wax`: its header is not");
    let text = npy(3, &format!("{{'descr': '{}'}}", "é".repeat(7 * MIB)), &[]);
    refused(&single(text), "`wax`: its header is not");
    let latin = npy(2, &format!("{{'descr': '{}'}}", "é".repeat(7 * MIB)), &[]);
    refused(&single(latin), "`wax`: its header is not");
}

#[test]
fn many_entries_take_no_more_than_the_bound() {
    let npy = npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': ()}", &[0; 4]);
    let tensors = read(&archive((0..30_000).map(|i| (format!("{i:x}.npy"), npy.clone())))).unwrap();
    assert_eq!(tensors.names().count(), 30_000);
    // More than 65 535 entries: the directory has the long form, zip64.
    let tensors = read(&archive((0..70_000).map(|i| (format!("{i:x}"), Vec::new())))).unwrap();
    assert_eq!(tensors.names().count(), 70_000);
}

#[test]
fn a_directory_alone_takes_no_more_than_the_bound() {
    let entries: Vec<u8> = (0..60_000).flat_map(|i| entry(0, &format!("{i:x}"), [0; 4], [0, 0])).collect();
    let bytes = [&entries[..], &end(60_000, entries.len(), 0)].concat();
    read(&bytes).unwrap_err();
    // Consecutive end records, each of which declares a directory.
    for directory in [&entries[..], b""] {
        let ends = end(60_000, directory.len(), 0).repeat(2_900);
        read(&[directory, &ends].concat()).unwrap_err();
    }
}
