//! Recognises files of other formats, and says how to get the weights out of them.

/// The advice for PyTorch.
const TORCH: &str =
    "in Python, `safetensors.torch.save_file(model.state_dict(), path)` writes a file that this crate reads";
/// The advice for Keras.
const KERAS: &str =
    "in Python, `np.savez(path, **{w.path: np.asarray(w) for w in model.weights})` writes a file that this crate reads";

/// The number of bytes at each end of a zip archive that are searched for the names of its entries.
const ENDS: usize = 1 << 16;

/// Returns a sentence about bytes that are empty, or of a known format other than the reader's `own`.
///
/// It checks a few bytes only. Call it after the reader has failed.
pub(super) fn recognized(bytes: &[u8], own: &str) -> Option<String> {
    let (what, then) = match bytes {
        [] => return Some("the file is empty".into()),
        [b'P', b'K', 3, 4, ..] => archive(bytes, own)?,
        // The length of the header, and its first byte. Such a length may begin as another format does.
        [_, _, _, _, _, _, 0, 0, b'{', ..] if own == "safetensors" => return None,
        [_, _, _, _, _, _, 0, 0, b'{', ..] => {
            ("a safetensors file", "read it with `elman::io::safetensors::load` (feature `safetensors`)")
        }
        [b'\x93', b'N', b'U', b'M', b'P', b'Y', ..] if own != ".npy" => {
            ("a single NumPy array (.npy)", "read it with `elman::io::npy::load` (feature `npz`)")
        }
        [b'\x89', b'H', b'D', b'F', ..] => ("an HDF5 file (.h5)", KERAS),
        [0x80, 2..=5, ..] => ("a Python pickle, perhaps of an old PyTorch (.pt)", TORCH),
        [0x1f, 0x8b, ..] => ("a gzip file", "decompress it first"),
        // Field 1 of a protobuf message is the version of ONNX's representation. A text or message follows.
        [0x08, 1..=32, 0x12 | 0x1a | 0x22 | 0x32 | 0x3a | 0x42, ..] if own != "ONNX" => {
            ("an ONNX model (.onnx)", "read it with `elman::io::onnx::load` (feature `onnx`)")
        }
        _ => return None,
    };
    Some(format!("it is {what}; {then}"))
}

/// Recognises a zip archive by the names of its entries.
fn archive(bytes: &[u8], own: &str) -> Option<(&'static str, &'static str)> {
    let ends = [&bytes[..bytes.len().min(ENDS)], &bytes[bytes.len().saturating_sub(ENDS)..]];
    let contains = |name: &str| ends.iter().any(|end| end.windows(name.len()).any(|window| window == name.as_bytes()));
    if contains("/data.pkl") {
        Some(("a PyTorch file (.pt)", TORCH))
    } else if contains("model.weights.h5") {
        Some(("a Keras model (.keras)", KERAS))
    } else if own != ".npz" && contains(".npy") {
        Some(("an archive of NumPy arrays (.npz)", "read it with `elman::io::npz::load` (feature `npz`)"))
    } else {
        None
    }
}
