//! Fixtures: the JSON files of `tests/fixtures`, each written by the script of the same name.
//!
//! Entries are addressed by JSON pointer (RFC 6901), as in `/by_loss/dwax`.

use std::{fs, path::Path};

use elman::sequence;
use ndarray::{Array, ArrayBase, Data, Dimension};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub struct Fixture {
    entries: Value,
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { entries: serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}")) }
    }

    /// The entry at `pointer`, which must exist and be a `T`.
    pub fn get<T: DeserializeOwned>(&self, pointer: &str) -> T {
        let entry = self.entries.pointer(pointer).unwrap_or_else(|| panic!("no entry {pointer}"));
        serde_json::from_value(entry.clone()).unwrap_or_else(|e| panic!("{pointer}: {e}"))
    }

    /// The array at `pointer`: its shape and its elements in C order.
    pub fn array<T: DeserializeOwned, D: Dimension>(&self, pointer: &str) -> Array<T, D> {
        let shape: Vec<usize> = self.get(&format!("{pointer}/shape"));
        let values = self.get(&format!("{pointer}/values"));
        Array::from_shape_vec(shape, values)
            .and_then(Array::into_dimensionality)
            .unwrap_or_else(|e| panic!("{pointer}: {e}"))
    }

    /// Asserts that `found` equals the array at `pointer`: same shape, and no element differs by more than `tolerance`
    /// times the largest magnitude of the array. The scale is that of the array, because an element near zero is a sum
    /// of large terms that cancel, and keeps their rounding.
    #[track_caller]
    pub fn assert_close<S, D>(&self, pointer: &str, found: &ArrayBase<S, D>, tolerance: f64)
    where
        S: Data<Elem = f64>,
        D: Dimension,
    {
        let expected: Array<f64, D> = self.array(pointer);
        assert_eq!(found.shape(), expected.shape(), "shape of {pointer}");
        let scale = expected.iter().fold(0.0, |scale: f64, e| scale.max(e.abs()));
        for ((index, e), f) in expected.indexed_iter().zip(found) {
            assert!((f - e).abs() <= tolerance * scale, "{pointer} at {index:?}: {f}, expected {e}");
        }
    }

    /// `assert_close` for every gradient in the object at `pointer`.
    #[track_caller]
    pub fn assert_gradients(&self, pointer: &str, found: &sequence::Backward<f64>, tolerance: f64) {
        let at = |name| format!("{pointer}/{name}");
        let sequence::Backward { gradients, dx, da0, .. } = found;
        self.assert_close(&at("dwax"), &gradients.wax(), tolerance);
        self.assert_close(&at("dwaa"), &gradients.waa(), tolerance);
        self.assert_close(&at("dwya"), &gradients.wya(), tolerance);
        self.assert_close(&at("dba"), &gradients.ba(), tolerance);
        self.assert_close(&at("dby"), &gradients.by(), tolerance);
        self.assert_close(&at("dx"), dx, tolerance);
        self.assert_close(&at("da0"), da0, tolerance);
    }
}
